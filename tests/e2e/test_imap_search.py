"""SEARCH in the alphabets, dates and forms of answer that IMAP knows."""

import imaplib
import smtplib

import pytest

from service import DOMAIN

MAILS = {
    "koi8": b"Subject: =?koi8-r?b?+sHLwdo=?=\r\nDate: Mon, 5 Feb 2024 23:30:00 -0800\r\nContent-Type: text/plain; charset=koi8-r\r\n\r\n\xf0\xd2\xc9\xd7\xc5\xd4\r\n",
    "latin1": b"Subject: =?iso-8859-1?q?M=FCller?=\r\nDate: Tue, 6 Feb 2024 00:30:00 +1300\r\nContent-Type: text/plain; charset=iso-8859-1\r\n"
              b"Content-Transfer-Encoding: quoted-printable\r\n\r\nGr=FC=DFe\r\n",
    "japanese": b"Subject: =?iso-2022-jp?b?GyRCRnxLXBsoQg==?=\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain; charset=iso-2022-jp\r\n\r\n"
                b"\x1b$BF|K\\\x1b(B\r\n--b\r\nContent-Type: text/plain; charset=utf-16be\r\nContent-Transfer-Encoding: base64\r\n\r\nIKwA5Q==\r\n--b--\r\n",
}


@pytest.fixture
def client(service):
    """The mails in the order of MAILS are 1, 2 and 3."""
    mailbox = service.add_mailbox("acme")
    with smtplib.SMTP("127.0.0.1", service.smtp_port, timeout=20) as smtp:
        for mail in MAILS.values():
            smtp.sendmail("a@sender.test", [f"acme@{DOMAIN}"], b"From: a@sender.test\r\n" + mail)
    client = imaplib.IMAP4("127.0.0.1", service.ports["imap"], timeout=20)
    client.login("acme", mailbox["secret"])
    client.select("Unmatched")
    yield client
    client.logout()


def ask(client, command: bytes, literal: bytes = b"") -> list[str]:
    """All lines; the tagged one last, without its tag. literal: what stands in the place of "%"."""
    tag = client._new_tag()
    if literal:
        command = command.replace(b"%", b"{%d+}\r\n" % len(literal) + literal)
    client.send(tag + b" " + command + b"\r\n")
    lines = []
    while not lines or not lines[-1].startswith(tag.decode()):
        lines.append(client.readline().decode().strip())
    return [line.removeprefix(tag.decode() + " ").replace(tag.decode(), "TAG") for line in lines]


def found(client, command: bytes, literal: bytes = b"") -> str:
    lines = ask(client, command, literal)
    assert lines[-1].startswith("OK"), lines
    return lines[0]


@pytest.mark.parametrize(("charset", "key", "text", "numbers"), [
    ("utf-8", b"SUBJECT", "ЗАКАЗ", " 1"), ("utf-8", b"BODY", "привет", " 1"), ("koi8-r", b"TEXT", "привет", " 1"), ("windows-1251", b"SUBJECT", "заказ", " 1"),
    ("iso-8859-1", b"SUBJECT", "MÜLL", " 2"), ("utf-8", b"BODY", "grüße", " 2"), ("utf-16", b"BODY", "GRÜ", " 2"), ("utf-8", b"SUBJECT", "muller", ""),
    ("euc-jp", b"BODY", "日本", " 3"), ("shift_jis", b"SUBJECT", "日", " 3"), ("utf-8", b"BODY", "€Å", " 3"), ("utf-8", b"BODY", "日本€", ""),
])
def test_strings_are_found_in_whatever_charset_the_mail_is(client, charset, key, text, numbers):
    assert found(client, b"SEARCH CHARSET " + charset.encode() + b" " + key + b" %", text.encode(charset)) == "* SEARCH" + numbers


def test_an_unknown_charset_is_refused_with_those_that_are_known(client):
    answer = ask(client, b"SEARCH CHARSET x-odd ALL")[-1]
    assert answer.startswith("NO [BADCHARSET (US-ASCII UTF-8 ISO-8859-1 ") and "Shift_JIS" in answer
    assert ask(client, b"SORT (DATE) x-odd ALL")[-1].startswith("NO [BADCHARSET (")
    assert ask(client, b"THREAD REFERENCES x-odd ALL")[-1].startswith("NO [BADCHARSET (")


