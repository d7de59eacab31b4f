"""mailtest-check smtp: a server's dialogue without a mail. Which step fails, what the certificate is worth, and what every MX host says."""

import base64
import json
import os
import re
import socket
import subprocess

import pytest

from dns_server import DnsServer
from servers import Postfix
from servers.faulty import FaultySMTP, TinyDNS, drop, hang, make_certificate
from service import BUILD


def look(*arguments):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAILTEST_API")}
    return subprocess.run([BUILD / "mailtest-check", "smtp", *map(str, arguments)], capture_output=True, text=True, timeout=60, env=environment, check=False)


def found(*arguments):
    """What it found, as JSON, with the exit code."""
    done = look("--json", *arguments)
    document = json.loads(done.stdout)
    assert {"OK": 0, "WARNING": 1, "CRITICAL": 2, "UNKNOWN": 3}[document["state"]] == done.returncode
    return document


def made_certificate(folder, name="127.0.0.1", days=100, alternative="IP:127.0.0.1"):
    files, request = (folder / "mx.pem", folder / "mx.key"), folder / "mx.csr"
    subprocess.run(["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", f"/CN={name}", "-keyout", files[1],
                    "-out", request], check=True, capture_output=True)
    (folder / "names").write_text(f"subjectAltName={alternative}\n")
    subprocess.run(["openssl", "x509", "-req", "-in", request, "-signkey", files[1], "-days", str(days), "-extfile", folder / "names", "-out", files[0]],
                   check=True, capture_output=True)
    return files


# ---- The dialogue -------------------------------------------------------------------------------------------------------

def test_each_step_is_told_with_its_reply_and_time():
    with FaultySMTP() as server:
        document = found("--server", server.address)
        line = look("--server", server.address).stdout
    assert [step["name"] for step in document["steps"]] == ["connect", "banner", "ehlo", "quit"]
    assert all(step["done"] and step["took_s"] >= 0 for step in document["steps"])
    assert document["steps"][1]["reply"] == "220 faulty.test ESMTP" and document["steps"][1]["code"] == 220
    assert re.match(rf"SMTP OK - 127\.0\.0\.1:{server.port} answered in [\d.]+ ms \| 'total'=0\.\d+s;;;0 'lookup'=", line)
    assert " 'banner'=0." in line and " 'quit'=0." in line
    assert [words.split(" ")[0] for words in server.sessions[0]] == ["EHLO", "QUIT"]


def test_postfix_with_tls_in_both_ways(tmp_path):
    certificate, key = made_certificate(tmp_path)
    with Postfix("customer.test", certificate=certificate, key=key, forwards={"user": "x@y.test"}) as postfix:
        for port, mode in ((postfix.port, "verify"), (postfix.smtps_port, "implicit-verify")):
            document = found("--server", f"127.0.0.1:{port}", "--tls", mode, "--ca-file", certificate, "--rcpt", "user@customer.test")
            assert document["state"] == "OK", document["reason"]
            assert document["tls"]["verify"] == "ok" and document["certificate"]["names"] == "127.0.0.1"
            assert [step["name"] for step in document["steps"]].count("rcpt") == 1
        refused = found("--server", f"127.0.0.1:{postfix.port}", "--rcpt", "nobody@customer.test")
    assert refused["state"] == "CRITICAL" and refused["hosts"][0]["step"] == "rcpt" and refused["hosts"][0]["code"] == 550
    assert refused["reason"].startswith(f"RCPT to 127.0.0.1:{postfix.port} refused: 550 5.1.1")


