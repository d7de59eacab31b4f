"""The rows about reading mailboxes: by IMAP and by POP3, Mailtest and Dovecot taking turns with the same mail."""

import contextlib
import json
import subprocess
from pathlib import Path

from mailbox_peers import Box, Dovecot, Mailboxes
from measure import MeasureError, median, memory_kib, run_generator
from rows import Row
from service import DOMAIN

SIZES = {"box1": 100, "box2": 10_000, "box3": 100_000}
LARGE = "box3"
SESSION_MAX_MS, SESSION_GROWTH = 1, 1.5
SESSION_FACTORS = {"box1": 10, "box2": 100, "box3": 400}
SELECT_MAX_MS, SELECT_MAX_OCTETS = 5, 8
SELECT_SESSIONS = 50
FETCH_BOX, FETCH_COUNT, FETCH_OCTETS, FETCH_FACTOR = "box4", 1000, 51200, 2
BODY_BOX, BODY_WORD, BODY_FACTOR = "box2", "notinthere", 3
POP3_MAX_MS = 30
IDLE_SESSIONS, IDLE_BOXES, IDLE_RATE = 1000, 16, 20
IDLE_P50_MAX_MS, IDLE_P99_MAX_MS = 1, 5
MEMORY_CONNECTIONS, MEMORY_SOURCES = 10_000, 4
MEMORY_MAX_KIB = {"plain": 6, "TLS": 40}
MEMORY_PEER_CONNECTIONS = 100           # a process each


class Reading:
    """Both servers with the same mail, and bursts of sessions against them."""

    def __init__(self, options, scratch: Path, say):
        self.options, self.scratch, self.say = options, scratch, say
        self.program = options.build / "bench/mail_load"
        self.boxes, self.servers = {}, []

    def start(self, stack, names) -> None:
        ours = stack.enter_context(Mailboxes(self.options.build))
        peer = stack.enter_context(Dovecot())
        self.servers = [ours, peer]
        ours.add([f"box{n}" for n in range(1, 5)])
        tokens = ours.mint(4 * max(SIZES.values()), 4)      # token i is for box(i modulo 4, plus 1)
        for name in names:
            count, octets = (FETCH_COUNT, FETCH_OCTETS) if name == FETCH_BOX else (SIZES[name], 2048)
            box = Box(name, count, octets, tokens[int(name[3:]) - 1::4][:count])
            ours.fill(box, self.scratch)
            mail, token = ours.first_mail(box)
            peer.fill(box, mail, token)
            (self.scratch / f"words-{name}").write_text("\n".join(box.tokens) + "\n", encoding="ascii")
            self.boxes[name] = box
            self.say(f"{name}: {count:,} messages of {octets:,} octets in both")

    def run(self, server, name: str, script: str, *arguments, pop3=False) -> dict:
        """A burst of sessions."""
        logins, words = self.scratch / "logins", self.scratch / f"words-{name}"
        logins.write_text(server.logins(self.boxes[name]), encoding="ascii")
        if script == "body":
            words = self.scratch / "word"
            words.write_text(f"{BODY_WORD}\n", encoding="ascii")
        return run_generator(self.program, *arguments, "--logins", logins, "--words", words, script, server.host,
                             server.pop3_port if pop3 else server.port)

    def warm(self, name: str, script="token", pop3=False) -> dict:
        """Each server's first session, in ms: its index, caches."""
        first = {}
        for server in self.servers:
            report = self.run(server, name, script, "-c", 1, "-n", 1, pop3=pop3)
            first[server.name] = report["latency_us"]["session"]["p50"] / 1e3
            self.run(server, name, script, "-c", 2, "-n", 8, pop3=pop3)
        self.say(f"{name}, {script}: first sessions " + ", ".join(f"{who} {ms:.1f} ms" for who, ms in first.items()))
        return first

    def rounds(self, name: str, script: str, *arguments, pop3=False, count=None) -> dict:
        """Server's name → its reports, one a round, taking turns."""
        found = {server.name: [] for server in self.servers}
        for number in range(count or self.options.rounds):
            for server in self.servers:
                report = self.run(server, name, script, *arguments, pop3=pop3)
                found[server.name].append(report)
                session = report["latency_us"]["session"]
                self.say(f"{name}, {script}, round {number + 1}: {server.name} {report['per_second']:.0f}/s, session p50 {session['p50'] / 1e3:.2f} ms, "
                         f"p99 {session['p99'] / 1e3:.2f} ms")
        return found


