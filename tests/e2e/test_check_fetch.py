"""mailtest-check looks into accounts at other servers: what it finds there, what it deletes and what it leaves, and what it says when it cannot."""

import base64
import email.utils
import poplib
import secrets
import socketserver
import struct
import subprocess
import threading
import time

import pytest

from servers import Accounts
from servers.faulty import FaultySMTP, TinyDNS, make_certificate
from service import BUILD
from test_check_scenarios import look_into, put_into, story_of

USER = "user@customer.test"
ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


def token(age_s: int = 0) -> str:
    """Of the form of a token, issued so long ago."""
    number = int.from_bytes(struct.pack("!I", int(time.time()) - age_s) + secrets.token_bytes(21), "big")
    return "mt1" + "".join(ALPHABET[number >> 5 * (39 - i) & 31] for i in range(40))


def probe(of: str, label: str = "once", subject: str = "Mailtest") -> str:
    return (f"Return-Path: <check@provider.test>\nReceived: from a.test by mx.customer.test with ESMTP id 1; {email.utils.formatdate()}\n"
            f"From: Mailtest <check@provider.test>\nTo: <{USER}>\nSubject: {subject} {of}\nMessage-ID: <{of}@provider.test>\n"
            f"X-Mailtest-Token: {of}\nX-Mailtest-Check: {label}\n\nToken: {of}\n")


def report(mail: str) -> str:
    """A server's report that the mail could not be delivered."""
    return (f"Return-Path: <>\nFrom: MAILER-DAEMON@mx.customer.test\nTo: check@provider.test\nSubject: Undelivered Mail Returned to Sender\n"
            "Auto-Submitted: auto-replied\nMIME-Version: 1.0\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\n\n"
            "--b\nContent-Type: text/plain\n\nYour mail could not be delivered.\n"
            "--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.customer.test\n\nFinal-Recipient: rfc822; user@customer.test\n"
            "Action: failed\nStatus: 5.2.2\nDiagnostic-Code: smtp; 552 5.2.2 mailbox full\n\n"
            f"--b\nContent-Type: message/rfc822\n\n{mail}\n--b--\n")


def fetch(server, where, *arguments, deliver=None):
    """A round trip whose mail is delivered by the test itself."""
    with FaultySMTP(deliver=deliver) as smtp:
        return story_of("--smtp", smtp.address, "--to", USER, "--window", "15s", "--timeout", "5s", *where, *arguments)


@pytest.fixture(scope="module")
def server_of_all():
    with Accounts() as server:
        yield server


@pytest.fixture
def accounts(server_of_all):
    server_of_all.empty()
    return server_of_all


@pytest.fixture
def password(tmp_path):
    file = tmp_path / "password"
    file.write_text("secret\n")
    return file


# ---- Protections ----------------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def secured(tmp_path_factory):
    certificate, key = make_certificate(tmp_path_factory.mktemp("tls"), "imap.customer.test")
    with Accounts(certificate=certificate, key=key) as server:
        yield server


@pytest.mark.parametrize("protocol, port, mode", [
    ("imap", "port", "require"), ("imap", "imaps_port", "implicit"), ("pop3", "pop3_port", "require"), ("pop3", "pop3s_port", "implicit"),
])
def test_starttls_and_implicit_tls(secured, password, protocol, port, mode):
    where = [f"--{protocol}", f"127.0.0.1:{getattr(secured, port)}", "--account-tls", mode, "--user", USER, "--password-file", password, "--poll-gap", "200ms"]
    secured.put("Subject: of a person\n\nhello\n")
    story = fetch(secured, where, deliver=put_into(secured))
    assert story["verdict"] == "arrived" and story["copies"] == 1 and story["deleted"]
    assert set(secured.subjects()) == {"of a person"}
    assert "TLS" in [line for line in secured.log.splitlines() if f"{protocol}-login: Info: Login" in line and "TLS" in line][-1]


