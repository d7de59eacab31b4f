"""The rows of the table: what is measured, against whom, and what is to be reached."""

import os
from dataclasses import dataclass, field
from pathlib import Path

from measure import cpu_seconds, median, run_generator
from peers import MAILBOXES


@dataclass
class Row:
    """One line of the table. reached: None where there is nothing to reach, such as a peer measured alone."""

    title: str
    measured: str
    peer: str = ""
    ratio: str = ""
    target: str = ""
    reached: bool | None = None


@dataclass
class Load:
    """One way to send mail. factors: peer → how many times its rate Mailtest has to reach."""

    title: str
    arguments: list
    factors: dict = field(default_factory=dict)
    tokens: int = 60000             # more than any server takes in one burst


LOADS = {
    "2k-16": Load("2 KB, 16 connections", ["-s", 2048, "-c", 16], {"Postfix": 8, "smtp-sink": 0.9}),
    "2k-200": Load("2 KB, 200 connections", ["-s", 2048, "-c", 200], {"Postfix": 10}),
    "50k-16": Load("50 KB, 16 connections", ["-s", 51200, "-c", 16], {"Postfix": 7, "smtp-sink": 2}),
    "1m-4": Load("1 MB, 4 connections", ["-s", 1 << 20, "-c", 4], {"Postfix": 3}, tokens=5000),
    "2k-1": Load("2 KB, 1 connection", ["-s", 2048, "-c", 1], {"Postfix": 2}, tokens=30000),
    "tls-16": Load("2 KB, 16 connections, STARTTLS", ["-s", 2048, "-c", 16, "--starttls"], {"Postfix": 4}, tokens=30000),
}

CPU_MAX_US = 120
DOT_P99_MAX_MS = 2
DOT_P99_SHARE = 0.25


@dataclass
class Burst:
    """What one server did in one burst of one load."""

    per_second: float
    cpu_us: float               # of all its processes, for each message
    dot_p50_ms: float
    dot_p99_ms: float
    generator_cpu_us: float
    accepted: int


class SmtpLoads:
    """Bursts of each load, the servers taking turns, so that what the machine does besides hits them alike."""

    def __init__(self, build: Path, scratch: Path, servers: list, rounds: int, seconds: float, say):
        self.program = build / "bench/smtp_load"
        self.tokens = scratch / "tokens"
        self.servers, self.rounds, self.seconds, self.say = servers, rounds, seconds, say
        self.accepted = {server.name: 0 for server in servers}
        self.bursts = {}            # load, server's name → its bursts
        for server in servers:      # daemons start, caches fill
            self._burst(server, LOADS["2k-16"], 1)

    def run(self, which: str) -> dict:
        """Server's name → its bursts, one a round; measured at the first call."""
        if which in self.bursts:
            return self.bursts[which]
        load, found = LOADS[which], {server.name: [] for server in self.servers}
        servers = [server for server in self.servers if server.name == "Mailtest" or server.name in load.factors]
        for number in range(self.rounds):
            for server in servers:
                burst = self._burst(server, load, self.seconds)
                found[server.name].append(burst)
                self.say(f"{load.title}, round {number + 1}: {server.name} {burst.per_second:.0f}/s, "
                         f"CPU {burst.cpu_us:.0f} us each, the generator's {burst.generator_cpu_us:.0f} us")
        self.bursts[which] = {name: bursts for name, bursts in found.items() if bursts}
        return self.bursts[which]

    def _burst(self, server, load: Load, seconds: float) -> Burst:
        server.write_tokens(self.tokens, load.tokens)
        os.sync()                   # what the burst before left for later must not burden this one
        before = cpu_seconds(server.pids())
        report = run_generator(self.program, *load.arguments, "-d", seconds, "--tokens", self.tokens,
                               "--recipient", f"box%@{server.domain}", "--mailboxes", MAILBOXES, server.host, server.port)
        self.accepted[server.name] += report["accepted"]
        server.settle(self.accepted[server.name])
        used = cpu_seconds(server.pids()) - before
        server.check(self.tokens, report["accepted"])
        dot = report["latency_us"]["dot"]
        return Burst(report["per_second"], used * 1e6 / report["accepted"], dot["p50"] / 1e3, dot["p99"] / 1e3,
                     report["cpu"]["us_per_message"], report["accepted"])


def _median(bursts: list, what: str) -> float:
    return median(getattr(burst, what) for burst in bursts)


def smtp(loads: SmtpLoads) -> list[Row]:
    """How many messages a second each takes."""
    rows = []
    for which, load in LOADS.items():
        bursts = loads.run(which)
        ours = bursts.get("Mailtest")
        for name, factor in load.factors.items():
            peer = f"{name} {_median(bursts[name], 'per_second'):.0f}/s"
            if ours is None:
                rows.append(Row(load.title, "-", peer))
                continue
            # Of each round on its own: neighbours in time had the same machine.
            ratio = median(our.per_second / its.per_second for our, its in zip(ours, bursts[name]))
            rows.append(Row(load.title, f"{_median(ours, 'per_second'):.0f}/s", peer, f"{ratio:.2f}", f">= {factor}",
                            ratio >= factor))
    return rows


def cpu(loads: SmtpLoads) -> list[Row]:
    """What a message of 2 KB costs, and how soon it is acknowledged."""
    bursts = loads.run("2k-16")
    ours, postfix = bursts.get("Mailtest"), bursts["Postfix"]
    its_cpu, its_p99 = _median(postfix, "cpu_us"), _median(postfix, "dot_p99_ms")
    titles = "CPU of all processes, 2 KB message", "final dot to 250, p99, 16 connections"
    if ours is None:
        return [Row(titles[0], "-", f"Postfix {its_cpu:.0f} us"), Row(titles[1], "-", f"Postfix {its_p99:.2f} ms")]
    our_cpu, our_p99 = _median(ours, "cpu_us"), _median(ours, "dot_p99_ms")
    share = median(our.dot_p99_ms / its.dot_p99_ms for our, its in zip(ours, postfix))
    return [
        Row(titles[0], f"{our_cpu:.0f} us", f"Postfix {its_cpu:.0f} us", f"{our_cpu / its_cpu:.3f}",
            f"<= {CPU_MAX_US} us", our_cpu <= CPU_MAX_US),
        Row(titles[1], f"{our_p99:.2f} ms", f"Postfix {its_p99:.2f} ms", f"{share:.2f}",
            f"<= {DOT_P99_MAX_MS} ms, <= {DOT_P99_SHARE}", our_p99 <= DOT_P99_MAX_MS and share <= DOT_P99_SHARE),
    ]
