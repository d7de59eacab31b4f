"""
What time tells: whether a user is there, a secret is chosen, a mail is somebody else's. `make attack` alone runs these: they measure, in interleaved
tries whose middles are compared, and measure anew when the machine was busy with something else.
"""

import base64
import http.client
import itertools
import socket
import statistics
import threading
import time

import pytest

from http_client import deliver

pytestmark = pytest.mark.timeout(600)
LIMIT_S = 0.003
TRIES, ROUNDS = 9, 6
REFUSAL_MS = 500


@pytest.fixture(scope="module")
def running(request):
    from service import Service
    service = Service(processes={"imapd": 1}, access={"refusal_ms": REFUSAL_MS})
    request.addfinalizer(service.remove)
    service.start()
    service.login = {name: service.add_mailbox(name) for name in ("acme", "chosen", "beta", "other")}
    service.run("mailtestctl", "-c", service.config_file, "mailbox", "secret", "chosen", "--stdin", stdin=None, input="correct horse battery staple\n", check=True)
    service.ctl("mailbox", "disable", "beta")
    service.agent = service.ctl("agent", "add", "checker", "--mailbox", "acme", "--json")
    return service


ADDRESSES = (f"127.{a}.{b}.{c}" for a, b, c in itertools.product(range(10, 250), range(1, 250), range(1, 250)))
USERS = ["acme", "chosen", "beta", "nobody", "acme*checker", "acme*nobody", "nobody*checker", "no name"]


def spread(try_one, names) -> dict[str, float]:
    """The middle of the times of each name, in seconds, tried in turns."""
    times = {name: [] for name in names}
    for number in range(TRIES):
        for name in names[number % len(names):] + names[:number % len(names)]:
            times[name].append(try_one(name))
    return {name: statistics.median(series) for name, series in times.items()}


def assert_alike(try_one, names) -> None:
    measured = []
    for _ in range(ROUNDS):
        middles = spread(try_one, names)
        measured.append(middles)
        if max(middles.values()) - min(middles.values()) < LIMIT_S:
            return
    pytest.fail(f"in each of {ROUNDS} rounds the middles differ by 3 ms and more: {measured}")


def session(service, port, greeting, lines) -> float:
    """From an address that nobody has used yet, so that no try waits for another: seconds from the last line to its answer."""
    with socket.create_connection(("127.0.0.1", service.ports[port]), timeout=20, source_address=(next(ADDRESSES), 0)) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        answers = client.makefile("rb")
        assert answers.readline().startswith(greeting)
        for line in lines:
            began = time.perf_counter()
            client.sendall(line.encode() + b"\r\n")
            answer = answers.readline()
        took = time.perf_counter() - began
    assert b" NO " in answer or b"-ERR" in answer, answer
    return took


def plain(user: str) -> str:
    return base64.b64encode(f"\0{user}\0wrong-and-guessed".encode()).decode()


def scram(user: str) -> list[str]:
    """With a proof that is none."""
    def first():
        return base64.b64encode(f"n,,n={user.replace(',', '=2C').replace('=', '=3D')},r=abcdefghijklmnop".encode()).decode()
    return [first()]


WAYS = {
    "IMAP LOGIN": lambda user: ("imap", b"* OK", [f'a LOGIN "{user}" wrong-and-guessed']),
    "IMAP AUTHENTICATE PLAIN": lambda user: ("imap", b"* OK", [f"a AUTHENTICATE PLAIN {plain(user)}"]),
    "POP3 PASS": lambda user: ("pop3", b"+OK", [f"USER {user}", "PASS wrong-and-guessed"]),
    "POP3 AUTH PLAIN": lambda user: ("pop3", b"+OK", [f"AUTH PLAIN {plain(user)}"]),
}


@pytest.mark.parametrize("way", WAYS)
def test_time_does_not_tell_who_is_there(running, way):
    assert_alike(lambda user: session(running, *WAYS[way](user)), USERS)


def test_time_and_form_of_scram_do_not_tell_who_is_there(running):
    """The first answer, with a salt; and the refusal of a proof."""
    def tried(user):
        with socket.create_connection(("127.0.0.1", running.ports["imap"]), timeout=20, source_address=(next(ADDRESSES), 0)) as client:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            answers = client.makefile("rb")
            answers.readline()
            began = time.perf_counter()
            client.sendall(f"a AUTHENTICATE SCRAM-SHA-256 {scram(user)[0]}\r\n".encode())
            said = answers.readline()
            first = time.perf_counter() - began
            assert said.startswith(b"+ "), said
            challenge = dict(part.split("=", 1) for part in base64.b64decode(said[2:]).decode().split(","))
            assert len(base64.b64decode(challenge["s"])) == 16 and challenge["i"] == "4096", challenge
            proof = base64.b64encode(f"c=biws,r={challenge['r']},p={base64.b64encode(bytes(32)).decode()}".encode()).decode()
            began = time.perf_counter()
            client.sendall(proof.encode() + b"\r\n")
            assert b" NO " in answers.readline()
            return first + time.perf_counter() - began
    assert_alike(tried, ["acme", "chosen", "beta", "nobody", "acme*checker", "acme*nobody"])


