"""What one client may have, over all processes of a role: each limit with its own answer; and who gives way when all places are taken."""

import http.client
import json
import socket

import pytest

from service import DOMAIN
from smtp_client import Closed

NOBODY_TRUSTED = {"trusted": [], "log_interval_s": 1}


class Raw:
    """A connection from an address of this machine, of which there are many: 127.0.0.0/8."""

    def __init__(self, service, listener, address="127.0.0.1"):
        self.socket = socket.create_connection(("127.0.0.1", service.ports[listener]), 20, source_address=(address, 0))
        self.file = self.socket.makefile("rb")

    def line(self) -> str:
        if not (line := self.file.readline()):
            raise Closed("")
        return line.decode()

    def say(self, text: str) -> str:
        self.socket.sendall(text.encode() + b"\r\n")
        while (line := self.line())[3:4] == "-":
            pass
        return line

    def rest(self) -> str:
        try:
            return self.file.read().decode()
        except ConnectionResetError:
            return ""

    def close(self) -> None:
        self.file.close()
        self.socket.close()


def greeted(service, listener, address, word):
    """Until a client from there is greeted so: what a session that ended counted for is given back in the next turn of its process."""
    def attempt():
        client = Raw(service, listener, address)
        if word in client.line():
            return client
        client.close()
        return None
    return service.wait_for(attempt, f"a client from {address} is greeted with {word!r}")


@pytest.mark.parametrize("listener, welcome, refusal, section", [
    ("smtp", "220 ", "421 4.7.0 too many sessions from your address", "smtp"),
    ("lmtp", "220 ", "421 4.7.0 too many sessions from your address", "smtp"),
    ("imap", "* OK ", "* BYE [LIMIT] too many sessions from your address", "access"),
    ("pop3", "+OK ", "-ERR [SYS/TEMP] too many sessions from your address", "access"),
])
def test_sessions_of_an_address(make_service, listener, welcome, refusal, section):
    service = make_service(limits=NOBODY_TRUSTED, processes={"smtpd": 3, "imapd": 3}, **{section: {"sessions_per_address": 4}})
    clients = [Raw(service, listener) for _ in range(4)]
    assert all(client.line().startswith(welcome) for client in clients)
    for _ in range(5):
        refused = Raw(service, listener)
        assert refused.line().startswith(refusal)
        assert refused.rest() == ""
    assert Raw(service, listener, "127.0.0.2").line().startswith(welcome)
    clients.pop().close()
    greeted(service, listener, "127.0.0.1", welcome)
    service.wait_for_log(rf"event=limit-reached client=127\.0\.0\.1 protocol={section} limit={section}\.sessions_per_address")
    assert service.metric("mailtest_limit_sessions_per_address_total") >= 5


def test_sessions_of_a_network(make_service):
    service = make_service(limits=NOBODY_TRUSTED, smtp={"sessions_per_network": 3})
    clients = [Raw(service, "smtp", f"127.0.5.{i}") for i in range(1, 4)]
    assert all(client.line().startswith("220 ") for client in clients)
    assert Raw(service, "smtp", "127.0.5.9").line().startswith("421 4.7.0 too many sessions from your network")
    assert Raw(service, "smtp", "127.0.6.9").line().startswith("220 ")


def test_new_sessions_in_a_time(make_service):
    service = make_service(limits=NOBODY_TRUSTED, smtp={"new_per_second_network": 1}, access={"new_per_second": 1})
    def flood(listener, words):
        for _ in range(1000):
            client = Raw(service, listener)
            line = client.line()
            client.close()
            if words in line:
                return True
        return False
    assert flood("smtp", "421 4.7.0 too many new sessions in a short time")
    assert Raw(service, "smtp", "127.0.7.1").line().startswith("220 ")
    assert flood("imap", "* BYE [LIMIT] too many new sessions in a short time")


def test_connections_of_an_address_by_http(make_service):
    service = make_service(limits=NOBODY_TRUSTED, http={"connections_per_address": 2})
    def connect(address):
        client = http.client.HTTPConnection("127.0.0.1", service.ports["http"], timeout=20, source_address=(address, 0))
        client.request("GET", "/healthz")
        return client, client.getresponse()
    kept = [connect("127.0.0.9") for _ in range(2)]
    assert [answer.status for _, answer in kept] == [200, 200]
    _, refused = connect("127.0.0.9")
    assert refused.status == 429
    assert int(refused.headers["Retry-After"]) > 0
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert "connections_per_address" in json.loads(refused.read())["detail"]
    assert connect("127.0.0.8")[1].status == 200


