"""The checker among enemies: servers that it sends to, looks into and asks, who want it to hang, to spin, to forget, or to tell what it knows."""

import base64
import datetime
import http.server
import json
import os
import re
import socket
import socketserver
import threading

import pytest

import service as mailtestd
from check_daemon import CheckDaemon
from check_file import CheckFile, secret_file
from servers.faulty import FaultySMTP, make_certificate
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
    check = {"name": "of-an-enemy", "kind": "smtp", "rcpt": True, "to": "a@b.test", "server": "enemy", "interval": "1s", "timeout": "20s"}
    with FaultySMTP() as good, Flood(*replies) as enemy:
        daemon = CheckDaemon(tmp_path, servers=[{"name": "good", "host": "127.0.0.1", "port": good.port},
                                                {"name": "enemy", "host": "127.0.0.1", "port": enemy.port}],
                             checks=[{"name": "good", "kind": "smtp", "server": "good", "interval": "1s"}, check])
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


def in_an_account(tmp_path, port, protocol="imap", mechanism="auto", **settings):
    """What is told of a look into an account at a server of the enemy's, into which a mail of ours was sent."""
    with FaultySMTP() as smtp:
        file = CheckFile(tmp_path, servers=[{"name": "out", "host": "127.0.0.1", "port": smtp.port}, {
            "name": "enemy", "host": "127.0.0.1", "port": port, "tls": "none", **settings, "auth": {
                "mechanism": mechanism, "user": "user", "password_file": secret_file(tmp_path, "password", PASSWORD)}}])
        done = file.run({"name": "look", "server": "out", "account": "enemy", "receive": protocol, "to": "a@b.test", "window": "2s", "timeout": "1s",
                         "poll_gap": "200ms"}, "--json")
    assert done.stderr == "" and PASSWORD not in done.stdout.lower(), done
    return json.loads(done.stdout)


def as_imap(**by_verb):
    """Usual replies but these."""
    def reply(command, tag):
        said = by_verb.get(command.split(" ")[0].lower())
        return usual(command, tag) if said is None else said.replace("TAG", tag)
    return reply


IMAP_ECHOES = {
    "at the login": as_imap(login=f"TAG NO {PASSWORD} is wrong\r\n"),
    "in base64": as_imap(login=f"TAG NO {plain()}\r\n"),
    "later": as_imap(select=f"TAG NO [SERVERBUG] {PASSWORD}\r\n"),
    "as good-bye": as_imap(select=f"* BYE {PASSWORD.upper()}\r\n"),
    "as a tag": as_imap(select=f"{PASSWORD} OK\r\n"),
    "as no IMAP": as_imap(select=f"{PASSWORD}\r\n"),
}


@pytest.mark.parametrize("where", IMAP_ECHOES)
def test_an_imap_server_that_repeats_the_password_is_not_quoted(tmp_path, where):
    with Scripted(IMAP_ECHOES[where]) as server:
        assert "repeats what is secret" in in_an_account(tmp_path, server.port)["reason"]


def test_a_server_that_greets_with_the_password_is_not_quoted(tmp_path):
    with Scripted(usual, greeting=f"* BYE {PASSWORD}\r\n".encode()) as server:
        in_an_account(tmp_path, server.port)
    with Scripted(lambda command, _: f"-ERR {PASSWORD}\r\n", greeting=b"+OK\r\n", pop3=True) as server:
        assert "repeats what is secret" in in_an_account(tmp_path, server.port, "pop3")["reason"]


def coded(text):
    return base64.b64encode(text.encode()).decode()


def scram(first="", final=""):
    """An IMAP server whose messages of SCRAM are these; NONCE is the client's."""
    state = {}

    def reply(command, tag):
        if command == "CAPABILITY":
            return f"* CAPABILITY IMAP4rev1 AUTH=SCRAM-SHA-256 SASL-IR\r\n{tag} OK\r\n"
        if command.startswith("AUTHENTICATE"):
            state["tag"] = tag
            nonce = base64.b64decode(command.split(" ")[2]).decode().split("r=")[1]
            return f"+ {coded(first.replace('NONCE', nonce))}\r\n"
        if "tag" in state and not command:       # a line in base64 has no blank, so it came as the tag
            return f"{state['tag']} NO gone\r\n" if tag == "*" or not final else f"+ {coded(final)}\r\n" if not state.setdefault("said", 0) else \
                f"{state['tag']} OK\r\n"
        return usual(command, tag)
    return reply


