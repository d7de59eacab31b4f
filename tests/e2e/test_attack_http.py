"""What a hostile client of the HTTP API tries: requests within requests, fields of its own in answers, scripts on the status page."""

import contextlib
import re
import socket

import pytest

from http_client import Raw, deliver
from service import DOMAIN

INNER = "GET /healthz HTTP/1.1\r\nHost: inner\r\n\r\n"


@pytest.fixture(scope="module")
def running(request):
    from service import Service
    service = Service()
    request.addfinalizer(service.remove)
    service.start()
    service.add_mailbox("acme")
    return service


def answers(service, octets) -> list[str]:
    """The status of each answer, up to the end of the connection; a request of our own goes last, which ends it if it is still there."""
    with Raw(service) as raw:
        raw.send(octets if isinstance(octets, bytes) else octets.encode("latin-1"))
        with contextlib.suppress(OSError):      # it may have ended the connection by now
            raw.send(b"GET /nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            raw.socket.shutdown(socket.SHUT_WR)
        return re.findall(r"(?m)^HTTP/1\.[01] (\d{3})", raw.rest().decode("latin-1"))


def lookup(service, fields: str, body: str, method="POST") -> str:
    return f"{method} /v1/lookup HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {service.key}\r\n{fields}\r\n{body}"


# ---- Requests within requests ---------------------------------------------------------------------------------------------------------

INNER_LENGTH = len(INNER)
CHUNKED = "Transfer-Encoding: chunked\r\n"
DOUBTFUL = {
    "length beside chunked": (f"Content-Length: {5 + INNER_LENGTH}\r\n{CHUNKED}", "0\r\n\r\n" + INNER),
    "chunked beside length": (f"{CHUNKED}Content-Length: 4\r\n", f"{INNER_LENGTH:x}\r\n{INNER}\r\n0\r\n\r\n"),
    "two lengths": (f"Content-Length: 2\r\nContent-Length: {2 + INNER_LENGTH}\r\n", "{}" + INNER),
    "two lengths, the large first": (f"Content-Length: {2 + INNER_LENGTH}\r\nContent-Length: 2\r\n", "{}" + INNER),
    "one length twice": ("Content-Length: 2\r\nContent-Length: 2\r\n", "{}" + INNER),
    "a list of lengths": (f"Content-Length: 2, {2 + INNER_LENGTH}\r\n", "{}" + INNER),
    "a length with a sign": ("Content-Length: +2\r\n", "{}" + INNER),
    "a length below zero": ("Content-Length: -2\r\n", "{}" + INNER),
    "a length in hexadecimal": ("Content-Length: 0x2\r\n", "{}" + INNER),
    "a length with a fraction": ("Content-Length: 2.0\r\n", "{}" + INNER),
    "a length of 2^64 and two": ("Content-Length: 18446744073709551618\r\n", "{}" + INNER),
    "an empty length": ("Content-Length:\r\n", "{}" + INNER),
    "a length over two lines": ("Content-Length: 2\r\n 0\r\n", "{}" + INNER),
    "a blank before the colon of a length": (f"Content-Length : {INNER_LENGTH}\r\n", INNER),
    "a tab before the colon of a length": (f"Content-Length\t: {INNER_LENGTH}\r\n", INNER),
    "a blank before the colon of chunked": ("Transfer-Encoding : chunked\r\n", "0\r\n\r\n" + INNER),
    "an unknown coding": ("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n" + INNER),
    "an unknown coding beside a length": ("Transfer-Encoding: xchunked\r\nContent-Length: 2\r\n", "{}" + INNER),
    "a coding in quotes": ('Transfer-Encoding: "chunked"\r\n', "0\r\n\r\n" + INNER),
    "chunked and more": ("Transfer-Encoding: chunked, identity\r\n", "0\r\n\r\n" + INNER),
    "more and chunked": ("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n" + INNER),
    "chunked twice": (CHUNKED * 2, "0\r\n\r\n" + INNER),
    "chunked and identity": (CHUNKED + "Transfer-Encoding: identity\r\n", "0\r\n\r\n" + INNER),
    "chunked on a line of its own": ("Transfer-Encoding:\r\n chunked\r\nContent-Length: 2\r\n", "{}" + INNER),
    "chunked behind a vertical tab": ("Transfer-Encoding:\vchunked\r\n", "0\r\n\r\n" + INNER),
    "chunked with a bare CR": ("X: y\rTransfer-Encoding: chunked\r\n", "0\r\n\r\n" + INNER),
    "chunked in a name with a NUL": ("Transfer\0-Encoding: chunked\r\n", "0\r\n\r\n" + INNER),
    "chunked in a name with a letter of another script": ("Transfer-Encod\xefng: chunked\r\n", "0\r\n\r\n" + INNER),
    "a length behind the last chunk": (CHUNKED, f"0\r\nContent-Length: {INNER_LENGTH}\r\n\r\n" + INNER),
    "a size of a chunk below zero": (CHUNKED, "-2\r\n{}\r\n0\r\n\r\n" + INNER),
    "a size of a chunk in C": (CHUNKED, "0x2\r\n{}\r\n0\r\n\r\n" + INNER),
    "a size of a chunk with a sign": (CHUNKED, "+2\r\n{}\r\n0\r\n\r\n" + INNER),
    "a size of a chunk with a blank": (CHUNKED, " 2\r\n{}\r\n0\r\n\r\n" + INNER),
    "a chunk with an extension": (CHUNKED, "2;a=b\r\n{}\r\n0\r\n\r\n" + INNER),
    "a chunk with an extension that ends with LF": (CHUNKED, "2 ;\n{}\r\n0\r\n\r\n" + INNER),
    "a chunk with more than its size": (CHUNKED, "2\r\n{}xx\r\n0\r\n\r\n" + INNER),
    "a size of a chunk of 2^64": (CHUNKED, "10000000000000002\r\n{}\r\n0\r\n\r\n" + INNER),
    "two hosts": ("Host: y\r\n", INNER),
    "two keys": ("Authorization: Bearer mtk_1_x\r\nContent-Length: 2\r\n", "{}" + INNER),
}


@pytest.mark.parametrize("name", DOUBTFUL)
def test_a_request_whose_end_is_in_doubt_is_the_last_of_its_connection(running, name):
    """Request smuggling: behind a proxy that reads it another way, what follows is somebody else's."""
    fields, body = DOUBTFUL[name]
    got = answers(running, lookup(running, fields, body))
    assert len(got) <= 1 and all(status.startswith("4") for status in got), got


def test_a_good_request_in_chunks_is_answered_and_the_last(running):
    assert answers(running, lookup(running, CHUNKED, '2\r\n{"\r\nf\r\ntokens": ["x"]}\r\n0\r\n\r\n' + INNER)) == ["200"]


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PUT", "PATCH", "PROPFIND", "FOO"])
def test_a_body_is_never_taken_for_a_request_whatever_the_method(running, method):
    """The answer to /healthz, 200, would be that to the request in the body."""
    for fields, body in ((f"Content-Length: {INNER_LENGTH}\r\n", INNER), (CHUNKED, f"{INNER_LENGTH:x}\r\n{INNER}\r\n0\r\n\r\n")):
        assert "200" not in answers(running, lookup(running, fields, body, method))


def test_an_http_1_0_request_has_no_chunks(running):
    assert answers(running, f"POST /v1/lookup HTTP/1.0\r\nAuthorization: Bearer {running.key}\r\n{CHUNKED}\r\n2\r\n{{}}\r\n0\r\n\r\n" + INNER) == ["400"]


def test_http_2_is_not_spoken(running):
    assert answers(running, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0") in ([], ["400"])
    with Raw(running) as raw:       # nor changed to: h2c smuggling
        raw.get("/healthz", more="Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n")
        assert raw.response()[0] == 200


def test_a_request_without_a_host_is_refused(running):
    assert answers(running, "GET /healthz HTTP/1.1\r\n\r\n" + INNER) == ["400"]
    with Raw(running) as raw:
        raw.send("GET /healthz HTTP/1.0\r\n\r\n")
        assert raw.response()[0] == 200


# ---- Fields and scripts of one's own --------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("path", ["/%0d%0aX-Evil:%201", "/v1/mailboxes/a%0d%0aX-Evil:%201/messages", "/v1/mailboxes/a%0aX-Evil/tokens/b", "/v1/messages/1%0d%0a",
                                  "/v1/events?kinds=%0d%0aX-Evil:%201", "/v1/events?format=%0d%0a%0d%0a<script>", "/v1/mailboxes/acme/messages?cursor=%0d%0aX-Evil:%201",
                                  "/<script>alert(1)</script>", "/v1/mailboxes/<script>alert(1)</script>/messages", "/v1/mailboxes/acme/tokens/<img%20src=x>"])
