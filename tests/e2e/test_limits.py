"""What one client may have, over all processes of a role: each limit with its own answer; and who gives way when all places are taken."""

import http.client
import json
import socket
import ssl

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


@pytest.mark.parametrize("listener, welcome, refusal, section", [
    ("smtp", "220 ", "421 4.7.0 too many sessions from your network", "smtp"),
    ("imap", "* OK ", "* BYE [LIMIT] too many sessions from your network", "access"),
    ("pop3", "+OK ", "-ERR [SYS/TEMP] too many sessions from your network", "access"),
])
def test_sessions_of_a_network(make_service, listener, welcome, refusal, section):
    service = make_service(limits=NOBODY_TRUSTED, processes={"smtpd": 2, "imapd": 2}, **{section: {"sessions_per_network": 3}})
    clients = [Raw(service, listener, f"127.0.5.{i}") for i in range(1, 4)]
    assert all(client.line().startswith(welcome) for client in clients)
    assert Raw(service, listener, "127.0.5.9").line().startswith(refusal)
    assert Raw(service, listener, "127.0.6.9").line().startswith(welcome)
    service.wait_for_log(rf"event=limit-reached client=127\.0\.5\.9 protocol={section} limit={section}\.sessions_per_network")
    assert service.metric("mailtest_limit_sessions_per_network_total") >= 1


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


@pytest.mark.parametrize("listener, welcome, last_words, settings", [
    ("smtp", "220 ", "421 4.4.2 ", {"smtp": {"sessions_max": 4, "pressed_timeout_ms": 300}}),
    ("imap", "* OK ", "* BYE ", {"access": {"sessions_max": 4, "pressed_timeout_ms": 300}}),
    ("pop3", "+OK ", "-ERR ", {"access": {"sessions_max": 4, "pressed_timeout_ms": 300}}),
    ("http", "", "", {"http": {"waiting_max": 1, "streams_max": 0, "pressed_timeout_ms": 300, "connections_per_address": 100000},
                      "limits": {"pressed_percent": 1}}),
])
def test_times_are_short_where_there_are_many(make_service, listener, welcome, last_words, settings):
    """All others would be cut after a minute at the earliest, which is longer than a client here listens."""
    settings["limits"] = {**NOBODY_TRUSTED, "pressed_percent": 50, **settings.get("limits", {})}
    service = make_service(processes={"smtpd": 1, "imapd": 1}, **settings)
    alone = Raw(service, listener, "127.0.1.1")
    if welcome:
        assert alone.line().startswith(welcome)
    others = [Raw(service, listener, f"127.0.2.{i}") for i in range(1, 16 if listener == "http" else 3)]
    if welcome:
        assert all(client.line().startswith(welcome) for client in others)
        service.wait_for_log("event=pressure sessions=2")
    assert alone.rest().startswith(last_words)      # that which was there before, too
    if welcome:
        service.wait_for_log("event=pressure-over")


def test_many_silent_connections_keep_no_request_out(make_service):
    """Over the thousand places that are spare, silent ones give way."""
    service = make_service(limits=NOBODY_TRUSTED, http={"waiting_max": 1, "streams_max": 0, "connections_per_address": 100000})
    silent = [Raw(service, "http", f"127.0.{3 + i // 100}.1") for i in range(1300)]
    for client in silent[::2]:
        client.socket.sendall(b"GET /healthz HTTP/1.1\r\nX: ")
    for _ in range(20):
        client = http.client.HTTPConnection("127.0.0.1", service.ports["http"], timeout=20)
        client.request("GET", "/healthz")
        assert client.getresponse().status == 200
        client.close()
    assert service.metric("mailtest_limit_shed_total") > 0
    assert any(hears(client) == "" for client in silent)


def test_requests_that_come_in_slowly_give_way_to_others(make_service):
    """Together with them another would take more memory than all requests may."""
    service = make_service(limits=NOBODY_TRUSTED)
    service.add_mailbox("acme")
    body = json.dumps({"tokens": [service.mint("acme")]}).encode().ljust(950_000)
    head = f"POST /v1/lookup HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {service.key}\r\nContent-Length: 1000000\r\n\r\n"
    slow = [Raw(service, "http", f"127.0.3.{i}") for i in range(1, 28)]
    for client in slow:
        client.socket.sendall(head.encode() + b" " * 900_000)
    for _ in range(300):        # turns, in which all that was sent is read
        assert service.http("GET", "/healthz", key=None).status == 200
    assert "event=http-buffers-full" not in service.log

    def is_taken():
        try:
            return service.http("POST", "/v1/lookup", body=body).status == 200 and "event=http-buffers-full" in service.log
        except OSError:
            return False        # those that came before are too young to give way
    service.wait_for(is_taken, "the request is taken although there is no room")
    assert any(hears(client) == "" for client in slow)


