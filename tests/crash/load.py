"""Mail under way on several connections, each with a number and a checksum of its own and sent once only; and what became of it."""

import base64
import hashlib
import itertools
import random
import re
import socket
import threading
import time
from dataclasses import dataclass, field

from crash_service import MAILBOXES
from service import DOMAIN

KIB = 1024
# How often which size: (weight, octets).
SIZES = ((20, 100), (50, 2 * KIB), (15, 9 * KIB), (10, 50 * KIB), (4, 200 * KIB), (1, 1024 * KIB))
LIGHT_SIZES = ((30, 100), (57, 2 * KIB), (10, 9 * KIB), (2, 50 * KIB), (1, 200 * KIB))

# What bodies are cut from: lines as a mail system likes them, none with a dot in front.
_POOL_LINE = 76
_POOL = b"".join(line + b"\r\n" for line in (
    base64.b64encode(random.Random(0).randbytes(57)) for _ in range(3 * 1024 * KIB // (_POOL_LINE + 2))))
_LINE = _POOL_LINE + 2

MARK = re.compile(rb"^X-Crash: (\S+) (\d+) ([0-9a-f]{32})\r\n", re.MULTILINE)


def compose(number: str, size: int, chance: random.Random) -> bytes:
    start = chance.randrange(len(_POOL) // _LINE - size // _LINE - 1) * _LINE
    body = _POOL[start:start + max(1, size // _LINE) * _LINE]
    digest = hashlib.blake2b(body, digest_size=16).hexdigest()
    return b"Subject: crash %s\r\nX-Crash: %s %d %s\r\n\r\n" % (number.encode(), number.encode(), len(body), digest.encode()) + body


def digest_of(mail: bytes) -> bytes:
    return hashlib.blake2b(mail, digest_size=16).digest()


@dataclass
class Sent:
    """One mail. outcome: "unknown" until there is a reply, then its code."""
    digest: bytes
    size: int
    mailboxes: tuple
    outcome: str = "unknown"
    at_log: int = 0             # of the record of what was written, when the reply came
    at: float = 0.0             # monotonic seconds, of the reply
    reply: str = ""
    begun: bool = False         # its MAIL was accepted


class Refused(Exception):
    """Before the data: the reply is the argument."""


class Session:
    """One SMTP connection."""

    def __init__(self, port, timeout):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.replies = self.socket.makefile("rb")
        self.expect("220", self.reply())
        self.expect("250", self.say(b"EHLO load.provider.test\r\n"))

    def close(self):
        self.replies.close()
        self.socket.close()

    def reply(self) -> str:
        while True:
            line = self.replies.readline().decode(errors="replace")
            if not line.endswith("\n"):
                raise ConnectionResetError("the connection is over")
            if line[3:4] != "-":
                return line.rstrip()

    def say(self, octets: bytes) -> str:
        self.socket.sendall(octets)
        return self.reply()

    @staticmethod
    def expect(code, reply):
        if not reply.startswith(code):
            raise Refused(reply)

    def begin(self, sent: Sent) -> None:
        self.expect("250", self.say(b"MAIL FROM:<load@provider.test>\r\n"))
        sent.begun = True
        for name in sent.mailboxes:
            self.expect("250", self.say(f"RCPT TO:<{name}@{DOMAIN}>\r\n".encode()))
        self.expect("354", self.say(b"DATA\r\n"))

    def finish(self, mail: bytes) -> str:
        return self.say(mail + b".\r\n")


@dataclass
class Load:
    """senders threads, until stopped; the numbers begin with name. at_log tells how much is recorded (power.c)."""
    port: int
    seed: int
    name: str = "m"
    senders: int = 6
    sizes: tuple = SIZES
    timeout: float = 20
    at_log: object = staticmethod(lambda: 0)
    pause_s: float = 0.0            # between two mails of a sender
    sent: dict = field(default_factory=dict)
    failures: list = field(default_factory=list)       # (monotonic seconds, what): refusals and broken connections
    cut_before_reply: int = 0       # connections that ended between the final dot and its reply
    turned_away: int = 0            # connections that nobody took, or that broke before a word was said

    def __post_init__(self):
        self._stop = threading.Event()
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        self.acknowledged = 0
        self._threads = [threading.Thread(target=self._run, args=(index,), daemon=True) for index in range(self.senders)]

    def start(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def halt(self) -> None:
        """No new mail; those under way go on."""
        self._stop.set()

    def stop(self) -> "Load":
        self._stop.set()
        for thread in self._threads:
            thread.join(self.timeout + 40)
            if thread.is_alive():
                raise TimeoutError("a sender does not end")
        return self

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    def wait_for(self, more: int, wait_s: float = 60) -> None:
        """Until so many more were acknowledged."""
        goal, end = self.acknowledged + more, time.monotonic() + wait_s
        while self.acknowledged < goal:
            if time.monotonic() > end:
                raise TimeoutError(f"waited {wait_s} s for {more} acknowledged mails; the last failures: {self.failures[-3:]}")
            time.sleep(0.01)

    # ---- A sender -------------------------------------------------------------------------------------------

    def _run(self, index):
        chance = random.Random(self.seed * 1000 + index)
        while not self._stop.is_set():
            try:
                session = Session(self.port, self.timeout)
            except (OSError, Refused) as problem:
                self._failed(problem, between=True)
                continue
            try:
                for _ in range(chance.choice((1, 5, 50))):
                    if self._stop.is_set():
                        break
                    self._send(session, chance)
                    if self.pause_s:
                        self._stop.wait(self.pause_s)
            except (OSError, Refused, ValueError) as problem:
                self._failed(problem)
            finally:
                session.close()

    def _failed(self, problem, between=False):
        with self._lock:
            self.turned_away += between and not isinstance(problem, Refused)
            self.failures.append((time.monotonic(), repr(problem)))
        self._stop.wait(0.02)

    def _send(self, session, chance):
        number = f"{self.name}-{next(self._numbers)}"
        size = chance.choices([octets for _, octets in self.sizes], [weight for weight, _ in self.sizes])[0]
        mailboxes = (chance.choice(MAILBOXES),) if chance.random() < 0.9 else tuple(chance.sample(MAILBOXES, 2))
        mail = compose(number, size, chance)
        sent = Sent(digest_of(mail), len(mail), mailboxes)
        self.sent[number] = sent
        try:
            session.begin(sent)
        except Refused as refused:
            self._reply(sent, refused.args[0])
            raise
        except OSError:
            sent.outcome = "not sent"
            raise
        try:
            reply = session.finish(mail)
        except OSError:
            with self._lock:
                self.cut_before_reply += 1
            raise
        self._reply(sent, reply)
        if not reply.startswith("250"):
            self._failed(Refused(reply))

    def _reply(self, sent, reply):
        sent.reply, sent.at, sent.at_log = reply, time.monotonic(), self.at_log()
        sent.outcome = reply[:3]
        if sent.outcome == "250":
            with self._lock:
                self.acknowledged += 1
