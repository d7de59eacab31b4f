"""A service that is treated badly: the one of the end-to-end tests with the library power.c preloaded, and many mails allowed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))

from control import Control, library        # noqa: E402
from service import BUILD, Service          # noqa: E402
from servers.base import session_members, signal_session    # noqa: E402

MAILBOXES = [f"crash{number}" for number in range(4)]
SETTINGS = {
    # Nothing expires, and no limit but those that a run asks for.
    "retention": {"unmatched_messages": 1_000_000_000, "unmatched_bytes": 1 << 50},
    "quota": {"mailbox_bytes": 1 << 50},
    "store": {"map_bytes": 4 << 30},
    "smtp": {"transactions_max": 1_000_000},
    "processes": {"smtpd": 2, "imapd": 1},
}
POLL_S = 0.005


class CrashService(Service):
    """preload: with a Control (self.control), and so many octets of log. state_dir: elsewhere than in the scratch folder."""

    def __init__(self, preload=False, log_bytes=0, state_dir=None, limits="", **settings):
        merged = {name: dict(value) for name, value in SETTINGS.items()}
        for name, value in settings.items():
            merged[name] = {**merged.get(name, {}), **value} if isinstance(value, dict) else value
        if state_dir is not None:
            merged["state_dir"] = str(state_dir)
        super().__init__(build=BUILD, **merged)
        self.state = Path(state_dir or self.scratch / "state")
        self.limits = limits            # of the shell that becomes the service
        self.pass_fds = ()
        self.secrets = {}
        self.control = Control(self.scratch / "power", log_bytes) if preload else None

    def environment(self) -> dict:
        if self.control is None:
            return dict(os.environ)
        return {**os.environ, "LD_PRELOAD": str(library(self.build)), "MAILTEST_POWER": str(self.control.path),
                "MAILTEST_POWER_ROOT": str(self.state)}

    def begin(self) -> None:
        """Starts it and waits for nothing."""
        with open(self.scratch / "log", "ab") as log:
            self.process = subprocess.Popen(["bash", "-c", f'{self.limits} exec "$@"', "bash", self.build / "mailtestd", "-c", self.config_file],
                                            cwd=self.scratch, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                                            env=self.environment(), pass_fds=self.pass_fds)

    def start(self, wait_s=30):
        self.begin()
        self.wait_until_ready(wait_s)
        return self

    def add_mailboxes(self) -> None:
        for name in MAILBOXES:
            added = self.add_mailbox(name)
            self.secrets[name] = added.get("password") or added["secret"]

    def kill_all(self) -> None:
        """Every process at once; gives when they are gone."""
        signal_session(self.process.pid, signal.SIGKILL)
        self.process.wait()
        end = time.monotonic() + 15
        while session_members(self.process.pid):
            if time.monotonic() > end:
                raise TimeoutError("processes outlive SIGKILL")
            time.sleep(POLL_S)
        self.process = None

    def log_size(self) -> int:
        return (self.scratch / "log").stat().st_size

    def log_from(self, offset: int) -> str:
        with open(self.scratch / "log", "rb") as log:
            log.seek(offset)
            return log.read().decode(errors="replace")
