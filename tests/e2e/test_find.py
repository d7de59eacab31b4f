"""mailtest-find tells of mails on disk what the service would tell, without one."""

import json
import subprocess
from pathlib import Path

import pytest
from service import BUILD

ADDRESS = "acme@mailtest1.example.net"
KEY = "18cc1f2853ad48b4e92c8de03ce8d20da830cea22dbe55279126a3c9f9e95197"
TOKEN = "mt1d5avj000041061050r3k1qahdnkeg4mywkzf11b7"          # the first test vector of docs/token.md: genuine with these
MAIL = f"""\
Received: from mail.customer.test (mail.customer.test [192.0.2.1]) by mx.example.net with ESMTPS; Thu, 1 Jan 2026 00:00:09 +0000
Received: from checker.test by mail.customer.test with ESMTP; Thu, 1 Jan 2026 00:00:02 +0000
Subject: a test
From: probe@checker.test
Content-Type: text/html

<p>{TOKEN[:20]}<b>{TOKEN[20:]}</b></p>
"""


def find(*arguments, stdin=None):
    return subprocess.run([BUILD / "mailtest-find", *arguments], input=stdin, capture_output=True, text=True, check=False, timeout=30)


@pytest.fixture
def mail(tmp_path) -> Path:
    file = tmp_path / "mail.eml"
    file.write_text(MAIL)
    return file


def test_a_mail_is_explained_to_a_person(mail):
    done = find("--address", ADDRESS, "--key", KEY, mail)
    assert done.returncode == 0, done.stderr
    assert "because       it carries a genuine token of this mailbox" in done.stdout
    assert "whether its token is genuine is not known" in " ".join(find(mail).stdout.split())
    for text in (f"{TOKEN}  genuine, issued 2026-01-01T00:00:00Z", "found in    html", "kind          arrived\n",
                 "lost in     subject, message-id", "by mail.customer.test", "after 7.000 s"):
        assert text in done.stdout.replace("after 7 s", "after 7.000 s"), text


def test_a_program_gets_one_object_for_each_mail(mail):
    done = find("--json", mail, "-", stdin=MAIL.replace("\n", "\r\n"))
    assert done.returncode == 0, done.stderr
    of_file, of_input = map(json.loads, done.stdout.splitlines())
    assert [token["token"] for token in of_file["tokens"]] == [TOKEN]
    assert of_file["tokens"][0]["found_in"] == ["html"] and of_file["tokens"][0]["genuine"] is None
    # Without a key nothing is said of what is not known.
    assert of_file["kind"] is None and of_file["kind_if_genuine"] == "arrived" and "is not known without the mailbox's key" in of_file["why"]
    known = json.loads(find("--address", ADDRESS, "--key", KEY, mail, "--json").stdout)
    assert known["kind"] == "arrived" and known["kind_if_genuine"] is None and known["why"].startswith("it carries a genuine token")
    assert of_input["tokens"] == of_file["tokens"] and of_input["hops"] == of_file["hops"] and len(of_file["hops"]) == 2


def test_without_a_genuine_token_it_says_so(mail, tmp_path):
    done = find("--address", "other@mailtest1.example.net", "--key", KEY, mail)
    assert done.returncode == 65 and "not genuine for this mailbox" in done.stdout and "kind          unmatched" in done.stdout
    empty = tmp_path / "empty"
    empty.write_text("")
    assert find(mail, empty).returncode == 65


def test_what_joining_parameters_would_make_is_no_token(tmp_path):
    file = tmp_path / "mail.eml"
    file.write_text(f"Subject: x\nContent-Disposition: attachment; filename*0*=us-ascii''a%20{TOKEN[:11]};\n filename*1={TOKEN[11:]}\n\nx\n")
    tokens = json.loads(find(file, "-j").stdout)["tokens"]
    assert [token["token"] for token in tokens] == [TOKEN]


def test_places_in_an_attached_message_are_told_as_such(tmp_path):
    file = tmp_path / "mail.eml"
    file.write_text(f"Subject: see attached\nContent-Type: message/rfc822\n\nSubject: {TOKEN}\n\nx\n")
    assert "found in    in the attached message: subject" in find(file).stdout


def test_the_recipient_and_the_sender_may_be_told(tmp_path):
    file = tmp_path / "mail.eml"
    file.write_text("Subject: a test\n\nnothing\n")
    done = find("--json", "--recipient", f"acme+{TOKEN}@mailtest1.example.net", "--reverse-path", "probe@checker.test", file)
    assert done.returncode == 0 and json.loads(done.stdout)["tokens"][0]["found_in"] == ["recipient"]


@pytest.mark.parametrize("arguments, code", [
    ((), 64), (("--nonsense",), 64), (("--key", KEY, "x"), 64), (("--key", "12", "--address", ADDRESS, "x"), 64),
    (("/nonexistent/mail",), 66), (("--help",), 0), (("--version",), 0), (("-V",), 0), (("--", "--json"), 66),
])
def test_it_ends_as_sysexits_say(arguments, code):
    done = find(*arguments)
    assert done.returncode == code
    assert code == 0 or done.stderr.startswith("mailtest-find: ")
