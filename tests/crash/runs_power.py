"""Power cuts: modelled ones (power_model.py), and real ones of a file system that is shut down under the service."""

import bisect
import contextlib
import fcntl
import os
import random
import shutil
import struct
import subprocess
import tempfile
import time
from pathlib import Path

from crash_service import CrashService
from load import LIGHT_SIZES, Load
from power_model import Disk, read_log
from service import ServiceError
from tally import Row, compare, examine, outcome, read_all

LOG_BYTES = 1 << 30
RECORD_MAILS = 400


def on_tmpfs() -> str:
    """A folder of its own where a sync costs nothing: the model needs no disk."""
    return tempfile.mkdtemp(prefix="mailtest-power-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None)


def after_cut(row, state, secrets, sent, must_be_there) -> None:
    """Starts a service on what is left, and looks what is there. Outcomes are not counted."""
    service = CrashService(state_dir=state)
    service.secrets = secrets
    found = []
    try:
        begun = time.monotonic()
        service.start()
        row.slowest_s = max(row.slowest_s, time.monotonic() - begun)
        count = read_all(service, lambda mailbox, octets: found.append((mailbox, octets)))
        if count != len(found):
            row.fail(f"folders count {count} messages and give {len(found)}")
        compare(row, sent, found, must_be_there)
        problems = service.ctl("verify", "--json")["problems"]
        row.problems += problems if isinstance(problems, int) else len(problems)
    except (ServiceError, OSError) as problem:
        row.fail(str(problem).splitlines()[0][:200] + " | " + " | ".join(
            line for line in service.log.splitlines() if "] error " in line)[:600])
    finally:
        service.remove()


def model_once(row, seed, cuts, names_ordered, fresh, folder) -> None:
    """One recording under load, and so many power cuts at moments of it. fresh: of the very first start."""
    chance = random.Random(seed)
    live = Path(folder) / "state"
    service = CrashService(preload=True, log_bytes=LOG_BYTES, state_dir=live)
    try:
        if not fresh:
            service.start()
            service.add_mailboxes()
            service.stop()
        disk = Disk(live, names_ordered)
        service.control.recording = 1
        service.start()
        if fresh:
            service.add_mailboxes()
        begun_at = service.control.log_head
        load = Load(service.smtp_port, seed, sizes=LIGHT_SIZES, senders=4, at_log=lambda: service.control.log_head)
        with load:
            load.wait_for(RECORD_MAILS)
        service.kill_all()
        if service.control.log_full:
            row.fail("the record is full")
        records = read_log(service.control.log())
        outcome(row, load.sent)
        # What is not recorded (certificates, written through stdio) is taken from the end.
        extra = [path for path in live.rglob("tls/*") if path.is_file()]
        ends = [record.at for record in records]
        first = bisect.bisect_left(ends, begun_at) + 1
        done = 0
        for cut in sorted(chance.sample(range(first, len(records)), min(cuts, len(records) - first))):
            for record in records[done:cut]:
                disk.apply(record)
            done = cut
            state = Path(folder) / "cut"
            disk.write_state(state, chance)
            for path in extra if state.joinpath("db").is_dir() else ():
                target = state / path.relative_to(live)
                target.parent.mkdir(exist_ok=True)
                shutil.copy2(path, target)
            moment = ends[cut - 1]
            failed = not row.is_good()
            after_cut(row, state, service.secrets, load.sent, lambda mail: mail.outcome == "250" and mail.at_log <= moment)
            row.runs += 1
            if not failed and not row.is_good():
                row.note += f" (seed {seed}, cut {cut} of {len(records)}, record {moment})"
    finally:
        service.remove()


def modelled_cuts(seed, cuts, names_ordered, per_recording=25) -> Row:
    row = Row(f"power cut, model, names {'in order' if names_ordered else 'in no order'}")
    folder = on_tmpfs()
    Path(folder).chmod(0o755)
    try:
        number = 0
        while row.runs < cuts:
            before = row.runs
            model_once(row, seed + number, min(per_recording, cuts - row.runs), names_ordered, number % 2 == 1, folder)
            shutil.rmtree(Path(folder) / "state", ignore_errors=True)
            number += 1
            if row.runs == before:
                row.fail("nothing was recorded")
                break
        return row
    finally:
        shutil.rmtree(folder, ignore_errors=True)


# ---- Real ones ------------------------------------------------------------------------------------------------------------

EXT4_IOC_SHUTDOWN = 0x8004587D          # _IOR('X', 125, __u32), the same as XFS_IOC_GOINGDOWN
GOING_FLAGS_LOGFLUSH, GOING_FLAGS_NOLOGFLUSH = 1, 2
DISK_BYTES = 1 << 30


class LoopDisk:
    """An ext4 in a file, mounted by a loop device, whose power can be cut."""

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="mailtest-power-"))
        self.folder.chmod(0o755)
        self.image, self.at = self.folder / "image", self.folder / "disk"
        self.at.mkdir()
        with open(self.image, "wb") as image:
            image.truncate(DISK_BYTES)
        try:
            run("mkfs.ext4", "-q", "-F", str(self.image))
            self.mount()
        except ServiceError:
            shutil.rmtree(self.folder)
            raise

    def mount(self):
        run("mount", "-o", "loop", str(self.image), str(self.at))

    def unmount(self):
        run("umount", str(self.at))

    def cut(self, flag) -> None:
        fd = os.open(self.at, os.O_RDONLY)
        try:
            fcntl.ioctl(fd, EXT4_IOC_SHUTDOWN, struct.pack("I", flag))
        finally:
            os.close(fd)

    def remove(self):
        with contextlib.suppress(ServiceError):
            self.unmount()
        shutil.rmtree(self.folder, ignore_errors=True)


