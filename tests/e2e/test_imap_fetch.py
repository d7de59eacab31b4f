"""FETCH: decoded parts (BINARY), previews, threads, partials, long headers, and what is said when a message has gone or is damaged."""

import base64
import imaplib
import os
import quopri
import re
import smtplib

import pytest

from service import DOMAIN

OCTETS = bytes(range(256)) * 300
TEXT = "A line = of text, K\u00f6ln\r\n".encode() * 2000


def deliver(service, *messages: bytes) -> None:
    with smtplib.SMTP("127.0.0.1", service.smtp_port, timeout=20) as client:
        for message in messages:
            client.sendmail("a@sender.test", [f"acme@{DOMAIN}"], message, ["BODY=8BITMIME"])


def login(service):
    client = imaplib.IMAP4("127.0.0.1", service.ports["imap"], timeout=20)
    client.login("acme", service.acme["secret"])
    assert client.select("Unmatched")[0] == "OK"
    return client


def fetch(client, numbers, items: str):
    """Status and text of the tagged answer, and what came untagged."""
    status, text = client._simple_command("FETCH", str(numbers), items)
    return status, text[0], client.untagged_responses.pop("FETCH", [])


def part_of(client, item: str) -> tuple[bytes, bytes]:
    """What stands before the literal's octets, and these."""
    status, _, data = fetch(client, 1, item)
    assert status == "OK"
    return data[0]


def line_of(client, item: str) -> bytes:
    status, _, data = fetch(client, 1, item)
    assert status == "OK" and isinstance(data[0], bytes), data
    return data[0]


def multipart(*parts: tuple[str, bytes], kind: str = "mixed") -> bytes:
    return (f"Subject: parts\r\nFrom: a@b.test\r\nContent-Type: multipart/{kind}; boundary=b1\r\n\r\n".encode()
            + b"".join(b"--b1\r\n" + header.encode() + b"\r\n" + body + b"\r\n" for header, body in parts) + b"--b1--\r\n")


# ---- BINARY (RFC 3516) ----------------------------------------------------------------------------------------------------------------


PARTS = multipart(
    ("Content-Transfer-Encoding: base64\r\n", base64.encodebytes(OCTETS).replace(b"\n", b"\r\n")),
    ("Content-Transfer-Encoding: quoted-printable\r\n", quopri.encodestring(TEXT.replace(b"\r\n", b"\n")).replace(b"\n", b"\r\n")),
    ("", b"as it =3D is"),
    ("Content-Transfer-Encoding: x-own\r\n", b"nobody knows"),
    ("Content-Type: message/rfc822\r\n", b"Subject: inner\r\nContent-Transfer-Encoding: base64\r\n\r\naGVsbG8="),
    ("Content-Transfer-Encoding: base64\r\n", b""),
)


@pytest.mark.parametrize("part, octets", [
    ("1", OCTETS), ("2", TEXT), ("3", b"as it =3D is"), ("5", b"Subject: inner\r\nContent-Transfer-Encoding: base64\r\n\r\naGVsbG8="),
    ("5.1", b"hello"), ("6", b""),
], ids=["base64", "quoted-printable", "7bit", "message", "in the message", "empty"])
def test_a_part_is_sent_decoded_and_has_the_size_that_is_told(acme, part, octets):
    deliver(acme, PARTS)
    client = login(acme)
    literal8 = b"~" if b"\0" in octets else b""
    assert part_of(client, f"BINARY.PEEK[{part}]") == (b"1 (BINARY[%s] %s{%d}" % (part.encode(), literal8, len(octets)), octets)
    assert line_of(client, f"BINARY.SIZE[{part}]") == b"1 (BINARY.SIZE[%s] %d)" % (part.encode(), len(octets))
    for offset, count in (0, 1), (5, 70000), (max(0, len(octets) - 3), 100), (len(octets), 1), (10**12, 1):
        got = part_of(client, f"BINARY.PEEK[{part}]<{offset}.{count}>")
        wanted = octets[offset:offset + count]
        assert got[1] == wanted and got[0].startswith(b"1 (BINARY[%s]<%d> %s{" % (part.encode(), offset, b"~" if b"\0" in wanted else b""))


def test_the_message_itself_is_sent_as_it_is(acme):
    deliver(acme, PARTS)
    client = login(acme)
    whole = part_of(client, "BODY.PEEK[]")[1]
    assert part_of(client, "BINARY.PEEK[]")[1] == whole
    assert line_of(client, "BINARY.SIZE[]") == b"1 (BINARY.SIZE[] %d)" % len(whole)


