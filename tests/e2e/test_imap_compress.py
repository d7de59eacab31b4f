"""COMPRESS=DEFLATE (RFC 4978): both sides of an IMAP connection compress."""

import imaplib
import zlib

import pytest

from test_imap import connect, login, probe, whole

imaplib.Commands["COMPRESS"] = ("AUTH", "SELECTED")


class Deflated:
    """What stands between imaplib and its TLS."""

    def __init__(self, sock):
        self.sock = sock
        self.inflater = zlib.decompressobj(-15)
        self.deflater = zlib.compressobj(9, zlib.DEFLATED, -15)
        self.plain = b""
        self.received = 0

    def more(self) -> bool:
        octets = self.sock.recv(65536)
        self.received += len(octets)
        self.plain += self.inflater.decompress(octets)
        return octets != b""

    def read(self, size: int) -> bytes:
        while len(self.plain) < size and self.more():
            pass
        taken, self.plain = self.plain[:size], self.plain[size:]
        return taken

    def readline(self, limit: int = -1) -> bytes:
        while b"\n" not in self.plain and self.more():
            pass
        return self.read(self.plain.find(b"\n") + 1 or len(self.plain))

    def send(self, octets: bytes) -> None:
        self.sock.sendall(self.deflater.compress(octets) + self.deflater.flush(zlib.Z_SYNC_FLUSH))

    def close(self) -> None:
        pass


def compress(client) -> Deflated:
    assert client._simple_command("COMPRESS", "DEFLATE")[0] == "OK"
    deflated = Deflated(client.sock)
    client._file = deflated
    client.read, client.readline, client.send = deflated.read, deflated.readline, deflated.send
    return deflated


def offers(client) -> bool:
    return b"COMPRESS=DEFLATE" in client.capability()[1][0].split()


@pytest.fixture
def acme(make_service):
    service = make_service(access={"compress": True})
    service.acme = service.add_mailbox("acme")
    return service


def test_it_is_offered_over_tls_behind_the_login_once(acme):
    client = connect(acme, tls=True)
    assert not offers(client)
    client.login("acme", acme.acme["secret"])
    assert offers(client)
    assert client._simple_command("COMPRESS", "BZIP2")[0] == "NO"
    with pytest.raises(imaplib.IMAP4.error, match="CLIENTBUG"):
        client._simple_command("COMPRESS")
    compress(client)
    assert not offers(client)
    status, text = client._simple_command("COMPRESS", "DEFLATE")
    assert status == "NO" and text[0].startswith(b"[COMPRESSIONACTIVE]")
    plain = login(acme, None)
    assert not offers(plain)
    assert plain._simple_command("COMPRESS", "DEFLATE")[0] == "NO"
    assert client.logout()[0] == "BYE"


def test_it_is_not_there_unless_configured(service):
    service.acme = service.add_mailbox("acme")
    client = login(service, None, tls=True)
    assert not offers(client)
    assert client._simple_command("COMPRESS", "DEFLATE")[0] == "NO"


def test_large_mail_goes_through_it_both_ways(acme):
    message = b"Subject: large\r\n\r\n" + b"".join(b"%075d\r\n" % number for number in range(60000))
    client = login(acme, tls=True)
    deflated = compress(client)
    assert client.append("INBOX", "(\\Seen)", None, message)[0] == "OK"
    before = deflated.received
    assert whole(client, 1) == message
    assert deflated.received - before < len(message) // 4
    for _ in range(3):
        assert whole(client, 1, "BODY.PEEK[]<100.50>") == message[100:150]
    assert client.search(None, "ALL")[1] == [b"1"]
    assert client.logout()[0] == "BYE"


def test_what_cannot_be_compressed_goes_through_it(acme):
    import random
    octets = random.Random(1).randbytes(3000000).replace(b"\r", b"x").replace(b"\n", b"y").replace(b"\0", b"z")
    message = b"Subject: random\r\n\r\n" + b"\r\n".join(octets[at:at + 900] for at in range(0, len(octets), 900))
    client = login(acme, tls=True)
    compress(client)
    assert client.append("INBOX", None, None, message)[0] == "OK"
    assert whole(client, 1) == message


def test_many_commands_at_once(acme):
    probe(acme)
    client = login(acme, tls=True)
    deflated = compress(client)
    deflated.send(b"".join(b"n%d NOOP\r\n" % number for number in range(50000)) + b"last FETCH 1 UID\r\n")
    for number in range(50000):
        assert client.readline() == b"n%d OK NOOP completed\r\n" % number
    assert client.readline() == b"* 1 FETCH (UID 1)\r\n"


def test_an_idling_client_hears_of_an_arrival(acme):
    client = login(acme, tls=True)
    deflated = compress(client)
    deflated.send(b"i IDLE\r\n")
    assert client.readline() == b"+ idling\r\n"
    for number in 1, 2, 3:
        probe(acme)
        while (line := client.readline()) != b"* %d EXISTS\r\n" % number:
            assert line.endswith(b" RECENT\r\n")
    deflated.send(b"DONE\r\n")
    while (line := client.readline()) != b"i OK IDLE completed\r\n":
        assert line.endswith(b" RECENT\r\n")


def test_octets_that_are_not_deflate_end_the_connection(acme):
    client = login(acme, tls=True)
    compress(client)
    client.sock.sendall(b"x NOOP\r\n")
    assert client.sock.recv(100) == b""
    acme.wait_for_log(r"event=compression-failed client=127\.0\.0\.1 reason=\"the client's octets are not deflate\"")


def test_commands_in_plain_behind_it_are_not_taken(acme):
    client = login(acme, None, tls=True)
    client.sock.sendall(b"x COMPRESS DEFLATE\r\ny CREATE made\r\n")
    assert client.sock.recv(1000).startswith(b"x OK ")
    assert client.sock.recv(1000) == b""
    assert b"made" not in b"".join(login(acme, None).list()[1])


def test_a_bomb_harms_nobody(acme):
    client = login(acme, tls=True)
    deflated = compress(client)
    sent = deflated.deflater.compress(b"x" * 50000000) + deflated.deflater.flush(zlib.Z_SYNC_FLUSH)
    assert len(sent) < 65536
    client.sock.sendall(sent)
    assert client.readline() == b"* BYE [TOOBIG] a command may have 61440 octets\r\n"
    assert login(acme).noop()[0] == "OK"