def test_trusted_networks_are_exempt(make_service):
    service = make_service(limits={"trusted": ["127.0.0.0/24"]}, smtp={"sessions_per_address": 1, "mails_per_minute_address": 1,
                                                                      "mails_per_minute_mailbox": 1})
    service.add_mailbox("acme")
    clients = [Raw(service, "smtp") for _ in range(5)]
    assert all(client.line().startswith("220 ") for client in clients)
    clients[0].say("EHLO client.test")
    for _ in range(5):
        assert clients[0].say("MAIL FROM:<>").startswith("250 ")
        assert clients[0].say(f"RCPT TO:<acme@{DOMAIN}>").startswith("250 ")
        clients[0].say("RSET")
    others = [Raw(service, "smtp", "127.0.1.1") for _ in range(2)]
    assert sorted(other.line()[:9] for other in others)[1] == "421 4.7.0"


def test_the_dead_hold_no_sessions(make_service):
    service = make_service(limits=NOBODY_TRUSTED, processes={"smtpd": 1}, smtp={"sessions_per_address": 1})
    assert Raw(service, "smtp").line().startswith("220 ")
    service.kill("smtpd")
    greeted(service, "smtp", "127.0.0.1", "220 ")


def deliver(client, text="Subject: x\r\n\r\n", mailbox="acme") -> str:
    for command in ("MAIL FROM:<>", f"RCPT TO:<{mailbox}@{DOMAIN}>", "DATA"):
        if not (reply := client.say(command)).startswith(("250 ", "354 ")):
            client.say("RSET")
            return reply
    return client.say(text + "\r\n.")


def session(service, address):
    client = Raw(service, "smtp", address)
    assert client.line().startswith("220 ")
    client.say("EHLO client.test")
    return client


def test_mails_of_an_address(make_service):
    service = make_service(limits=NOBODY_TRUSTED, processes={"smtpd": 2}, smtp={"mails_per_minute_address": 2})
    service.add_mailbox("acme")
    replies = [deliver(session(service, "127.0.0.1"))[:9] for _ in range(20)]
    assert replies[:2] == ["250 2.0.0", "250 2.0.0"]
    assert "450 4.7.1" in replies
    assert deliver(session(service, "127.0.0.2")).startswith("250 ")


def test_a_flood_on_a_mailbox_keeps_known_senders_in(make_service):
    service = make_service(limits=NOBODY_TRUSTED, smtp={"mails_per_minute_mailbox": 2})
    service.add_mailbox("acme")
    service.add_mailbox("other")
    probe = f"Subject: {service.mint('acme')}\r\n\r\n"
    known, flood = session(service, "127.0.0.1"), session(service, "127.0.1.1")
    assert deliver(known, probe).startswith("250 ")
    replies = [deliver(flood)[:9] for _ in range(20)]
    assert "450 4.2.1" in replies
    assert deliver(flood, mailbox="other").startswith("250 ")
    for _ in range(5):
        assert deliver(known, probe).startswith("250 ")


def test_commands_that_bring_no_mail(make_service):
    service = make_service(limits=NOBODY_TRUSTED, smtp={"idle_commands_max": 10})
    service.add_mailbox("acme")
    client = session(service, "127.0.0.1")
    for _ in range(5):
        assert deliver(client).startswith("250 ")
        for _ in range(5):
            assert client.say("NOOP").startswith("250 ")
    replies = [client.say("NOOP")[:9] for _ in range(5)]
    assert "421 4.7.0" in replies or client.say("NOOP").startswith("421 4.7.0")
    service.wait_for_log(r"event=limit-reached client=127\.0\.0\.1 protocol=smtp limit=smtp\.idle_commands_max")


# ---- Who gives way ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("listener, welcome, last_words, settings", [
    ("smtp", "220 ", "421 4.3.2 ", {"smtp": {"sessions_max": 3}, "processes": {"smtpd": 1}}),
    ("imap", "* OK ", "* BYE [UNAVAILABLE] ", {"access": {"sessions_max": 3}, "processes": {"imapd": 1}}),
    ("pop3", "+OK ", "-ERR [SYS/TEMP] ", {"access": {"sessions_max": 3}, "processes": {"imapd": 1}}),
    ("imaps", "", "", {"access": {"sessions_max": 3}, "processes": {"imapd": 1}}),
])
def test_the_idle_give_way(make_service, listener, welcome, last_words, settings):
    service = make_service(limits=NOBODY_TRUSTED, **settings)
    idle = [Raw(service, listener, f"127.0.{i}.1") for i in range(3)]
    if welcome:
        assert all(client.line().startswith(welcome) for client in idle)
        greeted(service, listener, "127.0.9.1", welcome)
    else:       # TLS that does not begin: nothing can be said
        service.wait_for(lambda: Raw(service, listener, "127.0.9.1") and "limit=access.shed" in service.log, "one gave way")
    ended = service.wait_for(lambda: [text for client in idle if (text := hears(client)) is not None], "one gave way")
    assert ended[0].startswith(last_words)
    service.wait_for_log(r"event=limit-reached client=127\.0\.\d\.1 protocol=\w+ limit=\w+\.shed")


