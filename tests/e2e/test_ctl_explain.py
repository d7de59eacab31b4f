"""What an operator is told of a mail, of a token whose mail has gone, and of how far a customer's forward is set up."""

import smtplib
import signal
import time

from service import DOMAIN

TEMPFAIL = 75

BOUNCE = """From: Mail Delivery Subsystem <MAILER-DAEMON@mx.customer.test>
To: acme@mailtest1.test
Subject: Undeliverable: probe
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: text/plain

Your message could not be delivered.
--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.customer.test

Original-Recipient: rfc822; user@customer.test
Final-Recipient: rfc822; user@customer.test
Action: failed
Status: 5.7.520
Diagnostic-Code: smtp; 550 5.7.520 Access denied, Your organization does not allow external forwarding. AS(7555)

--b
Content-Type: message/rfc822

Subject: probe {token}
X-Mailtest-Token: {token}

{token}
--b--
"""

FORWARDED = """Resent-From: user@customer.test
Resent-To: acme@mailtest1.test
Resent-Message-ID: <2@customer.test>
Received: from out.customer.test (out.customer.test [192.0.2.7]) by mx.customer.test with ESMTPS id 4F21 for <user@customer.test>;
 {date}
Authentication-Results: mx.customer.test; spf=pass smtp.mailfrom=probe@provider.test; dkim=none
From: probe@provider.test
To: user@customer.test
Subject: probe
Message-ID: <{token}@provider.test>

The subject has lost its token.
"""

CONFIRMATION = """From: Gmail Team <forwarding-noreply@google.com>
To: acme@mailtest1.test
Subject: (#123456789) Gmail Forwarding Confirmation - Receive Mail from user@customer.test
Content-Type: text/plain; charset=UTF-8

user@customer.test has requested to automatically forward mail to your email
address acme@mailtest1.test.
Confirmation code: 123456789

To allow user@customer.test to automatically forward mail to your address,
please click the link below to confirm the request:

https://mail-settings.google.com/mail/vf-%5BANGjdJ8x%5D-abc

If you click the link and it appears to be broken, please copy and paste it
into a new browser window.
"""


def deliver(service, text, sender="a@customer.test"):
    """Gives the id of the message it became."""
    with smtplib.SMTP("127.0.0.1", service.smtp_port, timeout=20) as client:
        client.sendmail(sender, [f"acme@{DOMAIN}"], text.replace("\n", "\r\n").encode())
    return service.ctl("message", "list", "acme", "--json", "--limit", "1")["messages"][0]["id"]


def forwarded(token):
    return FORWARDED.format(token=token, date=time.strftime("%a, %d %b %Y %H:%M:%S +0000", time.gmtime()))


def explained(service, identity):
    return service.ctl("message", "explain", identity, "--json")


def forward_of(service):
    shown = service.ctl("mailbox", "show", "acme", "--json")
    assert shown == service.http("GET", "/v1/mailboxes/acme").json()
    return shown["setup"]


def test_bounce_is_explained_in_words(acme):
    token = acme.mint("acme")
    identity = deliver(acme, BOUNCE.format(token=token), sender="")
    told = explained(acme, identity)
    message, report = told["message"], told["message"]["report"]
    assert (message["kind"], report["action"], report["status"], report["host"]) == ("bounced", "failed", "5.7.520", "mx.customer.test")
    assert report["recipient"] == "user@customer.test" and "does not allow external forwarding" in report["diagnostic"]
    assert report["meaning"] and message["why"].startswith("it carries the token, and is a delivery status report")
    assert (told["token"]["token"], told["token"]["verdict"]) == (token, "bounced")
    assert told["token"]["report"] == report
    text = acme.ctl("message", "explain", identity)
    assert all(len(line) <= 80 for line in text.partition("HOP BY")[0].splitlines()) and "lost in" not in text, text
    for words in ("bounced", "5.7.520", report["meaning"], "reported by mx.customer.test", token):
        assert words in " ".join(text.split()), text
    assert report["meaning"] in " ".join(acme.ctl("token", "show", "acme", token).split())