def test_a_part_that_nobody_can_decode_is_told_of(acme):
    deliver(acme, PARTS)
    client = login(acme)
    for item in "BINARY.PEEK[4]", "BINARY.SIZE[4]":
        status, text, data = fetch(client, 1, item)
        assert status == "NO" and text.startswith(b"[UNKNOWN-CTE]") and data == [b"1 (UID 1)"]
    status, text, data = fetch(client, 1, "(BINARY.PEEK[4] UID BINARY.SIZE[4] BINARY.PEEK[3])")
    assert status == "NO" and data == [(b"1 (UID 1 BINARY[3] {12}", b"as it =3D is"), b")"]


def test_parts_that_are_not_there_and_seen(acme):
    deliver(acme, PARTS)
    client = login(acme)
    assert line_of(client, "(BINARY.PEEK[9] BINARY.SIZE[9] BINARY.PEEK[1.1])") == b"1 (BINARY[9] NIL BINARY.SIZE[9] 0 BINARY[1.1] NIL)"
    assert b"\\Seen" not in line_of(client, "FLAGS")
    assert part_of(client, "BINARY[3]")[1] == b"as it =3D is"
    assert b"\\Seen" in line_of(client, "FLAGS")


@pytest.mark.parametrize("item", ["BINARY[1.MIME]", "BINARY[HEADER]", "BINARY[1.]", "BINARY[0]", "BINARY[1", "BINARY.SIZE[1]<0.5>", "BINARY[1]<0.0>",
                                  "BINARY", "BODY[]<0.0>", "BODY[1]<5>", "BODY.PEEK[MIME]", "PREVIEW (FAST)", "PREVIEW (LAZY", "PREVIEW ()"])
def test_what_is_no_item_is_refused(acme, item):
    deliver(acme, b"Subject: x\r\n\r\nhello\r\n")
    client = login(acme)
    with pytest.raises(imaplib.IMAP4.error, match="BAD"):
        fetch(client, 1, item)


def test_octets_that_were_brought_in_as_they_are_come_back_so(acme):
    client = login(acme)
    mail = b"Subject: binary\r\nContent-Transfer-Encoding: binary\r\n\r\n" + OCTETS
    client.send(b"b APPEND INBOX ~{%d}\r\n" % len(mail))
    assert client.readline().startswith(b"+")
    client.send(mail + b"\r\n")
    assert client.readline().startswith(b"b OK")
    client.select("INBOX")
    assert part_of(client, "BINARY.PEEK[1]") == (b"1 (BINARY[1] ~{%d}" % len(OCTETS), OCTETS)
    assert line_of(client, "BINARY.SIZE[1]") == b"1 (BINARY.SIZE[1] %d)" % len(OCTETS)
    assert "BINARY" in client.capabilities or b"BINARY" in client.capability()[1][0]


# ---- PREVIEW (RFC 8970) -----------------------------------------------------------------------------------------------------------------


def test_previews(acme):
    deliver(acme, multipart(("Content-Type: text/html; charset=utf-8\r\n", "<h1>Gr\u00fc\u00dfe</h1><p>a &amp; b</p>".encode()),
                            ("Content-Type: text/plain\r\n", b"> old\r\n\r\nHello,\r\n   world."), kind="alternative"),
            b"Content-Type: text/html; charset=iso-8859-1\r\n\r\n<p>Gr\xfc\xdfe</p> &uuml;", b"Content-Type: image/png\r\n\r\nx\r\n")
    client = login(acme)
    assert fetch(client, "1:3", "PREVIEW")[2] == [b'1 (PREVIEW "Hello, world.")', (b"2 (PREVIEW {10}", "Gr\u00fc\u00dfe \u00fc".encode()), b")",
                                                   b'3 (PREVIEW "")']
    assert line_of(client, "(PREVIEW (LAZY) UID)") == b'1 (PREVIEW "Hello, world." UID 1)'
    assert line_of(client, "PREVIEW (CHANGEDSINCE 1)").startswith(b'1 (PREVIEW "Hello, world." MODSEQ (')
    assert b"\\Seen" not in line_of(client, "FLAGS")


# ---- THREADID (RFC 8474) ----------------------------------------------------------------------------------------------------------------


def test_answers_are_in_the_thread_of_what_they_answer(acme):
    deliver(acme, b"Message-ID: <one@b.test>\r\n\r\nx\r\n", b"Message-ID: <two@b.test>\r\nIn-Reply-To: <one@b.test>\r\n\r\nx\r\n",
            b"Message-ID: <three@b.test>\r\nReferences: <one@b.test>\r\n <two@b.test>\r\n\r\nx\r\n", b"Message-ID: <four@b.test>\r\n\r\nx\r\n")
    client = login(acme)
    threads = [re.fullmatch(rb"\d \(THREADID \((T[0-9a-f]{16})\)\)", line)[1] for line in fetch(client, "1:4", "THREADID")[2]]
    assert threads[0] == threads[1] == threads[2] != threads[3]


# ---- Headers ------------------------------------------------------------------------------------------------------------------------------


def test_a_field_behind_a_very_long_header_is_found(acme):
    long = b"".join(b"X-Long-%d: %s\r\n" % (n, b"y" * 900) for n in range(700))
    deliver(acme, long + b"Subject: behind\r\n folded\r\nSUBJECT: twice\r\nX-Last: 1\r\n\r\nSubject: body\r\n")
    client = login(acme)
    wanted = b"Subject: behind\r\n folded\r\nSUBJECT: twice\r\n\r\n"
    assert part_of(client, "BODY.PEEK[HEADER.FIELDS (SUBJECT)]")[1] == wanted
    assert part_of(client, "BODY.PEEK[HEADER.FIELDS (SUBJECT)]<3.20>")[1] == wanted[3:23]
    header = part_of(client, "BODY.PEEK[HEADER]")[1]
    left = part_of(client, "BODY.PEEK[HEADER.FIELDS.NOT (SUBJECT x-last)]")[1]
    assert left == header.replace(wanted[:-2] + b"X-Last: 1\r\n", b"") and left.endswith(b"\r\n\r\n") and long in left


# ---- Messages that have gone, or are damaged ---------------------------------------------------------------------------------------------


def test_a_message_that_has_gone_meanwhile_is_told_of(acme):
    deliver(acme, *(b"Subject: %d\r\n\r\nx\r\n" % n for n in range(3)))
    client, other = login(acme), login(acme)
    other.store("2", "+FLAGS", "\\Deleted")
    other.expunge()
    status, text, data = fetch(client, "1:3", "(UID)")
    assert (status, data) == ("OK", [b"1 (UID 1)", b"3 (UID 3)"]) and text.startswith(b"[EXPUNGEISSUED]")
    client.noop()
    assert fetch(client, "1:2", "(UID)") == ("OK", b"FETCH completed", [b"1 (UID 1)", b"2 (UID 3)"])


def test_a_damaged_entry_is_told_of_and_keeps_its_number(acme):
    deliver(acme, *(b"Subject: %d\r\n\r\nx\r\n" % n for n in range(3)))
    keyword = b"$" + os.urandom(12).hex().encode()
    login(acme).store("2", "+FLAGS", f"(\\Flagged {keyword.decode()})")
    with open(acme.scratch / "state" / "db" / "data.mdb", "r+b") as database:
        places = [match.start() for match in re.finditer(rb"\0\0\0\x04" + re.escape(keyword), database.read())]     # behind the entry's flags
        assert places
        for place in places:
            database.seek(place + 3)
            database.write(b"\x05")
    client = login(acme)
    assert client.untagged_responses["EXISTS"] == [b"3"]
    status, text, data = fetch(client, "1:3", "(UID)")
    assert (status, data) == ("NO", [b"1 (UID 1)", b"3 (UID 3)"]) and text.startswith(b"[CORRUPTION]")
    acme.wait_for_log(r"event=message-damaged .*uid=2")
    assert client._simple_command("STORE", "1:3", "+FLAGS.SILENT", "\\Deleted") == ("OK", [b"[MODIFIED 2] STORE completed"])
    assert client.expunge()[1] == [b"1", b"2"]
    assert fetch(client, "1", "(UID)")[0] == "NO"


@pytest.mark.parametrize("item", ["BODY[TEXT]", "BINARY[1]", "BINARY.SIZE[1]", "RFC822"])
def test_a_damaged_message_is_told_of_and_the_others_are_sent(acme, item):
    mark = base64.b64encode(os.urandom(30))
    deliver(acme, b"Subject: 1\r\n\r\none\r\n", b"Subject: 2\r\n\r\n" + mark + b"\r\n", b"Subject: 3\r\n\r\nthree\r\n")
    client = login(acme)
    with open(acme.scratch / "state" / "db" / "data.mdb", "r+b") as database:
        octets = database.read()
        places = [match.start() for match in re.finditer(re.escape(mark), octets)]
        assert places
        for place in places:
            database.seek(place)
            database.write(b"#")
    status, text, data = fetch(client, "1:3", f"(UID {item})")
    assert status == "NO" and text.startswith(b"[CORRUPTION]")
    lines = [one[0] if isinstance(one, tuple) else one for one in data]
    assert [line[:8] for line in lines if b"UID" in line and b"FLAGS" not in line] == [b"1 (UID 1", b"3 (UID 3"]
    acme.wait_for_log(r"event=message-damaged .*uid=2")
    assert fetch(client, "2", "(UID FLAGS)")[0] == "OK"
