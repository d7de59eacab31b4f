"""Mail that a client brings in: APPEND of one message and of several (RFC 3502), binary ones (RFC 3516) and UTF-8 (RFC 6855)."""

import re
import signal

import pytest

from test_imap import login, whole
from test_imap_folders import say, status_of, verified

SMALL = b"Subject: small\r\n\r\nx\r\n"


def answers(client, tag: bytes = b"x") -> list[bytes]:
    """The lines up to the tagged answer."""
    lines = []
    while not lines or not lines[-1].startswith(tag + b" "):
        lines.append(client.readline().rstrip(b"\r\n"))
        assert lines[-1] != b"", lines
    return lines


def bring(client, folder: str, *messages: tuple[str, bytes]) -> list[bytes]:
    """One APPEND of messages, each with what stands in front of its literal; stops where the server does."""
    client.send(f"x APPEND {folder}".encode())
    for head, octets in messages:
        client.send(b" %s{%d}\r\n" % (head.encode(), len(octets)))
        line = client.readline().rstrip(b"\r\n")
        if not line.startswith(b"+ "):
            return [line] if line.startswith(b"x ") else [line] + answers(client)
        client.send(octets)
    client.send(b"\r\n")
    return answers(client)


def count_in(client, folder: str) -> int:
    return status_of(client, folder, "MESSAGES")


# ---- Several messages ------------------------------------------------------------------------------------------------------


def test_several_messages_come_together(acme):
    client = login(acme)
    uidvalidity = status_of(client, "INBOX", "UIDVALIDITY")
    large = b"Subject: large\r\n\r\n" + b"y" * 76 + b"\r\n" + b"".join(b"%075d\r\n" % number for number in range(4000))
    lines = bring(client, "INBOX", ("(\\Seen one) ", SMALL), ('"17-Jul-2026 02:44:25 -0700" ', large), ('(two two \\Flagged \\Flagged) "01-Jan-1970 00:00:00 +0000" ', SMALL),
                  ("", SMALL + b"last"))
    assert b"* 4 EXISTS" in lines and lines[-1] == b"x OK [APPENDUID %d 1:4] APPEND completed" % uidvalidity
    assert [whole(client, number) for number in range(1, 5)] == [SMALL, large, SMALL, SMALL + b"last"]
    flags = [line.split(b"FLAGS ")[1] for line in client.fetch("1:4", "FLAGS")[1]]
    assert [sorted(word for word in line.strip(b"()").split() if word != b"\\Recent") for line in flags] == [[b"\\Seen", b"one"], [], [b"\\Flagged", b"two"], []]
    dates = [line.split(b'"')[1] for line in client.fetch("2:3", "INTERNALDATE")[1]]
    assert dates[0] == b"17-Jul-2026 09:44:25 +0000" and dates[1] == b" 1-Jan-1970 00:00:01 +0000"
    assert "MULTIAPPEND" in say(client, "CAPABILITY")[2][0].split()
    assert verified(acme)


def test_another_session_hears_of_them(acme):
    watcher = login(acme)
    assert bring(login(acme, None), "INBOX", ("", SMALL), ("", SMALL))[-1].startswith(b"x OK ")
    assert "* 2 EXISTS" in say(watcher, "NOOP")[2]


def test_literals_that_do_not_wait_come_in_one_go(acme):
    client = login(acme)
    client.send(b"x APPEND INBOX " + b" ".join(b"{%d+}\r\n%s" % (len(SMALL), SMALL) for _ in range(3)) + b"\r\ny NOOP\r\n")
    assert answers(client)[-1].endswith(b" 1:3] APPEND completed")
    assert answers(client, b"y")[-1] == b"y OK NOOP completed"


