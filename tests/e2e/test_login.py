"""Logging in: secrets that people choose, refusals that tell nothing, and floods of tries."""

import base64
import imaplib
import poplib
import socket
import statistics
import subprocess
import threading
import time

import pytest

from service import DOMAIN

CHOSEN = "correct horse battery staple"
REFUSAL_MS = 500


@pytest.fixture
def acme(service):
    service.acme = service.add_mailbox("acme")
    service.chosen = service.add_mailbox("chosen")
    choose(service, CHOSEN)
    return service


def choose(service, secret: str, mailbox: str = "chosen") -> subprocess.CompletedProcess:
    return service.run("mailtestctl", "-c", service.config_file, "mailbox", "secret", mailbox, "--stdin", stdin=None, input=secret + "\n")


class Client:
    """A raw IMAP client at an address of this machine."""

    def __init__(self, service, address: str = "127.0.0.1"):
        self.socket = socket.create_connection(("127.0.0.1", service.ports["imap"]), timeout=20, source_address=(address, 0))
        self.lines = self.socket.makefile("rb")
        assert self.lines.readline().startswith(b"* OK")

    def say(self, line: bytes) -> bytes:
        self.socket.sendall(line + b"\r\n")
        return self.lines.readline()

    def login(self, user: str, secret: str) -> bytes:
        return self.say(f'a LOGIN {user} "{secret}"'.encode())

    def close(self) -> None:
        self.lines.close()
        self.socket.close()


def seconds_of(act) -> float:
    began = time.monotonic()
    act()
    return time.monotonic() - began


def test_a_chosen_secret_opens_every_door_but_scram(acme):
    client = imaplib.IMAP4("127.0.0.1", acme.ports["imap"], timeout=20)
    assert client.login("chosen", CHOSEN)[0] == "OK"
    client = imaplib.IMAP4("127.0.0.1", acme.ports["imap"], timeout=20)
    assert client.authenticate("PLAIN", lambda _: f"\0chosen\0{CHOSEN}".encode())[0] == "OK"
    pop3 = poplib.POP3("127.0.0.1", acme.ports["pop3"], timeout=20)
    pop3.user("chosen")
    assert pop3.pass_(CHOSEN).startswith(b"+OK")
    with pytest.raises(imaplib.IMAP4.error):
        imaplib.IMAP4("127.0.0.1", acme.ports["imap"], timeout=20).login("chosen", acme.chosen["secret"])


@pytest.mark.parametrize("secret, word", [("short", "fewer than 12"), ("tab\tin the middle", "control character"), ("x" * 1025, "1024"), ("", "empty")],
                         ids=["short", "control", "long", "empty"])
def test_what_may_not_be_chosen(acme, secret, word):
    result = choose(acme, secret)
    assert result.returncode == 65 and word in result.stderr


def test_a_chosen_secret_from_a_file(acme, tmp_path):
    (tmp_path / "secret").write_text("écrit dans un fichier\n", encoding="utf-8")
    assert acme.run("mailtestctl", "-c", acme.config_file, "mailbox", "secret", "acme", "--file", str(tmp_path / "secret")).returncode == 0
    client = Client(acme)
    token = base64.b64encode("\0acme\0écrit dans un fichier".encode()).decode()
    assert client.say(f"a AUTHENTICATE PLAIN {token}".encode()).startswith(b"a OK")


def test_a_refusal_takes_as_long_whoever_is_meant(acme):
    """Each try from an address of its own, so that none waits for another."""
    acme.add_mailbox("beta")
    acme.ctl("mailbox", "disable", "beta")
    users, times, answers = ("acme", "chosen", "beta", "nobody", "acme*nobody", "no name"), {}, set()
    number = 0
    for _ in range(5):
        for user in users:
            number += 1
            client = Client(acme, f"127.0.1.{number}")
            began = time.monotonic()
            answers.add(client.login(f'"{user}"', "wrong"))
            times.setdefault(user, []).append(time.monotonic() - began)
            client.close()
    assert answers == {b"a NO [AUTHENTICATIONFAILED] wrong user or password\r\n"}
    assert min(min(series) for series in times.values()) >= REFUSAL_MS / 1000
    middles = [statistics.median(series) for series in times.values()]
    assert max(middles) - min(middles) < 0.05, times       # of a machine that does other things, too
    assert seconds_of(lambda: Client(acme, "127.0.2.1").login("acme", acme.acme["secret"])) < REFUSAL_MS / 1000


def test_an_address_gets_one_try_a_second_from_all_processes(acme):
    tried = []
    until = time.monotonic() + 4

    def flood():
        while time.monotonic() < until:
            client = Client(acme, "127.0.3.1")
            if b"AUTHENTICATIONFAILED" in client.login("acme", "wrong"):
                tried.append(time.monotonic())
            client.close()

    threads = [threading.Thread(target=flood) for _ in range(12)]
    for thread in threads:
        thread.start()
    waited = seconds_of(lambda: Client(acme, "127.0.3.2").login("chosen", CHOSEN))
    for thread in threads:
        thread.join()
    assert len(acme.role_pids("imapd")) > 1
    assert waited < 1
    assert 2 <= len([at for at in tried if at < until]) <= 5