# ---- Handshakes ------------------------------------------------------------------------------------------------------


def client_hello() -> bytes:
    out = ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        insecure_context().wrap_bio(ssl.MemoryBIO(), out).do_handshake()
    return out.read()


SECURE = ["smtp", "imaps", "pop3s", "https"]


def secure_service(make_service, **settings):
    """With one process of each kind; HTTP in plain until it is ready, which is asked for by that."""
    service = make_service(processes={"smtpd": 1, "imapd": 1}, **settings)
    service.write_configuration(tls={"http": True})
    service.reload()
    service.wait_for_log("event=listening protocol=http .* tls=yes")
    service.wait_for_log("event=reloaded generation=2")
    return service


def insecure_context():
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def begin_tls(service, listener, address):
    """A client whose next octets are a handshake's."""
    client = Raw(service, "http" if listener == "https" else listener, address)
    if listener == "smtp":
        client.line()
        assert client.say("EHLO client.test").startswith("250 ")
        assert client.say("STARTTLS").startswith("220 ")
    return client


def is_served(service, listener):
    client = begin_tls(service, listener, "127.0.0.1")
    with insecure_context().wrap_socket(client.socket) as secure:
        secure.sendall({"smtp": b"NOOP\r\n", "https": b"GET /healthz HTTP/1.0\r\n\r\n"}.get(listener, b"a CAPABILITY\r\n"))
        return len(secure.recv(100)) > 0


@pytest.mark.parametrize("listener", SECURE)
def test_handshakes_that_do_not_go_on_give_way(make_service, listener):
    service = secure_service(make_service, limits=NOBODY_TRUSTED, tls={"handshakes_max": 3})
    left = []
    for i in range(1, 9):
        left.append(begin_tls(service, listener, f"127.0.{i}.1"))
        left[-1].socket.sendall(client_hello())
        assert left[-1].socket.recv(1) == b"\x16"       # it is under way
        assert is_served(service, listener)
    service.wait_for(lambda: sum(ended(client) for client in left) >= 5, "those that did not go on for longest were ended")
    assert not ended(left[-1])


def ended(client) -> bool:
    client.socket.setblocking(False)
    try:
        while client.socket.recv(65536):
            pass
    except BlockingIOError:
        return False
    except ConnectionResetError:
        pass
    return True


@pytest.mark.parametrize("listener", SECURE)
def test_a_hello_that_would_be_long_ends_its_handshake(make_service, listener):
    """At its head alone: nothing is kept for what it says that will follow."""
    service = secure_service(make_service)
    client = begin_tls(service, listener, "127.0.0.1")
    client.socket.sendall(b"\x16\x03\x01\x00\x04\x01\x01\xff\x00")
    client.socket.settimeout(20)
    while True:         # an alert, perhaps
        try:
            if not client.socket.recv(100):
                break
        except ConnectionResetError:
            break


@pytest.mark.parametrize("listener", SECURE)
@pytest.mark.parametrize("octets", [1, 4, 9])
def test_a_part_of_a_tls_record_holds_up_nobody(make_service, listener, octets):
    """Neither in a handshake nor behind it; and who sent it is gone when its time is over."""
    service = secure_service(make_service, smtp={"early_timeout_ms": 2000, "tls_timeout_ms": 2000}, access={"login_timeout_ms": 2000},
                             http={"timeout_ms": 2000})
    early, late = begin_tls(service, listener, "127.0.0.1"), begin_tls(service, listener, "127.0.0.1")
    early.socket.sendall(client_hello()[:octets])
    assert is_served(service, listener)
    late_tls = Through(late.socket)
    late_tls.record(b"NOOP\r\n" * 3, octets)
    assert is_served(service, listener)
    late.socket.settimeout(20)
    early.rest()
    while late.socket.recv(4096):
        pass


