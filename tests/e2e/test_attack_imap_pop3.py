"""What a hostile client of IMAP and POP3 tries before it has logged in: words put into a session before TLS, and other protocols."""

import re
import socket
import ssl

import pytest

from mail_clients import arrive

UNCHECKED = ssl._create_unverified_context()


@pytest.fixture(scope="module")
def running(request):
    from service import Service
    service = Service()
    request.addfinalizer(service.remove)
    service.start()
    service.acme = service.add_mailbox("acme")
    arrive(service, 2)
    return service


class Client:
    """Says what it is told, line by line or octet by octet."""

    def __init__(self, service, port):
        self.socket = socket.create_connection(("127.0.0.1", service.ports[port]), timeout=20)
        self.greeting = self.line()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, octets: bytes) -> None:
        self.socket.sendall(octets)

    def line(self) -> bytes:
        text = b""
        while not text.endswith(b"\n"):
            octet = self.socket.recv(1)
            if not octet:
                break
            text += octet
        return text

    def say(self, octets: bytes) -> bytes:
        self.send(octets + b"\r\n")
        return self.line()

    def secure(self) -> None:
        self.socket = UNCHECKED.wrap_socket(self.socket)

    def rest(self) -> bytes:
        text = b""
        try:
            while more := self.socket.recv(65536):
                text += more
        except ConnectionResetError:
            pass
        return text


# ---- STARTTLS and STLS --------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("injected", [b"b NOOP\r\n", b"b LOGIN acme x\r\n", b"b AUTHENTICATE PLAIN\r\n", b"b ID NIL\r\n", b"b LOGIN {4}\r\nacme", b"b NO", b"\r\n",
                                      b"b STARTTLS\r\n", b"b LOGOUT\r\n", b"b ENABLE IMAP4rev2\r\n", b"\x16\x03\x01\x00\x05hello"])
def test_imap_answers_nothing_within_tls_that_came_before_it(running, injected):
    with Client(running, "imap") as client:
        client.send(b"a STARTTLS\r\n" + injected)
        assert client.line().startswith(b"a OK")
        client.secure()
        assert client.say(b"c NOOP") == b"c OK NOOP completed\r\n"


def test_imap_forgets_what_was_begun_before_tls(running):
    """Neither an authentication that is under way nor what was enabled goes on within TLS, and STARTTLS within them is none."""
    with Client(running, "imap") as client:
        assert client.say(b"a AUTHENTICATE PLAIN").startswith(b"+")
        assert client.say(b"b STARTTLS").startswith(b"a ")        # taken as the answer, which it is not
        client.send(b"c STARTTLS\r\n")
        assert client.line().startswith(b"c OK")
        client.secure()
        plain = client.say(b"d CAPABILITY")
        assert b"STARTTLS" not in plain and b"LOGINDISABLED" not in plain
        assert client.line().startswith(b"d OK")
        assert client.say(b"e SELECT INBOX").startswith(b"e BAD")       # nobody is logged in
        assert client.say(b"f STARTTLS").startswith(b"f BAD") or client.say(b"g NOOP").startswith(b"g OK")


@pytest.mark.parametrize("line", [b"* PREAUTH you are in", b"* OK [CAPABILITY IMAP4rev1] hello", b"* BYE", b"+ go on", b"a OK begin TLS now"])
def test_imap_takes_no_answer_of_a_server_for_a_command(running, line):
    """Answers reflected at us change no state: the session stays where it is, and is not logged in."""
    with Client(running, "imap") as client:
        assert re.match(rb"(\*|\S+) BAD ", client.say(line))
        assert client.say(b"z SELECT INBOX").startswith(b"z BAD")


def test_imap_is_never_in_a_session_before_the_login(running):
    """No PREAUTH (NO STARTTLS, USENIX 2021): it would keep a client from asking for TLS. The list of abilities is told anew behind TLS and behind the login."""
    with Client(running, "imap") as client:
        assert client.greeting.startswith(b"* OK [CAPABILITY") and b"STARTTLS" in client.greeting
    with Client(running, "imap") as client:
        client.send(b"a STARTTLS\r\n")
        client.line()
        client.secure()
        assert b"[CAPABILITY " in client.say(b"b LOGIN acme " + running.acme["secret"].encode())


