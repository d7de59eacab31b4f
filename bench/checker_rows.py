"""The rows of the checker: what a check costs `mailtest-check run`, beside plugins that are forked for each check, as classical monitors do."""

import json
import os
import resource
import signal
import subprocess
import time
import urllib.request
from pathlib import Path

from measure import MeasureError, cpu_seconds, memory_kib
from rows import Row
from servers.base import free_port
from service import DOMAIN, Service

MAILBOX = "bench"
MANY_CHECKS, INTERVAL_S = 20_000, 300
STEADY_S = 60                   # over which the many are measured
SETTLE_S = 15                   # from the start of the daemon
FORKED = 60                     # runs of each plugin
AT_ONCE = 4                     # of them
CORE_SHARE_MAX = 1.0


class Daemon:
    """mailtest-check run with so many checks that send to the service itself, until the end of the block."""

    def __init__(self, options, scratch: Path, service: Service, count: int, interval_s: float):
        self.folder = scratch / f"checker-{count}"
        self.folder.mkdir()
        (self.folder / "key").write_text(service.key)
        self.metrics_port = free_port()
        self.file = self.folder / "checks.yaml"
        self.file.write_text(json.dumps({
            "api": {"url": service.url, "key_file": str(self.folder / "key")},
            "state_dir": str(self.folder / "state"), "metrics_listen": f"127.0.0.1:{self.metrics_port}",
            "servers": [{"name": "service", "host": "127.0.0.1", "port": service.smtp_port, "tls": "none"}],
            "defaults": {"interval": f"{interval_s}s", "window": "60s"},
            "checks": [{"name": f"bench-{n}", "scenario": 5, "server": "service", "mailbox": MAILBOX, "to": f"{MAILBOX}@{DOMAIN}"} for n in range(count)],
        }))
        self.program = options.build / "mailtest-check"

    def __enter__(self):
        self.log = open(self.folder / "log", "wb")
        self.process = subprocess.Popen([self.program, "run", "-c", self.file], stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)
        self.log.close()

    def numbers(self) -> dict:
        """Its metrics, by name and labels."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}/metrics", timeout=30) as answer:
            lines = answer.read().decode().splitlines()
        return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if line and line[0] != "#"}

    def runs(self) -> dict:
        """Runs so far by verdict."""
        counts = {}
        for name, value in self.numbers().items():
            if name.startswith("mailtest_check_runs_total{"):
                verdict = name.partition('verdict="')[2].partition('"')[0]
                counts[verdict] = counts.get(verdict, 0) + int(value)
        return counts


def _measure_many(options, scratch: Path, service: Service, say) -> dict:
    """20,000 checks at one each 5 minutes: what the process takes of a core and of the memory."""
    with Daemon(options, scratch, service, MANY_CHECKS, INTERVAL_S) as daemon:
        time.sleep(SETTLE_S)
        if daemon.process.poll() is not None:
            raise MeasureError(f"mailtest-check run ended: {(daemon.folder / 'log').read_text()[-2000:]}")
        before, used, begun = daemon.runs(), cpu_seconds([daemon.process.pid]), time.monotonic()
        time.sleep(STEADY_S)
        after, used, took = daemon.runs(), cpu_seconds([daemon.process.pid]) - used, time.monotonic() - begun
        memory = memory_kib([daemon.process.pid])
    arrived, runs = after.get("arrived", 0) - before.get("arrived", 0), sum(after.values()) - sum(before.values())
    say(f"{MANY_CHECKS} checks: {runs} runs in {took:.0f} s, {arrived} arrived, {used:.2f} s of CPU time, {memory / 1024:.0f} MiB; {after}")
    if runs == 0 or arrived < runs * 0.99:
        raise MeasureError(f"of {runs} runs {arrived} arrived: {after}")
    return {"per_second": runs / took, "cpu_ms": used / runs * 1e3, "core": used / took, "memory_kib": memory / MANY_CHECKS, "memory_mib": memory / 1024}


def _measure_forked(words, environment, say, title: str) -> dict:
    """Each run a process of its own, a few at a time."""
    before, most, left, running = resource.getrusage(resource.RUSAGE_CHILDREN), 0, FORKED, []
    while left or running:
        while left and len(running) < AT_ONCE:
            running.append(subprocess.Popen(words(left), env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL))
            left -= 1
        try:
            most = max([most] + [memory_kib([p.pid]) for p in running if p.poll() is None])
        except OSError:
            pass                # it ended between the two
        for process in [p for p in running if p.poll() is not None]:
            if process.returncode != 0:
                raise MeasureError(f"{title} ended with {process.returncode}")
            running.remove(process)
        time.sleep(0.01)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_ms = (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / FORKED * 1e3
    say(f"{title}: {cpu_ms:.1f} ms of CPU time a check, {most} KiB")
    return {"cpu_ms": cpu_ms, "memory_kib": most}


def checker(options, scratch: Path, say) -> list[Row]:
    """Scenario 5 against the service itself: the same for all three."""
    service = Service(build=options.build).start()
    try:
        secret = service.add_mailbox(MAILBOX)["secret"]
        once = [options.build / "mailtest-check", "once", "--api", service.url, "--mailbox", MAILBOX, "--to", f"{MAILBOX}@{DOMAIN}",
                "--relay", f"127.0.0.1:{service.smtp_port}", "--tls", "none"]
        plugin = _measure_forked(lambda _: once, dict(os.environ, MAILTEST_API_KEY=service.key), say, "mailtest-check once, forked")
        classic = [Path(__file__).with_name("classic_plugin.py"), "127.0.0.1", str(service.smtp_port), str(service.ports["imap"]), MAILBOX,
                   f"{MAILBOX}@{DOMAIN}"]
        tokens = [service.mint(MAILBOX) for _ in range(FORKED + 1)]
        python = _measure_forked(lambda n: classic + [tokens[n], "30"], dict(os.environ, MAILTEST_BENCH_SECRET=secret), say, "a plugin in Python, forked")
        many = _measure_many(options, scratch, service, say)
    finally:
        service.stop()
        service.remove()
    return [
        Row("CPU time of a check, beside a forked mailtest-check once", f"{many['cpu_ms']:.2f} ms", f"{plugin['cpu_ms']:.1f} ms", f"{plugin['cpu_ms'] / many['cpu_ms']:.0f} x"),
        Row("CPU time of a check, beside a forked plugin in Python", f"{many['cpu_ms']:.2f} ms", f"{python['cpu_ms']:.1f} ms", f"{python['cpu_ms'] / many['cpu_ms']:.0f} x"),
        Row("memory of a check, beside one forked process", f"{many['memory_kib']:.1f} KiB", f"{plugin['memory_kib']}, {python['memory_kib']} KiB"),
        Row(f"{MANY_CHECKS:,} checks, one each {INTERVAL_S // 60} min: runs a second, MiB in all", f"{many['per_second']:.0f}/s, {many['memory_mib']:.0f} MiB"),
        Row(f"{MANY_CHECKS:,} checks: share of one core", f"{many['core'] * 100:.0f} %", "", "", f"<= {CORE_SHARE_MAX * 100:.0f} %", many["core"] <= CORE_SHARE_MAX),
    ]
