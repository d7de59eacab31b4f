"""IMAP4rev2 (RFC 9051), LIST-EXTENDED (RFC 5258), UTF8=ACCEPT (RFC 6855), and what an IMAP4rev1 client hears beside them."""

import re
import smtplib
import socket

import pytest

from service import DOMAIN


class Client:
    """One command after the other, as they are; answers as octets."""

    def __init__(self, service, *enable: bytes):
        self.socket = socket.create_connection(("127.0.0.1", service.ports["imap"]), timeout=20)
        self.lines = self.socket.makefile("rb")
        self.number = 0
        self.lines.readline()
        assert self.say(b"LOGIN acme " + service.acme["secret"].encode())[0].startswith(b"OK")
        if enable:
            answer, untagged = self.say(b"ENABLE " + b" ".join(enable))
            assert answer.startswith(b"OK") and untagged == [b"* ENABLED " + b" ".join(enable)]

    def say(self, command: bytes) -> tuple[bytes, list[bytes]]:
        """The tagged answer without its tag, and the untagged ones before."""
        self.number += 1
        tag = b"t%d " % self.number
        self.socket.sendall(tag + command + b"\r\n")
        untagged = []
        while not (line := self.line()).startswith(tag):
            untagged.append(line)
        return line[len(tag):], untagged

    def line(self) -> bytes:
        line = self.lines.readline()
        assert line.endswith(b"\r\n"), "the connection ended"
        return line[:-2]

    def list(self, command: bytes) -> list[bytes]:
        answer, untagged = self.say(command)
        assert answer.startswith(b"OK"), answer
        assert all(line.startswith((b"* LIST ", b"* LSUB ", b"* STATUS ")) for line in untagged), untagged
        return [line[2:] for line in untagged]


def arrive(service, count: int = 1) -> None:
    with smtplib.SMTP("127.0.0.1", service.smtp_port, timeout=20) as smtp:
        for number in range(count):
            smtp.sendmail("a@sender.test", [f"acme@{DOMAIN}"], f"Subject: {number} {service.mint('acme')}\r\n\r\nhello\r\n".encode())


# ---- ENABLE, and what it changes ------------------------------------------------------------------------------------------------


def test_the_words_are_announced(acme):
    words = Client(acme).say(b"CAPABILITY")[1][0].split()
    assert {b"IMAP4rev1", b"IMAP4rev2", b"LIST-EXTENDED", b"LIST-STATUS", b"SPECIAL-USE", b"CHILDREN", b"UTF8=ACCEPT", b"ENABLE"} <= set(words)


def test_enable_tells_what_it_enabled(acme):
    client = Client(acme)
    assert client.say(b"ENABLE FROB imap4REV2 utf8=accept")[1] == [b"* ENABLED IMAP4rev2 UTF8=ACCEPT"]
    assert client.say(b"ENABLE UTF8=ONLY")[1] == [b"* ENABLED"]
    assert client.say(b"ENABLE")[0].startswith(b"BAD")


def test_select_as_each_version_wants_it(acme):
    arrive(acme, 2)
    answer, old = Client(acme).say(b"SELECT inbox")
    assert answer.startswith(b"OK [READ-WRITE]")
    assert b"* 2 EXISTS" in old and any(line.endswith(b" RECENT") for line in old) and any(b"[UNSEEN 1]" in line for line in old)
    assert not any(line.startswith(b"* LIST") for line in old)

    client = Client(acme, b"IMAP4rev2")
    answer, new = client.say(b"SELECT INBOX")
    assert answer.startswith(b"OK [READ-WRITE]")
    assert b"* 2 EXISTS" in new and b'* LIST (\\Subscribed \\HasNoChildren) "/" "INBOX"' in new
    assert not any(b"RECENT" in line or b"UNSEEN" in line for line in new)
    assert any(b"[UIDVALIDITY " in line for line in new) and any(b"[UIDNEXT 3]" in line for line in new)
    assert not any(b"\\Recent" in line for line in new + client.say(b"FETCH 1:* (FLAGS UID)")[1])

    answer, again = client.say(b"EXAMINE inbox")
    assert answer.startswith(b"OK [READ-ONLY]") and again[0].startswith(b"* OK [CLOSED]")
    assert b'* LIST (\\Subscribed \\HasNoChildren) "/" "INBOX" ("OLDNAME" ("inbox"))' in again
    assert client.say(b"SELECT nowhere")[0].startswith(b"NO [NONEXISTENT]")
    assert client.say(b"FETCH 1 UID")[0].startswith(b"BAD")         # a SELECT that fails leaves nothing selected


