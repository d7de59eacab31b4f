"""
A few of each kind of crash, power cut and fault (tests/crash; `make crash` runs many): nothing that was answered 250 is lost, doubled,
altered or half there, and nothing is kept that was refused. Times are for `make crash`: here others run beside.
"""

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "crash"))

import runs_fault   # noqa: E402
import runs_kill    # noqa: E402
import runs_power   # noqa: E402
from service import BUILD   # noqa: E402
from tally import HEAD, show    # noqa: E402

SEED = int(os.environ.get("MAILTEST_CRASH_SEED", "5"))

# AddressSanitizer wants to be the first library of a process, and takes the calls over that power.c would.
PRELOADABLE = b"__asan_init" not in (BUILD / "mailtestd").read_bytes() if (BUILD / "mailtestd").exists() else True

PLAIN = {
    **{f"SIGKILL {role}": lambda role=role: runs_kill.kill_role(SEED, role, 2, between=20) for role in runs_kill.ROLES},
    "SIGKILL all": lambda: runs_kill.kill_all(SEED, 3, between=20),
    "SIGSTOP": lambda: runs_kill.stop_and_go_on(SEED, 2, pause_s=0.3),
    "SIGTERM": lambda: runs_kill.drain(SEED, 2),
    "SIGHUP": lambda: runs_kill.reload(SEED, 2),
    "upgrade": lambda: runs_kill.upgrade(SEED, 1),
    "no descriptors": lambda: runs_kill.few_files(SEED, 1.0),
    "flipped bits": lambda: runs_fault.flipped_bits(SEED, 8),
}
PRELOADED = {
    "names in order": lambda: runs_power.modelled_cuts(SEED, 4, True, per_recording=2),
    "names in no order": lambda: runs_power.modelled_cuts(SEED, 4, False, per_recording=2),
    "EIO at each sync": lambda: runs_fault.each_call_fails(SEED, ["sync"], "EIO"),
    "EIO at each write": lambda: runs_fault.each_call_fails(SEED, ["write"], "EIO", limit=8),
    "ENOSPC at every write": lambda: runs_fault.calls_go_on_failing(SEED, ["write"], "ENOSPC", seconds=0.5),
    "short at each write": lambda: runs_fault.each_call_fails(SEED, ["write"], "short", limit=8),
    "EIO at every sync": lambda: runs_fault.calls_go_on_failing(SEED, ["sync"], "EIO", seconds=0.5),
    "EIO at a start's sync": lambda: runs_fault.start_fails(SEED, ["sync"], "EIO", limit=4),
    "memory": lambda: runs_kill.little_memory(SEED, 4),
    "clock": lambda: runs_kill.clock_jumps(SEED, 6),
} if PRELOADABLE else {}
# These mount file systems.
AS_ROOT = {
    "power cut, ext4": lambda: runs_power.real_cuts(SEED, 2, between=20),
    "disk full": lambda: runs_fault.full_disk(SEED, 1),
} if os.geteuid() == 0 else {}
if AS_ROOT and runs_power.why_no_real_cuts():
    del AS_ROOT["power cut, ext4"]
RUNS = PLAIN | PRELOADED | AS_ROOT


@pytest.mark.parametrize("name", RUNS)
def test_nothing_is_lost(name):
    row = RUNS[name]()
    assert row.runs > 0
    assert row.is_good_but_for_time(), f"seed {SEED}\n{HEAD}\n{show(row)}"
