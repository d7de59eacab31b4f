"""What real programs make of a test mail when they forward, refuse or answer it: each sends what it made into the service itself."""

import smtplib
from email.message import EmailMessage

import pytest

from servers import AttachingExim, Dovecot, Exim, Mutt, Postfix, ReplyingExim, SevenBitPostfix, Sink, SNail, UserPostfix
from service import DOMAIN
from test_forwarding import answer, probe, send

TO_US = f"acme@{DOMAIN}"
EVERYWHERE = {"subject", "message-id", "x-mailtest-token", "text"}


@pytest.fixture
def token(service):
    service.add_mailbox("acme")
    return service.mint("acme")


@pytest.fixture
def started(service, token):
    """Starts a customer's server of a class, which knows the way to us."""
    running = []

    def start(server, **options):
        if why := server.obstacle():
            pytest.skip(why)
        routes = {DOMAIN: ("127.0.0.1", service.smtp_port), **options.pop("routes", {})}
        running.append(server("customer.test", routes=routes, **options).start())
        return running[-1]

    start.made = running
    yield start
    for server in running:
        server.stop()


@pytest.fixture
def relay(started):
    """The customer's outgoing server, for those who need one."""
    server = started(Exim)
    return server.host, server.port


def arrival(service, token, kind="arrived"):
    """The token's answer as soon as there is a verdict, and the facts of its first message."""
    heard = answer(service, token)
    assert heard["verdict"] == kind, heard
    message = service.http("GET", f"/v1/messages/{heard['arrivals'][0]['message_id']}").json()
    assert message["kind"] == kind
    return heard, message


def raw(service, message):
    return service.http("GET", f"/v1/messages/{message['id']}/raw").body


def came_through(heard, name):
    return any(name in (hop["by"] or "") for hop in heard["hops"])


# ---- Redirecting: the mail stays as it is --------------------------------------------------------------------------------

def test_postfix_alias(service, started, token):
    send(started(UserPostfix, alias=TO_US), probe(token))
    heard, message = arrival(service, token)
    assert EVERYWHERE <= set(heard["found_in"])
    assert came_through(heard, "mail.customer.test")
    assert message["forward"]["way"] == "redirect"


def test_postfix_dot_forward(service, started, token):
    send(started(UserPostfix, dot_forward=TO_US), probe(token))
    heard, message = arrival(service, token)
    assert EVERYWHERE <= set(heard["found_in"])
    assert message["forward"]["way"] == "redirect"
    assert any("user@customer.test" in evidence for evidence in message["forward"]["evidence"])
    assert heard["lost"] == []


def test_postfix_makes_8bit_text_quoted_printable_for_a_next_hop_without_8bitmime(service, started, token):
    customer = started(SevenBitPostfix, forwards={"user": TO_US})
    mail = EmailMessage()
    mail["From"] = "probe@provider.test"
    mail["Subject"] = "a mail"
    # So long that a soft line break falls into the token.
    mail.set_content(f"{'ä' * 7} {token}\n", cte="8bit")
    with smtplib.SMTP(customer.host, customer.port, timeout=20) as client:
        client.sendmail("probe@provider.test", ["user@customer.test"], mail.as_bytes(), ["BODY=8BITMIME"])
    heard, message = arrival(service, token)
    assert heard["found_in"] == ["text"]
    assert message["parts"][0]["encoding"] == "quoted-printable"
    assert token.encode() not in raw(service, message)
    assert {"subject", "message-id", "x-mailtest-token"} <= set(heard["lost"])


def test_rule_of_a_mail_server(service, customer):
    """Exim's redirect router, Postfix's virtual alias, OpenSMTPD's alias: only the recipient in Received tells of it."""
    token = service.mint("acme")
    send(customer, probe(token))
    heard, message = arrival(service, token)
    assert EVERYWHERE <= set(heard["found_in"])
    assert heard["lost"] == []
    assert came_through(heard, "mail.customer.test")
    assert message["forward"]["way"] == "redirect"
    assert any("user@customer.test" in evidence for evidence in message["forward"]["evidence"])


def test_mail_that_nobody_forwarded(service, relay, token):
    mail = probe(token)
    mail.replace_header("To", TO_US)
    with smtplib.SMTP(*relay, timeout=20) as client:
        client.send_message(mail, "probe@provider.test", [TO_US])
    _, message = arrival(service, token)
    assert message["forward"]["way"] == "direct"


def test_dovecot_sieve_redirect(service, relay, token):
    with Dovecot("customer.test", f'redirect "{TO_US}";\n', relay) as dovecot:
        dovecot.deliver(probe(token).as_bytes(), "probe@provider.test")
    heard, message = arrival(service, token)
    assert EVERYWHERE <= set(heard["found_in"])
    assert came_through(heard, "mail.customer.test")
    assert message["forward"]["way"] == "redirect"
    assert any("Sieve" in evidence for evidence in message["forward"]["evidence"])