def test_arrival_is_explained_with_what_was_lost_and_its_way(acme):
    token = acme.mint("acme")
    identity = deliver(acme, forwarded(token))
    told = explained(acme, identity)
    message = told["message"]
    assert message["kind"] == "arrived" and message["forward"]["way"] == "redirect"
    assert any("Resent-From" in evidence for evidence in message["forward"]["evidence"])
    assert message["tokens"][0]["found_in"] == ["message-id"] and "subject" in message["lost"]
    assert any("spf=pass" in claim for claim in message["claims"]["authentication"])
    assert told["token"]["lost"] == told["token"]["arrivals"][0]["lost"] == message["lost"]
    assert [hop["by"] for hop in message["hops"]][1:] == ["mx.customer.test"]
    text = acme.ctl("message", "explain", identity)
    for words in ("found in  message-id", "lost in   ", "redirected", "Resent-From", "mx.customer.test", "spf=pass", "verdict   arrived"):
        assert words in text, text


def test_each_genuine_token_is_told(acme):
    tokens = [acme.mint("acme") for _ in range(3)]

    identity = deliver(acme, f"Subject: {tokens[0]}\nMessage-ID: <{tokens[1]}@provider.test>\nFrom: a@b.test\n\n{tokens[2]}\n")
    told = explained(acme, identity)
    assert [token["token"] for token in told["tokens"]] == [token["token"] for token in told["message"]["tokens"]]
    assert sorted(token["token"] for token in told["tokens"]) == sorted(tokens) and told["tokens"][0] == told["token"]
    for token in told["tokens"]:
        assert token == acme.ctl("token", "show", "acme", token["token"], "--json")
    text = acme.ctl("message", "explain", identity)
    assert "\nTokens\n" in text and text.count("verdict   arrived") == 3
    for token, place in zip(tokens, ("subject", "message-id", "text")):
        assert f"token     {token}\nfound in  {place}\n" in text, text


def test_places_in_an_attached_message_are_told_as_such(acme):
    token = acme.mint("acme")
    identity = deliver(acme, f"""From: user@customer.test
Subject: see attached
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=b

--b

Here it is.
--b
Content-Type: message/rfc822

Subject: {token}
Message-ID: <{token}@provider.test>

{token}
--b--
""")
    shown = acme.ctl("message", "show", identity, "--json")["tokens"][0]
    assert set(shown["found_in"]) == {"subject", "message-id", "text", "attached"}
    words = "in the attached message: subject, message-id, text"
    for text in (acme.ctl("message", "explain", identity), acme.ctl("token", "show", "acme", token), acme.ctl("message", "show", identity)):
        assert words in " ".join(text.split()), text


def test_hops_are_the_same_wherever_they_are_shown(acme):
    """Delays count from the minting of the token, also in what is told of the message."""
    token = acme.mint("acme")
    identity = deliver(acme, forwarded(token))
    hops = acme.ctl("token", "show", "acme", token, "--json")["hops"]
    assert hops == acme.ctl("message", "show", identity, "--json")["hops"] == explained(acme, identity)["message"]["hops"]
    assert hops == acme.http("GET", f"/v1/messages/{identity}").json()["hops"]
    assert hops[-1].get("delay_s") is not None or hops[-1].get("delay_at_most_s") is not None


def test_record_of_an_arrival_outlives_its_mail(acme):
    token = acme.mint("acme")
    identity = deliver(acme, forwarded(token))
    before = acme.ctl("token", "show", "acme", token, "--json")
    acme.ctl("message", "delete", identity)
    after = acme.ctl("token", "show", "acme", token, "--json")
    assert after["verdict"] == "arrived" and not after["arrivals"][0]["message_kept"]
    assert (after["found_in"], after["lost"]) == (before["found_in"], before["lost"])
    assert [(hop["by"], hop["time"]) for hop in after["hops"]][1:] == [(hop["by"], hop["time"]) for hop in before["hops"]][1:]
    assert acme.http("GET", f"/v1/mailboxes/acme/tokens/{token}").json() == after


def test_confirmation_is_shown_and_not_followed(acme):
    identity = deliver(acme, CONFIRMATION, sender="forwarding-noreply@google.com")
    told = explained(acme, identity)
    confirmation = told["message"]["confirmation"]
    assert told["token"] is None and told["message"]["kind"] == "confirmation" and told["message"]["folder"] == "Unmatched"
    assert (confirmation["provider"], confirmation["code"], confirmation["for"]) == ("Gmail", "123456789", "user@customer.test")
    assert confirmation["link"] == "https://mail-settings.google.com/mail/vf-%5BANGjdJ8x%5D-abc"
    state = forward_of(acme)
    assert state["state"] == "confirmation" and "123456789" in state["hint"]
    assert {**confirmation, "message_id": identity, "at": state["confirmation"]["at"]} == state["confirmation"]
    for text in (acme.ctl("message", "explain", identity), acme.ctl("mailbox", "show", "acme")):
        for words in ("Gmail", "123456789", confirmation["link"]):
            assert words in text, text


