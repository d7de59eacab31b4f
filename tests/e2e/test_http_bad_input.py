"""Whatever a client sends to the HTTP port gets a clear error or a closed connection, and harms nobody else."""

import os
import random
import re
import socket
import ssl
import time

import pytest

from http_client import Raw, deliver, memory_factor, token_path
from service import ServiceError


def alive(service):
    assert service.http("GET", "/healthz", key=None).status == 200


def pid_and_memory(service):
    pid = service.role_pids("lookup")[0]
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return pid, int(re.search(r"VmRSS:\s+(\d+)", status.read())[1])


@pytest.mark.parametrize("request_text", [
    "GARBAGE\r\n\r\n", "GET\r\n\r\n", "GET /healthz\r\n\r\n", "GET /healthz HTTP/9.9\r\n\r\n", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "GET /healthz HTTP/1.1\r\nno colon\r\n\r\n", "POST /v1/lookup HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    "POST /v1/lookup HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
    "POST /v1/lookup HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "POST /v1/lookup HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
    "POST /v1/lookup HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999\r\n\r\nx",
])
def test_what_is_not_http_is_refused_and_closed(make_service, request_text):
    service = make_service(http={"timeout_ms": 1000})
    with Raw(service) as raw:
        raw.send(request_text.encode("latin-1"))
        answer = raw.rest()
    assert answer == b"" or re.match(rb"HTTP/1\.1 4\d\d ", answer), answer[:200]
    alive(service)


def test_oversized_requests_get_their_status(service):
    service.add_mailbox("acme")
    assert service.http("GET", "/" + "x" * 5000).status == 414
    assert service.http("GET", "/healthz", headers={"X-Filler": "x" * 20000}).status == 431
    large = service.http("POST", "/v1/lookup", body=b'{"tokens": ["' + b"x" * 1048576 + b'"]}')
    assert large.status == 413 and "http.body_max_bytes" in large.json()["detail"]
    alive(service)


@pytest.mark.parametrize("head", [b"", b"GET /", b"GET /healthz HTTP/1.1\r\nX: ", b"GET /healthz HTTP/1.1\r\n X: ",
                                  b"POST /v1/lookup HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
                                  b"POST /v1/lookup HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n",
                                  b"POST /v1/lookup HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n"])
def test_a_hundred_megabytes_without_a_line_end_are_not_kept(make_service, head):
    service = make_service(http={"timeout_ms": 2000})
    _, before = pid_and_memory(service)
    with Raw(service) as raw:
        raw.socket.settimeout(10)
        try:
            raw.send(head)
            for _ in range(1600):
                raw.send(b"x" * 65536)
        except (BrokenPipeError, ConnectionResetError, TimeoutError):
            pass
        _, after = pid_and_memory(service)
    assert after - before < 16 * 1024 * memory_factor(service)
    alive(service)


def test_client_that_sends_a_byte_a_second_is_cut_off(make_service):
    """The limit is for the whole request: each octet does not buy more time."""
    service = make_service(http={"timeout_ms": 1500})
    with Raw(service) as raw:
        raw.socket.settimeout(0.3)
        began = time.monotonic()
        for octet in b"GET /healthz HTTP/1.1\r\nHost: slow.example\r\n\r\n":
            try:
                raw.send(bytes([octet]))
                if raw.socket.recv(100) == b"":
                    break
            except TimeoutError:
                continue
            except (BrokenPipeError, ConnectionResetError):
                break
        else:
            pytest.fail("it was served")
        assert time.monotonic() - began < 6


def test_idle_connections_are_closed_but_waiting_ones_are_not(make_service):
    service = make_service(http={"timeout_ms": 1000})
    service.add_mailbox("acme")
    token = service.mint("acme")
    with Raw(service) as silent, Raw(service) as served, Raw(service) as waiting:
        served.get("/healthz")
        assert served.response()[0] == 200
        waiting.get(token_path(token, "?wait=20s"), service.key)
        assert silent.rest() == b"" and served.rest() == b""
        deliver(service, token)
        assert waiting.response()[0] == 200


def test_client_that_never_reads_is_cut_off(make_service):
    service = make_service(http={"timeout_ms": 1500})
    service.add_mailbox("acme")
    token = service.mint("acme")
    deliver(service, token, text=("y" * 900 + "\r\n") * 20000)
    message = service.http("GET", token_path(token)).json()["arrivals"][0]["message_id"]
    pid, before = pid_and_memory(service)

    def descriptors():
        return len(os.listdir(f"/proc/{pid}/fd"))

    few = descriptors()
    readers = [Raw(service) for _ in range(20)]
    for raw in readers:
        raw.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.get(f"/v1/messages/{message}/raw", service.key)
    service.wait_for(lambda: descriptors() >= few + 20, "all are connected")
    service.wait_for(lambda: descriptors() <= few, "all are cut off")
    _, after = pid_and_memory(service)
    assert after - before < (18 * 1024 + 20 * 256) * memory_factor(service)     # the message's own pages, mapped once, and a piece for each
    for raw in readers:
        raw.close()
    alive(service)


