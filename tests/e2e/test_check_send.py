"""mailtest-check sending: logins of every mechanism at real servers, TLS from the first octet on, and the local sendmail program."""

import base64
import json
import os
import subprocess

import pytest

from servers import Accounts, Exim, Postfix, Sink, free_port
from servers.faulty import FaultySMTP, make_certificate
from service import BUILD

USER, PASSWORD, TOKEN = "user@customer.test", "pass word, with = and \"quotes\"", "ya29.a-good-token"
TO = "probe@elsewhere.test"
MECHANISMS = ["plain", "login", "cram-md5", "scram-sha-1", "scram-sha-256"]


def run(*arguments):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAILTEST_API")}
    return subprocess.run([BUILD / "mailtest-check", *map(str, arguments)], capture_output=True, text=True, timeout=60, env=environment, check=False)


def send(*arguments):
    """One mail by a server; what came of it, as JSON."""
    done = run("once", "--to", TO, "--from", USER, "--receive", "none", "--retry-gap", "0", "--json", *arguments)
    assert done.stdout.startswith("{"), done.stdout + done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("send")


def secret_file(folder, text, name="password"):
    file = folder / name
    file.write_text(text + "\n")
    file.chmod(0o600)
    return file


@pytest.fixture(scope="module")
def certificate(folder):
    """Valid for the address as well, under which the tests know the servers."""
    files = folder / "mx.pem", folder / "mx.key"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=mx.customer.test",
                    "-addext", "subjectAltName=DNS:mx.customer.test,IP:127.0.0.1", "-keyout", files[1], "-out", files[0]], check=True, capture_output=True)
    return files


@pytest.fixture(scope="module")
def elsewhere():
    with Sink() as sink:
        yield sink


@pytest.fixture(scope="module")
def postfix(certificate, elsewhere):
    """Postfix that asks a Dovecot who its users are."""
    port = free_port()
    # And who, for once, does not let everybody wait after wrong passwords.
    listener = (f"service auth {{\n  chroot =\n  inet_listener {{\n    port = {port}\n  }}\n}}\n"
                "service anvil {\n  unix_listener anvil-auth-penalty {\n    mode = 0\n  }\n}\n")
    with Accounts(users={USER: PASSWORD}, tokens={TOKEN: USER}, mechanisms=" ".join(MECHANISMS), settings=listener) as dovecot, \
            Postfix("customer.test", sasl=(dovecot.host, port), certificate=certificate[0], key=certificate[1],
                    routes={"elsewhere.test": (elsewhere.host, elsewhere.port)}) as server:
        yield server


def login(folder, mechanism, password=PASSWORD):
    return ["--smtp-user", USER, "--smtp-password-file", secret_file(folder, password), "--smtp-auth", mechanism]


def told_everywhere(story):
    return json.dumps(story)


# ---- Mechanisms -------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("mechanism", MECHANISMS)
@pytest.mark.parametrize("way", ["starttls", "implicit"])
def test_postfix_takes_mail_after_a_login(postfix, folder, certificate, mechanism, way):
    port, mode = (postfix.port, "verify") if way == "starttls" else (postfix.smtps_port, "implicit-verify")
    story = send("--smtp", f"127.0.0.1:{port}", "--tls", mode, "--ca-file", certificate[0], *login(folder, mechanism))
    assert story["sent"], story["summary"]
    steps = {step["name"]: step for step in story["steps"]}
    assert steps["auth"]["code"] == 235 and steps["auth"]["took_s"] > 0
    assert steps["tls"]["done"] and ("starttls" in steps) == (way == "starttls")
    assert [step["name"] for step in story["steps"]].index("auth") < [step["name"] for step in story["steps"]].index("mail")
    assert f"sasl_method={mechanism.upper()}, sasl_username={USER}" in postfix.log


def test_what_is_shown_holds_no_secret(postfix, folder):
    for mechanism in MECHANISMS:
        done = run("once", "--to", TO, "--from", USER, "--receive", "none", "--smtp", f"127.0.0.1:{postfix.port}", "--json", "-v", *login(folder, mechanism))
        shown = done.stdout + done.stderr
        assert done.returncode == 0 and PASSWORD not in json.dumps(shown)
        assert base64.b64encode(PASSWORD.encode()).decode() not in shown
        assert base64.b64encode(f"\0{USER}\0{PASSWORD}".encode()).decode() not in shown