@pytest.mark.parametrize("replies, step, words", [
    ({"connect": "554 5.7.1 go away"}, "banner", "greeting of {} refused: 554 5.7.1 go away"),
    ({"connect": "421 4.3.2 too busy"}, "banner", "greeting of {} deferred: 421 4.3.2 too busy"),
    ({"connect": "hello"}, "banner", "greeting of {} failed: "),
    ({"connect": drop}, "banner", "greeting of {} failed: the server closed the connection"),
    ({"connect": hang}, "banner", "greeting of {} failed: no reply within 500 ms"),
    ({"ehlo": "550 no", "helo": "550 no"}, "ehlo", "EHLO to {} refused: 550 no"),
])
def test_the_step_that_fails_is_named(replies, step, words):
    with FaultySMTP(replies) as server:
        document = found("--server", server.address, "--timeout", "500ms")
    assert document["state"] == "CRITICAL" and document["hosts"][0]["step"] == step
    assert document["reason"].startswith(words.format(server.address))


def test_a_connection_that_is_refused():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))           # bound, but nobody listens
        address = f"127.0.0.1:{unused.getsockname()[1]}"
        assert look("--server", address).stdout.startswith(f"SMTP CRITICAL - connecting to {address} failed: Connection refused |")


def test_a_connection_that_nobody_takes():
    """Where the queue of connections is full, the kernel answers nothing."""
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for client in waiting:
            client.setblocking(False)
            client.connect_ex(busy.getsockname())
        document = found("--server", f"127.0.0.1:{busy.getsockname()[1]}", "--timeout", "1s")
        for client in waiting:
            client.close()
    assert document["state"] == "CRITICAL" and document["hosts"][0]["step"] == "connect" and document["reason"].endswith("no connection within 1 s")


@pytest.mark.parametrize("mode, replies, words", [
    ("implicit", {"connect": hang}, "no end of the TLS handshake within 500 ms"),
    ("implicit", {"connect": drop}, ""),
])
def test_tls_from_the_first_octet_on_that_does_not_come(mode, replies, words):
    with FaultySMTP(replies) as server:
        document = found("--server", server.address, "--tls", mode, "--timeout", "500ms")
    assert document["hosts"][0]["step"] == "tls" and words in document["reason"]


def test_starttls_that_is_demanded_and_not_offered():
    with FaultySMTP() as server:
        document = found("--server", server.address, "--tls", "require")
    assert document["hosts"][0]["step"] == "starttls"
    assert document["reason"] == f"STARTTLS with {server.address} failed: the server does not offer STARTTLS"


def test_the_recipient_is_asked_for_and_no_mail_sent():
    with FaultySMTP() as server:
        assert found("--server", server.address, "--rcpt", "user@b.test", "--from", "me@a.test")["state"] == "OK"
    assert server.sessions[0][1:] == ["MAIL FROM:<me@a.test>", "RCPT TO:<user@b.test>", "RSET", "QUIT"] and not server.contents


def test_greylisting_is_no_failure():
    with FaultySMTP({"rcpt": "450 4.2.0 greylisted"}) as server:
        document = found("--server", server.address, "--rcpt", "user@b.test")
    assert document["state"] == "OK" and document["deferred"] and "RCPT deferred: 450 4.2.0 greylisted" in document["reason"]
    with FaultySMTP({"rcpt": "421 4.3.0 going down"}) as server:
        assert found("--server", server.address, "--rcpt", "user@b.test")["state"] == "CRITICAL"


def test_thresholds_are_on_the_whole_time():
    with FaultySMTP({"connect": lambda session: session.server.owner.ended.wait(0.3) or "220 slow"}) as server:
        assert found("--server", server.address, "--warning", "0.2")["state"] == "WARNING"
        done = look("--server", server.address, "--warning", "0.1", "--critical", "0.2")
    assert done.returncode == 2 and re.match(rf"SMTP CRITICAL - {server.address} took [\d.]+ ms \| 'total'=0\.\d+s;0\.1;0\.2;0", done.stdout)


# ---- The login ------------------------------------------------------------------------------------------------------------

