"""A small name server for tests: answers A, AAAA, PTR and TXT questions by UDP from a table, or says nothing at all."""

import ipaddress
import socket
import struct
import threading

A, PTR, TXT, AAAA = 1, 12, 16, 28
NXDOMAIN = 3
RECURSIVE_ANSWER = 0x8180


class DnsServer:
    """records: {("name", A): ["192.0.2.1"], …}; other names do not exist. With silent=True it hears every question and answers none,
    with silent={"name", …} none about these."""

    def __init__(self, records=None, silent=False, ttl_s=300):
        self.records = {(name.lower(), kind): values for (name, kind), values in (records or {}).items()}
        self.silent = silent
        self.ttl_s = ttl_s
        self.questions = []                 # (name, kind), in the order in which they came
        self.answered = []                  # of these
        self._heard = threading.Condition()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        return "127.0.0.1:%d" % self._socket.getsockname()[1]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        # Wakes the thread, which closing alone would not.
        self._socket.sendto(b"", self._socket.getsockname())
        self._thread.join(10)
        self._socket.close()

    def wait_for_question(self, name: str, kind: int, wait_s: float = 15) -> None:
        with self._heard:
            assert self._heard.wait_for(lambda: (name, kind) in self.questions, wait_s), f"asked were {self.questions}"

    def wait_for_answer(self, name: str, kind: int, wait_s: float = 15) -> None:
        with self._heard:
            assert self._heard.wait_for(lambda: (name, kind) in self.answered, wait_s), f"asked were {self.questions}"

    def _serve(self):
        while True:
            packet, client = self._socket.recvfrom(4096)
            if not packet:
                return
            name, kind, end = question(packet)
            with self._heard:
                self.questions.append((name, kind))
                self._heard.notify_all()
            if self.silent is True or (self.silent and name in self.silent):
                continue
            self._socket.sendto(self._answer(packet, name, kind, end), client)
            with self._heard:
                self.answered.append((name, kind))
                self._heard.notify_all()

    def _answer(self, packet, name, kind, end):
        values = self.records.get((name, kind), [])
        exists = any(known == name for known, _ in self.records)
        head = packet[:2] + struct.pack("!HHHHH", RECURSIVE_ANSWER | (0 if exists else NXDOMAIN), 1, len(values), 0, 0)
        answer = head + packet[12:end]
        for value in values:
            data = _name(value) if kind == PTR else _text(value) if kind == TXT else ipaddress.ip_address(value).packed
            answer += struct.pack("!HHHIH", 0xC00C, kind, 1, self.ttl_s, len(data)) + data
        return answer


def reverse(address: str) -> str:
    """The name that a PTR record of an address has."""
    return ipaddress.ip_address(address).reverse_pointer


def _name(text):
    return b"".join(bytes([len(label)]) + label.encode("latin-1") for label in text.split(".")) + b"\0"


def _text(value):
    octets = value.encode()
    return bytes([len(octets)]) + octets


def question(packet):
    """Name and kind of the first question, and where it ends."""
    labels, at = [], 12
    while packet[at]:
        labels.append(packet[at + 1:at + 1 + packet[at]].decode("latin-1"))
        at += 1 + packet[at]
    return ".".join(labels).lower(), struct.unpack_from("!H", packet, at + 1)[0], at + 5
