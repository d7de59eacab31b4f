"""Runs in which calls to the kernel fail, the disk is full, or the disk gives back other bits than were written."""

import contextlib
import os
import poplib
import random
import shutil
import ssl
import subprocess
import tempfile
import time
from pathlib import Path

from crash_service import CrashService, MAILBOXES
from load import KIB, LIGHT_SIZES, Load, Refused, Sent, Session, compose, digest_of
from runs_kill import running, takes_mail, wait_for
from runs_power import on_tmpfs
from service import DOMAIN, ServiceError
from tally import START, ImapReader, Row, examine

SCENARIO = (100, 2 * KIB, 50 * KIB, 200 * KIB)      # the last one goes to store in a memfd
RECOVERED_S = 5.0
ROOM_AGAIN_S = 1.0


def one_by_one(service, chance, name, sent, sizes=SCENARIO) -> list:
    """Some mails over one session after the other; gives what became of them."""
    done = []
    for number, size in enumerate(sizes):
        key = f"{name}-{number}"
        mail = compose(key, size, chance)
        mailboxes = (chance.choice(MAILBOXES),)
        entry = sent[key] = Sent(digest_of(mail), len(mail), mailboxes)
        done.append(entry)
        session = None
        try:
            session = Session(service.smtp_port, 20)
            session.begin(entry)
            entry.reply = session.finish(mail)
            entry.outcome = entry.reply[:3]
        except Refused as refused:
            entry.reply = refused.args[0]
            entry.outcome = entry.reply[:3]
        except OSError:
            pass
        finally:
            if session is not None:
                session.close()
    return done


# ---- Calls that fail -----------------------------------------------------------------------------------------------------


def each_call_fails(seed, calls, error, roles=("store",), limit=400) -> Row:
    """The n-th of these calls fails, for n from 1 on until the scenario makes no such call any more."""
    row, chance = Row(f"{error} at each {'/'.join(calls)}"), random.Random(seed)
    sent = {}
    with running(preload=True) as service:
        for number in range(1, limit + 1):
            log = service.log_size()
            service.control.arm(calls, error, first=number, count=1, roles=roles)
            one_by_one(service, chance, f"f{number}", sent)
            if service.control.disarm() == 0:
                break
            row.back(wait_for(lambda: takes_mail(service), "mail is taken"), RECOVERED_S)
            if calls == ["sync"] and "event=store-file-failed" not in service.log_from(log):
                row.fail(f"the failure of sync {number} was passed over")
            row.runs += 1
        if row.runs == 0:
            row.fail("no such call was made")
        return examine(service, row, sent)


def calls_go_on_failing(seed, calls, error, seconds=1.5) -> Row:
    """From one moment on all of them fail, under load: no 250 until it is over."""
    row = Row(f"{error} at every {'/'.join(calls)}", runs=1)
    with running(preload=True) as service, Load(service.smtp_port, seed, sizes=LIGHT_SIZES, timeout=10) as load:
        load.wait_for(40)
        service.control.arm(calls, error)
        wait_for(lambda: service.control.fault_hits > 0, "one has failed")
        begun = time.monotonic()
        time.sleep(seconds)
        row_end = time.monotonic()
        if service.control.disarm() == 0:
            row.fail("nothing failed")
        row.back(wait_for(lambda: takes_mail(service), "mail is taken"), RECOVERED_S)
        load.wait_for(20)
        load.stop()
        # Answers that were on their way when the first call failed may still arrive.
        told = [mail for mail in load.sent.values() if mail.outcome == "250" and begun + 0.2 < mail.at < row_end]
        if told:
            row.fail(f"{len(told)} told 250 meanwhile")
        return examine(service, row, load.sent)