def test_a_search_is_answered_as_each_version_wants_it(acme):
    arrive(acme, 2)
    old, new = Client(acme), Client(acme, b"IMAP4rev2")
    for client in old, new:
        client.say(b"SELECT INBOX")
    assert old.say(b"SEARCH ALL")[1] == [b"* SEARCH 1 2"]
    assert old.say(b"SEARCH RETURN () ALL")[1] == [b'* ESEARCH (TAG "t4") ALL 1:2']
    assert new.say(b"SEARCH ALL")[1] == [b'* ESEARCH (TAG "t4") ALL 1:2']
    assert new.say(b"UID SEARCH UID 2")[1] == [b'* ESEARCH (TAG "t5") UID ALL 2']
    assert new.say(b"SEARCH DELETED")[1] == [b'* ESEARCH (TAG "t6")']
    assert new.say("SEARCH CHARSET UTF-8 SUBJECT \"ü\"".encode())[0].startswith(b"OK")
    assert new.say("SEARCH SUBJECT \"ü\"".encode())[0].startswith(b"OK")


def test_after_utf8_accept_a_search_names_no_charset(acme):
    client = Client(acme, b"UTF8=ACCEPT")
    client.say(b"SELECT INBOX")
    assert client.say(b"SEARCH CHARSET UTF-8 ALL")[0].startswith(b"BAD")
    assert client.say("SEARCH SUBJECT \"ü\"".encode())[0].startswith(b"OK")


# ---- Names ------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("extension", [b"IMAP4rev2", b"UTF8=ACCEPT"])
def test_names_go_in_utf_8_once_it_is_enabled(acme, extension):
    old, new = Client(acme), Client(acme, extension)
    assert new.say('CREATE "Gelöscht/R&D/&AOQ-"'.encode())[0].startswith(b"OK")
    assert new.list('LIST "Gel" "ö*/%"'.encode()) == ['LIST (\\HasChildren) "/" "Gelöscht/R&D"'.encode(),
                                                      'LIST (\\HasNoChildren) "/" "Gelöscht/R&D/&AOQ-"'.encode()]
    assert old.list(b'LIST "" "Gel&APY-%"') == [b'LIST (\\HasChildren) "/" "Gel&APY-scht"']
    assert old.list(b'LIST "" "Gel&APY-scht/R&-D/&-AOQ-"') == [b'LIST (\\HasNoChildren) "/" "Gel&APY-scht/R&-D/&-AOQ-"']
    assert old.list(b'LIST "" "&APY"') == []                                    # no name can be that, which is no error
    assert new.say('STATUS "Gelöscht/R&D" (MESSAGES)'.encode())[1] == ['* STATUS "Gelöscht/R&D" (MESSAGES 0)'.encode()]
    assert old.say(b'STATUS "Gel&APY-scht/R&-D" (MESSAGES)')[1] == [b'* STATUS "Gel&APY-scht/R&-D" (MESSAGES 0)']
    assert new.say('GETQUOTAROOT "Gelöscht"'.encode())[1][0] == '* QUOTAROOT "Gelöscht" ""'.encode()
    assert new.say('SELECT "Gelöscht"'.encode())[0].startswith(b"OK")
    assert new.say('DELETE {19+}\r\nGelöscht/R&D/&AOQ-'.encode())[0].startswith(b"OK")


