"""The rows of the table beside sending as fast as it goes: waiting, looking up, sitting idle, expiring."""

import json
import random
import subprocess
from pathlib import Path

from measure import MeasureError, cpu_seconds, median, memory_kib, run_generator
from peers import MAILBOXES, Mailtest, Nginx
from rows import Row

WAIT_P50_MAX_MS, WAIT_P99_MAX_MS = 1, 5

LOOKUP_SHARE = 0.7              # of what nginx does
LOOKUP_GROWTH = 0.9             # what is left of the rate with a thousand times the tokens; less is not noise
LOOKUP_FEW, LOOKUP_MANY = 1000, 1_000_000
LOOKUP_PATHS = 50000            # asked for in turn, spread over all tokens

IDLE_CONNECTIONS = 10000
IDLE_SOURCES = 4                # loopback addresses: no shortage of ports
IDLE_MAX_KIB = {"plain": 6, "TLS": 40}

STEADY_BYTES = 5120
STEADY_KEPT, STEADY_SENT = 32000, 96000
STEADY_KEPT_FULL, STEADY_SENT_FULL = 1_000_000, 2_000_000
STEADY_SIZE_FACTOR = 1.3
STEADY_BURSTS = 12
STEADY_GROWTH = 1.25            # of the latency, from the first bursts with expiry to the last ones


def wait(options, scratch: Path, say) -> list[Row]:
    """From the 250 to the answer of who waits."""
    title = "from the 250 to the waiting checker"
    with Mailtest(options.build) as service:
        reports = []
        for number in range(options.rounds):
            tokens = scratch / "tokens"
            service.write_tokens(tokens, int(300 * options.seconds))
            report = run_generator(options.build / "bench/wait_load", "--mailboxes", MAILBOXES, service.host, service.port,
                                   service.http_port, service.service.key, service.domain, tokens)
            reports.append(report)
            say(f"{title}, round {number + 1}: p50 {report['latency_us']['p50'] / 1e3:.2f} ms, "
                f"p99 {report['latency_us']['p99'] / 1e3:.2f} ms; {report['early']} of {report['waits']} before the 250")
    rows = []
    for which, most in ("p50", WAIT_P50_MAX_MS), ("p99", WAIT_P99_MAX_MS):
        found = median(report["latency_us"][which] / 1e3 for report in reports)
        rows.append(Row(f"{title}, {which}", f"{found:.2f} ms", "", "", f"<= {most} ms", found <= most))
    return rows


def _wrk(options, server, paths: Path, authorization: str) -> tuple[float, float]:
    """Requests a second, and the server's CPU time for each in microseconds."""
    before = cpu_seconds(server.pids())
    done = subprocess.run(["wrk", "-t1", "-c16", f"-d{max(1, round(options.seconds))}s", "-s", Path(__file__).with_name("lookup.lua"),
                           f"http://{server.host}:{server.http_port}", "--", paths, authorization],
                          capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, timeout=120)
    used = cpu_seconds(server.pids()) - before
    line = next((line for line in done.stdout.splitlines() if line.startswith("REPORT ")), None)
    if line is None:
        raise MeasureError(f"wrk: {done.stdout}{done.stderr}")
    report = json.loads(line.removeprefix("REPORT "))
    if report["errors"]:
        raise MeasureError(f"{server.name}: {report['errors']} of {report['requests']} look-ups failed")
    return report["requests"] / report["seconds"], used * 1e6 / report["requests"]


def _token_paths(service: Mailtest, scratch: Path, count: int) -> Path:
    """Registers so many tokens and writes a file of paths, in random order."""
    tokens, paths = scratch / f"registered-{count}", scratch / f"paths-{count}"
    service.register_tokens(tokens, count)
    lines = tokens.read_text(encoding="ascii").split()
    tokens.unlink()
    chosen = random.sample(range(count), min(count, LOOKUP_PATHS))
    paths.write_text("".join(f"/v1/mailboxes/box{i % MAILBOXES + 1}/tokens/{lines[i]}\n" for i in chosen), encoding="ascii")
    return paths