def test_by_itself_it_takes_the_strongest_mechanism(postfix, folder):
    assert send("--smtp", f"127.0.0.1:{postfix.port}", *login(folder, "auto"))["sent"]
    assert "sasl_method=SCRAM-SHA-256" in postfix.log.splitlines()[-4:][0] or "SCRAM-SHA-256" in postfix.log


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_a_wrong_password_is_told_and_not_tried_again(postfix, folder, mechanism):
    story = send("--smtp", f"127.0.0.1:{postfix.port}", "--retry-gap", "200ms", *login(folder, mechanism, "wrong"))
    assert story["exit_code"] == 2 and story["verdict"] == "not-sent" and story["attempts_made"] == 1
    assert story["failure"]["step"] == "auth" and story["failure"]["code"] == 535
    assert story["summary"].startswith(f"AUTH with 127.0.0.1:{postfix.port} refused: 535 5.7.8")
    assert f"({mechanism.upper()} as {USER}: " in story["summary"]


@pytest.mark.parametrize("mechanism", ["plain", "login", "cram-md5"])
def test_exim_takes_mail_after_a_login(folder, elsewhere, mechanism):
    with Exim("customer.test", login=("user", "secret"), routes={"elsewhere.test": (elsewhere.host, elsewhere.port)}) as exim:
        story = send("--smtp", f"127.0.0.1:{exim.port}", "--smtp-user", "user", "--smtp-password-file", secret_file(folder, "secret"), "--smtp-auth", mechanism)
        assert story["sent"], story["summary"] + exim.log
        refused = send("--smtp", f"127.0.0.1:{exim.port}")
        assert refused["failure"]["step"] == "rcpt" and "only after a login" in refused["failure"]["reply"]


# ---- OAuth --------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("mechanism", ["xoauth2", "oauthbearer", "auto"])
def test_an_access_token_from_a_command(postfix, mechanism):
    story = send("--smtp", f"127.0.0.1:{postfix.port}", "--smtp-user", USER, "--smtp-token-command", f"echo {TOKEN}", "--smtp-auth", mechanism)
    assert story["sent"], story["summary"]
    assert f"sasl_method={'OAUTHBEARER' if mechanism == 'auto' else mechanism.upper()}" in postfix.log


@pytest.mark.parametrize("mechanism", ["xoauth2", "oauthbearer"])
def test_a_token_that_is_refused(postfix, mechanism):
    story = send("--smtp", f"127.0.0.1:{postfix.port}", "--smtp-user", USER, "--smtp-token-command", "echo stale", "--smtp-auth", mechanism)
    assert story["verdict"] == "not-sent" and story["failure"]["step"] == "auth" and story["failure"]["code"] == 535
    assert "the access token is refused: status" in story["failure"]["reason"]


def test_a_token_command_that_fails_is_our_own_trouble(postfix):
    story = send("--smtp", f"127.0.0.1:{postfix.port}", "--smtp-user", USER, "--smtp-token-command", "false")
    assert story["exit_code"] == 3 and story["verdict"] == "unknown" and "token command: exit code 1" in story["summary"]


class Scripted:
    """A server that offers mechanisms and plays the other side of the login as a test says."""

    def __init__(self, offered, replies):
        self.offered, self.replies, self.said = offered, list(replies), []

    def auth(self, session):
        self.said.append(session.server.owner.sessions[session.number][-1])
        replies = list(self.replies)
        while replies[0].startswith("334"):
            session.request.sendall(replies.pop(0).encode() + b"\r\n")
            self.said.append(session.file.readline().decode().strip())
        return replies[0]

    def server(self):
        return FaultySMTP({"auth": self.auth}, extensions=(f"AUTH {self.offered}",))


def test_a_token_that_is_too_long_for_the_command_follows_it(folder):
    """RFC 5321 section 4.5.3.1.4 gives a command 512 octets; RFC 4954 section 4 lets the first message follow an empty challenge."""
    token = "ya29." + "x" * 2000
    script = Scripted("XOAUTH2", ["334 ", "235 2.7.0 welcome"])
    with script.server() as server:
        story = send("--smtp", server.address, "--smtp-user", USER, "--smtp-token-command", f"cat {secret_file(folder, token)}")
    assert story["sent"] and script.said[0] == "AUTH XOAUTH2"
    assert base64.b64decode(script.said[1]) == f"user={USER}\x01auth=Bearer {token}\x01\x01".encode()


