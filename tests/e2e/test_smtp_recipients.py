"""Who may be written to: mailboxes of ours, each with any detail behind a plus, and nobody else by any trick."""

import pytest

from service import DOMAIN
from smtp_client import connect, listed, raw, send, split_trace, stored


@pytest.fixture(scope="module")
def running(request):
    from service import Service
    service = Service(domains=[DOMAIN, "second.test"], retention={"unmatched_messages": 1000}, smtp={"errors_max": 100})
    request.addfinalizer(service.remove)
    service.start()
    for name in ("acme", "closed"):
        service.add_mailbox(name)
    service.ctl("mailbox", "disable", "closed")
    return service


@pytest.mark.parametrize("recipient", [
    f"acme@{DOMAIN}", f"ACME@{DOMAIN.upper()}", f"acme+detail@{DOMAIN}", f"acme+a+b=c@{DOMAIN}", f"acme+@{DOMAIN}", "acme@second.test",
    f"postmaster@{DOMAIN}", "Postmaster", "postmaster@second.test", f"abuse@{DOMAIN}", f"acme+{'x' * 200}@{DOMAIN}",
])
def test_accepted(running, recipient):
    assert send(running, b"Subject: x\r\n\r\n", recipient).startswith("250 2.0.0 accepted as ")


@pytest.mark.parametrize("recipient, reply", [
    (f"nobody@{DOMAIN}", "550 5.1.1"), (f"acme.x@{DOMAIN}", "550 5.1.1"), (f"+acme@{DOMAIN}", "550 5.1.1"),
    (f"closed@{DOMAIN}", "550 5.2.1"), (f"closed+x@{DOMAIN}", "550 5.2.1"),
    ("acme@elsewhere.test", "550 5.7.1"), (f"acme@sub.{DOMAIN}", "550 5.7.1"), (f"acme@{DOMAIN}.elsewhere.test", "550 5.7.1"),
    (f"acme@{DOMAIN}.", "550 5.7.1"), ("acme@[127.0.0.1]", "550 5.7.1"),
    (f"user%elsewhere.test@{DOMAIN}", "550 5.7.1"), (f"acme%elsewhere.test@{DOMAIN}", "550 5.7.1"),
    (f"elsewhere.test!user@{DOMAIN}", "550 5.7.1"), (f"user@elsewhere.test@{DOMAIN}", "550 5.7.1"),
    (f"@{DOMAIN}:user@elsewhere.test", "550 5.7.1"), (f"@elsewhere.test:acme@{DOMAIN}", "550 5.7.1"),
    (f'"user@elsewhere.test"@{DOMAIN}', "550 5.7.1"), (f'"acme"@{DOMAIN}', "550 5.7.1"),
    ("acme", "501 5.1.3"), ("", "501 5.1.3"), (f"acme @{DOMAIN}", "501 5.1.3"),
])
def test_refused(running, recipient, reply):
    with connect(running) as client:
        client.say("EHLO client.test")
        client.say("MAIL FROM:<probe@provider.test>")
        assert client.say(f"RCPT TO:<{recipient}>").startswith(reply)
        assert client.say("DATA").startswith("503 5.5.1")


@pytest.mark.parametrize("sender", [
    "", "root", "user+caf_=acme=mailtest1.test@gmail.com", "SRS0=4Yx/=TT=src.example=user@forwarder.example",
    "SRS1=Ab/8=fwd.example==4Yx/=TT=src.example=user@f2.example", "prvs=0123456789=user@sender.example", "x" * 300 + "@sender.example",
    "a@[192.0.2.1]", '"quoted local part"@sender.example', "..dots..@sender.example", "user@sender_with_underscore.example",
])
def test_senders_are_taken_as_they_come(running, sender):
    before = len(listed(running))
    assert send(running, b"Subject: x\r\n\r\n", sender=sender).startswith("250 ")
    message = stored(running, count=before + 1)[-1]
    assert raw(running, message).startswith(f"Return-Path: <{sender}>\r\n".encode())


