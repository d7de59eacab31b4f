"""A checks.yaml, of which single checks are run as a monitoring system does: one call, one line, one exit code."""

import json
import os
import re
import subprocess
from pathlib import Path

from service import BUILD

STATES = ["OK", "WARNING", "CRITICAL", "UNKNOWN"]
# "'label'=value[unit];warning;critical;min;max" of the guidelines for monitoring plugins.
FIGURE = re.compile(r"'([a-z_]+)'=(-?\d+\.\d+)s;([^;' ]*);([^;' ]*);0(?:;(\d+))?")


def secret_file(folder, name, text) -> str:
    file = Path(folder) / name
    file.write_text(text + "\n")
    file.chmod(0o600)
    return str(file)


def figures_of(line: str) -> dict:
    """The figures of a plugin's line, which has to hold nothing else behind its bar."""
    words, bar, rest = line.rstrip("\n").partition(" | ")
    found = [FIGURE.fullmatch(word) for word in rest.split(" ")] if bar else []
    assert all(found) and "\n" not in words and "|" not in rest, line
    return {figure[1]: float(figure[2]) for figure in found}


class CheckFile:
    """checks are those of checks.yaml; what they need beside the servers and the service (service None: there is none) is in settings."""

    def __init__(self, folder, service=None, **settings):
        self.folder = Path(folder)
        self.settings = {"state_dir": str(self.folder / "state"), **settings}
        if service is not None:
            self.settings["api"] = {"url": service.url, "key_file": secret_file(self.folder, "api.key", service.key)}

    def run(self, check, *arguments, limit=None) -> subprocess.CompletedProcess:
        """check: its settings, "name" among them. limit: so many descriptors at most."""
        file = self.folder / f"{check['name'].replace('/', '_')}.yaml"
        file.write_text(json.dumps({**self.settings, "checks": [check]}, indent=1))
        environment = {name: value for name, value in os.environ.items() if not name.startswith("MAILTEST_API")}
        limited = ["prlimit", f"--nofile={limit}"] if limit else []
        return subprocess.run([*limited, BUILD / "mailtest-check", "check", check["name"], "-c", file, *arguments], capture_output=True, text=True, timeout=100,
                              env=environment, stdin=subprocess.DEVNULL, check=False)

    def line(self, check, state) -> str:
        """What the plugin says, after a look at its form."""
        done = self.run(check)
        assert done.returncode == STATES.index(state) and done.stderr == "", done
        assert done.stdout.startswith(f"MAILTEST {state} - {check['name']}: ") and done.stdout.count("\n") == 1 and done.stdout.endswith("\n"), done
        assert all(value >= 0 for value in figures_of(done.stdout).values()), done
        return done.stdout

    def result(self, check) -> dict:
        """What a scheduler would post to the service, after a look at what holds for every result."""
        done = self.run(check, "--json")
        assert done.stdout.startswith("{") and done.stderr == "", done
        result = json.loads(done.stdout)
        assert result["state"] == STATES[done.returncode] and result["check"] == check["name"], done
        times = result["times"]
        assert all(0 <= value <= result["took_s"] for value in times.values()) and times.get("transit", 0) <= times.get("total", 100), times
        assert all(step["took_s"] >= 0 and step["at_s"] >= 0 for step in result["document"].get("steps", [])), result["document"]["steps"]
        return result
