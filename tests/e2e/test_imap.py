"""IMAP as mail programs and monitors use it."""

import contextlib
import email
import imaplib
import os
import re
import smtplib
import socket
import ssl
import subprocess

import pytest

from service import DOMAIN

UNCHECKED = ssl._create_unverified_context()
imaplib.Commands.update({"ENABLE": ("AUTH", "SELECTED"), "UNSELECT": ("SELECTED",), "ID": ("NONAUTH", "AUTH", "SELECTED")})


def deliver(service, message: bytes) -> None:
    with smtplib.SMTP("127.0.0.1", service.smtp_port, timeout=20) as client:
        client.sendmail("a@sender.test", [f"acme@{DOMAIN}"], message)


def probe(service, rest: bytes = b"\r\nhello\r\n", subject: str = "probe") -> tuple[str, bytes]:
    """A test mail that has arrived, and so is in INBOX: its token, its octets as sent. rest: behind From."""
    token = service.mint("acme")
    message = f"Subject: {subject} {token}\r\nFrom: Al <a@sender.test>\r\n".encode() + rest
    deliver(service, message)
    return token, message


def connect(service, tls: bool = False):
    if tls:
        return imaplib.IMAP4_SSL("127.0.0.1", service.ports["imaps"], ssl_context=UNCHECKED, timeout=20)
    return imaplib.IMAP4("127.0.0.1", service.ports["imap"], timeout=20)


def login(service, folder: str | None = "INBOX", tls: bool = False, user: str = "acme"):
    client = connect(service, tls)
    client.login(user, service.acme["secret"])
    if folder is not None:
        assert client.select(folder)[0] == "OK"
    return client


def whole(client, number, item: str = "BODY.PEEK[]") -> bytes:
    status, data = client.fetch(str(number), item)
    assert status == "OK"
    return data[0][1]


def line_of(client, number, items: str) -> bytes:
    """The answer without literals, as one line."""
    status, data = client.fetch(str(number), items)
    assert status == "OK" and isinstance(data[0], bytes), data
    return data[0]


def found(client, *criteria) -> list[int]:
    status, data = client.search(None, *criteria)
    assert status == "OK"
    return [int(number) for number in data[0].split()]


# ---- Logging in ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tls", [False, True], ids=["imap", "imaps"])
def test_login_and_select(acme, tls):
    client = connect(acme, tls)
    assert "IMAP4REV1" in client.capabilities
    assert client.login("acme", acme.acme["secret"])[0] == "OK"
    assert client.select("inbox") == ("OK", [b"0"])
    assert client.logout()[0] == "BYE"


def test_a_quoted_secret_and_a_literal_are_the_same(acme):
    client = connect(acme)
    client.send(b"x1 LOGIN {4}\r\n")
    assert client.readline() == b"+ go ahead\r\n"
    client.send(b"acme {%d+}\r\n%s\r\n" % (len(acme.acme["secret"]), acme.acme["secret"].encode()))
    assert client.readline().startswith(b"x1 OK ")


def test_a_wrong_login_is_refused(acme):
    for user, secret in ("acme", "wrong"), ("nobody", "wrong"), ("acme@elsewhere.test", acme.acme["secret"]):
        with pytest.raises(imaplib.IMAP4.error, match=r"\[AUTHENTICATIONFAILED\] wrong user or password"):
            connect(acme).login(user, secret)
    login(acme, user=f"ACME@{DOMAIN}").logout()
    assert acme.acme["secret"] not in acme.log


def test_authenticate_plain(acme):
    client = connect(acme)
    assert client.authenticate("PLAIN", lambda _: b"\0acme\0" + acme.acme["secret"].encode())[0] == "OK"


def test_starttls_throws_away_what_was_sent_in_plain(acme):
    with socket.create_connection(("127.0.0.1", acme.ports["imap"]), timeout=20) as plain:
        assert b"STARTTLS" in plain.recv(4096)
        plain.sendall(b"a STARTTLS\r\nb NOOP\r\n")
        assert plain.recv(4096) == b"a OK begin TLS now\r\n"
        with UNCHECKED.wrap_socket(plain) as client:
            client.sendall(b"c CAPABILITY\r\n")
            answer = client.recv(4096)
            assert b"AUTH=SCRAM-SHA-256-PLUS" in answer and b"STARTTLS" not in answer and b"b OK" not in answer


