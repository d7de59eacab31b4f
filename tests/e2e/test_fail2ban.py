"""fail2ban reads our log: conf/fail2ban/filter.d/mailtest.conf finds the address of each refused client in it, and nobody else's."""

import contextlib
import shutil
import socket
import ssl
import subprocess
from pathlib import Path

import pytest

from service import DOMAIN

FILTER = Path(__file__).resolve().parents[2] / "conf" / "fail2ban" / "filter.d" / "mailtest.conf"
VICTIM = "203.0.113.66"

# What a client would write to have the victim banned: our own lines, behind everything that could end a field.
FORGERIES = [f'" client={VICTIM} ', f"x\\\" client={VICTIM} user=\\\"", f"event=login-failed protocol=imap client={VICTIM} user=",
             f"\\ninfo event=login-failed protocol=imap client={VICTIM} user=", f"client={VICTIM}"]


def banned(lines: str) -> list[str]:
    """Each address that fail2ban takes a line for, in the order of the lines."""
    done = subprocess.run([shutil.which("fail2ban-regex"), "-o", "ip", lines, FILTER], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode in (0, 255) and "Traceback" not in done.stderr, done.stdout + done.stderr
    return done.stdout.split()


def banned_in(service, tmp_path) -> list[str]:
    (tmp_path / "log").write_text(service.log)
    return banned(str(tmp_path / "log"))


class Client:
    """One whose address is what a load balancer says: IPv4 or IPv6, as the test likes."""

    def __init__(self, service, listener, address):
        self.socket = socket.create_connection(("127.0.0.1", service.ports[listener]), 20)
        family = "TCP6" if ":" in address else "TCP4"
        self.socket.sendall(f"PROXY {family} {address} {address} 1 2\r\n".encode())
        self.file = self.socket.makefile("rb")
        self.greeting = self.file.readline().decode()

    def say(self, text: str) -> str:
        self.socket.sendall(text.encode() + b"\r\n")
        while (line := self.file.readline().decode())[3:4] == "-":
            pass
        return line


@pytest.fixture
def service(make_service):
    service = make_service(proxy={"from": ["127.0.0.1"]}, access={"refusal_ms": 0},
                           limits={"trusted": ["198.51.100.0/24"], "log_interval_s": 1},
                           smtp={"errors_max": 3, "idle_commands_max": 6, "sessions_per_address": 2, "mails_per_minute_address": 1})
    service.add_mailbox("acme")
    return service


def fail_login(service, listener, address, user, secret):
    """Over TLS, since the client is not on this machine."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    client = socket.create_connection(("127.0.0.1", service.ports[listener]), 20)
    family = "TCP6" if ":" in address else "TCP4"
    client.sendall(f"PROXY {family} {address} {address} 1 2\r\n".encode())
    with context.wrap_socket(client) as secure:
        file = secure.makefile("rb")
        file.readline()
        if listener == "imaps":
            secure.sendall(f"1 LOGIN {{{len(user)}+}}\r\n{user} {{{len(secret)}+}}\r\n{secret}\r\n".encode())
            assert file.readline().startswith(b"1 NO")
        else:
            secure.sendall(f"USER {user}\r\nPASS {secret}\r\n".encode())
            assert [file.readline()[:4] for _ in range(2)] == [b"+OK ", b"-ERR"]


@pytest.mark.parametrize("address", ["192.0.2.1", "2001:db8::1"])
@pytest.mark.parametrize("listener", ["imaps", "pop3s"])
def test_refused_logins(service, tmp_path, listener, address):
    fail_login(service, listener, address, "acme", "wrong")
    fail_login(service, listener, address, "nobody", "wrong")
    service.wait_for_log('event=login-failed(?s:.*)event=login-failed')
    assert banned_in(service, tmp_path) == [address, address]


@pytest.mark.parametrize("address", ["192.0.2.2", "2001:db8::2"])
def test_abuse_of_the_receiver(service, tmp_path, address):
    guesser = Client(service, "smtp", address)
    guesser.say("EHLO x")
    guesser.say("MAIL FROM:<>")
    for i in range(3):
        assert guesser.say(f"RCPT TO:<guess{i}@{DOMAIN}>").startswith("550 5.1.1")
    service.wait_for_log("limit=smtp.errors_max")
    assert banned_in(service, tmp_path) == [address] * 4
    browser = Client(service, "smtp", address)
    browser.say("GET / HTTP/1.1")
    assert banned_in(service, tmp_path) == [address] * 5


@pytest.mark.parametrize("limit", ["idle_commands_max", "sessions_per_address", "mails_per_minute_address"])
def test_limits_of_one_address(service, tmp_path, limit):
    clients = [Client(service, "smtp", "2001:db8::3") for _ in range(3 if limit == "sessions_per_address" else 1)]
    if limit == "idle_commands_max":
        while clients[0].say("NOOP").startswith("250 "):
            pass
    elif limit == "mails_per_minute_address":
        clients[0].say("EHLO x")
        while clients[0].say("MAIL FROM:<>").startswith("250 "):
            clients[0].say("RSET")
    service.wait_for_log(f"limit=smtp.{limit}")
    assert set(banned_in(service, tmp_path)) == {"2001:db8::3"}


@pytest.mark.parametrize("address", ["192.0.2.4", "2001:db8::4"])
@pytest.mark.parametrize("listener", ["imap", "pop3"])
def test_http_on_a_mailbox_port(service, tmp_path, listener, address):
    client = Client(service, listener, address)
    client.say("GET /x HTTP/1.1")
    service.wait_for_log('event=foreign-protocol client=[0-9a-f.:]+ word="GET"')
    assert banned_in(service, tmp_path) == [address]


class Http:
    """Requests of a client whose address is what a load balancer says."""

    def __init__(self, service, address):
        self.socket = socket.create_connection(("127.0.0.1", service.ports["http"]), 20)
        family = "TCP6" if ":" in address else "TCP4"
        self.socket.sendall(f"PROXY {family} {address} {address} 1 2\r\n".encode())
        self.file = self.socket.makefile("rb")

    def get(self, path: str, *fields: str) -> int:
        self.socket.sendall("\r\n".join([f"GET {path} HTTP/1.1", "Host: x", "Content-Length: 0", *fields, "", ""]).encode())
        status, length = int(self.file.readline().split()[1]), 0
        while (line := self.file.readline().strip()):
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        self.file.read(length)
        return status


@pytest.fixture
def behind_a_balancer(make_service):
    service = make_service(limits={"trusted": [], "log_interval_s": 1})
    key = service.key
    service.write_configuration(proxy={"from": ["127.0.0.1"], "http": True})
    service.reload()
    service.wait_for_log("event=reloaded generation=2")
    return service, key


@pytest.mark.parametrize("address", ["192.0.2.5", "2001:db8::5"])
def test_refused_keys(behind_a_balancer, tmp_path, address):
    service, key = behind_a_balancer
    good = Http(service, "192.0.2.99")
    assert good.get("/v1/mailboxes/abuse/messages", f"Authorization: Bearer {key}") == 200
    assert good.get("/v1/mailboxes/abuse/messages") == 401        # who gives none does not guess
    guesser = Http(service, address)
    for wrong in (key[:-1] + ("A" if key[-1] != "A" else "B"), "mtk_999_x", f"x client={VICTIM}"):
        assert guesser.get("/v1/mailboxes/abuse/messages", f"Authorization: Bearer {wrong}") in (400, 401)
    assert guesser.get("/v1/mailboxes/abuse/messages", f"Authorization: Bearer mtk_1_{VICTIM}") == 401
    service.wait_for_log("event=key-refused")
    assert set(banned_in(service, tmp_path)) == {address}
    assert key[6:] not in service.log and VICTIM not in service.log


def test_innocent_ones_are_not_found(service, tmp_path):
    client = Client(service, "smtp", "192.0.2.9")
    for command in ("EHLO x", "MAIL FROM:<>", f"RCPT TO:<acme@{DOMAIN}>", "DATA"):
        client.say(command)
    assert client.say("Subject: x\r\n\r\n.").startswith("250 ")
    Client(service, "smtp", "192.0.2.9").say("QUIT")
    service.wait_for_log("event=accepted")
    assert banned_in(service, tmp_path) == []


def test_nobody_can_have_another_banned(service, tmp_path):
    """The worst that a client can say, wherever the log repeats it."""
    attacker = "192.0.2.13"
    for text in FORGERIES:
        fail_login(service, "pop3s", attacker, text, text)
        for words in ([f"EHLO {text}", f"MAIL FROM:<\"{text}\"@x> {text}", f"RCPT TO:<{text}>"], [f"GET {text}"], [f"{text}"],
                      ["EHLO x", "MAIL FROM:<>", f"RCPT TO:<{text}@{DOMAIN}>", f"RCPT TO:<x@{text}>"]):
            client = Client(service, "smtp", attacker)
            with contextlib.suppress(ConnectionError):      # it may end the session at any of them
                for command in words:
                    client.say(command)
            client.socket.close()
    client = Client(service, "smtp", attacker)
    client.say("EHLO x")
    service.wait_for_log("event=recipient-refused")
    assert VICTIM in service.log
    found = banned_in(service, tmp_path)
    assert found and set(found) == {attacker}


def test_lines_of_the_journal():
    """As fail2ban's systemd backend gives them: the machine's name, the program, our line without its time."""
    line = 'mx1 mailtestd[17]: imapd/0[23] info s=1 event=login-failed protocol=imap client=2001:db8::5 user="" reason="wrong secret"'
    assert banned(f"2026-11-21T10:00:00.000Z {line}") == ["2001:db8::5"]
    forged = 'mx1 mailtestd[17]: smtpd/0[23] info s=1 event=timeout client=192.0.2.1 limit="event=login-failed protocol=imap client=203.0.113.66 user="'
    assert banned(f"2026-11-21T10:00:00.000Z {forged}") == []
