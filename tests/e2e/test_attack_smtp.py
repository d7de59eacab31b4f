"""What a hostile client of the receiver tries: mail within mail, words put into a session before TLS, relaying, lines of its own in what we write."""

import re
import ssl

import pytest

from service import DOMAIN
from smtp_client import Closed, connect, raw, split_trace

UNCHECKED = ssl._create_unverified_context()
SMUGGLED = f"MAIL FROM:<evil@x>\r\nRCPT TO:<acme@{DOMAIN}>\r\nDATA\r\nSubject: smuggled\r\n\r\nx\r\n.\r\n".encode()


@pytest.fixture(scope="module")
def running(request):
    from service import Service
    service = Service(retention={"unmatched_messages": 10000}, smtp={"errors_max": 1000})
    request.addfinalizer(service.remove)
    service.start()
    service.add_mailbox("acme")
    return service


def listed(service) -> list[dict]:
    """Oldest first."""
    return service.http("GET", "/v1/mailboxes/acme/messages?limit=500").json()["messages"][::-1]


def newest(service, before: int) -> bytes:
    """The one mail that is there behind so many."""
    return raw(service, service.wait_for(lambda: listed(service)[before:], "it is there")[0])


def subjects(service) -> list[str]:
    return [message["subject"] for message in listed(service)]


# ---- Smuggling ------------------------------------------------------------------------------------------------------------------------

# SEC Consult 2023 and what was found after it: ends of data that one server sees and another does not.
ENDS = {
    "LF.LF": b"\n.\n", "LF.CRLF": b"\n.\r\n", "CRLF.LF": b"\r\n.\n", "CR.CR": b"\r.\r", "CR.CRLF": b"\r.\r\n", "CR.LF": b"\r.\n", "LF.CR": b"\n.\r",
    "CRLF.CR": b"\r\n.\r", "LFLF.CRLF": b"\n\n.\r\n", "CRCRLF.CRLF": b"\r\r\n.\r\r\n", "CRLF.CRCRLF": b"\r\n.\r\r\n", "CRNULLF.CRLF": b"\r\0\n.\r\n",
    "CRLF.NULCRLF": b"\r\n.\0\r\n", "CRLFNUL.CRLF": b"\r\n\0.\r\n", "CRLF.CRNULLF": b"\r\n.\r\0\n", "LFNUL.LF": b"\n\0.\n", "CRLF.spaceCRLF": b"\r\n. \r\n",
    "CRLF.tabCRLF": b"\r\n.\t\r\n", "VT.CRLF": b"\v.\r\n", "FF.CRLF": b"\f.\r\n", "NEL.CRLF": b"\xc2\x85.\r\n", "U+2028.CRLF": b"\xe2\x80\xa8.\r\n",
    "LFCR.LFCR": b"\n\r.\n\r", "dot doubled": b"\r\n..\r\n",
}


@pytest.mark.parametrize("chunk", [0, 1, 3], ids=["at once", "octet by octet", "three by three"])
@pytest.mark.parametrize("form", ENDS)
def test_no_end_of_data_but_the_standard_s(running, form, chunk):
    """Also where the octets of it come in pieces, as over the borders of packets."""
    before = len(listed(running))
    body = b"Subject: outer\r\n\r\ntext" + ENDS[form] + SMUGGLED.removesuffix(b".\r\n") + b".\r\n"
    with connect(running) as client:
        client.envelope()
        assert client.say("DATA").startswith("354")
        for at in range(0, len(body), chunk or len(body)):
            client.send(body[at:at + (chunk or len(body))])
        assert client.reply().startswith("250 ")
        assert client.say("NOOP").startswith("250 ")
    assert subjects(running)[before:] == ["outer"]


@pytest.mark.parametrize("form", ENDS)
def test_no_end_of_data_within_a_pipelined_session(running, form):
    """All of it in one write, the way a smuggling server sends it on."""
    before = len(listed(running))
    session = (f"EHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<acme@{DOMAIN}>\r\nDATA\r\nSubject: outer\r\n\r\ntext".encode() + ENDS[form] + SMUGGLED + b"QUIT\r\n")
    with connect(running) as client:
        client.send(session)
        said = client.rest()
    assert re.findall(r"(?m)^(\d{3}) ", said) == ["250", "250", "250", "354", "250", "221"]
    assert subjects(running)[before:] == ["outer"]