def run(*command) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError as missing:
        raise ServiceError(str(missing)) from missing
    if done.returncode != 0:
        raise ServiceError(f"{command[0]}: {done.stderr.strip()}")


def why_no_real_cuts() -> str:
    """Why this machine cannot make them; "" where it can."""
    if os.geteuid() != 0:
        return "takes root"
    try:
        disk = LoopDisk()
    except ServiceError as problem:
        return str(problem)
    try:
        disk.cut(GOING_FLAGS_NOLOGFLUSH)
        return ""
    except OSError as problem:
        return f"EXT4_IOC_SHUTDOWN: {problem.strerror}"
    finally:
        disk.remove()


def real_cuts(seed, cuts, between=40) -> Row:
    """
    The file system is shut down under load, at once or behind a flush of its journal; all processes are killed, it is mounted again, and
    the service started. What was acknowledged before the shutdown began has to be there after each. Every 20 cuts begin with an empty disk.
    """
    row, chance = Row("power cut, ext4 on a loop device"), random.Random(seed)
    while row.runs < cuts:
        cut_disk(row, chance, min(20, cuts - row.runs), between)
    return row


def cut_disk(row, chance, cuts, between) -> None:
    disk = LoopDisk()
    service = CrashService(state_dir=disk.at / "state")
    sent = {}
    try:
        service.start()
        service.add_mailboxes()
        for number in range(cuts):
            load = Load(service.smtp_port, chance.randrange(2 ** 31), name=f"p{number}", sizes=LIGHT_SIZES).start()
            load.wait_for(between)
            time.sleep(chance.random() * 0.1)
            disk.cut(chance.choice((GOING_FLAGS_LOGFLUSH, GOING_FLAGS_NOLOGFLUSH)))
            load.halt()
            time.sleep(0.05)            # whoever is told 250 now is told wrongly
            service.kill_all()
            load.stop()
            sent.update(load.sent)
            disk.unmount()
            disk.mount()
            begun = time.monotonic()
            service.start()
            row.slowest_s = max(row.slowest_s, time.monotonic() - begun)
            row.runs += 1
        examine(service, row, sent)
    finally:
        service.remove()
        disk.remove()
