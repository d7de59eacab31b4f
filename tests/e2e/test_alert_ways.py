"""The ways by which mailtest-check tells people: a program, a signed webhook, a mail through a relay that works."""

import hashlib
import hmac
import json
import subprocess
from email import message_from_string, policy

import pytest

from servers.base import free_port
from servers.faulty import FaultySMTP
from service import BUILD, DOMAIN, Service
from test_webhooks import Receiver

SECRET = "not so secret"
FIRST_LINE = "TEST: alerts of Mailtest reach you by this way"
OK, CRITICAL, UNKNOWN = 0, 2, 3
UNAVAILABLE, CONFIG = 69, 78


@pytest.fixture(scope="module")
def desk():
    """A service whose mailboxes get the alerts' mails."""
    service = Service().start()
    service.add_mailbox("ops")
    service.add_mailbox("boss")
    yield service
    service.stop()
    service.remove()


def write_checks(path, ways, servers=()):
    file = path / "checks.yaml"
    file.write_text(json.dumps({"state_dir": str(path / "state"), "servers": list(servers), "ways": ways, "contacts": [], "checks": []}))
    return file


def alert_test(file, *arguments):
    return subprocess.run([BUILD / "mailtest-check", "alert-test", "-c", file, *arguments], capture_output=True, text=True, timeout=60)


def ctl_run(service, *arguments):
    return service.run("mailtestctl", "-c", service.config_file, *arguments)


def letters(service, mailbox):
    listed = service.http("GET", f"/v1/mailboxes/{mailbox}/messages").json()["messages"]
    return [message_from_string(service.http("GET", f"/v1/messages/{m['id']}/raw").body.decode(), policy=policy.default) for m in listed]


def test_a_program_gets_the_notice_in_its_environment_and_as_json(tmp_path):
    script = 'cat > json; env | grep ^MAILTEST_ | sort > environment; pwd > where'
    file = write_checks(tmp_path, [{"name": "pager", "command": ["/bin/sh", "-c", f"cd {tmp_path}; {script}"]}])
    done = alert_test(file)
    assert (done.returncode, done.stdout) == (OK, "ok     pager\n")
    notice = json.loads((tmp_path / "json").read_text())
    assert notice["kind"] == "test" and notice["state"] == "OK" and notice["first_line"] == FIRST_LINE
    environment = (tmp_path / "environment").read_text().splitlines()
    assert f"MAILTEST_FIRST_LINE={FIRST_LINE}" in environment and "MAILTEST_KIND=test" in environment


def test_a_program_that_fails_is_told_with_its_words(tmp_path):
    file = write_checks(tmp_path, [{"name": "pager", "command": ["/bin/sh", "-c", "echo the line is busy >&2; exit 7"]},
                                   {"name": "nobody", "command": [str(tmp_path / "is not there")]}])
    done = alert_test(file)
    assert done.returncode == CRITICAL
    pager, nobody = sorted(done.stdout.splitlines(), reverse=True)
    assert pager.startswith("failed pager: ") and "7" in pager and "the line is busy" in pager
    assert nobody.startswith("failed nobody: ") and "No such file" in nobody


def test_a_webhook_is_signed(tmp_path):
    receiver = Receiver()
    (tmp_path / "secret").write_text(SECRET + "\n")
    file = write_checks(tmp_path, [{"name": "hook", "webhook": receiver.url, "secret_file": str(tmp_path / "secret")}])
    done = alert_test(file)
    assert (done.returncode, done.stdout) == (OK, "ok     hook: 200\n")
    post = receiver.posts.get(timeout=15)
    signed = post["headers"]["Mailtest-Timestamp"].encode() + b"." + post["body"]
    assert post["headers"]["Mailtest-Signature"] == "v1=" + hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()
    assert json.loads(post["body"])["id"] == int(post["headers"]["Mailtest-Notice-Id"])
    assert json.loads(post["body"])["first_line"] == FIRST_LINE


@pytest.mark.parametrize("status", [302, 404, 410, 500])
def test_a_webhook_that_refuses_is_told_with_its_status(tmp_path, status):
    receiver = Receiver()
    receiver.answers = [status]
    done = alert_test(write_checks(tmp_path, [{"name": "hook", "webhook": receiver.url}]))
    assert (done.returncode, done.stdout) == (CRITICAL, f"failed hook: 127.0.0.1 answered {status}\n")


