"""The processes: whose rights they have, what happens when one dies, when the service is stopped, and when it cannot start."""

import contextlib
import os
import re
import signal
import smtplib
import socket
import subprocess
from pathlib import Path

import pytest

from service import BUILD, DOMAIN, Service

ROLES = ("smtpd", "imapd", "lookup", "store")
MAIL = "Subject: a test mail\r\n\r\nHello\r\n"


def send(service, client=None):
    """Whether a mail is accepted."""
    if client is not None:
        return client.sendmail("a@sender.test", [f"postmaster@{DOMAIN}"], MAIL) == {}
    with smtplib.SMTP("127.0.0.1", service.smtp_port, timeout=20) as own:
        return send(service, own)


def can_connect(port):
    with contextlib.suppress(OSError):
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
        return True
    return False


def send_when_possible(service):
    def accepted():
        with contextlib.suppress(OSError, smtplib.SMTPException):
            return send(service)
    service.wait_for(accepted, "a mail is accepted", 30)


def status(pid):
    """The lines of /proc/PID/status."""
    return dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())


def run_to_its_end(service):
    """Of a service that is not to start: exit code, and the lines that are no chatter."""
    done = subprocess.run([service.build / "mailtestd", "-c", service.config_file], capture_output=True, text=True, timeout=60,
                          check=False, cwd=service.scratch, stdin=subprocess.DEVNULL)
    return done.returncode, [line for line in done.stderr.splitlines() if "] info " not in line and "] warning " not in line]


@pytest.fixture
def unstarted():
    service = Service()
    yield service
    service.remove()


# ---- Rights ----------------------------------------------------------------------------------------------------------


def test_roles_have_no_rights_left(service):
    for role in ROLES:
        for pid in service.role_pids(role):
            of = status(pid)
            assert of["NoNewPrivs"] == "1", role
            assert int(of["CapEff"], 16) == int(of["CapPrm"], 16) == int(of["CapAmb"], 16) == 0, role
            assert of["Umask"] == "0077", role
            assert of["Name"] == f"mailtest-{role}"
            if os.geteuid() == 0:
                assert "0" not in of["Uid"].split() + of["Gid"].split(), role
                assert of["Groups"].strip() == "", role


def test_receiver_has_no_file_open(service):
    send(service)
    for pid in service.role_pids("smtpd"):
        if os.geteuid() != 0 and not os.access(f"/proc/{pid}/fd", os.R_OK):
            continue            # not even its own user may look into it
        files = set()
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):        # closed meanwhile
                files.add(os.readlink(entry))
        assert {file for file in files if file.startswith("/")} <= {"/dev/null", str(service.scratch / "log")}


def test_state_belongs_to_one_user(service):
    service.add_mailbox("acme")
    owners = {entry.stat().st_uid for entry in service.scratch.joinpath("state").rglob("*") if not entry.is_socket()}
    assert owners == {int(status(service.role_pids("store")[0])["Uid"].split()[0])}


# ---- Deaths ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ROLES)
def test_dead_role_is_made_again(service, role):
    others = {other: service.role_pids(other) for other in ROLES if other != role}
    killed = service.kill(role)
    service.wait_for_log(rf"event=role-died role={role}\S* reason=\"signal 9 \(Killed\)\"")
    service.wait_for(lambda: len(service.role_pids(role)) == (1 if role in ("store", "lookup") else os.cpu_count()), "it is there again")
    assert killed not in service.role_pids(role)
    send_when_possible(service)
    service.wait_for(lambda: service.http("GET", "/readyz", key=None).status == 200, "it is ready")
    assert others == {other: service.role_pids(other) for other in others}
    assert service.metric("mailtest_role_restarts_total") == 1


def test_counters_outlive_the_process(service):
    for _ in range(3):
        send(service)
    service.wait_for(lambda: service.metric("mailtest_smtp_messages_accepted_total") == 3, "three are counted")
    for _ in service.role_pids("smtpd"):
        before = set(service.role_pids("smtpd"))
        service.kill("smtpd")
        service.wait_for(lambda: len(set(service.role_pids("smtpd")) - before) == 1, "another is there")
    send_when_possible(service)
    service.wait_for(lambda: service.metric("mailtest_smtp_messages_accepted_total") == 4, "the fourth is counted behind them")


def test_pauses_grow(make_service):
    service = make_service(processes={"smtpd": 1})
    for pause in (100, 200, 400):
        service.wait_for(lambda: service.role_pids("smtpd"), "it is there")
        service.kill("smtpd")
        service.wait_for_log(rf"event=role-restart role=smtpd/0 pause_ms={pause}\b")
    send_when_possible(service)


