"""
States of a disk that a power cut at one moment may leave, made from what power.c recorded.

What was synced is kept. Of what was written since, any sectors may be there: none, all, all up to one, any subset. Names (made, renamed,
removed) are kept in their order, and each sync brings all before it to the disk, as a journaling file system does it; or without any
order, and only the sync of a folder brings its names.
"""

import os
import random
import shutil
import struct
from dataclasses import dataclass, field
from pathlib import Path

HEAD = struct.Struct("<6Q")
CREATE, WRITE, TRUNCATE, SYNC, SYNC_RANGE, RENAME, UNLINK, FOLDER = range(1, 9)
SECTORS = (512, 4096)


@dataclass
class Record:
    at: int             # of its end in the log
    op: int
    inode: int
    offset: int
    path: str
    data: bytes


def read_log(log: memoryview) -> list[Record]:
    records, at = [], 0
    while at + HEAD.size <= len(log):
        size, op, inode, offset, path_len, data_len = HEAD.unpack_from(log, at)
        if size == 0:                   # a process died while it wrote this one; what is behind cannot be found
            break
        body = at + HEAD.size
        path = bytes(log[body:body + path_len]).decode()
        records.append(Record(at + size, op, inode, offset, path, bytes(log[body + path_len:body + path_len + data_len])))
        at += size
    return records


@dataclass
class File:
    image: bytearray = field(default_factory=bytearray)
    pending: list = field(default_factory=list)         # (offset, data), or (size, None): cut or grown to it


def put(image: bytearray, offset: int, data: bytes) -> None:
    if offset > len(image):
        image.extend(bytes(offset - len(image)))
    image[offset:offset + len(data)] = data


def resize(image: bytearray, size: int) -> None:
    if size < len(image):
        del image[size:]
    else:
        image.extend(bytes(size - len(image)))


def is_inside(path: str, root: str) -> bool:
    return path == root or path.startswith(root + "/")


class Disk:
    """names_ordered: as the head of this file tells."""

    def __init__(self, state: Path, names_ordered: bool):
        """state: what is there before the first record, all of it synced; nothing at all where it does not exist."""
        self.root = str(state)
        self.names_ordered = names_ordered
        self.files, self.names, self.folders, self.pending_names = {}, {}, set(), []
        if not state.exists():
            return
        self.folders.add(self.root)
        for entry in state.rglob("*"):
            if entry.is_dir():
                self.folders.add(str(entry))
            elif entry.is_file():
                inode = entry.stat().st_ino
                self.names[str(entry)] = inode
                self.files[inode] = File(bytearray(entry.read_bytes()))

    def apply(self, r: Record) -> None:
        if r.op == FOLDER:
            self.pending_names.append(r)
        elif r.op in (CREATE, RENAME, UNLINK):
            if r.op == CREATE:
                self.files[r.inode] = File()
            self.pending_names.append(r)
        elif r.op == WRITE:
            self._file(r.inode).pending.append((r.offset, r.data))
        elif r.op == TRUNCATE:
            self._file(r.inode).pending.append((r.offset, None))
        elif r.op == SYNC_RANGE:
            self._sync_range(self._file(r.inode), r.offset)
        elif r.op == SYNC:
            self._sync(r)

    def _file(self, inode):
        return self.files.setdefault(inode, File())

    @staticmethod
    def _sync_range(file, offset):
        for index in reversed(range(len(file.pending))):
            if file.pending[index][0] == offset and file.pending[index][1] is not None:
                put(file.image, *file.pending.pop(index))
                return

    def _sync(self, r):
        file = self._file(r.inode)
        for offset, data in file.pending:
            if data is None:
                resize(file.image, offset)
            else:
                put(file.image, offset, data)
        file.pending = []
        left = []
        for name in self.pending_names:         # r.path may be the folder around the root, too
            if self.names_ordered or os.path.dirname(name.path) == r.path:
                self._name(self.names, self.folders, name)
            else:
                left.append(name)
        self.pending_names = left

    @staticmethod
    def _name(names, folders, r):
        if r.op == FOLDER:
            folders.add(r.path)
        elif r.op == CREATE:
            names[r.path] = r.inode
        elif r.op == UNLINK:
            names.pop(r.path, None)
        elif r.path in names:           # RENAME
            names[r.data.decode()] = names.pop(r.path)

    # ---- One state ------------------------------------------------------------------------------------------

    def _chosen_names(self, chance):
        names, folders = dict(self.names), set(self.folders)
        kept = self.pending_names[:chance.randint(0, len(self.pending_names))] if self.names_ordered else \
            [name for name in self.pending_names if chance.random() < 0.5]
        for name in kept:
            self._name(names, folders, name)
        return names, folders

    @staticmethod
    def _chosen_image(file, chance):
        """What is on the disk of a file: how much of what was not synced is drawn anew for each."""
        image = bytearray(file.image)
        sector = chance.choice(SECTORS)
        manner = chance.choice(("none", "all", "prefix", "subset", "subset", "rare", "most"))
        share = {"none": 0, "all": 1, "prefix": 1, "subset": 0.5, "rare": 0.05, "most": 0.95}[manner]
        last = chance.randint(0, len(file.pending)) if manner == "prefix" else len(file.pending)
        for index, (offset, data) in enumerate(file.pending[:last + 1]):
            if data is None:
                if chance.random() < share:
                    resize(image, offset)
                continue
            end = offset + len(data)
            if manner == "prefix" and index == last:        # this one was cut off
                end = chance.randint(offset, end) // sector * sector
            for at in range(offset // sector * sector, end, sector):
                begin, stop = max(at, offset), min(at + sector, end)
                if begin < stop and (share == 1 or chance.random() < share):
                    put(image, begin, data[begin - offset:stop - offset])
        return image

    def write_state(self, to: Path, chance: random.Random) -> None:
        """Makes the folder `to` anew as the state folder may be found."""
        shutil.rmtree(to, ignore_errors=True)
        to.mkdir(parents=True, mode=0o755)
        names, folders = self._chosen_names(chance)
        # Without its own name, or that of a folder around it, nothing that is in a folder can be found.
        folders = {folder for folder in folders if self.root in folders and all(
            str(around) in folders for around in Path(folder).parents if is_inside(str(around), self.root))}
        for folder in sorted(folders):
            (to / os.path.relpath(folder, self.root)).mkdir(mode=0o750, exist_ok=True)
        images = {}
        for path, inode in names.items():
            if os.path.dirname(path) not in folders:
                continue
            if inode not in images:
                images[inode] = self._chosen_image(self._file(inode), chance)
            target = to / os.path.relpath(path, self.root)
            target.write_bytes(b"" if path.endswith("/lock.mdb") else images[inode])
            target.chmod(0o600)