def test_the_challenge_of_a_refused_token_is_answered():
    """RFC 7628 section 3.2.3: with one octet of value 1; and XOAUTH2 with nothing."""
    problem = base64.b64encode(b'{"status":"invalid_token","scope":"smtp"}').decode()
    for mechanism, answer in (("OAUTHBEARER", "AQ=="), ("XOAUTH2", "")):
        script = Scripted(mechanism, [f"334 {problem}", "535 5.7.8 no"])
        with script.server() as server:
            story = send("--smtp", server.address, "--smtp-user", USER, "--smtp-token-command", f"echo {TOKEN}")
        assert script.said[1] == answer
        assert story["failure"]["reason"] == f"535 5.7.8 no ({mechanism} as {USER}: the access token is refused: status invalid_token)"


# ---- What does not fit ----------------------------------------------------------------------------------------------------

def test_a_mechanism_that_is_not_offered(folder):
    with Scripted("PLAIN LOGIN", []).server() as server:
        story = send("--smtp", server.address, *login(folder, "scram-sha-256"))
    assert story["failure"]["step"] == "auth" and story["failure"]["code"] is None
    assert story["failure"]["reason"] == "the server does not offer SCRAM-SHA-256, but PLAIN LOGIN"


def test_a_server_without_any_login(folder):
    with FaultySMTP() as server:
        story = send("--smtp", server.address, *login(folder, "auto"))
    assert story["failure"]["reason"] == "the server offers no login" and server.sessions[0][-1] == "QUIT"


@pytest.mark.parametrize("reply, words, code", [
    ("454 4.7.0 try later", "the server cannot check it now", 454),
    ("534 5.7.9 too weak", "the server wants a stronger one", 534),
    ("538 5.7.11 encrypt", "the server wants TLS first", 538),
    ("504 5.5.4 what?", "the server does not know it, although it offers it", 504),
])
def test_what_a_refusal_means_is_told(folder, reply, words, code):
    with Scripted("PLAIN", [reply]).server() as server:
        story = send("--smtp", server.address, *login(folder, "plain"))
    assert story["failure"]["code"] == code and story["failure"]["reason"] == f"{reply} (PLAIN as {USER}: {words})"


@pytest.mark.parametrize("challenge, words", [
    ("334 !!", "no base64"), ("334 " + base64.b64encode(b"r=other,s=c2FsdA==,i=4096").decode(), "nonce"),
    ("334 " + base64.b64encode(b"r=%s,s=c2FsdA==,i=1").decode(), "nonce"),
])
def test_a_server_that_breaks_scram_is_told_and_the_login_called_off(folder, challenge, words):
    script = Scripted("SCRAM-SHA-256", [challenge, "501 5.7.0 cancelled"])
    with script.server() as server:
        story = send("--smtp", server.address, *login(folder, "auto"))
    assert script.said[1] == "*" and words in story["failure"]["reason"] and story["failure"]["step"] == "auth"


def test_a_server_that_says_yes_without_its_proof_is_not_believed(folder):
    with Scripted("SCRAM-SHA-256", ["235 2.7.0 welcome"]).server() as server:
        story = send("--smtp", server.address, *login(folder, "auto"))
    assert not story["sent"] and story["failure"]["step"] == "auth" and "has not proved" in story["failure"]["reason"]
    assert not any(line.startswith("MAIL") for line in server.sessions[0])


def test_a_server_that_repeats_the_password_is_not_quoted(folder):
    encoded = base64.b64encode(f"\0{USER}\0{PASSWORD}".encode()).decode()
    for repeated in (PASSWORD, encoded):
        with Scripted("PLAIN", [f"535 5.7.8 bad login: {repeated}"]).server() as server:
            story = send("--smtp", server.address, *login(folder, "plain"))
        assert story["failure"]["code"] == 535 and "repeats what is secret" in story["failure"]["reason"]
        assert repeated not in told_everywhere(story) and json.dumps(repeated)[1:-1] not in told_everywhere(story)


def test_a_password_file_that_is_gone_is_told_before_anything_is_sent(folder):
    with FaultySMTP() as server:
        done = run("once", "--to", TO, "--receive", "none", "--smtp", server.address, "--smtp-user", USER, "--smtp-password-file", folder / "none")
    assert done.returncode == 3 and not server.sessions


