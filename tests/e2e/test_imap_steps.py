"""Commands that take several steps give the answer of one; and what is at the edge of IMAP's grammar, word by word."""

import imaplib
import re

import pytest

from mail_clients import arrive, login

MESSAGES = 4500         # over what STATUS and EXPUNGE look at in one step
HEADER = b"A: b\r\n" * 30000


@pytest.fixture
def acme(make_service):
    service = make_service(processes={"imapd": 1})
    service.acme = service.add_mailbox("acme")
    arrive(service, 2)
    return service


def dialogue(client, *commands: bytes) -> bytes:
    """All at once; what is said up to the tagged answer of the last, whose tag is "z"."""
    client.send(b"".join(b"%s %s\r\n" % (b"z" if command is commands[-1] else b"y%d" % n, command) for n, command in enumerate(commands)))
    said = b""
    while not re.search(rb"(?m)^z (OK|NO|BAD) .*\r\n\Z", said):
        line = client.readline()
        assert line, said
        said += line
    return said


@pytest.fixture
def large(acme):
    """A client in a folder of many messages."""
    client = login(acme)
    client.create("Large")
    client.copy("1:2", "Large")
    client.select("Large")
    count = 2
    while count < MESSAGES:
        step = min(count, MESSAGES - count)
        assert client.copy(f"1:{step}", "Large")[0] == "OK"
        client.noop()
        count += step
    return client


def test_status_counts_a_large_folder(large):
    size = int(re.search(rb"SIZE (\d+)", dialogue(large, b"STATUS Large (SIZE)"))[1])
    large.store("1:4200", "+FLAGS.SILENT", r"(\Seen)")
    large.store("4000:*", "+FLAGS.SILENT", r"(\Deleted)")
    wanted = b'"Large" (MESSAGES 4500 UNSEEN 300 DELETED 501 SIZE %d)\r\n' % size
    said = dialogue(large, *[b"STATUS Large (MESSAGES UNSEEN DELETED SIZE)"] * 20, b'LIST "" Large RETURN (STATUS (MESSAGES UNSEEN DELETED SIZE))')
    assert re.findall(rb"\* STATUS (?:\"Large\"|Large) (.*\r\n)", said) == [wanted.removeprefix(b'"Large" ')] * 21
    storage = int(re.search(rb"DELETED-STORAGE (\d+)", dialogue(large, b"STATUS Large (DELETED-STORAGE)"))[1])
    assert 0 < storage < size // 1024


def test_expunge_of_a_large_folder_removes_what_is_marked_and_nothing_else(large):
    large.store("1000:1099,2000:2999,4490:*", "+FLAGS.SILENT", r"(\Deleted)")
    said = dialogue(large, b"UID EXPUNGE 1:1050", *[b"UID EXPUNGE 1:900"] * 10, b"NOOP")
    assert said.count(b" EXPUNGE\r\n") == 51
    said = dialogue(large, b"EXPUNGE", *[b"EXPUNGE"] * 10, b"UID SEARCH RETURN (ALL) ALL")
    assert said.count(b" EXPUNGE\r\n") == 49 + 1000 + 11
    assert b" UID ALL 1:999,1100:1999,3000:4489\r\n" in said
    large.store("1:*", "+FLAGS.SILENT", r"(\Deleted)")
    assert b" (MESSAGES 0)" in dialogue(large, b"CLOSE", b"STATUS Large (MESSAGES)")


def test_keys_that_go_through_long_headers_find_the_same_in_many_steps(acme):
    client = login(acme)
    client.create("Long")
    for subject in (b"one", b"two"):
        assert client.append("Long", None, None, HEADER + b"Date: Thu, 01 Jan 2026 00:30:00 +0100\r\nSubject: " + subject + b"\r\n\r\nx")[0] == "OK"
    client.select("Long")
    others = b" ".join(b"NOT HEADER A q%d" % n for n in range(20))
    days = b" ".join([b"SENTON 1-Jan-2026 NOT THREADID T0000000000000001"] * 10)
    for keys, found in ((b"", b" 1 2"), (b" HEADER Subject two", b" 2"), (b" HEADER A b", b" 1 2"), (b" OR HEADER A c HEADER Subject one", b" 1"), (b" HEADER X y", b"")):
        assert b"* SEARCH%s\r\n" % found in dialogue(client, b"SEARCH " + others + b" " + days + keys)


def test_items_that_go_through_long_headers_are_all_told(acme):
    client = login(acme)
    client.create("Long")
    client.append("Long", None, None, HEADER + b"Subject: one\r\n\r\nx")
    client.select("Long")
    items = b" ".join(b"BODY.PEEK[HEADER.FIELDS (Subject x%d)]" % n for n in range(60))
    said = dialogue(client, b"FETCH 1 (" + items + b")")
    assert said.count(b" {16}\r\nSubject: one\r\n\r\n") == 60
    assert len(re.findall(rb"(?m)^\* 1 FETCH \(", said)) == 1 and said.endswith(b"z OK FETCH completed\r\n")


# ---- Grammar ------------------------------------------------------------------------------------------------------------------------


REFUSED = [
    b"STORE 1 +FLAGS (a]b)", b"STORE 1 +FLAGS a\\b", b"SEARCH KEYWORD a]b", b"FETCH 1 (ALL)", b"FETCH 1 (FAST UID)", b"FETCH 1 (UID FULL)",
    b'STATUS "IN\\BOX" (MESSAGES)',
]


@pytest.mark.parametrize("command", REFUSED)
def test_what_the_grammar_does_not_have_is_bad(acme, command):
    assert b"z BAD " in dialogue(login(acme), command)


def test_a_keyword_of_an_append_is_an_atom(acme):
    client = login(acme)
    client.send(b"z APPEND INBOX (a]b) {3+}\r\nx\r\n\r\n")
    assert client.readline().startswith(b"z BAD ")


def test_macros_stand_alone(acme):
    said = dialogue(login(acme), b"FETCH 1 FAST", b"FETCH 1 all", b"FETCH 1 FULL")
    assert said.count(b" completed\r\n") == 3 and b" ENVELOPE " in said


def test_sort_that_only_saves_tells_nothing(acme):
    said = dialogue(login(acme), b"SORT RETURN (SAVE) (REVERSE ARRIVAL) UTF-8 ALL", b"FETCH $ (UID)")
    assert b"ESEARCH" not in said and said.count(b" FETCH (UID ") == 2


def test_an_agent_without_a_name_is_nobody(acme):
    client = imaplib.IMAP4("127.0.0.1", acme.ports["imap"], timeout=20)
    with pytest.raises(imaplib.IMAP4.error, match="AUTHENTICATIONFAILED"):
        client.login("acme*", acme.acme["secret"])
    client.login("acme", acme.acme["secret"])


def test_fetch_in_a_folder_that_was_deleted_meanwhile_is_refused(acme):
    client, other = login(acme), login(acme)
    client.create("Gone")
    client.copy("1:2", "Gone")
    client.select("Gone")
    assert other.delete("Gone")[0] == "OK"
    said = dialogue(client, b"FETCH 1:2 (UID FLAGS)")
    assert b"* BYE " in said and b"z NO [NONEXISTENT] " in said