@pytest.mark.parametrize("rest, answer", [
    (b" {0+}\r\n\r\n", b"NO [CANNOT]"),                                 # RFC 3502: gives up what came before
    (b" {0}\r\n", b"NO [CANNOT]"),
    (b" {33554433}\r\n", b"NO [TOOBIG]"),
    (b" {18446744073709551616}\r\n", b"BAD [CLIENTBUG]"),
    (b" {5000+}\r\n" + b"y NOOP\r\n" * 625 + b"\r\n", b"BAD [TOOBIG]"),
    (b" (\\Odd) {5+}\r\nabcde {5+}\r\nabcde\r\n", b"BAD [CLIENTBUG]"),
    (b' "30-Feb-2026 00:00:00 +0000" {5+}\r\nabcde\r\n', b"BAD [CLIENTBUG]"),
    (b' "17-Jul-2026 25:00:00 +0000" {5+}\r\nabcde\r\n', b"BAD [CLIENTBUG]"),
    (b" {5+}\r\na\0cde\r\n", b"BAD [CLIENTBUG]"),
    (b" {3} {5+}\r\nabcde\r\n", b"BAD [CLIENTBUG]"),
    (b"{5+}\r\nabcde\r\n", b"BAD [CLIENTBUG]"),
    (b" {-5}\r\n", b"BAD [CLIENTBUG]"),
    (b" nothing\r\n", b"BAD [CLIENTBUG]"),
    (b" UTF8 (~{5+}\r\nabcde)\r\n", b"BAD [CLIENTBUG]"),                # not without ENABLE UTF8=ACCEPT
    (b" \r\n", b"BAD [CLIENTBUG]"),
])
def test_when_one_is_refused_none_is_kept(acme, rest, answer):
    client = login(acme)
    client.send(b"x APPEND INBOX {%d+}\r\n%s" % (len(SMALL), SMALL) + rest)
    assert client.readline().startswith(b"x " + answer)
    assert say(client, "NOOP") == ("OK", "NOOP completed", [])
    assert count_in(client, "INBOX") == 0


def test_no_more_messages_than_one_command_may_bring_in(acme):
    client = login(acme)
    one = b" {%d+}\r\n%s" % (len(SMALL), SMALL)
    client.send(b"x APPEND INBOX" + one * 500 + b"\r\n")
    assert answers(client)[-1].endswith(b" 1:500] APPEND completed")
    client.send(b"x APPEND INBOX" + one * 503 + b"\r\n")
    assert answers(client)[-1].startswith(b"x NO [LIMIT]")
    assert count_in(client, "INBOX") == 500


def test_several_large_ones_are_too_much_for_one_command(acme):
    client = login(acme)
    client.send(b"x APPEND INBOX {30000000}\r\n")
    assert client.readline() == b"+ go ahead\r\n"
    client.send(b"x" * 30000000 + b" {30000000}\r\n")
    assert client.readline() == b"+ go ahead\r\n"
    client.send(b"x" * 30000000 + b" {30000000}\r\n")
    assert client.readline().startswith(b"x NO [LIMIT]")
    assert count_in(client, "INBOX") == 0
    # Nothing of it counts any more for what all clients bring in together.
    for _ in range(5):
        client.send(b"x APPEND INBOX {30000000} \r\n")
        assert client.readline().startswith(b"x BAD")
        client.send(b"x APPEND INBOX {30000000}\r\n")
        assert client.readline() == b"+ go ahead\r\n"
        client.send(b"x" * 30000000 + b" {0}\r\n")
        assert client.readline().startswith(b"x NO [CANNOT]")


def test_the_quota_ends_among_them(make_service):
    service = make_service(quota={"mailbox_bytes": 1048576})
    service.acme = service.add_mailbox("acme")
    client = login(service)
    half = b"Subject: half\r\n\r\n" + (b"x" * 76 + b"\r\n") * 7800
    lines = bring(client, "INBOX", ("", SMALL), ("", half), ("", half))
    assert lines == [b"x NO [OVERQUOTA] the mailbox has no room for it"]
    assert count_in(client, "INBOX") == 0
    assert bring(client, "INBOX", ("", SMALL), ("", half))[-1].startswith(b"x OK ")
    assert verified(service)


def test_a_folder_that_is_not_there(acme):
    client = login(acme)
    assert bring(client, "nowhere", ("", SMALL))[-1].startswith(b"x NO [TRYCREATE]")
    client.send(b"x APPEND nowhere {%d+}\r\n%s {3+}\r\nabc\r\n" % (len(SMALL), SMALL))
    assert client.readline().startswith(b"x NO [TRYCREATE]")
    client.send(b"x APPEND INBOX {%d}\r\n" % len(SMALL))
    assert client.readline() == b"+ go ahead\r\n"
    other = login(acme, None)
    assert say(other, "CREATE made")[0] == "OK"
    client.send(SMALL + b"\r\n")
    assert answers(client)[-1].startswith(b"x OK ")
    client.send(b"x APPEND made {%d}\r\n" % len(SMALL))
    assert client.readline() == b"+ go ahead\r\n"
    assert say(other, "DELETE made")[0] == "OK"
    client.send(SMALL + b"\r\n")
    assert answers(client)[-1].startswith(b"x NO [TRYCREATE]")