def test_a_certificate_that_is_not_valid_is_refused_where_verification_is_on(secured, password):
    where = ["--imap", f"127.0.0.1:{secured.imaps_port}", "--account-tls", "implicit-verify", "--user", USER, "--password-file", password]
    story = fetch(secured, where, deliver=put_into(secured))
    assert story["failure"]["step"] == "tls" and "certificate" in str(story["failure"]).lower()


@pytest.mark.parametrize("protocol, port, mode", [("imap", "port", "verify"), ("pop3", "pop3s_port", "implicit-verify")])
def test_a_certificate_is_verified_for_the_servers_name(secured, password, protocol, port, mode):
    where = ["--account-tls", mode, "--user", USER, "--password-file", password, "--ca-file", secured.certificate]
    with TinyDNS({("imap.customer.test", "A"): ["127.0.0.1"], ("pop.customer.test", "A"): ["127.0.0.1"]}) as dns:
        story = fetch(secured, [f"--{protocol}", f"imap.customer.test:{getattr(secured, port)}", "--dns", dns.address, *where], deliver=put_into(secured))
        assert story["verdict"] == "arrived", story["failure"]
        story = fetch(secured, [f"--{protocol}", f"pop.customer.test:{getattr(secured, port)}", "--dns", dns.address, *where])
        assert story["failure"]["step"] == "tls" and f"pop.customer.test[127.0.0.1]:{getattr(secured, port)}" in str(story["failure"])


def test_no_starttls_where_it_is_demanded(accounts, password):
    where = ["--imap", f"127.0.0.1:{accounts.port}", "--account-tls", "require", "--user", USER, "--password-file", password]
    story = fetch(accounts, where)
    assert story["failure"]["step"] == "tls" and "STARTTLS" in str(story["failure"])


def test_an_access_token_of_oauth(password, tmp_path):
    good = secrets.token_urlsafe(24)
    command = tmp_path / "token"
    command.write_text(f"#!/bin/sh\necho {good}\n")
    command.chmod(0o755)
    with Accounts(tokens={good: USER}, mechanisms="plain") as server:
        for protocol, port in (("imap", server.port), ("pop3", server.pop3_port)):
            for mechanism in ("xoauth2", "oauthbearer"):
                where = [f"--{protocol}", f"127.0.0.1:{port}", "--account-tls", "none", "--user", USER, "--token-command", command, "--auth", mechanism]
                story = fetch(server, where, deliver=put_into(server))
                assert story["verdict"] == "arrived", story
        command.write_text("#!/bin/sh\necho of-yesterday\n")
        story = fetch(server, where[:-1] + ["xoauth2", "--poll-gap", "200ms"], deliver=put_into(server))
        assert story["failure"]["step"] == "login" and story["verdict"] != "arrived"
        assert "of-yesterday" not in str(story)


# ---- Logins that fail -------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("protocol", ["imap", "pop3"])
def test_a_wrong_password_is_said_at_once_with_the_servers_words(accounts, password, protocol):
    password.write_text("wrong\n")
    began = time.monotonic()
    story = fetch(accounts, look_into(accounts, password, protocol), deliver=put_into(accounts))
    assert story["verdict"] != "arrived" and story["failure"]["step"] == "login"
    assert "Authentication failed" in str(story["failure"]) and "127.0.0.1" in str(story["failure"])
    assert time.monotonic() - began < 12            # not at the end of the window
    assert "wrong" not in str(story)


def test_a_maildrop_in_use_is_said_to_be_so_and_is_no_wrong_password(accounts, password):
    holder = poplib.POP3("127.0.0.1", accounts.pop3_port)
    holder.user(USER)
    holder.pass_("secret")
    holder.stat()
    # Dovecot waits some ten seconds for the lock.
    story = fetch(accounts, look_into(accounts, password, "pop3"), "--window", "2s", "--timeout", "25s", deliver=put_into(accounts))
    assert story["verdict"] != "arrived" and "locked by another" in str(story["failure"]) and "login put off" in str(story["failure"])
    holder.quit()
    story = fetch(accounts, look_into(accounts, password, "pop3"), deliver=put_into(accounts))
    assert story["verdict"] == "arrived"


