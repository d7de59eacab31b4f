"""Builds OLE compound files (MS-CFB, version 3) as Outlook writes messages (.msg, MS-OXMSG): storages of streams in sectors."""

import struct

FREE, END, FAT_SECTOR, NONE = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD, 0xFFFFFFFF
SECTOR, MINI, CUTOFF = 512, 64, 4096
STORAGE, STREAM, ROOT = 1, 2, 5


class Sectors:
    """Contents in sectors, with the table that chains them."""

    def __init__(self, size):
        self.size, self.sectors, self.next = size, [], []

    def add(self, content, scattered=False):
        """The first sector of it. scattered: in sectors that lie the wrong way round, so that no two neighbours are next to each other."""
        pieces = [content[at:at + self.size].ljust(self.size, b"\0") for at in range(0, len(content), self.size)]
        if not pieces:
            return END
        numbers = list(range(len(self.sectors), len(self.sectors) + len(pieces)))
        order = numbers[::-1] if scattered else numbers
        self.sectors += [None] * len(pieces)
        self.next += [END] * len(pieces)
        for number, following, piece in zip(order, [*order[1:], END], pieces):
            self.sectors[number], self.next[number] = piece, following
        return order[0]


class Entry:
    def __init__(self, name, kind, content=b""):
        self.name, self.kind, self.content = name, kind, content
        self.left = self.right = self.child = NONE
        self.start, self.size = (END if kind == STREAM else 0), len(content)

    def octets(self):
        name = self.name.encode("utf-16-le") + b"\0\0"
        return (name.ljust(64, b"\0") + struct.pack("<HBBIII", len(name), self.kind, 1, self.left, self.right, self.child)
                + bytes(36) + struct.pack("<IQ", self.start, self.size))


def directory(tree):
    """Entries of {name: octets or another tree}, as trees of siblings in the order that the format demands."""
    entries = [Entry("Root Entry", ROOT)]
    waiting = [(entries[0], tree)]
    while waiting:
        parent, members = waiting.pop(0)
        own = []
        for name in sorted(members, key=lambda n: (len(n), n.upper())):
            content = members[name]
            entry = Entry(name, STORAGE if isinstance(content, dict) else STREAM, b"" if isinstance(content, dict) else content)
            own.append((len(entries), entry))
            entries.append(entry)
            if isinstance(content, dict):
                waiting.append((entry, content))
        parent.child = balance(own)
    return entries


def balance(siblings):
    if not siblings:
        return NONE
    middle = len(siblings) // 2
    number, entry = siblings[middle]
    entry.left, entry.right = balance(siblings[:middle]), balance(siblings[middle + 1:])
    return number


def compound_file(tree, scattered=False):
    big, small, entries = Sectors(SECTOR), Sectors(MINI), directory(tree)
    for entry in entries:
        if entry.kind == STREAM:
            entry.start = (small if entry.size < CUTOFF else big).add(entry.content, scattered)
    root, stream = entries[0], b"".join(small.sectors)
    root.start, root.size = big.add(stream), len(stream)
    small_table = b"".join(struct.pack("<I", n) for n in small.next)
    small_table_at = big.add(small_table.ljust(-(-len(small_table) // SECTOR) * SECTOR, b"\xff"))
    directory_at = big.add(b"".join(entry.octets() for entry in entries))
    tables = 1
    while len(big.sectors) + tables > tables * (SECTOR // 4):
        tables += 1
    first_table = len(big.sectors)
    chain = big.next + [FAT_SECTOR] * tables
    chain += [FREE] * (tables * (SECTOR // 4) - len(chain))
    header = (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16) + struct.pack("<HHHHH", 0x3E, 3, 0xFFFE, 9, 6) + bytes(6)
              + struct.pack("<IIIIIIIII", 0, tables, directory_at, 0, CUTOFF, small_table_at if small_table else END,
                            -(-len(small_table) // SECTOR), END, 0)
              + b"".join(struct.pack("<I", first_table + n if n < tables else FREE) for n in range(109)))
    return header + b"".join(big.sectors) + b"".join(struct.pack("<I", n) for n in chain)


def msg(scattered=False, attachments=(), **properties):
    """
    An Outlook message. properties: p_TAGTYPE=value, such as p_0037001F="subject"; a text of type 001E is in windows-1252.
    attachments: dictionaries of the same, or of a storage (p_3701000D={…}) for an attached message.
    """
    return compound_file(storage(properties, 32, attachments), scattered)


def storage(properties, header, attachments=()):
    tree = {"__properties_version1.0": bytes(header) + b"".join(row(name, value) for name, value in properties.items())}
    for name, value in properties.items():
        tree[f"__substg1.0_{name[2:]}"] = octets_of(name, value)
    for number, attached in enumerate(attachments):
        tree[f"__attach_version1.0_#{number:08X}"] = storage(attached, 8)
    return tree


def octets_of(name, value):
    if isinstance(value, str):
        return value.encode("utf-16-le" if name.endswith("001F") else "cp1252")
    return value


def row(name, value):
    length = 0xFFFFFFFF if isinstance(value, dict) else len(octets_of(name, value))
    return struct.pack("<IIII", int(name[2:], 16), 6, length, 0)