def test_time_does_not_tell_which_keys_there_are(running):
    key = running.ctl("api-key", "add", "--mailbox", "acme", "--json")["key"]
    revoked = running.ctl("api-key", "add", "--json")
    running.ctl("api-key", "revoke", revoked["id"])
    number, secret = key.split("_")[1], key.split("_", 2)[2]
    keys = [f"mtk_{number}_{'A' * len(secret)}", f"mtk_{number}_{secret[:-2]}AA", f"mtk_99999_{'A' * len(secret)}", revoked["key"], "none"]
    connection = http.client.HTTPConnection("127.0.0.1", running.ports["http"], timeout=20)

    def ask(with_key):
        began = time.perf_counter()
        connection.request("GET", "/v1/mailboxes/acme/messages", headers={"Authorization": f"Bearer {with_key}"})
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 401
        return time.perf_counter() - began
    assert_alike(ask, keys)


def test_time_does_not_tell_what_others_have(running):
    """A mail of another, of nobody; a mailbox of another, of nobody; a token of another, of nobody."""
    theirs, nobody = running.mint("other"), "mt1" + "0" * 40
    deliver(running, theirs, mailbox="other", text="x" * 900 + "\r\n" * 1000)
    message = running.http("GET", "/v1/mailboxes/other/messages").json()["messages"][0]["id"]
    key = running.ctl("api-key", "add", "--mailbox", "acme", "--json")["key"]
    connection = http.client.HTTPConnection("127.0.0.1", running.ports["http"], timeout=20)

    def ask(path):
        began = time.perf_counter()
        connection.request("GET", path, headers={"Authorization": f"Bearer {key}"})
        connection.getresponse().read()
        return time.perf_counter() - began
    for pair in ([f"/v1/messages/{message}", "/v1/messages/999999999"], [f"/v1/messages/{message}/raw", "/v1/messages/999999999/raw"],
                 ["/v1/mailboxes/other/messages", "/v1/mailboxes/nobody/messages"], [f"/v1/mailboxes/acme/tokens/{theirs}", f"/v1/mailboxes/acme/tokens/{nobody}"],
                 [f"/v1/mailboxes/other/tokens/{theirs}", f"/v1/mailboxes/nobody/tokens/{theirs}"]):
        assert_alike(ask, pair)


def test_an_address_gets_one_try_a_second_over_all_protocols_and_connections(running):
    """Parallel connections by IMAP and POP3 from one address: no more than one wrong password is looked at in a second, and the owner is let in meanwhile."""
    address, owner, refused = next(ADDRESSES), next(ADDRESSES), []
    until = time.monotonic() + 5

    def flood(port, lines):
        while time.monotonic() < until:
            try:
                with socket.create_connection(("127.0.0.1", running.ports[port]), timeout=20, source_address=(address, 0)) as client:
                    answers = client.makefile("rb")
                    answers.readline()
                    for line in lines:
                        client.sendall(line)
                        answer = answers.readline()
                    if b"AUTHENTICATIONFAILED" in answer or b"[AUTH]" in answer:
                        refused.append(time.monotonic())
            except (OSError, ValueError):
                pass
    threads = [threading.Thread(target=flood, args=way) for way in
               [("imap", [b"a LOGIN acme wrong-and-guessed\r\n"])] * 6 + [("pop3", [b"USER acme\r\n", b"PASS wrong-and-guessed\r\n"])] * 6]
    for thread in threads:
        thread.start()
    slowest = 0.0
    for _ in range(5):
        began = time.monotonic()
        with socket.create_connection(("127.0.0.1", running.ports["imap"]), timeout=20, source_address=(owner, 0)) as client:
            client.sendall(f"a LOGIN acme {running.login['acme']['secret']}\r\n".encode())
            said = b""
            while b"\na " not in said:
                said += client.recv(4096)
        assert b"\na OK" in said
        slowest = max(slowest, time.monotonic() - began)
    for thread in threads:
        thread.join()
    assert slowest < 1
    assert 2 <= len([at for at in refused if at < until]) <= 6, len(refused)