@pytest.mark.parametrize("name", [b'"a\xff"', b'"\xc3"', b'"\xed\xa0\x80"', b'"a\xc2\x85"', b'"a\xe2\x80\xa8"', b'{3+}\r\na\0b', b'"../x"', b'"a\x01"', b'"a/\x7f"'])
def test_a_name_that_is_none_in_utf_8(acme, name):
    client = Client(acme, b"UTF8=ACCEPT")
    assert client.say(b"CREATE " + name)[0].startswith((b"BAD", b"NO"))
    assert len(client.list(b'LIST "" *')) == 2


def test_a_quoted_string_has_to_be_utf_8_once_that_is_enabled(acme):
    client = Client(acme, b"UTF8=ACCEPT")
    client.say(b"SELECT INBOX")
    assert client.say(b'SEARCH SUBJECT "\xff"')[0].startswith(b"BAD")


def test_a_name_that_is_kept_otherwise_is_told(acme):
    old, new = Client(acme), Client(acme, b"IMAP4rev2")
    assert old.say(b"CREATE inbox/one")[1] == []
    assert new.say(b"CREATE inbox/two/")[1] == [b'* LIST (\\Subscribed \\HasNoChildren) "/" "INBOX/two" ("OLDNAME" ("inbox/two/"))']
    assert new.say(b"CREATE three/")[1] == []
    assert new.say(b"RENAME Inbox/two INBOX/four")[1] == [b'* LIST (\\Subscribed \\HasNoChildren) "/" "INBOX/four" ("OLDNAME" ("Inbox/two"))']
    assert new.say(b"RENAME three five")[1] == []
    assert new.say(b"DELETE inbox/four")[0].startswith(b"OK")
    assert new.list(b'LIST "" inbox/%') == [b'LIST (\\HasNoChildren) "/" "INBOX/one"']


# ---- LIST -------------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def fruit(acme):
    """As in the examples of RFC 9051 section 6.3.9.8."""
    client = Client(acme)
    for name in b"Fruit/Apple", b"Fruit/Banana", b"Fruit/Peach", b"Tofu", b"Vegetable/Broccoli", b"Vegetable/Corn":
        assert client.say(b"CREATE " + name)[0].startswith(b"OK")
    for name in b"Fruit", b"Fruit/Apple", b"Tofu", b"Vegetable/Corn", b"Unmatched":
        assert client.say(b"UNSUBSCRIBE " + name)[0].startswith(b"OK")
    assert client.say(b"DELETE Fruit/Peach")[0].startswith(b"OK")
    return client


@pytest.mark.parametrize("command, answers", [
    (b'LIST "" %', [b'(\\HasNoChildren) "/" "INBOX"', b'(\\HasNoChildren \\Junk) "/" "Unmatched"', b'(\\HasChildren) "/" "Fruit"',
                    b'(\\HasNoChildren) "/" "Tofu"', b'(\\HasChildren) "/" "Vegetable"']),
    (b'LIST () "" % RETURN (CHILDREN)', [b'(\\HasNoChildren) "/" "INBOX"', b'(\\HasNoChildren \\Junk) "/" "Unmatched"', b'(\\HasChildren) "/" "Fruit"',
                                         b'(\\HasNoChildren) "/" "Tofu"', b'(\\HasChildren) "/" "Vegetable"']),
    (b'LIST (SUBSCRIBED) "" *', [b'(\\Subscribed \\HasNoChildren) "/" "INBOX"', b'(\\Subscribed \\HasNoChildren) "/" "Fruit/Banana"',
                                 b'(\\Subscribed \\HasChildren) "/" "Vegetable"', b'(\\Subscribed \\HasNoChildren) "/" "Vegetable/Broccoli"',
                                 b'(\\Subscribed \\NonExistent \\HasNoChildren) "/" "Fruit/Peach"']),
    (b'LIST (REMOTE) "" T* RETURN (SUBSCRIBED)', [b'(\\HasNoChildren) "/" "Tofu"']),
    (b'LIST (RECURSIVEMATCH SUBSCRIBED REMOTE) "" %', [b'(\\Subscribed \\HasNoChildren) "/" "INBOX"', b'(\\HasChildren) "/" "Fruit" ("CHILDINFO" ("SUBSCRIBED"))',
                                                      b'(\\Subscribed \\HasChildren) "/" "Vegetable" ("CHILDINFO" ("SUBSCRIBED"))']),
    (b'LIST (SPECIAL-USE) "" *', [b'(\\HasNoChildren \\Junk) "/" "Unmatched"']),
    (b'LIST (SUBSCRIBED SPECIAL-USE) "" *', []),
    (b'LIST "" (Tofu "Fruit/%" INBOX "")', [b'(\\HasNoChildren) "/" "INBOX"', b'(\\HasNoChildren) "/" "Fruit/Apple"', b'(\\HasNoChildren) "/" "Fruit/Banana"',
                                            b'(\\HasNoChildren) "/" "Tofu"']),
    (b'LIST "Fruit/" A% RETURN (STATUS (MESSAGES UIDNEXT))', [b'(\\HasNoChildren) "/" "Fruit/Apple"']),
    (b'LIST "" ""', [b'(\\Noselect) "/" ""']),
    (b'LIST () "" ""', []),
    (b'LSUB "" %', [b'(\\HasNoChildren) "/" "INBOX"', b'(\\Noselect \\HasChildren) "/" "Fruit"', b'(\\HasChildren) "/" "Vegetable"']),
    (b'LSUB "Fruit/" *', [b'(\\HasNoChildren) "/" "Fruit/Banana"', b'(\\Noselect \\HasNoChildren) "/" "Fruit/Peach"']),
    (b'LIST "" ' + b"*%" * 15000 + b"q", []),
    (b'LIST "" ' + b"%a" * 15000, []),
])
def test_list(fruit, command, answers):
    got = fruit.list(command)
    assert [line.split(b" ", 1)[1] for line in got if not line.startswith(b"STATUS")] == answers
    assert [line for line in got if line.startswith(b"STATUS")] == ([b'STATUS "Fruit/Apple" (MESSAGES 0 UIDNEXT 1)'] if b"STATUS" in command else [])


@pytest.mark.parametrize("command", [
    b'LIST (RECURSIVEMATCH) "" *', b'LIST (RECURSIVEMATCH REMOTE) "" *', b'LIST (FROB) "" *', b'LIST "" * RETURN (FROB)', b'LIST "" * RETURN (STATUS (FROB))',
    b'LIST "" * RETURN (STATUS)', b'LIST "" * RETURN CHILDREN', b'LIST "" ()', b'LIST "" (a b', b'LIST (SUBSCRIBED "" *', b'LIST "" (' + b"a " * 17 + b"a)",
    b"LIST " + b"(" * 50000 + b'SUBSCRIBED) "" *', b'LIST "" ' + b"(" * 50000, b'LIST "" * RETURN ' + b"(" * 50000, b'LIST "" * RETURN (STATUS ' + b"(" * 50000,
    b'LIST "" "a\0b"', b"LIST", b'LIST ""', b'LSUB (SUBSCRIBED) "" *', b'LSUB "" (a)',
], ids=lambda value: value[:30].decode("ascii", "replace"))
def test_a_list_that_is_none(fruit, command):
    answer, untagged = fruit.say(command)
    assert answer.startswith(b"BAD") and untagged == []
    assert len(fruit.list(b'LIST "" %')) == 5


