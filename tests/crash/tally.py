"""What is there of what was sent: read by IMAP, counted, and put into a row of the table."""

import hashlib
import re
import socket
import ssl
from dataclasses import dataclass, fields

from crash_service import MAILBOXES
from load import MARK, digest_of
from service import DOMAIN

START = b"Subject: crash "
LITERAL = re.compile(rb"\{(\d+)\}\r\n$")


class ImapReader:
    """Reads whole folders by one FETCH; says what it could not get."""

    def __init__(self, port, user, secret, timeout=120):
        plain = socket.create_connection(("127.0.0.1", port), timeout)
        self.socket = ssl._create_unverified_context().wrap_socket(plain)
        self.stream = self.socket.makefile("rb")
        self.stream.readline()
        self.command(f'LOGIN "{user}" "{secret}"')

    def command(self, text, on_literal=None):
        """The lines of the answer; each literal goes to on_literal. OSError where it is not OK."""
        self.socket.sendall(b"a " + text.encode() + b"\r\n")
        lines = []
        while True:
            line = self.stream.readline()
            if not line:
                raise ConnectionResetError("imapd ended the connection")
            while (literal := LITERAL.search(line)) is not None:
                octets = self.stream.read(int(literal[1]))
                if on_literal is not None:
                    on_literal(octets)
                line = self.stream.readline()
            lines.append(line)
            if line.startswith(b"a "):
                if not line.startswith(b"a OK"):
                    raise OSError(f"{text}: {line.decode().rstrip()}")
                return lines

    def read(self, folder, on_message) -> int:
        """How many messages the folder has."""
        lines = self.command(f'EXAMINE "{folder}"')
        count = max(int(line.split()[1]) for line in lines if line.endswith(b" EXISTS\r\n"))
        if count > 0:
            self.command("FETCH 1:* (BODY.PEEK[])", on_message)
        return count

    def close(self):
        self.stream.close()
        self.socket.close()


def read_all(service, on_message) -> int:
    """Each message of each mailbox: on_message(mailbox, octets). How many the folders count."""
    count = 0
    for name in MAILBOXES:
        reader = ImapReader(service.ports["imaps"], f"{name}@{DOMAIN}", service.secrets[name])
        for folder in ("INBOX", "Unmatched"):
            count += reader.read(folder, lambda octets, name=name: on_message(name, octets))
        reader.close()
    return count


@dataclass
class Row:
    """One kind of run. All of the second half have to be 0."""
    kind: str
    runs: int = 0
    acknowledged: int = 0
    refused: int = 0
    no_reply: int = 0
    stored: int = 0
    slowest_s: float = 0.0      # until the service was back
    lost: int = 0
    doubled: int = 0
    altered: int = 0
    half: int = 0
    kept: int = 0               # refused but kept
    problems: int = 0           # of verify
    failed: int = 0             # what else must not be: transactions that failed, replies that were cut off, times that were passed
    late: int = 0               # back later than promised
    note: str = ""

    def is_good(self) -> bool:
        return not any((self.lost, self.doubled, self.altered, self.half, self.kept, self.problems, self.failed, self.late))

    def add(self, other: "Row") -> None:
        for f in fields(self):
            if f.name not in ("kind", "note", "slowest_s"):
                setattr(self, f.name, getattr(self, f.name) + getattr(other, f.name))
        self.slowest_s = max(self.slowest_s, other.slowest_s)
        self.note = "; ".join(filter(None, dict.fromkeys((*self.note.split("; "), other.note))))

    def back(self, seconds: float, limit: float) -> None:
        """It took so long until the service was back."""
        self.slowest_s = max(self.slowest_s, seconds)
        if seconds > limit:
            self.late += 1
            self.note = "; ".join(filter(None, (self.note, f"back after {seconds:.2f} s")))

    def is_good_but_for_time(self) -> bool:
        """For tests beside others, whose times depend on those."""
        return not any((self.lost, self.doubled, self.altered, self.half, self.kept, self.problems, self.failed))

    def fail(self, what: str) -> None:
        self.failed += 1
        self.note = "; ".join(filter(None, (self.note, what)))


HEAD = (f"{'run':<34}{'runs':>5}{'250':>8}{'refused':>8}{'cut':>6}{'stored':>8}{'back s':>7} | {'lost':>4} {'dbl':>3} {'alt':>3} {'half':>4} "
        f"{'kept':>4} {'vrfy':>4} {'fail':>4} {'late':>4}")


def show(row: Row) -> str:
    return (f"{row.kind:<34}{row.runs:>5}{row.acknowledged:>8}{row.refused:>8}{row.no_reply:>6}{row.stored:>8}{row.slowest_s:>7.2f} | "
            f"{row.lost:>4} {row.doubled:>3} {row.altered:>3} {row.half:>4} {row.kept:>4} {row.problems:>4} {row.failed:>4} {row.late:>4}  {row.note}").rstrip()


def _damage(octets: bytes) -> str:
    """What is wrong with a message by its own word; "" if nothing."""
    mark = MARK.search(octets)
    body = octets[octets.find(b"\r\n\r\n") + 4:]
    if mark is None or len(body) < int(mark[2]):
        return "half"
    return "" if hashlib.blake2b(body, digest_size=16).hexdigest().encode() == mark[3] else "altered"


def compare(row: Row, sent: dict, found: list, must_be_there=lambda mail: mail.outcome == "250") -> None:
    """found: (mailbox, octets as served). Counts into row; the notes name the first of each kind."""
    seen = {}
    for mailbox, octets in found:
        at = octets.find(START)
        mail = octets[at:] if at >= 0 else octets
        mark = MARK.search(mail)
        number = mark[1].decode() if mark else None
        if number not in sent:
            row.altered += 1
            row.note = row.note or f"a message that nobody sent, of {len(mail)} octets"
            continue
        seen.setdefault((number, mailbox), []).append(mail)
        if digest_of(mail) != sent[number].digest:
            kind = _damage(mail) or "altered"
            setattr(row, kind, getattr(row, kind) + 1)
            row.note = row.note or f"{number} is {kind}"
    for number, mail in sent.items():
        copies = [len(seen.get((number, mailbox), [])) for mailbox in mail.mailboxes]
        row.doubled += sum(count > 1 for count in copies)
        if must_be_there(mail):
            missing = sum(count == 0 for count in copies)
            row.lost += missing
            if missing:
                row.note = row.note or f"{number} is lost"
        elif mail.outcome[0] in "45" and any(copies):
            row.kept += 1
            row.note = row.note or f"{number} is there, and was answered: {mail.reply}"
        elif len(set(copies)) > 1:      # to two mailboxes, but in one of them only
            row.half += 1
            row.note = row.note or f"{number} is in one of its mailboxes only"
    row.stored += len(found)


def outcome(row: Row, sent: dict) -> None:
    for mail in sent.values():
        if mail.outcome == "250":
            row.acknowledged += 1
        elif mail.outcome in ("unknown", "not sent"):
            row.no_reply += mail.outcome == "unknown"
        else:
            row.refused += 1


def examine(service, row: Row, sent: dict, **how) -> Row:
    """Reads back all, verifies, and counts."""
    found = []
    count = read_all(service, lambda mailbox, octets: found.append((mailbox, octets)))
    if count != len(found):
        row.fail(f"folders count {count} messages and give {len(found)}")
    outcome(row, sent)
    compare(row, sent, found, **how)
    problems = service.ctl("verify", "--json")["problems"]
    row.problems += problems if isinstance(problems, int) else len(problems)
    return row