SCRAM = {
    "two thousand million iterations": (scram("r=NONCEx,s=QUJDRA==,i=2000000000"), "over 200000"),
    "one iteration": (scram("r=NONCEx,s=QUJDRA==,i=1"), "below 4096"),
    "a nonce of its own": (scram("r=another,s=QUJDRA==,i=4096"), "nonce"),
    "a megabyte": (lambda c, t: usual(c, t) if not c.startswith(("CAPABILITY", "AUTH")) else scram()(c, t) if c == "CAPABILITY" else
                   b"+ " + b"A" * 1_000_000 + b"\r\n", "too large"),
    "an error that is the password": (scram("r=NONCEx,s=QUJDRA==,i=4096", f"e={PASSWORD}"), ""),
    "a proof of nothing": (scram("r=NONCEx,s=QUJDRA==,i=4096", "v=" + "A" * 43 + "="), "proof is wrong"),
    "yes without a proof": (lambda c, t: scram()(c, t) if c == "CAPABILITY" else f"{t} OK welcome\r\n" if c.startswith("AUTH") else usual(c, t), "not proved"),
}


@pytest.mark.parametrize("what", SCRAM)
def test_a_server_that_does_not_know_the_password_is_not_believed(tmp_path, what):
    reply, words = SCRAM[what]
    with Scripted(reply) as server:
        result = in_an_account(tmp_path, server.port, mechanism="scram-sha-256")
        assert result["verdict"] == "failed" and result["step"] == "login" and words in result["reason"], result
        assert not [command for command in server.commands if command.startswith(("LOGIN", "SELECT"))]


def test_no_password_in_the_clear_for_a_server_that_takes_its_tls_back(tmp_path):
    """It offered STARTTLS, or says at once that we are logged in: nothing is said to it without TLS where TLS is demanded."""
    for greeting in (b"* OK ready\r\n", b"* PREAUTH welcome\r\n"):
        with Scripted(lambda c, t: f"* CAPABILITY IMAP4rev1 STARTTLS\r\n{t} OK\r\n" if c == "CAPABILITY" else f"{t} NO not now\r\n", greeting) as server:
            result = in_an_account(tmp_path, server.port, tls="starttls", verify=False)
            assert result["state"] == "CRITICAL" and not [c for c in server.commands if c.startswith(("LOGIN", "AUTHENTICATE", "SELECT"))], server.commands


# ---- Octets before TLS ----------------------------------------------------------------------------------------------------

def test_what_a_third_party_puts_behind_starttls_is_no_reply(tmp_path):
    certificate = make_certificate(tmp_path, "faulty.test")
    with FaultySMTP(replies={"starttls": "220 go ahead\r\n250-injected\r\n250 AUTH PLAIN"}, certificate=certificate) as server:
        file = CheckFile(tmp_path, servers=[{"name": "enemy", "host": "127.0.0.1", "port": server.port, "tls": "starttls", "verify": False, "auth": {
            "mechanism": "plain", "user": "user", "password_file": secret_file(tmp_path, "password", PASSWORD)}}])
        done = file.run({"name": "c", "kind": "smtp", "server": "enemy", "timeout": "2s"}, "--json")
    result = json.loads(done.stdout)
    assert result["state"] == "CRITICAL" and result["step"] in ("starttls", "tls"), result
    assert not [line for session in server.sessions for line in session if line.startswith("AUTH")]


# ---- What others send into an account -------------------------------------------------------------------------------------

def test_a_mail_with_an_endless_line_keeps_nobody_from_the_others(tmp_path):
    """Newer than ours, so it is looked at first; a piece of its line looks like the end of a mail."""
    ours, came = [], b"Subject: huge\r\n\r\n" + (b"x" * 65536 + b".") * 4 + b"\r\n.\r\n"

    def reply(command, _):
        if command == "STAT":
            return f"+OK {2 if ours else 0} 999999999999\r\n"
        if command == "UIDL":
            return "+OK\r\n1 a\r\n2 b\r\n1 c\r\n.\r\n"
        if command.startswith("TOP 2"):
            return b"+OK\r\n" + came
        if command.startswith("TOP 1"):
            return b"+OK\r\n" + ours[0] + b".\r\n"
        return "-ERR what?\r\n" if command.startswith(("CAPA", "AUTH")) else "+OK\r\n"

    with FaultySMTP(deliver=lambda _sender, _recipients, content: ours.append(content)) as smtp, Scripted(reply, b"+OK\r\n", pop3=True) as server:
        file = CheckFile(tmp_path, servers=[{"name": "out", "host": "127.0.0.1", "port": smtp.port}, {
            "name": "in", "host": "127.0.0.1", "port": server.port, "tls": "none",
            "auth": {"user": "user", "password_file": secret_file(tmp_path, "password", PASSWORD)}}])
        result = json.loads(file.run({"name": "look", "server": "out", "account": "in", "receive": "pop3", "to": "a@b.test", "window": "5s", "timeout": "3s",
                                      "poll_gap": "200ms"}, "--json").stdout)
    assert result["state"] == "OK" and result["verdict"] == "arrived", result
    assert [command for command in server.commands if command.startswith("DELE")] == ["DELE 1"]


