"""The units of systemd: how much they leave open, that they are whole, and that the service works, and reloads, with no more than they grant."""

import ctypes
import os
import re
import shlex
import shutil
import signal
import smtplib
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from service import BUILD, DOMAIN, Service

CONF = Path(__file__).resolve().parents[2] / "conf"
UNIT = CONF / "mailtestd.service"
HIGHEST_EXPOSURE = 1.5
NOBODY = 65534

# Started as a descendant of the test: takes what the unit takes, and becomes mailtestd.
LAUNCHER = """
import ctypes, errno, os, signal, sys
PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS, SCMP_ACT_ALLOW, SCMP_ACT_ERRNO = 24, 38, 0x7fff0000, 0x00050000
names, fds, uid, command = sys.argv[1].split(), [int(fd) for fd in sys.argv[2].split(",")], int(sys.argv[3]), sys.argv[5:]
libc, seccomp = ctypes.CDLL(None, use_errno=True), ctypes.CDLL("libseccomp.so.2")
seccomp.seccomp_init.restype = ctypes.c_void_p
for number, fd in enumerate(sorted(fds)):
    os.dup2(fd, 3 + number)
if os.geteuid() == 0:
    for capability in range(64):
        libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": str(len(fds)), "LISTEN_FDNAMES": sys.argv[4]}
assert libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
rules = ctypes.c_void_p(seccomp.seccomp_init(SCMP_ACT_ERRNO | errno.EPERM))
for name in names:
    number = seccomp.seccomp_syscall_resolve_name(name.encode())
    assert number < 0 or seccomp.seccomp_rule_add_array(rules, SCMP_ACT_ALLOW, number, 0, None) in (0, -errno.EEXIST), name
assert seccomp.seccomp_load(rules) == 0
os.execv(command[0], command)
"""


def settings(unit):
    """The lines of a unit, in order, as (name, value)."""
    return re.findall(r"^(\w+)=(.*)$", unit.read_text(), re.M)


def values(unit, name):
    return [value for key, value in settings(unit) if key == name]


def analyze(*arguments):
    return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def installed(tmp_path):
    """The units as `make install` leaves them: with the whole name of the program."""
    for unit in [UNIT, *CONF.glob("*.socket")]:
        shutil.copy(unit, tmp_path)
    unit = tmp_path / UNIT.name
    unit.write_text(unit.read_text().replace("=mailtestd ", f"={BUILD / 'mailtestd'} "))
    return tmp_path


@pytest.fixture
def unstarted():
    service = Service()
    yield service
    assert not service.sanitizer_report
    service.remove()


def test_little_is_exposed(installed):
    done = analyze("security", "--offline=yes", f"--threshold={round(10 * HIGHEST_EXPOSURE)}", "--no-pager", installed / UNIT.name)
    level = re.search(r"Overall exposure level for mailtestd\.service: ([\d.]+)", done.stdout)
    assert level and float(level[1]) <= HIGHEST_EXPOSURE, done.stdout
    assert done.returncode == 0, done.stderr


def test_units_are_whole(installed):
    done = analyze("verify", "--man=no", *installed.iterdir())
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_every_socket_is_for_a_listener():
    """The name of the unit, the name of the descriptor, and what the default configuration says of its port, are of one kind."""
    configuration = (CONF / "mailtest.yaml").read_text()
    for unit in CONF.glob("*.socket"):
        kind = re.fullmatch(r"mailtestd-(\w+)\.socket", unit.name)[1]
        assert values(unit, "FileDescriptorName") == [kind]
        assert values(unit, "Service") == [UNIT.name]
        if kind != "lmtp":      # none by default
            listed = re.search(rf"^  {kind}: \[(.*?)\]( |$)", configuration, re.M)[1]
            assert [f'"{address}"' for address in values(unit, "ListenStream")] == listed.split(", ")
    taken = values(UNIT, "Sockets")[0].split()
    assert taken and all((CONF / unit).is_file() for unit in taken)