def test_a_login_is_tried_without_a_mail(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("hush-hush\n")
    right = base64.b64encode(b"\0acme\0hush-hush").decode()

    def auth(session):
        line = session.server.owner.sessions[session.number][-1]
        return "235 2.7.0 welcome" if line == f"AUTH PLAIN {right}" else "535 5.7.8 no"
    with FaultySMTP({"auth": auth}, extensions=("AUTH=LOGIN", "AUTH PLAIN")) as server:
        document = found("--server", server.address, "--user", "acme", "--password-file", secret)
        assert document["state"] == "OK" and document["auth"] == "PLAIN"
        secret.write_text("wrong\n")
        document = found("--server", server.address, "--user", "acme", "--password-file", secret)
    assert document["state"] == "CRITICAL" and document["hosts"][0]["step"] == "auth" and document["hosts"][0]["code"] == 535
    assert document["reason"].endswith("refused: 535 5.7.8 no (PLAIN as acme: user or password is wrong)")


# ---- The certificate --------------------------------------------------------------------------------------------------------

def test_what_the_certificate_says(tmp_path):
    files = made_certificate(tmp_path, "mx.test", alternative="DNS:mx.test,DNS:*.mx.test,IP:192.0.2.1")
    with FaultySMTP(certificate=files) as server:
        document = found("--server", server.address)
    certificate = document["certificate"]
    assert certificate["subject"] == "mx.test" and certificate["issuer"] == "mx.test" and certificate["names"] == "mx.test *.mx.test 192.0.2.1"
    assert certificate["days_left"] in (99, 100) and not certificate["names_host"] and certificate["until"].endswith("Z")
    assert document["state"] == "OK"                # nobody demanded that it be valid


def test_a_certificate_that_expires_soon_is_a_warning(tmp_path):
    files = made_certificate(tmp_path, days=10)
    with FaultySMTP(certificate=files) as server:
        arguments = "--server", server.address, "--tls", "verify", "--ca-file", files[0]
        done = look(*arguments)
        assert done.returncode == 1 and re.search(r"the certificate of \S+ expires in (9|10) days, on \d{4}-\d\d-\d\d \|.* 'certificate_days'=(9|10)$", done.stdout.strip())
        assert look(*arguments, "--certificate-days", "5").returncode == 0


def test_a_certificate_that_has_expired(tmp_path):
    files = made_certificate(tmp_path, days=-1)
    with FaultySMTP(certificate=files) as server:
        reported = found("--server", server.address, "--certificate-days", "0")
        verified = found("--server", server.address, "--tls", "verify", "--ca-file", files[0])
    assert reported["state"] == "WARNING" and re.search(r"the certificate of \S+ expired on \d{4}-\d\d-\d\d$", reported["reason"])
    assert verified["state"] == "CRITICAL" and verified["hosts"][0]["step"] == "tls" and "certificate has expired" in verified["reason"]
    assert verified["certificate"]["days_left"] < 0         # it is told although the connection failed


def test_a_certificate_for_another_name(tmp_path):
    files = make_certificate(tmp_path, "mx.test")
    with FaultySMTP(certificate=files) as server:
        document = found("--server", server.address, "--tls", "verify", "--ca-file", files[0])
    assert document["state"] == "CRITICAL" and document["hosts"][0]["step"] == "tls" and not document["certificate"]["names_host"]


def test_a_certificate_from_nobody_who_is_known(tmp_path):
    files = made_certificate(tmp_path)
    with FaultySMTP(certificate=files) as server:
        document = found("--server", server.address, "--tls", "verify")         # by the system's authorities
        assert found("--server", server.address)["tls"]["verify"] == "self-signed certificate"
    assert document["hosts"][0]["step"] == "tls" and "self-signed certificate" in document["reason"] and document["certificate"]["names_host"]


# ---- By MX ------------------------------------------------------------------------------------------------------------------

@pytest.fixture
def mx():
    """Two MX hosts on one port: addresses of loopback."""
    with FaultySMTP(host="127.0.0.2") as first, FaultySMTP(host="127.0.0.3", port=first.port) as second:
        yield first, second


RECORDS = {("customer.test", "MX"): [(10, "mx1.customer.test"), (20, "mx2.customer.test")], ("mx1.customer.test", "A"): ["127.0.0.2"],
           ("mx2.customer.test", "A"): ["127.0.0.3"]}


def test_every_mx_host_is_looked_at(mx):
    with TinyDNS(RECORDS) as dns:
        document = found("--domain", "customer.test", "--dns", dns.address, "--mx-port", mx[0].port)
    assert document["state"] == "OK" and [host["host"] for host in document["hosts"]] == ["mx1.customer.test", "mx2.customer.test"]
    assert len(mx[0].sessions) == len(mx[1].sessions) == 1


def test_the_worst_mx_host_counts(mx):
    mx[1].replies["connect"] = "554 5.3.2 closed"
    with TinyDNS(RECORDS) as dns:
        document = found("--domain", "customer.test", "--dns", dns.address, "--mx-port", mx[0].port)
    assert document["state"] == "CRITICAL" and document["host"] == "mx2.customer.test"
    assert document["reason"] == f"greeting of mx2.customer.test[127.0.0.3]:{mx[0].port} refused: 554 5.3.2 closed"
    assert [host["state"] for host in document["hosts"]] == ["OK", "CRITICAL"]


def test_a_host_answers_when_one_of_its_addresses_does(mx):
    records = {("mx.customer.test", "A"): ["127.0.0.4", "127.0.0.2"]}
    with TinyDNS(records) as dns:
        document = found("--server", f"mx.customer.test:{mx[0].port}", "--dns", dns.address)
    assert document["state"] == "OK" and document["address"] == "127.0.0.2"
    assert len(document["hosts"]) in (1, 2)             # addresses of one name have no order


def test_names_that_do_not_resolve():
    with TinyDNS({}) as dns:
        done = look("--server", "mx.customer.test:25", "--dns", dns.address)
        assert done.returncode == 2 and done.stdout.startswith("SMTP CRITICAL - lookup failed: ")
        assert found("--domain", "customer.test", "--dns", dns.address)["state"] == "CRITICAL"


@pytest.mark.parametrize("silent, state, words", [
    (True, "UNKNOWN", "no name server can be reached: customer.test: MX look-up: Timeout"),
    ({"customer.test"}, "CRITICAL", "lookup failed: customer.test: MX look-up: Timeout"),
], ids=["our-own", "the-zone"])
def test_whose_name_servers_are_silent_is_found_out(silent, state, words):
    with DnsServer({}, silent=silent) as dns:
        document = found("--domain", "customer.test", "--dns", dns.address)
    assert document["state"] == state and document["reason"].startswith(words)


def test_what_cannot_be_read_is_unknown():
    for arguments in ((), ("--server", "a b"), ("--domain", "a b"), ("--server", "mx.test", "--mx-port", "x"), ("--server", "mx.test", "--certificate-days", "x"),
                      ("--server", "mx.test", "--user", "me"), ("--server", "mx.test", "--tls", "perhaps")):
        assert look(*arguments).returncode == 3


def test_a_check_of_the_file(tmp_path):
    with FaultySMTP({"rcpt": ["450 4.2.0 greylisted", "550 5.1.1 unknown"]}) as server:
        file = tmp_path / "checks.yaml"
        file.write_text(f"servers: [{{name: relay, host: 127.0.0.1, port: {server.port}}}]\n"
                        "checks:\n  - {name: relay/smtp, kind: smtp, server: relay, rcpt: true, to: user@b.test}\n")
        outcomes = []
        for _ in range(2):
            done = subprocess.run([BUILD / "mailtest-check", "check", "-c", file, "--json", "relay/smtp"], capture_output=True, text=True, timeout=60, check=False)
            outcomes.append(json.loads(done.stdout))
    first, second = outcomes
    assert (first["state"], first["verdict"], first["deferred"], first["cause"], first["code"]) == ("OK", "ok", True, None, 450)
    assert (second["state"], second["verdict"], second["step"], second["code"]) == ("CRITICAL", "failed", "rcpt", 550)
    assert second["cause"] == f"server 127.0.0.1:{server.port} rcpt" and second["reply"] == "550 5.1.1 unknown"
    assert set(second["times"]) == {"lookup", "connect", "banner", "ehlo", "mail", "rcpt", "quit", "total"}
