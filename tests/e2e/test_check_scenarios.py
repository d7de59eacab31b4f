"""mailtest-check once: where the mail is sent through and where it is looked for, in each scenario, and without a service at all."""

import json
import os
import re
import subprocess

import pytest

from servers import Accounts, Postfix, free_port
from servers.faulty import FaultySMTP, make_certificate, wait_until
from service import BUILD, DOMAIN
from test_check_failures import report_of
from test_check_round_trip import check, forward_to

TOKEN = re.compile(rb"X-Mailtest-Token: (mt1\w{40})")


@pytest.fixture(scope="module")
def accounts():
    with Accounts() as server:
        yield server


@pytest.fixture
def password(tmp_path):
    file = tmp_path / "password"
    file.write_text("secret\n")
    return file


def once(*arguments, env=None):
    """Without a service, unless the arguments name one."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAILTEST_")}
    return subprocess.run([BUILD / "mailtest-check", "once", *map(str, arguments)], capture_output=True, text=True, timeout=120, env={**environment, **(env or {})})


def story_of(*arguments, **options):
    done = once(*arguments, "--json", **options)
    story = json.loads(done.stdout)
    assert story["exit_code"] == done.returncode, done.stdout
    return story


def look_into(accounts, password, protocol="imap"):
    port = accounts.port if protocol == "imap" else accounts.pop3_port
    return [f"--{protocol}", f"127.0.0.1:{port}", "--account-tls", "none", "--user", "user@customer.test", "--password-file", password, "--poll-gap", "200ms"]


def put_into(accounts, folder="INBOX", copies=1):
    def deliver(_sender, _recipients, content):
        for _ in range(copies):
            accounts.put(content, folder=folder)
    return deliver


# ---- Scenarios 1, 3 and 4 -------------------------------------------------------------------------------------------

@pytest.mark.parametrize("protocol", ["imap", "pop3"])
@pytest.mark.parametrize("via, scenario", [("--smtp", 1), ("--relay", 4)])
def test_the_customers_mailbox_is_looked_into_without_a_service(accounts, password, protocol, via, scenario):
    with FaultySMTP(deliver=put_into(accounts)) as server:
        story = story_of("--to", "user@customer.test", via, server.address, "--scenario", scenario, *look_into(accounts, password, protocol))
    assert story["verdict"] == "arrived" and story["scenario"] == scenario and story["mailbox"] is None and story["sent"]
    assert story["copies"] == 1 and not story["junk"] and 0 <= story["total_s"] < 30 and 0 <= story["arrived_within_s"]
    # Without a mailbox bounces go where they are looked for; what was found is gone.
    assert server.sessions[0][1] == "MAIL FROM:<user@customer.test>" and TOKEN.search(server.contents[0])[1].decode() == story["token"]
    assert b"X-Mailtest-Check: once\r\n" in server.contents[0]
    assert story["deleted"] and accounts.mails() == []


@pytest.mark.parametrize("protocol", ["imap", "pop3"])
def test_scenario_3_by_a_real_server_that_wants_a_login(password, tmp_path, protocol):
    """Postfix takes the mail from who has logged in and passes it on to the server that is responsible; Dovecot has the mailbox, and the passwords."""
    port, (certificate, key) = free_port(), make_certificate(tmp_path, "submission.provider.test")
    listener = f"service auth {{\n  chroot =\n  inet_listener {{\n    port = {port}\n  }}\n}}\n"
    login = ["--smtp-user", "user@customer.test", "--smtp-password-file", password, "--tls", "require"]
    with Accounts(mechanisms="plain login scram-sha-256", settings=listener) as dovecot, FaultySMTP(deliver=put_into(dovecot)) as mx, \
            Postfix("provider.test", sasl=(dovecot.host, port), certificate=certificate, key=key, routes={"customer.test": ("127.0.0.1", mx.port)}) as relay:
        to = ["--to", "user@customer.test", "--smtp", f"127.0.0.1:{relay.port}", "--tls", "require"]
        story = story_of(*to, *login, "--scenario", "3", *look_into(dovecot, password, protocol))
        assert story["verdict"] == "arrived" and story["scenario"] == 3, story["summary"]
        names = [step["name"] for step in story["steps"]]
        assert names.index("tls") < names.index("auth") < names.index("mail")
        assert story["send_s"] <= story["total_s"] and dovecot.mails() == []
        # Without the login the server passes nothing on; that is scenario 1, and refused.
        refused = story_of(*to, *look_into(dovecot, password, protocol))
    assert refused["scenario"] == 1 and refused["verdict"] == "not-sent" and refused["failure"]["step"] == "rcpt" and refused["failure"]["code"] == 554


def test_keep_leaves_the_mail_in_the_customers_mailbox(accounts, password):
    with FaultySMTP(deliver=put_into(accounts)) as server:
        story = story_of("--to", "user@customer.test", "--smtp", server.address, "--keep", "--label", "shop/mx", *look_into(accounts, password))
    [mail] = accounts.mails()
    assert not story["deleted"] and mail["X-Mailtest-Token"] == story["token"] and mail["X-Mailtest-Check"] == "shop/mx"
    with accounts.imap() as client:
        client.select("INBOX")
        client.store("1", "+FLAGS", "\\Deleted")
        client.expunge()


def test_a_mail_among_the_junk_is_a_warning_of_its_own(accounts, password):
    with FaultySMTP(deliver=put_into(accounts, "Junk")) as server:
        done = once("--to", "user@customer.test", "--smtp", server.address, *look_into(accounts, password))
    assert done.returncode == 1
    assert re.match(r"MAILTEST WARNING - scenario 1: arrived after \d+\.\d{3} s, but in the folder for junk, Junk, via 127\.0\.0\.1:", done.stdout), done.stdout


def test_a_mail_that_comes_twice_is_a_warning(accounts, password):
    with FaultySMTP(deliver=put_into(accounts, copies=2)) as server:
        story = story_of("--to", "user@customer.test", "--smtp", server.address, *look_into(accounts, password))
    assert story["verdict"] == "arrived" and story["state"] == "WARNING" and story["copies"] == 2 and "it came 2 times" in story["summary"]
    assert accounts.mails() == []


def test_a_wrong_password_is_told_with_what_the_server_said(accounts, tmp_path):
    wrong = tmp_path / "wrong"
    wrong.write_text("guess\n")
    with FaultySMTP(deliver=put_into(accounts)) as server:
        done = once("--to", "user@customer.test", "--smtp", server.address, *look_into(accounts, wrong))
    assert done.returncode == 2 and re.search(r"scenario 1: login of \S*127\.0\.0\.1\S* failed: .*uthentication failed", done.stdout), done.stdout
    assert "guess" not in done.stdout + done.stderr
    with accounts.imap() as client:
        client.select("INBOX")
        client.store("1:*", "+FLAGS", "\\Deleted")
        client.expunge()


def test_a_mail_that_is_in_no_folder_is_lost(accounts, password):
    with FaultySMTP() as server:
        done = once("--to", "user@customer.test", "--smtp", server.address, "--window", "2s", *look_into(accounts, password))
    assert done.returncode == 2 and re.search(r"not arrived within 2\.000 s, though 127\.0\.0\.1:\d+ took the mail after", done.stdout), done.stdout


@pytest.mark.parametrize("protocol", ["imap", "pop3"])
def test_with_a_mailbox_bounces_are_heard_of_wherever_the_mail_is_looked_for(acme, accounts, password, protocol):
    with FaultySMTP(deliver=report_of(acme, b"failed")) as server:
        done = check(acme, "--smtp", server.address, "--json", "--window", "60s", *look_into(accounts, password, protocol))
    story = json.loads(done.stdout)
    assert story["verdict"] == "bounced" and story["scenario"] == 1 and "undeliverable: 5.1.1" in story["summary"]
    assert server.sessions[0][1] == f"MAIL FROM:<acme+check@{DOMAIN}>"


# ---- Nothing is received, or nothing is sent ---------------------------------------------------------------------------

def test_without_receiving_the_servers_250_is_all():
    with FaultySMTP() as server:
        done = once("--to", "user@customer.test", "--smtp", server.address, "--receive", "none")
        assert done.returncode == 0 and re.match(r"MAILTEST OK - taken after \d+\.\d{3} s, via 127\.0\.0\.1:\d+ \| 'total'=", done.stdout), done.stdout
    with FaultySMTP({"rcpt": "550 5.1.1 unknown user"}) as server:
        done = once("--to", "user@customer.test", "--smtp", server.address, "--receive", "none")
        assert done.returncode == 2 and "RCPT to 127.0.0.1" in done.stdout and "refused: 550 5.1.1 unknown user" in done.stdout


def start_waiting(service, *arguments):
    return subprocess.Popen([BUILD / "mailtest-check", "once", "--no-send", "--api", service.url, "--mailbox", "acme", "--json", *arguments],
                            stdout=subprocess.PIPE, text=True, env={**os.environ, "MAILTEST_API_KEY": service.key})


def test_a_token_that_somebody_else_sends_is_waited_for(acme):
    token = acme.mint("acme")
    process = start_waiting(acme, "--expect", token, "--window", "60s")
    forward_to(acme)(None, None, b"Subject: " + token.encode() + b"\r\n\r\n")
    story = json.loads(process.communicate(timeout=60)[0])
    assert process.returncode == 0 and story["verdict"] == "arrived" and story["token"] == token and not story["sent"] and story["scenario"] is None


def test_any_token_that_somebody_else_sends_is_waited_for(acme):
    old = acme.mint("acme")
    forward_to(acme)(None, None, b"Subject: " + old.encode() + b"\r\n\r\n")     # before we wait
    process = start_waiting(acme, "--window", "60s")
    token = acme.mint("acme")
    wait_until(lambda: acme.metric("mailtest_lookup_streams") == 1, "the stream is open")
    forward_to(acme)(None, None, b"Subject: " + token.encode() + b"\r\n\r\n")
    story = json.loads(process.communicate(timeout=60)[0])
    assert process.returncode == 0 and story["verdict"] == "arrived" and story["token"] == token


def test_nothing_that_somebody_sends_is_told_at_the_end_of_the_window(acme):
    process = start_waiting(acme, "--window", "1s")
    story = json.loads(process.communicate(timeout=60)[0])
    assert process.returncode == 2 and story["verdict"] == "not-arrived" and story["summary"] == "nothing arrived within 1.000 s"


def test_a_text_is_waited_for_in_the_customers_mailbox(accounts, password):
    accounts.put("Subject: nightly report 4711\r\nFrom: a@customer.test\r\n\r\nall is well\r\n")
    done = once("--no-send", "--expect", "nightly report 4711", "--keep", *look_into(accounts, password))
    assert done.returncode == 0, done.stdout
    assert [mail["Subject"] for mail in accounts.mails()] == ["nightly report 4711"]


# ---- What does not fit together ----------------------------------------------------------------------------------------

@pytest.mark.parametrize("arguments, words", [
    (["--scenario", "4", "--smtp", "x"], "--scenario 4 needs --relay or --sendmail, and --imap or --pop3"),
    (["--imap", "x", "--password-file", "/dev/null"], "--user is missing"),
    (["--imap", "x", "--user", "u"], "either --password-file or --token-command is needed"),
    (["--imap", "x", "--pop3", "y"], "--imap and --pop3 exclude each other"),
    (["--no-send", "--receive", "none"], "is nothing to do"),
    (["--receive", "none", "--smtp", "x", "--smtp-password-file", "/dev/null"], "--smtp-user is missing"),
    (["--expect", "x", "--smtp", "y"], "--expect goes with --no-send alone"),
])
def test_what_does_not_fit_together_is_told_before_anything_is_sent(arguments, words):
    done = once("--to", "user@customer.test", *arguments)
    assert done.returncode == 3 and done.stdout.startswith("MAILTEST UNKNOWN - ") and words in done.stdout, done.stdout
