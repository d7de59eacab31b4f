"""A mailtest-check that runs the checks of a file: its file, its log, its results and its metrics."""

import json
import re
import signal
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

from servers.base import free_port
from service import BUILD, SANITIZER


class CheckDaemon:
    """settings are those of checks.yaml; state, results and metrics have places of their own in scratch."""

    def __init__(self, scratch, service=None, **settings):
        self.scratch = Path(scratch)
        self.port = free_port()
        self.process = None
        self.base = {"state_dir": str(self.scratch / "state"), "results_file": str(self.scratch / "results"),
                     "metrics_listen": f"127.0.0.1:{self.port}", "group": "0"}
        if service is not None:
            key = self.scratch / "key"
            key.write_text(service.key + "\n")
            self.base["api"] = {"url": service.url, "key_file": str(key)}
        self.write(**settings)

    def write(self, **settings) -> None:
        """Anew; the program hears of it by SIGHUP or at its next start."""
        self.file.write_text(json.dumps(self.base | settings, indent=1))

    @property
    def file(self) -> Path:
        return self.scratch / "checks.yaml"

    @property
    def log(self) -> str:
        file = self.scratch / "log"
        return file.read_text(errors="replace") if file.exists() else ""

    def start(self, wait_s=20, env=None) -> "CheckDaemon":
        with open(self.scratch / "log", "ab") as log:
            self.process = subprocess.Popen([BUILD / "mailtest-check", "run", "-c", self.file], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env=env)
        self.wait_for(lambda: self.http("/healthz")[0] == 200, "it answers", wait_s)
        return self

    def stop(self, number=signal.SIGTERM, wait_s=20) -> int:
        process, self.process = self.process, None
        process.send_signal(number)
        try:
            return process.wait(wait_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise

    def reload(self) -> None:
        self.process.send_signal(signal.SIGHUP)

    def end(self) -> None:
        if self.process is not None:
            self.stop(signal.SIGKILL)
        assert not SANITIZER.search(self.log), self.log

    def wait_for(self, condition, what, wait_s=20):
        end = time.monotonic() + wait_s
        while time.monotonic() < end:
            if self.process is not None and self.process.poll() is not None:
                raise AssertionError(f"mailtest-check ended with {self.process.returncode}:\n{self.log}")
            if found := condition():
                return found
            time.sleep(0.02)
        raise AssertionError(f"waited {wait_s} s in vain until {what}:\n{self.log}")

    def http(self, path, method="GET"):
        """Status and text; 0: nobody answers."""
        try:
            with urllib.request.urlopen(urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", method=method), timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def metric(self, line: str) -> float:
        """Of "mailtest_check_…", with its labels; 0: there is none."""
        found = re.search(rf"^{re.escape('mailtest_check_' + line)} (\S+)$", self.http("/metrics")[1], re.M)
        return float(found[1]) if found else 0.0

    def results(self, check=None) -> list[dict]:
        """Those written, oldest first."""
        file = self.scratch / "results"
        lines = file.read_text().splitlines() if file.exists() else []
        return [r for r in map(json.loads, lines) if check in (None, r["check"])]

    def wait_for_result(self, check, number=1, wait_s=20) -> dict:
        return self.wait_for(lambda: len(self.results(check)) >= number and self.results(check)[number - 1], f"{check} has {number} results", wait_s)