# ---- Folders ------------------------------------------------------------------------------------------------------------------


def test_the_folders(acme):
    deliver(acme, b"Subject: no token\r\n\r\nx\r\n")
    client = login(acme, None)
    assert sorted(client.list()[1]) == [b'(\\HasNoChildren \\Junk) "/" "Unmatched"', b'(\\HasNoChildren) "/" "INBOX"']
    assert client.list('""', "%matched")[1] == [b'(\\HasNoChildren \\Junk) "/" "Unmatched"']
    assert client.list('""', '""')[1] == [b'(\\Noselect) "/" ""']
    assert client.list("(SPECIAL-USE)", '"" "*"')[1] == [b'(\\HasNoChildren \\Junk) "/" "Unmatched"']
    assert client.list('""', "x*")[1] == [None]
    status = client.status("Unmatched", "(MESSAGES UIDNEXT UNSEEN UIDVALIDITY SIZE)")[1][0]
    assert re.fullmatch(rb'"Unmatched" \(MESSAGES 1 UIDNEXT 2 UIDVALIDITY \d+ UNSEEN 1 SIZE \d+\)', status)
    assert client.select("Unmatched") == ("OK", [b"1"])
    assert client.select("Elsewhere")[0] == "NO"
    assert client.namespace()[1] == [b'(("" "/")) NIL NIL']


def test_examine_changes_nothing(acme):
    probe(acme)
    client = login(acme, None)
    assert client.select("INBOX", readonly=True)[0] == "OK"
    whole(client, 1, "BODY[]")
    assert client.store("1", "+FLAGS.SILENT", "\\Deleted") == ("OK", [b"1 (FLAGS (\\Recent))"])
    assert client.uid("STORE", "1:*", "FLAGS", "(word)") == ("OK", [b"1 (UID 1 FLAGS (\\Recent))"])
    assert client.expunge()[0] == "NO"
    client.close()
    assert b"\\Seen" not in line_of(login(acme), 1, "FLAGS")


# ---- FETCH ---------------------------------------------------------------------------------------------------------------------


def test_mail_comes_back_byte_for_byte(acme):
    _, sent = probe(acme, b"\r\n" + b"".join(b"%05d %s\r\n" % (n, b"x" * 60) for n in range(5000)))
    client = login(acme)
    message = whole(client, 1)
    assert message.endswith(sent) and message.startswith(b"Return-Path: <a@sender.test>\r\n")
    assert line_of(client, 1, "RFC822.SIZE") == b"1 (RFC822.SIZE %d)" % len(message)
    assert whole(client, 1, "BODY.PEEK[]<10.100>") == message[10:110]
    assert whole(client, 1, f"BODY.PEEK[]<{len(message) - 5}.100>") == message[-5:]
    assert whole(client, 1, "RFC822.HEADER") + whole(client, 1, "RFC822.TEXT") == message
    assert whole(client, 1, "BODY.PEEK[1]") == sent.split(b"\r\n\r\n", 1)[1]


def test_fetching_a_body_sets_seen_and_tells(acme):
    probe(acme)
    client = login(acme)
    whole(client, 1)
    assert b"\\Seen" not in line_of(client, 1, "FLAGS")
    status, data = client.fetch("1", "BODY[]")
    assert status == "OK" and any(part == b"1 (FLAGS (\\Seen \\Recent))" for part in data)
    assert b"\\Seen" in line_of(client, 1, "FLAGS")


