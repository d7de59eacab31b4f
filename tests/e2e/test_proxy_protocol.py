"""The PROXY protocol: whose a connection is, as configured load balancers and nobody else say it."""

import http.client
import re
import socket
import ssl
import struct

import pytest

from service import DOMAIN
from smtp_client import raw, split_trace, stored

BALANCER = {"from": ["127.0.0.1"], "timeout_ms": 1000}
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def v1(address) -> bytes:
    family = "TCP6" if ":" in address else "TCP4"
    return f"PROXY {family} {address} {address} 40000 25\r\n".encode()


def v2(address, command=1, extra=b"") -> bytes:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    body = socket.inet_pton(family, address) * 2 + struct.pack("!HH", 40000, 25) + extra
    return SIGNATURE + bytes([0x20 | command, 0x21 if family == socket.AF_INET6 else 0x11]) + struct.pack("!H", len(body)) + body


class Proxied(socket.socket):
    """What a load balancer does before it lets its client speak."""

    def __init__(self, service, listener, header, source="127.0.0.1"):
        super().__init__()
        self.settimeout(20)
        self.bind((source, 0))
        self.connect(("127.0.0.1", service.ports[listener]))
        self.sendall(header)


def all_of(sock) -> str:
    text = b""
    try:
        while part := sock.recv(4096):
            text += part
    except ConnectionResetError:
        pass
    return text.decode(errors="replace")


@pytest.fixture
def behind(make_service):
    service = make_service(proxy=BALANCER, limits={"trusted": []})
    service.add_mailbox("acme")
    return service


MAIL = (f"EHLO client.test\r\nMAIL FROM:<>\r\nRCPT TO:<acme@{DOMAIN}>\r\nDATA\r\n").encode()


@pytest.mark.parametrize("header, address", [
    (v1("192.0.2.7"), "192.0.2.7"),
    (v1("2001:db8::7"), "2001:db8::7"),
    (v2("192.0.2.8"), "192.0.2.8"),
    (v2("2001:db8::8"), "2001:db8::8"),
    (v2("192.0.2.9", extra=b"\x01\x00\x02h2" + b"\x04\x01\x00" + b"\0" * 256), "192.0.2.9"),
    (v2("::ffff:192.0.2.10"), "192.0.2.10"),
    (v2("192.0.2.11", command=0), "127.0.0.1"),
    (b"PROXY UNKNOWN\r\n", "127.0.0.1"),
], ids=["v1-4", "v1-6", "v2-4", "v2-6", "v2-fields", "v2-mapped", "v2-local", "v1-unknown"])
def test_the_header_s_address_is_the_client_s(behind, header, address):
    with Proxied(behind, "smtp", header) as client:
        stream = client.makefile("rb")
        assert stream.readline().startswith(b"220 ")
        client.sendall(MAIL)
        while not stream.readline().startswith(b"354 "):
            pass
        client.sendall(b"Subject: x\r\n\r\n.\r\n")
        assert stream.readline().startswith(b"250 ")
    trace, _ = split_trace(raw(behind, stored(behind)[0]))
    assert f"[{'IPv6:' if ':' in address else ''}{address}]" in trace
    behind.wait_for_log(rf"event=accepted id=\S+ client={re.escape(address)} ")


def test_octet_by_octet_and_with_what_follows(behind):
    with Proxied(behind, "smtp", b"") as client:
        for octet in v1("192.0.2.7") + b"QUIT\r\n":
            client.sendall(bytes([octet]))
        assert re.search(r"\A220 .*\r\n221 2", all_of(client))
    with Proxied(behind, "smtp", v2("192.0.2.7") + b"QUIT\r\n") as client:
        assert re.search(r"\A220 .*\r\n221 2", all_of(client))


@pytest.mark.parametrize("listener, header", [("imaps", v1("192.0.2.7")), ("imaps", v2("2001:db8::1")), ("pop3s", v2("192.0.2.7"))])
def test_the_header_comes_before_tls(behind, listener, header):
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with context.wrap_socket(Proxied(behind, listener, header)) as client:
        assert client.recv(100).startswith((b"* OK", b"+OK"))


def test_passwords_are_not_taken_in_plain_from_who_is_said_to_be_on_this_machine(behind):
    with Proxied(behind, "imap", v1("127.0.0.1")) as client:
        assert "LOGINDISABLED" in client.recv(4096).decode()
    with Proxied(behind, "pop3", v1("192.0.2.7")) as client:
        client.sendall(b"AUTH\r\nQUIT\r\n")
        assert all_of(client).split("\r\n")[1:4] == ["+OK", ".", "+OK goodbye"]