def test_roles_end_without_their_supervisor(service):
    left = [pid for role in ROLES for pid in service.role_pids(role)]
    service.process.kill()
    service.process.wait()
    service.wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in left), "all roles have ended")
    service.start()
    send_when_possible(service)


# ---- Stop ------------------------------------------------------------------------------------------------------------


def test_stop_leaves_nothing_behind(make_service):
    service = make_service(listen={"lmtp": ["unix:lmtp.sock"]})
    sockets = [service.scratch / "lmtp.sock", service.scratch / "state/control.sock"]
    assert all(entry.is_socket() for entry in sockets)
    assert service.stop() == os.EX_OK
    assert not any(entry.exists() for entry in sockets)


def test_drain_lets_a_mail_end(make_service):
    service = make_service(processes={"drain_ms": 20000})
    with socket.create_connection(("127.0.0.1", service.smtp_port), timeout=20) as client:
        replies = client.makefile("rb")
        replies.readline()
        for command, code in ((b"HELO a.test", b"250"), (b"MAIL FROM:<>", b"250"), (b"RCPT TO:<postmaster@%s>" % DOMAIN.encode(), b"250"),
                              (b"DATA", b"354")):
            client.sendall(command + b"\r\n")
            assert replies.readline().startswith(code)
        service.process.send_signal(signal.SIGTERM)
        service.wait_for_log(r"event=drain\b.*sessions=1")
        service.wait_for(lambda: not can_connect(service.smtp_port), "nobody else comes in")
        client.sendall(b"Subject: late\r\n\r\nHello\r\n.\r\n")
        assert replies.readline().startswith(b"250")
        assert replies.readline().startswith(b"421")
        assert replies.readline() == b""
    assert service.process.wait(20) == os.EX_OK
    service.start()
    assert [m["subject"] for m in service.ctl("message", "list", "postmaster", "--json")["messages"]] == ["late"]


def test_second_signal_hastens(make_service):
    service = make_service(processes={"drain_ms": 600000})
    with socket.create_connection(("127.0.0.1", service.smtp_port), timeout=20) as client:
        replies = client.makefile("rb")
        replies.readline()
        client.sendall(b"HELO a.test\r\nMAIL FROM:<>\r\n")
        replies.readline(), replies.readline()
        client.sendall(b"RCPT TO:<postmaster@%s>\r\nDATA\r\n" % DOMAIN.encode())
        replies.readline(), replies.readline()
        service.process.send_signal(signal.SIGTERM)
        service.wait_for_log(r"event=drain\b.*sessions=1")

        def ended():
            service.process.send_signal(signal.SIGTERM)
            return service.process.poll() is not None
        service.wait_for(ended, "it has ended", 20)
        assert replies.readline()[:3] in (b"421", b"")
    assert service.process.returncode == os.EX_OK


# ---- Starts that fail ------------------------------------------------------------------------------------------------


def test_port_in_use(unstarted):
    with socket.create_server(("127.0.0.1", unstarted.smtp_port)):
        code, lines = run_to_its_end(unstarted)
    assert code == os.EX_UNAVAILABLE
    assert lines == [f"mailtestd: smtp 127.0.0.1:{unstarted.smtp_port}: cannot listen: Address already in use: "
                     "another program or another instance of this service listens there"]


def test_second_instance(service, unstarted):
    unstarted.write_configuration(state_dir=str(service.scratch / "state"))
    code, lines = run_to_its_end(unstarted)
    assert code == os.EX_TEMPFAIL
    assert lines == [f"mailtestd: state_dir {service.scratch}/state is in use by another instance of this service"]
    send(service)


def test_unusable_certificate(unstarted):
    for name in ("certificate", "key"):
        unstarted.scratch.joinpath(name).write_text("nothing\n")
    unstarted.write_configuration(tls={"certificate": "certificate", "key": "key"})
    code, lines = run_to_its_end(unstarted)
    assert code == os.EX_CONFIG
    assert lines == ["mailtestd: certificate: no start line; wanted: the certificate and its chain in PEM, the own one first"]
    assert not unstarted.scratch.joinpath("state").exists()


def test_missing_certificate(unstarted):
    unstarted.write_configuration(tls={"self_signed": False})
    code, lines = run_to_its_end(unstarted)
    assert code == os.EX_NOINPUT
    assert lines == [f"mailtestd: {unstarted.scratch}/state/tls/certificate.pem: No such file or directory; "
                     "give both tls.certificate and tls.key, or set tls.self_signed: true"]
    assert not unstarted.scratch.joinpath("state").exists()


