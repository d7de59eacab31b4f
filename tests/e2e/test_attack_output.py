"""What strangers say reaches the operator's eyes as text and nothing else: in the log, on the terminal, and in what monitoring shows."""

import json
import os
import pty
import re
import socket
import subprocess
import threading

import pytest

from http_client import Raw
from service import DOMAIN
from smtp_client import connect, raw, stored
from test_webhooks import Receiver

# Escape sequences that retitle, clear, report back, or run; turned-around writing; 8-bit controls; line and paragraph separators.
TERMINAL = ["\x1b]0;owned\x07", "\x1b[2J\x1b[H", "\x1b[6n", "\x1bP+q544e\x1b\\", "\x1b]8;;http://evil.test\x07click\x1b]8;;\x07", "\x1b]52;c;ZXZpbA==\x07", "\x9b2J", "\x85", "\r\x1b[K",
            "\x08\x08\x08", "\x07", "\x0e", "\u202e", "\u2066", "\u2028", "\u2029", "\u200b", "\ufeff"]
FORBIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z \S+\[\d+\] (error|warning|info|debug) ")


@pytest.fixture(scope="module")
def running(request):
    from service import Service
    service = Service(log={"level": "debug"}, smtp={"errors_max": 1000}, access={"refusal_ms": 0})
    request.addfinalizer(service.remove)
    service.start()
    service.add_mailbox("acme")
    return service


def lines_of_log(service) -> list[str]:
    return (service.scratch / "log").read_bytes().decode("utf-8").splitlines()


def hostile_mail(service, words: str) -> str:
    """A mail with these words in everything that is shown of it; its id."""
    before = len(service.http("GET", "/v1/mailboxes/acme/messages?limit=500").json()["messages"])
    token = service.mint("acme")
    encoded = f"Subject: {token} {words}\r\nFrom: {words} <a@b.test>\r\nTo: {words} <c@d.test>\r\nMessage-ID: <{words}@b>\r\n" \
              f"Received: from {words} by {words} with {words} id {words}; Sat, 21 Nov 2026 03:30:00 +0000\r\n" \
              f'Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Type: text/plain; name="{words}"\r\n\r\n{words} {token}\r\n--x--\r\n'
    with connect(service) as client:
        client.say("EHLO client.test")
        client.say("MAIL FROM:<a@b> SMTPUTF8")
        client.say(f"RCPT TO:<acme@{DOMAIN}>")
        assert client.data(encoded.replace("\r\x1b", " \x1b").encode() + b".\r\n").startswith("250 ")
    return service.wait_for(lambda: [message["id"] for message in service.http("GET", "/v1/mailboxes/acme/messages?limit=500").json()["messages"]][:-before or None],
                            "it is listed")[0]


# ---- The log --------------------------------------------------------------------------------------------------------------------------

FORGED = 'x\n2026-11-21T03:30:00.000Z smtpd/0[1] info s=1 event=delivered mailbox=acme'
WORDS = ['x" event="login" user="root', "x event=login-failed client=192.0.2.1", "x\\", 'x\\"', "%s%n%x%p", "x" * 5000, "ä\u2028event=login", "\x1b[2Jx", "x\tevent=login", "\u202eevil",
         "${jndi:ldap://x}", "'; DROP TABLE", FORGED, FORGED.replace("\n", "\r"), FORGED.replace("\n", "\r\n"), "x\0event=login"]