def _ms(reports: list, step: str = "session") -> float:
    return median(report["latency_us"][step]["p50"] for report in reports) / 1e3


def _ratio(found: dict, value) -> float:
    """Ours over the peer's, of each round on its own."""
    return median(value(ours) / value(its) for ours, its in zip(found["Mailtest"], found["Dovecot"]))


def _token_rows(reading: Reading) -> list[Row]:
    rows, alone = [], {}
    for name, count in SIZES.items():
        first = reading.warm(name)["Dovecot"]
        alone[name] = reading.rounds(name, "token", "-c", 1, "-d", reading.options.seconds / 3)
        ours, its = _ms(alone[name]["Mailtest"]), _ms(alone[name]["Dovecot"])
        last = name == LARGE
        rows.append(Row(f"session by token, {count:,} messages", f"{ours:.2f} ms", f"Dovecot {its:.1f} ms, the first {first:.0f} ms", f"{ours / its:.4f}",
                        f"<= {SESSION_MAX_MS} ms" if last else "", ours <= SESSION_MAX_MS if last else None))
    few, many = _ms(alone["box1"]["Mailtest"]), _ms(alone[LARGE]["Mailtest"])
    growth = median(most["latency_us"]["session"]["p50"] / least["latency_us"]["session"]["p50"]
                    for least, most in zip(alone["box1"]["Mailtest"], alone[LARGE]["Mailtest"]))
    rows.append(Row("session by token, 100,000 messages against 100", f"{many:.2f} ms", f"{few:.2f} ms", f"{growth:.2f}", f"<= {SESSION_GROWTH}",
                    growth <= SESSION_GROWTH))
    for name, count in SIZES.items():
        found = reading.rounds(name, "token", "-c", 16, "-d", reading.options.seconds)
        rates = {who: median(report["per_second"] for report in reports) for who, reports in found.items()}
        ratio, factor = _ratio(found, lambda report: report["per_second"]), SESSION_FACTORS[name]
        rows.append(Row(f"sessions by token, 16 at a time, {count:,} messages", f"{rates['Mailtest']:.0f}/s", f"Dovecot {rates['Dovecot']:.1f}/s",
                        f"{ratio:.0f}", f">= {factor}", ratio >= factor))
    return rows


def _first_select_ms(reading: Reading, what: str) -> float:
    """That of a process, which reads the folder."""
    server, first = reading.servers[0], []
    for _ in range(reading.options.rounds):
        server.restart()
        first.append(reading.run(server, LARGE, "select", "-c", 1, "-n", 1)["latency_us"]["select"]["p50"] / 1e3)
    reading.say(f"{LARGE}, first SELECT of a process{what}: " + ", ".join(f"{ms:.2f} ms" for ms in first))
    return median(first)