# ---- What is there ----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("junk, marked", [("Junk", True), ("Bulk Mail", False), ("Verdacht", True)])
def test_a_mail_in_the_junk_folder_is_found_by_its_mark_or_its_name(password, junk, marked):
    with Accounts(junk=junk, marked=marked) as server:
        story = fetch(server, look_into(server, password), deliver=put_into(server, folder=junk))
        assert story["verdict"] in ("junk", "arrived") and story["junk"] and story["folder"] == junk and story["exit_code"] == 1
        assert server.subjects(folder=junk) == []


def test_a_copy_in_the_inbox_is_what_counts_and_both_are_deleted_in_the_end(accounts, password):
    def deliver(_sender, _recipients, content):
        accounts.put(content, folder="Junk")
        accounts.put(content)

    story = fetch(accounts, look_into(accounts, password), deliver=deliver)
    assert story["verdict"] == "arrived" and not story["junk"] and story["folder"] == "INBOX"
    assert accounts.subjects() == []


@pytest.mark.parametrize("protocol", ["imap", "pop3"])
def test_a_report_of_a_failure_is_told_as_one(accounts, password, protocol):
    story = fetch(accounts, look_into(accounts, password, protocol), deliver=lambda _s, _r, content: accounts.put(report(content.decode())))
    assert story["verdict"] == "bounced" and story["exit_code"] == 2
    said = story["arrival"]["report"]
    assert said["status"] == "5.2.2" and "mailbox full" in said["diagnostic"] and said["host"] == "mx.customer.test"
    assert accounts.subjects() == []


def test_an_automatic_reply_is_no_arrival(accounts, password):
    def deliver(_sender, _recipients, content):
        accounts.put(f"From: {USER}\nSubject: Out of office: Mailtest\nAuto-Submitted: auto-replied\nReturn-Path: <>\n\nI am away.\n\n> " +
                     content.decode().replace("\r\n", "\n> "))

    story = fetch(accounts, look_into(accounts, password), "--window", "4s", deliver=deliver)
    assert story["verdict"] != "arrived" and story["autoreply"], story


@pytest.mark.parametrize("protocol", ["imap", "pop3"])
def test_a_mail_that_somebody_else_sends_is_found_by_its_words(accounts, password, protocol):
    accounts.put("Subject: Backup of db1 failed\n\ntext\n")
    accounts.put("Subject: =?utf-8?q?Backup_of_db1_finished?=\n\ntext\n")
    story = story_of("--no-send", "--expect", "backup OF db1 finished", "--window", "10s", *look_into(accounts, password, protocol))
    assert story["verdict"] == "arrived" and accounts.subjects() == ["Backup of db1 failed"]


def test_an_old_mail_with_the_same_words_is_not_the_one(accounts, password):
    with accounts.imap() as client:
        client.append("INBOX", None, time.localtime(time.time() - 7200), b"Subject: Backup finished\r\n\r\ntext\r\n")
    story = story_of("--no-send", "--expect", "Backup finished", "--window", "2s", *look_into(accounts, password))
    assert story["verdict"] != "arrived" and len(accounts.subjects()) == 1


def test_the_hops_of_the_mail(accounts, password):
    hop = f"Received: from relay.test (relay.test [192.0.2.7]) by mx.customer.test with ESMTPS id 7; {email.utils.formatdate()}\r\n".encode()
    story = fetch(accounts, look_into(accounts, password), deliver=lambda _s, _r, content: accounts.put(hop + content))
    assert [(h["by"], h["with"]) for h in story["hops"]] == [("mx.customer.test", "ESMTPS")]


# ---- What is deleted, and what is not ------------------------------------------------------------------------------------

@pytest.mark.parametrize("protocol", ["imap", "pop3"])
def test_left_overs_of_this_check_alone_are_deleted(accounts, password, protocol):
    kept = {"a person's": "Subject: a person's\n\nhello\n",
            "other check": probe(token(9000), "acme/other", "other check"),
            "nearly this": probe(token(9000), "acme/inbound-2", "nearly this"),
            "under way": probe(token(60), "acme/inbound", "under way"),
            "forwarded": "Subject: forwarded\nFrom: a@person.test\nMIME-Version: 1.0\nContent-Type: message/rfc822\n\n" + probe(token(9000), "acme/inbound"),
            "Re: reply": f"Subject: Re: reply\nFrom: a@person.test\nIn-Reply-To: <{token(9000)}@provider.test>\n\n> X-Mailtest-Check: acme/inbound\n"}
    for mail in kept.values():
        accounts.put(mail)
    accounts.put(probe(token(9000), "acme/inbound", "left over"))
    accounts.put(report(probe(token(9000), "acme/inbound")))
    if protocol == "imap":
        accounts.put(probe(token(9000), "acme/inbound", "left over in junk"), folder="Junk")
    fetch(accounts, look_into(accounts, password, protocol), "--label", "acme/inbound", deliver=put_into(accounts))
    left = [subject.rpartition(" mt1")[0] or subject for subject in accounts.subjects()]
    assert sorted(left) == sorted(kept)
    assert accounts.subjects(folder="Junk") == []


def test_nothing_is_deleted_when_it_is_to_be_kept(accounts, password):
    accounts.put(probe(token(90000), "acme/kept"))
    story = fetch(accounts, look_into(accounts, password), "--keep", "--label", "acme/kept", deliver=put_into(accounts))
    assert story["verdict"] == "arrived" and len(accounts.subjects()) == 2


@pytest.mark.parametrize("foreign", [False, True])
def test_without_uidplus_others_that_are_marked_as_deleted_are_not_expunged(password, foreign):
    with Accounts(settings="protocol imap {\n  imap_capability = IMAP4rev1 LITERAL+ IDLE\n}") as server:
        if foreign:
            server.put("Subject: marked by a person\n\nhello\n")
            with server.imap() as client:
                client.select()
                client.store("1", "+FLAGS", "\\Deleted")
        story = fetch(server, look_into(server, password), deliver=put_into(server))
        assert story["verdict"] == "arrived"
        subjects = server.subjects()
        assert ("marked by a person" in subjects) == foreign and len(subjects) == (2 if foreign else 0)


def test_checks_that_share_an_account_do_not_disturb_each_other(accounts, password):
    """Processes of their own, which know nothing of each other."""
    with FaultySMTP(deliver=put_into(accounts)) as smtp:
        running = [subprocess.Popen([BUILD / "mailtest-check", "once", "--smtp", smtp.address, "--to", USER, "--window", "30s", "--label", f"acme/{n % 3}",
                                     *map(str, look_into(accounts, password))], stdout=subprocess.PIPE, text=True) for n in range(6)]
        lines = [process.communicate(timeout=60)[0] for process in running]
    assert all(process.returncode == 0 for process in running), lines
    assert accounts.subjects() == []


def test_a_folder_that_does_not_exist_is_named(accounts, password):
    story = fetch(accounts, look_into(accounts, password), "--folder", "Eingänge & mehr", deliver=put_into(accounts))
    assert story["failure"]["step"] == "select" and "exist" in str(story["failure"])
    with accounts.imap() as client:
        client.create('"Eing&AOQ-nge &- mehr"')
    story = fetch(accounts, look_into(accounts, password), "--folder", "Eingänge & mehr", deliver=put_into(accounts, folder="Eing&AOQ-nge &- mehr"))
    assert story["verdict"] == "arrived"


# ---- Servers that are odd, or hostile -----------------------------------------------------------------------------------

class Scripted:
    """A server that answers each command by a function of it: reply(command, tag) → octets, None to say nothing more. POP3 has no tags."""

    def __init__(self, reply, greeting=b"* OK ready\r\n", pop3=False):
        owner = self
        self.commands = []

        class Session(socketserver.StreamRequestHandler):
            def handle(self):
                self.wfile.write(greeting)
                for line in self.rfile:
                    tag, _, command = ("", "", line.decode("latin-1").strip()) if pop3 else line.decode("latin-1").strip().partition(" ")
                    owner.commands.append(command)
                    try:
                        answer = reply(command, tag)
                        if answer is None:
                            self.rfile.read()
                            return
                        self.wfile.write(answer if isinstance(answer, bytes) else answer.encode())
                    except OSError:
                        return

        socketserver.ThreadingTCPServer.allow_reuse_address = True
        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Session)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()


