"""LMTP, so that an existing mail server can stand in front: over TCP and over a Unix socket."""

import smtplib

from service import DOMAIN
from smtp_client import SmtpClient, raw, split_trace, stored


def test_each_recipient_has_its_reply(service):
    service.add_mailbox("acme")
    service.add_mailbox("other")
    with SmtpClient(("127.0.0.1", service.ports["lmtp"])) as client:
        assert client.greeting.startswith("220 ") and "LMTP" in client.greeting
        assert client.say("EHLO front.test").startswith("500 5.5.1")
        assert client.say("LHLO front.test").startswith("250-")
        assert client.say("MAIL FROM:<>").startswith("250 ")
        replies = [client.say(f"RCPT TO:<{name}@{DOMAIN}>")[:9] for name in ("acme", "nobody", "other", "acme+again")]
        assert replies == ["250 2.1.5", "550 5.1.1", "250 2.1.5", "250 2.1.5"]
        assert client.say("DATA").startswith("354")
        assert client.codes(b"Subject: x\r\n\r\n.\r\nNOOP\r\n", 4) == ["250"] * 4
        assert client.say("MAIL FROM:<>").startswith("250 ")
        assert client.say(f"RCPT TO:<nobody@{DOMAIN}>").startswith("550 ")
        assert client.say("DATA").startswith("503 ")
    assert len(stored(service, "acme")) == len(stored(service, "other")) == 1


def test_over_a_unix_socket(make_service, tmp_path):
    tmp_path.chmod(0o755)
    path = str(tmp_path / "lmtp.sock")
    service = make_service(listen={"lmtp": [f"unix:{path}"]})
    service.add_mailbox("acme")
    with smtplib.LMTP(path) as client:
        client.sendmail("probe@provider.test", [f"acme@{DOMAIN}"], "Subject: x\r\n\r\n")
    trace, _ = split_trace(raw(service, stored(service)[0]))
    assert " (unix)" in trace and " with LMTP " in trace
