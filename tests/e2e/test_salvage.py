"""A damaged database: what verify, the service and salvage make of it."""

import imaplib
import json
import smtplib

import pytest

from service import DOMAIN

DATAERR, PAGE, MAILS = 65, 4096, 60


def ctl(service, *arguments):
    return service.run("mailtestctl", "-c", service.config_file, *arguments)


def deliver(service, number):
    with smtplib.SMTP("127.0.0.1", service.smtp_port, timeout=20) as client:
        client.sendmail("a@b.test", [f"acme@{DOMAIN}"], f"Subject: mail {number}\r\n\r\n" + f"line of {number}\r\n" * (20 + 10 * number))


def raw(service):
    """Subject -> octets of every message."""
    rows = service.http("GET", "/v1/mailboxes/acme/messages?limit=500").json()["messages"]
    return {row["subject"]: service.http("GET", f"/v1/messages/{row['id']}/raw") for row in rows}


def test_what_is_whole_comes_back_and_nothing_else(service, tmp_path):
    secret = service.add_mailbox("acme")["secret"]
    for number in range(MAILS):
        deliver(service, number)
    before = {subject: answer.body for subject, answer in raw(service).items()}
    assert len(before) == MAILS
    service.stop()
    data = service.scratch / "state/db/data.mdb"
    octets = bytearray(data.read_bytes())
    at = octets.index(b"line of 37\r\n") + 3
    octets[at] ^= 4                                 # one bit of one message
    data.write_bytes(octets)

    verified = ctl(service, "verify")
    assert verified.returncode == DATAERR and "its body" in verified.stderr
    done = ctl(service, "salvage", service.scratch / "state", tmp_path / "s", "--json")
    assert done.returncode == 0, done.stderr
    assert "its body is not whole" in done.stderr
    numbers = json.loads(done.stdout)
    assert (numbers["messages"], numbers["messages_lost"]) == (MAILS - 1, 1)
    assert ctl(service, "salvage", service.scratch / "state", tmp_path / "s").returncode != 0      # it is not empty

    service.start()                                 # the damage is refused, the rest is served
    answers = raw(service)
    assert answers["mail 37"].status == 500
    assert all(answer.body == before[subject] for subject, answer in answers.items() if subject != "mail 37")
    service.stop()

    assert ctl(service, "restore", "-y", tmp_path / "s").returncode == 0
    assert ctl(service, "verify").returncode == 0
    service.start()
    assert {subject: answer.body for subject, answer in raw(service).items()} == {s: o for s, o in before.items() if s != "mail 37"}
    deliver(service, 1000)
    assert "mail 1000" in raw(service)
    assert secret


def test_lost_token_keys_are_told(service, tmp_path):
    service.add_mailbox("acme")
    service.stop()
    (service.scratch / "state/token.keys").unlink()
    done = ctl(service, "salvage", service.scratch / "state", tmp_path / "s")
    assert done.returncode == 0 and "token keys are lost" in done.stderr
    assert ctl(service, "restore", "-y", tmp_path / "s").returncode == 0
    service.start()
    assert service.mint("acme")


def rcpt(service, mailbox):
    with smtplib.SMTP("127.0.0.1", service.smtp_port, timeout=20) as client:
        client.ehlo()
        client.mail("a@b.test")
        code, words = client.rcpt(f"{mailbox}@{DOMAIN}")
    return code, words.decode()


def test_one_damaged_mailbox_is_put_off_and_the_others_are_served(service):
    for name in ("acme", "brokenbox"):
        service.add_mailbox(name)
    deliver(service, 1)
    service.stop()
    data = service.scratch / "state/db/data.mdb"
    octets = bytearray(data.read_bytes())
    damaged, at = 0, -1
    while (at := octets.find(b"brokenbox", at + 1)) >= 0:       # in its record its domain is behind it; its name's row stays whole
        if DOMAIN.encode() in octets[at:at + 40]:
            octets[at + 12] ^= 1
            damaged += 1
    assert damaged
    data.write_bytes(octets)

    service.start()
    service.wait_for_log("event=mailbox-damaged mailbox=brokenbox")
    assert rcpt(service, "brokenbox") == (451, "4.3.0 the mailbox cannot be read: try again later")
    assert rcpt(service, "acme")[0] == 250
    deliver(service, 2)
    assert len(raw(service)) == 2
    assert service.http("GET", "/v1/mailboxes/brokenbox/messages").status == 500
    assert service.metric("mailtest_store_mailboxes_damaged") == 1
    assert service.ctl("status", "--json")["mailboxes_damaged"] == 1
    with imaplib.IMAP4("127.0.0.1", service.ports["imap"], timeout=20) as client:
        with pytest.raises(imaplib.IMAP4.error, match="UNAVAILABLE|SERVERBUG"):
            client.login("brokenbox", "secret")
    verified = ctl(service, "verify")
    assert verified.returncode == DATAERR and "its record" in verified.stderr