def test_http(make_service):
    service = make_service(limits={"trusted": []}, http={"connections_per_address": 1}, proxy={"from": ["127.0.0.2"], "http": True})
    def ask(header):
        client = Proxied(service, "http", header, source="127.0.0.2")
        client.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = http.client.HTTPResponse(client)
        answer.begin()
        return answer, client
    kept = [ask(v1("192.0.2.1")), ask(v2("192.0.2.2"))]
    assert [answer.status for answer, _ in kept] == [200, 200]
    assert ask(v2("192.0.2.1"))[0].status == 429
    with Proxied(service, "http", b"GET /healthz HTTP/1.1\r\n\r\n", source="127.0.0.2") as client:
        assert all_of(client) == ""
    service.wait_for_log(r"event=proxy-refused client=127\.0\.0\.2 ")
    with Proxied(service, "http", v1("192.0.2.9") + b"\r\n\r\n") as client:      # not from the load balancer
        assert " 400 " in all_of(client)


@pytest.mark.parametrize("listener, octets, answer", [
    ("smtp", b"EHLO client.test\r\n", "421 4.7.0 your address is that of a load balancer"),
    ("smtp", b"PROXY TCP4 192.0.2.1 nonsense 1 2\r\n", "421 4.7.0 your address is that of a load balancer"),
    ("smtp", SIGNATURE + b"\x21\x11\xff\xff", "421 4.7.0 your address is that of a load balancer"),
    ("imap", b"1 NOOP\r\n", "* BYE [LIMIT] a PROXY header is expected"),
    ("pop3", b"CAPA\r\n", "-ERR [SYS/TEMP] a PROXY header is expected"),
    ("imaps", b"\x16\x03\x01\x02\x00\x01\x00", ""),
    ("smtp", b"PROXY TCP4 192.0.2.1", "421 4.7.0 your address is that of a load balancer"),       # and no more: a time limit
])
def test_no_header_from_a_load_balancer(behind, listener, octets, answer):
    with Proxied(behind, listener, octets) as client:
        assert all_of(client).startswith(answer)
    behind.wait_for_log(r"event=proxy-refused client=127\.0\.0\.1 reason=")


@pytest.mark.parametrize("header", [v1("192.0.2.7"), v2("192.0.2.7")], ids=["v1", "v2"])
@pytest.mark.parametrize("listener", ["smtp", "imap", "pop3", "imaps"])
def test_a_header_from_elsewhere_is_nobody_s(behind, listener, header):
    with Proxied(behind, listener, header + b"\r\n" * 60, source="127.0.0.2") as client:
        client.shutdown(socket.SHUT_WR)
        said = all_of(client)
    if listener == "smtp" and header.startswith(b"PROXY"):
        assert "421 4.7.0 your address is not one that PROXY is taken from" in said
        behind.wait_for_log(r"event=proxy-refused client=127\.0\.0\.2 ")
    assert "192.0.2.7" not in behind.log
    assert "\r\n250 " not in said


def test_limits_hold_for_the_header_s_address(make_service):
    service = make_service(proxy=BALANCER, limits={"trusted": []}, smtp={"sessions_per_address": 1})
    clients = [Proxied(service, "smtp", v1(f"192.0.2.{i}")) for i in (1, 2, 3)]
    assert all(client.recv(100).startswith(b"220 ") for client in clients)
    assert all_of(Proxied(service, "smtp", v2("192.0.2.1"))).startswith("421 4.7.0 too many sessions from your address")
    local = [Proxied(service, "smtp", v2("192.0.2.1", command=0)) for _ in range(3)]     # the load balancer's own checks are exempt
    assert all(client.recv(100).startswith(b"220 ") for client in local)


def test_who_sends_no_header_does_not_fill_the_queue(make_service):
    service = make_service(proxy=BALANCER | {"waiting_max": 2, "timeout_ms": 60000}, processes={"smtpd": 1})
    silent = [Proxied(service, "smtp", b"") for _ in range(2)]
    assert all_of(Proxied(service, "smtp", b"")).startswith("421 4.3.2 ")
    silent[0].sendall(v1("192.0.2.1"))
    assert silent[0].recv(100).startswith(b"220 ")


def test_tls_by_http_and_proxy_are_not_for_both(make_service):
    service = make_service()
    service.write_configuration(proxy={"http": True}, tls={"http": True})
    done = service.run("mailtestd", "--check-config", "-c", service.config_file)
    assert done.returncode == 78 and "proxy.http" in done.stderr + done.stdout
