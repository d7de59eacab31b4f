"""A customer's SMTP server that fails where a test wants it to, and a DNS server that says what a test wants: for the checker."""

import socket
import socketserver
import ssl
import struct
import subprocess
import threading
import time


class Drop(Exception):
    """Closes the connection instead of a reply."""


def drop(_session):
    raise Drop


def hang(session):
    """Says nothing until the client or the server is gone."""
    session.server.owner.ended.wait()
    raise Drop


def slow(seconds, reply):
    def say(session):
        session.server.owner.ended.wait(seconds)
        return reply
    return say


class FaultySMTP:
    """
    replies: step ("connect", "ehlo", "helo", "starttls", "mail", "rcpt", "data", "end", "rset", "quit") → reply, or a function of the
    session that gives one, or a list of these for one session after another (the last one stays). What was taken goes to
    deliver(sender, recipients, content) before the reply to the end of the data.
    """

    def __init__(self, replies=None, deliver=None, certificate=None, host="127.0.0.1", port=0, extensions=("8BITMIME", "SIZE 1000000")):
        self.replies = {"connect": "220 faulty.test ESMTP", "helo": "250 faulty.test", "starttls": "220 go ahead", "mail": "250 2.1.0 ok",
                        "rcpt": "250 2.1.5 ok", "data": "354 go ahead", "end": "250 2.0.0 taken", "rset": "250 2.0.0 ok", "quit": "221 2.0.0 bye", **(replies or {})}
        self.deliver = deliver
        self.extensions = list(extensions)
        self.context = None
        if certificate:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(*certificate)
            self.extensions.append("STARTTLS")
        self.ended = threading.Event()
        self.sessions = []              # the commands of each
        self.contents = []
        self._lock = threading.Lock()
        self._server = _Threads((host, port), _SmtpSession)
        self._server.owner = self
        self.host, self.port = self._server.server_address[:2]

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"

    def begin_session(self) -> int:
        with self._lock:
            self.sessions.append([])
            return len(self.sessions) - 1

    def reply(self, session, step: str) -> str:
        wanted = self.replies[step]
        if isinstance(wanted, list):
            wanted = wanted[min(session.number, len(wanted) - 1)]
        return wanted(session) if callable(wanted) else wanted


class _Threads(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True


class _SmtpSession(socketserver.BaseRequestHandler):
    def handle(self):
        self.number = self.server.owner.begin_session()
        self.file = self.request.makefile("rb")
        try:
            if not self.say("connect").startswith("2"):
                return
            while line := self.file.readline():
                if not self.command(line.decode("latin-1").strip()):
                    return
        except (Drop, OSError):
            pass
        finally:
            self.file.close()

    def say(self, step: str) -> str:
        reply = self.server.owner.reply(self, step)
        self.request.sendall(reply.encode() + b"\r\n")
        return reply

    def command(self, line: str) -> bool:
        owner, verb = self.server.owner, line.split(" ")[0].lower()
        owner.sessions[self.number].append(line)
        if verb == "ehlo" and "ehlo" not in owner.replies:
            words = ["faulty.test", *owner.extensions]
            self.request.sendall("".join(f"250{'-' if w is not words[-1] else ' '}{w}\r\n" for w in words).encode())
        elif verb == "starttls":
            if self.say("starttls").startswith("2"):
                self.start_tls()
        elif verb == "mail":
            self.sender, self.recipients = line, []
            self.say("mail")
        elif verb == "rcpt":
            if self.say("rcpt").startswith("2"):
                self.recipients.append(line.partition("<")[2].partition(">")[0])
        elif verb == "data":
            if self.say("data").startswith("3"):
                self.take_data()
        elif verb in owner.replies:
            self.say(verb)
        else:
            self.request.sendall(b"500 5.5.1 unknown\r\n")
        return verb != "quit"

    def start_tls(self):
        self.file.close()
        self.request = self.server.owner.context.wrap_socket(self.request, server_side=True)
        self.file = self.request.makefile("rb")

    def take_data(self):
        lines = []
        while (line := self.file.readline()) != b".\r\n":
            if not line:
                raise Drop
            lines.append(line[1:] if line.startswith(b".") else line)
        content = b"".join(lines)
        self.server.owner.contents.append(content)
        if self.server.owner.deliver:
            self.server.owner.deliver(self.sender, self.recipients, content)
        self.say("end")


class TinyDNS:
    """records: (name, type) → list of values: "A"/"AAAA" addresses, "MX" (preference, host). rcodes: name → code (2 SERVFAIL, 3 NXDOMAIN)."""

    TYPES = {1: "A", 15: "MX", 28: "AAAA"}

    def __init__(self, records, rcodes=None):
        self.records, self.rcodes = records, rcodes or {}
        self.asked = []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._socket.getsockname()[1]}"

    def __enter__(self):
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._socket.close()

    def _serve(self):
        while True:
            try:
                query, client = self._socket.recvfrom(4096)
                self._socket.sendto(self._answer(query), client)
            except OSError:
                return

    def _answer(self, query: bytes) -> bytes:
        name, at = [], 12
        while length := query[at]:
            name.append(query[at + 1:at + 1 + length].decode("latin-1").lower())
            at += 1 + length
        question, name = query[12:at + 5], ".".join(name)
        kind = self.TYPES.get(struct.unpack("!H", query[at + 1:at + 3])[0], "?")
        self.asked.append((name, kind))
        known = any(n == name for n, _ in self.records)
        rcode = self.rcodes.get(name, 0 if known else 3)
        values = self.records.get((name, kind), []) if rcode == 0 else []
        answers = b"".join(b"\xc0\x0c" + struct.pack("!HHIH", next(k for k, v in self.TYPES.items() if v == kind), 1, 1, len(data)) + data
                           for data in (self._data(kind, value) for value in values))
        return query[:2] + struct.pack("!HHHHH", 0x8580 | rcode, 1, len(values), 0, 0) + question + answers

    @staticmethod
    def _data(kind: str, value) -> bytes:
        if kind == "MX":
            preference, host = value
            return struct.pack("!H", preference) + b"".join(bytes([len(w)]) + w.encode() for w in host.split(".") if w) + b"\0"
        return socket.inet_pton(socket.AF_INET if kind == "A" else socket.AF_INET6, value)


def make_certificate(folder, name: str):
    """A self-signed certificate, its own authority: (certificate file, key file)."""
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
                    f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}", "-keyout", key, "-out", certificate], check=True, capture_output=True)
    return certificate, key


def wait_until(condition, what: str, seconds: float = 20):
    """Until condition() is true; gives what it gave."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.01)
    raise AssertionError(f"waited {seconds} s in vain until {what}")
