"""Whatever a client does: it gets a clear error, and nobody else notices."""

import socket
import threading
import time

import pytest

from service import DOMAIN
from smtp_client import Closed, SmtpClient, connect, growth_allowed, listed, resident_bytes, send, stored

MIB = 1 << 20


def flood(client, total, chunk=b"x" * MIB):
    """Sends until all has left or the server has closed."""
    try:
        for _ in range(total // len(chunk)):
            client.send(chunk)
    except (BrokenPipeError, ConnectionResetError):
        return False
    return True


def test_100_mb_without_a_newline(service):
    service.add_mailbox("acme")
    before = resident_bytes(service)
    with connect(service) as client:                        # instead of a command
        flood(client, 100 * MIB)
        try:
            assert client.rest().startswith("500 5.5.2")
        except ConnectionResetError:
            pass
    with connect(service) as client:                        # as a message
        client.envelope()
        assert client.say("DATA").startswith("354")
        assert flood(client, 100 * MIB)
        assert client.say(b"\r\n.\r\n").startswith("500 5.6.0")
        client.envelope()
        assert client.data(b"Subject: behind it\r\n\r\n.\r\n").startswith("250 ")
    assert resident_bytes(service) - before < growth_allowed(service, 8 * MIB)
    assert [message["subject"] for message in stored(service)] == ["behind it"]


def test_header_of_1_mb_and_10000_look_alikes(service):
    service.add_mailbox("acme")
    token = service.mint("acme")
    header = b"".join(b"X-Filler-%d: %s\r\n" % (i, b"y" * 980) for i in range(1000))
    alikes = b"".join(b"mt1" + b"%040d" % i + b"\r\n" for i in range(10_000))
    began = time.monotonic()
    assert send(service, header + b"Subject: " + token.encode() + b"\r\n\r\n" + alikes).startswith("250 ")
    assert time.monotonic() - began < 10
    assert service.http("GET", f"/v1/mailboxes/acme/tokens/{token}?wait=20s").json()["verdict"] == "arrived"


def test_mime_1000_deep(service):
    service.add_mailbox("acme")
    body = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (i, i) for i in range(1000))
    assert send(service, body + b"\r\ntext\r\n").startswith("250 ")


@pytest.mark.parametrize("word", ["GET / HTTP/1.1", "POST / HTTP/1.1", "CONNECT x:25 HTTP/1.1"])
def test_browsers_are_not_listened_to(service, word):
    service.add_mailbox("acme")
    mail = f"EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<acme@{DOMAIN}>\r\nDATA\r\nSubject: x\r\n\r\n.\r\nQUIT\r\n"
    with connect(service) as client:
        client.send(f"{word}\r\nHost: x\r\n\r\n{mail}".encode())
        assert client.rest().startswith("421 4.7.0")
    assert listed(service) == []


def test_lines_that_end_in_lf_alone(service):
    with connect(service) as client:
        assert client.say(b"EHLO client.test\n").startswith("500 5.5.2")
        assert client.rest().startswith("421 ")


def test_time_limits_are_for_the_whole_however_it_trickles(make_service):
    service = make_service(smtp={"command_timeout_ms": 1000, "message_timeout_ms": 2000, "tls_timeout_ms": 1000})
    service.add_mailbox("acme")

    def trickle(client, octets):
        began = time.monotonic()
        client.socket.settimeout(0.2)
        try:
            while time.monotonic() - began < 20:
                client.send(octets)
                try:
                    return client.reply(), time.monotonic() - began
                except (socket.timeout, TimeoutError):
                    pass
        except (Closed, ConnectionError):
            return "closed", time.monotonic() - began
        return "never", 20

    with connect(service) as client:
        reply, after = trickle(client, b"E")
        assert reply.startswith("421 4.4.2") and 0.8 < after < 5
    with connect(service) as client:
        client.envelope()
        assert client.say("DATA").startswith("354")
        reply, after = trickle(client, b"x\r\n")
        assert reply.startswith("421 4.4.2") and 1.8 < after < 6
    with connect(service) as client:
        assert client.say("STARTTLS").startswith("220")
        reply, after = trickle(client, b"")
        assert reply == "closed" and 0.8 < after < 5
    assert send(service, b"Subject: x\r\n\r\n").startswith("250 ")