def test_starttls_behind_the_login_is_refused(running):
    with Client(running, "imap") as client:
        assert client.say(b"a LOGIN acme " + running.acme["secret"].encode()).startswith(b"a OK")
        assert client.say(b"b STARTTLS").startswith(b"b BAD")
    with Client(running, "pop3") as client:
        client.say(b"USER acme")
        assert client.say(b"PASS " + running.acme["secret"].encode()).startswith(b"+OK")
        assert client.say(b"STLS").startswith(b"-ERR")


@pytest.mark.parametrize("injected", [b"NOOP\r\n", b"USER evil\r\n", b"AUTH PLAIN\r\n", b"CAPA\r\n", b"PASS", b"\r\n", b"QUIT\r\n", b"STLS\r\n", b"\x16\x03\x01\x00\x05hello"])
def test_pop3_answers_nothing_within_tls_that_came_before_it(running, injected):
    with Client(running, "pop3") as client:
        client.say(b"USER evil")
        client.send(b"STLS\r\n" + injected)
        assert client.line().startswith(b"+OK")
        client.secure()
        assert client.say(b"PASS x") == b"-ERR say USER first\r\n"


@pytest.mark.parametrize("port", ["imaps", "pop3s"])
def test_a_port_of_tls_says_nothing_in_plain(running, port):
    with socket.create_connection(("127.0.0.1", running.ports[port]), timeout=20) as client:
        client.sendall(b"a NOOP\r\n")
        said = b""
        try:
            while more := client.recv(4096):
                said += more
        except ConnectionResetError:
            pass
        assert b"OK" not in said and b"ERR" not in said


# ---- Another protocol ---------------------------------------------------------------------------------------------------------------

def request_of_a_page(method: str, body: bytes) -> bytes:
    return f"{method} / HTTP/1.1\r\nHost: mail.test\r\nOrigin: http://evil.test\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "HEAD", "OPTIONS", "DELETE", "PATCH", "post", "FOO"])
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_a_web_page_s_request_is_no_session(running, method, tls):
    """The commands in the body of a request that a browser sends are not run: the session ends at its first line, or at its Host field."""
    secret = running.acme["secret"].encode()
    restarts = running.metric("mailtest_role_restarts_total")
    for port, body in (("imap", b"a LOGIN acme " + secret + b"\r\nb SELECT INBOX\r\nc FETCH 1 BODY[]\r\n"),
                       ("pop3", b"USER acme\r\nPASS " + secret + b"\r\nRETR 1\r\n")):
        with socket.create_connection(("127.0.0.1", running.ports[port + "s" * tls]), timeout=20) as plain:
            client = UNCHECKED.wrap_socket(plain) if tls else plain
            client.sendall(request_of_a_page(method, body))
            said = b""
            try:
                while more := client.recv(65536):
                    said += more
            except ConnectionResetError:
                pass
            assert b"that is HTTP" in said and b"hello" not in said and secret not in said
            assert said.count(b"\r\n") == (3 if method == "FOO" else 2)
            client.close()
    assert running.metric("mailtest_role_restarts_total") == restarts


def test_a_tag_that_is_a_method_is_a_tag(running):
    with Client(running, "imap") as client:
        assert client.say(b"GET NOOP") == b"GET OK NOOP completed\r\n"
        assert client.say(b"POST LOGIN acme " + running.acme["secret"].encode()).startswith(b"POST OK")


@pytest.mark.parametrize("port", ["imap", "pop3"])
@pytest.mark.parametrize("octets", [b"EHLO x\r\nMAIL FROM:<a@b>\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\0" * 4096 + b"\r\n",
                                    b"*1\r\n$4\r\nPING\r\n", b"SSH-2.0-x\r\n"])
def test_other_protocols_are_refused(running, port, octets):
    with Client(running, port) as client:
        client.send(octets)
        client.socket.shutdown(socket.SHUT_WR)
        assert all(re.match(rb"\* (BAD|BYE)|\S+ BAD|-ERR|\+ ", line) for line in client.rest().splitlines() if line)