def test_nothing_of_a_request_becomes_a_field_or_a_page_of_the_answer(running, path):
    with Raw(running) as raw:
        raw.get(path, running.key)
        status, fields, body = raw.response()
    assert status in (400, 404) and "x-evil" not in fields
    assert fields["content-type"] == "application/problem+json" and fields["x-content-type-options"] == "nosniff"
    assert b"\r\nX-Evil" not in body


def test_every_answer_says_that_it_is_what_it_says(running):
    """No browser guesses at a mail or a list that it is a page; no answer is kept."""
    deliver(running, "<script>alert(1)</script>", text="<html><script>alert(1)</script></html>")
    message = running.http("GET", "/v1/mailboxes/acme/messages").json()["messages"][0]["id"]
    for path in ("/", "/metrics", "/healthz", "/readyz", "/nothing", "/v1/mailboxes/acme", "/v1/mailboxes/acme/messages", f"/v1/messages/{message}",
                 f"/v1/messages/{message}/raw", "/v1/events?format=json"):
        answer = running.http("GET", path)
        assert answer.headers["X-Content-Type-Options"] == "nosniff" and answer.headers["Cache-Control"] == "no-store", path
        assert not answer.headers["Content-Type"].startswith("text/html") or path == "/", path
        assert "Access-Control-Allow-Origin" not in answer.headers, path