@pytest.mark.parametrize("words", WORDS)
def test_no_line_of_the_log_is_a_client_s(running, words):
    """Whatever is said, in every place where it may be logged: each line begins as ours do, is ASCII, has quotes that close, and no fact that is not ours."""
    before = len(lines_of_log(running))
    for command in ("EHLO {}", "HELO {}", "{}", "MAIL FROM:<{}>", 'MAIL FROM:<"{}"@b>', "RCPT TO:<{}>", "VRFY {}", "NOOP {}", "AUTH {}", "GET {}"):
        with connect(running) as client:
            if not command.startswith(("EHLO", "HELO")):
                client.say("EHLO client.test")
            client.send(command.format(words).encode() + b"\r\nQUIT\r\n")
            client.rest()
    for port, lines in (("imap", 'a LOGIN "{}" x\r\nb LOGIN acme "{}"\r\nc {} x\r\n{} LOGIN acme x\r\nd SELECT "{}"\r\nGET {} HTTP/1.1\r\ne ID ("name" "{}")\r\nf LOGOUT\r\n'),
                        ("pop3", "USER {}\r\nPASS {}\r\n{}\r\nAPOP {} x\r\nAUTH {}\r\nQUIT\r\n")):
        with socket.create_connection(("127.0.0.1", running.ports[port]), timeout=20) as client:
            client.sendall(lines.replace("{}", words).encode())
            client.shutdown(socket.SHUT_WR)
            while client.recv(65536):
                pass
    with Raw(running) as client:
        client.send(f"GET /{words} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        client.socket.shutdown(socket.SHUT_WR)
        client.rest()
    hostile_mail(running, words.translate({ord("\n"): " ", ord("\r"): " "}))
    check_lines(lines_of_log(running)[before:])


def check_lines(lines) -> None:
    assert lines
    for line in lines:
        assert LINE.match(line), line
        assert line.isascii() and line.isprintable() and len(line) < 2000, line
        facts = LINE.sub("", line)
        assert re.fullmatch(r'[\w.-]+=(?:"(?:[^"\\]|\\.)*"|[^\s"]*)(?: [\w.-]+=(?:"(?:[^"\\]|\\.)*"|[^\s"]*))*', facts), line
        outside = re.sub(r'"(?:[^"\\]|\\.)*"', '""', facts)
        assert outside.count("event=") == 1 and "192.0.2.1" not in outside and "root" not in outside, line


# ---- The terminal -----------------------------------------------------------------------------------------------------------------------

def on_terminal(*command, env=None) -> str:
    """What a program shows on a terminal, whatever it exits with."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs, env=env)
    os.close(theirs)
    shown = b""
    try:
        while piece := os.read(ours, 65536):
            shown += piece
    except OSError:             # the other end is closed
        pass
    os.close(ours)
    process.wait(30)
    return shown.decode("utf-8", errors="strict")


def assert_plain(shown: str, what) -> None:
    found = FORBIDDEN.search(shown.replace("\r\n", "\n"))
    assert not found, (what, shown[max(found.start() - 60, 0):found.start() + 60])


@pytest.mark.parametrize("words", TERMINAL, ids=lambda words: "-".join(f"{ord(c):02x}" for c in words[:4]))
def test_no_output_of_mailtestctl_moves_the_terminal(running, words):
    identity = str(hostile_mail(running, f"before{words}behind"))
    service, control = running, (running.build / "mailtestctl", "-c", running.config_file)
    token = service.http("GET", f"/v1/messages/{identity}").json()["tokens"][0]["token"]
    for command in (["message", "list", "acme"], ["message", "show", identity], ["message", "explain", identity], ["message", "raw", identity], ["token", "show", "acme", token],
                    ["mailbox", "show", "acme"], ["mailbox", "list"], ["status"], ["webhook", "list"], ["agent", "list"], ["api-key", "list"],
                    ["message", "list", "acme", "--json"], ["message", "show", identity, "--json"]):
        assert_plain(on_terminal(*control, *command), command)
    # Also what the operator himself was made to type, or to paste.
    for command in (["mailbox", "show", words], ["token", "show", "acme", words], ["message", "show", words], [words], ["mailbox", "add", words], ["api-key", "add", words]):
        if "\0" not in words:
            assert_plain(on_terminal(*control, *command), command)
    assert_plain(on_terminal(*control, "api-key", "list"), "a key's name")
    assert b"before" in raw(service, [message for message in stored(service) if str(message["id"]) == identity][0])


class Server:
    """A mail server that answers each command with the same words."""

    def __init__(self, answer: bytes, greeting: bytes = b"220 mx.test\r\n"):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.answer, self.greeting = answer, greeting
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self) -> None:
        try:
            while True:
                client = self.listener.accept()[0]
                with client, client.makefile("rb") as lines:
                    client.sendall(self.greeting)
                    for line in lines:
                        client.sendall(self.answer if not line.startswith(b"EHLO") else b"250 mx.test\r\n")
        except OSError:
            pass

    def close(self) -> None:
        self.listener.close()


@pytest.mark.parametrize("words", [*TERMINAL, "x | size=1;2;3\x0a", "x'=1", "a|b|c"], ids=lambda words: "-".join(f"{ord(c):02x}" for c in words[:4]))
def test_no_output_of_mailtest_check_moves_the_terminal_or_adds_to_what_monitoring_reads(running, words):
    """A server's refusal is quoted in the line that monitoring shows."""
    for server in (Server(f"550 5.7.1 no{words}way\r\n".encode()), Server(b"", f"554 go{words}away\r\n".encode())):
        command = (running.build / "mailtest-check", "once", "--api", running.url, "--mailbox", "acme", "--to", "user@customer.test", "--smtp", f"127.0.0.1:{server.port}",
                   "--from", "probe@provider.test", "--window", "2s", "--retry-gap", "0")
        env = {**os.environ, "MAILTEST_API_KEY": running.key}
        for more in ([], ["--verbose"], ["--json"]):
            assert_plain(on_terminal(*command, *more, env=env), more)
        line = running.run(*[str(word) for word in command][:1], *command[1:], env=env).stdout.splitlines()
        assert line[0].count("|") <= 1 and len([part for part in line if re.match(r"(OK|WARNING|CRITICAL|UNKNOWN)\b", part)]) <= 1, line
        server.close()


# ---- What programs read -------------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("words", [*TERMINAL, '"},{"x":"', "\\", "\ud7ff", "\U0001f600"], ids=lambda words: "-".join(f"{ord(c):02x}" for c in words[:4]))
def test_words_of_a_mail_stay_one_string_in_every_answer(running, words):
    identity = hostile_mail(running, f"before{words}behind")
    for path in (f"/v1/messages/{identity}", "/v1/mailboxes/acme/messages?limit=1", "/v1/events?format=json&limit=5", "/v1/mailboxes/acme"):
        body = running.http("GET", path).body
        json.loads(body)
        assert not re.search(rb"[\x00-\x1f\x7f]", body.replace(b"\n", b"")), path
    metrics = running.http("GET", "/metrics").body.decode()
    assert all(re.match(r"(# (HELP|TYPE) |mailtest_\w+(\{[\w=\",.-]*\})? \S+$)", line) for line in metrics.splitlines())


def test_words_of_a_mail_are_no_field_of_a_post(running):
    """A webhook's request: its fields are the same whatever a mail says, and its body is one JSON document."""
    receiver = Receiver()
    hook = running.ctl("webhook", "add", receiver.url, "--mailbox", "acme", "--json")
    try:
        fields = set()
        for words in ("plain", "x\tX-Evil: 1", "x\u2028X-Evil: 1", '"},{"x":"', "\x1b[2J", "=?utf-8?q?=0D=0AX-Evil:_1?="):
            hostile_mail(running, words)
            post = receiver.next()
            json.loads(post["body"])
            assert not re.search(rb"[\x00-\x1f\x7f]", post["body"].replace(b"\n", b""))
            fields.add(tuple(post["headers"].keys()))
        assert len(fields) == 1, fields
    finally:
        running.ctl("webhook", "remove", hook["id"])
        receiver.close()
