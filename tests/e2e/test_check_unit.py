"""The checker's unit of systemd: how much it leaves open, that it is whole, and that the scheduler works with no more than it grants."""

import os
import re
import shlex
import shutil
import subprocess
import sys

import pytest

import test_systemd_unit as of_service
from check_daemon import CheckDaemon
from servers.faulty import FaultySMTP
from service import BUILD

UNIT = of_service.CONF / "mailtest-check.service"
HIGHEST_EXPOSURE = 1.3


@pytest.fixture
def installed(tmp_path):
    """As `make install` leaves it: with the whole name of the program."""
    unit = tmp_path / UNIT.name
    shutil.copy(UNIT, unit)
    unit.write_text(unit.read_text().replace("=mailtest-check ", f"={BUILD / 'mailtest-check'} "))
    return unit


def test_little_is_exposed(installed):
    done = of_service.analyze("security", "--offline=yes", f"--threshold={round(10 * HIGHEST_EXPOSURE)}", "--no-pager", installed)
    level = re.search(r"Overall exposure level for mailtest-check\.service: ([\d.]+)", done.stdout)
    assert level and float(level[1]) <= HIGHEST_EXPOSURE, done.stdout
    assert done.returncode == 0, done.stderr


def test_unit_is_whole(installed):
    done = of_service.analyze("verify", "--man=no", installed)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_scheduler_lives_with_what_is_granted(tmp_path, monkeypatch):
    """Another user without any capability, and no system call but those that the unit grants: it sends, alerts by a command, keeps its state and reloads."""
    monkeypatch.setattr(of_service, "UNIT", UNIT)
    uid = of_service.NOBODY if os.geteuid() == 0 else os.geteuid()
    tmp_path.chmod(0o755)
    for folder in tmp_path.parents:
        if folder.owner() == tmp_path.owner() and str(folder) not in ("/", "/tmp"):
            folder.chmod(0o755)
    with FaultySMTP({"rcpt": "550 5.1.1 nobody"}) as faulty:
        own = tmp_path / "own"
        own.mkdir()
        daemon = CheckDaemon(own, servers=[{"name": "s", "host": faulty.host, "port": faulty.port}],
                             checks=[{"name": "a", "to": "a@b.test", "server": "s", "receive": "none", "interval": "1s", "confirm": 1, "alert": ["c"]}],
                             ways=[{"name": "w", "command": ["/bin/touch", str(own / "told")]}], contacts=[{"name": "c", "ways": ["w"]}])
        if os.geteuid() == 0:
            os.chown(own, uid, uid)
        # The launcher places descriptors as systemd does; the checker is handed none that it uses.
        with open(own / "log", "ab") as log, open(os.devnull, "rb") as nothing:
            daemon.process = subprocess.Popen([sys.executable, "-c", of_service.LAUNCHER, " ".join(sorted(of_service.granted_calls())),
                                               str(nothing.fileno()), str(uid), "none", BUILD / "mailtest-check", "run", "-c", daemon.file],
                                              pass_fds=[nothing.fileno()], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            daemon.wait_for(lambda: daemon.http("/healthz")[0] == 200, "it answers")
            daemon.wait_for((own / "told").exists, "somebody is told")
            reload = of_service.values(UNIT, "ExecReload")[0].replace("$MAINPID", str(daemon.process.pid))
            assert subprocess.run(shlex.split(reload), timeout=20, check=False).returncode == 0
            daemon.wait_for(lambda: "event=reloaded checks=1" in daemon.log, "it has reloaded")
            assert daemon.wait_for_result("a")["code"] == 550
            assert daemon.stop() == 0 and (own / "state" / "data.mdb").stat().st_uid == uid
        finally:
            daemon.end()
