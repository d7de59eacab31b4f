"""The command sequences of common monitors and of mail programs when they start, as they send them: every answer is OK, and says what they look for.

TOKEN stands for the token of the mail that arrived, U for its UID, N for its number. A tuple is a command and what its answer has to contain.
"""

import base64
import imaplib
import poplib
import re
import socket

import pytest

from mail_clients import arrive, login, truth


class Wire:
    """IMAP as it goes over the wire; every answer is taken apart down to its literals and parentheses."""

    def __init__(self, service):
        self.sock = socket.create_connection(("127.0.0.1", service.ports["imap"]), timeout=20)
        self.file = self.sock.makefile("rb")
        self.number = 0
        assert self.answer().startswith(b"* OK ")

    def answer(self) -> bytes:
        """One answer, with the literals in it."""
        whole = b""
        while True:
            line = self.file.readline()
            assert line.endswith(b"\r\n"), line
            whole += line
            literal = re.search(rb"\{(\d+)\}\r\n\Z", line)
            if literal is None:
                well_formed(whole)
                return whole
            whole += self.file.read(int(literal[1]))

    def say(self, command: str) -> bytes:
        """Tagged OK is what it has to end with; all that was answered."""
        self.number += 1
        tag = b"A%04d" % self.number
        self.sock.sendall(tag + b" " + command.encode() + b"\r\n")
        said = b""
        while not (line := self.answer()).startswith(tag + b" "):
            if line.startswith(b"+ ") and command == "IDLE":
                self.sock.sendall(b"DONE\r\n")
            said += line
        assert line.startswith(tag + b" OK "), (command, line)
        return said + line


def well_formed(answer: bytes) -> None:
    """Parentheses match outside of strings and literals, and nothing is left open (text behind a status is for people)."""
    if re.match(rb"\S+ (OK|NO|BAD|BYE|PREAUTH) ", answer) or answer.startswith(b"+"):
        return
    depth, at = 0, 0
    pieces = re.compile(rb'"(?:[^"\\\r\n]|\\["\\])*"|\{(\d+)\}\r\n|[()]|[^"{()]+|.', re.S)
    while at < len(answer):
        piece = pieces.match(answer, at)
        at = piece.end() + int(piece[1] or 0)
        depth += {b"(": 1, b")": -1}.get(piece[0], 0)
        assert depth >= 0 and piece[0] != b'"', answer
    assert depth == 0, answer


