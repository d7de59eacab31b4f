"""Runs in which processes are killed, stopped, drained, reloaded, replaced, and run out of descriptors and memory, all under load."""

import contextlib
import os
import random
import resource
import shutil
import signal
import smtplib
import socket
import time

from crash_service import CrashService, POLL_S
from load import LIGHT_SIZES, Load
from tally import Row, examine

ROLES = ("store", "smtpd", "imapd", "lookup", "webhook", "signer")
BACK_AFTER_ROLE_S = 1.0
BACK_AFTER_ALL_S = 3.0
WAIT_S = 30


@contextlib.contextmanager
def running(**settings):
    service = CrashService(**settings)
    try:
        service.start()
        service.add_mailboxes()
        yield service
    finally:
        service.remove()


def wait_for(condition, what, wait_s=WAIT_S):
    """How many seconds it took."""
    begun = time.monotonic()
    while not condition():
        if time.monotonic() - begun > wait_s:
            raise TimeoutError(f"waited {wait_s} s until {what}")
        time.sleep(POLL_S)
    return time.monotonic() - begun


def takes_mail(service) -> bool:
    with contextlib.suppress(OSError, smtplib.SMTPException):
        with smtplib.SMTP("127.0.0.1", service.smtp_port, local_hostname="probe.provider.test", timeout=5) as client:
            client.sendmail("probe@provider.test", ["postmaster@mailtest1.test"], "Subject: probe\r\n\r\n")
            return True
    return False


def greets(port, first) -> bool:
    with contextlib.suppress(OSError):
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            return connection.recv(64).startswith(first)
    return False


def is_ready(service) -> bool:
    with contextlib.suppress(OSError):
        return service.http("GET", "/readyz", key=None, timeout=5).status == 200
    return False


# ---- Kills -------------------------------------------------------------------------------------------------------------


def kill_role(seed, role, kills, between=40) -> Row:
    """A process of the role is killed again and again while mail comes in."""
    row, chance = Row(f"SIGKILL {role}"), random.Random(seed)
    with running() as service, Load(service.smtp_port, seed, sizes=LIGHT_SIZES if kills > 10 else Load.sizes) as load:
        for _ in range(kills):
            load.wait_for(between)
            time.sleep(chance.random() * 0.05)
            pids = service.role_pids(role)
            log, gone = service.log_size(), chance.choice(pids)
            os.kill(gone, signal.SIGKILL)
            begun = time.monotonic()
            wait_for(lambda: f"event=role-ready role={role}" in service.log_from(log), f"{role} is back")
            wait_for(lambda: takes_mail(service), "mail is taken")
            wait_for(lambda: is_ready(service), "it is ready")
            wait_for(lambda: greets(service.ports["imap"], b"* OK"), "imapd greets")
            row.back(time.monotonic() - begun, BACK_AFTER_ROLE_S)
            row.runs += 1
        load.wait_for(between)
        load.stop()
        return examine(service, row, load.sent)


def kill_all(seed, kills, between=40) -> Row:
    """All processes at once, the supervisor with them; whoever watches over it (systemd) starts it again."""
    row, chance = Row("SIGKILL all"), random.Random(seed)
    with running() as service, Load(service.smtp_port, seed) as load:
        for _ in range(kills):
            load.wait_for(between)
            time.sleep(chance.random() * 0.05)
            begun = time.monotonic()
            service.kill_all()
            service.start()
            wait_for(lambda: takes_mail(service), "mail is taken")
            row.back(time.monotonic() - begun, BACK_AFTER_ALL_S)
            row.runs += 1
        load.wait_for(between)
        load.stop()
        return examine(service, row, load.sent)


def stop_and_go_on(seed, rounds, pause_s=1.0) -> Row:
    """SIGSTOP and SIGCONT to each role in turn: mail waits or is put off, and all goes on."""
    row = Row("SIGSTOP, SIGCONT each role")
    with running() as service, Load(service.smtp_port, seed) as load:
        for number in range(rounds):
            role = ROLES[number % len(ROLES)]
            load.wait_for(20)
            pids = service.role_pids(role)
            for pid in pids:
                os.kill(pid, signal.SIGSTOP)
            time.sleep(pause_s)
            for pid in pids:
                os.kill(pid, signal.SIGCONT)
            row.back(wait_for(lambda: takes_mail(service), "mail is taken"), BACK_AFTER_ROLE_S)
            row.runs += 1
        load.wait_for(20)
        load.stop()
        return examine(service, row, load.sent)


# ---- Orderly ends and beginnings ------------------------------------------------------------------------------------------


def mind_failures(row, load) -> None:
    """Nobody whose MAIL was accepted may have been cut off or been told no."""
    if load.cut_before_reply:
        row.fail(f"{load.cut_before_reply} connections cut before the reply")
    failed = [sent for sent in load.sent.values() if sent.begun and sent.outcome != "250"]
    if failed:
        row.fail(f"{len(failed)} transactions failed: {failed[0].reply or failed[0].outcome}")


def drain(seed, rounds) -> Row:
    """SIGTERM under load: what is under way ends with its 250, then a 421; nothing fails behind its DATA."""
    row = Row("SIGTERM (drain), start")
    with running() as service:
        sent = {}
        for number in range(rounds):
            load = Load(service.smtp_port, seed + number, name=f"d{number}").start()
            load.wait_for(60)
            begun = time.monotonic()
            code = service.stop()
            row.slowest_s = max(row.slowest_s, time.monotonic() - begun)
            load.stop()
            if code != os.EX_OK:
                row.fail(f"exit code {code}")
            mind_failures(row, load)
            sent.update(load.sent)
            service.start()
            row.runs += 1
        return examine(service, row, sent)