def granted_calls():
    """The system calls that the unit's lines leave, as systemd adds them up."""
    listed, calls = {}, set()
    for line in analyze("syscall-filter").stdout.splitlines():
        if line.startswith("@"):
            group = listed.setdefault(line.strip(), [])
        elif (word := line.strip()) and not word.startswith("#"):
            group.append(word)

    def expanded(name):
        return set().union(*map(expanded, listed[name])) if name.startswith("@") else {name}

    for value in values(UNIT, "SystemCallFilter"):
        names = set().union(*map(expanded, value.removeprefix("~").split()))
        calls = calls - names if value.startswith("~") else calls | names
    # systemd never takes these: without them no program starts.
    return calls | expanded("@default")


def start_as_the_unit_does(service, sockets):
    """Held sockets, another user without any capability, and no system call but those that the unit grants."""
    uid = NOBODY if os.geteuid() == 0 else os.geteuid()
    state = service.scratch / "state"
    state.mkdir(mode=0o750)
    if os.geteuid() == 0:
        os.chown(state, uid, uid)
    with open(service.scratch / "log", "ab") as log:
        service.process = subprocess.Popen(
            [sys.executable, "-c", LAUNCHER, " ".join(sorted(granted_calls())), ",".join(str(s.fileno()) for s in sockets.values()), str(uid),
             ":".join(sockets), BUILD / "mailtestd", "-c", service.config_file],
            pass_fds=[s.fileno() for s in sockets.values()], stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=service.scratch,
            start_new_session=True)
    service.wait_until_ready()


def landlock_version():
    """As landlock_create_ruleset(2) says it (444, LANDLOCK_CREATE_RULESET_VERSION)."""
    return ctypes.CDLL(None).syscall(444, None, 0, 1)


def test_service_lives_with_what_is_granted(unstarted):
    """As the unit starts it. It takes a mail, and reloads by what ExecReload says; every role still makes its own filter and Landlock."""
    held = {kind: socket.create_server(("127.0.0.1", 0)) for kind in ("smtp", "imap", "pop3")}
    try:
        start_as_the_unit_does(unstarted, held)
        mailbox = unstarted.add_mailbox("acme")["address"]
        ports = {kind: s.getsockname()[1] for kind, s in held.items()}

        def mail():
            with smtplib.SMTP("127.0.0.1", ports["smtp"], timeout=20) as client:
                assert client.sendmail("a@example.org", [mailbox], "Subject: x\r\n\r\nx\r\n") == {}
                assert client.starttls()[0] == 220

        mail()
        for kind, greeting in (("imap", b"* OK"), ("pop3", b"+OK")):
            with socket.create_connection(("127.0.0.1", ports[kind]), timeout=20) as client:
                assert client.recv(100).startswith(greeting)
        unstarted.write_configuration(hostname=f"new.{DOMAIN}")
        reload = values(UNIT, "ExecReload")[0].replace("$MAINPID", str(unstarted.process.pid))
        assert subprocess.run(shlex.split(reload), timeout=20, check=False).returncode == 0
        unstarted.wait_for_log("event=reloaded generation")
        mail()
        assert "step=" not in unstarted.log and "event=role-died" not in unstarted.log
        assert landlock_version() < 1 or "event=no-landlock" not in unstarted.log
        for role in ("smtpd", "imapd", "lookup", "store", "signer"):
            for pid in unstarted.role_pids(role):
                status = Path(f"/proc/{pid}/status").read_text()
                assert re.search(r"^NoNewPrivs:\s1$", status, re.M) and re.search(r"^CapBnd:\s0+$", status, re.M)
                # The unit's filter, and the role's own: none in a build with AddressSanitizer.
                assert re.search(r"^Seccomp_filters:\s[1-9]", status, re.M)
        assert unstarted.stop() == os.EX_OK
    finally:
        for s in held.values():
            s.close()


def test_reload_of_the_unit_is_a_hangup():
    assert values(UNIT, "ExecReload") == [f"kill -{signal.SIGHUP.name.removeprefix('SIG')} $MAINPID"]
