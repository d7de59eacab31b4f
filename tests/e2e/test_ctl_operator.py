"""The operator's command line: what an operator does on a day, the exit codes, and text from outside that must not reach the terminal."""

import json
import os
import pty
import re
import smtplib
import subprocess
import time

import pytest

from service import DOMAIN

USAGE, DATAERR, NOINPUT, UNAVAILABLE, CANTCREAT, TEMPFAIL, NOPERM, CONFIG = 64, 65, 66, 69, 73, 75, 77, 78


def ctl(service, *arguments):
    return service.run("mailtestctl", "-c", service.config_file, *arguments)


def raw(service, identity) -> bytes:
    """The octets of `message raw` in a file or pipe."""
    return subprocess.run([service.build / "mailtestctl", "-c", service.config_file, "message", "raw", identity], capture_output=True, check=True,
                          timeout=20).stdout


def deliver(service, mailbox, text):
    with smtplib.SMTP("127.0.0.1", service.smtp_port, timeout=20) as client:
        client.sendmail("a@b.test", [f"{mailbox}@{DOMAIN}"], text)


def messages(service, mailbox, *arguments):
    return service.ctl("message", "list", mailbox, *arguments, "--json")["messages"]


def test_life_of_a_mailbox(service):
    added = service.ctl("mailbox", "add", "Acme", "--json")
    assert added["mailbox"] == added["user"] == "acme"
    assert added["address"] == f"acme@{DOMAIN}"
    assert len(re.sub("-", "", added["secret"])) * 5 >= 128         # base32

    assert ctl(service, "mailbox", "add", "acme").returncode == CANTCREAT
    shown = service.ctl("mailbox", "show", "acme", "--json")
    assert shown["enabled"] and shown["messages"] == 0 and shown["created_at"].endswith("Z")
    assert added["secret"] not in service.ctl("mailbox", "show", "acme")
    assert "acme" in [m["mailbox"] for m in service.ctl("mailbox", "list", "--json")["mailboxes"]]

    service.ctl("mailbox", "disable", "acme")
    with pytest.raises(smtplib.SMTPRecipientsRefused, match="5.2.1"):
        deliver(service, "acme", "Subject: x\r\n\r\nx")
    assert ctl(service, "token", "mint", "acme").returncode == NOPERM
    service.ctl("mailbox", "enable", "acme")
    deliver(service, "acme", "Subject: x\r\n\r\nx")
    assert service.ctl("mailbox", "show", "acme", "--json")["unmatched"]["messages"] == 1

    again = service.ctl("mailbox", "secret", "acme", "--json")
    assert again["user"] == "acme" and again["secret"] != added["secret"]
    assert re.fullmatch("[0-9a-f]{64}", service.ctl("mailbox", "key", "acme", "--json")["key"])
    assert service.ctl("mailbox", "delete", "acme", "--yes", "--json") == {"mailbox": "acme", "messages_deleted": 1}
    assert ctl(service, "mailbox", "show", "acme").returncode == NOINPUT


def test_tokens_are_minted_shown_and_waited_for(service):
    service.add_mailbox("acme")
    minted = service.ctl("token", "mint", "acme", "--window", "10m", "--json")
    assert minted["address"] == f"acme@{DOMAIN}" and minted["deadline_at"] > minted["issued_at"]
    assert "366 days ahead" in ctl(service, "token", "mint", "acme", "--deadline", "2100-01-01T00:00:00Z").stderr
    assert service.ctl("token", "mint", "acme", "--window", "200d", "--json")["deadline_at"] > minted["deadline_at"]
    assert service.http("POST", "/v1/mailboxes/acme/tokens", body={"window": "200d"}).status == 201
    token = minted["token"]
    assert service.ctl("token", "show", "acme", token, "--json")["verdict"] == "waiting"
    assert ctl(service, "token", "wait", "acme", token, "--timeout", "100ms").returncode == TEMPFAIL

    waiter = subprocess.Popen([service.build / "mailtestctl", "-c", service.config_file, "token", "wait", "acme", token.upper(), "--json"],
                              stdout=subprocess.PIPE, text=True)
    service.wait_for(lambda: json.loads(ctl(service, "status", "--json").stdout)["control_connected"] == 2, "somebody waits")
    deliver(service, "acme", f"Subject: {token}\r\n\r\nx")
    out, _ = waiter.communicate(timeout=20)
    assert waiter.returncode == 0
    heard = json.loads(out)
    assert heard["verdict"] == "arrived" and heard["found_in"] == ["subject"] and heard["hops"]
    # The same document as over HTTP.
    assert heard == service.http("GET", f"/v1/mailboxes/acme/tokens/{token}").json()
    text = service.ctl("token", "show", "acme", token)
    assert re.search(r"^verdict +arrived$", text, re.M) and re.search(r"^ +found in +subject$", text, re.M)


