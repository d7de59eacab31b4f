"""The octets of a message: where it ends, and that it is stored exactly as it came."""

import random

import pytest

from service import DOMAIN
from smtp_client import connect, listed, raw, send, split_trace, stored

HEADER = b"Subject: data\r\n\r\n"
RANDOM = random.Random(1).randbytes(3_000_000).replace(b"\r", b"").replace(b"\n", b"\r\n").replace(b"\r\n.", b"\r\n-") + b"\r\n"


@pytest.fixture(scope="module")
def running(request):
    from service import Service
    service = Service(retention={"unmatched_messages": 1000})
    request.addfinalizer(service.remove)
    service.start()
    service.add_mailbox("acme")
    return service


def body_of_last(service, count):
    return split_trace(raw(service, stored(service, count=count)[-1]))[1]


def count(service):
    return len(listed(service))


# What other servers have taken for the end of data. Behind each stands what an attacker smuggles in.
NOT_THE_END = {
    "LF.LF": b"\n.\n", "LF.CRLF": b"\n.\r\n", "CRLF.LF": b"\r\n.\n", "CR.CR": b"\r.\r", "CR.CRLF": b"\r.\r\n",
    "CRLF.CR": b"\r\n.\r", "LF.CR": b"\n.\r", "CRLF.CRCRLF": b"\r\n.\r\r\n", "LFCR.CRLF": b"\n\r.\r\n",
    "CRLFNUL.CRLF": b"\r\n\0.\r\n", "CRLF.blankCRLF": b"\r\n. \r\n",
}


@pytest.mark.parametrize("form", NOT_THE_END.values(), ids=NOT_THE_END.keys())
def test_nothing_is_smuggled(running, form):
    before = count(running)
    smuggled = f"MAIL FROM:<evil@x>\r\nRCPT TO:<acme@{DOMAIN}>\r\nDATA\r\nSubject: smuggled\r\n\r\nx".encode()
    with connect(running) as client:
        client.envelope()
        assert client.say("DATA").startswith("354")
        assert client.codes(HEADER + b"text" + form + smuggled + b"\r\n.\r\nNOOP\r\n", 2) == ["250", "250"]
    assert count(running) == before + 1
    assert b"MAIL FROM:<evil@x>" in body_of_last(running, before + 1)


MESSAGES = {
    "plain": HEADER + b"text\r\n",
    "empty": b"",
    "only a header": b"Subject: x\r\n",
    "no header": b"text alone\r\n",
    "8 bits": HEADER + bytes(range(128, 256)) + b"\r\n",
    "control characters": HEADER + bytes(c for c in range(32) if c not in b"\r\n") + b"\x7f\r\n",
    "trailing blanks": HEADER + b"  x  \t \r\n\r\n\r\n \r\n",
    "long line": HEADER + b"x" * 500_000 + b"\r\n",
    "header of many folds": b"X: a\r\n" + b"\tb\r\n" * 5000 + b"\r\n",
    "inline at most": HEADER + b"y" * 62 + b"\r\n" + (b"z" * 62 + b"\r\n") * 1022,
    "as a memfd": HEADER + (b"z" * 62 + b"\r\n") * 5000,
    "several MiB": HEADER + RANDOM,
}


@pytest.mark.parametrize("name", MESSAGES)
def test_octets_are_kept_exactly(running, name):
    before = count(running)
    assert send(running, MESSAGES[name]).startswith("250 ")
    assert body_of_last(running, before + 1) == MESSAGES[name]


@pytest.mark.parametrize("name", MESSAGES)
def test_octets_by_bdat_are_kept_exactly(running, name):
    before = count(running)
    message, piece = MESSAGES[name], max(len(MESSAGES[name]) // 3, 1)
    chunks = [message[at:at + piece] for at in range(0, len(message), piece)]
    with connect(running) as client:
        client.envelope()
        for chunk in chunks:
            assert client.say(b"BDAT %d\r\n" % len(chunk) + chunk).startswith(f"250 2.0.0 {len(chunk)} octets")
        assert client.say("BDAT 0 LAST").startswith("250 2.0.0 accepted")
    assert body_of_last(running, before + 1) == message


@pytest.mark.parametrize("came, kept", [
    (b"..\r\n...\r\n.x\r\n.\r\n", b".\r\n..\r\nx\r\n"), (b"a\nb\r\n.\r\n", b"a\r\nb\r\n"), (b"a\rb\r\n.\r\n", b"a\rb\r\n"),
    (b"a\r\r\n.\r\n", b"a\r\r\n"), (b"a\n\n..\r\n.\r\n", b"a\r\n\r\n..\r\n"),
])
def test_dots_are_unstuffed_and_bare_newlines_noted(running, came, kept):
    before = count(running)
    with connect(running) as client:
        client.envelope()
        assert client.data(HEADER + came).startswith("250 ")
    assert body_of_last(running, before + 1) == HEADER + kept


def test_message_that_comes_octet_by_octet(running):
    before = count(running)
    with connect(running) as client:
        client.envelope()
        assert client.say("DATA").startswith("354")
        for octet in HEADER + b"..\r\nx\n.\r\ny\r\n.\r\n":
            client.send(bytes([octet]))
        assert client.reply().startswith("250 ")
    assert body_of_last(running, before + 1) == HEADER + b".\r\nx\r\n.\r\ny\r\n"


def test_octets_of_a_refused_bdat_are_no_commands(running):
    before = count(running)
    inside = b"QUIT\r\nMAIL FROM:<evil@x>\r\n"
    with connect(running) as client:
        client.say("EHLO client.test")
        assert client.say(b"BDAT %d LAST\r\n" % len(inside) + inside).startswith("503 5.5.1")
        client.envelope()
        assert client.say(b"BDAT 999 FIRST\r\n" + inside).startswith("501 5.5.4")
        assert client.rest().startswith("421 ")
    assert count(running) == before


def test_bdat_sizes_that_lie(running):
    before = count(running)
    for size in (b"-1", b"x", b"", b"9223372036854775808", b"99999999999999999999999999"):
        with connect(running) as client:
            client.envelope()
            assert client.say(b"BDAT " + size + b"\r\nQUIT\r\n").startswith("501 5.5.4")
            assert client.rest().startswith("421 ")
    with connect(running) as client:        # more than came, then the end
        client.envelope()
        client.send(b"BDAT 1000 LAST\r\nSubject: half\r\n")
    with connect(running) as client:        # more than may come: refused behind its octets
        client.envelope()
        client.send(b"BDAT 33554433 LAST\r\n")
        client.send(b"x" * 33554433)
        assert client.reply().startswith("552 5.3.4")
        assert client.say("RSET").startswith("250")
    assert count(running) == before


def test_service_that_refuses_bare_newlines(make_service):
    service = make_service(smtp={"refuse_bare_newline": True})
    service.add_mailbox("acme")
    for body in (b"a\nb\r\n", b"a\rb\r\n"):
        assert send(service, HEADER + body).startswith("550 5.6.11")
    assert send(service, HEADER + b"a\r\n").startswith("250 ")
    assert len(stored(service)) == 1
