"""Agents: with a secret of their own they read the mailboxes that they were given, and change nothing."""

import base64
import imaplib
import poplib
import smtplib

import pytest

from service import DOMAIN

SECRET = "correct horse battery staple"


@pytest.fixture
def acme(service):
    service.acme = service.add_mailbox("acme")
    service.add_mailbox("beta")
    service.agent = service.ctl("agent", "add", "Checker", "--mailbox", "acme", "--json")
    with smtplib.SMTP("127.0.0.1", service.smtp_port, timeout=20) as client:
        message = f"Subject: {service.mint('acme')}\r\n\r\nhello\r\n".encode()
        client.sendmail("a@sender.test", [f"acme@{DOMAIN}"], message)
    return service


def imap(service, user: str = "acme*checker", secret: str | None = None):
    client = imaplib.IMAP4("127.0.0.1", service.ports["imap"], timeout=20)
    client.login(user, secret or service.agent["secret"])
    return client


def select(client) -> bytes:
    """INBOX by SELECT, whose READ-ONLY imaplib would take for an error; the text of the answer."""
    status, said = client._simple_command("SELECT", "INBOX")
    assert status == "OK"
    client.state, client.is_readonly = "SELECTED", True
    return said[0]


def pop3(service, user: str = "acme*checker", secret: str | None = None):
    client = poplib.POP3("127.0.0.1", service.ports["pop3"], timeout=20)
    client.user(user)
    client.pass_(secret or service.agent["secret"])
    return client


def test_an_agent_reads_and_changes_nothing(acme):
    client = imap(acme)
    assert select(client).startswith(b"[READ-ONLY]")
    assert client.response("PERMANENTFLAGS")[1] == [b"()"]
    assert b"hello" in client.fetch("1", "(BODY[])")[1][0][1]
    assert b"Seen" not in client.fetch("1", "(FLAGS)")[1][0]
    for command in (("COPY", "1", "Unmatched"), ("MOVE", "1", "Unmatched"), ("EXPUNGE",), ("CREATE", "new"),
                    ("DELETE", "Unmatched"), ("RENAME", "Unmatched", "other"), ("SUBSCRIBE", "INBOX"), ("UNSUBSCRIBE", "INBOX")):
        status, said = client.xatom(*command)
        assert (status, said[0][:8]) == ("NO", b"[NOPERM]"), command
    for flags in ("+FLAGS (\\Seen)", "FLAGS.SILENT (\\Deleted word)"):
        assert client.uid("STORE", "1", flags)[0] == "OK"
        assert b"Seen" not in client.fetch("1", "(FLAGS)")[1][0] and b"Deleted" not in client.fetch("1", "(FLAGS)")[1][0]
    for command in (("COPY", "1", "Unmatched"), ("EXPUNGE", "1"), ("MOVE", "1", "Unmatched")):
        assert client.uid(*command)[0] == "NO", command
    status, said = client.append("INBOX", None, None, b"Subject: x\r\n\r\nx\r\n")
    assert status == "NO" and said[0].startswith(b"[NOPERM]")
    assert client.close()[0] == "OK"
    assert client.list()[0] == "OK" and client.status("INBOX", "(MESSAGES)")[1][0].endswith(b" (MESSAGES 1)")
    client.logout()
    owner = imap(acme, "acme", acme.acme["secret"])
    owner.select("INBOX")
    assert b"Seen" not in owner.fetch("1", "(FLAGS)")[1][0]


def test_an_agent_reads_by_pop3(acme):
    client = pop3(acme, f"ACME@{DOMAIN}*checker")
    assert client.stat()[0] == 1 and b"hello" in client.retr(1)[1]
    with pytest.raises(poplib.error_proto, match="SYS/PERM"):
        client.dele(1)
    client.quit()
    assert pop3(acme, "acme*checker/Unmatched").stat()[0] == 0
    assert pop3(acme).stat()[0] == 1


@pytest.mark.parametrize("message", [b"acme\0checker\0%s", b"\0acme*checker\0%s", b"acme\0acme*checker\0%s", b"acme*checker\0acme*checker\0%s"])
def test_both_ways_to_say_whom(acme, message):
    client = imaplib.IMAP4("127.0.0.1", acme.ports["imap"], timeout=20)
    assert client.authenticate("PLAIN", lambda _: message % acme.agent["secret"].encode())[0] == "OK"
    assert select(client).startswith(b"[READ-ONLY]")


def test_what_an_agent_may_not_read_looks_like_a_wrong_secret(acme):
    answers = set()
    for user, secret in (("beta*checker", None), ("nobody*checker", None), ("acme*nobody", None), ("acme*checker", acme.acme["secret"]), ("checker", None)):
        with pytest.raises(imaplib.IMAP4.error) as refusal:
            imap(acme, user, secret)
        answers.add(str(refusal.value))
    acme.ctl("mailbox", "disable", "acme")
    with pytest.raises(imaplib.IMAP4.error) as refusal:
        imap(acme)
    answers.add(str(refusal.value))
    assert len(answers) == 1, answers
    acme.wait_for_log(r'user="\*checker" reason="the agent may not read that mailbox"')
    assert acme.agent["secret"] not in acme.log and acme.acme["secret"] not in acme.log


def test_rights_come_and_go(acme):
    agent = acme.ctl("agent", "grant", "checker", "--mailbox", "beta", "--json")
    assert (agent["mailboxes"], agent["all"], agent["enabled"]) == (["acme", "beta"], False, True)
    imap(acme, "beta*checker").logout()
    assert acme.ctl("agent", "revoke", "checker", "--mailbox", "acme,beta", "--json")["mailboxes"] == []
    with pytest.raises(imaplib.IMAP4.error):
        imap(acme, "beta*checker")
    assert acme.ctl("agent", "grant", "checker", "--all", "--json")["all"]
    acme.add_mailbox("later")
    imap(acme, "later*checker").logout()
    acme.ctl("agent", "disable", "checker")
    with pytest.raises(imaplib.IMAP4.error):
        imap(acme)
    acme.ctl("agent", "enable", "checker")
    old, acme.agent = acme.agent["secret"], acme.ctl("agent", "secret", "checker", "--json")
    imap(acme).logout()
    with pytest.raises(imaplib.IMAP4.error):
        imap(acme, secret=old)
    assert [row["agent"] for row in acme.ctl("agent", "list", "--json")["agents"]] == ["checker"]
    acme.ctl("agent", "remove", "checker")
    with pytest.raises(imaplib.IMAP4.error):
        imap(acme)
    assert acme.ctl("agent", "list", "--json")["agents"] == []


def test_an_agent_with_a_chosen_secret(acme):
    acme.run("mailtestctl", "-c", acme.config_file, "agent", "secret", "checker", "--stdin", stdin=None, input=SECRET + "\n", check=True)
    imap(acme, secret=SECRET).logout()
    with pytest.raises(imaplib.IMAP4.error):
        imap(acme)
    assert acme.ctl("agent", "show", "checker", "--json")["chosen_secret"]
    assert SECRET not in acme.log and base64.b64encode(SECRET.encode()).decode() not in acme.log