# ---- What is shown -------------------------------------------------------------------------------------------------------

def test_no_reply_moves_a_terminal_or_adds_a_line(tmp_path):
    with FaultySMTP(replies={"mail": f"550-{ESCAPES}\r\n550-\xff\u202e | 'x'=1\0\r\n550 CRITICAL\x0bOK"}) as server:
        file = CheckFile(tmp_path, servers=[{"name": "enemy", "host": "127.0.0.1", "port": server.port}])
        check = {"name": "c", "server": "enemy", "send": "host", "receive": "none", "to": "a@b.test", "window": "2s", "timeout": "1s"}
        line, result = file.line(check, "CRITICAL"), file.run(check, "--json").stdout
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", line + result), line
    assert "'x'" not in line.partition(" | ")[2]


# ---- Its own port, its own limits -------------------------------------------------------------------------------------------

def test_a_crowd_at_the_metrics_port_takes_no_descriptors_from_the_checks(tmp_path):
    with FaultySMTP() as good:
        daemon = CheckDaemon(tmp_path, servers=[{"name": "good", "host": "127.0.0.1", "port": good.port}],
                             checks=[{"name": "good", "kind": "smtp", "server": "good", "interval": "1s"}])
        crowd = []
        try:
            daemon.start()
            for _ in range(300):
                crowd.append(socket.create_connection(("127.0.0.1", daemon.port), timeout=10))
                crowd[-1].sendall(b"GET /met")
            daemon.wait_for(lambda: len(os.listdir(f"/proc/{daemon.process.pid}/fd")) < 150, "the first ones gave way")
            assert daemon.http("/healthz") == (200, "ok\n")
            daemon.wait_for_result("good", len(daemon.results("good")) + 1)
            assert {result["state"] for result in daemon.results("good")} == {"OK"}
        finally:
            for connection in crowd:
                connection.close()
            daemon.end()


def test_where_descriptors_are_short_nothing_is_said_of_the_server(tmp_path):
    """With each number of descriptors from too few to start with up to enough: never is it the server's failure."""
    with FaultySMTP() as good:
        file = CheckFile(tmp_path, servers=[{"name": "good", "host": "127.0.0.1", "port": good.port}])
        seen = set()
        for check in ({"name": "look", "kind": "smtp", "server": "good", "timeout": "5s"},
                      {"name": "send", "server": "good", "send": "host", "receive": "none", "to": "a@b.test", "window": "3s", "timeout": "2s"}):
            for limit in range(4, 26):
                done = file.run(check, "--json", limit=limit)
                seen.add(done.returncode)
                assert done.returncode != 2, (limit, done.stdout)
    assert {0, 3} <= seen


def test_a_state_that_others_may_write_is_warned_of_and_no_link_is_followed(tmp_path):
    victim, state = tmp_path / "victim", tmp_path / "state"
    victim.write_text("precious")
    state.mkdir()
    state.chmod(0o777)
    (state / "data.mdb").symlink_to(victim)
    daemon = CheckDaemon(tmp_path, checks=[{"name": "probe", "kind": "smtp", "to": "a@b.test", "interval": "1d"}])
    try:
        daemon.start()
        assert "event=state-dir-writable" in daemon.log and "event=state-begun-anew" in daemon.log
        assert victim.read_text() == "precious" and (state / "data.mdb").stat().st_mode & 0o777 == 0o600
        assert daemon.stop() == 0
        (state / "lock").unlink()
        (state / "lock").symlink_to(victim)
        with pytest.raises(AssertionError):
            daemon.start()
        assert victim.read_text() == "precious"
    finally:
        daemon.process = None
        daemon.end()


def test_a_command_that_never_ends_is_ended_wherever_it_hides(tmp_path):
    command = tmp_path / "page"
    command.write_text("#!/usr/bin/python3\nimport os, signal\nos.setpgid(0, os.getpgid(os.getppid()))\n"
                       f"open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))\nsignal.pause()\n")
    command.chmod(0o755)
    with FaultySMTP(replies={"connect": f"554 {ESCAPES}"}) as bad:
        daemon = CheckDaemon(tmp_path, servers=[{"name": "bad", "host": "127.0.0.1", "port": bad.port}], contacts=[{"name": "us", "ways": ["pager"]}],
                             ways=[{"name": "pager", "command": [str(command)], "timeout": "2s"}],
                             checks=[{"name": "bad", "kind": "smtp", "server": "bad", "interval": "1s", "confirm": 1, "alert": ["us"]}])
        try:
            daemon.start()
            daemon.wait_for(lambda: "it did not end within 2 s" in daemon.log, "the command was given up")
            assert not os.path.exists(f"/proc/{(tmp_path / 'pid').read_text()}")
            assert "\x1b" not in daemon.log
        finally:
            daemon.end()


