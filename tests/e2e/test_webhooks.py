"""Webhooks: each event reaches its receiver, signed, whatever fails in between; what cannot be posted is kept and shown."""

import hashlib
import hmac
import http.server
import json
import queue
import ssl
import subprocess
import threading
from pathlib import Path

import pytest

from http_client import deliver

USAGE, NOINPUT = 64, 66


class Receiver:
    """An HTTP server that notes what is posted to it. answers: statuses for the posts to come, 200 when they are used up; None: none at all."""

    def __init__(self, certificate=None):
        self.posts = queue.Queue()
        self.answers = []
        self.let_go = threading.Event()
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = receiver.answers.pop(0) if receiver.answers else 200
                receiver.posts.put({"path": self.path, "headers": dict(self.headers), "body": body})
                if status is None:
                    receiver.let_go.wait(30)
                    self.close_connection = True
                    return
                self.send_response(status)
                if 300 <= status < 400:
                    self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        scheme = "http"
        if certificate is not None:
            scheme = "https"
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = f"{scheme}://127.0.0.1:{self.server.server_port}/hook"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def next(self, wait_s=15):
        """The next post, with its body parsed."""
        post = self.posts.get(timeout=wait_s)
        return post | {"event": json.loads(post["body"]), "id": post["headers"]["Mailtest-Event-Id"]}

    def close(self):
        self.let_go.set()
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def receiver():
    made = Receiver()
    yield made
    made.close()


def add(service, receiver, *options):
    return service.ctl("webhook", "add", receiver.url, *options, "--json")


def arrive(service, mailbox="acme"):
    token = service.mint(mailbox)
    deliver(service, token, mailbox=mailbox)
    return token


def posts(service):
    return service.ctl("webhook", "list", "--all", "--json")["posts"]


def wait_for_post(service, what, **wanted):
    """Until the queue holds one post with these members."""
    def found():
        rows = posts(service)
        return rows[0] if len(rows) == 1 and all(rows[0][name] == value for name, value in wanted.items()) else None
    return service.wait_for(found, what)


def is_signed(post, secret):
    signed = post["headers"]["Mailtest-Timestamp"].encode() + b"." + post["body"]
    return hmac.compare_digest(post["headers"]["Mailtest-Signature"], "v1=" + hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest())


def test_event_is_posted_and_signed(acme, receiver):
    hook = add(acme, receiver)
    token = arrive(acme)
    post = receiver.next()
    assert post["path"] == "/hook" and is_signed(post, hook["secret"]) and not is_signed(post, hook["secret"] + "x")
    assert post["headers"]["Content-Type"] == "application/json" and post["headers"]["User-Agent"].startswith("Mailtest/")
    assert (post["event"]["event"], post["event"]["token"], post["event"]["mailbox"]) == ("arrived", token, "acme")
    assert post["event"]["id"] == int(post["id"])
    assert post["event"] == acme.http("GET", "/v1/events?format=json").json()["events"][0]
    acme.wait_for(lambda: posts(acme) == [], "nothing is left to be posted")
    acme.wait_for(lambda: acme.metric("mailtest_webhook_posts_total") == 1, "it is counted")
    assert acme.metric("mailtest_webhook_post_failures_total") == 0
    assert hook["secret"] not in acme.ctl("webhook", "list") + acme.log


def test_failed_post_is_tried_again_under_the_same_id(acme, receiver):
    hook = add(acme, receiver)
    receiver.answers = [500]
    arrive(acme)
    first = receiver.next()
    row = wait_for_post(acme, "the failure is noted", status=500)
    assert not row["dead"] and row["attempts"] == 1 and row["due_at"] and "500" in row["error"]
    assert row["event"]["id"] == row["event_id"] == int(first["id"])
    assert acme.ctl("webhook", "list", "--json")["webhooks"][0]["waiting"] == 1
    acme.ctl("webhook", "retry", hook["id"], row["event_id"])
    second = receiver.next()
    assert (second["id"], second["event"]) == (first["id"], first["event"]) and is_signed(second, hook["secret"])
    acme.wait_for(lambda: posts(acme) == [], "it was taken")


def test_gone_is_final_until_the_operator_tries_again(acme, receiver):
    hook = add(acme, receiver)
    receiver.answers = [410]
    arrive(acme)
    first = receiver.next()
    row = wait_for_post(acme, "it is dead", dead=True)
    assert row["status"] == 410 and row["due_at"] is None
    listed = acme.ctl("webhook", "list", "--json")
    assert listed["webhooks"][0]["dead"] == 1 and listed["posts"] == [row]
    assert "the server answered 410" in acme.ctl("webhook", "list")
    assert acme.ctl("webhook", "retry", hook["id"], "--json")["posts"] == 1
    assert receiver.next()["id"] == first["id"]
    acme.wait_for(lambda: posts(acme) == [], "it was taken")


def test_queue_outlives_the_service(acme, receiver):
    hook = add(acme, receiver)
    receiver.answers = [503]
    arrive(acme)
    first = receiver.next()
    wait_for_post(acme, "the failure is noted", status=503)
    acme.crash()
    acme.start()
    assert wait_for_post(acme, "it is still there", attempts=1)["event_id"] == int(first["id"])
    acme.ctl("webhook", "retry", hook["id"], first["id"])
    second = receiver.next()
    assert second["id"] == first["id"] and is_signed(second, hook["secret"])


@pytest.mark.parametrize("role", ["webhook", "store"])
def test_post_under_way_when_a_role_dies_is_posted_again(make_service, receiver, role):
    """There is room for one post, so the first must have been given up."""
    service = make_service(webhook={"posts_max": 1})
    service.add_mailbox("acme")
    hook = add(service, receiver)
    receiver.answers = [None]
    arrive(service)
    first = receiver.next()
    service.kill(role)
    second = receiver.next()
    assert second["id"] == first["id"] and is_signed(second, hook["secret"])
    service.wait_for(lambda: posts(service) == [], "it was taken")