def test_the_day_of_the_date_field_counts_as_it_is_written(client):
    """In UTC mail 1 is of the 6th, and mail 2 of the 5th."""
    for key, numbers in {b"SENTON 5-Feb-2024": " 1", b"SENTON 6-Feb-2024": " 2", b"SENTBEFORE 6-Feb-2024": " 1", b"SENTSINCE 6-Feb-2024": " 2", b"SENTSINCE 5-Feb-2024": " 1 2",
                         b"SENTBEFORE 5-Feb-2024": "", b"SENTON 7-Feb-2024": "", b"NOT SENTSINCE 1-Jan-1960": " 3"}.items():
        assert found(client, b"SEARCH " + key) == "* SEARCH" + numbers, key


@pytest.mark.parametrize("command", [b"SEARCH SINCE 31-Feb-2024", b"SEARCH ON 1-Foo-2024", b"SEARCH", b"SEARCH (ALL", b"SEARCH " + b"(" * 5000, b"SEARCH " + b"ALL " * 5000 + b"ALL",
                                     b"SEARCH RETURN (MINMAX) ALL", b"SEARCH RETURN (MINALL) ALL", b"SEARCH 1:x", b"SORT () UTF-8 ALL", b"SORT (FROB) UTF-8 ALL",
                                     b"SORT (REVERSE) UTF-8 ALL", b"SORT (REVERSE REVERSE DATE) UTF-8 ALL", b"SORT (DATE) ALL", b"SORT DATE UTF-8 ALL", b"THREAD FROB UTF-8 ALL",
                                     b"THREAD REFERENCES UTF-8"])
def test_what_cannot_be_read_is_bad(client, command):
    assert ask(client, command)[-1].startswith("BAD")
    assert found(client, b"SEARCH ALL") == "* SEARCH 1 2 3"


def test_much_that_can_be_read_is_answered(client):
    assert found(client, b"SEARCH " + b"NOT " * 90 + b"ALL") == "* SEARCH 1 2 3"
    assert found(client, b"SEARCH " + b",".join(b"%d:*" % n for n in range(1, 5000))) == "* SEARCH 1 2 3"
    assert found(client, b"SORT (" + b"SIZE REVERSE DATE " * 1000 + b"SIZE) UTF-8 ALL") == found(client, b"SORT (SIZE REVERSE DATE) UTF-8 ALL")
    assert found(client, b"SEARCH SUBJECT %", b"a\0b") == "* SEARCH"


def test_the_answer_of_rev2_is_esearch(client):
    ask(client, b"ENABLE IMAP4rev2")
    assert found(client, b"SEARCH ALL") == '* ESEARCH (TAG "TAG") ALL 1:3'
    assert found(client, b"UID SEARCH SUBJECT nothing") == '* ESEARCH (TAG "TAG") UID'
    assert found(client, b"SEARCH RETURN (COUNT) ALL") == '* ESEARCH (TAG "TAG") COUNT 3'


def test_utf8_mode_knows_no_charset(client):
    ask(client, b"ENABLE UTF8=ACCEPT")
    assert ask(client, b"SEARCH CHARSET UTF-8 ALL")[-1].startswith("BAD")
    assert found(client, "SEARCH SUBJECT \"МЮ\"".encode()) == "* SEARCH"
    assert found(client, "SEARCH SUBJECT \"müller\"".encode()) == "* SEARCH 2"


def test_what_is_saved_is_what_the_answer_names(client):
    for returns, numbers in {b"SAVE": " 1 2 3", b"SAVE MIN": " 1", b"SAVE MAX": " 3", b"SAVE MIN MAX": " 1 3", b"SAVE MIN COUNT": " 1 2 3", b"SAVE ALL": " 1 2 3"}.items():
        assert ask(client, b"SEARCH RETURN (" + returns + b") ALL")[-1].startswith("OK")
        assert found(client, b"SEARCH $") == "* SEARCH" + numbers, returns
    assert ask(client, b"SEARCH RETURN (SAVE) FROB")[-1].startswith("BAD")
    assert found(client, b"SEARCH $") == "* SEARCH 1 2 3"
    assert ask(client, b"SEARCH RETURN (SAVE) CHARSET x-odd ALL")[-1].startswith("NO")
    assert found(client, b"SEARCH $") == "* SEARCH"
    assert ask(client, b"SORT RETURN (SAVE) (DATE) UTF-8 2:3")[-1].startswith("OK")
    assert found(client, b"UID SEARCH UID $") == "* SEARCH 2 3"