def test_thousands_of_idle_connections_leave_room_for_others(make_service):
    service = make_service(http={"waiting_max": 100, "streams_max": 10, "timeout_ms": 3000})
    idle = []
    try:
        for _ in range(3000):           # more than are allowed at once: the rest waits in the kernel
            idle.append(Raw(service))
        service.wait_for_log("event=http-connections-full")
        # They time out, and others come in.
        alive(service)
    finally:
        for raw in idle:
            raw.close()


def test_random_octets_and_random_requests_do_no_harm(service):
    service.add_mailbox("acme")
    chance = random.Random(1)
    pid, _ = pid_and_memory(service)
    words = [b"GET ", b"POST ", b"HEAD ", b"DELETE ", b"/v1/lookup", b"/v1/mailboxes/acme/tokens", b"/", b" HTTP/1.1\r\n", b"\r\n", b"Host: x\r\n",
             b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b"Expect: 100-continue\r\n", b"5\r\nhello\r\n", b"0\r\n\r\n", b"\0", b"%00", b"?wait=1s",
             b"Connection: close\r\n", b"Authorization: Bearer " + service.key.encode() + b"\r\n", b"{}", b'{"tokens":["x"]}']
    for _ in range(600):
        with Raw(service) as raw:
            raw.socket.settimeout(1)
            data = b"".join(chance.choices(words, k=chance.randint(1, 20)))
            if chance.random() < 0.2:
                data = chance.randbytes(chance.randint(1, 2000))
            try:
                raw.send(data)
                if chance.random() < 0.5:
                    raw.socket.shutdown(socket.SHUT_WR)
                    raw.rest()
            except (BrokenPipeError, ConnectionResetError, TimeoutError):
                pass
    alive(service)
    assert pid_and_memory(service)[0] == pid


def test_client_that_leaves_at_any_point_does_no_harm(service):
    service.add_mailbox("acme")
    token = service.mint("acme")
    body = f'{{"tokens": ["{token}"], "wait": "5s"}}'
    requests = [
        f"GET {token_path(token, '?wait=5s')} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {service.key}\r\n\r\n",
        f"POST /v1/lookup HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {service.key}\r\nContent-Length: {len(body)}\r\n\r\n{body}",
        f"POST /v1/mailboxes/acme/tokens HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {service.key}\r\nContent-Length: 0\r\n\r\n",
        f"GET /v1/arrivals HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {service.key}\r\n\r\n",
    ]
    pid, _ = pid_and_memory(service)
    for request in requests:
        for end in range(0, len(request) + 1, 7):
            with Raw(service) as raw:
                raw.send(request[:end])
        for _ in range(20):
            with Raw(service) as raw:
                raw.send(request)
    deliver(service, token)
    service.wait_for(lambda: service.metric("mailtest_lookup_waiting") == 0 and service.metric("mailtest_lookup_streams") == 0, "all are gone")
    assert pid_and_memory(service)[0] == pid


def test_deep_and_wide_json_is_refused(service):
    for body in (b"[" * 500_000, b'{"tokens":' + b"[" * 3000 + b"]" * 3000 + b"}", b'{"tokens":[' + b"[]," * 300_000 + b"[]]}"):
        assert service.http("POST", "/v1/lookup", body=body).status in (400, 413)
    alive(service)


def test_tls_where_configured(make_service):
    service = make_service()
    service.stop()
    service.write_configuration(tls={"http": True})
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with pytest.raises(ServiceError):   # plain HTTP is not spoken any more: it never gets ready in the fixture's eyes
        service.start(wait_s=2)
    for _ in range(3):
        with socket.create_connection(("127.0.0.1", service.ports["http"]), timeout=20) as plain, context.wrap_socket(plain) as secure:
            for path, status in (("/healthz", b"200"), ("/nothing", b"404")):
                secure.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
                assert secure.recv(4096).split()[1] == status
            assert secure.version() in ("TLSv1.2", "TLSv1.3")
    with Raw(service) as raw:           # what is not TLS ends
        raw.get("/healthz")
        assert not raw.rest().startswith(b"HTTP/1.1 200")
