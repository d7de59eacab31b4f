"""The measuring itself: running a generator, and what the kernel says of the processes under load."""

import json
import os
import statistics
import subprocess
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


class MeasureError(Exception):
    """A generator or a server did not do its part, so there is nothing to compare."""


def run_generator(program: Path, *arguments, seconds: float = 600) -> dict:
    """One of bench/*.c: its JSON report."""
    done = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, check=False,
                          stdin=subprocess.DEVNULL, timeout=seconds)
    if done.returncode != 0:
        raise MeasureError(f"{program.name} {' '.join(map(str, arguments))}: {done.stderr.strip()}")
    return json.loads(done.stdout)


def cpu_seconds(pids) -> float:
    """User and system time of the processes, and of the children they have waited for."""
    ticks = 0
    for pid in pids:
        try:
            # Behind the name, which may hold spaces: utime, stime, cutime, cstime are the 12th to 15th.
            ticks += sum(map(int, Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:15]))
        except OSError:             # it has ended; who waited for it has its time
            continue
    return ticks / TICKS


def memory_kib(pids, what: str = "Pss") -> int:
    """What the processes take of the memory: each page's share of it (Pss), or that of the pages that belong to no file (Pss_Anon)."""
    total = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith(f"{what}:"):
                total += int(line.split()[1])
    return total


median = statistics.median
