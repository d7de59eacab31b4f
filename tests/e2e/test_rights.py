"""What is left to an intruder in a role: the library probe (tests/preload/probe.c) sits in each process and tries from inside."""

import base64
import ctypes
import imaplib
import os
import poplib
import re
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import threading
from pathlib import Path

import pytest

from dns_server import A, PTR, DnsServer, question, reverse
from servers.base import session_members
from service import BUILD, DOMAIN, Service
from smtp_client import connect

PROBE = BUILD / "tests/preload/probe.so"
PROBE_SIGNAL = signal.SIGRTMIN + 5
ROLES = ("smtpd", "imapd", "lookup", "webhook", "signer", "store")

libc = ctypes.CDLL(None, use_errno=True)


def _names() -> list[str]:
    library = ctypes.CDLL(str(PROBE))
    names, at = [], ctypes.addressof(ctypes.c_char.in_dll(library, "PROBE_NAMES"))
    while name := ctypes.string_at(at):
        names.append(name.decode())
        at += len(name) + 1
    return names


class Intruded(Service):
    """A service with a probe in each process; as_user: started as that user instead of ours."""

    def __init__(self, as_user="", **settings):
        # Programs that the user can reach, wherever ours lie.
        self.programs = Path(tempfile.mkdtemp(prefix="mailtest-programs-"))
        self.programs.chmod(0o755)
        for file in ("mailtestd", "mailtestctl"):
            shutil.copy(BUILD / file, self.programs)
        shutil.copy(PROBE, self.programs)
        self.as_user = as_user
        self.names = _names()
        super().__init__(build=self.programs, **_overlay(settings))
        self.readable = self.scratch / "readable"
        self.readable.write_text("anyone may read this")
        self.readable.chmod(0o666)
        self.open_folder = self.scratch / "folder"
        self.open_folder.mkdir()
        self.open_folder.chmod(0o777)
        self.unix = socket.socket(socket.AF_UNIX)
        self.unix.bind(str(self.scratch / "socket"))
        os.chmod(self.scratch / "socket", 0o777)
        self.unix.listen()
        self.tcp = socket.create_server(("127.0.0.1", 0))
        if as_user:
            self.scratch.chmod(0o777)

    def start(self, wait_s: float = 30):
        environment = os.environ | {
            "LD_PRELOAD": str(self.programs / PROBE.name), "PROBE_FILE": str(self.readable),
            "PROBE_DATABASE": str(self.scratch / "state/db/data.mdb"), "PROBE_FOLDER": str(self.open_folder),
            "PROBE_SOCKET": str(self.scratch / "socket")}
        with open(self.scratch / "log", "ab") as log:
            self.process = subprocess.Popen([self.build / "mailtestd", "-c", self.config_file], cwd=self.scratch, env=environment,
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                                            **({"user": self.as_user, "group": "nogroup", "extra_groups": []} if self.as_user else {}))
        self.wait_until_ready(wait_s)
        return self

    def remove(self) -> None:
        super().remove()
        self.unix.close()
        self.tcp.close()
        shutil.rmtree(self.programs)

    def intrude(self, pid: int, name: str, argument: int = 0) -> None:
        value = ctypes.c_void_p(self.names.index(name) | argument << 8)
        if libc.sigqueue(pid, int(PROBE_SIGNAL), value) != 0:
            raise OSError(ctypes.get_errno(), f"sigqueue to {pid}")

    def outcome(self, pid: int, role: str, name: str) -> str:
        """What came of it: the name of an error, "done", or "killed" with the signal's number behind it."""
        def came():
            if said := re.search(rf"^probe: process={pid} try={name} result=(\S+)$", self.log, re.MULTILINE):
                return said[1]
            died = re.search(rf"event=role-died role={role}\S* reason=\"signal (\d+) ", self.log)
            return died and f"killed {died[1]}"
        return self.wait_for(came, f"{role} has tried {name}")


def _overlay(settings: dict) -> dict:
    return {"smtp": {}, **settings, "processes": {"smtpd": 1, "imapd": 1, **settings.get("processes", {})}}


