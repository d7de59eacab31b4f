"""Open sessions: what ends them, and what the log and the metrics tell of them and of what operators change."""

import imaplib
import os
import poplib
import re
import smtplib
import subprocess

import pytest

from service import DOMAIN


@pytest.fixture
def acme(service):
    service.acme = service.add_mailbox("acme")
    service.add_mailbox("beta")
    service.agent = service.ctl("agent", "add", "checker", "--mailbox", "acme,beta", "--json")
    with smtplib.SMTP("127.0.0.1", service.smtp_port, timeout=20) as client:
        for _ in range(2):
            client.sendmail("a@sender.test", [f"acme@{DOMAIN}"], f"Subject: {service.mint('acme')}\r\n\r\nhello\r\n".encode())
    return service


def imap(service, user: str = "acme", secret: str | None = None, folder: str | None = "INBOX"):
    client = imaplib.IMAP4("127.0.0.1", service.ports["imap"], timeout=20)
    client.login(user, secret or (service.agent if "*" in user else service.acme)["secret"])
    if folder is not None:
        client.select(folder, readonly=True)
    return client


def pop3(service, user: str = "acme", secret: str | None = None):
    client = poplib.POP3("127.0.0.1", service.ports["pop3"], timeout=20)
    client.user(user)
    client.pass_(secret or (service.agent if "*" in user else service.acme)["secret"])
    return client


def idle(client) -> None:
    client.send(b"i IDLE\r\n")
    assert client.readline().startswith(b"+ ")


def assert_ended(client, words: bytes) -> None:
    """The server speaks first, and then says no more: no command of the client's is needed."""
    said = client.file.read()
    assert words in said, said


BYE, ERR = b"* BYE [CONTACTADMIN] this login holds no longer\r\n", b"-ERR [AUTH] this login holds no longer"
CHANGES = [("mailbox", "disable", "acme"), ("mailbox", "secret", "acme"), ("mailbox", "delete", "acme", "--yes")]
AGENT_CHANGES = [("agent", "disable", "checker"), ("agent", "secret", "checker"), ("agent", "remove", "checker"), ("agent", "revoke", "checker", "--mailbox", "acme")]


@pytest.mark.parametrize("change", CHANGES, ids=lambda c: c[1])
def test_open_sessions_of_a_mailbox_end_with_its_login(acme, change):
    idling, quiet, by_pop3, agents = imap(acme), imap(acme, folder=None), pop3(acme), imap(acme, "acme*checker")
    other = imap(acme, "beta*checker")
    idle(idling)
    acme.ctl(*change)
    for client, words in ((idling, BYE), (quiet, BYE), (by_pop3, ERR)):
        assert_ended(client, words)
    if change[1] == "secret":
        assert agents.noop()[0] == "OK"
    else:
        assert_ended(agents, BYE)
    assert other.noop()[0] == "OK"
    acme.wait_for_log(r"event=session-revoked protocol=pop3 client=\S+ mailbox=acme\n")


@pytest.mark.parametrize("change", AGENT_CHANGES, ids=lambda c: c[1])
def test_open_sessions_of_an_agent_end_with_his_right(acme, change):
    by_imap, by_pop3, other, owner = imap(acme, "acme*checker"), pop3(acme, "acme*checker"), imap(acme, "beta*checker"), imap(acme)
    idle(by_imap)
    acme.ctl(*change)
    assert_ended(by_imap, BYE)
    assert_ended(by_pop3, ERR)
    if change[1] == "revoke":
        assert other.noop()[0] == "OK"
    else:
        assert_ended(other, BYE)
    assert owner.noop()[0] == "OK"


def test_a_chosen_secret_ends_open_sessions_too(acme):
    client = imap(acme)
    acme.run("mailtestctl", "-c", acme.config_file, "mailbox", "secret", "acme", "--stdin", stdin=None, input="correct horse battery staple\n", check=True)
    assert_ended(client, BYE)


def test_a_grant_and_an_enabling_end_nothing(acme):
    agents, owner = imap(acme, "acme*checker"), imap(acme)
    acme.add_mailbox("later")
    acme.ctl("agent", "grant", "checker", "--mailbox", "later")
    acme.ctl("mailbox", "enable", "acme")
    assert agents.noop()[0] == "OK" and owner.noop()[0] == "OK"


