"""The checker among enemies: servers that it sends to, looks into and asks, who want it to hang, to spin, to forget, or to tell what it knows."""

import base64
import json
import re
import socketserver
import threading

import pytest

from check_daemon import CheckDaemon
from check_file import CheckFile, secret_file
from servers.faulty import Drop, FaultySMTP, make_certificate
from test_check_fetch import Scripted, usual

PASSWORD = "correct-horse-77"
ESCAPES = "\x1b]0;owned\x07\x1b[2J\x9b31m"


class Flood:
    """Answers each line with the next of these replies, and when there are no more says the last one again and again until nobody reads it."""

    def __init__(self, *replies):
        flood = self

        class Session(socketserver.BaseRequestHandler):
            def handle(self):
                lines = self.request.makefile("rb")
                try:
                    for reply in replies[:-1]:
                        self.request.sendall(reply)
                        lines.readline()
                    while not flood.ended.is_set():
                        self.request.sendall(replies[-1] * 1000)
                        flood.said += 1
                except OSError:
                    flood.hung_up.set()

        self.said = 0
        self.ended, self.hung_up = threading.Event(), threading.Event()
        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Session)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self._server.shutdown()
        self._server.server_close()


# ---- A server that never stops -----------------------------------------------------------------------------------------

LINES = b"250-" + b"x" * 60 + b"\r\n"
EHLO = (b"220 hi\r\n", b"250 hi\r\n")

ENDLESS = {
    "a greeting": ("banner", b"220-" + b"x" * 60 + b"\r\n"),
    "a greeting in one line": ("banner", b"x" * 64),
    "NULs": ("banner", b"\0" * 64),
    "a reply to EHLO": ("ehlo", b"220 hi\r\n", LINES),
    "a reply to MAIL": ("mail", *EHLO, LINES),
    "a line in reply to MAIL": ("mail", *EHLO, b"x" * 64),
    "a reply to RCPT": ("rcpt", *EHLO, b"250 ok\r\n", LINES),
    "a reply to QUIT": ("", *EHLO, b"250 ok\r\n", b"550 no\r\n", LINES),
}


@pytest.mark.parametrize("what", ENDLESS)
def test_a_server_that_says_something_without_end_is_left_and_holds_up_nobody(tmp_path, what):
    step, *replies = ENDLESS[what]
    check = {"name": "of-an-enemy", "kind": "smtp", "rcpt": True, "to": "a@b.test", "server": "enemy", "interval": "10m", "timeout": "20s"}
    with FaultySMTP() as good, Flood(*replies) as enemy:
        daemon = CheckDaemon(tmp_path, servers=[{"name": "good", "host": "127.0.0.1", "port": good.port},
                                                {"name": "enemy", "host": "127.0.0.1", "port": enemy.port}],
                             checks=[{"name": "good", "kind": "smtp", "server": "good", "interval": "1s"}, {**check, "interval": "1s"}])
        try:
            daemon.start()
            daemon.wait_for(lambda: daemon.results("of-an-enemy"), "the enemy was given up", 15)
            assert enemy.hung_up.wait(10)
            seen = len(daemon.results("good"))
            daemon.wait_for_result("good", seen + 2)
        finally:
            daemon.end()
        result = daemon.results("of-an-enemy")[0]
        assert result["state"] == "CRITICAL" and (result["step"] == step or not step), result


# ---- A server that tells what it was told ---------------------------------------------------------------------------------

def spoken(replies):
    """Of a submission server that says these, all that the checker tells about it."""
    return replies


def plain(user="user"):
    return base64.b64encode(f"\0{user}\0{PASSWORD}".encode()).decode()


ECHOES = {
    "in the greeting": {"connect": f"554 you were {PASSWORD} yesterday"},
    "in the reply to EHLO": {"ehlo": f"550 {PASSWORD.upper()} again", "helo": f"550 {PASSWORD}"},
    "in the reply to AUTH": {"auth": f"535 {PASSWORD} is wrong"},
    "in base64 in the reply to AUTH": {"auth": f"535 you said {plain()}"},
    "in the reply to MAIL": {"mail": f"550 {PASSWORD} is all that I know"},
    "in base64 in the reply to MAIL": {"mail": f"550 {plain()}"},
    "in base64, behind another name": {"mail": f"550 {plain('somebody')}"},
    "in a reply of several lines": {"rcpt": f"550-hear\r\n550-{PASSWORD}\r\n550 all"},
    "at the end": {"end": f"554 {PASSWORD}"},
}


@pytest.mark.parametrize("where", ECHOES)
def test_a_server_that_repeats_the_password_is_not_quoted(tmp_path, where):
    with FaultySMTP(replies={"auth": "235 welcome", **ECHOES[where]}, extensions=("AUTH PLAIN",)) as server:
        file = CheckFile(tmp_path, servers=[{"name": "enemy", "host": "127.0.0.1", "port": server.port, "tls": "none", "auth": {
            "mechanism": "plain", "user": "user", "password_file": secret_file(tmp_path, "password", PASSWORD)}}])
        check = {"name": "echo", "send": "host", "server": "enemy", "receive": "none", "to": "a@b.test", "window": "5s", "timeout": "5s", "retry_gap": 0}
        told = [file.run(check), file.run(check, "--json")]
    assert all(done.returncode == 2 and "repeats what is secret" in done.stdout for done in told), told
    for done in told:
        assert PASSWORD not in (done.stdout + done.stderr).lower() and plain() not in done.stdout + done.stderr