MULTIPART = b"""\
To: Bob <b@customer.test>, "C, D" <c.d@customer.test>, team: e@x.test, f@y.test;\r
Cc: (old) g@z.test (Gerald G)\r
Date: Sat, 21 Nov 2026 08:00:00 +0100\r
Message-ID: <one@sender.test>\r
In-Reply-To: <zero@sender.test>\r
MIME-Version: 1.0\r
Content-Type: multipart/mixed; boundary="b1"\r
\r
preamble\r
--b1\r
Content-Type: text/plain; charset=utf-8\r
Content-Transfer-Encoding: quoted-printable\r
\r
one =C3=A9\r
two\r
--b1\r
Content-Type: message/rfc822\r
Content-Disposition: attachment; filename="in \\"it\\".eml"\r
\r
Subject: inner\r
From: <i@inner.test>\r
Content-Type: multipart/alternative; boundary=b2\r
\r
--b2\r
Content-Type: text/plain\r
\r
plain\r
--b2\r
Content-Type: text/html\r
Content-ID: <html@inner.test>\r
\r
<b>html</b>\r
--b2--\r
\r
--b1--\r
"""


def test_envelope(acme):
    token, _ = probe(acme, MULTIPART)
    line = line_of(login(acme), 1, "ENVELOPE").decode()
    assert line == (f'1 (ENVELOPE ("Sat, 21 Nov 2026 08:00:00 +0100" "probe {token}" (("Al" NIL "a" "sender.test")) (("Al" NIL "a" "sender.test")) '
                    '(("Al" NIL "a" "sender.test")) (("Bob" NIL "b" "customer.test")("C, D" NIL "c.d" "customer.test")(NIL NIL "team" NIL)'
                    '(NIL NIL "e" "x.test")(NIL NIL "f" "y.test")(NIL NIL NIL NIL)) (("Gerald G" NIL "g" "z.test")) NIL "<zero@sender.test>" '
                    '"<one@sender.test>"))')


def test_bodystructure(acme):
    probe(acme, MULTIPART)
    client = login(acme)
    assert line_of(client, 1, "BODYSTRUCTURE").decode() == (
        '1 (BODYSTRUCTURE (("text" "plain" ("charset" "utf-8") NIL NIL "quoted-printable" 15 1 NIL NIL NIL NIL)'
        '("message" "rfc822" NIL NIL NIL "7bit" %d (NIL "inner" ((NIL NIL "i" "inner.test")) ((NIL NIL "i" "inner.test")) ((NIL NIL "i" "inner.test")) '
        'NIL NIL NIL NIL NIL) (("text" "plain" NIL NIL NIL "7bit" 5 0 NIL NIL NIL NIL)("text" "html" NIL "<html@inner.test>" NIL "7bit" 11 0 NIL NIL NIL NIL) '
        '"alternative" ("boundary" "b2") NIL NIL NIL) 14 NIL ("attachment" ("filename" "in \\"it\\".eml")) NIL NIL) "mixed" ("boundary" "b1") NIL NIL NIL))'
        % len(MULTIPART[MULTIPART.index(b"Subject: inner"):MULTIPART.index(b"\r\n--b1--")]))
    assert b"disposition" not in line_of(client, 1, "BODY").lower()