@pytest.mark.parametrize("form", [*ENDS.values(), b"\r\n.\r\n"], ids=[*ENDS, "CRLF.CRLF"])
def test_a_chunk_is_so_many_octets_whatever_they_are(running, form):
    """BDAT (RFC 3030): no octet of a chunk ends it, and no octet behind it belongs to it."""
    before = len(listed(running))
    first, second = b"Subject: outer\r\n\r\ntext" + form[:1], form[1:] + SMUGGLED
    with connect(running) as client:
        client.envelope()
        client.send(b"BDAT %d\r\n" % len(first) + first + b"BDAT %d LAST\r\n" % len(second) + second + b"NOOP\r\n")
        assert [client.reply()[:3] for _ in range(3)] == ["250", "250", "250"]
    assert subjects(running)[before:] == ["outer"]
    assert b"MAIL FROM:<evil@x>" in split_trace(newest(running, before))[1]


@pytest.mark.parametrize("command", [b"BDAT 5\r\nhello\r\n.\r\nDATA\r\n", b"BDAT 0\r\nDATA\r\n", b"BDAT +5 LAST\r\nhello", b"BDAT 0x5 LAST\r\nhello",
                                     b"BDAT 5,LAST\r\nhello", b"BDAT 5LAST\r\nhello", b"BDAT 5 LAST 0\r\nhello", b"BDAT 5 LAST\nhello", b"BDAT 5.0 LAST\r\nhello"])
def test_data_and_chunks_cannot_be_mixed_into_a_second_mail(running, command):
    before = len(listed(running))
    with connect(running) as client:
        client.envelope()
        client.send(command + SMUGGLED + b"QUIT\r\n")
        client.rest()
    assert "smuggled" not in subjects(running)[before:]
    assert len(listed(running)) <= before + 1


# ---- Another protocol ---------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("method", ["POST", "PUT", "GET", "OPTIONS", "post", "Post"])
def test_a_web_page_s_request_is_no_session(running, method):
    """A form that a browser posts to the mail port, with commands in its body."""
    before = len(listed(running))
    body = b"EHLO x\r\n" + SMUGGLED
    with connect(running) as client:
        client.send(f"{method} / HTTP/1.1\r\nHost: mx:25\r\nContent-Length: {len(body)}\r\nOrigin: http://evil.test\r\n\r\n".encode() + body)
        said = client.rest()
    assert said.startswith("421 4.7.0") and said.count("\r\n") == 1
    assert len(listed(running)) == before


def test_a_request_whose_method_was_lost_ends_at_its_host_field(running):
    with connect(running) as client:
        client.send(b"FOO / HTTP/1.1\r\nHost: mx:25\r\n\r\n" + SMUGGLED)
        assert [line[:3] for line in client.rest().splitlines()] == ["500", "421"]


# ---- STARTTLS -----------------------------------------------------------------------------------------------------------------------

INJECTED = [b"RSET\r\n", b"EHLO evil\r\n", b"NOOP\r\nNOOP\r\n", b"\r\n", b"X", b"EHLO evil\r\nMAIL FROM:<evil@x>\r\n", b"\x16\x03\x01\x00\x05hello", SMUGGLED]


@pytest.mark.parametrize("injected", INJECTED)
def test_nothing_that_came_before_tls_is_answered_within_it(running, injected):
    """CVE-2011-0411: what was put behind STARTTLS in plain must not be read as if it had come by TLS."""
    with connect(running) as client:
        client.say("EHLO client.test")
        client.send(b"STARTTLS\r\n" + injected)
        assert client.reply().startswith("220 ")
        try:
            client.socket = UNCHECKED.wrap_socket(client.socket)
        except (ssl.SSLError, ConnectionError):
            return                              # it came behind the answer, and is no handshake
        client.envelope(sender="honest@x")      # the first reply within TLS is that to its EHLO
        assert client.say("RSET").startswith("250")


