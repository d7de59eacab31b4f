"""Limits of the receiver: each is announced where the protocol can do so, and refused with its own code."""

import smtplib

import pytest

from service import DOMAIN
from smtp_client import SmtpClient, connect, send, stored

LIMITS = {"message_max_bytes": 20_000, "recipients_max": 3, "transactions_max": 4, "errors_max": 5, "received_max": 10,
          "header_line_max_bytes": 2000}


@pytest.fixture
def limited(make_service):
    service = make_service(smtp=LIMITS)
    service.add_mailbox("acme")
    return service


def test_size(limited):
    with connect(limited) as client:
        greeting = client.say("EHLO client.test")
        assert "SIZE 20000\r\n" in greeting and "LIMITS MAILMAX=4 RCPTMAX=3\r\n" in greeting
        assert client.say("MAIL FROM:<> SIZE=20001").startswith("552 5.3.4")
        assert client.say("MAIL FROM:<> SIZE=20000").startswith("250 ")
    line = b"x" * 78 + b"\r\n"
    assert send(limited, line * 250).startswith("250 ")
    assert send(limited, line * 250 + b"\r\n").startswith("552 5.3.4")
    assert send(limited, line * 25_000).startswith("552 5.3.4")
    assert len(stored(limited)) == 1


def test_long_lines(limited):
    assert send(limited, b"Subject: x\r\n\r\n" + b"x" * 2000 + b"\r\n").startswith("250 ")
    assert send(limited, b"Subject: x\r\n\r\n" + b"x" * 2001 + b"\r\n").startswith("500 5.6.0")
    with connect(limited) as client:
        assert client.say("NOOP " + "x" * 5000).startswith("500 5.5.2")
        assert client.say("NOOP " + "x" * 4000).startswith("250 ")


def test_recipients(limited):
    with connect(limited) as client:
        client.envelope()
        replies = [client.say(f"RCPT TO:<acme+{i}@{DOMAIN}>")[:9] for i in range(3)]
        assert replies == ["250 2.1.5", "250 2.1.5", "452 4.5.3"]
        assert client.data(b"\r\n.\r\n").startswith("250 ")


def test_transactions(limited):
    with smtplib.SMTP("127.0.0.1", limited.smtp_port, timeout=20) as client:
        for _ in range(4):
            client.sendmail("a@b.test", [f"acme@{DOMAIN}"], "Subject: x\r\n\r\n")
        with pytest.raises(smtplib.SMTPResponseException) as refused:
            client.sendmail("a@b.test", [f"acme@{DOMAIN}"], "Subject: x\r\n\r\n")
        assert refused.value.smtp_code == 421
    assert len(stored(limited, count=4)) == 4


def test_errors(limited):
    with connect(limited) as client:
        client.say("EHLO client.test")
        client.say("MAIL FROM:<>")
        for i in range(5):
            assert client.say(f"RCPT TO:<guess{i}@{DOMAIN}>").startswith("550 5.1.1")
        assert client.rest().startswith("421 4.7.0")


def test_loops(limited):
    hop = b"Received: from a by b; Sat, 21 Nov 2026 03:50:00 +0000\r\n"
    assert send(limited, hop * 10 + b"Subject: x\r\n\r\n" + hop).startswith("250 ")
    assert send(limited, hop * 11 + b"Subject: x\r\n\r\n").startswith("554 5.4.6")


def test_sessions(make_service):
    service = make_service(smtp={"sessions_max": 3}, processes={"smtpd": 1})
    clients = [connect(service) for _ in range(3)]
    one_more = SmtpClient(("127.0.0.1", service.smtp_port))
    assert one_more.greeting.startswith("421 4.3.2")
    assert one_more.rest() == ""
    clients.pop().__exit__()
    service.wait_for(lambda: connect(service).greeting.startswith("220 "), "a session is free again", 5)
    for client in clients:
        client.__exit__()