class Through:
    """TLS on a socket, of which a record can be sent in part."""

    def __init__(self, plain):
        self.plain, self.come, self.goes = plain, ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = insecure_context().wrap_bio(self.come, self.goes)
        while True:
            try:
                self.tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                plain.sendall(self.goes.read())
                self.come.write(plain.recv(65536))
        plain.sendall(self.goes.read())

    def record(self, text: bytes, octets: int) -> None:
        self.tls.write(text)
        self.plain.sendall(self.goes.read()[:octets])


# ---- Time --------------------------------------------------------------------------------------------------------------


def test_commands_without_a_mail_keep_no_place_for_long(make_service):
    service = make_service(limits=NOBODY_TRUSTED, smtp={"early_timeout_ms": 200, "idle_commands_max": 1000000})
    client = session(service, "127.0.0.1")
    while (reply := client.say("NOOP")).startswith("250 "):
        pass
    assert reply.startswith("421 4.4.2 ")
    service.add_mailbox("acme")
    client = session(service, "127.0.0.1")
    assert deliver(client).startswith("250 ")
    assert all(client.say("NOOP").startswith("250 ") for _ in range(2000))
    service.wait_for_log(r'event=timeout client=127\.0\.0\.1 limit="a mail"')


@pytest.mark.parametrize("listener, before", [
    ("smtp", b""), ("smtp", b"EHLO client.test\r\nMAIL FROM:<>\r\n"), ("lmtp", b"LHLO client.test\r\n"), ("imap", b"a NOOP\r\n"),
    ("pop3", b"CAPA\r\n"), ("imaps", b""), ("pop3s", b"\x16"), ("http", b""), ("http", b"GET /healthz HTTP/1.1\r\n"),
])
@pytest.mark.parametrize("half_closed", [False, True], ids=["open", "half-closed"])
def test_who_stalls_is_gone(make_service, listener, before, half_closed):
    """In every state before a login or a mailbox, whether its own side is closed or not."""
    service = make_service(smtp={"early_timeout_ms": 300, "tls_timeout_ms": 300}, access={"login_timeout_ms": 300}, http={"timeout_ms": 300})
    client = Raw(service, listener)
    client.socket.sendall(before)
    if half_closed:
        client.socket.shutdown(socket.SHUT_WR)
    client.rest()       # until its end, within the 20 s that a client here listens


# ---- A crowd -----------------------------------------------------------------------------------------------------------

CROWD = {
    "smtp": ("smtp", b"EHLO idle.test\r\n"),
    "smtp-half-a-command": ("smtp", b"EHLO idle.test\r\nMAIL FROM:<" + b"x" * 300),
    "smtp-half-a-mail": ("smtp", f"EHLO idle.test\r\nMAIL FROM:<>\r\nRCPT TO:<other@{DOMAIN}>\r\nDATA\r\n".encode() + b"x" * 700),
    "smtp-handshake": ("smtp", b"EHLO idle.test\r\nSTARTTLS\r\n"),
    "lmtp": ("lmtp", b"LHLO idle.test\r\n"),
    "imap": ("imap", b"a NOOP"),
    "imaps": ("imaps", b"\x16\x03\x01"),
    "pop3": ("pop3", b"USER ac"),
    "http": ("http", b""),
    "http-half-a-header": ("http", b"GET /v1/status HTTP/1.1\r\nX: " + b"x" * 3000),
}


@pytest.mark.parametrize("kind", CROWD)
def test_a_crowd_keeps_nobody_out(make_service, kind):
    """Three hundred that are idle or slow, and one that has something to do."""
    listener, says = CROWD[kind]
    service = make_service(limits=NOBODY_TRUSTED, smtp={"new_per_second": 100000}, access={"new_per_second": 100000})
    made = service.add_mailbox("acme")
    service.add_mailbox("other")
    crowd = [Raw(service, listener, f"127.0.{1 + i // 15}.{1 + i % 15}") for i in range(300)]
    for client in crowd:
        client.socket.sendall(says)
    token = service.mint("acme")
    assert deliver(session(service, "127.0.200.1"), f"Subject: {token}\r\n\r\n").startswith("250 ")
    assert service.http("GET", f"/v1/mailboxes/acme/tokens/{token}").json()["verdict"] == "arrived"
    good = Raw(service, "imap", "127.0.0.1")
    assert good.line().startswith("* OK")
    good.socket.sendall(f"1 LOGIN {made['user']} {made['secret']}\r\n2 SELECT INBOX\r\n3 SEARCH SUBJECT {token}\r\n".encode())
    while not (line := good.line()).startswith("* SEARCH"):
        assert line
    assert line.split()[2:] == ["1"]


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