# ---- What an intruder may not do -----------------------------------------------------------------------------------------------

KILLED = "killed 31"        # by SIGSYS: the call is not in the role's list
CRASHED = "killed 11"
REFUSED = "EACCES"
DONE = "done"


def every(outcome, **other):
    """What each role gets; None: it makes no sense there."""
    return {role: other.get(role, outcome) for role in ROLES}


def only(**outcomes):
    return every(None, **outcomes)


# What is not named here kills each role.
OUTCOMES = {
    "open_file": every(REFUSED),
    "open_database": every(REFUSED, store=DONE),            # the one that is there for it
    "create_file": every(REFUSED),
    "remove_file": every(KILLED, store=REFUSED),
    "write_map": only(imapd=CRASHED, lookup=CRASHED, store=CRASHED),
    "make_map_writable": only(imapd=REFUSED, lookup=REFUSED),
    "write_descriptor": only(imapd="EBADF", lookup="EBADF"),
    "cut_descriptor": only(imapd=KILLED, lookup=KILLED),
    "connect_tcp": every(REFUSED, webhook=DONE, signer=KILLED),     # webhook posts to where a customer says
    "connect_unix": every(REFUSED, signer=KILLED),
    "listen_tcp": every(REFUSED, smtpd=KILLED, webhook=KILLED, signer=KILLED),
    "open_netlink": every(REFUSED, signer=KILLED),
    "open_raw_socket": every(REFUSED, smtpd=KILLED, webhook=KILLED, signer=KILLED),
    "open_process_memory": every(REFUSED),
}

# Landlock, the user, the limits and the kernel's own rules, where the list of system calls is turned off. None of these kills.
WITHOUT_FILTER = {
    "open_file": every(REFUSED),
    "open_database": every(REFUSED, store=DONE),
    "create_file": every(REFUSED),
    "make_map_writable": only(imapd=REFUSED, lookup=REFUSED),
    "connect_tcp": every(REFUSED, webhook=DONE),
    "run_program": every("EACCES|EAGAIN"),                  # Landlock, or before it the limit of processes
    "make_process": every("EAGAIN", store=DONE),            # its backups need a thread
    "trace_process": every("EPERM"),
    "kill_process": every("EPERM"),
    "read_process": every("EPERM"),
    "open_process_memory": every(REFUSED),
    "become_root": every("EPERM"),
    "mount_files": every("EPERM"),
    "change_root": every("EPERM"),
}


def database_map(pid: int) -> int:
    """Where a role has the database mapped. Only root may ask for that of a process that is not traceable."""
    for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
        if line.endswith("/db/data.mdb"):
            return int(line.split("-")[0], 16)
    raise AssertionError("no database in the memory of the process")


def database_descriptor(pid: int) -> int:
    return next(int(entry.name) for entry in Path(f"/proc/{pid}/fd").iterdir() if os.readlink(entry).endswith("/db/data.mdb"))


NEEDS_ROOT_TO_AIM = {"write_map": database_map, "make_map_writable": database_map,
                     "write_descriptor": database_descriptor, "cut_descriptor": database_descriptor}
AIMED_AT_PROCESS = ("trace_process", "kill_process", "kill_thread", "read_process", "open_process_memory", "take_descriptor")


def tries():
    return [name for name in _names() if os.geteuid() == 0 or name not in NEEDS_ROOT_TO_AIM]


def aim(service, role, name) -> int:
    if name in NEEDS_ROOT_TO_AIM:
        return NEEDS_ROOT_TO_AIM[name](service.role_pids(role)[0])
    if name in AIMED_AT_PROCESS:
        return service.role_pids("smtpd" if role == "store" else "store")[0]
    return service.tcp.getsockname()[1] if name == "connect_tcp" else 0


def try_everywhere(service, name, expected) -> dict:
    """What came of it in each role for which something is expected."""
    pids = {role: service.role_pids(role)[0] for role, outcome in expected.items() if outcome is not None}
    arguments = {role: aim(service, role, name) for role in pids}
    for role, pid in pids.items():
        service.intrude(pid, name, arguments[role])
    return {role: service.outcome(pid, role, name) for role, pid in pids.items()}


