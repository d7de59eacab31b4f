"""A client that says to a mail server exactly what it is told, octet by octet."""

import re
import socket
import ssl

from service import DOMAIN

END_OF_REPLY = re.compile(rb"(?:^|\n)\d{3} [^\n]*\n\Z")


class Closed(Exception):
    """The server has ended the connection; the text is what it said before."""


class SmtpClient:
    def __init__(self, address, timeout=20):
        """address: (host, port), or the path of a Unix socket."""
        self.socket = socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET)
        self.socket.settimeout(timeout)
        self.socket.connect(address)
        if not isinstance(address, str):
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.greeting = self.reply()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, octets: bytes) -> None:
        self.socket.sendall(octets)

    def reply(self) -> str:
        """The next reply, all its lines."""
        text = b""
        while not END_OF_REPLY.search(text):
            octet = self.socket.recv(1)
            if not octet:
                raise Closed(text.decode())
            text += octet
        return text.decode()

    def say(self, command) -> str:
        """One command and its reply."""
        self.send(command.encode() + b"\r\n" if isinstance(command, str) else command)
        return self.reply()

    def codes(self, octets: bytes, count: int) -> list[str]:
        """Says it all at once, and gives the codes of count replies."""
        self.send(octets)
        return [self.reply().splitlines()[-1][:3] for _ in range(count)]

    def rest(self) -> str:
        """All that comes until the server ends the connection."""
        text = b""
        try:
            while part := self.socket.recv(65536):
                text += part
        except ConnectionResetError:
            pass
        return text.decode()

    def envelope(self, recipient=f"acme@{DOMAIN}", sender="probe@provider.test") -> None:
        for command in ("EHLO client.test", f"MAIL FROM:<{sender}>", f"RCPT TO:<{recipient}>"):
            reply = self.say(command)
            assert reply.startswith("250"), reply

    def data(self, octets: bytes) -> str:
        """DATA and the octets as they are, the end of data among them."""
        assert self.say("DATA").startswith("354")
        return self.say(octets)

    def starttls(self) -> ssl.SSLSocket:
        assert self.say("STARTTLS").startswith("220")
        self.socket = ssl._create_unverified_context().wrap_socket(self.socket)
        return self.socket


def connect(service, **options) -> SmtpClient:
    return SmtpClient(("127.0.0.1", service.smtp_port), **options)


def send(service, octets: bytes, recipient=f"acme@{DOMAIN}", sender="probe@provider.test") -> str:
    """One mail of exactly these octets, which must not need dot-stuffing; gives the last reply."""
    with connect(service) as client:
        client.envelope(recipient, sender)
        return client.data(octets + b".\r\n")


def listed(service, mailbox="acme") -> list[dict]:
    """The messages of a mailbox (at most 100), oldest first."""
    return service.http("GET", f"/v1/mailboxes/{mailbox}/messages?limit=100").json()["messages"][::-1]


def stored(service, mailbox="acme", count=1) -> list[dict]:
    """The same, as soon as there are count of them."""
    def enough():
        messages = listed(service, mailbox)
        return messages if len(messages) >= count else None
    return service.wait_for(enough, f"{count} messages are listed")


def raw(service, message: dict) -> bytes:
    return service.http("GET", f"/v1/messages/{message['id']}/raw").body


def split_trace(octets: bytes) -> tuple[str, bytes]:
    """The fields that we put in front, and the message as it came."""
    match = re.match(rb"Return-Path: .*\r\nDelivered-To: .*\r\nReceived: .*\r\n(?:[ \t].*\r\n)*", octets)
    return match[0].decode(), octets[match.end():]


def growth_allowed(service, octets: int) -> int:
    """octets; and what AddressSanitizer keeps of freed memory, where the build has it."""
    quarantine = 256 << 20 if b"__asan_init" in (service.build / "mailtestd").read_bytes() else 0
    return octets + quarantine


def resident_bytes(service, role="smtpd") -> int:
    """Memory that the processes of a role hold together."""
    total = 0
    for pid in service.role_pids(role):
        with open(f"/proc/{pid}/status", encoding="ascii") as status:
            total += int(re.search(r"VmRSS:\s+(\d+)", status.read())[1]) * 1024
    return total