MONITORS = {
    # Mail::IMAPClient: selects, searches by each criterion given, reads, marks as deleted, expunges.
    "check_imap_receive": [
        "CAPABILITY", "LOGIN acme SECRET", "SELECT INBOX", ("SEARCH SUBJECT TOKEN", "* SEARCH N\r\n"), ("UID SEARCH SUBJECT TOKEN", "* SEARCH U\r\n"),
        ("UID FETCH U BODY[TEXT]", "hello TOKEN"), ("UID FETCH U RFC822.HEADER", "Subject: probe TOKEN"), "UID STORE U +FLAGS.SILENT (\\Deleted)",
        "EXPUNGE", ("SEARCH SUBJECT TOKEN", "* SEARCH\r\n"), "LOGOUT"],
    # The same with its -s options: several criteria, quoted, and header fields.
    "check_imap_receive by headers": [
        'LOGIN "acme" "SECRET"', 'SELECT "INBOX"', ('SEARCH NOT SEEN HEADER "Subject" "TOKEN" SENTBEFORE 1-Jan-2100', "* SEARCH"),
        ('UID SEARCH ALL HEADER "Message-ID" "TOKEN"', "* SEARCH U\r\n"), ("UID FETCH U (BODY.PEEK[HEADER])", "Message-ID: <TOKEN@"),
        ("FETCH N (UID)", "UID U"), "STORE N +FLAGS (\\Deleted)", "EXPUNGE", "LOGOUT"],
    # The receiver of check_email_delivery is check_imap_receive with --search-critical and --delete; then it looks once more.
    "check_email_delivery": [
        "LOGIN acme SECRET", "SELECT INBOX", "NOOP", ('SEARCH SUBJECT "TOKEN" NOT DELETED', "* SEARCH N\r\n"), ("FETCH N BODY[HEADER]", "TOKEN"),
        "STORE N +FLAGS (\\Deleted)", ("SEARCH DELETED", "* SEARCH N\r\n"), "EXPUNGE", ("SEARCH ALL", "* SEARCH"), "LOGOUT"],
    # imaplib: what is not deleted yet, whole; then marks and expunges.
    "Checkmk check_mail_loop": [
        "CAPABILITY", 'LOGIN acme "SECRET"', "SELECT INBOX", ("SEARCH NOT DELETED", " N "), ("FETCH N (RFC822)", "Subject: probe TOKEN"),
        ("STORE N +FLAGS \\Deleted", "\\Deleted"), "EXPUNGE", "CLOSE", "LOGOUT"],
    "Checkmk check_mail": [
        "CAPABILITY", 'LOGIN acme "SECRET"', "SELECT INBOX", ("SEARCH NOT DELETED", " N "), ("FETCH N (INTERNALDATE)", "INTERNALDATE"),
        ("FETCH N (RFC822)", "TOKEN"), "CREATE archive", "COPY N archive", "STORE N +FLAGS \\Deleted", "EXPUNGE", "CLOSE", "LOGOUT"],
    # Sensors that send a mail and look for it by its subject, newest first, with one header at a time.
    "PRTG round trip": [
        "CAPABILITY", "LOGIN acme SECRET", 'SELECT "INBOX"', ("STATUS INBOX (MESSAGES)", "MESSAGES"), ("UID SEARCH UNDELETED SUBJECT TOKEN", "U\r\n"),
        ("UID FETCH U (BODY.PEEK[HEADER])", "TOKEN"), "UID STORE U +FLAGS (\\Seen \\Deleted)", "EXPUNGE", "NOOP", "LOGOUT"],
    "PRTG IMAP sensor": [
        "LOGIN acme SECRET", "EXAMINE INBOX", ("FETCH 1:* (UID FLAGS RFC822.SIZE ENVELOPE)", "TOKEN"), ("FETCH N (BODY.PEEK[TEXT])", "hello TOKEN"), "LOGOUT"],
    "WhatsUp Gold mail monitor": [
        "LOGIN acme SECRET", "SELECT INBOX", ("SEARCH SUBJECT TOKEN", "N\r\n"), ("FETCH N RFC822.HEADER", "TOKEN"), ("FETCH N RFC822", "TOKEN"),
        "STORE N +FLAGS (\\Deleted)", "EXPUNGE", "LOGOUT"],
    "Zabbix script": [
        "CAPABILITY", 'LOGIN acme "SECRET"', "SELECT INBOX", ('SEARCH (UNSEEN SUBJECT "TOKEN")', "N\r\n"), ("FETCH N (BODY.PEEK[])", "TOKEN"),
        ("STATUS INBOX (MESSAGES UNSEEN)", "UNSEEN"), "STORE N +FLAGS (\\Deleted)", "EXPUNGE", "LOGOUT"],
    "liveness": ["CAPABILITY", "NOOP", "LOGOUT"],
    "liveness behind the login": ["LOGIN acme SECRET", ("STATUS INBOX (MESSAGES RECENT UNSEEN UIDNEXT UIDVALIDITY)", "MESSAGES"), "LOGOUT"],
    # Mail programs, as they start.
    "Thunderbird": [
        "CAPABILITY", "AUTHENTICATE PLAIN PLAINRESPONSE", "CAPABILITY", 'ID ("name" "Thunderbird" "version" "128.0")', "ENABLE CONDSTORE", "NAMESPACE",
        ('LIST (SUBSCRIBED) "" "*" RETURN (SPECIAL-USE)', "INBOX"), ('LIST "" "INBOX"', "INBOX"), ('LSUB "" "*"', "INBOX"),
        ('select "INBOX" (CONDSTORE)', "UIDVALIDITY"), ("UID fetch 1:* (FLAGS)", "FLAGS"),
        ("UID fetch U (UID RFC822.SIZE FLAGS BODY.PEEK[HEADER.FIELDS (From To Cc Bcc Subject Date Message-ID Priority X-Priority References Newsgroups "
         "In-Reply-To Content-Type Reply-To)])", "Subject: probe TOKEN"),
        ("UID fetch U (UID RFC822.SIZE BODY.PEEK[])", "hello TOKEN"), "IDLE", 'uid store U +FLAGS (\\Seen)', "noop", ("UID fetch 1:* (FLAGS)", "\\Seen"),
        ('getquotaroot "INBOX"', "QUOTAROOT"), 'STATUS "Unmatched" (UIDNEXT MESSAGES UNSEEN RECENT)', "close", "logout"],
    "Outlook": [
        "CAPABILITY", "LOGIN acme SECRET", 'ID ("name" "Microsoft Outlook" "version" "16.0")', "NAMESPACE", ('LIST "" ""', '"/"'), ('LIST "" "*"', "INBOX"),
        ('LSUB "" "*"', "INBOX"), ("SELECT INBOX", "EXISTS"), ("UID FETCH 1:* (UID FLAGS)", "UID U"),
        ("UID FETCH U (UID FLAGS RFC822.SIZE INTERNALDATE BODY.PEEK[HEADER])", "TOKEN"), ("UID FETCH U (BODY.PEEK[] UID FLAGS)", "TOKEN"),
        ("FETCH 1:* (UID FLAGS)", "FLAGS"), "IDLE", "UID STORE U +FLAGS.SILENT (\\Seen)", ("UID SEARCH 1:* NOT DELETED", " U"), "LOGOUT"],
    "Apple Mail": [
        "CAPABILITY", "AUTHENTICATE PLAIN PLAINRESPONSE", 'ID ("name" "Mac OS X Mail" "version" "16.0" "os" "Mac OS X" "vendor" "Apple Inc.")',
        'LIST "" ""', "NAMESPACE", ('LIST "" "%"', "INBOX"), ('LIST "" "*" RETURN (CHILDREN SPECIAL-USE)', "\\Junk"),
        ('STATUS INBOX (MESSAGES UIDNEXT UIDVALIDITY UNSEEN HIGHESTMODSEQ)', "HIGHESTMODSEQ"), ("SELECT INBOX (CONDSTORE)", "HIGHESTMODSEQ"),
        ("FETCH 1:* (FLAGS UID MODSEQ)", "MODSEQ"), ("UID SEARCH RETURN (ALL) 1:* NOT DELETED", "ESEARCH"),
        ("UID FETCH U (INTERNALDATE UID RFC822.SIZE FLAGS BODY.PEEK[HEADER.FIELDS (date subject from to cc message-id in-reply-to references content-type "
         "x-priority x-uniform-type-identifier x-universally-unique-identifier list-id list-unsubscribe)])", "TOKEN"),
        ("UID FETCH U (BODYSTRUCTURE BODY.PEEK[HEADER])", "BODYSTRUCTURE"), ("UID FETCH U BODY.PEEK[1]<0.16384>", "TOKEN"), "IDLE",
        "UID STORE U +FLAGS.SILENT (\\Seen $NotJunk)", "CHECK", "CLOSE", "LOGOUT"],
    "iOS Mail": [
        "CAPABILITY", 'LOGIN acme SECRET', 'ID ("name" "iPhone Mail" "version" "21A329" "os" "iOS" "os-version" "17.0")', ('LIST "" "*"', "INBOX"),
        ("SELECT INBOX", "EXISTS"), ("UID FETCH 1:* (UID FLAGS)", "UID U"),
        ("UID FETCH U (INTERNALDATE UID RFC822.SIZE FLAGS BODYSTRUCTURE BODY.PEEK[HEADER.FIELDS (date subject from to cc message-id)])", "TOKEN"),
        ("UID FETCH U (BODY.PEEK[HEADER] BODY.PEEK[TEXT])", "hello TOKEN"), "UID STORE U +FLAGS (\\Seen)", "IDLE", "LOGOUT"],
    "K-9 Mail": [
        "CAPABILITY", "AUTHENTICATE PLAIN PLAINRESPONSE", "CAPABILITY", "NAMESPACE", ('LIST "" "*" RETURN (SPECIAL-USE)', "\\Junk"), ('SELECT "INBOX"', "EXISTS"),
        ("UID SEARCH 1:* NOT DELETED", " U"), ("UID SEARCH 1:1 NOT DELETED", "SEARCH"), ("UID FETCH U (UID FLAGS)", "UID U"),
        ("UID FETCH U (UID FLAGS INTERNALDATE RFC822.SIZE BODYSTRUCTURE BODY.PEEK[HEADER.FIELDS (date subject from content-type to cc reply-to message-id "
         "references in-reply-to list-unsubscribe sender X-K9mail-Identity)])", "TOKEN"),
        ("UID FETCH U (UID BODY.PEEK[]<0.32768>)", "hello TOKEN"), "UID STORE U +FLAGS (\\Seen)", "IDLE", "UID STORE U +FLAGS (\\Deleted)",
        ("UID EXPUNGE U", "EXPUNGE"), "LOGOUT"],
}