def test_the_log_tells_who_read_and_who_removed(acme):
    client = imap(acme, folder=None)
    client.create("Old")
    client.select("INBOX")
    client.fetch("1:2", "(BODY.PEEK[])")
    client.fetch("1:2", "(FLAGS)")
    client.copy("1", "Old")
    client.store("1", "+FLAGS", "\\Deleted")
    client.expunge()
    client.xatom("MOVE", "1", "Unmatched")
    client.delete("Old")
    client.logout()
    for line in (r'event=expunged protocol=imap client=\S+ mailbox=acme folder="INBOX" messages=1\n', r'event=moved protocol=imap client=\S+ mailbox=acme folder="INBOX" messages=1\n',
                 r'event=folder-deleted protocol=imap client=\S+ mailbox=acme folder="Old" messages=1\n',
                 r"event=session-end protocol=imap client=\S+ mailbox=acme seconds=\d+ fetched=2 removed=2\n"):
        acme.wait_for_log(line)
    by_pop3 = pop3(acme, "acme/Unmatched")
    by_pop3.retr(1)
    by_pop3.dele(1)
    by_pop3.quit()
    acme.wait_for_log(r'event=expunged protocol=pop3 client=\S+ mailbox=acme folder="Unmatched" messages=1\n')
    acme.wait_for_log(r"event=session-end protocol=pop3 client=\S+ mailbox=acme seconds=\d+ fetched=1 removed=1\n")
    agents = imap(acme, "acme*checker")
    agents.logout()
    acme.wait_for_log(r"event=session-end protocol=imap client=\S+ mailbox=acme agent=checker seconds=\d+ fetched=0 removed=0\n")


def test_a_refused_agent_is_told_with_the_mailbox(acme):
    for user, line in (("acme*checker", r'user="\*checker" reason="wrong secret" mailbox=acme agent=checker\n'),
                       ("acme*nobody", r'user="" reason="no such agent" mailbox=acme\n')):
        with pytest.raises(imaplib.IMAP4.error):
            imap(acme, user, "wrong")
        acme.wait_for_log(line)


def test_a_lost_folder_is_told_with_its_name(acme):
    client, other = imap(acme, folder=None), imap(acme, folder=None)
    client.create("Old")
    other.select("Old")
    idle(other)
    client.delete("Old")
    assert_ended(other, b"* BYE the mailbox was deleted")
    acme.wait_for_log(r'info \S+ event=folder-lost protocol=imap client=\S+ mailbox=acme folder="Old" reason="it was deleted"\n')
    with pytest.raises(poplib.error_proto):
        pop3(acme, "acme/Old")
    acme.wait_for_log(r'info \S+ event=maildrop-not-opened protocol=pop3 client=\S+ mailbox=acme folder="Old" ')


def test_what_operators_change_is_told(acme):
    key = acme.ctl("api-key", "add", "monitor", "--mailbox", "acme", "--json")
    acme.ctl("api-key", "revoke", str(key["id"]))
    hook = acme.ctl("webhook", "add", "http://127.0.0.1:9/", "--json")
    acme.ctl("webhook", "remove", str(hook["id"]))
    acme.ctl("mailbox", "disable", "acme")
    acme.ctl("mailbox", "enable", "acme")
    secret = acme.ctl("mailbox", "secret", "acme", "--json")["secret"]
    acme.ctl("agent", "revoke", "checker", "--mailbox", "beta")
    acme.ctl("agent", "remove", "checker")
    acme.ctl("mailbox", "delete", "acme", "--yes")
    for line in ("mailbox-added mailbox=acme", "agent-added agent=checker mailboxes=acme,beta", r'api-key-added api_key=\d+ name="monitor" mailbox=acme',
                 r"api-key-revoked api_key=\d+", r"webhook-added webhook=\d+", r"webhook-removed webhook=\d+", "mailbox-disabled mailbox=acme",
                 "mailbox-enabled mailbox=acme", "mailbox-secret-changed mailbox=acme chosen=no", "agent-revoked agent=checker mailboxes=beta",
                 "agent-removed agent=checker", "mailbox-deleted mailbox=acme messages=2"):
        acme.wait_for_log(rf"store\[\d+\] info event={line} by=control\n")
    assert secret not in acme.log and acme.agent["secret"] not in acme.log and key["key"] not in acme.log


def test_logins_are_counted(acme):
    imap(acme).logout()
    pop3(acme).quit()
    for protocol in (imap, pop3):
        with pytest.raises((imaplib.IMAP4.error, poplib.error_proto)):
            protocol(acme, "acme", "wrong")
    text = acme.http("GET", "/metrics").body.decode()
    for name in ("imap_logins", "imap_login_failures", "pop3_logins", "pop3_login_failures"):
        lines = [line for line in text.splitlines() if line.startswith(f"mailtest_{name}_total")]
        assert sum(float(line.split()[-1]) for line in lines) == 1, (name, lines)