# ---- TLS ------------------------------------------------------------------------------------------------------------------

def test_an_expired_certificate(folder, elsewhere):
    files = folder / "old.pem", folder / "old.key"
    request = folder / "old.csr"
    subprocess.run(["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=127.0.0.1", "-keyout", files[1],
                    "-out", request], check=True, capture_output=True)
    subprocess.run(["openssl", "x509", "-req", "-in", request, "-signkey", files[1], "-days", "-1", "-out", files[0]], check=True, capture_output=True)
    with FaultySMTP(certificate=files) as server:
        story = send("--smtp", server.address, "--tls", "verify", "--ca-file", files[0])
        assert story["failure"]["step"] == "tls" and "certificate has expired" in story["failure"]["reason"] and not story["sent"]
        assert send("--smtp", server.address, "--tls", "require", "--ca-file", files[0])["tls"]["verify"] == "certificate has expired"


def test_tls_from_the_first_octet_on_with_a_server_that_has_none():
    with FaultySMTP({"connect": "220 in the clear"}) as server:
        story = send("--smtp", server.address, "--tls", "implicit", "--timeout", "5s")
    assert story["failure"]["step"] == "tls" and not story["sent"]


def test_no_login_in_the_clear_when_tls_breaks(folder, tmp_path):
    """Mail alone would go without TLS then (RFC 7435)."""
    def garbage(session):
        session.request.sendall(b"220 go ahead\r\nthis is no handshake, not at all\r\n")
        raise ConnectionResetError
    with FaultySMTP({"starttls": garbage, "auth": "235 ok"}, certificate=make_certificate(tmp_path, "mx.test"), extensions=("AUTH PLAIN",)) as server:
        story = send("--smtp", server.address, *login(folder, "plain"))
    assert story["failure"]["step"] == "tls" and story["attempts_made"] == 1
    assert not any(line.startswith("AUTH") for session in server.sessions for line in session)


# ---- The local program ----------------------------------------------------------------------------------------------------

def script(folder, text):
    file = folder / "sendmail"
    file.write_text("#!/bin/sh\n" + text)
    file.chmod(0o755)
    return file


def test_postfix_takes_mail_from_its_sendmail_program(postfix, elsewhere):
    story = send("--sendmail", postfix.sendmail())
    assert story["sent"], story["summary"]
    assert [step["name"] for step in story["steps"]] == ["sendmail"]
    while f"Subject: Mailtest {story['token']}".encode() not in elsewhere.next_mail().content:
        continue            # of the tests before; next_mail gives up in the end


def test_sendmail_is_called_as_it_is_everywhere(tmp_path):
    program = script(tmp_path, f'printf "%s\\n" "$@" >{tmp_path}/arguments\ncat >{tmp_path}/mail\n')
    assert send("--sendmail", program)["sent"]
    assert (tmp_path / "arguments").read_text().splitlines() == ["-i", "-f", USER, "--", TO]
    mail = (tmp_path / "mail").read_bytes()
    assert mail.startswith(b"Date: ") and b"\r" not in mail and mail.endswith(b"\n")


@pytest.mark.parametrize("code, words", [(67, "exit code 67, the user is unknown: no such user here"), (1, "exit code 1: no such user here")])
def test_a_refusal_of_sendmail_is_explained(tmp_path, code, words):
    story = send("--retry-gap", "100ms", "--sendmail", script(tmp_path, f"cat >/dev/null; echo no such user here >&2; exit {code}"))
    assert story["verdict"] == "not-sent" and story["attempts_made"] == 1
    assert story["failure"]["step"] == "sendmail" and story["failure"]["reason"] == words


def test_sendmail_that_cannot_now_is_tried_again(tmp_path):
    program = script(tmp_path, f"cat >/dev/null; test -e {tmp_path}/second && exit 0; touch {tmp_path}/second; exit 75")
    story = send("--retry-gap", "100ms", "--sendmail", program)
    assert story["sent"] and story["attempts_made"] == 2
    assert story["attempts"][0]["reason"] == "exit code 75, it cannot take the mail now"


def test_sendmail_that_is_not_there(tmp_path):
    story = send("--sendmail", tmp_path / "none")
    assert story["verdict"] == "not-sent" and "cannot be started: No such file" in story["failure"]["reason"]