def test_a_bounce_ends_the_wait_with_a_code_of_its_own(service):
    service.add_mailbox("acme")
    token = service.mint("acme")
    report = (f"Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\nSubject: failed\r\n\r\n--b\r\n\r\nno\r\n--b\r\n"
              f"Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; x\r\n\r\nFinal-Recipient: rfc822; u@c.test\r\nAction: failed\r\n"
              f"Status: 5.1.1\r\n\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: {token}\r\n\r\nx\r\n--b--\r\n")
    deliver(service, "acme", report)
    done = ctl(service, "token", "wait", "acme", token, "--json", "--timeout", "10s")
    assert json.loads(done.stdout)["verdict"] == "bounced"
    assert done.returncode == 1


def test_a_missed_token_ends_the_wait_with_a_code_of_its_own(service):
    service.add_mailbox("acme")
    token = service.ctl("token", "mint", "acme", "--window", "1s", "--json")["token"]
    for timeout in ("60s", "1ms"):              # while it is waited for, and when it is decided already
        done = ctl(service, "token", "wait", "acme", token, "--json", "--timeout", timeout)
        told = json.loads(done.stdout)
        assert (done.returncode, told["verdict"]) == (2, "not-arrived") and told["decided_at"], timeout


def test_an_automatic_reply_to_a_token_without_a_deadline_decides_nothing(service):
    service.add_mailbox("acme")
    token = service.mint("acme")
    deliver(service, "acme", f"Subject: Automatic reply: {token}\r\nAuto-Submitted: auto-replied\r\n\r\nx")
    assert service.ctl("token", "show", "acme", token, "--json")["verdict"] == "autoreply"
    assert ctl(service, "token", "wait", "acme", token, "--timeout", "100ms").returncode == TEMPFAIL


def test_a_token_of_which_nothing_is_known_is_shown_as_over_http(service):
    service.add_mailbox("acme")
    token = "mt1" + "0" * 40
    shown = service.ctl("token", "show", "acme", token, "--json")
    assert shown == service.http("GET", f"/v1/mailboxes/acme/tokens/{token}").json()
    assert shown["verdict"] == "waiting" and shown["registered"] is False
    text = " ".join(service.ctl("token", "show", "acme", token).split())
    assert "Nothing is known of it" in text and "No mail can make it arrive" in text
    waited = ctl(service, "token", "wait", "acme", token)
    assert waited.returncode == NOINPUT and "no genuine token" in waited.stderr
    for command in ("show", "wait"):
        nobody = ctl(service, "token", command, "nobody", token)
        assert nobody.returncode == NOINPUT and "mailbox nobody" in nobody.stderr and token not in nobody.stderr


def test_keys_of_the_api_are_scoped_and_revoked(service):
    service.add_mailbox("acme")
    service.add_mailbox("other")
    key = service.ctl("api-key", "add", "monitor", "--mailbox", "acme", "--json")
    assert key["name"] == "monitor" and key["mailbox"] == "acme"
    assert service.http("GET", "/v1/mailboxes/acme/messages", key=key["key"]).status == 200
    assert service.http("GET", "/v1/mailboxes/other/messages", key=key["key"]).status in (403, 404)
    listed = service.ctl("api-key", "list")
    assert "monitor" in listed and key["key"] not in listed
    service.ctl("api-key", "revoke", str(key["id"]))
    assert service.http("GET", "/v1/mailboxes/acme/messages", key=key["key"]).status == 401
    assert ctl(service, "api-key", "revoke", str(key["id"])).returncode == NOINPUT
    assert ctl(service, "api-key", "add", "x", "--mailbox", "nobody").returncode == NOINPUT


def test_master_keys_rotate_and_retire(service):
    service.add_mailbox("acme")
    old = service.mint("acme")
    rotated = service.ctl("key", "rotate", "--json")["id"]
    keys = service.ctl("key", "list", "--json")["keys"]
    assert [k["active"] for k in keys] == [False, True] and keys[1]["id"] == rotated
    refused = ctl(service, "key", "retire", "--yes", str(rotated))
    assert refused.returncode == USAGE and "key rotate" in refused.stderr
    deliver(service, "acme", f"Subject: {old}\r\n\r\nx")
    assert service.ctl("token", "show", "acme", old, "--json")["verdict"] == "arrived"
    other = service.mint("acme")
    unasked = ctl(service, "key", "retire", str(keys[0]["id"]))
    assert unasked.returncode == USAGE and "-y" in unasked.stderr and len(service.ctl("key", "list", "--json")["keys"]) == 2
    service.ctl("key", "retire", "-y", str(keys[0]["id"]))
    deliver(service, "acme", f"Subject: {other}\r\n\r\nx")
    assert service.ctl("token", "show", "acme", other, "--json")["verdict"] == "arrived"
    assert ctl(service, "key", "retire", "99", "-y").returncode == NOINPUT


def test_messages_are_listed_in_pages_shown_and_deleted(service):
    service.add_mailbox("acme")
    for i in range(7):
        deliver(service, "acme", f"Subject: number {i}\r\n\r\nbody {i}")
    newest = messages(service, "acme", "--limit", "3")
    assert [m["subject"] for m in newest] == ["number 6", "number 5", "number 4"]
    older = messages(service, "acme", "--before", str(newest[-1]["id"]))
    assert [m["subject"] for m in older] == [f"number {i}" for i in (3, 2, 1, 0)]
    one = str(newest[0]["id"])
    shown = service.ctl("message", "show", one, "--json")
    assert shown["mailbox"] == "acme" and shown["envelope"]["from"] == "a@b.test" and shown["parts"]
    octets = raw(service, one)
    assert octets == service.http("GET", f"/v1/messages/{one}/raw").body and octets.endswith(b"body 6\r\n")
    service.ctl("message", "delete", one)
    assert ctl(service, "message", "show", one).returncode == NOINPUT
    assert ctl(service, "message", "raw", one).returncode == NOINPUT


def test_the_arrival_of_a_deleted_message_says_so(service):
    service.add_mailbox("acme")
    token = service.mint("acme")
    deliver(service, "acme", f"Subject: {token}\r\n\r\nx")
    one = str(messages(service, "acme")[0]["id"])
    assert f"message    {one}\n" in ctl(service, "token", "show", "acme", token).stdout
    service.ctl("message", "delete", one)
    assert f"message    {one} (deleted)\n" in ctl(service, "token", "show", "acme", token).stdout


def on_terminal(service, *arguments) -> bytes:
    """What mailtestctl writes when its output is a terminal."""
    ours, theirs = pty.openpty()
    done = subprocess.Popen([service.build / "mailtestctl", "-c", service.config_file, *arguments], stdout=theirs, stderr=theirs)
    os.close(theirs)
    shown = b""
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:         # the other end is closed
            break
        if not piece:
            break
        shown += piece
    os.close(ours)
    assert done.wait(20) == 0
    return shown


def test_mail_cannot_move_the_operators_terminal(service):
    service.add_mailbox("acme")
    deliver(service, "acme", "Subject: \x1b]0;owned\x07\x1b[2J\r\nFrom: =?utf-8?q?=1B[31m=E2=80=AEevil?= <a@b.test>\r\n\r\n\x1b[2J\x9b2J body\r\n".encode("latin-1"))
    identity = str(messages(service, "acme")[0]["id"])
    for command in (["message", "list", "acme"], ["message", "show", identity], ["message", "raw", identity]):
        shown = on_terminal(service, *command)
        assert b"body" in shown or b"evil" in shown
        for octets in (b"\x1b", b"\x07", b"\x9b", "\u202e".encode()):
            assert octets not in shown, command
    # A file gets the exact octets.
    assert b"\x1b[2J\x9b2J body" in raw(service, identity)