STRANGER = """From: noreply@evil.test
To: acme@mailtest1.test
Subject: Please confirm the forwarding

Enter the code EVIL99, or open https://evil.test/confirm?id=1 to confirm.
"""


def test_strangers_request_to_confirm_changes_no_state_and_gives_no_advice(acme):
    deliver(acme, STRANGER, sender="noreply@evil.test")
    state = forward_of(acme)
    assert state["state"] == "waiting" and "noreply@evil.test. Do not act on it." in state["hint"]
    assert not state["confirmation"]["recognised"] and state["confirmation"]["code"] is None and state["confirmation"]["link"] is None
    genuine = deliver(acme, CONFIRMATION, sender="forwarding-noreply@google.com")
    identity = deliver(acme, STRANGER, sender="noreply@evil.test")
    assert explained(acme, identity)["message"]["kind"] == "confirmation"
    assert "do not act on it" in acme.ctl("message", "explain", identity)
    state = forward_of(acme)
    assert state["state"] == "confirmation" and "123456789" in state["hint"] and "EVIL" not in str(state)
    assert state["confirmation"]["message_id"] == genuine and state["confirmation"]["recognised"]
    for want in ("first-probe", "healthy"):
        deliver(acme, forwarded(acme.mint("acme")))
        deliver(acme, STRANGER, sender="noreply@evil.test")
        deliver(acme, CONFIRMATION, sender="forwarding-noreply@google.com")
        assert forward_of(acme)["state"] == want


def test_states_of_a_forward(acme):
    assert forward_of(acme)["state"] == "waiting" and f"acme@{DOMAIN}" in forward_of(acme)["hint"]
    deliver(acme, CONFIRMATION, sender="forwarding-noreply@google.com")
    assert forward_of(acme)["state"] == "confirmation"
    deliver(acme, BOUNCE.format(token=acme.mint("acme")), sender="")
    refused = forward_of(acme)
    assert refused["state"] == "refused" and refused["refusal"]["status"] == "5.7.520"
    assert refused["refusal"]["meaning"] in refused["hint"]
    deliver(acme, forwarded(acme.mint("acme")))
    assert forward_of(acme)["state"] == "first-probe"
    deliver(acme, forwarded(acme.mint("acme")))
    healthy = forward_of(acme)
    assert healthy["state"] == "healthy" and healthy["hint"] is None and healthy["arrivals"] == 2
    assert {row["mailbox"]: row["setup"]["state"] for row in acme.ctl("mailbox", "list", "--json")["mailboxes"]}["acme"] == "healthy"
    assert "healthy" in acme.ctl("mailbox", "list")


def test_message_without_a_token_is_explained_too(acme):
    identity = deliver(acme, "Subject: hello\n\nhello\n")
    told = explained(acme, identity)
    assert told["token"] is None and told["message"]["why"] == "it carries no genuine token of this mailbox"
    assert "There is no genuine token of this mailbox in it." in acme.ctl("message", "explain", identity)


def test_text_from_outside_does_not_reach_the_terminal(acme):
    identity = deliver(acme, BOUNCE.format(token=acme.mint("acme")).replace("Access denied", "\x1b[31mAccess\x07 denied"), sender="")
    text = acme.ctl("message", "explain", identity)
    assert "\x1b" not in text and "\x07" not in text and "5.7.520" in text


def test_silent_service_is_told_in_one_line(acme):
    """A process that is stopped still has its socket: the command gives up by itself."""
    acme.kill("store", signal.SIGSTOP)
    try:
        done = acme.run("mailtestctl", "-c", acme.config_file, "--timeout", "300ms", "mailbox", "list")
    finally:
        acme.kill("store", signal.SIGCONT)
    assert done.returncode == TEMPFAIL and done.stderr.count("\n") == 1 and "did not answer in time" in done.stderr
    assert acme.ctl("mailbox", "list", "--json")["mailboxes"]
