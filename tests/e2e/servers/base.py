"""What all mail servers here have in common: a scratch folder, a port, users that exist for them alone, an end."""

import collections
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from . import packages

# As root a server gives up its rights for accounts from this number on, which nobody has. Their names come from files of
# its own, by nss_wrapper.
OWN_UID = 59321


class ServerError(Exception):
    """A server did not start; the text ends with its log."""


PORTS_HELD = 300        # the last ones that were given: no test has more, and each costs a descriptor

_held_ports = collections.deque()


def _hold(port: int) -> bool:
    """Keeps other processes that test at the same time from taking the port, also while nobody listens on it."""
    name = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        name.bind(f"\0mailtest-test-port-{port}")
    except OSError:
        name.close()
        return False
    _held_ports.append(name)
    if len(_held_ports) > PORTS_HELD:
        _held_ports.popleft().close()
    return True


def free_port() -> int:
    """Below the range that the kernel takes ports for outgoing connections from."""
    while True:
        port = random.randrange(10000, 32768)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        if _hold(port):
            return port


def session_members(leader: int) -> list[int]:
    """The processes of the session that the process `leader` opened: some servers put children in groups of their own."""
    members = []
    for entry in Path("/proc").iterdir():
        try:
            # Behind the name, which may hold spaces: state, parent, group, session.
            state, _, _, session = (entry / "stat").read_text().rpartition(")")[2].split()[:4]
        except (OSError, ValueError):       # no process, or gone meanwhile
            continue
        if int(session) == leader and state != "Z":
            members.append(int(entry.name))
    return members


def signal_session(leader: int, number: int) -> None:
    for pid in session_members(leader):
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass


class MailServer:
    """A mail server for `domain` that forwards `forwards` (local part → address) and sends the mail of each domain of
    `routes` to its (host, port). Without forwards it is a relay. mailboxes: the (host, port) to which it hands all other mail
    of its domain by LMTP. It takes mail from loopback alone.

    certificate and key (PEM files) make it offer STARTTLS. Its scratch folder is made in parent, or where the system has
    such folders.
    """

    package = ""
    needs_root = False
    users = ()                  # the account names its binaries have built in

    def __init__(self, domain, forwards=None, routes=None, hostname=None, certificate=None, key=None, parent=None, mailboxes=None):
        self.domain = domain
        self.hostname = hostname or f"mail.{domain}"
        self.forwards = dict(forwards or {})
        self.routes = dict(routes or {})
        self.mailboxes = mailboxes
        self.certificate, self.key = certificate, key
        self.parent = parent
        self.host, self.port = "127.0.0.1", free_port()
        self.scratch = None
        self.process = None

    # ---- What each server says for itself -----------------------------------------------------------------------

    def configure(self) -> None:
        """Writes its configuration below self.scratch."""
        raise NotImplementedError

    def command(self) -> list:
        """What starts it in the foreground."""
        raise NotImplementedError

    def log_files(self) -> list:
        """Where it tells what it does, below self.scratch."""
        return ["output"]

    # ---- Life ---------------------------------------------------------------------------------------------------

    @classmethod
    def obstacle(cls) -> str:
        """Why it cannot run here; empty if it can."""
        return f"{cls.package} has to be started by root" if cls.needs_root and os.geteuid() != 0 else ""

    def start(self) -> "MailServer":
        if why := self.obstacle():
            raise ServerError(why)
        self.scratch = Path(tempfile.mkdtemp(prefix=f"mailtest-{self.package}-", dir=self.parent))
        self.scratch.chmod(0o755)           # its own users have to get in
        try:
            packages.unpack(self.package, self.scratch / "unpacked")
            self._write_accounts()
            self.configure()
            with open(self.scratch / "output", "wb") as output:
                self.process = subprocess.Popen(
                    self.command(), cwd=self.scratch, env=self.environment(), start_new_session=True,
                    stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, **self._identity())
            self._wait_for_banner()
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        if self.process is not None:
            signal_session(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                pass
            signal_session(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None
        if self.scratch is not None:
            shutil.rmtree(self.scratch)
            self.scratch = None

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    @property
    def log(self) -> str:
        if self.scratch is None:
            return ""
        files = [self.scratch / name for name in self.log_files()]
        return "".join(path.read_text(errors="replace") for path in files if path.exists())

    # ---- Means for them -----------------------------------------------------------------------------------------

    def unpacked(self, path: str) -> Path:
        return self.scratch / "unpacked" / path

    def write(self, path: str, text: str) -> Path:
        file = self.scratch / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def make_folder(self, path: str, mode: int = 0o700) -> Path:
        """A folder below scratch that belongs to the server's own user."""
        folder = self.scratch / path
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(mode)
        if os.geteuid() == 0:
            os.chown(folder, OWN_UID, OWN_UID)
        return folder

    def environment(self) -> dict:
        libraries = [path for pattern in ("usr/lib/*-linux-gnu*", "lib/*-linux-gnu*", "usr/lib/postfix")
                     for path in self.unpacked("").glob(pattern)]
        return {
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "LD_LIBRARY_PATH": ":".join(map(str, libraries)),
            "LD_PRELOAD": str(next(self.unpacked("").rglob("libnss_wrapper.so"))),
            "NSS_WRAPPER_PASSWD": str(self.scratch / "passwd"),
            "NSS_WRAPPER_GROUP": str(self.scratch / "group"),
        }

    def _write_accounts(self) -> None:
        """The accounts that its package would have made. Not as root, all of them are who runs this."""
        root = os.geteuid() == 0
        passwd, group = ["root:x:0:0::/:/bin/sh"], ["root:x:0:"]
        for index, name in enumerate(self.users):
            uid = OWN_UID + index if root else os.geteuid()
            gid = OWN_UID + index if root else os.getegid()
            passwd.append(f"{name}:x:{uid}:{gid}::/:/bin/false")
            group.append(f"{name}:x:{gid}:")
        self.write("passwd", "\n".join(passwd) + "\n")
        self.write("group", "\n".join(group) + "\n")

    def _identity(self) -> dict:
        """Who the process is to be, for Popen: unprivileged unless the server needs root."""
        if self.needs_root or os.geteuid() != 0:
            return {}
        return {"user": OWN_UID, "group": OWN_UID, "extra_groups": []}

    def _wait_for_banner(self, seconds: float = 20, banner: bytes = b"220", bye: bytes = b"QUIT\r\n") -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.process.poll() is None:
            try:
                with socket.create_connection((self.host, self.port), timeout=5) as connection:
                    if connection.recv(512).startswith(banner):
                        connection.sendall(bye)
                        return
            except OSError:
                pass
            time.sleep(0.05)
        raise ServerError(f"{self.package} does not answer on port {self.port}:\n{self.log}")