@pytest.mark.parametrize("section, octets", [
    ("1", b"one =C3=A9\r\ntwo"),
    ("1.MIME", b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"),
    ("2.HEADER", b"Subject: inner\r\nFrom: <i@inner.test>\r\nContent-Type: multipart/alternative; boundary=b2\r\n\r\n"),
    ("2.1", b"plain"),
    ("2.2", b"<b>html</b>"),
    ("2.2.MIME", b"Content-Type: text/html\r\nContent-ID: <html@inner.test>\r\n\r\n"),
    ("2.HEADER.FIELDS (from x-no)", b"From: <i@inner.test>\r\n\r\n"),
    ("HEADER.FIELDS (MESSAGE-ID)", b"Message-ID: <one@sender.test>\r\n\r\n"),
    ("2.1.2", None),
    ("3", None),
    ("1.HEADER", None),
])
def test_sections(acme, section, octets):
    probe(acme, MULTIPART)
    client = login(acme)
    status, data = client.fetch("1", f"BODY.PEEK[{section}]")
    assert status == "OK"
    if octets is None:
        assert data[0].endswith(b" NIL)")
    else:
        assert data[0][1] == octets


def test_header_fields_not(acme):
    probe(acme, MULTIPART)
    header = whole(login(acme), 1, "BODY.PEEK[HEADER.FIELDS.NOT (Received Return-Path Delivered-To)]")
    names = [line.split(b":")[0] for line in header.split(b"\r\n") if line[:1] not in (b"", b" ", b"\t")]
    assert names == [b"Subject", b"From", b"To", b"Cc", b"Date", b"Message-ID", b"In-Reply-To", b"MIME-Version", b"Content-Type"]


def test_several_items_of_several_messages(acme):
    tokens = [probe(acme, b"\r\n%s\r\n" % (b"y" * n))[0] for n in (10, 40000, 20)]
    client = login(acme)
    status, data = client.fetch("1:*", "(UID FLAGS INTERNALDATE BODY.PEEK[TEXT] RFC822.SIZE BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
    assert status == "OK"
    texts = [part[1] for part in data if isinstance(part, tuple)]
    assert texts[0::2] == [b"y" * n + b"\r\n" for n in (10, 40000, 20)]
    assert texts[1::2] == [f"Subject: probe {token}\r\n\r\n".encode() for token in tokens]
    assert [int(n) for n in re.findall(rb"UID (\d+)", b" ".join(p[0] if isinstance(p, tuple) else p for p in data))] == [1, 2, 3]
    assert client.uid("FETCH", "2:3", "(FLAGS)")[1] == [b"2 (UID 2 FLAGS (\\Recent))", b"3 (UID 3 FLAGS (\\Recent))"]


# ---- STORE and EXPUNGE -------------------------------------------------------------------------------------------------------------


def test_flags_and_keywords_persist(acme):
    probe(acme)
    client = login(acme)
    assert client.store("1", "+FLAGS", "(\\Flagged $Checked)")[1] == [b"1 (FLAGS (\\Flagged \\Recent $Checked))"]
    assert client.store("1", "-FLAGS", "\\Flagged")[1] == [b"1 (FLAGS (\\Recent $Checked))"]
    assert client.store("1", "+FLAGS.SILENT", "\\Seen")[1] == [None]
    acme.crash()
    acme.start()
    client = login(acme)
    assert line_of(client, 1, "FLAGS") == b"1 (FLAGS (\\Seen $Checked))"
    assert client.store("1", "FLAGS", "()")[1] == [b"1 (FLAGS ())"]


def test_expunge_moves_the_numbers(acme):
    for _ in range(5):
        probe(acme)
    client = login(acme)
    client.store("2,4", "+FLAGS.SILENT", "\\Deleted")
    assert client.expunge()[1] == [b"2", b"3"]
    assert client.uid("SEARCH", "ALL")[1] == [b"1 3 5"]
    client.store("1", "+FLAGS.SILENT", "\\Deleted")
    assert client.close()[0] == "OK"
    assert login(acme, None).select("INBOX")[1] == [b"2"]


def test_uid_expunge_takes_only_what_it_names(acme):
    for _ in range(3):
        probe(acme)
    client = login(acme)
    client.store("1:3", "+FLAGS.SILENT", "\\Deleted")
    assert client.uid("EXPUNGE", "2")[0] == "OK"
    assert client.uid("SEARCH", "ALL")[1] == [b"1 3"]


def test_a_deleted_mail_stays_an_arrival(acme):
    token, _ = probe(acme)
    client = login(acme)
    client.store("1", "+FLAGS", "\\Deleted")
    client.expunge()
    answer = acme.http("GET", f"/v1/mailboxes/acme/tokens/{token}").json()
    assert answer["verdict"] == "arrived" and len(answer["arrivals"]) == 1


def test_condstore(acme):
    probe(acme)
    probe(acme)
    client = login(acme)
    before = int(re.search(rb"MODSEQ \((\d+)\)", line_of(client, 2, "(MODSEQ)"))[1])
    client.store("1", "+FLAGS.SILENT", "\\Flagged")
    assert re.findall(rb"^(\d+) \(FLAGS", b"\n".join(client.fetch("1:*", f"(FLAGS) (CHANGEDSINCE {before})")[1]), re.M) == [b"1"]
    status, data = client.uid("STORE", "1:2", f"(UNCHANGEDSINCE {before})", "+FLAGS.SILENT", "\\Seen")
    assert status == "OK"
    assert b"\\Seen" not in line_of(client, 1, "FLAGS") and b"\\Seen" in line_of(client, 2, "FLAGS")
    assert client.search(None, "MODSEQ", str(before + 1))[1][0].startswith(b"1 2 (MODSEQ ")


# ---- SEARCH ------------------------------------------------------------------------------------------------------------------------


def test_search(acme):
    one, _ = probe(acme, b"To: b@customer.test\r\n\r\nneedle one\r\n")
    two, _ = probe(acme, b"To: c@customer.test\r\nContent-Transfer-Encoding: base64\r\n\r\nbmVlZGxlIHR3bw==\r\n", "=?utf-8?q?K=C3=B6ln?=")
    probe(acme, b"X-Big: yes\r\n\r\n" + b"z" * 5000 + b"\r\n")
    client = login(acme)
    client.store("2", "+FLAGS.SILENT", "(\\Flagged $Done)")
    for criteria, numbers in {
            ("ALL",): [1, 2, 3],
            ("SUBJECT", one): [1],
            ("SUBJECT", two.upper()): [2],
            ("BODY", '"needle"'): [1, 2],
            ("TEXT", '"customer.test"'): [1, 2],
            ("BODY", '"customer.test"'): [],
            ("HEADER", "X-Big", '""'): [3],
            ("TO", '"c@CUSTOMER"'): [2],
            ("FLAGGED",): [2],
            ("UNFLAGGED",): [1, 3],
            ("KEYWORD", "$done"): [2],
            ("UNKEYWORD", "$done"): [1, 3],
            ("LARGER", "4000"): [3],
            ("SMALLER", "4000"): [1, 2],
            ("NOT", "FLAGGED"): [1, 3],
            ("OR", "FLAGGED", "LARGER", "4000"): [2, 3],
            ("OR", "OR", "UID", "1", "FLAGGED", "LARGER", "4000"): [1, 2, 3],
            ("NOT", "(OR", "FLAGGED", "LARGER", "4000)"): [1],
            ("(FLAGGED", "KEYWORD", "$Done)", "2:3"): [2],
            ("UID", "2:*"): [2, 3],
            ("2,1:1,3:2",): [1, 2, 3],
            ("SINCE", "1-Jan-2020"): [1, 2, 3],
            ("BEFORE", "1-Jan-2020"): [],
            ("SENTSINCE", "1-Jan-2020"): [],
            ("YOUNGER", "3600"): [1, 2, 3],
            ("OLDER", "3600"): [],
            ("NEW",): [1, 2, 3],
            ("UNSEEN", "UNDELETED", "UNDRAFT", "UNANSWERED"): [1, 2, 3],
            ("SUBJECT", one, "SUBJECT", two): [],
    }.items():
        assert found(client, *criteria) == numbers, criteria
    client.literal = "Köln".encode()
    assert client.search("UTF-8", "SUBJECT")[1] == [b"2"]


def test_esearch_and_the_saved_result(acme):
    for _ in range(4):
        probe(acme)
    client = login(acme)
    client.store("1:3", "+FLAGS.SILENT", "\\Flagged")
    client._simple_command("SEARCH", "RETURN (MIN MAX COUNT ALL)", "FLAGGED")
    assert re.fullmatch(rb'\(TAG "\w+"\) MIN 1 MAX 3 COUNT 3 ALL 1:3', client.response("ESEARCH")[1][0])
    client._simple_command("SEARCH", "RETURN (SAVE)", "UNFLAGGED")
    assert [line.split()[0] for line in client.fetch("$", "(UID)")[1]] == [b"4"]


def test_a_foreign_charset_is_refused(acme):
    assert login(acme)._simple_command("SEARCH", "CHARSET", "X-UNKNOWN", "ALL")[0] == "NO"


# ---- Several sessions ----------------------------------------------------------------------------------------------------------------


def idle_line(client) -> bytes:
    return client.readline()


def test_idle_hears_of_an_arrival_and_a_deletion_at_once(acme):
    client, other = login(acme), login(acme)
    client.send(b"i1 IDLE\r\n")
    assert client.readline() == b"+ idling\r\n"
    probe(acme)
    assert idle_line(client) == b"* 1 EXISTS\r\n"
    assert idle_line(client) == b"* 1 RECENT\r\n"
    other.noop()
    other.store("1", "+FLAGS", "\\Flagged")
    assert idle_line(client) == b"* 1 FETCH (UID 1 FLAGS (\\Flagged \\Recent))\r\n"
    other.store("1", "+FLAGS", "\\Deleted")
    assert b"\\Deleted" in idle_line(client)
    other.expunge()
    assert idle_line(client) == b"* 1 EXPUNGE\r\n"
    client.send(b"DONE\r\n")
    assert client.readline() == b"i1 OK IDLE completed\r\n"


def test_numbers_do_not_move_during_a_fetch(acme):
    for _ in range(3):
        probe(acme)
    client, other = login(acme), login(acme)
    other.store("1", "+FLAGS.SILENT", "\\Deleted")
    other.expunge()
    status, data = client.fetch("2:3", "(UID)")
    assert status == "OK" and data == [b"2 (UID 2)", b"3 (UID 3)"]
    client.noop()
    assert client.response("EXPUNGE")[1] == [b"1"]
    assert client.fetch("1:2", "(UID)")[1] == [b"1 (UID 2)", b"2 (UID 3)"]


def test_what_happened_while_store_was_gone_is_told(acme):
    probe(acme)
    client = login(acme)
    acme.kill("store")
    acme.wait_for_log(r"role-ready role=store[^\n]*\n(.*\n)*.*role-ready role=store")
    acme.wait_for(lambda: acme.http("GET", "/readyz", key=None).status == 200, "it is ready again")
    probe(acme)
    client.noop()
    assert client.fetch("1:*", "(UID)")[1] == [b"1 (UID 1)", b"2 (UID 2)"]


# ---- Bad input ------------------------------------------------------------------------------------------------------------------------


def say(service, octets: bytes) -> list[bytes]:
    with socket.create_connection(("127.0.0.1", service.ports["imap"]), timeout=20) as client:
        client.sendall(octets)
        client.shutdown(socket.SHUT_WR)
        answer = b""
        while more := client.recv(65536):
            answer += more
    return answer.split(b"\r\n")


@pytest.mark.parametrize("octets, answer", [
    (b"a FROB\r\n", rb"a BAD unknown command.*"),
    (b"a\r\n", rb"a BAD .*"),
    (b"\r\n", rb"\* BAD .*"),
    (b"a SELECT inbox\r\n", rb"a BAD log in first"),
    (b"a LOGIN x\r\n", rb"a BAD \[CLIENTBUG\] an argument was expected"),
    (b'a LOGIN "x\r\n', rb"a BAD \[CLIENTBUG\] the end of a quoted string was expected"),
    (b"a LOGIN {18446744073709551616}\r\n", rb"a BAD .*"),
    (b"a LOGIN {100000000}\r\n", rb"a BAD \[TOOBIG\] .*"),
    (b"a APPEND INBOX {10+}\r\n0123456789\r\n", rb"a BAD log in first"),
    (b"a NOOP\0\r\n", rb"a BAD .*"),
    (b"a NOOP x\r\n", rb"a BAD .*"),
    (b"a AUTHENTICATE GSSAPI\r\n", rb"a NO \[CANNOT\] .*"),
    (b"a AUTHENTICATE PLAIN !!\r\n", rb"a BAD that is no base64"),
    (b"a ID (\"name\" NIL)\r\n", rb"\* ID .*"),
])
def test_before_the_login(acme, octets, answer):
    assert re.fullmatch(answer, say(acme, octets)[1])


@pytest.mark.parametrize("command, answer", [
    (b"FETCH 1", rb"x BAD .*"),
    (b"FETCH 1 (FLAGS", rb"x BAD .*"),
    (b"FETCH 0 FLAGS", rb"x BAD .*"),
    (b"FETCH 1:99999999999 FLAGS", rb"x BAD .*"),
    (b"FETCH 1 BODY[0]", rb"x BAD .*"),
    (b"FETCH 1 BODY[" + b"1." * 1000 + b"1]", rb"x BAD .*"),
    (b"FETCH 1 BODY[]<0.0>", rb"x BAD .*"),
    (b"FETCH 4294967295 FLAGS", rb"x BAD \[CLIENTBUG\] the mailbox has 1 messages"),
    (b"FETCH 2:1 FLAGS", rb"x BAD .*"),
    (b"UID FETCH 999:* (FLAGS)", rb"\* 1 FETCH \(UID 1 FLAGS \(\\Recent\)\)"),
    (b"UID FETCH 999 (FLAGS)", rb"x OK .*"),
    (b"FETCH 1 BODY[1.]", rb"x BAD .*"),
    (b"FETCH 1 BODY[1HEADER]", rb"x BAD .*"),
    (b"FETCH 1 body.peek[header.fields ({4+}\r\nX-Y:)]", rb"\* 1 FETCH \(BODY\[HEADER.FIELDS \(X-Y:\)\] \{2\}"),
    (b"SEARCH " + b" ".join([b"1"] * 1001), rb"x BAD .*"),
    (b"FETCH " + b",".join([b"1"] * 9000) + b" FLAGS", rb"x BAD \[LIMIT\] .*"),
    (b"SEARCH " + b"(" * 20000 + b"ALL" + b")" * 20000, rb"x BAD .*"),
    (b"SEARCH " + b"NOT " * 5000 + b"ALL", rb"x BAD .*"),
    (b"SEARCH " + b"ALL " * 5000 + b"ALL", rb"x BAD .*"),
    (b"SEARCH ()", rb"x BAD .*"),
    (b"SEARCH OR ALL", rb"x BAD .*"),
    (b"SEARCH SUBJECT " + b"x" * 2000, rb"x BAD .*"),
    (b"LIST \"\" " + b"*%" * 10000 + b"zz", rb"x OK .*"),
    (b"LIST \"\" ../*", rb"x OK .*"),
    (b"STATUS \"..\\\\..\" (MESSAGES)", rb"x NO .*"),
    (b"STATUS &AGE (MESSAGES)", rb"x BAD .*"),
    (b"STATUS INBOX (FROB)", rb"x BAD .*"),
    (b"STORE 1 FLAGS (\\Frob)", rb"x BAD .*"),
    (b"STORE 1 FLAGS (" + b" ".join(b"k%d" % n for n in range(1000)) + b")", rb"x BAD .*"),
    (b"ENABLE FROB", rb"\* ENABLED"),
    (b"x" * 70000, rb"\* BYE \[TOOBIG\] .*"),
], ids=lambda value: value[:24].decode("ascii", "replace"))
def test_behind_the_login(acme, command, answer):
    probe(acme)
    said = say(acme, b"l LOGIN acme " + acme.acme["secret"].encode() + b"\r\ns SELECT INBOX\r\nx " + command + b"\r\n")
    start = next(i for i, line in enumerate(said) if line.startswith(b"s OK"))
    assert re.fullmatch(answer, said[start + 1]), said[start + 1:]
    assert acme.metric("mailtest_role_restarts_total") == 0


def test_a_client_that_does_not_read_costs_little_memory(acme):
    probe(acme, b"\r\n" + (b"x" * 998 + b"\r\n") * 20000)
    clients = []
    for _ in range(5):
        client = socket.create_connection(("127.0.0.1", acme.ports["imap"]), timeout=20)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.sendall(b"l LOGIN acme " + acme.acme["secret"].encode() + b"\r\ns SELECT INBOX\r\n" + b"f FETCH 1 BODY[]\r\n" * 50)
        clients.append(client)
    login(acme).logout()
    for pid in acme.role_pids("imapd"):
        with open(f"/proc/{pid}/status", encoding="ascii") as status:
            assert int(re.search(r"RssAnon:\s+(\d+)", status.read())[1]) < 40000
    for client in clients:
        client.close()


def test_the_rest_of_a_command_behind_a_refused_literal_is_no_command(acme):
    probe(acme)
    said = say(acme, b"l LOGIN acme " + acme.acme["secret"].encode() + b"\r\ns SELECT INBOX\r\n"
               b"b SEARCH TEXT {5000+}\r\n" + b"x" * 5000 + b"x1 STORE 1 +FLAGS (zz) {5+}\r\nabcdex2 STORE 1 +FLAGS (zz)\r\nn NOOP\r\n")
    answers = [line for line in said if line and not line.startswith(b"*")]
    assert [line.split()[:2] for line in answers] == [[b"l", b"OK"], [b"s", b"OK"], [b"b", b"BAD"], [b"n", b"OK"]]
    assert b"zz" not in line_of(login(acme), 1, "FLAGS")


def test_a_long_search_keeps_nobody_waiting(make_service):
    service = make_service(processes={"imapd": 1})
    service.acme = service.add_mailbox("acme")
    for _ in range(4):
        probe(service, b"\r\n" + (b"aab" * 300 + b"\r\n") * 4000)
    searching = login(service)
    keys = " ".join(f'NOT BODY "{"a" * 200}b{n}"' for n in range(40))
    searching.send(b"s1 SEARCH " + keys.encode() + b"\r\n")
    login(service).logout()                         # it is served while the other's search goes on
    searching.sock.setblocking(False)
    with pytest.raises(BlockingIOError):
        searching.sock.recv(1)
    searching.sock.setblocking(True)
    assert searching.readline() == b"* SEARCH 1 2 3 4\r\n"


def test_a_client_that_never_reads_is_cut_off(make_service):
    service = make_service(access={"stalled_timeout_ms": 300})
    service.acme = service.add_mailbox("acme")
    with socket.create_connection(("127.0.0.1", service.ports["imap"]), timeout=20) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(0.5)
        with contextlib.suppress(OSError):          # until neither of the two takes more
            client.sendall(b"l LOGIN acme " + service.acme["secret"].encode() + b"\r\n" + b"x CAPABILITY\r\n" * 1000000)
        service.wait_for_log(r'event=timeout client=127.0.0.1 limit="reading its answer"')


# ---- Real programs --------------------------------------------------------------------------------------------------------------------


def test_curl_searches_and_fetches(acme):
    token, sent = probe(acme)
    url = f"imap://127.0.0.1:{acme.ports['imap']}/INBOX"
    user = f"acme:{acme.acme['secret']}"
    done = subprocess.run(["curl", "-sS", "--user", user, f"{url}?SUBJECT%20{token}"], capture_output=True, check=True, timeout=60)
    assert done.stdout.split() == [b"*", b"SEARCH", b"1"]
    done = subprocess.run(["curl", "-sS", "--user", user, f"{url};UID=1"], capture_output=True, check=True, timeout=60)
    assert done.stdout.endswith(sent)


def test_fetchmail_fetches_by_imap(acme, tmp_path):
    for _ in range(3):
        probe(acme)
    configuration = tmp_path / "fetchmailrc"
    configuration.write_text(f'poll 127.0.0.1 service {acme.ports["imap"]} protocol imap user "acme" password "{acme.acme["secret"]}" '
                             f'sslproto "" no keep mda "cat >> {tmp_path}/mail"\n')
    configuration.chmod(0o600)
    done = subprocess.run(["fetchmail", "-f", configuration, "--nosyslog", "-i", tmp_path / "ids", "--pidfile", tmp_path / "pid"],
                          capture_output=True, text=True, timeout=60, check=False, env={**os.environ, "FETCHMAILHOME": str(tmp_path)})
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "mail").read_text().count("Subject: probe mt1") == 3
    assert login(acme, None).select("INBOX")[1] == [b"0"]


def test_envelopes_agree_with_the_mail_itself(acme):
    _, sent = probe(acme, MULTIPART)
    parsed = email.message_from_bytes(sent)
    envelope = line_of(login(acme), 1, "ENVELOPE").decode()
    for name in "Subject", "Date", "Message-ID", "In-Reply-To":
        assert f'"{parsed[name]}"' in envelope