def test_client_that_never_reads(make_service):
    service = make_service(smtp={"command_timeout_ms": 2000})
    service.add_mailbox("acme")
    before = resident_bytes(service)
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(("127.0.0.1", service.smtp_port))
        client.settimeout(0.5)
        with pytest.raises((socket.timeout, TimeoutError, ConnectionError)):
            while True:
                client.send(b"NOOP\r\n" * 10_000)
        assert resident_bytes(service) - before < growth_allowed(service, 4 * MIB)
        assert send(service, b"Subject: x\r\n\r\n").startswith("250 ")
        service.wait_for_log("event=timeout")


def test_thousands_of_idle_sessions(service):
    service.add_mailbox("acme")
    clients = [connect(service) for _ in range(50)]
    before = resident_bytes(service)
    clients += [connect(service) for _ in range(2000)]
    for client in clients:
        client.say("EHLO client.test")
    assert resident_bytes(service) - before < growth_allowed(service, 2000 * 6 * 1024)
    assert send(service, b"Subject: x\r\n\r\n").startswith("250 ")
    for client in clients:
        client.__exit__()


def test_memory_for_messages_is_bounded_and_small_ones_get_through(make_service):
    bound = 16 * MIB
    service = make_service(smtp={"in_flight_max_bytes": bound, "message_max_bytes": 8 * MIB}, processes={"smtpd": 1})
    service.add_mailbox("acme")
    line = b"x" * 1022 + b"\r\n"
    slow = [connect(service) for _ in range(12)]
    for client in slow:
        client.envelope()
        assert client.say("DATA").startswith("354")
        client.socket.settimeout(0.05)
        try:
            for _ in range(6 * 1024):
                client.send(line)
        except (socket.timeout, TimeoutError):      # it is no longer read from: as it should be
            pass
    assert bound / 2 < service.metric("mailtest_smtp_in_flight_bytes") <= bound + 8 * MIB
    for client in slow:
        client.__exit__()
    assert send(service, b"Subject: x\r\n\r\n").startswith("250 ")
    service.wait_for(lambda: service.metric("mailtest_smtp_in_flight_bytes") == 0, "nothing is held any more")


def test_clients_that_go_in_the_middle(service):
    service.add_mailbox("acme")
    for said in (b"", b"EHL", b"EHLO x\r\nMAIL FROM:<>\r\n", b"EHLO x\r\nSTARTTLS\r\n",
                 f"EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<acme@{DOMAIN}>\r\nDATA\r\nSubject: half\r\n".encode(),
                 f"EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<acme@{DOMAIN}>\r\nBDAT 100 LAST\r\nSubject: half\r\n".encode()):
        with SmtpClient(("127.0.0.1", service.smtp_port)) as client:
            client.send(said)
    service.wait_for(lambda: service.metric("mailtest_smtp_sessions") == 0, "all sessions have ended")
    assert listed(service) == []


def test_flood_keeps_nobody_out_and_ends_at_its_limit(make_service):
    """Octets that cost the most to read, without end, on every process of the receiver."""
    service = make_service(processes={"smtpd": 1}, smtp={"message_timeout_ms": 4000})
    service.add_mailbox("acme")
    ends = []

    def run():
        with connect(service) as client:
            client.envelope()
            client.say("DATA")
            flood(client, 1 << 40, b"mt1\n" * 16384)
            try:
                ends.append(client.rest())
            except ConnectionResetError:
                ends.append("")

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        while not ends:
            with connect(service) as client:        # whose own time limit is the measure
                assert client.greeting.startswith("220 ")
                assert client.say("NOOP").startswith("250 ")
    finally:
        for thread in threads:
            thread.join(60)
    assert len(ends) == 4
    assert service.metric("mailtest_smtp_timeouts_total") == 4