def test_role_that_cannot_start(unstarted):
    """Its own line says why, and one of the supervisor's that this was the end; nothing is said of the other roles."""
    unstarted.scratch.joinpath("state").mkdir()
    unstarted.scratch.joinpath("state/token.keys").write_text("nothing\n")
    unstarted.scratch.joinpath("state/token.keys").chmod(0o600)
    code, lines = run_to_its_end(unstarted)
    assert code == os.EX_DATAERR
    assert "event=start-failed role=store exit_code=65" in lines[-1]
    assert "] error " in lines[-1]
    assert not any("event=role-died" in line for line in lines)


def test_state_dir_that_cannot_be_made(unstarted):
    unstarted.write_configuration(state_dir="none/state", control_socket="control.sock")
    code, lines = run_to_its_end(unstarted)
    assert code == os.EX_CANTCREAT
    assert lines == ["mailtestd: cannot make state_dir none/state: No such file or directory"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root changes users")
def test_unknown_user(unstarted):
    unstarted.write_configuration(processes={"user": "no-such-user"})
    code, lines = run_to_its_end(unstarted)
    assert code == os.EX_NOUSER
    assert lines == ['mailtestd: started as root, and there is no user "no-such-user": create it (systemd-sysusers, or useradd --system '
                     '--user-group no-such-user), or name another in processes.user']
    assert not unstarted.scratch.joinpath("state").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make the state of another user")
def test_state_of_another_user(unstarted):
    state = unstarted.scratch / "state"
    state.mkdir()
    os.chown(state, 12345, 12345)
    code, lines = run_to_its_end(unstarted)
    assert code == os.EX_NOPERM
    assert lines == [f'mailtestd: state_dir {state} belongs to user 12345, and store runs as nobody: "chown -R nobody {state}", '
                     "or set processes.user"]


# ---- systemd ---------------------------------------------------------------------------------------------------------


def test_systemd_is_told(unstarted):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(str(unstarted.scratch / "notify"))
        notify.settimeout(20)

        def told():
            return dict(line.split("=", 1) for line in notify.recv(4096).decode().splitlines())

        process = subprocess.Popen([BUILD / "mailtestd", "-c", unstarted.config_file], stdin=subprocess.DEVNULL, cwd=unstarted.scratch,
                                   stderr=subprocess.DEVNULL,
                                   env={**os.environ, "NOTIFY_SOCKET": str(unstarted.scratch / "notify"), "WATCHDOG_USEC": "200000"})
        try:
            seen = []

            def wait_for(name):
                while not any(name in message for message in seen):
                    seen.append(told())
                return next(message for message in seen if name in message)

            assert wait_for("READY")["STATUS"].startswith("Serving")
            assert wait_for("WATCHDOG")
            process.send_signal(signal.SIGHUP)
            assert int(wait_for("RELOADING")["MONOTONIC_USEC"]) > 0
            seen.clear()
            assert wait_for("READY")
            process.send_signal(signal.SIGTERM)
            assert wait_for("STOPPING")
            assert process.wait(20) == os.EX_OK
        finally:
            process.kill()
            process.wait()


def test_sockets_come_from_systemd(unstarted):
    """As systemd starts it: the socket is descriptor 3, and its name says what it speaks."""
    with socket.create_server(("127.0.0.1", 0)) as given, open(unstarted.scratch / "log", "ab") as log:
        port = given.getsockname()[1]
        unstarted.process = subprocess.Popen(
            ["bash", "-c", 'exec 3<&"$0"; LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=smtp exec "$@"', str(given.fileno()),
             BUILD / "mailtestd", "-c", unstarted.config_file],
            pass_fds=[given.fileno()], stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=unstarted.scratch, start_new_session=True)
        unstarted.wait_until_ready()
        with smtplib.SMTP("127.0.0.1", port, timeout=20) as client:
            assert client.noop()[0] == 250
        assert given.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) and given.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert not can_connect(unstarted.smtp_port)     # the configured one of that kind is not bound
        assert unstarted.stop() == os.EX_OK


def test_socket_of_unknown_name(unstarted):
    with socket.create_server(("127.0.0.1", 0)) as given:
        done = subprocess.run(
            ["bash", "-c", 'exec 3<&"$0"; LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=mailtestd.socket exec "$@"', str(given.fileno()),
             BUILD / "mailtestd", "-c", unstarted.config_file],
            pass_fds=[given.fileno()], capture_output=True, text=True, timeout=30, check=False, cwd=unstarted.scratch)
    assert done.returncode == os.EX_CONFIG
    assert re.search(r'^mailtestd: systemd hands over 127\.0\.0\.1:\d+ as "mailtestd.socket": FileDescriptorName=', done.stderr, re.M)