def test_what_was_said_before_tls_is_forgotten(running):
    """NO STARTTLS (USENIX 2021): neither the name nor an envelope that someone on the way has said count within TLS."""
    for before in (["EHLO evil"], ["EHLO evil", "MAIL FROM:<evil@x>", "RSET"], ["HELO evil"]):
        with connect(running) as client:
            for line in before:
                client.say(line)
            client.starttls()
            assert client.say("MAIL FROM:<a@b>").startswith("503 ")
            assert client.say(f"RCPT TO:<acme@{DOMAIN}>").startswith("503 ")
            assert client.say("DATA").startswith("503 ")
            answer = client.say("EHLO client.test")
            assert answer.startswith("250") and "STARTTLS" not in answer


def test_starttls_with_an_argument_and_within_a_mail_is_none(running):
    with connect(running) as client:
        client.say("EHLO client.test")
        assert client.say("STARTTLS now").startswith("501 ")
        client.envelope()
        assert client.say("STARTTLS").startswith("503 ")
        assert client.data(b"Subject: STARTTLS\r\n\r\nSTARTTLS\r\n.\r\n").startswith("250 ")


# ---- Relaying -----------------------------------------------------------------------------------------------------------------------

RELAYS = [
    "victim@elsewhere.test", f"victim%elsewhere.test@{DOMAIN}", f"victim%elsewhere.test%{DOMAIN}@{DOMAIN}", f"elsewhere.test!victim@{DOMAIN}",
    f"acme!victim@{DOMAIN}", f"@{DOMAIN}:victim@elsewhere.test", f"@{DOMAIN},@elsewhere.test:victim@third.test", f"@elsewhere.test:acme@{DOMAIN}",
    f'"victim@elsewhere.test"@{DOMAIN}', f'"victim%elsewhere.test"@{DOMAIN}', f'"acme"@elsewhere.test@{DOMAIN}', f'"acme@elsewhere.test@"@{DOMAIN}',
    f"acme@elsewhere.test@{DOMAIN}", f"acme@{DOMAIN}@elsewhere.test", f"acme%40elsewhere.test@{DOMAIN}", f"victim=elsewhere.test@{DOMAIN}",
    f"acme@{DOMAIN}.", f"acme@.{DOMAIN}", f"acme@{DOMAIN}.elsewhere.test", f"acme@sub.{DOMAIN}", "acme@[127.0.0.1]", "acme@[IPv6:::1]", "acme@2130706433",
    "acme@localhost", "acme@xn--mailtest1-.test", "acme@mailtest1%2etest", "|/bin/sh@elsewhere.test", f"|/bin/sh@{DOMAIN}", f"/etc/passwd@{DOMAIN}",
    f"../../acme@{DOMAIN}", f"acme/../other@{DOMAIN}", f"acme;x@{DOMAIN}", f"acme,other@{DOMAIN}", f":include:/etc/passwd@{DOMAIN}", f"~acme@{DOMAIN}", f"\\acme@{DOMAIN}",
    f"acme@{DOMAIN}>,<victim@elsewhere.test", f"acme@{DOMAIN} victim@elsewhere.test", f"+x@{DOMAIN}", f"acme@{DOMAIN}:25", f"(c)acme@{DOMAIN}",
]


@pytest.mark.parametrize("recipient", RELAYS)
def test_nobody_is_written_to_by_a_detour(running, recipient):
    with connect(running) as client:
        client.say("EHLO client.test")
        client.say("MAIL FROM:<>")
        assert re.match(r"5\d\d 5\.", client.say(f"RCPT TO:<{recipient}>"))
        assert client.say("DATA").startswith("503 ")


@pytest.mark.parametrize("octets", [b"acme@mailtest1.test\0@elsewhere.test", b"acme\0@mailtest1.test", b"acme@mailtest1.test\x0b", b"ac\x7fme@mailtest1.test",
                                    "acme@maіltest1.test".encode(), "аcme@mailtest1.test".encode(), "acme＠mailtest1.test".encode(),
                                    "acme@mailtest1。test".encode(), "acme@mailtest1.tesT\u0307".encode(), "acme@ｍailtest1.test".encode(),
                                    b"acme@mailtest1.test\xff", b"acme@\xc0\xaemailtest1.test"])