@pytest.mark.parametrize("name", MONITORS)
def test_a_monitor_s_or_a_mail_program_s_commands(acme, name):
    arrive(acme)
    token, = arrive(acme)
    arrive(acme)
    secret = acme.acme["secret"]
    plain = base64.b64encode(b"\0acme\0" + secret.encode()).decode()
    words = {"TOKEN": token, "PLAINRESPONSE": plain, "SECRET": secret, "N": "2", "U": "2"}

    def filled(text):
        return re.sub(r"\b(TOKEN|PLAINRESPONSE|SECRET|N|U)\b", lambda word: words[word[0]], text)

    wire = Wire(acme)
    for step in MONITORS[name]:
        command, wanted = step if isinstance(step, tuple) else (step, "")
        said = wire.say(filled(command)).decode()
        assert filled(wanted) in said, (command, said)
    if any("EXPUNGE" in step for step in MONITORS[name]):
        assert 2 not in truth(acme)


# ---- Scripts with Python's own libraries -------------------------------------------------------------------------------------------

def test_a_script_with_imaplib(acme):
    token, other = arrive(acme, 2)
    client = imaplib.IMAP4("127.0.0.1", acme.ports["imap"], timeout=20)
    client.login("acme", acme.acme["secret"])
    assert client.select()[1] == [b"2"]
    assert client.search(None, "HEADER", "Message-ID", f"<{token}@sender.test>") == ("OK", [b"1"])
    assert client.search(None, f'(UNSEEN SUBJECT "{other}")') == ("OK", [b"2"])
    assert client.search(None, "FROM", '"a@sender.test"', "SINCE", "01-Jan-2020") == ("OK", [b"1 2"])
    assert token.encode() in client.fetch("1", "(BODY.PEEK[])")[1][0][1]
    assert client.search(None, "UNSEEN")[1] == [b"1 2"]
    assert token.encode() in client.fetch(b"1", "(RFC822)")[1][0][1]
    assert client.search(None, "UNSEEN")[1] == [b"2"]
    assert client.store("1", "+FLAGS", "\\Deleted")[0] == "OK"
    assert client.expunge() == ("OK", [b"1"])
    assert client.close()[0] == "OK" and client.logout()[0] == "BYE"


def test_a_script_with_poplib(acme):
    tokens = arrive(acme, 3)
    client = poplib.POP3("127.0.0.1", acme.ports["pop3"], timeout=20)
    client.user("acme")
    client.pass_(acme.acme["secret"])
    count, size = client.stat()
    assert count == 3 and size == sum(int(line.split()[1]) for line in client.list()[1])
    assert len({line.split()[1] for line in client.uidl()[1]}) == 3
    for number in range(count, 0, -1):                      # newest first
        if any(tokens[1].encode() in line for line in client.top(number, 0)[1]):
            assert any(line == b"hello " + tokens[1].encode() for line in client.retr(number)[1])
            client.dele(number)
    client.quit()
    assert len(truth(acme)) == 2 and login(acme).search(None, "SUBJECT", tokens[1])[1] == [b""]