def lookup(options, scratch: Path, say) -> list[Row]:
    """Known tokens over keep-alive HTTP."""
    few, many = Mailtest(options.build), Mailtest(options.build)
    few.name, many.name = f"{LOOKUP_FEW:,} tokens", f"{LOOKUP_MANY:,} tokens"
    with few, many:
        paths = {few: _token_paths(few, scratch, LOOKUP_FEW), many: _token_paths(many, scratch, LOOKUP_MANY)}
        first = paths[many].read_text(encoding="ascii").split()[0]
        body = many.service.http("GET", first).body
        with Nginx(body) as nginx:
            paths[nginx] = scratch / "paths-nginx"
            paths[nginx].write_text(f"/{nginx.file}\n", encoding="ascii")
            found = {server: [] for server in paths}
            for number in range(options.rounds + 1):
                for server, rates in found.items():
                    key = getattr(server, "service", many.service).key
                    rate, cpu_us = _wrk(options, server, paths[server], f"Bearer {key}")
                    if number == 0:             # caches fill
                        continue
                    rates.append((rate, cpu_us))
                    say(f"look-up, round {number}: {server.name} {rate:.0f}/s, CPU {cpu_us:.1f} us each")
    rate = {server: median(each[0] for each in rates) for server, rates in found.items()}
    peer = f"nginx {rate[nginx]:.0f}/s"
    rows = []
    for server in few, many:
        share = median(ours[0] / its[0] for ours, its in zip(found[server], found[nginx]))
        rows.append(Row(f"look-up over HTTP, {server.name}", f"{rate[server]:.0f}/s", peer, f"{share:.2f}", f">= {LOOKUP_SHARE}",
                        share >= LOOKUP_SHARE))
    left = median(of_many[0] / of_few[0] for of_many, of_few in zip(found[many], found[few]))
    rows.append(Row("look-up, 1,000,000 tokens against 1,000", f"{rate[many]:.0f}/s", f"{rate[few]:.0f}/s", f"{left:.2f}",
                    f">= {LOOKUP_GROWTH}", left >= LOOKUP_GROWTH))
    return rows


def idle(options, scratch: Path, say) -> list[Row]:
    """What an idle SMTP connection takes of our memory."""
    certificate, key = scratch / "certificate.pem", scratch / "key.pem"
    rows = []
    for kind, most in IDLE_MAX_KIB.items():
        with Mailtest(options.build, certificate, key) as service:
            before = memory_kib(service.pids())
            command = [options.build / "bench/smtp_load", "--idle", str(IDLE_CONNECTIONS), "-c", "64", "--sources", str(IDLE_SOURCES),
                       *(["--starttls"] if kind == "TLS" else []), service.host, str(service.port)]
            with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as generator:
                report = json.loads(generator.stdout.readline() or "{}")
                each = (memory_kib(service.pids()) - before) / IDLE_CONNECTIONS
                generator.stdin.close()
                end = json.loads(generator.stdout.read() or "{}")
        if report.get("idle") != IDLE_CONNECTIONS or end.get("lost") != 0:
            raise MeasureError(f"{IDLE_CONNECTIONS} idle connections, {kind}: {report}, {end}")
        say(f"idle connections, {kind}: {each:.1f} KiB each, opened in {report['seconds']:.1f} s")
        rows.append(Row(f"memory of an idle connection, {kind}", f"{each:.1f} KiB", "", "", f"<= {most} KiB", each <= most))
    return rows


def steady(options, scratch: Path, say) -> list[Row]:
    """The store's size, and whether it stays as fast, while as much expires as comes."""
    kept, sent = (STEADY_KEPT_FULL, STEADY_SENT_FULL) if options.full else (STEADY_KEPT, STEADY_SENT)
    tokens, bursts, total = scratch / "tokens", [], 0
    settings = {"retention": {"inbox_messages": kept // MAILBOXES, "inbox_bytes": 1 << 40}, "quota": {"mailbox_bytes": 1 << 40}}
    with Mailtest(options.build, **settings) as service:
        while total < sent:
            part = min(sent // STEADY_BURSTS, sent - total)
            service.write_tokens(tokens, part)
            report = run_generator(options.build / "bench/smtp_load", "-s", STEADY_BYTES, "-c", 16, "-n", part, "--tokens", tokens,
                                   "--recipient", f"box%@{service.domain}", "--mailboxes", MAILBOXES, service.host, service.port,
                                   seconds=3600)
            total += report["accepted"]
            dot = report["latency_us"]["dot"]
            if total > kept:
                bursts.append(dot["p50"] / 1e3)
            say(f"steady state, {total:,} sent: {report['per_second']:.0f}/s, final dot to 250 p50 {dot['p50'] / 1e3:.2f} ms, "
                f"p99 {dot['p99'] / 1e3:.2f} ms, store {service.store_bytes() / 1e6:.0f} MB")
        factor = service.store_bytes() / (kept * STEADY_BYTES)
    third = max(1, len(bursts) // 3)
    growth = median(bursts[-third:]) / median(bursts[:third])
    what = f"{kept:,} messages of 5 KB, {sent:,} sent"
    return [
        Row(f"size of the store: {what}", f"{factor:.2f} of the data", "", "", f"<= {STEADY_SIZE_FACTOR}", factor <= STEADY_SIZE_FACTOR),
        Row("latency with expiry, at the end", f"{median(bursts[-third:]):.2f} ms", f"at first {median(bursts[:third]):.2f} ms",
            f"{growth:.2f}", f"<= {STEADY_GROWTH}", growth <= STEADY_GROWTH),
    ]