def test_fetchmail_reads_as_an_agent_and_keeps(acme, tmp_path):
    configuration = tmp_path / "rc"
    configuration.write_text(f'poll 127.0.0.1 service {acme.ports["imap"]} protocol imap user "acme*checker" password "{acme.agent["secret"]}" '
                             f'sslproto "" keep no rewrite mda "cat >> {tmp_path}/mail"\n')
    configuration.chmod(0o600)
    run = subprocess.run(["fetchmail", "-f", configuration, "--nosyslog", "--invisible", "-v", "-i", tmp_path / "ids", "--pidfile", tmp_path / "pid"],
                         env=os.environ | {"HOME": str(tmp_path)}, capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 0 and " +FLAGS (\\Seen)" in run.stdout, run.stdout + run.stderr
    assert (tmp_path / "mail").read_bytes().count(b"hello") == 2
    assert b"Seen" not in imap(acme).fetch("1", "(FLAGS)")[1][0]


@pytest.mark.parametrize("protocol, login, line", [("imap", imap, b"a FROB\r\n"), ("pop3", pop3, b"FROB\r\n")])
def test_too_many_errors_are_told_with_the_session(acme, protocol, login, line):
    client = login(acme, "acme*checker").sock
    client.sendall(line * 20)
    while client.recv(4096):
        pass
    acme.wait_for_log(rf"s=\w+ event=limit-reached client=127\.0\.0\.1 protocol={protocol} limit=access\.errors_max mailbox=acme agent=checker\n")


@pytest.mark.parametrize("command, answer", [
    (b"APPEND INBOX hello", rb"BAD \[CLIENTBUG\] a literal with the message was expected .*"),
    (b"SORT (DATE)", rb"BAD \[CLIENTBUG\] a charset, such as UTF-8, .*"),
    (b"SORT (DATE) ALL", rb"BAD \[CLIENTBUG\] a charset, such as UTF-8, .*"),
    (b"FETCH", rb"BAD \[CLIENTBUG\] an argument was expected"),
    (b"STORE 1", rb"BAD \[CLIENTBUG\] an argument was expected"),
    (b"COPY 1", rb"BAD \[CLIENTBUG\] an argument was expected"),
    (b"SELECT a*b", rb"BAD \[CLIENTBUG\] a name in quotes, since it has a wildcard, was expected"),
    (b'CREATE "a*b"', rb"NO \[CANNOT\] that is no name for a mailbox: it has a wildcard, \* or %"),
    (b"CREATE a//b", rb"NO \[CANNOT\] that is no name for a mailbox: a level of it, .* is empty"),
    (b"CREATE a/..", rb'NO \[CANNOT\] that is no name for a mailbox: a level of it, .* is "\." or "\.\."'),
    (b"RENAME INBOX a//b", rb"NO \[CANNOT\] that is no name for a mailbox: .*"),
    (b"STORE 1 +FLAGS (Wicht\xc3\xbcg)", rb"BAD \[CLIENTBUG\] a flag was expected"),
    (b"STORE 1 +FLAGS Wicht\xc3\xbcg", rb"BAD \[CLIENTBUG\] .* was expected"),
    (b"STORE 1 +FLAGS (" + b" ".join(b"k%d" % n + b"x" * 95 for n in range(20)) + b")", rb"BAD \[CLIENTBUG\] at most 1024 octets of keywords was expected"),
])
def test_what_is_wrong_is_said(acme, command, answer):
    client = imap(acme, folder=None)
    client.select("INBOX")
    client.send(b"t " + command + b"\r\n")
    while not (line := client.readline()).startswith(b"t "):
        pass
    assert re.fullmatch(rb"t " + answer + rb"\r\n", line), line


def test_the_65th_folder(acme):
    client = imap(acme, folder=None)
    for n in range(62):
        assert client.create(f"f{n}")[0] == "OK"
    status, said = client.create("more")
    assert (status, said[0]) == ("NO", b"[LIMIT] a mailbox may have 64 folders")


def test_what_was_brought_in_is_told_apart(acme):
    client = imap(acme, folder=None)
    client.create("Old")
    client.append("Old", None, None, b"Subject: mine\r\n\r\nmine\r\n")
    kinds = [row["kind"] for row in acme.ctl("message", "list", "acme", "--json")["messages"]]
    assert kinds == ["appended", "arrived", "arrived"]
    shown = acme.ctl("mailbox", "show", "acme", "--json")
    assert (shown["inbox"]["messages"], shown["other_folders"]["messages"], shown["chosen_secret"]) == (2, 1, False)
    assert shown["messages"] == 3 and shown["other_folders"]["bytes"] > 0


def test_commands_tell_what_is_missing(acme):
    run = acme.run("mailtestctl", "-c", acme.config_file, "agent", "add", "other", "--mailbox", "acme,nosuch", check=False)
    assert run.returncode != 0 and "mailbox nosuch" in run.stderr, run.stderr
    run = acme.run("mailtestctl", "-c", acme.config_file, "agent", "grant", "nobody", "--mailbox", "acme", check=False)
    assert run.returncode != 0 and "agent nobody" in run.stderr, run.stderr
    for words in (["help"], ["mailbox", "help"]):
        run = acme.run("mailtestctl", *words, check=False)
        assert run.returncode == 0 and "Usage" in run.stdout + run.stdout.title(), run
