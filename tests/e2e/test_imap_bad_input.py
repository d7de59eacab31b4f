"""Input that is meant to do harm: each gets a clear answer, costs bounded memory, and another session is served meanwhile."""

import contextlib
import os
import re
import socket

import pytest

from mail_clients import arrive, login
from smtp_client import growth_allowed

GROWTH_BYTES = 24 << 20


@pytest.fixture
def acme(make_service):
    service = make_service(processes={"imapd": 1})
    service.acme = service.add_mailbox("acme")
    arrive(service, 3)
    return service


def resident(service) -> int:
    pid, = service.role_pids("imapd")
    with open(f"/proc/{pid}/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def connect(service) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", service.ports["imap"]), timeout=30)
    client.sendall(b"l LOGIN acme " + service.acme["secret"].encode() + b"\r\ns SELECT INBOX\r\n")
    assert lines_until(client, rb"s OK ")
    return client


def lines_until(client, pattern: bytes) -> list[bytes]:
    """Up to the line that matches, or to the end of the connection."""
    said = b""
    while not re.search(rb"(?m)^" + pattern + rb".*\r\n", said):
        try:
            more = client.recv(65536)
        except ConnectionResetError:
            break
        if not more:
            break
        said += more
    return said.split(b"\r\n")


@contextlib.contextmanager
def bounded(service):
    """Another session is served before, during (by whoever asks) and after, the process is the same, and has grown little."""
    bystander = login(service)
    pids, before = service.role_pids("imapd"), resident(service)
    yield bystander
    assert bystander.uid("SEARCH", "ALL")[1] == [b"1 2 3"]
    assert service.role_pids("imapd") == pids
    assert resident(service) - before < growth_allowed(service, GROWTH_BYTES)


DEEP = 100000
HARMFUL = {
    "parentheses in SEARCH": (b"SEARCH " + b"(" * DEEP + b"ALL" + b")" * DEEP, rb"\* BYE|x BAD "),
    "parentheses in FETCH": (b"FETCH 1 " + b"(" * DEEP + b"UID" + b")" * DEEP, rb"\* BYE|x BAD "),
    "parentheses in STORE": (b"STORE 1 FLAGS " + b"(" * DEEP, rb"\* BYE|x BAD "),
    "parentheses in LIST": (b"LIST (" + b"(" * 50000 + b') "" *', rb"x BAD "),
    "parentheses within the limit of a command": (b"SEARCH " + b"(" * 25000 + b"ALL" + b")" * 25000, rb"x BAD "),
    "NOTs": (b"SEARCH " + b"NOT " * 12000 + b"ALL", rb"x BAD "),
    "ORs": (b"SEARCH " + b"OR ALL " * 8000 + b"ALL", rb"x BAD "),
    "keys": (b"SEARCH " + b"SEEN " * 11000 + b"SEEN", rb"x BAD "),
    "a set of very many": (b"UID FETCH " + b",".join(b"%d" % n for n in range(1, 20000, 2)) + b" FLAGS", rb"x BAD |x OK "),
    "a set of ranges that overlap": (b"UID FETCH " + b",".join([b"1:4294967295"] * 4000) + b" (UID)", rb"x OK "),
    "a set of all numbers": (b"UID FETCH 1:4294967295,4294967295:1,*:1 (UID)", rb"x OK "),
    "a number of a set that is none": (b"FETCH 1:99999999999999999999999999 UID", rb"x BAD "),
    "a set of commas": (b"FETCH " + b"," * 50000 + b" UID", rb"x BAD "),
    "a set of stars": (b"FETCH " + b"*:" * 25000 + b"* UID", rb"x BAD "),
    "parts": (b"FETCH 1 BODY[" + b"1." * 25000 + b"1]", rb"x BAD "),
    "a part of 2^64": (b"FETCH 1 BODY[18446744073709551616]", rb"x BAD "),
    "a partial of 2^64": (b"FETCH 1 BODY[]<18446744073709551615.18446744073709551615>", rb"x BAD "),
    "fields": (b"FETCH 1 BODY[HEADER.FIELDS (" + b"X " * 25000 + b"X)]", rb"x BAD "),
    "items": (b"FETCH 1 (" + b"BODY[] " * 8000 + b"UID)", rb"x BAD "),
    "wildcards": (b'LIST "" ' + b"*" * 50000, rb"x (OK|BAD) "),
    "wildcards that match nothing": (b'LIST "" ' + b"*%I*N%" * 8000 + b"Z", rb"x (OK|BAD) "),
    "wildcards in the reference": (b"LIST " + b"*%" * 20000 + b" *", rb"x (OK|BAD) "),
    "patterns": (b'LIST "" (' + b"* " * 25000 + b"*)", rb"x (OK|BAD) "),
    "a literal of 2^64": (b"SEARCH TEXT {18446744073709551616}", rb"x BAD "),
    "a literal of 2^63": (b"SEARCH TEXT {9223372036854775807}", rb"x BAD "),
    "a literal of 2^32": (b"SEARCH TEXT {4294967296}", rb"x BAD "),
    "a literal of many digits": (b"SEARCH TEXT {" + b"9" * 5000 + b"}", rb"x BAD "),
    "a literal below zero": (b"SEARCH TEXT {-1}", rb"x BAD "),
    "a literal with NULs": (b"CREATE {5+}\r\na\0b\0c", rb"x BAD "),
    "NULs": (b"FETCH\0 1 UID", rb"x BAD "),
    "NULs in a quoted string": (b'SEARCH TEXT "a\0b"', rb"x BAD "),
    "a folder ../": (b'CREATE "../../etc/passwd"', rb"x (NO|BAD) "),
    "a folder with ../ inside": (b'CREATE "a/../../b"', rb"x (NO|BAD) "),
    "a folder with control characters": (b'CREATE "a\x07b"', rb"x (NO|BAD) "),
    "a folder with an escape in UTF-7": (b'CREATE "a&ABs-b"', rb"x (NO|BAD) "),
    "a folder with line ends in UTF-7": (b'CREATE "a&AA0ACg-b"', rb"x (NO|BAD) "),
    "a folder with a NUL in UTF-7": (b'CREATE "a&AAA-b"', rb"x (NO|BAD) "),
    "a folder of half a pair in UTF-7": (b'CREATE "a&2D0-b"', rb"x (NO|BAD) "),
    "a folder of broken UTF-8": (b'CREATE "a\xc0\xafb"', rb"x (NO|BAD) "),
    "a folder of slashes": (b'CREATE "' + b"/" * 50000 + b'"', rb"x (NO|BAD) "),
    "a folder of many levels": (b'CREATE "' + b"a/" * 25000 + b'"', rb"x (NO|BAD) "),
    "keywords": (b"STORE 1 +FLAGS (" + b" ".join(b"k%d" % n for n in range(8000)) + b")", rb"x (NO|BAD) "),
    "a long keyword": (b"STORE 1 +FLAGS (" + b"k" * 50000 + b")", rb"x (NO|BAD) "),
    "a long command": (b"y" * 50000 + b" NOOP", rb"x BAD "),
    "backslashes": (b'SEARCH TEXT "' + b"\\" * 50001, rb"x BAD "),
    "an ID of very many": (b"ID (" + b'"a" "b" ' * 5000 + b'"a" "b")', rb"x (OK|BAD) |\* ID"),
    "a charset of many letters": (b"SEARCH CHARSET " + b"z" * 50000 + b" ALL", rb"x (NO|BAD) "),
    "STATUS items": (b"STATUS INBOX (" + b"MESSAGES " * 5000 + b"UNSEEN)", rb"x (OK|BAD) |\* STATUS"),
}