# ---- Forwarding as attachment --------------------------------------------------------------------------------------------

def check_attached(service, token):
    """The attached original has everything, the mail around it nothing of its own but what its writer copies."""
    heard, message = arrival(service, token)
    assert {"attached", *EVERYWHERE} <= set(heard["found_in"])
    assert message["forward"]["way"] == "attachment"
    assert "message/rfc822" in [part["type"] for part in message["parts"]]
    return heard, message


def test_exim_transport_that_attaches(service, started, token):
    send(started(AttachingExim, forwards={"user": TO_US}), probe(token))
    _, message = check_attached(service, token)
    assert message["subject"] == "Forwarded"


def test_dovecot_sieve_enclose_and_redirect(service, relay, token):
    script = f'require ["vnd.dovecot.filter"];\nfilter "enclose";\nredirect "{TO_US}";\n'
    with Dovecot("customer.test", script, relay) as dovecot:
        dovecot.deliver(probe(token).as_bytes(), "probe@provider.test")
    heard, message = check_attached(service, token)
    assert message["subject"] == "Enclosed"
    assert came_through(heard, "mail.customer.test")


@pytest.mark.parametrize("reader", [Mutt, SNail], ids=["mutt", "s-nail"])
def test_mail_program_attaches(service, relay, token, reader):
    with reader("customer.test", relay) as program:
        program.forward(probe(token).as_bytes(), TO_US, attached=True)
    heard, message = check_attached(service, token)
    assert message["envelope"]["from"] == "user@customer.test"
    assert came_through(heard, "mail.customer.test")


# ---- Forwarding inline ---------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("reader", [Mutt, SNail], ids=["mutt", "s-nail"])
def test_mail_program_forwards_inline(service, relay, token, reader):
    with reader("customer.test", relay) as program:
        program.forward(probe(token).as_bytes(), TO_US, attached=False)
    heard, message = arrival(service, token)
    assert {"subject", "text"} <= set(heard["found_in"])
    assert not {"message-id", "x-mailtest-token", "attached"} & set(heard["found_in"])
    assert {"message-id", "x-mailtest-token"} <= set(heard["lost"])
    assert message["forward"]["way"] == "inline"


# ---- What is no arrival --------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("server", [Postfix, Exim], ids=["postfix", "exim"])
def test_bounce_of_a_refused_forward_tells_why(service, started, token, server):
    """The customer forwards to a server that refuses; the bounce goes to the test mail's sender, which is our mailbox."""
    with Sink({"RCPT": "550 5.1.1 <nobody@refusing.test>: no such user here"}) as refusing:
        customer = started(server, forwards={"user": "nobody@refusing.test"}, routes={"refusing.test": (refusing.host, refusing.port)})
        send(customer, probe(token), sender=TO_US)
        heard, message = arrival(service, token, "bounced")
    assert message["envelope"]["from"] == ""
    assert "delivery-report" in message["traits"]
    report = heard["report"]
    assert report["action"] == "failed"
    assert report["status"].startswith("5.")
    assert "no such user here" in report["diagnostic"]
    assert report["host"] == "mail.customer.test"
    assert "address" in report["meaning"]
    assert report["recipient"] in ("user@customer.test", "nobody@refusing.test")


def test_bounce_then_arrival_is_an_arrival(service, started, token):
    with Sink({"RCPT": "550 5.1.1 no such user here"}) as refusing:
        customer = started(Exim, forwards={"user": f"nobody@refusing.test, {TO_US}"}, routes={"refusing.test": (refusing.host, refusing.port)})
        send(customer, probe(token), sender=TO_US)
        service.wait_for(lambda: answer(service, token, wait="0s")["arrival_count"] == 2, "both have come")
    assert answer(service, token)["verdict"] == "arrived"


def test_vacation_of_dovecot_sieve_is_an_autoreply(service, relay, token):
    script = 'require ["vacation"];\nvacation :addresses ["user@customer.test"] "I am away until Monday.";\n'
    with Dovecot("customer.test", script, relay) as dovecot:
        dovecot.deliver(probe(token).as_bytes(), TO_US)
    heard, message = arrival(service, token, "autoreply")
    assert {"subject", "in-reply-to"} <= set(heard["found_in"])
    assert "auto-replied" in message["traits"]


def test_autoreply_of_exim_is_an_autoreply(service, started, token):
    send(started(ReplyingExim), probe(token), sender=TO_US)
    heard, message = arrival(service, token, "autoreply")
    assert "subject" in heard["found_in"]
    assert message["envelope"]["from"] == ""