def test_a_client_or_a_process_that_goes_away_leaves_nothing(acme):
    for _ in range(2):
        client = login(acme, None)
        client.send(b"x APPEND INBOX {%d+}\r\n%s {100}\r\n" % (len(SMALL), SMALL))
        assert client.readline() == b"+ go ahead\r\n"
        client.sock.close()
    client = login(acme, None)
    client.send(b"x APPEND INBOX {%d+}\r\n%s {1000000}\r\n" % (len(SMALL), SMALL))
    assert client.readline() == b"+ go ahead\r\n"
    client.send(b"y" * 500000)
    acme.kill("store", signal.SIGKILL)
    acme.wait_until_ready()
    client.send(b"y" * 500000 + b"\r\n")
    last = answers(client)[-1]
    assert last.startswith(b"x OK ") or last.startswith(b"x NO [UNAVAILABLE]")
    assert count_in(login(acme, None), "INBOX") == (2 if last.startswith(b"x OK ") else 0)
    client = login(acme, None)
    before = count_in(client, "INBOX")
    client.send(b"x APPEND INBOX {%d+}\r\n%s {1000000}\r\n" % (len(SMALL), SMALL))
    assert client.readline() == b"+ go ahead\r\n"
    client.send(b"y" * 500000)
    acme.kill("imapd", signal.SIGKILL)
    acme.wait_until_ready()
    assert count_in(login(acme, None), "INBOX") == before
    assert verified(acme)


# ---- Binary and UTF-8 ------------------------------------------------------------------------------------------------------


BINARY = b"Subject: binary\r\nMIME-Version: 1.0\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary\r\n\r\n" + bytes(range(256)) + b"\n\r\0\n"


@pytest.mark.parametrize("literal", [b"~{%d}", b"~{%d+}"])
def test_a_binary_message_is_kept_as_it_is(acme, literal):
    client = login(acme)
    client.send(b"x APPEND INBOX " + literal % len(BINARY) + b"\r\n")
    if b"+" not in literal:
        assert client.readline() == b"+ go ahead\r\n"
    client.send(BINARY + b"\r\n")
    assert answers(client)[-1].startswith(b"x OK ")
    assert whole(client, 1) == BINARY
    assert client.fetch("1", "(RFC822.SIZE)")[1] == [b"1 (RFC822.SIZE %d)" % len(BINARY)]
    assert verified(acme)


def test_nul_needs_a_binary_literal(acme):
    client = login(acme)
    client.send(b"x APPEND INBOX {%d}\r\n" % len(BINARY))
    assert client.readline() == b"+ go ahead\r\n"
    client.send(BINARY + b"\r\n")
    assert client.readline().startswith(b"x BAD [CLIENTBUG] a literal cannot contain NUL")
    assert count_in(client, "INBOX") == 0


def test_utf8_data(acme):
    message = "Subject: Grüße\r\nFrom: <jürgen@bücher.example>\r\n\r\nhallo\r\n".encode()
    client = login(acme, None)
    assert say(client, "ENABLE UTF8=ACCEPT") == ("OK", "ENABLE completed", ["* ENABLED UTF8=ACCEPT"])
    client.select("INBOX")
    client.send(b"x APPEND INBOX (\\Seen) UTF8 (~{%d}\r\n" % len(message))
    assert client.readline() == b"+ go ahead\r\n"
    client.send(message + b") UTF8 (~{%d+}\r\n%s)\r\n" % (len(message), message))
    assert answers(client)[-1].endswith(b" 1:2] APPEND completed")
    assert whole(client, 2) == message
    for rest in b"\r\n", b"))\r\n", b") x\r\n":
        client.send(b"x APPEND INBOX UTF8 (~{%d+}\r\n%s" % (len(message), message) + rest)
        assert client.readline().startswith(b"x BAD [CLIENTBUG]")
    client.send(b"x APPEND INBOX UTF8 ({%d+}\r\n%s)\r\n" % (len(message), message))
    assert client.readline().startswith(b"x BAD [CLIENTBUG]")
    assert count_in(client, "INBOX") == 2


def test_an_endless_literal_is_none_of_the_next_commands(acme):
    client = login(acme)
    client.send(b"x APPEND INBOX {18446744073709551616+}\r\ny DELETE INBOX\r\nz CREATE made\r\n")
    assert client.readline().startswith(b"x BAD ")
    client.sock.close()
    assert re.search(rb'"?made"?$', b"\n".join(login(acme, None).list()[1]), re.M) is None