@pytest.fixture
def intruded():
    made = []

    def make(**settings) -> Intruded:
        made.append(Intruded(**settings))
        return made[-1].start()

    make.made = made
    yield make
    for service in made:
        if service.process is not None:
            service.stop()
        service.remove()


@pytest.mark.parametrize("name", tries())
def test_intruder_in_a_role_is_stopped(intruded, name):
    service = intruded()
    expected = OUTCOMES.get(name, every(KILLED))
    came = try_everywhere(service, name, expected)
    if name == "call_as_32_bit":            # a kernel without such calls ends the process in another way
        came = {role: KILLED if outcome == CRASHED else outcome for role, outcome in came.items()}
    assert came == {role: outcome for role, outcome in expected.items() if outcome is not None}
    killed = [role for role, outcome in came.items() if outcome.startswith("killed")]
    for role in killed:
        service.wait_for(lambda: len(re.findall(rf"event=role-ready role={role}\S* ", service.log)) == 2, f"another {role} is there")
    assert service.log.count("system call that is not in its list") == sum(came[role] == KILLED for role in killed)
    service.wait_until_ready()
    assert not (service.open_folder / "new").exists() and service.readable.exists()


def landlock_version() -> int:
    return max(0, libc.syscall(444, None, 0, 1))


@pytest.mark.parametrize("user", ["", "nobody"])
def test_without_the_list_of_calls_the_other_walls_stand(intruded, user):
    """Also when it was not started as root; then each role is that user, and nothing more."""
    service = intruded(as_user=user if os.geteuid() == 0 else "", processes={"system_call_filter": False})
    if landlock_version() < 6:      # an old kernel has some of the walls only, and says so
        assert "event=no-landlock" in service.log or "event=old-landlock" in service.log or landlock_version() >= 4
        return
    for name, expected in WITHOUT_FILTER.items():
        if name in tries():
            for role, came in try_everywhere(service, name, expected).items():
                assert re.fullmatch(expected[role], came), (name, role, came)


def test_kernel_without_landlock_is_told_of_once(intruded, monkeypatch):
    monkeypatch.setenv("PROBE_NO_LANDLOCK", "1")
    service = intruded()
    assert len(re.findall("event=no-landlock", service.log)) == 1
    expected = every(REFUSED, store=DONE)   # what store's user may read is left to it
    assert try_everywhere(service, "open_file", expected) == expected


# ---- What must still work --------------------------------------------------------------------------------------------------------


class LongAnswers(DnsServer):
    """By UDP it says that its answers do not fit; by TCP it gives them."""

    def __init__(self, records):
        super().__init__(records)
        self.by_tcp = []
        self._listener = socket.create_server(self._socket.getsockname())
        threading.Thread(target=self._accept, daemon=True).start()

    def __exit__(self, *_):
        super().__exit__()
        self._listener.close()

    def _answer(self, packet, name, kind, end):
        return packet[:2] + struct.pack("!HHHHH", 0x8380, 1, 0, 0, 0) + packet[12:end]

    def _accept(self):
        while True:
            try:
                connection = self._listener.accept()[0]
            except OSError:
                return
            threading.Thread(target=self._serve_connection, args=(connection,), daemon=True).start()

    def _serve_connection(self, connection):
        with connection, connection.makefile("rwb") as stream:
            while head := stream.read(2):
                packet = stream.read(*struct.unpack("!H", head))
                name, kind, end = question(packet)
                answer = super()._answer(packet, name, kind, end)
                stream.write(struct.pack("!H", len(answer)) + answer)
                stream.flush()
                self.by_tcp.append((name, kind))