def usual(command, tag, mail=None, search="* SEARCH\r\n"):
    """What a small server says, whose index of mails lags behind."""
    if command == "CAPABILITY":
        return f"* CAPABILITY IMAP4rev1 UIDPLUS\r\n{tag} OK\r\n"
    if command.startswith("SELECT"):
        count = 1 if mail else 0
        return f"* {count} EXISTS\r\n* OK [UIDVALIDITY 1] fine\r\n* OK [UIDNEXT {count + 1}] fine\r\n{tag} OK [READ-WRITE] selected\r\n"
    if command.startswith("UID SEARCH"):
        return f"{search}{tag} OK\r\n"
    if command.startswith("FETCH"):
        head = mail.partition(b"\r\n\r\n")[0].decode() + "\r\n\r\n"
        date = time.strftime("%d-%b-%Y %H:%M:%S +0000", time.gmtime())
        return f'* 1 FETCH (UID 1 INTERNALDATE "{date}" BODY[HEADER.FIELDS (Subject)] {{{len(head)}}}\r\n{head})\r\n{tag} OK\r\n'
    if command.startswith("UID FETCH"):
        return b"* 1 FETCH (UID 1 RFC822.SIZE %d BODY[]<0> {%d}\r\n" % (len(mail), len(mail)) + mail + f")\r\n{tag} OK\r\n".encode()
    if command == "LOGOUT":
        return f"* BYE\r\n{tag} OK\r\n"
    return f"{tag} OK\r\n"


def at(server, password):
    return ["--imap", f"127.0.0.1:{server.port}", "--account-tls", "none", "--user", USER, "--password-file", password, "--poll-gap", "200ms"]


def test_a_search_that_finds_nothing_is_not_believed_while_there_is_new_mail(password):
    came = []
    with Scripted(lambda command, tag: usual(command, tag, came[0] if came else None)) as server:
        story = fetch(server, at(server, password), deliver=lambda _s, _r, content: came.append(content))
        assert story["verdict"] == "arrived" and story["copies"] == 1
        assert "UID EXPUNGE 1" in server.commands


def test_of_others_new_mail_no_more_than_the_header_is_fetched(password):
    with Scripted(lambda command, tag: usual(command, tag, b"Subject: private\r\n\r\nprivate\r\n")) as server:
        story = fetch(server, at(server, password), "--window", "2s")
        assert story["verdict"] != "arrived"
        assert len([c for c in server.commands if c.startswith("FETCH")]) == 1      # once, whatever the number of looks
        assert not [c for c in server.commands if c.startswith(("UID FETCH", "UID STORE"))]