def test_list_status_tells_only_of_what_can_be_selected(fruit):
    got = fruit.list(b'LIST (SUBSCRIBED RECURSIVEMATCH) "" (% Fruit/Peach) RETURN (STATUS (MESSAGES SIZE))')
    assert [line.split(b'"')[1] for line in got if line.startswith(b"STATUS")] == [b"INBOX", b"Vegetable"]
    assert b'LIST (\\HasChildren) "/" "Fruit" ("CHILDINFO" ("SUBSCRIBED"))' in got
    assert b'LIST (\\Subscribed \\NonExistent \\HasNoChildren) "/" "Fruit/Peach"' in got


# ---- Subscriptions ------------------------------------------------------------------------------------------------------------------


def test_a_subscription_outlives_its_folder(fruit, acme):
    assert fruit.say(b"SUBSCRIBE Fruit/Peach")[0].startswith(b"OK")            # it is subscribed to already
    assert fruit.say(b"SUBSCRIBE Fruit/Plum")[0].startswith(b"NO [NONEXISTENT]")
    assert fruit.say(b"UNSUBSCRIBE Fruit/Plum")[0].startswith(b"OK")
    assert fruit.say(b"RENAME Vegetable Greens")[0].startswith(b"OK")
    assert fruit.list(b'LIST (SUBSCRIBED) "" (V* G*)') == [
        b'LIST (\\Subscribed \\HasChildren) "/" "Greens"', b'LIST (\\Subscribed \\HasNoChildren) "/" "Greens/Broccoli"',
        b'LIST (\\Subscribed \\NonExistent) "/" "Vegetable"', b'LIST (\\Subscribed \\NonExistent \\HasNoChildren) "/" "Vegetable/Broccoli"']
    acme.stop()
    acme.start()
    client = Client(acme)
    assert client.list(b'LSUB "" V%') == [b'LSUB (\\Noselect) "/" "Vegetable"']
    assert client.say(b"UNSUBSCRIBE Vegetable")[0].startswith(b"OK")
    assert client.list(b'LIST (SUBSCRIBED) "" V%') == []
    assert client.list(b'LIST (SUBSCRIBED RECURSIVEMATCH) "" V%') == [b'LIST (\\NonExistent) "/" "Vegetable" ("CHILDINFO" ("SUBSCRIBED"))']
    assert client.list(b'LIST "" V*') == []
    assert client.say(b"CREATE Fruit/Peach")[0].startswith(b"OK")
    assert client.list(b'LIST (SUBSCRIBED) "" Fruit/P%') == [b'LIST (\\Subscribed \\HasNoChildren) "/" "Fruit/Peach"']
    acme.stop()
    acme.ctl("verify")


def test_there_is_an_end_of_kept_subscriptions(acme):
    client = Client(acme)
    for number in range(70):
        assert client.say(b"CREATE f%d" % number)[0].startswith(b"OK")
        assert client.say(b"DELETE f%d" % number)[0].startswith(b"OK")
    assert len(client.list(b'LIST (SUBSCRIBED) "" f*')) == 64


# ---- STATUS -------------------------------------------------------------------------------------------------------------------------


def test_status_items(acme):
    arrive(acme, 3)
    client = Client(acme, b"IMAP4rev2")
    client.say(b"SELECT INBOX")
    client.say(b"STORE 1 +FLAGS (\\Deleted \\Seen)")
    line, = client.say(b"STATUS INBOX (MESSAGES UIDNEXT UIDVALIDITY UNSEEN DELETED SIZE HIGHESTMODSEQ MAILBOXID DELETED-STORAGE)")[1]
    assert re.fullmatch(rb'\* STATUS "INBOX" \(MESSAGES 3 UIDNEXT 4 UIDVALIDITY \d+ UNSEEN 2 DELETED 1 SIZE \d+ HIGHESTMODSEQ \d+ MAILBOXID \(F\S+\)'
                        rb' DELETED-STORAGE 1\)', line)
    for bad in b"()", b"(MESSAGES  UNSEEN)", b"(MESSAGES UNSEEN", b"MESSAGES", b"(MESSAGES )", b"(" * 50000:
        assert client.say(b"STATUS INBOX " + bad)[0].startswith(b"BAD")