def _select_rows(reading: Reading) -> list[Row]:
    """The first one of a process and later ones; what sessions that stay there take. In the end a message of the large mailbox has gone."""
    server, logins = reading.servers[0], reading.scratch / "logins"
    cold = _first_select_ms(reading, "")
    found = reading.rounds(LARGE, "select", "-c", 1, "-n", 20)
    ours, its = _ms(found["Mailtest"], "select"), _ms(found["Dovecot"], "select")
    server.restart()
    logins.write_text(server.logins(reading.boxes[LARGE]), encoding="ascii")
    before, after = (_sitting_kib(reading.program, server, SELECT_SESSIONS, script, logins, what="Pss_Anon") for script in ("login", "selected"))
    octets = (after - before) * 1024 / SELECT_SESSIONS / SIZES[LARGE]
    server.remove_one(reading.boxes[LARGE], SIZES[LARGE] // 2)
    gap = _first_select_ms(reading, ", with a gap in the UIDs")
    return [
        Row("SELECT of 100,000 messages, the first of a process", f"{cold:.2f} ms", "", "", f"<= {SELECT_MAX_MS} ms", cold <= SELECT_MAX_MS),
        Row("SELECT of 99,999 messages, the first of a process, with a gap in the UIDs", f"{gap:.2f} ms", "", "", f"<= {SELECT_MAX_MS} ms",
            gap <= SELECT_MAX_MS),
        Row("SELECT of 100,000 messages, later ones", f"{ours:.2f} ms", f"Dovecot {its:.1f} ms", f"{ours / its:.4f}", f"<= {SELECT_MAX_MS} ms",
            ours <= SELECT_MAX_MS),
        Row("memory of each message for each of 50 sessions that selected 100,000", f"{octets:.2f} octets", "", "", f"<= {SELECT_MAX_OCTETS}",
            octets <= SELECT_MAX_OCTETS),
    ]


def _fetch_rows(reading: Reading) -> list[Row]:
    reading.warm(FETCH_BOX, "fetch")
    found = reading.rounds(FETCH_BOX, "fetch", "-c", 1, "-n", 3)
    rates = {who: median(1e6 * FETCH_COUNT * FETCH_OCTETS / report["latency_us"]["fetch"]["p50"] for report in reports) for who, reports in found.items()}
    ratio = 1 / _ratio(found, lambda report: report["latency_us"]["fetch"]["p50"])
    return [Row("FETCH of 1,000 messages of 50 KB", f"{rates['Mailtest'] / 1e6:.0f} MB/s", f"Dovecot {rates['Dovecot'] / 1e6:.0f} MB/s", f"{ratio:.2f}",
                f">= {FETCH_FACTOR}", ratio >= FETCH_FACTOR)]


def _body_rows(reading: Reading) -> list[Row]:
    reading.warm(BODY_BOX, "body")
    found = reading.rounds(BODY_BOX, "body", "-c", 1, "-n", 2)
    ours, its = _ms(found["Mailtest"], "search"), _ms(found["Dovecot"], "search")
    ratio = 1 / _ratio(found, lambda report: report["latency_us"]["search"]["p50"])
    return [Row("SEARCH BODY over 10,000 messages of 2 KB", f"{ours:.0f} ms", f"Dovecot {its:.0f} ms", f"{ratio:.1f}", f">= {BODY_FACTOR}", ratio >= BODY_FACTOR)]


def _idle_rows(options, scratch: Path, say) -> list[Row]:
    """From the 250 to the EXISTS line."""
    reports = []
    with Mailboxes(options.build) as server:
        server.add([f"box{n}" for n in range(1, IDLE_BOXES + 1)])
        logins, tokens = scratch / "logins", scratch / "tokens"
        logins.write_text("".join(f"box{n} {server.secrets[f'box{n}']}\n" for n in range(1, IDLE_BOXES + 1)), encoding="ascii")
        for number in range(options.rounds):
            tokens.write_text("\n".join(server.mint(int(IDLE_RATE * options.seconds), IDLE_BOXES)) + "\n", encoding="ascii")
            report = run_generator(options.build / "bench/idle_load", "-s", IDLE_SESSIONS, "-r", IDLE_RATE, server.host, server.service.smtp_port,
                                   server.port, DOMAIN, logins, tokens)
            reports.append(report["latency_us"])
            say(f"IDLE, round {number + 1}: p50 {report['latency_us']['p50'] / 1e3:.2f} ms, p99 {report['latency_us']['p99'] / 1e3:.2f} ms")
    rows = []
    for which, most in ("p50", IDLE_P50_MAX_MS), ("p99", IDLE_P99_MAX_MS):
        found = median(report[which] for report in reports) / 1e3
        rows.append(Row(f"IDLE: from the 250 to EXISTS, 1,000 sessions, {which}", f"{found:.2f} ms", "", "", f"<= {most} ms", found <= most))
    return rows


def _sitting_kib(program: Path, server, count: int, script: str, logins: Path, *options, port=None, what="Pss") -> float:
    """By how much the memory of all of a server's processes grows with so many connections."""
    before = memory_kib(server.pids(), what)
    command = [program, "--idle", str(count), "--logins", logins, *options, script, server.host, str(port or server.port)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as generator:
        report = json.loads(generator.stdout.readline() or "{}")
        grown = memory_kib(server.pids(), what) - before
        generator.stdin.close()
        end = json.loads(generator.stdout.read() or "{}")
    if report.get("idle") != count or end.get("lost") != 0:
        raise MeasureError(f"{count} connections to {server.name}: {report}, {end}")
    return grown


def _memory_rows(options, scratch: Path, say) -> list[Row]:
    """What a connection that is logged in and idle takes of our memory."""
    rows, logins = [], scratch / "logins"
    with Dovecot() as peer:
        logins.write_text("box1 secret\n", encoding="ascii")
        its = _sitting_kib(options.build / "bench/mail_load", peer, MEMORY_PEER_CONNECTIONS, "login", logins) / MEMORY_PEER_CONNECTIONS
    for kind, most in MEMORY_MAX_KIB.items():
        # One process has them all.
        with Mailboxes(options.build, scratch / "certificate.pem", scratch / "key.pem", processes={"imapd": 1}) as server:
            server.add(["box1"])
            logins.write_text(f"box1 {server.secrets['box1']}\n", encoding="ascii")
            kib = _sitting_kib(options.build / "bench/mail_load", server, MEMORY_CONNECTIONS, "login", logins, "--sources", str(MEMORY_SOURCES),
                               *(["--tls"] if kind == "TLS" else []), port=server.tls_port if kind == "TLS" else None)
        each = kib / MEMORY_CONNECTIONS
        say(f"idle connections, logged in, {kind}: {each:.1f} KiB each")
        rows.append(Row(f"memory of an idle IMAP connection, {kind}", f"{each:.1f} KiB", f"Dovecot {its:.0f} KiB" if kind == "plain" else "",
                        f"{each / its:.3f}" if kind == "plain" else "", f"<= {most} KiB", each <= most))
    return rows


def imap(options, scratch: Path, say) -> list[Row]:
    """Everything that is read by IMAP."""
    rows = _memory_rows(options, scratch, say) + _idle_rows(options, scratch, say)
    reading = Reading(options, scratch, say)
    with contextlib.ExitStack() as stack:
        reading.start(stack, [*SIZES, FETCH_BOX])
        rows = _token_rows(reading) + _select_rows(reading) + _fetch_rows(reading) + _body_rows(reading) + rows
        if "pop3" in options.only:
            rows += _pop3_rows(reading)
    return rows


def _pop3_rows(reading: Reading) -> list[Row]:
    reading.warm(LARGE, "uidl", pop3=True)
    found = reading.rounds(LARGE, "uidl", "-c", 1, "-n", 3, pop3=True)
    ours, its = _ms(found["Mailtest"]), _ms(found["Dovecot"])
    return [Row("POP3: STAT, UIDL, RETR of the last of 100,000", f"{ours:.1f} ms", f"Dovecot {its:.0f} ms", f"{ours / its:.3f}", f"<= {POP3_MAX_MS} ms",
                ours <= POP3_MAX_MS)]


def pop3(options, scratch: Path, say) -> list[Row]:
    """The session of a checker that has seen everything but the newest mail; with `imap`, on its mailboxes."""
    if "imap" in options.only:
        return []
    reading = Reading(options, scratch, say)
    with contextlib.ExitStack() as stack:
        reading.start(stack, [LARGE])
        return _pop3_rows(reading)