def test_one_copy_for_each_mailbox_and_no_recipient_is_told_of_others(service):
    service.add_mailbox("acme")
    service.add_mailbox("other")
    with connect(service) as client:
        client.envelope(f"acme+one@{DOMAIN}")
        assert client.say(f"RCPT TO:<acme+two@{DOMAIN}>").startswith("250 ")
        assert client.say(f"RCPT TO:<other@{DOMAIN}>").startswith("250 ")
        assert client.data(b"Subject: x\r\n\r\n.\r\n").startswith("250 ")
    for mailbox, address in (("acme", f"acme+one@{DOMAIN}"), ("other", f"other@{DOMAIN}")):
        messages = stored(service, mailbox)
        assert len(messages) == 1
        trace, _ = split_trace(raw(service, messages[0]))
        assert f"Delivered-To: {address}\r\n" in trace
        assert " for <" not in trace


def test_token_in_any_recipient_of_a_mailbox_is_found(service):
    service.add_mailbox("acme")
    tokens = [service.mint("acme") for _ in range(2)]
    with connect(service) as client:
        client.envelope(f"acme+{tokens[0]}@{DOMAIN}")
        assert client.say(f"RCPT TO:<acme+{tokens[1]}@{DOMAIN}>").startswith("250 ")
        assert client.data(b"Subject: x\r\n\r\n.\r\n").startswith("250 ")
    for token in tokens:
        answer = service.http("GET", f"/v1/mailboxes/acme/tokens/{token}?wait=20s").json()
        assert answer["verdict"] == "arrived" and answer["found_in"] == ["recipient"]


def test_what_the_operator_changes_holds_at_once(service):
    with connect(service) as client:
        client.say("EHLO client.test")
        client.say("MAIL FROM:<>")

        def refused_as(reply):
            service.wait_for(lambda: client.say(f"RCPT TO:<acme@{DOMAIN}>").startswith(reply), f"RCPT gets {reply}", 5)

        refused_as("550 5.1.1")
        service.add_mailbox("acme")
        refused_as("250 2.1.5")
        service.ctl("mailbox", "disable", "acme")
        refused_as("550 5.2.1")
        service.ctl("mailbox", "enable", "acme")
        refused_as("250 2.1.5")
        service.ctl("mailbox", "delete", "acme", "--yes")
        refused_as("550 5.1.1")


def test_mailbox_over_its_quota_is_told_to_come_again(make_service):
    service = make_service(quota={"mailbox_bytes": 1048576})
    service.add_mailbox("acme")
    line = b"x" * 70 + b"\r\n"
    for _ in range(20):
        with connect(service) as client:
            client.say("EHLO client.test")
            client.say("MAIL FROM:<>")
            if not (reply := client.say(f"RCPT TO:<acme@{DOMAIN}>")).startswith("250 "):
                break
            reply = client.data(line * 2000 + b".\r\n")
            if not reply.startswith("250 "):
                break
    assert reply.startswith("452 4.2.2 ")
    assert send(service, b"Subject: x\r\n\r\n", f"postmaster@{DOMAIN}").startswith("250 ")


def test_mailbox_that_goes_meanwhile_costs_the_others_nothing(service):
    service.add_mailbox("acme")
    service.add_mailbox("beta")
    with connect(service) as client:
        client.envelope(f"acme@{DOMAIN}")
        assert client.say(f"RCPT TO:<beta@{DOMAIN}>").startswith("250 ")
        assert client.say("DATA").startswith("354 ")
        service.ctl("mailbox", "delete", "acme", "-y")
        assert client.say(b"Subject: x\r\n\r\nx\r\n.\r\n").startswith("451 ")     # try again
        assert client.say("MAIL FROM:<a@b.test>").startswith("250 ")
        assert client.say(f"RCPT TO:<acme@{DOMAIN}>").startswith("550 5.1.1")
        assert client.say(f"RCPT TO:<beta@{DOMAIN}>").startswith("250 ")
        assert client.data(b"Subject: x\r\n\r\nx\r\n.\r\n").startswith("250 ")