def test_smtpd_asks_its_name_servers_by_tcp(make_service):
    """Which is all that it may connect to."""
    name = "out.customer.test"
    with LongAnswers({(reverse("127.0.0.1"), PTR): [name], (name, A): ["127.0.0.1"]}) as dns:
        service = make_service(processes={"smtpd": 1}, smtp={"resolvers": [dns.address]})
        service.add_mailbox("acme")
        token = service.mint("acme")
        with connect(service) as client:
            service.wait_for(lambda: (name, A) in dns.by_tcp, "both questions came by TCP")
            envelope = f"EHLO out.customer.test\r\nMAIL FROM:<>\r\nRCPT TO:<acme@{DOMAIN}>\r\nDATA\r\n"
            assert client.codes(envelope.encode(), 4) == ["250", "250", "250", "354"]
            assert client.say(f"Subject: {token}\r\n\r\n.\r\n".encode()).startswith("250 ")
        found = service.http("GET", f"/v1/mailboxes/acme/tokens/{token}?wait=20s").json()
        assert found["arrivals"][0]["client"]["name"] == name


# ---- What a role is ------------------------------------------------------------------------------------------------------------

NOTHING = "0" * 16


def status(pid: int) -> dict:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: " ".join(value.split()) for name, _, value in (line.partition(":") for line in lines)}


@pytest.mark.parametrize("user", ["", "nobody"])
def test_each_role_has_no_rights_left(intruded, user):
    """As root each has a user of its own (the library makes them up), else all are who started them."""
    is_root = os.geteuid() == 0 and not user
    service = intruded(as_user=user if os.geteuid() == 0 else "", processes={"user": "probe"} if is_root else {})
    users = set()
    for role in ROLES:
        facts = status(service.role_pids(role)[0])
        rights = {name: facts[name] for name in ("CapInh", "CapPrm", "CapEff", "CapAmb", "NoNewPrivs", "Seccomp", "Umask")}
        assert rights == {"CapInh": NOTHING, "CapPrm": NOTHING, "CapEff": NOTHING, "CapAmb": NOTHING, "NoNewPrivs": "1", "Seccomp": "2",
                          "Umask": "0077"}, role
        assert len(set(facts["Uid"].split() + facts["Gid"].split())) == 1 or not is_root, role
        users.add(facts["Uid"].split()[0])
        if is_root:
            assert (facts["CapBnd"], facts["Groups"]) == (NOTHING, ""), role
    assert len(users) == (len(ROLES) if is_root else 1)
    assert "0" not in users or os.geteuid() != 0
    key = (service.scratch / "state/tls/key.pem").stat()        # is signer's, and so not store's
    assert (key.st_uid, key.st_mode & 0o777) == (int(status(service.role_pids("signer")[0])["Uid"].split()[0]), 0o600)
    use_password(service, "acme", service.add_mailbox("acme")["secret"])        # and so they work together
    assert service.http("GET", f"/v1/mailboxes/acme/tokens/{service.mint('acme')}").status == 200


# CAP_CHOWN, DAC_OVERRIDE, FOWNER, KILL, SETGID, SETUID, SETPCAP, NET_BIND_SERVICE, SYS_ADMIN, SYS_RESOURCE
SUPERVISOR_KEEPS = sum(1 << capability for capability in (0, 1, 3, 5, 6, 7, 8, 10, 21, 24))


def test_supervisor_keeps_only_what_it_works_with(service):
    facts = status(service.process.pid)
    for name in ("CapPrm", "CapEff", *(["CapBnd"] if os.geteuid() == 0 else [])):
        assert int(facts[name], 16) & ~SUPERVISOR_KEEPS == 0, name
    assert facts["NoNewPrivs"] == "1"
    assert re.search(r"^Max core file size +0 +0 ", Path(f"/proc/{service.process.pid}/limits").read_text(), re.MULTILINE)


# ---- Secrets -------------------------------------------------------------------------------------------------------------------


def memory(pid: int):
    """All that a process has in memory, piece by piece."""
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as file:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            span, rights, *_ = line.split()
            if rights[0] != "r" or line.endswith(("[vvar]", "[vsyscall]", "[vvar_vclock]")):
                continue
            start, end = (int(place, 16) for place in span.split("-"))
            try:
                file.seek(start)
                while start < end and (piece := file.read(min(end - start, 1 << 24))):
                    yield piece
                    start += len(piece)
            except (OSError, ValueError):       # the database is mapped for longer than it is
                continue