def test_deleting_a_mailbox_is_asked_for_on_a_terminal(service):
    service.add_mailbox("acme")
    ours, theirs = pty.openpty()
    done = subprocess.Popen([service.build / "mailtestctl", "-c", service.config_file, "mailbox", "delete", "acme"], stdin=theirs,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    os.write(ours, b"n\n")
    _, error = done.communicate(timeout=20)
    os.close(ours)
    os.close(theirs)
    assert "Delete mailbox acme" in error and done.returncode == TEMPFAIL
    assert service.ctl("mailbox", "show", "acme", "--json")["mailbox"] == "acme"
    unasked = ctl(service, "mailbox", "delete", "acme")
    assert unasked.returncode == USAGE and "-y" in unasked.stderr
    assert service.ctl("mailbox", "show", "acme", "--json")["mailbox"] == "acme"


@pytest.mark.parametrize("arguments, code, words", [
    ((), USAGE, "Usage"),
    (("nonsense",), USAGE, 'there is no command "nonsense"'),
    (("mailbox",), USAGE, "mailbox add NAME"),
    (("mailbox", "nonsense"), USAGE, "there are add, list"),
    (("mailbox", "add"), USAGE, "too few arguments"),
    (("mailbox", "add", "a", "b"), USAGE, "too many arguments"),
    (("mailbox", "add", "Not a name"), USAGE, "is no name of a mailbox"),
    (("mailbox", "add", "x", "--domain", "elsewhere.test"), USAGE, "not one of the domains"),
    (("mailbox", "list", "--nonsense"), USAGE, "no option --nonsense"),
    (("token", "show", "acme", "short"), USAGE, "is no token"),
    (("token", "mint", "nobody"), NOINPUT, "mailbox nobody"),
    (("token", "mint", "postmaster", "--deadline", "1"), USAGE, "deadline"),
    (("token", "mint", "postmaster", "--deadline", "tomorrow"), USAGE, "RFC 3339"),
    (("token", "mint", "postmaster", "--deadline", "2001-02-03T04:05:06Z"), USAGE, "deadline is over"),
    (("token", "wait", "a", "mt1" + "0" * 40, "--timeout", "soon"), USAGE, "no time span"),
    (("message", "show", "x"), USAGE, "is not a message id"),
    (("message", "list", "postmaster", "-n", "0"), USAGE, "--limit 0 would show nothing"),
    (("status", "extra"), USAGE, 'status takes no argument, and was given "extra"'),
    (("message", "raw", "1", "--json"), USAGE, "leave out --json"),
    (("api-key", "add", ""), USAGE, "is empty"),
    (("message", "show", "999999"), NOINPUT, "message 999999"),
    (("message", "list", "nobody"), NOINPUT, "mailbox nobody"),
    (("backup", "/proc/nowhere/x"), None, "/proc/nowhere/x"),
])
def test_errors_say_what_and_where(shared_service, arguments, code, words):
    done = ctl(shared_service, *arguments)
    assert words in done.stderr and done.stdout == ""
    assert done.returncode == code if code is not None else done.returncode > 63


@pytest.fixture(scope="module")
def shared_service():
    from service import Service
    service = Service().start()
    yield service
    service.stop()
    service.remove()


@pytest.mark.parametrize("words", [("--help",), ("mailbox", "--help"), ("mailbox", "add", "--help"), ("token", "wait", "-h"), ("--version",)])
def test_help_needs_no_service(shared_service, words):
    done = shared_service.run("mailtestctl", *words)
    assert done.returncode == 0 and "mailtestctl" in done.stdout and done.stderr == ""


def test_configuration_and_service_that_are_not_there(make_service, tmp_path):
    service = make_service()
    assert service.run("mailtestctl", "-c", tmp_path / "none.yaml", "status").returncode == NOINPUT
    (tmp_path / "bad.yaml").write_text("nonsense: 1\n")
    bad = service.run("mailtestctl", "-c", tmp_path / "bad.yaml", "status")
    assert bad.returncode == CONFIG and "bad.yaml:1:" in bad.stderr
    service.stop()
    gone = ctl(service, "status")
    assert gone.returncode == UNAVAILABLE and "not running" in gone.stderr and len(gone.stderr.splitlines()) == 1


def test_a_store_that_goes_away_while_it_is_waited_for(service):
    service.add_mailbox("acme")
    waiter = subprocess.Popen([service.build / "mailtestctl", "-c", service.config_file, "token", "wait", "acme", service.mint("acme")],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    service.wait_for(lambda: json.loads(ctl(service, "status", "--json").stdout)["control_connected"] == 2, "somebody waits")
    service.kill("store")
    _, error = waiter.communicate(timeout=20)
    assert waiter.returncode == UNAVAILABLE and error.count("\n") == 1


def test_status_tells_numbers(service):
    status = service.ctl("status", "--json")
    assert status["mailboxes"] >= 2 and status["database_usable"] == 1
    begun = time.monotonic()
    assert "mailboxes" in service.ctl("status")
    assert time.monotonic() - begun < 10
