"""A Mailtest service of one's own: scratch state, free ports, and the ways to ask, to kill and to look into it."""

import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from servers.base import free_port, session_members, signal_session

BUILD = Path(os.environ.get("MAILTEST_BUILD", Path(__file__).resolve().parents[2] / "build"))
DOMAIN = "mailtest1.test"
LISTENERS = ("smtp", "lmtp", "imap", "imaps", "pop3", "pop3s", "http")

# What a sanitizer says of the process it ends, and the supervisor of one that made a system call that it must not make.
SANITIZER = re.compile(r"ERROR: \w+Sanitizer|runtime error:|event=role-died .*system call that is not in its list")


def is_sanitized() -> bool:
    """Whether the build has AddressSanitizer."""
    program = BUILD / "mailtestd"
    return program.exists() and b"__asan_init" in program.read_bytes()


class ServiceError(Exception):
    """The service or a program of it did not do what was asked; the text ends with what it said."""


@dataclass
class Response:
    status: int
    headers: dict
    body: bytes

    def json(self):
        return json.loads(self.body)


class Service:
    """settings overlay the configuration: Service(smtp={"message_max_bytes": 1000}). Ports stay the same over restarts."""

    def __init__(self, build=BUILD, scratch=None, ports=None, **settings):
        self.build = Path(build)
        self.scratch = Path(scratch or tempfile.mkdtemp(prefix="mailtest-"))
        self.scratch.chmod(0o755)               # roles run as a user of their own
        self.ports = {name: free_port() for name in LISTENERS} | (ports or {})
        self.settings = settings
        self.process = None
        self._key = None
        self.write_configuration()

    # ---- Life ---------------------------------------------------------------------------------------------------

    @property
    def config_file(self) -> Path:
        return self.scratch / "mailtest.yaml"

    def write_configuration(self, **settings) -> None:
        """Anew, with these settings too; the service hears of it by SIGHUP or at its next start."""
        self.settings = _overlay(self.settings, settings)
        configuration = _overlay({
            "domains": [DOMAIN],
            "hostname": f"mx.{DOMAIN}",
            "state_dir": str(self.scratch / "state"),
            "listen": {name: [f"127.0.0.1:{port}"] for name, port in self.ports.items()},
            "tls": {"self_signed": True},
            # As root the roles have to come down to an account that owns nothing of ours.
            "processes": {"user": "nobody" if os.geteuid() == 0 else "", "drain_ms": 5000},
        }, self.settings)
        self.config_file.write_text(json.dumps(configuration, indent=2))    # JSON is YAML

    def start(self, wait_s: float = 30) -> "Service":
        with open(self.scratch / "log", "ab") as log:
            self.process = subprocess.Popen([self.build / "mailtestd", "-c", self.config_file], cwd=self.scratch,
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        self.wait_until_ready(wait_s)
        return self

    def wait_until_ready(self, wait_s: float = 30) -> None:
        def ready():
            if self.process.poll() is not None:
                raise ServiceError(f"mailtestd ended with {self.process.returncode}:\n{self.log}")
            try:
                return self.http("GET", "/readyz", key=None).status == 200
            except OSError:
                return False
        self.wait_for(ready, "it is ready", wait_s)

    def wait_for(self, condition, what: str, wait_s: float = 15):
        """Until condition() is true; gives what it gave."""
        end = time.monotonic() + wait_s
        while time.monotonic() < end:
            if found := condition():
                return found
            time.sleep(0.02)
        raise ServiceError(f"waited {wait_s} s in vain until {what}:\n{self.log}")

    def stop(self, wait_s: float = 30) -> int:
        """As an operator would, with SIGTERM; gives the exit code."""
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(wait_s)
        except subprocess.TimeoutExpired as late:
            self.crash()
            raise ServiceError(f"still there {wait_s} s after SIGTERM:\n{self.log}") from late
        left = session_members(self.process.pid)
        signal_session(self.process.pid, signal.SIGKILL)
        self.process = None
        if left:
            raise ServiceError(f"ended, but left the processes {left} behind:\n{self.log}")
        return code

    def crash(self) -> None:
        """Every process at once, with SIGKILL."""
        signal_session(self.process.pid, signal.SIGKILL)
        self.process.wait()
        # The roles are not our children: wait until the kernel is done with them, and with their locks and ports.
        self.wait_for(lambda: not session_members(self.process.pid), "all processes are gone")
        self.process = None

    def reload(self) -> None:
        self.process.send_signal(signal.SIGHUP)

    def remove(self) -> None:
        """Ends what still runs, and takes the scratch folder away."""
        if self.process is not None:
            self.crash()
        shutil.rmtree(self.scratch)

    # ---- Processes ----------------------------------------------------------------------------------------------

    def role_pids(self, role: str) -> list[int]:
        """The processes of a role ("smtpd", "imapd", "lookup", "store")."""
        return [pid for pid in session_members(self.process.pid)
                if pid != self.process.pid and role in _command_line(pid)]

    def kill(self, role: str, number: int = signal.SIGKILL) -> int:
        """One process of a role; gives the pid it had."""
        pid = self.role_pids(role)[0]
        os.kill(pid, number)
        return pid

    # ---- What it says -------------------------------------------------------------------------------------------

    @property
    def log(self) -> str:
        file = self.scratch / "log"
        return file.read_text(errors="replace") if file.exists() else ""

    def wait_for_log(self, pattern: str, wait_s: float = 15) -> re.Match:
        return self.wait_for(lambda: re.search(pattern, self.log), f"the log says {pattern!r}", wait_s)

    @property
    def sanitizer_report(self) -> str:
        """What a sanitizer said, up to the end of the log; empty if nothing."""
        found = SANITIZER.search(self.log)
        return self.log[found.start():] if found else ""

    # ---- Asking it ----------------------------------------------------------------------------------------------

    @property
    def smtp_port(self) -> int:
        return self.ports["smtp"]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.ports['http']}"

    @property
    def key(self) -> str:
        """An API key for everything, made at the first use."""
        if self._key is None:
            self._key = self.ctl("api-key", "add", "--json")["key"]
        return self._key

    def run(self, program: str, *arguments, **options) -> subprocess.CompletedProcess:
        """A program of the build (mailtestctl, mailtest-check), whatever it exits with."""
        return subprocess.run([self.build / program, *map(str, arguments)], capture_output=True, text=True,
                              **{"check": False, "timeout": 60, "stdin": subprocess.DEVNULL, **options})

    def ctl(self, *arguments):
        """mailtestctl, which has to succeed; its output, parsed when --json is among the arguments."""
        done = self.run("mailtestctl", "-c", self.config_file, *arguments)
        if done.returncode != 0:
            raise ServiceError(f"mailtestctl {' '.join(map(str, arguments))} exited with {done.returncode}: "
                               f"{done.stdout}{done.stderr}\n{self.log}")
        return json.loads(done.stdout) if "--json" in arguments else done.stdout

    def add_mailbox(self, name: str) -> dict:
        return self.ctl("mailbox", "add", name, "--json")

    def mint(self, mailbox: str) -> str:
        return self.ctl("token", "mint", mailbox, "--json")["token"]

    def http(self, method: str, path: str, body=None, key="", headers=None, timeout: float = 30) -> Response:
        """key: the one for everything unless another is given; None sends none. body: bytes, or what becomes JSON."""
        headers = dict(headers or {})
        if key is not None:
            headers["Authorization"] = f"Bearer {key or self.key}"
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            headers.setdefault("Content-Type", "application/json")
        request = urllib.request.Request(self.url + path, data=body, headers=headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=timeout) as answer:
                return Response(answer.status, dict(answer.headers), answer.read())
        except urllib.error.HTTPError as answer:
            with answer:
                return Response(answer.code, dict(answer.headers), answer.read())

    def metric(self, name: str) -> float:
        """The sum of a metric over all its labels."""
        text = self.http("GET", "/metrics").body.decode()
        return sum(float(value) for value in re.findall(rf"^{re.escape(name)}(?:{{.*}})? (\S+)$", text, re.MULTILINE))


def _overlay(base: dict, over: dict) -> dict:
    merged = dict(base)
    for name, value in over.items():
        merged[name] = _overlay(merged[name], value) if isinstance(value, dict) and name in merged else value
    return merged


def _command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""