def hears(client):
    """What was said to it in the end; None: it is there still."""
    client.socket.setblocking(False)
    try:
        said = client.socket.recv(4096)
    except BlockingIOError:
        return None
    except ConnectionResetError:
        return ""
    return said.decode()


def test_who_logged_in_keeps_his_place(make_service):
    service = make_service(limits=NOBODY_TRUSTED, access={"sessions_max": 2}, processes={"imapd": 1})
    made = service.add_mailbox("acme")
    owner = Raw(service, "imap")
    owner.line()
    owner.socket.sendall(f"1 LOGIN {made['user']} {made['secret']}\r\n".encode())
    assert owner.line().startswith("1 OK")
    idle = Raw(service, "imap", "127.0.1.1")
    assert idle.line().startswith("* OK")
    greeted(service, "imap", "127.0.9.1", "* OK")
    assert idle.rest().startswith("* BYE [UNAVAILABLE]")
    owner.socket.sendall(b"2 NOOP\r\n")
    assert "2 OK" in owner.line()


def drip(client, octets):
    """An octet at a time for as long as the server listens; gives what it said in the end."""
    client.socket.settimeout(0.05)
    for octet in octets:
        try:
            client.socket.sendall(bytes([octet]))
            if said := client.socket.recv(4096):
                return said.decode()
            return ""
        except TimeoutError:
            continue
        except (ConnectionResetError, BrokenPipeError):
            return ""
    raise AssertionError("the server listened to all of it")


@pytest.mark.parametrize("listener, before, octets, last_words", [
    ("smtp", [], b"N" * 3000, "421 4.4.2 "),
    ("smtp", ["EHLO client.test", "MAIL FROM:<>", f"RCPT TO:<acme@{DOMAIN}>", "DATA"], b"x\r\n" * 3000, "421 4.4.2 "),
    ("smtps", [], b"\x16\x03\x01\x02\x00\x01" + b"\0" * 3000, ""),
    ("imap", [], b"1 NOOP" + b"x" * 3000, "* BYE "),
    ("pop3", [], b"x" * 3000, "-ERR "),
    ("imaps", [], b"\x16\x03\x01\x02\x00\x01" + b"\0" * 3000, ""),
    ("http", [], b"GET / HTTP/1.1\r\nX: " + b"x" * 3000, ""),
], ids=["smtp-command", "smtp-data", "smtp-tls", "imap", "pop3", "imaps", "http"])
def test_an_octet_at_a_time(make_service, listener, before, octets, last_words):
    service = make_service(smtp={"early_timeout_ms": 500, "stalled_timeout_ms": 500, "tls_timeout_ms": 500},
                           access={"login_timeout_ms": 500}, http={"timeout_ms": 500})
    service.add_mailbox("acme")
    client = Raw(service, listener.replace("smtps", "smtp"))
    if listener != "http" and listener != "imaps":
        client.line()
    if listener == "smtps":
        assert client.say("EHLO client.test").startswith("250 ")
        assert client.say("STARTTLS").startswith("220 ")
    for command in before:
        assert client.say(command).startswith(("250 ", "354 "))
    assert drip(client, octets).startswith(last_words)


def test_a_slow_message_that_goes_on_is_taken(make_service):
    service = make_service(smtp={"stalled_timeout_ms": 200, "stalled_bytes": 1})
    service.add_mailbox("acme")
    client = session(service, "127.0.0.1")
    for command in ("MAIL FROM:<>", f"RCPT TO:<acme@{DOMAIN}>", "DATA"):
        client.say(command)
    client.socket.settimeout(0.02)
    for octet in b"Subject: slow\r\n\r\n" * 3:
        client.socket.sendall(bytes([octet]))
        with pytest.raises(TimeoutError):
            client.socket.recv(1)
    client.socket.settimeout(20)
    client.socket.sendall(b"\r\n.\r\n")
    assert client.socket.recv(4096).startswith(b"250 ")