HOSTILE = {
    "an endless line": (lambda c, t: b"* " + b"x" * 600_000 if c.startswith("SELECT") else usual(c, t), "too large"),
    "an endless literal": (lambda c, t: b"* 1 FETCH (BODY[] {99999999}\r\n" + b"x" * 9000 if c.startswith("SELECT") else usual(c, t), "too large"),
    "no end of answers": (lambda c, t: b"* 1 EXISTS\r\n" * 2_000_000 if c.startswith("SELECT") else usual(c, t), "too much"),
    "no IMAP": (lambda c, t: b"\r\n" if c.startswith("SELECT") else usual(c, t), "no IMAP"),
    "another tag": (lambda c, t: b"zz OK\r\n" if c.startswith("SELECT") else usual(c, t), "another command"),
    "BYE": (lambda c, t: b"* BYE going down \x1b[2J\r\n" if c.startswith("SELECT") else usual(c, t), "going down \\x1B[2J"),
    "silence": (lambda c, t: None if c.startswith("SELECT") else usual(c, t), "no reply within 1 s"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_server_ends_the_look_at_a_named_step(password, kind):
    reply, words = HOSTILE[kind]
    with Scripted(reply) as server, FaultySMTP() as smtp:
        story = story_of("--smtp", smtp.address, "--to", USER, "--window", "3s", "--timeout", "1s", *at(server, password))
    assert story["verdict"] != "arrived" and story["failure"]["step"] == "select" and words.lower() in str(story["failure"]).replace("\\\\", "\\").lower(), story["failure"]


def old_pop3(mail, command):
    """What a server from before CAPA, UIDL and TOP says."""
    if command == "STAT":
        return f"+OK {1 if mail else 0} {len(mail)}\r\n"
    if command.startswith("RETR"):
        return b"+OK\r\n" + mail.replace(b"\r\n.", b"\r\n..") + b"\r\n.\r\n"
    return "-ERR what?\r\n" if command.split()[0] in ("CAPA", "UIDL", "TOP", "AUTH") else "+OK\r\n"


def at_pop3(server, password):
    return ["--pop3", f"127.0.0.1:{server.port}", "--account-tls", "none", "--user", USER, "--password-file", password, "--poll-gap", "200ms"]


def test_a_pop3_server_of_old(password):
    came = []
    with Scripted(lambda command, _: old_pop3(came[0] if came else b"", command), b"+OK <1@old.test>\r\n", pop3=True) as server:
        story = fetch(server, at_pop3(server, password), deliver=lambda _s, _r, content: came.append(content))
        assert story["verdict"] == "arrived" and story["deleted"]
        assert server.commands[-6:] == ["STAT", "UIDL", "TOP 1 300", "RETR 1", "DELE 1", "QUIT"]
        assert "PASS secret" in server.commands                     # there is nothing better


def test_a_lock_that_goes_away_is_no_failure(password):
    came, tries = [], []

    def reply(command, _):
        if command.startswith("PASS") and len(tries) < 2:
            tries.append(command)
            return "-ERR [IN-USE] another session has it\r\n"
        return old_pop3(came[0] if came else b"", command)

    with Scripted(reply, b"+OK\r\n", pop3=True) as server:
        story = fetch(server, at_pop3(server, password), deliver=lambda _s, _r, content: came.append(content))
        assert story["verdict"] == "arrived" and len(tries) == 2


@pytest.mark.parametrize("answer, words", [
    (b"+OK " + b"x" * 100_000, "endless line"), (b"* OK\r\n", "no POP3"), (b"+OK many\r\n", "how many mails"), (b"-ERR \x1b]0;x\x07\r\n", "refused a command"),
])
def test_a_hostile_pop3_server(password, answer, words):
    with Scripted(lambda command, _: answer if command == "STAT" else old_pop3(b"", command), b"+OK\r\n", pop3=True) as server:
        story = fetch(server, at_pop3(server, password), "--window", "2s")
        assert story["failure"]["step"] == "select" and words in str(story["failure"]) and "\x1b" not in story["failure"]["reason"]


def test_what_was_found_but_could_not_be_deleted_was_found(password):
    came = []

    def reply(command, _):
        return "-ERR the disk is full\r\n" if command == "QUIT" else old_pop3(came[0] if came else b"", command)

    with Scripted(reply, b"+OK\r\n", pop3=True) as server:
        story = fetch(server, at_pop3(server, password), deliver=lambda _s, _r, content: came.append(content))
        assert story["verdict"] == "arrived" and not story["deleted"]


def test_a_password_is_not_said_to_a_server_that_takes_none_in_the_clear(password):
    def reply(command, tag):
        return f"* CAPABILITY IMAP4rev1 LOGINDISABLED\r\n{tag} OK\r\n" if command == "CAPABILITY" else f"{tag} NO\r\n"

    with Scripted(reply) as server:
        story = fetch(server, at(server, password))
        assert story["failure"]["step"] == "login"
        assert not [c for c in server.commands if "secret" in c or base64.b64encode(b"secret").decode()[:6] in c]
