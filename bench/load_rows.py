"""The rows of the load: what a good client waits beside very many others, what those others take of the memory, and when they are gone."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

from mailbox_peers import SECRET, Box, Dovecot, Mailboxes
from measure import MeasureError, memory_kib, run_generator
from peers import MAILBOXES, MaildirPostfix
from rows import Row
from service import DOMAIN

CROWD = Path(__file__).with_name("crowd.py")
GOOD_MAX_MS, GOOD_TRIES, GOOD_PAUSE_S = 100, 100, 0.06
CLIENTS, WAITS = 10_000, 5_000
PEER_CLIENTS, PEER_TRIES = 2_000, 5
CLIENT_MAX_KIB, CLIENT_TLS_MAX_KIB = 10, 40
ATTACK_MAX_MIB = 96
GONE_MAX_S = 180
SENDERS, SENDERS_MAX_S, SENDERS_SHARE = 10_000, 120, 0.99
MEASURED_CLIENTS, MEASURED_TLS_CLIENTS = 4_000, 2_000
WAITING_KINDS = 9
MANY = 1_000_000
# Clients come from many addresses, below the limits on each; what is counted over all of them would keep most of this crowd out from the start.
LOAD_SETTINGS = {"limits": {"trusted": []}, "access": {"new_per_second": MANY},
                 "smtp": {"new_per_second": MANY, "mails_per_minute_address": MANY, "mails_per_minute_mailbox": MANY}}
SHORT = {"smtp": {"early_timeout_ms": 3000, "command_timeout_ms": 3000, "stalled_timeout_ms": 3000, "tls_timeout_ms": 3000},
         "access": {"login_timeout_ms": 3000, "stalled_timeout_ms": 3000}, "http": {"timeout_ms": 3000}}
SHORT_MAX_S = 12


# ---- The crowd -----------------------------------------------------------------------------------------------------------


class Crowd:
    """The clients of crowd.py, there until the end of the block."""

    def __init__(self, groups: list, together: int = 200):
        self.order = {"groups": groups, "together": together}

    def __enter__(self):
        self.process = subprocess.Popen([sys.executable, CROWD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.process.stdin.write(json.dumps(self.order) + "\n")
        self.process.stdin.flush()
        self.begun = self._read()
        return self

    def _read(self) -> dict:
        line = self.process.stdout.readline()
        if not line:
            raise MeasureError("crowd.py ended early")
        return json.loads(line)

    def end(self) -> dict:
        """What became of them."""
        if not self.process.stdin.closed:
            self.process.stdin.close()
            self.ended = self._read()
        return self.ended["groups"]

    def __exit__(self, *_):
        if self.process.poll() is None:
            with contextlib.suppress(MeasureError):
                self.end()
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


class Place:
    """A server's ports, and groups of clients of it. Each group gets networks of its own."""

    def __init__(self, server):
        self.server, self.networks = server, 0

    def group(self, name: str, listener: str, count: int, *steps, **more) -> dict:
        first = self.networks
        self.networks += count // 100 + 1
        return {"name": name, "host": "127.0.0.1", "port": self.server.service.ports[listener], "count": count, "first_source": first,
                "steps": list(steps), **more}

    def smtp_message(self, name: str, count: int, octets: int, **more) -> dict:
        return self.group(name, "smtp", count, ("220 ", "EHLO load.test\r\n"), ("250 ", "MAIL FROM:<>\r\n"), ("250 ", f"RCPT TO:<box1@{DOMAIN}>\r\n"),
                          ("250 ", "DATA\r\n"), ("354 ", "Subject: x\r\n\r\n" + ("x" * 70 + "\r\n") * (octets // 72)), **more)

    def wait(self, name: str, count: int, tokens: list) -> dict:
        key = self.server.service.key
        return self.group(name, "http", count, ("", f"GET /v1/mailboxes/box1/tokens/{tokens[0]}?wait=300s HTTP/1.1\r\nHost: load\r\n"
                                                    f"Authorization: Bearer {key}\r\n\r\n"))


# ---- A good client -------------------------------------------------------------------------------------------------------


class Session:
    """Lines to and from a server, in turn."""

    def __init__(self, host: str, port: int, timeout_s: float):
        self.socket = socket.create_connection((host, port), timeout_s)
        self.file = self.socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()
        self.socket.close()

    def until(self, words: bytes) -> bytes:
        """The line that begins so."""
        while line := self.file.readline():
            if line.startswith(words):
                return line
            if line[:1] in b"45" and line[3:4] == b" " or line.startswith((b"* BYE", b"a NO", b"a BAD")):
                break
        raise MeasureError(f"a good client was told {line!r} and not {words!r}")

    def say(self, text: str, words: str) -> bytes:
        self.socket.sendall(text.encode() + b"\r\n")
        return self.until(words.encode())


def send_mail(host: str, port: int, recipient: str, token: str, timeout_s: float = 30) -> None:
    with Session(host, port, timeout_s) as s:
        s.until(b"220 ")
        s.say("EHLO good.test", "250 ")
        s.say("MAIL FROM:<good@good.test>", "250 ")
        s.say(f"RCPT TO:<{recipient}>", "250 ")
        s.say("DATA", "354 ")
        s.say(f"Subject: {token}\r\n\r\n{token}\r\n.", "250 ")
        s.say("QUIT", "221 ")


def read_mail(host: str, port: int, user: str, secret: str, word: str, timeout_s: float = 30) -> None:
    with Session(host, port, timeout_s) as s:
        s.until(b"* OK")
        s.say(f"a LOGIN {user} {secret}", "a OK")
        s.say("a SELECT INBOX", "a OK")
        s.say(f"a SEARCH SUBJECT {word}", "a OK")
        s.say("a LOGOUT", "* BYE")


def look_up(service, token: str) -> None:
    if service.http("GET", f"/v1/mailboxes/box1/tokens/{token}").status != 200:
        raise MeasureError("a look-up failed")


def timed(call, *arguments) -> float:
    began = time.monotonic()
    call(*arguments)
    return (time.monotonic() - began) * 1e3


def good_client(server, tokens: list, tries: int = GOOD_TRIES) -> dict:
    """What → its times in ms, in order."""
    found = {"SMTP session with a mail": [], "IMAP session by token": [], "look-up": []}
    for number in range(tries):
        token, began = tokens[number], time.monotonic()
        for what, call, *arguments in (
                ("SMTP session with a mail", send_mail, "127.0.0.1", server.service.smtp_port, f"box1@{DOMAIN}", token),
                ("IMAP session by token", read_mail, "127.0.0.1", server.port, "box1", server.secrets["box1"], token),
                ("look-up", look_up, server.service, token)):
            found[what].append(timed(call, *arguments))
        time.sleep(max(0.0, GOOD_PAUSE_S - (time.monotonic() - began)))
    return {what: sorted(times) for what, times in found.items()}


def _p99(times: list) -> float:
    return times[max(0, len(times) * 99 // 100 - 1)]


# ---- Rows ----------------------------------------------------------------------------------------------------------------


def _serve(options, scratch: Path, **settings) -> Mailboxes:
    merged = {name: {**LOAD_SETTINGS.get(name, {}), **settings.get(name, {})} for name in {*LOAD_SETTINGS, *settings}}
    return Mailboxes(options.build, scratch / "certificate.pem", scratch / "key.pem", **merged)


def _mixed(place: Place, tokens: list) -> list:
    """Ten thousand that are idle or slow, and five thousand that wait for an answer."""
    part = CLIENTS // 10
    return [
        place.group("SMTP, idle", "smtp", 2 * part, ("220 ", "EHLO idle.test\r\n")),
        place.group("SMTP, an octet a second", "smtp", part, ("220 ", "NOOP "), again="x"),
        place.smtp_message("SMTP, a message an octet a second", part, 72, again="x"),
        place.group("SMTP, STARTTLS", "smtp", part, ("220 ", "EHLO idle.test\r\n"), ("250 ", "STARTTLS\r\n"), ("220 ", "%CLIENTHELLO%")),
        place.group("IMAP, idle", "imap", 2 * part, ("* OK", "")),
        place.group("IMAP, an octet a second", "imap", part, ("* OK", "a NOOP "), again="x"),
        place.group("IMAPS, idle", "imaps", part, ("* OK", ""), tls=2),
        place.group("POP3, idle", "pop3", part, ("+OK", "")),
        place.wait("HTTP, waiting", WAITS, tokens),
    ]


def _good_rows(options, scratch: Path, say) -> list[Row]:
    rows = []
    with _serve(options, scratch) as server:
        server.add([f"box{n}" for n in range(1, MAILBOXES + 1)])
        tokens = server.mint(GOOD_TRIES * MAILBOXES + MAILBOXES, MAILBOXES)[::MAILBOXES]      # those of box1
        alone = good_client(server, tokens[:10], 10)
        with Crowd(_mixed(Place(server), tokens[-1:])) as crowd:
            say(f"{CLIENTS + WAITS:,} clients, there in {crowd.begun['seconds']:.0f} s: {json.dumps(crowd.begun['groups'])}")
            found = good_client(server, tokens)
            left = crowd.end()
        say(f"and at the end: {json.dumps(left)}")
        there = sum(group["there"] for group in left.values())
    for what, times in found.items():
        p99 = _p99(times)
        rows.append(Row(f"{what}, beside {there:,} others, p99", f"{p99:.1f} ms", "", f"alone {alone[what][len(alone[what]) // 2]:.1f} ms",
                        f"<= {GOOD_MAX_MS} ms", p99 <= GOOD_MAX_MS and there >= (CLIENTS + WAITS) * 0.95))
    return rows


def held_kib(pids) -> int:
    """Anonymous memory of all processes, and the messages that they hold in memory files."""
    files = {}
    for pid in pids:
        with contextlib.suppress(OSError):
            for entry in os.scandir(f"/proc/{pid}/fd"):
                with contextlib.suppress(OSError):
                    if os.readlink(entry.path).startswith("/memfd:mailtest-body"):
                        status = os.stat(entry.path)
                        files[status.st_ino] = status.st_blocks // 2
    return memory_kib(pids, "Pss_Anon") + sum(files.values())


def _growth(server, group: dict, say, together=200) -> tuple[float, dict]:
    """KiB by which memory grew at most while the clients were there, looked at now and two seconds later."""
    before = held_kib(server.pids())
    with Crowd([group], together) as crowd:
        grown = held_kib(server.pids()) - before
        time.sleep(2)
        grown = max(grown, held_kib(server.pids()) - before)
        left = crowd.end()[group["name"]]
    say(f"{group['name']}: {grown / 1024:.1f} MiB; {json.dumps(left)}")
    return grown, left


def _waiting_kinds(place: Place, tokens: list) -> list:
    n, tls = MEASURED_CLIENTS, MEASURED_TLS_CLIENTS
    return [
        (place.group("SMTP, greeted", "smtp", n, ("220 ", "EHLO idle.test\r\n")), CLIENT_MAX_KIB),
        (place.group("SMTP, with sender and recipient", "smtp", n, ("220 ", "EHLO idle.test\r\n"), ("250 ", "MAIL FROM:<>\r\n"),
                     ("250 ", f"RCPT TO:<box1@{DOMAIN}>\r\n"), ("250 ", "")), CLIENT_MAX_KIB),
        (place.group("SMTP, DATA and nothing behind it", "smtp", n, ("220 ", "EHLO idle.test\r\n"), ("250 ", "MAIL FROM:<>\r\n"),
                     ("250 ", f"RCPT TO:<box1@{DOMAIN}>\r\n"), ("250 ", "DATA\r\n"), ("354 ", "")), CLIENT_MAX_KIB),
        (place.smtp_message("SMTP, within a message of which 1 KB came", n, 1000), CLIENT_MAX_KIB),
        (place.group("IMAP, greeted", "imap", n, ("* OK", "")), CLIENT_MAX_KIB),
        (place.group("IMAPS, greeted", "imaps", tls, ("* OK", ""), tls=2), CLIENT_TLS_MAX_KIB),
        (place.group("POP3, greeted", "pop3", n, ("+OK", "")), CLIENT_MAX_KIB),
        (place.wait("HTTP, waiting for a token", n, tokens), CLIENT_MAX_KIB),
        (place.group("HTTP, connected", "http", n, ("", "GET /v1/")), CLIENT_MAX_KIB),
    ]


def _memory_rows(options, scratch: Path, say) -> list[Row]:
    rows = []
    for kind in range(WAITING_KINDS):       # each with a service that has served nobody yet
        with _serve(options, scratch) as server:
            server.add(["box1"])
            group, most = _waiting_kinds(Place(server), server.mint(1, 1))[kind]
            grown, left = _growth(server, group, say)
            each = grown / max(1, left["there"])
            rows.append(Row(f"memory of a waiting client: {group['name']}", f"{each:.1f} KiB", "", "", f"<= {most} KiB",
                            each <= most and left["there"] >= group["count"] * 0.95))
    return rows


def _attacks(place: Place, server, tokens: list) -> list:
    n = CLIENTS
    login = f"a LOGIN box1 {server.secrets['box1']}\r\n"
    return [
        place.group("SMTP, idle", "smtp", n, ("220 ", "EHLO idle.test\r\n")),
        place.group("SMTP, half commands", "smtp", n, ("220 ", "EHLO idle.test\r\n"), ("250 ", "MAIL FROM:<" + "x" * 900)),
        place.smtp_message("SMTP, half messages of 1 KB", n, 1000),
        place.smtp_message("SMTP, messages of 60 KB without their end", n, 60_000),
        place.smtp_message("SMTP, messages of 1 MB without their end", 400, 1_000_000),
        place.group("SMTP, handshakes begun and left", "smtp", n, ("220 ", "EHLO idle.test\r\n"), ("250 ", "STARTTLS\r\n"), ("220 ", "%CLIENTHELLO%")),
        place.group("SMTP, replies that are not read", "smtp", n, ("220 ", "EHLO x\r\n" * 400), reads=False, window=4096),
        place.group("IMAP, half commands", "imap", n, ("* OK", "a LOGIN {4000+}\r\n" + "x" * 3000)),
        place.group("IMAPS, handshakes begun and left", "imaps", n, ("", "%CLIENTHELLO%")),
        place.group("IMAPS, heads of handshakes of 128 KiB", "imaps", n, ("", "\x16\x03\x01\x40\x00\x01\x01\xff\xff" + "x" * 300)),
        place.group("IMAP, answers that are not read", "imap", 400, ("* OK", login), ("a OK", "a SELECT INBOX\r\n"),
                    ("a OK", "a FETCH 1:* BODY.PEEK[]\r\n" * 50), reads=False, window=4096),
        place.group("HTTP, half headers", "http", n, ("", "GET /v1/status HTTP/1.1\r\nHost: x\r\nX-Long: " + "x" * 12_000)),
        place.group("HTTP, half bodies", "http", 400, ("", "POST /v1/tokens/lookup HTTP/1.1\r\nHost: x\r\n"
                                                           f"Authorization: Bearer {server.service.key}\r\nContent-Length: 1000000\r\n\r\n" + "x" * 900_000)),
        place.group("HTTP, answers that are not read", "http", 400, ("", f"GET /v1/mailboxes HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {server.service.key}\r\n\r\n" * 200),
                    reads=False, window=4096),
    ]


def _attack_rows(options, scratch: Path, say) -> list[Row]:
    rows = []
    with _serve(options, scratch) as server:
        server.add(["box1"])
        tokens = server.mint(41, 1)
        box = Box("box1", 40, 200_000, tokens[:40])
        server.fill(box, scratch)
        for group in _attacks(Place(server), server, tokens[-1:]):
            grown, left = _growth(server, group, say)
            mib = grown / 1024
            rows.append(Row(f"memory by {group['count']:,} clients: {group['name']}", f"{mib:.0f} MiB", f"{left['there']:,} there", "",
                            f"<= {ATTACK_MAX_MIB} MiB", mib <= ATTACK_MAX_MIB))
    return rows


def _gone_rows(options, scratch: Path, say) -> list[Row]:
    """With limits of 3 s, so that what is shown is that each is held to one; --full: with the defaults."""
    settings, most = ({}, GONE_MAX_S) if options.full else (SHORT, SHORT_MAX_S)
    count = 50
    with _serve(options, scratch, **settings) as server:
        server.add(["box1"])
        tokens = server.mint(11, 1)
        server.fill(Box("box1", 10, 400_000, tokens[:10]), scratch)
        place = Place(server)
        login = f"a LOGIN box1 {server.secrets['box1']}\r\n"
        groups = [
            place.group("SMTP, idle", "smtp", count, ("220 ", "EHLO idle.test\r\n")),
            place.group("SMTP, an octet a second", "smtp", count, ("220 ", "NOOP "), again="x"),
            place.smtp_message("SMTP, a message an octet a second", count, 72, again="x"),
            place.group("SMTP, a mailbox named", "smtp", count, ("220 ", "EHLO idle.test\r\n"), ("250 ", "MAIL FROM:<>\r\n"),
                        ("250 ", f"RCPT TO:<box1@{DOMAIN}>\r\n"), ("250 ", "")),
            place.group("SMTP, commands without a mail", "smtp", count, ("220 ", "EHLO idle.test\r\n"), again="NOOP\r\n"),
            place.group("SMTP, handshake", "smtp", count, ("220 ", "EHLO idle.test\r\n"), ("250 ", "STARTTLS\r\n"), ("220 ", "%CLIENTHELLO%")),
            place.group("SMTP, replies that are not read", "smtp", count, ("220 ", "EHLO x\r\n" * 4000), reads=False, window=4096),
            place.group("IMAP, idle", "imap", count, ("* OK", "")),
            place.group("IMAP, an octet a second", "imap", count, ("* OK", "a NOOP "), again="x"),
            place.group("IMAPS, handshake", "imaps", count, ("", "%CLIENTHELLO%")),
            place.group("POP3, an octet a second", "pop3", count, ("+OK", "USER "), again="x"),
            place.group("IMAP, answers that are not read", "imap", 20, ("* OK", login), ("a OK", "a SELECT INBOX\r\n"),
                        ("a OK", "a FETCH 1:* BODY.PEEK[]\r\n" * 8), reads=False, window=4096),
            place.group("HTTP, half a header", "http", count, ("", "GET /v1/"), again="x"),
        ]
        began, end = time.monotonic(), time.monotonic() + most + 3
        with Crowd(groups) as crowd:
            # Those that do not read do not see their end: the service's own count is asked.
            while time.monotonic() < end and _open(server) > 0:
                time.sleep(0.1)
            took, stay = time.monotonic() - began, _open(server)
            left = crowd.end()
        say(f"stalled clients, {took:.1f} s: {json.dumps(left)}")
    title = "stalled clients are gone after" if options.full else "stalled clients are gone after, with limits of 3 s"
    return [Row(title, f"{took:.1f} s" if stay == 0 else f"{stay:.0f} stay", "", "", f"<= {most} s", stay == 0 and took <= most)]


def _open(server) -> float:
    return server.service.metric("mailtest_smtp_sessions") + server.service.metric("mailtest_imapd_sessions")


def _sender_rows(options, scratch: Path, say) -> list[Row]:
    """Ten thousand connections at once, a mail each, each tried once."""
    with _serve(options, scratch, smtp={"sessions_per_address": MANY, "sessions_per_network": MANY, "new_per_second_network": MANY}) as server:
        server.add([f"box{n}" for n in range(1, MAILBOXES + 1)])
        tokens = scratch / "tokens"
        tokens.write_text("\n".join(server.mint(SENDERS, MAILBOXES)) + "\n", encoding="ascii")
        report = run_generator(options.build / "bench/smtp_load", "-s", 2048, "-c", SENDERS, "-n", SENDERS, "--sources", 4, "--timeout", 130, "--tokens", tokens,
                               "--recipient", f"box%@{DOMAIN}", "--mailboxes", MAILBOXES, server.host, server.service.smtp_port)
    say(f"{SENDERS:,} senders at once: {json.dumps(report)}")
    taken = report["accepted"] / SENDERS
    others = sum(count for code, count in report["errors"].items() if code not in ("421", "452"))
    return [Row(f"{SENDERS:,} senders at once: taken, after", f"{taken:.2%}, {report['seconds']:.1f} s", "", f"{others} told neither 421 nor 452",
                f">= {SENDERS_SHARE:.0%}, {SENDERS_MAX_S} s", taken >= SENDERS_SHARE and report["seconds"] <= SENDERS_MAX_S and others == 0)]


def _peer_rows(options, scratch: Path, say) -> list[Row]:
    """A good client of Postfix and Dovecot beside idle connections; and of Mailtest beside as many."""
    rows = []
    with MaildirPostfix() as postfix, Dovecot() as dovecot:
        for name, what, greeting, server, call in (
                ("Postfix", "SMTP session with a mail", "220 ", postfix,
                 lambda: send_mail(postfix.host, postfix.port, f"box1@{postfix.domain}", "x", 60)),
                ("Dovecot", "IMAP session", "* OK", dovecot, lambda: read_mail(dovecot.host, dovecot.port, "box1", SECRET, "x", 60))):
            alone = timed(call)
            group = {"name": name, "host": server.host, "port": server.port, "count": PEER_CLIENTS, "first_source": 0, "steps": [(greeting, "")]}
            with Crowd([group], PEER_CLIENTS) as crowd:
                times = []
                for _ in range(PEER_TRIES):
                    try:
                        times.append(timed(call))
                    except (OSError, MeasureError) as error:
                        say(f"{name}: {error}")
                        times.append(60e3)
                say(f"{name} beside {PEER_CLIENTS:,}: {json.dumps(crowd.end())}, {times} ms")
            times.sort()
            rows.append(Row(f"{name}'s {what} beside {PEER_CLIENTS:,} idle ones, median", "", f"{times[len(times) // 2]:.0f} ms", f"alone {alone:.1f} ms"))
    return rows


PARTS = {"good": _good_rows, "memory": _memory_rows, "attack": _attack_rows, "gone": _gone_rows, "senders": _sender_rows, "peers": _peer_rows}


def load(options, scratch: Path, say, parts=tuple(PARTS)) -> list[Row]:
    """Everything that "Nobody out" promises in numbers."""
    return [row for part in parts for row in PARTS[part](options, scratch, say)]