def test_the_owner_logs_in_while_his_name_is_flooded(acme):
    assert Client(acme, "127.0.4.1").login("acme", acme.acme["secret"]).startswith(b"a OK")
    stop = threading.Event()

    def flood(number: int):
        while not stop.is_set():
            client = Client(acme, f"127.0.5.{number}")
            client.login("acme", "wrong")
            client.close()

    threads = [threading.Thread(target=flood, args=(number,)) for number in range(1, 30)]
    for thread in threads:
        thread.start()
    try:
        assert max(seconds_of(lambda: Client(acme, "127.0.4.1").login("acme", acme.acme["secret"])) for _ in range(5)) < 1
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_too_many_checks_are_refused_at_once(make_service):
    service = make_service(access={"password_checks_max": 1})
    service.add_mailbox("chosen")
    choose(service, CHOSEN)
    clients = [Client(service, f"127.0.6.{number}") for number in range(1, 13)]
    for client in clients:
        client.socket.sendall(f'a LOGIN chosen "{CHOSEN}"\r\n'.encode())
    answers = [client.lines.readline() for client in clients]
    assert any(answer.startswith(b"a OK") for answer in answers)
    assert any(answer.startswith(b"a NO [UNAVAILABLE] too many logins") for answer in answers), answers


def test_a_client_that_goes_away_takes_its_check_along(acme):
    for number in range(1, 8):
        client = Client(acme, f"127.0.7.{number}")
        client.socket.sendall(b"a LOGIN chosen wrong-and-gone\r\n")
        client.close()
    assert Client(acme, "127.0.7.100").login("chosen", CHOSEN).startswith(b"a OK")


def test_no_line_of_the_log_has_a_secret(acme):
    secrets = ["typed-as-user-name-4711", "wrong-secret-4712", "in-broken-base64-4713", CHOSEN, acme.acme["secret"]]
    number = 0

    def talk(*lines: bytes, port: str = "imap") -> None:
        nonlocal number
        number += 1
        with socket.create_connection(("127.0.0.1", acme.ports[port]), timeout=20, source_address=(f"127.0.8.{number}", 0)) as client:
            client.sendall(b"".join(line + b"\r\n" for line in lines))
            client.shutdown(socket.SHUT_WR)
            while client.recv(65536):
                pass

    plain = base64.b64encode
    talk(b"a LOGIN %s %s" % (secrets[0].encode(), secrets[1].encode()))
    talk(b"a LOGIN acme %s" % secrets[1].encode())
    talk(b'a LOGIN "acme" {%d+}' % len(secrets[1]), secrets[1].encode())
    talk(b"a LOGIN {4+}", b"a\x01b\x7f " + secrets[1].encode())
    talk(b"a LOGIN %s" % secrets[1].encode())
    talk(b"a AUTHENTICATE PLAIN !%s" % secrets[2].encode())
    talk(b"a AUTHENTICATE PLAIN", plain(b"\0acme\0" + secrets[1].encode()))
    talk(b"a AUTHENTICATE PLAIN", plain(b"\0" + secrets[0].encode() + b"\0" + secrets[1].encode()))
    talk(b"a AUTHENTICATE PLAIN", plain(secrets[0].encode() + b"\0acme\0" + secrets[1].encode()))
    talk(b"a AUTHENTICATE PLAIN", plain(secrets[1].encode()))
    talk(b"a AUTHENTICATE SCRAM-SHA-256 " + plain(b"n,,n=" + secrets[0].encode() + b",r=abc"), plain(b"c=biws,r=x,p=" + secrets[1].encode()))
    talk(b"USER " + secrets[0].encode(), b"PASS " + secrets[1].encode(), port="pop3")
    talk(b"USER acme", b"PASS " + CHOSEN.encode(), port="pop3")
    talk(b"PASS " + secrets[1].encode(), port="pop3")
    talk(b"AUTH PLAIN " + plain(b"\0acme\0" + secrets[1].encode()), port="pop3")
    talk(b"USER chosen", b"PASS " + CHOSEN.encode(), b"QUIT", port="pop3")
    talk(b"a LOGIN acme " + acme.acme["secret"].encode())
    acme.wait_for_log(r"event=login protocol=imap client=127\.0\.8\.\d+ mailbox=acme")
    assert 'user="acme" reason="wrong secret"' in acme.log and 'user="" reason="no such mailbox"' in acme.log
    for secret in secrets:
        assert secret not in acme.log and plain(secret.encode()).decode().rstrip("=") not in acme.log, secret


def test_a_name_of_ours_in_every_form_is_one(acme):
    for user in ("acme", f"Acme@{DOMAIN}", "ACME"):
        assert Client(acme).login(user, acme.acme["secret"]).startswith(b"a OK")