SCRIPT = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"


def test_nothing_that_a_mail_says_is_on_the_status_page(running):
    """The page shows numbers and the service's own name: subjects, senders, recipients and names of clients are not there at all, escaped or not."""
    from smtp_client import connect
    with connect(running) as client:
        for line in (f"EHLO {SCRIPT}", f"MAIL FROM:<{SCRIPT}@x.test>", f"RCPT TO:<acme+{SCRIPT}@{DOMAIN}>", "RSET", f"EHLO {SCRIPT[:25]}", "MAIL FROM:<script@x.test>",
                     f"RCPT TO:<acme@{DOMAIN}>"):
            client.say(line)
        client.data(f"Subject: {SCRIPT}\r\nFrom: {SCRIPT} <a@b.test>\r\nMessage-ID: <{SCRIPT}>\r\n\r\n{SCRIPT}\r\n.\r\n".encode())
    page = running.http("GET", "/", key=None)
    text = page.body.decode()
    assert not re.search(r"(?i)<script|<img|onerror|alert\(|javascript:", text)
    assert not set(re.findall(r"<(\w+)", text)) & {"script", "img", "iframe", "svg", "object", "embed", "form", "link", "base", "math", "template"}
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "base-uri 'none'" in policy and "script-src" not in policy




@pytest.mark.parametrize("subject", [SCRIPT, "a\u2028b\u2029c", '"}],"x":[{"y":"', "\\u0000\\", "</script>", "=?utf-8?q?=00=0A=0D=1B[31m?=", "\x7f\x85"])
def test_a_mail_s_words_stay_one_string_of_an_answer(make_service, subject):
    service = make_service()
    service.add_mailbox("acme")
    deliver(service, "x", text="y")
    from smtp_client import send, stored
    assert send(service, f"Subject: {subject}\r\nFrom: {subject} <a@b>\r\n\r\n".encode()).startswith("250")
    for message in stored(service, count=2):
        assert set(message) == set(stored(service)[0])
        assert all(ord(c) >= 32 and c not in "\x7f\x85" for c in message["subject"])