def holders(service, secret: bytes) -> set:
    return {role for role in ROLES for pid in service.role_pids(role) if any(secret in piece for piece in memory(pid))}


def use_password(service, user: str, password: str) -> None:
    with imaplib.IMAP4("127.0.0.1", service.ports["imap"]) as client:
        client.starttls()
        client.login(user, password)
    with imaplib.IMAP4_SSL("127.0.0.1", service.ports["imaps"]) as client:
        client.authenticate("PLAIN", lambda _: f"\0{user}\0{password}".encode())
    client = poplib.POP3("127.0.0.1", service.ports["pop3"])
    client.stls()
    client.user(user)
    client.pass_(password)
    client.quit()


def test_secrets_are_in_no_memory_that_has_not_to_have_them(make_service):
    """Passwords and API keys are wiped wherever they went by; keys of tokens are in store alone, which nobody may look into."""
    service = make_service(processes={"smtpd": 1, "imapd": 1})
    password = service.add_mailbox("acme")["secret"]
    use_password(service, "acme", password)
    token = service.mint("acme")
    assert service.http("GET", f"/v1/mailboxes/acme/tokens/{token}").status == 200
    assert service.http("POST", "/v1/mailboxes/acme/tokens", body={}).status in (200, 201)
    keys = (service.scratch / "state/token.keys").read_text() if os.geteuid() == 0 else ""
    seal, master = re.findall(r"^(?:seal|key .*) ([0-9a-f]{64}) ", keys, re.M) if keys else ("", "")
    hook = service.ctl("webhook", "add", "http://127.0.0.1:9/", "--json")["secret"]
    service.ctl("webhook", "test", "1")
    derived = re.search(r"\b[0-9a-f]{64}\b", service.ctl("mailbox", "key", "acme"))[0]
    if os.geteuid() == 0:
        where = {name: holders(service, secret) for name, secret in {
            "password": password.encode(), "password in base64": base64.b64encode(f"\0acme\0{password}".encode())[8:],
            "API key": service.key.encode(), "master key": bytes.fromhex(master), "master key in hex": master.encode(),
            "seal": bytes.fromhex(seal), "seal in hex": seal.encode(), "secret of a webhook": hook.encode(),
            "key of the mailbox": bytes.fromhex(derived), "key of the mailbox in hex": derived.encode()}.items()}
        assert where.pop("master key") == {"store"}         # so that this would find what is there
        assert where.pop("seal") == {"store"}
        assert where.pop("secret of a webhook") <= {"store", "webhook"}      # who signs with it; who reads the database does not have it
        assert where.pop("key of the mailbox") <= {"store"}
        assert not any(where.values()), where
        assert hook.encode() not in (service.scratch / "state/db/data.mdb").read_bytes()
    for secret in filter(None, (password, service.key, master, derived, seal, hook)):
        assert secret not in service.log
        for pid in session_members(service.process.pid):
            assert secret.encode() not in Path(f"/proc/{pid}/cmdline").read_bytes()


def test_nobody_looks_into_a_role(service):
    """Not even a process of the same user; and it leaves no core behind."""
    for role in ROLES:
        pid = service.role_pids(role)[0]
        owner = int(status(pid)["Uid"].split()[0])
        look = subprocess.run(["/usr/bin/head", "-c", "1", f"/proc/{pid}/maps", f"/proc/{pid}/environ"], capture_output=True, text=True,
                              check=False, **({"user": owner, "group": owner, "extra_groups": []} if os.geteuid() == 0 else {}))
        assert (look.stdout, look.stderr.count("Permission denied")) == ("", 2), role
        assert re.search(r"^Max core file size +0 +0 ", Path(f"/proc/{pid}/limits").read_text(), re.MULTILINE), role
    pid = service.kill("store", signal.SIGSEGV)
    service.wait_for_log(r'event=role-died role=store reason="signal 11 ')
    assert not list(service.scratch.rglob("core*")) and not list(service.scratch.rglob(f"*.{pid}"))
