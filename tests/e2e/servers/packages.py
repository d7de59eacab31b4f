"""Fetches Debian packages without installing them, and unpacks them into a folder."""

import fcntl
import os
import subprocess
from pathlib import Path

CACHE = Path(__file__).resolve().parents[3] / "build" / "servers"


class PackageError(Exception):
    """A package could not be fetched; the text says why."""


def unpack(package: str, into: Path) -> None:
    """Unpacks a package and the libraries that it needs and this machine lacks. Downloads at the first call only."""
    into.mkdir(parents=True, exist_ok=True)
    for deb in _fetch(package):
        subprocess.run(["dpkg-deb", "--extract", deb, into], check=True)
    # Some programs come with the setuid bit. Here they need no rights but those of who starts them.
    for folder, _, names in os.walk(into):
        for name in names:
            path = Path(folder) / name
            if not path.is_symlink() and path.stat().st_mode & 0o6000:
                path.chmod(path.stat().st_mode & 0o777)


def _fetch(package: str) -> list[Path]:
    folder = CACHE / package
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / "lock", "w") as lock:             # tests may run side by side
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "complete").exists():
            folder.mkdir(exist_ok=True)
            try:
                _download(package, folder, [])
            except PackageError:                        # no package lists here, or old ones: get them, for us alone
                own = _own_lists()
                _apt_get(own + ["update"], folder)
                _download(package, folder, own)
            (folder / "complete").touch()
    return sorted(folder.glob("*.deb"))


def _download(package: str, folder: Path, options: list[str]) -> None:
    """What installing it would add tells which libraries are missing; the server's other needs are not ours."""
    plan = _apt_get(options + ["--simulate", "--no-install-recommends", "install", package], folder)
    names = [line.split()[1] for line in plan.splitlines() if line.startswith("Inst ")]
    missing = [name for name in names if name.startswith("lib")]
    for old in folder.glob("*.deb"):
        old.unlink()
    _apt_get(options + ["download", *{package, "libnss-wrapper", *missing}], folder)


def _own_lists() -> list[str]:
    state, cache = CACHE / "apt" / "state", CACHE / "apt" / "cache"
    for folder in state / "lists" / "partial", cache / "archives" / "partial":
        folder.mkdir(parents=True, exist_ok=True)
    return ["-o", f"Dir::State={state}", "-o", "Dir::State::status=/var/lib/dpkg/status", "-o", f"Dir::Cache={cache}"]


def _apt_get(arguments: list[str], folder: Path) -> str:
    # As root apt would hand the download to the user _apt, who may not write to our folder.
    done = subprocess.run(["apt-get", "-qq", "-o", "APT::Sandbox::User=root", *arguments],
                          cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise PackageError(f"apt-get {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout
