"""The main job: a test mail goes through a real mail server's forwarding rule, and the waiting checker hears of it."""

import smtplib
import threading
from email.message import EmailMessage

import pytest

from service import DOMAIN


def probe(token, subject="Mailtest probe"):
    """A test mail with the token in all its places, as the checker sends it."""
    mail = EmailMessage()
    mail["From"] = "probe@provider.test"
    mail["To"] = "user@customer.test"
    mail["Subject"] = f"{subject} {token}"
    mail["Message-ID"] = f"<{token}@provider.test>"
    mail["X-Mailtest-Token"] = token
    mail.set_content(f"This is a test mail.\n\n{token}\n")
    return mail


def send(server, mail, recipient="user@customer.test", sender="probe@provider.test"):
    with smtplib.SMTP(server.host, server.port, timeout=20) as client:
        client.send_message(mail, sender, [recipient])


def answer(service, token, wait="30s", mailbox="acme"):
    return service.http("GET", f"/v1/mailboxes/{mailbox}/tokens/{token}?wait={wait}", timeout=60).json()


def test_waiting_checker_hears_of_the_forwarded_mail(service, customer):
    token = service.mint("acme")
    heard = {}
    waiter = threading.Thread(target=lambda: heard.update(answer(service, token)))
    waiter.start()
    send(customer, probe(token))
    waiter.join(60)
    assert heard["verdict"] == "arrived"
    assert {"subject", "message-id", "x-mailtest-token", "text"} <= set(heard["found_in"])
    assert len(heard["arrivals"]) == 1
    assert any("customer.test" in (hop["by"] or "") for hop in heard["hops"])


def test_stored_mail_is_the_forwarded_mail_with_our_trace_in_front(service, customer):
    token = service.mint("acme")
    send(customer, probe(token))
    message = answer(service, token)["arrivals"][0]["message_id"]
    raw = service.http("GET", f"/v1/messages/{message}/raw").body
    assert raw.startswith(b"Return-Path: <probe@provider.test>\r\nDelivered-To: ")
    header = raw.split(b"\r\n\r\n")[0].decode()
    assert header.count("Received: ") >= 2
    assert f"by mx.{DOMAIN}" in header.replace("\r\n", " ").replace("\t", " ")
    assert raw.endswith(b"This is a test mail.\r\n\r\n" + token.encode() + b"\r\n")


def test_token_of_another_mailbox_proves_nothing(service, customer):
    service.add_mailbox("other")
    token = service.mint("other")
    send(customer, probe(token))
    service.wait_for(lambda: service.http("GET", "/v1/mailboxes/acme/messages").json()["messages"], "the mail is listed")
    assert answer(service, token, wait="0s", mailbox="other")["verdict"] == "waiting"
    assert answer(service, token, wait="0s")["verdict"] == "waiting"
    kinds = {m["kind"] for m in service.http("GET", "/v1/mailboxes/acme/messages").json()["messages"]}
    assert kinds == {"unmatched"}


@pytest.mark.parametrize("place", ["subject", "message-id", "x-mailtest-token", "text", "html", "attached", "recipient"])
def test_one_surviving_place_is_enough(service, place):
    service.add_mailbox("acme")
    token = service.mint("acme")
    mail = EmailMessage()
    mail["From"] = "probe@provider.test"
    mail["Subject"] = f"[EXTERNAL] FW: {token}" if place == "subject" else "FW: a mail"
    if place == "message-id":
        mail["Message-ID"] = f"<{token}@provider.test>"
    if place == "x-mailtest-token":
        mail["X-Mailtest-Token"] = token.upper()
    mail.set_content(f"äöü {token}\n" if place == "text" else "äöü nothing here\n", cte="base64")
    if place == "html":
        mail.add_alternative(f"<p>{'x' * 500}</p><p>{token}</p>", subtype="html", cte="quoted-printable")
    if place == "attached":
        mail.add_attachment(probe(token))
    recipient = f"acme+{token}@{DOMAIN}" if place == "recipient" else f"acme@{DOMAIN}"
    with smtplib.SMTP("127.0.0.1", service.smtp_port, timeout=20) as client:
        client.sendmail("", [recipient], mail.as_bytes())
    heard = answer(service, token)
    assert heard["verdict"] == "arrived"
    assert place in heard["found_in"]


def test_every_mailbox_of_one_mail_has_its_own_copy(service):
    tokens = {}
    for name in ("acme", "beta"):
        service.add_mailbox(name)
        tokens[name] = service.mint(name)
    mail = probe(tokens["acme"])
    mail["X-Other"] = tokens["beta"]
    with smtplib.SMTP("127.0.0.1", service.smtp_port, timeout=20) as client:
        client.send_message(mail, "a@b.test", [f"acme@{DOMAIN}", f"beta@{DOMAIN}"])
    for name, token in tokens.items():
        heard = answer(service, token, mailbox=name)
        assert heard["verdict"] == "arrived"
        raw = service.http("GET", f"/v1/messages/{heard['arrivals'][0]['message_id']}/raw").body
        assert f"Delivered-To: {name}@{DOMAIN}\r\n".encode() in raw
        assert raw.endswith(tokens["acme"].encode() + b"\r\n")
    # One goes, the other stays whole.
    assert service.http("DELETE", f"/v1/mailboxes/acme/tokens/{tokens['acme']}").status in (200, 204)
    beta = answer(service, tokens["beta"], mailbox="beta")["arrivals"][0]["message_id"]
    assert service.http("GET", f"/v1/messages/{beta}/raw").body.endswith(tokens["acme"].encode() + b"\r\n")


def test_the_same_mail_twice_counts_two_arrivals(service):
    service.add_mailbox("acme")
    token = service.mint("acme")
    for _ in range(2):
        with smtplib.SMTP("127.0.0.1", service.smtp_port, timeout=20) as client:
            client.send_message(probe(token), "a@b.test", [f"acme@{DOMAIN}"])
    assert len(answer(service, token)["arrivals"]) == 2


def test_deleting_the_mail_keeps_the_record_of_its_arrival(service):
    service.add_mailbox("acme")
    token = service.mint("acme")
    with smtplib.SMTP("127.0.0.1", service.smtp_port, timeout=20) as client:
        client.send_message(probe(token), "a@b.test", [f"acme@{DOMAIN}"])
    message = answer(service, token)["arrivals"][0]["message_id"]
    service.ctl("message", "delete", message)
    assert service.http("GET", f"/v1/messages/{message}").status == 404
    assert answer(service, token, wait="0s")["verdict"] == "arrived"
