"""The file that the preloaded library (power.c) shares with the harness: what is recorded, what fails, and what time it is."""

import ctypes
import errno
import mmap
import os
import subprocess
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]

LOG_AT = 4096
FIELDS = ("recording", "log_head", "log_size", "log_full", "fault_roles", "fault_calls", "fault_error", "fault_first", "fault_count",
          "fault_seen", "fault_hits", "clock_ns")
ROLES = {name: 1 << bit for bit, name in enumerate(("supervisor", "store", "smtpd", "imapd", "lookup", "webhook"))}
CALLS = {name: 1 << bit for bit, name in enumerate(("open", "write", "sync", "truncate", "allocate", "memfd", "memory"))}
ERRORS = {"EIO": errno.EIO, "ENOSPC": errno.ENOSPC, "ENOMEM": errno.ENOMEM, "short": 0}
EVER = 2 ** 62


def library(build: Path) -> Path:
    """The built library; made anew when its source is newer."""
    out = Path(build) / "tests/crash/power.so"
    sources = [HERE / "power.c", HERE / "power.h"]
    if not out.exists() or any(source.stat().st_mtime > out.stat().st_mtime for source in sources):
        out.parent.mkdir(parents=True, exist_ok=True)
        mine = out.with_suffix(f".{os.getpid()}")          # tests run side by side
        subprocess.run([os.environ.get("CC", "cc"), "-std=c11", f"-I{ROOT}", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-O2", "-g", "-fPIC",
                        "-shared", "-o", mine, sources[0], "-ldl"], check=True)
        mine.replace(out)
    return out


class Control:
    """Attributes are the fields of struct power_control."""

    def __init__(self, path: Path, log_bytes=0):
        size = LOG_AT + log_bytes
        with open(path, "w+b") as file:
            file.truncate(size)
            self._map = mmap.mmap(file.fileno(), size)
        path.chmod(0o666)
        self._fields = (ctypes.c_uint64 * len(FIELDS)).from_buffer(self._map)
        self.path = path
        self.log_size = log_bytes

    def __getattr__(self, name):
        if name not in FIELDS:
            raise AttributeError(name)
        return self._fields[FIELDS.index(name)]

    def __setattr__(self, name, value):
        if name in FIELDS:
            self._fields[FIELDS.index(name)] = value % 2 ** 64
        else:
            super().__setattr__(name, value)

    def log(self) -> memoryview:
        return memoryview(self._map)[LOG_AT:LOG_AT + min(self.log_head, self.log_size)]

    def arm(self, calls, error, first=1, count=EVER, roles=("store",)) -> None:
        """From now on the calls first, first + 1, … (count of them) of the roles fail."""
        self.fault_calls = 0
        self.fault_roles = sum(ROLES[role] for role in roles)
        self.fault_error, self.fault_first, self.fault_count = ERRORS[error], first, count
        self.fault_seen = self.fault_hits = 0
        self.fault_calls = sum(CALLS[call] for call in calls)

    def disarm(self) -> int:
        """Gives how many calls failed."""
        self.fault_calls = 0
        return self.fault_hits