def start_fails(seed, calls, error, limit=60) -> Row:
    """The n-th of these calls fails while the service starts: it says so and ends, or serves; the next start has all."""
    row, chance = Row(f"{error} at each {'/'.join(calls)} of a start"), random.Random(seed)
    sent = {}
    with running(preload=True) as service:
        one_by_one(service, chance, "before", sent)
        service.kill_all()
        for number in range(1, limit + 1):
            service.control.arm(calls, error, first=number, count=1, roles=("store", "supervisor"))
            with contextlib.suppress(ServiceError):
                service.start()
            hits = service.control.disarm()
            if service.process is not None and service.process.poll() is None:
                service.kill_all()
            service.process = None
            if hits == 0:
                break
            row.runs += 1
            service.start()
            one_by_one(service, chance, f"s{number}", sent, sizes=(100,))
            service.kill_all()
        service.start()
        return examine(service, row, sent)


# ---- A full disk -----------------------------------------------------------------------------------------------------------


ROOM_LEFT_BYTES = 14 * KIB * KIB        # of the small file system, when a round begins


def full_disk(seed, rounds) -> Row:
    """A small file system is full under load, and has room again when another file goes: 452, then 250 within a second."""
    row = Row("disk full, room again")
    folder = Path(tempfile.mkdtemp(prefix="mailtest-full-"))
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512m,mode=755", "tmpfs", folder], check=True)
    filler = folder / "filler"
    try:
        with running(state_dir=folder / "state") as service:
            sent, first_after = {}, 0.0
            for number in range(rounds):
                room = os.statvfs(folder)
                filler.write_bytes(bytes(room.f_bavail * room.f_frsize - ROOM_LEFT_BYTES))
                load = Load(service.smtp_port, seed + number, name=f"full{number}", sizes=((1, 9 * KIB), (1, 50 * KIB))).start()
                wait_for(lambda: any("452" in what for _, what in load.failures), "it is full", 60)
                time.sleep(0.5)
                filler.unlink()
                freed = time.monotonic()
                load.wait_for(10)
                load.stop()
                sent.update(load.sent)
                first_after = max(first_after, min(mail.at for mail in load.sent.values() if mail.outcome == "250" and mail.at > freed) - freed)
                wrong = [mail.reply for mail in load.sent.values() if mail.outcome[0] in "45" and not mail.reply.startswith("452 4.3.1")]
                if wrong:
                    row.fail(f"{len(wrong)} were told: {wrong[0]}")
                row.runs += 1
            row.back(first_after, ROOM_AGAIN_S)
            return examine(service, row, sent)
    finally:
        subprocess.run(["umount", folder], check=True)
        folder.rmdir()


# ---- Flipped bits ----------------------------------------------------------------------------------------------------------


def flip(file: Path, chance: random.Random) -> list:
    """One to four bits, somewhere in the file."""
    size, places = file.stat().st_size, []
    with open(file, "r+b") as data:
        for _ in range(chance.choice((1, 1, 2, 4))):
            at, bit = chance.randrange(size), chance.randrange(8)
            data.seek(at)
            octet = data.read(1)[0]
            data.seek(at)
            data.write(bytes([octet ^ 1 << bit]))
            places.append(at)
    return places


def read_by_imap(service, found) -> None:
    for name in MAILBOXES:
        for folder in ("INBOX", "Unmatched"):
            with contextlib.suppress(OSError, ValueError):
                reader = ImapReader(service.ports["imaps"], f"{name}@{DOMAIN}", service.secrets[name], timeout=10)
                try:
                    reader.read(folder, lambda octets, name=name: found.append((name, octets)))
                finally:
                    reader.close()


def read_by_pop3(service, found) -> None:
    for name in MAILBOXES:
        with contextlib.suppress(OSError, EOFError, poplib.error_proto):
            client = poplib.POP3_SSL("127.0.0.1", service.ports["pop3s"], timeout=10, context=ssl._create_unverified_context())
            try:
                client.user(f"{name}@{DOMAIN}")
                client.pass_(service.secrets[name])
                for number in range(1, client.stat()[0] + 1):
                    with contextlib.suppress(poplib.error_proto):
                        found.append((name, b"\r\n".join(client.retr(number)[1]) + b"\r\n"))
            finally:
                client.close()


