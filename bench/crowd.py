#!/usr/bin/python3
"""Very many clients that do nothing, or next to nothing: reads what to open as JSON on standard input, opens it, says so in a line of
JSON, and says in another, once standard input ends, what became of them. One process, for `bench/run --only load`.

    {"groups": [{"name": …, "host": …, "port": N, "count": N, "first_source": N, "steps": [[after, says] …], "again": "…", "tls": 2,
                 "reads": false, "window": N}], "together": N}

steps: says is sent once what the server said so far has after in it ("": at once); behind the last one the client is "there". again: sent once
a second from then on. tls: 2, a handshake comes first. reads: false, nothing is read any more. window: octets of the receive buffer. Clients
come from networks of their own below 127.0.0.0/8, 20 from each address and 100 from each /24, from the network first_source on."""

import json
import resource
import select
import socket
import ssl
import sys
import time

PER_ADDRESS, ADDRESSES_A_NETWORK = 20, 5        # below the limits on one address and on one network
SECONDS = 30                                    # for all to be there
OPEN, READY, ENDED = range(3)


def source(number: int, first: int) -> str:
    network, address = divmod(number // PER_ADDRESS, ADDRESSES_A_NETWORK)
    network += first
    return f"127.{network // 250 % 250 + 1}.{network % 250 + 1}.{address + 1}"


def first_flight() -> bytes:
    """A ClientHello."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    out = ssl.MemoryBIO()
    try:
        context.wrap_bio(ssl.MemoryBIO(), out).do_handshake()
    except ssl.SSLWantReadError:
        pass
    return out.read()


class Client:
    """One connection."""

    def __init__(self, crowd, group: dict, number: int):
        self.crowd, self.group, self.state, self.heard = crowd, group, OPEN, b""
        self.steps = [(after.encode("latin-1"), says.encode("latin-1")) for after, says in group["steps"]]
        self.step, self.began, self.gone_s, self.last = 0, time.monotonic(), None, b""
        self.waits_for_tls = group.get("tls") == 2
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.socket.setblocking(False)
        if group.get("window"):
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, group["window"])
        self.socket.setsockopt(socket.IPPROTO_IP, 24, 1)        # IP_BIND_ADDRESS_NO_PORT: ports are counted for each pair
        self.socket.bind((source(number, group.get("first_source", 0)), 0))
        self.socket.connect_ex((group["host"], group["port"]))
        if self.waits_for_tls:
            self.socket = crowd.context.wrap_socket(self.socket, do_handshake_on_connect=False)
        crowd.poll.register(self.socket, select.EPOLLIN | select.EPOLLOUT)
        crowd.clients[self.socket.fileno()] = self

    def end(self) -> None:
        if self.state == ENDED:
            return
        if self.state == OPEN:
            self.crowd.opening -= 1
        self.state, self.gone_s = ENDED, time.monotonic() - self.began
        self.last = self.heard[-80:]
        del self.crowd.clients[self.socket.fileno()]
        self.socket.close()

    def send(self, octets: bytes) -> None:
        try:
            self.socket.send(octets)
        except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
            pass
        except OSError:
            self.end()

    def connected(self) -> bool:
        """Once it is, with TLS where that is wanted."""
        if not self.waits_for_tls:
            return True
        try:
            self.socket.do_handshake()
        except ssl.SSLWantReadError:
            return False
        except ssl.SSLWantWriteError:
            return False
        except OSError:
            self.end()
            return False
        self.waits_for_tls = False
        return True

    def go_on(self) -> None:
        while self.state != ENDED and self.step < len(self.steps) and self.steps[self.step][0] in self.heard:
            self.heard = b""
            said = self.steps[self.step][1]
            self.step += 1
            if said:
                self.send(said)
        if self.step == len(self.steps) and self.state == OPEN:
            self.state = READY
            self.crowd.opening -= 1
            self.crowd.poll.modify(self.socket, select.EPOLLIN if self.group.get("reads", True) else select.EPOLLHUP)

    def ready(self, events: int) -> None:
        if events & (select.EPOLLERR | select.EPOLLHUP):
            self.read()
            self.end()
            return
        if not self.connected():
            return
        if self.state == OPEN and events & select.EPOLLOUT:
            self.crowd.poll.modify(self.socket, select.EPOLLIN)
            self.go_on()
        if events & select.EPOLLIN and self.read():
            self.go_on()

    def read(self) -> bool:
        try:
            got = self.socket.recv(4096)
        except (BlockingIOError, ssl.SSLWantReadError):
            return False
        except OSError:
            self.end()
            return False
        if not got:
            self.end()
            return False
        self.heard = (self.heard + got)[-4096:]
        return True


class Crowd:
    def __init__(self, order: dict):
        self.poll, self.clients, self.opening, self.all = select.epoll(), {}, 0, []
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.context.check_hostname, self.context.verify_mode = False, ssl.CERT_NONE
        self.together = order.get("together", 200)
        flight = first_flight().decode("latin-1")
        for group in order["groups"]:
            group["steps"] = [(after, says.replace("%CLIENTHELLO%", flight)) for after, says in group["steps"]]
        self.wanted = [(group, number) for group in order["groups"] for number in range(group["count"])]
        self.again_at = time.monotonic() + 1

    def turn(self, wait_s: float) -> None:
        for descriptor, events in self.poll.poll(wait_s):
            if client := self.clients.get(descriptor):
                client.ready(events)
        if time.monotonic() >= self.again_at:
            self.again_at += 1
            for client in list(self.clients.values()):
                if client.state == READY and client.group.get("again"):
                    client.send(client.group["again"].encode())

    def open(self) -> float:
        began, place = time.monotonic(), 0
        while place < len(self.wanted) or self.opening > 0:
            while place < len(self.wanted) and self.opening < self.together:
                self.opening += 1
                self.all.append(Client(self, *self.wanted[place]))
                place += 1
            self.turn(0.05)
            if time.monotonic() - began > SECONDS:
                break
        return time.monotonic() - began

    def report(self) -> dict:
        groups = {}
        for client in self.all:
            group = groups.setdefault(client.group["name"], {"there": 0, "ended": 0, "opening": 0, "gone_s": 0, "last": ""})
            group[("opening", "there", "ended")[client.state]] += 1
            if client.state == ENDED:
                group["gone_s"] = max(group["gone_s"], client.gone_s)
                group["last"] = client.last.decode("latin-1") or group["last"]
        return groups


def main() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, hard), hard))
    crowd = Crowd(json.loads(sys.stdin.readline()))
    seconds = crowd.open()
    print(json.dumps({"seconds": seconds, "groups": crowd.report()}), flush=True)
    inputs = select.poll()
    inputs.register(sys.stdin, select.POLLIN | select.POLLHUP)
    began = time.monotonic()
    while not inputs.poll(0) and time.monotonic() - began < 400:
        crowd.turn(0.05)
        if not crowd.clients:
            inputs.poll(100)
    print(json.dumps({"groups": crowd.report()}), flush=True)


if __name__ == "__main__":
    main()