# ---- A service that is broken, or somebody else's -----------------------------------------------------------------------------

class Service(http.server.ThreadingHTTPServer):
    """stream: what it says on the stream of events, again and again until it is closed."""

    daemon_threads = True

    def __init__(self, stream):
        service = self

        class Request(http.server.BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def do_GET(self):
                self.send_response(200)
                self.send_header("Content-Type", "text/event-stream")
                self.end_headers()
                try:
                    while not service.ended.is_set():
                        self.wfile.write(stream * 200)
                        service.rounds += 1
                except OSError:
                    pass

            def do_POST(self):
                sent = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if self.path == "/v1/results":
                    service.results += sent["results"]
                body = json.dumps({"results": [{"result": "stored"} for _ in sent.get("results", [])], "answers": []}).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        super().__init__(("127.0.0.1", 0), Request)
        self.rounds, self.results, self.ended = 0, [], threading.Event()
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.key = "key-of-the-service"

    def __enter__(self):
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.shutdown()
        self.server_close()


STREAMS = {
    "resets": b"event: reset\ndata: {}\n\n",
    "events of others": b'event: arrived\nid: 7\ndata: {"token": "mt1' + b"0" * 40 + b'", "mailbox": "acme", "verdict": "arrived", "at": "9999-12-31T23:59:59Z"}\n\n',
    "deep JSON": b"event: arrived\ndata: " + b"[" * 5000 + b"\n\n",
    "a line without end": b"data: " + b"x" * 60,
    "odd ids": b"id: \x1b[2J\xff: x\nretry: 0\ndata: {\n\nid: " + b"9" * 500 + b"\ndata: null\n\n",
}


@pytest.mark.parametrize("what", STREAMS)
def test_a_stream_of_nonsense_holds_up_no_check_and_loses_no_result(tmp_path, what):
    with FaultySMTP() as good, Service(STREAMS[what]) as service:
        daemon = CheckDaemon(tmp_path, service, servers=[{"name": "good", "host": "127.0.0.1", "port": good.port}],
                             checks=[{"name": "good", "kind": "smtp", "server": "good", "interval": "1s"}])
        try:
            daemon.start()
            daemon.wait_for_result("good", 3)
            daemon.wait_for(lambda: len(service.results) >= 3, "the service has the results")
            assert {result["state"] for result in daemon.results("good")} == {"OK"}
            assert len(daemon.log.splitlines()) < 60 and "\x1b" not in daemon.log and service.key not in daemon.log
        finally:
            daemon.end()


# ---- Who posts results ---------------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def posting(request):
    """A service, and how a key of one mailbox posts to it: (the service, post)."""
    service = mailtestd.Service()
    request.addfinalizer(service.remove)
    service.start()
    service.add_mailbox("acme")
    key = service.ctl("api-key", "add", "--mailbox", "acme", "--json")["key"]
    now = datetime.datetime.now(datetime.timezone.utc).isoformat().replace("+00:00", "Z")

    def post(*results):
        usual = {"mailbox": "acme", "kind": "smtp", "started_at": now, "took_s": 1, "state": "CRITICAL", "verdict": "failed"}
        return service.http("POST", "/v1/results", key=key, body={"results": [usual | result for result in results]}).json()

    return service, post


def test_what_results_say_moves_no_terminal_and_is_no_script(posting):
    service, post = posting
    evil = ESCAPES + "<script>alert(1)</script>\u202e\r\nInjected: 1"
    texts = {name: evil for name in ("id", "cause", "host", "reply", "reason")}
    assert post({"check": "evil", "changes": [evil], "document": {"reason": evil, "steps": [{"name": evil, "reply": evil, "took_s": 1e308}], "hops": [evil, 7, None],
                                                                  "times": evil, evil: evil}, **texts})["stored"] == 1
    for words in (["list"], ["show", "evil"], ["history", "evil"], ["history", "evil", "--hourly"]):
        done = service.run("mailtestctl", "-c", service.config_file, "check", *words)
        assert done.returncode == 0 and not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", done.stdout + done.stderr) and "\nInjected" not in done.stdout, done
    assert b"<script" not in service.http("GET", "/").body


def test_a_key_of_one_mailbox_makes_a_thousand_checks_and_no_more(posting):
    _service, post = posting
    answers = [answer for first in (0, 500, 1000) for answer in post(*({"check": f"name-{n}"} for n in range(first, first + 500)))["results"]]
    assert 990 <= sum(answer["result"] == "stored" for answer in answers) <= 1000
    assert {answer["status"] for answer in answers if answer["result"] == "refused"} == {429}
