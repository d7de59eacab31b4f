"""What a client hears from the receiver: what it offers, and how it answers what it is told."""

import smtplib
import subprocess
from email.message import EmailMessage

import pytest

from service import DOMAIN
from smtp_client import connect, raw, split_trace, stored


def test_offers_the_extensions(service):
    with connect(service) as client:
        assert client.greeting.startswith(f"220 mx.{DOMAIN} ") and "ESMTP" in client.greeting
        lines = client.say("EHLO client.test").splitlines()
    assert lines[0] == f"250-mx.{DOMAIN}"
    assert {line[4:] for line in lines[1:]} == {
        "STARTTLS", "SIZE 33554432", "LIMITS MAILMAX=1000 RCPTMAX=100", "PIPELINING", "8BITMIME", "SMTPUTF8", "CHUNKING",
        "ENHANCEDSTATUSCODES"}


@pytest.mark.parametrize("command, reply", [
    ("NOOP", "250 2.0.0 "), ("NOOP with words", "250 2.0.0 "), ("RSET", "250 2.0.0 "), ("VRFY acme", "252 2.0.0 "),
    ("HELP", "214 2.0.0 "), ("QUIT", "221 2.0.0 "), ("AUTH PLAIN AGEAYg==", "502 5.5.1 "), ("EXPN list", "502 5.5.1 "),
    ("ETRN host", "502 5.5.1 "), ("BREW coffee", "500 5.5.1 "), ("RCPT TO:<acme@x>", "503 5.5.1 "), ("DATA", "503 5.5.1 "),
    ("MAIL FROM:a@b", "501 5.1.7 "), ("MAIL FROM:<a@b> RET=FULL", "555 5.5.4 "), ("MAIL FROM:<a@b> SIZE=x", "501 5.5.4 "),
    ("MAIL FROM:<a@b> SIZE=99999999999999999999", "552 5.3.4 "), ("MAIL FROM:<a@b> BODY=BINARYMIME", "555 5.5.4 "),
    ("MAIL FROM:<ä@b>", "553 5.6.7 "), ("MAIL FROM:<ä@b> SMTPUTF8", "250 2.1.0 "), ("MAIL FROM: <a@b>", "250 2.1.0 "),
    ("EHLO", "501 5.5.4 "), ("STARTTLS now", "501 5.5.4 "),
])
def test_replies_carry_enhanced_codes(service, command, reply):
    with connect(service) as client:
        client.say("EHLO client.test")
        assert client.say(command).startswith(reply)


def test_a_whole_mail_may_be_pipelined(service):
    service.add_mailbox("acme")
    mail = f"MAIL FROM:<>\r\nRCPT TO:<acme@{DOMAIN}>\r\nDATA\r\n".encode()
    with connect(service) as client:
        assert client.codes(b"EHLO x\r\n" + mail, 4) == ["250", "250", "250", "354"]
        assert client.codes(b"Subject: 1\r\n\r\n.\r\n" + mail, 4) == ["250", "250", "250", "354"]
        assert client.codes(b"Subject: 2\r\n\r\n.\r\nQUIT\r\n", 2) == ["250", "221"]
        assert client.rest() == ""
    assert [message["subject"] for message in stored(service, count=2)] == ["1", "2"]


def test_many_mails_in_one_session(service):
    service.add_mailbox("acme")
    with smtplib.SMTP("127.0.0.1", service.smtp_port, timeout=20) as client:
        for number in range(50):
            client.sendmail("probe@provider.test", [f"acme@{DOMAIN}"], f"Subject: {number}\r\n\r\n")
    assert len(stored(service, count=50)) == 50


def test_id_in_the_reply_is_the_one_in_trace_and_log(service):
    service.add_mailbox("acme")
    with connect(service) as client:
        client.envelope()
        reply = client.data(b"Subject: x\r\n\r\n.\r\n")
    ident = reply.split()[-1]
    trace, _ = split_trace(raw(service, stored(service)[0]))
    assert f" id {ident}" in trace
    service.wait_for_log(rf"event=accepted id={ident} ")


@pytest.mark.parametrize("arguments", [[], ["--pipeline"]], ids=["plain", "pipeline"])
def test_swaks_is_served(service, arguments):
    service.add_mailbox("acme")
    done = subprocess.run(["swaks", "--server", f"127.0.0.1:{service.smtp_port}", "--to", f"acme@{DOMAIN}", "--from", "a@b.test",
                           "--header", "Subject: by swaks", *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert stored(service)[0]["subject"] == "by swaks"


def test_smtplib_sends_utf8_addresses_and_8_bit_texts(service):
    service.add_mailbox("acme")
    mail = EmailMessage()
    mail["Subject"] = "Grüße"
    mail["From"] = "jürgen@provider.test"
    mail["To"] = f"acme+größe@{DOMAIN}"
    mail.set_content("äöü\n", cte="8bit")
    with smtplib.SMTP("127.0.0.1", service.smtp_port, timeout=20) as client:
        client.send_message(mail)
    message = stored(service)[0]
    assert message["subject"] == "Grüße"
    trace, _ = split_trace(raw(service, message).replace(b"\r\n\t", b" "))
    assert " with UTF8SMTP " in trace