def read_by_http(service, key, found) -> list:
    ids = []
    for name in MAILBOXES:
        with contextlib.suppress(OSError, ValueError, KeyError):
            page = service.http("GET", f"/v1/mailboxes/{name}/messages?limit=100", key=key, timeout=10).json()
            for message in page["messages"]:
                ids.append((name, message["id"]))
                with contextlib.suppress(OSError):
                    answer = service.http("GET", f"/v1/messages/{message['id']}/raw", key=key, timeout=10)
                    if answer.status == 200 and len(answer.body) == int(answer.headers.get("Content-Length", len(answer.body))):
                        found.append((name, answer.body))
    return ids


def read_by_ctl(service, ids, found) -> None:
    for name, number in ids:
        with contextlib.suppress(subprocess.TimeoutExpired):
            done = subprocess.run([service.build / "mailtestctl", "-c", service.config_file, "message", "raw", str(number)],
                                  capture_output=True, stdin=subprocess.DEVNULL, timeout=20, check=False)
            if done.returncode == 0:
                found.append((name, done.stdout))


def flipped_bits(seed, flips) -> Row:
    """
    Bits of the file of a stopped service are flipped. What is then read by IMAP, POP3, HTTP and mailtestctl is what was sent, or is not
    given; the service starts and stays, or refuses to start with a line that says why.
    """
    row, chance = Row("flipped bits"), random.Random(seed)
    folder, sent = Path(on_tmpfs()), {}
    folder.chmod(0o755)
    service = CrashService(state_dir=folder / "state")
    database = service.state / "db/data.mdb"
    refused = noticed = 0
    try:
        service.start()
        service.add_mailboxes()
        key = service.key
        load = Load(service.smtp_port, seed, sizes=LIGHT_SIZES)
        with load:
            load.wait_for(80)
        sent = load.sent
        service.stop()
        shutil.copytree(service.state, folder / "whole")
        for _ in range(flips):
            shutil.rmtree(service.state)
            shutil.copytree(folder / "whole", service.state)
            places = flip(database, chance)
            row.runs += 1
            log = service.log_size()
            try:
                service.start()
            except ServiceError:
                refused += 1
                if not any(sign in service.log_from(log) for sign in ("] error ", "mailtestd: ")):
                    row.fail(f"ends without a word, bits at {places}")
                service.process = None
                continue
            found = []
            read_by_imap(service, found)
            read_by_pop3(service, found)
            ids = read_by_http(service, key, found)
            read_by_ctl(service, chance.sample(ids, min(5, len(ids))), found)
            judge(row, sent, found, places)
            noticed += service.run("mailtestctl", "-c", service.config_file, "verify").returncode != 0
            try:
                wait_for(lambda: service.process.poll() is not None or ready(service), "it is ready", 20)
            except TimeoutError:
                row.fail(f"not ready, bits at {places}")
            service.kill_all()
        row.note = "; ".join(filter(None, (f"{refused} starts refused, {noticed} found by verify", row.note)))
        return row
    finally:
        service.remove()
        shutil.rmtree(folder, ignore_errors=True)


def ready(service) -> bool:
    with contextlib.suppress(OSError):
        return service.http("GET", "/readyz", key=None, timeout=5).status == 200
    return False


def judge(row, sent, found, places) -> None:
    """Only what was given counts: nothing of it may differ from what was sent."""
    good = {mail.digest for mail in sent.values()}
    row.stored += len(found)
    for mailbox, octets in found:
        at = octets.find(START)
        if at < 0 or digest_of(octets[at:]) not in good:
            row.altered += 1
            row.note = row.note or f"{mailbox}: a changed message of {len(octets)} octets was given, bits at {places}"
