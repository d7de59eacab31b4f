"""A mail program that is run for one mail and ends: no server, but unpacked and kept in a scratch folder as they are."""

import os
import pty
import select
import subprocess
import tempfile
import time
from pathlib import Path

from . import packages
from .base import OWN_UID, MailServer, ServerError


class MailProgram(MailServer):
    """It belongs to `user` of `domain`, and runs without rights: as root it is handed to an account of its own."""

    users = ("user",)
    more_packages = ()

    def start(self):
        self.scratch = Path(tempfile.mkdtemp(prefix=f"mailtest-{self.package}-", dir=self.parent))
        self.scratch.chmod(0o755)
        try:
            for package in (self.package, *self.more_packages):
                packages.unpack(package, self.scratch / "unpacked")
            self._write_accounts()
            self.make_folder("home")
            self.configure()
        except BaseException:
            self.stop()
            raise
        return self

    @property
    def home(self) -> Path:
        return self.scratch / "home"

    def own(self, path: str, content) -> Path:
        """A file of its user."""
        file = self.scratch / path
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        if os.geteuid() == 0:
            os.chown(file, OWN_UID, OWN_UID)
        return file

    def environment(self):
        return {**super().environment(), "HOME": str(self.home), "USER": "user", "LOGNAME": "user", "LC_ALL": "C.UTF-8", "TERM": "vt100"}

    def run(self, *command, text="", seconds=60) -> str:
        """Has to succeed; what it said."""
        done = subprocess.run([str(word) for word in command], input=text, capture_output=True, text=True, errors="replace", timeout=seconds,
                              cwd=self.home, env=self.environment(), check=False, **self._identity())
        if done.returncode != 0:
            raise ServerError(f"{self.package} ended with {done.returncode}:\n{done.stdout}{done.stderr}{self.log}")
        return done.stdout + done.stderr

    def run_on_terminal(self, *command, seconds=30) -> str:
        """The same for a program that wants a terminal."""
        master, slave = pty.openpty()
        process = subprocess.Popen([str(word) for word in command], stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
                                   cwd=self.home, env=self.environment(), **self._identity())
        os.close(slave)
        shown = b""
        end = time.monotonic() + seconds
        try:
            while time.monotonic() < end and process.poll() is None:
                if select.select([master], [], [], 0.1)[0]:
                    try:
                        shown += os.read(master, 65536)
                    except OSError:             # it has closed its side
                        break
            code = process.wait(max(end - time.monotonic(), 1))
        except subprocess.TimeoutExpired:
            code = "nothing: it waits"
        finally:
            process.kill()
            process.wait()
            os.close(master)
        if code != 0:
            raise ServerError(f"{self.package} ended with {code}:\n{shown.decode(errors='replace')}")
        return shown.decode(errors="replace")


def mbox(mail: bytes, sender: str) -> bytes:
    """One mail as a mailbox file holds it."""
    return b"From " + sender.encode() + b" Thu Jan  1 00:00:05 2026\n" + mail.replace(b"\r\n", b"\n").replace(b"\nFrom ", b"\n>From ") + b"\n"