def test_look_alikes_of_our_names_are_not_ours(running, octets):
    """NUL, control characters, letters of other scripts, full-width forms, overlong UTF-8; with SMTPUTF8 and without."""
    for parameter in (b"", b" SMTPUTF8"):
        with connect(running) as client:
            client.say("EHLO client.test")
            client.say(b"MAIL FROM:<>" + parameter + b"\r\n")
            assert re.match(r"5\d\d 5\.", client.say(b"RCPT TO:<" + octets + b">\r\n"))
            assert client.say("DATA").startswith("503 ")


@pytest.mark.parametrize("detail", ["victim@elsewhere.test", '"victim@elsewhere.test"', "victim%elsewhere.test", "x!y", "@elsewhere.test"])
def test_a_detail_never_leads_elsewhere(running, detail):
    before = len(listed(running))
    with connect(running) as client:
        client.say("EHLO client.test")
        client.say("MAIL FROM:<>")
        taken = client.say(f"RCPT TO:<acme+{detail}@{DOMAIN}>").startswith("250")
        if taken:
            assert client.data(b"Subject: detail\r\n\r\n.\r\n").startswith("250 ")
    assert len(listed(running)) == before + taken


# ---- Lines of one's own ---------------------------------------------------------------------------------------------------------------

LINE_ENDS = [b"\n", b"\r", b"\0", b"\x0b", b"\x0c", b"\x1b[2J"]


@pytest.mark.parametrize("end", LINE_ENDS)
@pytest.mark.parametrize("command", [b"EHLO a%sX-Evil: 1", b"MAIL FROM:<a%sX-Evil: 1@b>", b'MAIL FROM:<"a%sX-Evil: 1"@b>', b"RCPT TO:<acme+%sX-Evil@mailtest1.test>",
                                     b"MAIL FROM:<a@b> SIZE=1%sX-Evil: 1", b"NOOP %sX-Evil: 1"])
def test_no_control_character_gets_past_a_command(running, command, end):
    with connect(running) as client:
        if not command.startswith(b"EHLO"):
            client.say("EHLO client.test")
        if command.startswith(b"RCPT"):
            client.say("MAIL FROM:<>")
        try:
            said = client.say(command % end + b"\r\n")
        except Closed as closed:
            said = str(closed)
        assert said[:1] == "5" or said.startswith("421"), said
        assert "\x1b" not in said and "\0" not in said


def test_no_name_of_a_client_adds_a_field_to_a_mail(running):
    """What the client says of itself stands in our Received field and nowhere else, one line however it is made."""
    for name in ("a\tX-Evil: 1", "[127.0.0.1] by evil; x", "a (b) with ESMTPS id evil", "x" * 400, "<script>", "ä" * 50, "evil\u2028X-Evil: 1", "evil\u0085X-Evil: 1", '"q"'):
        before = len(listed(running))
        with connect(running) as client:
            if not client.say(f"EHLO {name}".encode() + b"\r\n").startswith("250"):
                continue
            client.say("MAIL FROM:<a@b>")
            client.say(f"RCPT TO:<acme@{DOMAIN}>")
            assert client.data(b"Subject: named\r\n\r\ntext\r\n.\r\n").startswith("250 ")
        whole = newest(running, before)
        trace, body = split_trace(whole)
        assert body == b"Subject: named\r\n\r\ntext\r\n"
        assert re.findall(r"(?m)^(\S+?):", trace) == ["Return-Path", "Delivered-To", "Received"]
        assert len(re.findall(r"\bby mx\.", trace)) == 1 or "by evil" in name


def test_an_internationalised_sender_adds_no_field(running):
    for sender in ("ä\u2028X-Evil: 1@b", "ä\u0085X-Evil@b", "ä\u202eb@c", "ä<b>@c", 'ä"b@c'):
        before = len(listed(running))
        with connect(running) as client:
            client.say("EHLO client.test")
            if not client.say(f"MAIL FROM:<{sender}> SMTPUTF8".encode() + b"\r\n").startswith("250"):
                continue
            client.say(f"RCPT TO:<acme@{DOMAIN}>")
            assert client.data(b"Subject: named\r\n\r\n.\r\n").startswith("250 ")
        whole = newest(running, before)
        assert re.findall(rb"(?m)^([\w-]+):", whole) == [b"Return-Path", b"Delivered-To", b"Received", b"Subject"]
