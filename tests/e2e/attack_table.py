"""
A plugin of pytest for `make attack`: a table of what was tried and what came of it, and, with ATTACK_TARGET, a running service in the place of those that
the tests start. ATTACK_TARGET is the configuration file of a service of this machine; its ports are attacked on loopback, with a mailbox "acme" that is
made for it and deleted afterwards.
"""

import collections
import os
import urllib.request
from pathlib import Path

import pytest

import service

TARGET = os.environ.get("ATTACK_TARGET")

# What needs neither settings of its own, nor a restart, nor a look into the log.
FOR_A_TARGET = ("test_attack_smtp.py", "test_attack_imap_pop3.py", "test_attack_http.py")
HELD, THROUGH, NOT_TRIED = "held", "GOT THROUGH", "not tried"


class RunningService(service.Service):
    """The service of ATTACK_TARGET: started, stopped and configured by its operator alone."""

    def __init__(self, build=service.BUILD, **_):
        import yaml
        self.build = Path(build)
        self.scratch = Path(TARGET).parent
        self.configuration = yaml.safe_load(Path(TARGET).read_text(encoding="utf-8"))
        self.ports = {name: self.port_of(name) for name in service.LISTENERS if name != "lmtp"}
        self._key = self._key_id = self.mailbox = None

    def port_of(self, name: str) -> int:
        """On IPv4 and loopback, or on every address of the machine: nothing else is ever attacked."""
        for address in self.configuration.get("listen", {}).get(name) or []:
            host, _, port = address.rpartition(":")
            if host in ("127.0.0.1", "0.0.0.0"):
                return int(port)
        raise service.ServiceError(f"{TARGET}: listen.{name} has no address that 127.0.0.1 reaches")

    @property
    def config_file(self) -> Path:
        return Path(TARGET)

    @property
    def log(self) -> str:
        return ""

    @property
    def key(self) -> str:
        if self._key is None:
            made = self.ctl("api-key", "add", "--json", "attack")
            self._key, self._key_id = made["key"], made["id"]
        return self._key

    def start(self, wait_s: float = 30):
        with urllib.request.urlopen(f"{self.url}/readyz", timeout=wait_s) as answer:
            assert answer.status == 200
        return self

    def add_mailbox(self, name: str) -> dict:
        made = super().add_mailbox(name)        # refused where there is one: a customer's is not touched
        self.mailbox = name
        return made

    def remove(self) -> None:
        if self.mailbox is not None:
            self.ctl("mailbox", "delete", self.mailbox, "--yes")
        if self._key_id is not None:
            self.ctl("api-key", "revoke", self._key_id)


if TARGET:
    service.Service = RunningService
    service.DOMAIN = RunningService().configuration["domains"][0]


def pytest_collection_modifyitems(config, items):
    if not TARGET:
        return
    kept = [item for item in items if item.path.name in FOR_A_TARGET and "make_service" not in item.fixturenames]
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = kept


# ---- The table ----------------------------------------------------------------------------------------------------------------------------

results = collections.defaultdict(collections.Counter)


def pytest_runtest_logreport(report):
    file, _, name = report.nodeid.partition("::")
    row = results[Path(file).stem.removeprefix("test_attack_"), name.partition("[")[0]]
    if report.failed:
        row[THROUGH] += 1
    elif report.skipped:
        row[NOT_TRIED] += 1
    elif report.when == "call":
        row[HELD] += 1


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter):
    say = terminalreporter.write_line
    say("")
    say(f"{'attack on':<12} {'tries':>5}  {'result':<12} what has to hold")
    for (where, name), row in sorted(results.items()):
        worst = next((result for result in (THROUGH, NOT_TRIED) if row[result]), HELD)
        say(f"{where.replace('_', ', '):<12} {sum(row.values()):>5}  {worst:<12} {name.removeprefix('test_').replace('_', ' ')}", red=worst == THROUGH)
    through = sum(row[THROUGH] for row in results.values())
    say("")
    say(f"{sum(map(sum, (row.values() for row in results.values())))} tries, {through} got through")