@pytest.mark.parametrize("name", HARMFUL)
def test_a_clear_answer_and_no_harm(acme, name):
    command, answer = HARMFUL[name]
    with bounded(acme) as bystander, connect(acme) as client:
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):
            client.sendall(b"x " + command + b"\r\n")
        said = lines_until(client, rb"x (?:OK|NO|BAD) |\* (?:BYE|BAD) ")
        assert any(re.match(answer, line) for line in said), [line[:80] for line in said]
        assert bystander.noop()[0] == "OK"


def test_a_line_without_an_end(acme):
    with bounded(acme), connect(acme) as client:
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):
            for _ in range(64):
                client.sendall(b"x" * (1 << 20))
        assert any(line.startswith(b"* BYE [TOOBIG]") for line in lines_until(client, rb"\* BYE ")) or acme.metric("mailtest_role_restarts_total") == 0


def test_many_literals_that_nobody_sends(acme):
    """Each is asked for; none has its room before its octets are there."""
    with bounded(acme) as bystander, contextlib.ExitStack() as stack:
        clients = [stack.enter_context(connect(acme)) for _ in range(20)]
        for client in clients:
            client.sendall(b"x APPEND INBOX {30000000}\r\n")
        assert bystander.noop()[0] == "OK"
        asked = [client.recv(100) for client in clients]
        assert all(line.startswith((b"+ ", b"x NO [LIMIT]")) for line in asked) and any(line.startswith(b"+ ") for line in asked)


def test_half_closed_connections_are_answered_and_ended(acme):
    with bounded(acme):
        for sent, answer in (b"n NOOP\r\n", rb"n OK "), (b"n NOO", rb""), (b"n APPEND INBOX {10}\r\nabc", rb"\+ "), (b"n IDLE\r\n", rb"\+ "):
            with connect(acme) as client:
                client.sendall(sent)
                client.shutdown(socket.SHUT_WR)
                said = lines_until(client, rb"never ")      # up to the end, which has to come
                assert not answer or any(re.match(answer, line) for line in said), (sent, said)


def test_clients_that_never_read_cost_little(acme):
    with bounded(acme) as bystander, contextlib.ExitStack() as stack:
        for _ in range(10):
            client = stack.enter_context(connect(acme))
            client.setblocking(False)
            with contextlib.suppress(BlockingIOError):      # until neither of the two takes more
                while True:
                    client.send(b"x FETCH 1:3 (BODY[] ENVELOPE BODYSTRUCTURE FLAGS)\r\n" * 1000)
        assert bystander.noop()[0] == "OK"