def test_reload_takes_the_hooks_along(acme, receiver):
    add(acme, receiver)
    before = acme.role_pids("webhook")
    acme.reload()
    acme.wait_for(lambda: acme.role_pids("webhook") and not set(before) & set(acme.role_pids("webhook")), "another process posts")
    token = arrive(acme)
    assert receiver.next()["event"]["token"] == token


def test_hook_gets_what_it_asked_for(acme, receiver):
    acme.add_mailbox("other")
    add(acme, receiver, "--mailbox", "acme", "--events", "arrived")
    arrive(acme, "other")
    deliver(acme, "no token")
    token = arrive(acme)
    assert receiver.next()["event"]["token"] == token
    acme.wait_for(lambda: posts(acme) == [], "nothing else is to be posted")
    assert receiver.posts.empty()


def test_missed_deadline_is_posted(acme, receiver):
    add(acme, receiver, "--events", "missed")
    token = acme.ctl("token", "mint", "acme", "--window", "1s", "--json")["token"]
    event = receiver.next()["event"]
    assert (event["event"], event["token"], event["verdict"], event["message_id"]) == ("missed", token, "not-arrived", None)


def test_hook_can_be_tried_and_removed(acme, receiver):
    hook = add(acme, receiver, "--events", "missed")
    tried = acme.ctl("webhook", "test", hook["id"], "--json")
    post = receiver.next()
    assert post["event"]["event"] == "test" and int(post["id"]) == tried["event_id"]
    acme.ctl("webhook", "remove", hook["id"])
    assert acme.ctl("webhook", "list", "--json") == {"webhooks": [], "posts": []}
    for command in ("test", "remove", "retry"):
        assert acme.run("mailtestctl", "-c", acme.config_file, "webhook", command, hook["id"]).returncode == NOINPUT


def test_redirect_is_not_followed(acme, receiver):
    add(acme, receiver)
    receiver.answers = [302]
    arrive(acme)
    receiver.next()
    assert "no redirect is followed" in wait_for_post(acme, "the failure is noted", status=302)["error"]
    assert receiver.posts.empty()


def test_server_certificate_is_checked(make_service, tmp_path):
    certificate = tmp_path / "server.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
                    "/CN=receiver", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", certificate, "-out", tmp_path / "cert.pem"],
                   check=True, capture_output=True)
    certificate.write_text(certificate.read_text() + (tmp_path / "cert.pem").read_text())
    receiver = Receiver(certificate)
    service = make_service()
    service.add_mailbox("acme")
    hook = add(service, receiver)
    arrive(service)
    row = wait_for_post(service, "the failure is noted", status=None, attempts=1)
    assert "certificate" in row["error"]
    service.write_configuration(webhook={"ca_file": str(tmp_path / "cert.pem")})
    service.stop()
    service.start()
    service.ctl("webhook", "retry", hook["id"], row["event_id"])
    assert is_signed(receiver.next(), hook["secret"])
    receiver.close()


def test_private_addresses_can_be_forbidden(make_service, receiver):
    service = make_service(webhook={"allow_private": False})
    service.add_mailbox("acme")
    add(service, receiver)
    arrive(service)
    row = wait_for_post(service, "the failure is noted", attempts=1)
    assert "has no public address" in row["error"] and receiver.posts.empty()


def test_server_that_never_answers_is_given_up(make_service, receiver):
    service = make_service(webhook={"timeout_ms": 200})
    service.add_mailbox("acme")
    add(service, receiver)
    receiver.answers = [None]
    arrive(service)
    assert wait_for_post(service, "the failure is noted", attempts=1)["error"] == "no answer within 200 ms"


def test_without_posts_there_is_no_process_that_posts(make_service):
    service = make_service(webhook={"posts_max": 0})
    assert service.role_pids("webhook") == [] and service.role_pids("lookup") != []
    assert "Nothing is posted" in service.ctl("webhook", "add", "https://example.net/")


def test_role_has_neither_database_nor_files(acme, receiver):
    add(acme, receiver)
    arrive(acme)
    receiver.next()
    process = Path(f"/proc/{acme.role_pids('webhook')[0]}")
    assert "data.mdb" not in (process / "maps").read_text()
    opened = {str(file.readlink()) for file in (process / "fd").iterdir()}
    files = {name for name in opened if name.startswith("/") and not name.startswith(("/dev/null", "/memfd:"))}
    assert files <= {str(acme.scratch / "log")}


@pytest.mark.parametrize("arguments, words", [
    (("ftp://127.0.0.1/",), "neither with https:// nor with http://"),
    (("https://user:secret@example.net/",), "user name"),
    (("https://example.net/#part",), "fragment"),
    (("example.net",), "no URL"),
    (("https://example.net/", "--events", "arrived,arive"), "no list of events"),
    (("https://example.net/", "--mailbox", "a b"), "no name of a mailbox"),
])
def test_wrong_hooks_are_refused_with_a_reason(service, arguments, words):
    done = service.run("mailtestctl", "-c", service.config_file, "webhook", "add", *arguments)
    assert done.returncode == USAGE and words in done.stderr and done.stderr.count("\n") == 1


def test_hook_of_a_mailbox_that_does_not_exist_is_refused(service):
    done = service.run("mailtestctl", "-c", service.config_file, "webhook", "add", "https://example.net/", "--mailbox", "nobody")
    assert done.returncode == NOINPUT and "mailbox nobody" in done.stderr