def test_a_webhook_without_anybody_behind_it_and_one_that_hangs_fail(tmp_path):
    receiver = Receiver()
    receiver.answers = [None]
    done = alert_test(write_checks(tmp_path, [{"name": "closed", "webhook": f"http://127.0.0.1:{free_port()}/"},
                                              {"name": "hangs", "webhook": receiver.url, "timeout": "1s"},
                                              {"name": "unkeyed", "webhook": receiver.url, "secret_file": str(tmp_path / "none")}]))
    receiver.let_go.set()
    lines = {line.split()[1].rstrip(":"): line for line in done.stdout.splitlines()}
    assert done.returncode == CRITICAL and len(lines) == 3
    assert lines["closed"].startswith("failed closed: 127.0.0.1: ")
    assert "no answer within 1000 ms" in lines["hangs"]
    assert "secret_file" in lines["unkeyed"]


def mail_way(relays, **more):
    return {"name": "mail", "mail": {"relays": relays, "from": f"boss+alerts@{DOMAIN}", "to": [f"ops@{DOMAIN}", f"boss@{DOMAIN}"]}, **more}


def test_a_mail_goes_through_the_first_relay_that_takes_it(tmp_path, desk):
    servers = [{"name": "dead", "host": "127.0.0.1", "port": free_port(), "tls": "none"},
               {"name": "refusing", "host": "127.0.0.1", "port": 1, "tls": "none"},
               {"name": "alive", "host": "127.0.0.1", "port": desk.ports["smtp"], "tls": "none"}]
    with FaultySMTP({"mail": "550 5.7.1 not from you"}) as refusing:
        servers[1]["port"] = int(refusing.address.rsplit(":", 1)[1])
        done = alert_test(write_checks(tmp_path, [mail_way(["dead", "refusing", "alive"], subject="[ä] {{kind}}", text="{{first_line}}\n")], servers))
    assert done.returncode == OK
    assert sorted(done.stdout.splitlines()) == [f"ok     mail to boss@{DOMAIN}", f"ok     mail to ops@{DOMAIN}"]
    for mailbox in ("ops", "boss"):
        letter, = letters(desk, mailbox)
        assert letter["Subject"] == "[ä] test"
        assert letter["Auto-Submitted"] == "auto-generated"
        assert letter["To"] == f"{mailbox}@{DOMAIN}"
        assert letter.get_content().splitlines() == [FIRST_LINE]


def test_a_mail_that_no_relay_takes_fails_with_the_last_ones_words(tmp_path):
    with FaultySMTP({"rcpt": "550 5.7.1 no relaying"}) as refusing:
        servers = [{"name": "refusing", "host": "127.0.0.1", "port": int(refusing.address.rsplit(":", 1)[1]), "tls": "none"}]
        done = alert_test(write_checks(tmp_path, [mail_way(["refusing"])], servers))
    assert done.returncode == CRITICAL
    assert len(done.stdout.splitlines()) == 2 and all("no relaying" in line for line in done.stdout.splitlines())


def test_one_way_alone_can_be_tried_and_one_that_is_none_is_told(tmp_path):
    file = write_checks(tmp_path, [{"name": "a", "command": ["true"]}, {"name": "b", "command": ["false"]}])
    assert (alert_test(file, "--way", "a").returncode, alert_test(file, "--way", "a").stdout) == (OK, "ok     a\n")
    done = alert_test(file, "--way", "c")
    assert done.returncode == UNKNOWN and 'there is no way "c"' in done.stdout


def test_mailtestctl_tries_the_ways_as_well(tmp_path, desk):
    file = write_checks(tmp_path, [{"name": "a", "command": ["true"]}, {"name": "b", "command": ["false"]}])
    done = ctl_run(desk, "alert", "test", "--checks", file)
    assert done.returncode == UNAVAILABLE and "ok     a\n" in done.stdout and "failed b" in done.stdout
    assert ctl_run(desk, "alert", "test", "--checks", file, "--way", "a").returncode == OK
    assert ctl_run(desk, "alert", "test", "--checks", tmp_path / "none").returncode == CONFIG
    done = ctl_run(desk, "alert", "test", "--checks", file, "--json")
    assert done.returncode == UNAVAILABLE
    assert sorted((row["way"], row["to"], row["taken"]) for row in json.loads(done.stdout)["ways"]) == [("a", None, True), ("b", None, False)]


def test_a_template_with_an_unknown_field_is_refused_with_its_place(tmp_path):
    file = tmp_path / "checks.yaml"
    file.write_text("state_dir: /tmp\nways:\n  - name: a\n    command: [cat]\n    subject: \"{{statt}}\"\nchecks: []\n")
    done = alert_test(file)
    assert done.returncode == UNKNOWN and "checks.yaml:5:" in done.stdout and "{{statt}} is no field" in done.stdout