def reload(seed, rounds) -> Row:
    """SIGHUP under load, each with another configuration: nobody is refused, turned away or cut off."""
    row = Row("SIGHUP (reload)")
    with running() as service, Load(service.smtp_port, seed) as load:
        for number in range(rounds):
            load.wait_for(60)
            service.write_configuration(hostname=f"mx{number}.mailtest1.test")
            log, begun = service.log_size(), time.monotonic()
            service.reload()
            wait_for(lambda: "event=reloaded" in service.log_from(log), "it is reloaded")
            row.slowest_s = max(row.slowest_s, time.monotonic() - begun)
            row.runs += 1
        load.wait_for(60)
        load.stop()
        mind_failures(row, load)
        if load.failures:
            row.fail(f"{len(load.failures)} failures: {load.failures[0][1]}")
        return examine(service, row, load.sent)


class Inherited:
    """Sockets that outlive the service, as systemd holds them (conf/mailtest.socket)."""

    def __init__(self, service):
        self.socket = socket.create_server(("127.0.0.1", service.smtp_port), backlog=512)
        self.limits = f"exec 3<&{self.socket.fileno()}; export LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=smtp;"

    def close(self):
        self.socket.close()


def upgrade(seed, rounds) -> Row:
    """
    The program is replaced by another file and the service restarted, its sockets held by systemd: the old one drains, the new one takes
    what waits. Connections that come in between wait in the socket.
    """
    row = Row("upgrade (restart, held sockets)")
    service = CrashService()
    held = Inherited(service)
    os.set_inheritable(held.socket.fileno(), True)
    service.limits, service.pass_fds = held.limits, (held.socket.fileno(),)
    service.build = service.scratch / "build"
    original = CrashService().build
    service.build.mkdir()
    for program in ("mailtestd", "mailtestctl"):
        shutil.copy(original / program, service.build / program)
    try:
        service.start()
        service.add_mailboxes()
        with Load(service.smtp_port, seed, timeout=60) as load:
            for _ in range(rounds):
                load.wait_for(60)
                new = service.build / "mailtestd.new"
                shutil.copy(original / "mailtestd", new)
                new.replace(service.build / "mailtestd")        # as a package manager does it
                begun = time.monotonic()
                if (code := service.stop()) != os.EX_OK:
                    row.fail(f"exit code {code}")
                service.start()
                row.slowest_s = max(row.slowest_s, time.monotonic() - begun)
                row.runs += 1
            load.wait_for(60)
            load.stop()
        mind_failures(row, load)
        if load.turned_away:
            row.fail(f"{load.turned_away} connections turned away")
        return examine(service, row, load.sent)
    finally:
        service.remove()
        held.close()


# ---- Want ------------------------------------------------------------------------------------------------------------------


FEW = 12


def few_files(seed, seconds=3.0) -> Row:
    """smtpd and store may open next to nothing more: connections wait, mail is put off, nothing else suffers."""
    row = Row("no descriptors left", runs=1)
    # Limits may be set on processes of one's own user alone.
    with running(processes={"user": ""}) as service, Load(service.smtp_port, seed, senders=40, timeout=5) as load:
        load.wait_for(20)
        before = {}
        for pid in service.role_pids("smtpd") + service.role_pids("store"):
            before[pid] = resource.prlimit(pid, resource.RLIMIT_NOFILE)
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (FEW, before[pid][1]))
        time.sleep(seconds)
        for pid, limit in before.items():
            with contextlib.suppress(ProcessLookupError):
                resource.prlimit(pid, resource.RLIMIT_NOFILE, limit)
        row.back(wait_for(lambda: takes_mail(service), "mail is taken"), BACK_AFTER_ROLE_S)
        load.wait_for(20)
        load.stop()
        return examine(service, row, load.sent)


def little_memory(seed, calls) -> Row:
    """Allocations fail, each n-th in turn, in store and in smtpd."""
    row = Row("memory short (malloc fails)")
    with running(preload=True) as service, Load(service.smtp_port, seed, sizes=LIGHT_SIZES, senders=3) as load:
        for number in range(calls):
            role = ("store", "smtpd")[number % 2]
            load.wait_for(5)
            service.control.arm(["memory"], "ENOMEM", first=1 + 7 * (number // 2), count=1 + number % 5, roles=(role,))
            with contextlib.suppress(TimeoutError):
                wait_for(lambda: service.control.fault_hits > 0, "it failed", 5)
            service.control.disarm()
            row.back(wait_for(lambda: takes_mail(service), "mail is taken"), BACK_AFTER_ROLE_S)
            row.runs += 1
        load.wait_for(20)
        load.stop()
        return examine(service, row, load.sent)


NS_PER_S = 1_000_000_000
JUMPS_S = (3600, -3600, 86400 * 3, -86400 * 3, 86400 * 365 * 5, 0)


def clock_jumps(seed, rounds) -> Row:
    """The clock of the day jumps forth and back by hours, days and years."""
    row = Row("clock jumps")
    with running(preload=True, retention={"inbox_days": 36500, "unmatched_days": 36500, "token_days": 36500}) as service, \
            Load(service.smtp_port, seed, sizes=LIGHT_SIZES) as load:
        for number in range(rounds):
            load.wait_for(20)
            service.control.clock_ns = JUMPS_S[number % len(JUMPS_S)] * NS_PER_S
            row.back(wait_for(lambda: takes_mail(service), "mail is taken"), BACK_AFTER_ROLE_S)
            row.runs += 1
        service.control.clock_ns = 0
        load.wait_for(20)
        load.stop()
        mind_failures(row, load)
        return examine(service, row, load.sent)
