"""mailtest-check: round trips that succeed, through real mail servers and through one that forwards at once."""

import json
import os
import re
import smtplib
import stat

import pytest

from servers.base import free_port
from servers.faulty import FaultySMTP, TinyDNS, make_certificate
from service import DOMAIN

PERFORMANCE = re.compile(r"'(\w+)'=(\d+\.\d+)s;([^;]*);([^;]*);0(;\d+)?(?: |$)")


def check(service, *arguments, env=None, **options):
    environment = {**os.environ, "MAILTEST_API_KEY": service.key, **(env or {})}
    return service.run("mailtest-check", "once", "--api", service.url, "--mailbox", "acme", "--to", "user@customer.test", *arguments,
                       env=environment, **options)


def forward_to(service):
    """What a customer's forwarding rule does, without a queue."""
    def forward(_sender, _recipients, content):
        with smtplib.SMTP("127.0.0.1", service.smtp_port, timeout=20) as client:
            client.sendmail("srs0=x=y@customer.test", [f"acme@{DOMAIN}"], b"Received: by mx.customer.test; Sat, 21 Nov 2026 03:30:00 +0000\r\n" + content)
    return forward


@pytest.fixture
def forwarder(acme):
    with FaultySMTP(deliver=forward_to(acme)) as server:
        yield server


def numbers(line: str) -> dict:
    return {name: float(value) for name, value, *_ in PERFORMANCE.findall(line.partition(" | ")[2])}


@pytest.mark.parametrize("via, scenario", [("--smtp", 2), ("--relay", 5)])
def test_through_a_real_mail_server(service, customer, via, scenario):
    done = check(service, via, f"{customer.host}:{customer.port}", "--json", "--window", "40s")
    story = json.loads(done.stdout)
    assert done.returncode == story["exit_code"] == 0, done.stdout
    assert story["scenario"] == scenario and story["verdict"] == "arrived" and story["failure"] is None
    names = [step["name"] for step in story["steps"]]
    assert [n for n in names if n not in ("starttls", "tls")][:4] == ["lookup", "connect", "banner", "ehlo"]
    assert names[-5:] == ["mail", "rcpt", "data", "end", "quit"]
    assert all(step["done"] and step["took_s"] >= 0 for step in story["steps"])
    assert {"subject", "message-id", "x-mailtest-token", "text"} <= set(story["arrival"]["found_in"])
    assert any("customer.test" in (hop["by"] or "") for hop in story["hops"])
    assert 0 < story["send_s"] <= story["total_s"] + story["send_s"] < 40
    # Deleted after success, with its message.
    assert story["deleted"]
    assert service.ctl("message", "list", "acme", "--json")["messages"] == []


def test_line_and_figures_of_a_plugin(acme, forwarder):
    done = check(acme, "--smtp", forwarder.address)
    assert done.returncode == 0 and done.stderr == "" and done.stdout.count("\n") == 1
    assert re.match(rf"MAILTEST OK - scenario 2: arrived after \d+\.\d{{3}} s, via 127.0.0.1:{forwarder.port} \| 'total'=", done.stdout)
    assert " 'total'=" in done.stdout and ";95;300;0;600 " in done.stdout
    figures = numbers(done.stdout.strip())
    assert {"total", "send", "transit", "lookup", "smtp_connect", "smtp_banner", "smtp_ehlo", "smtp_mail", "smtp_rcpt", "smtp_data",
            "smtp_end", "smtp_quit"} == set(figures)


def test_the_mail_is_a_proper_one(acme, forwarder):
    check(acme, "--smtp", forwarder.address, "--from", "probe@provider.test", "--helo", "checker.provider.test")
    commands = forwarder.sessions[0]
    assert commands[:3] == ["EHLO checker.provider.test", "MAIL FROM:<probe@provider.test>", "RCPT TO:<user@customer.test>"]
    header = forwarder.contents[0].split(b"\r\n\r\n")[0].decode()
    token = re.search(r"^X-Mailtest-Token: (mt1\w{40})\r?$", header, re.M)[1]
    assert f"Message-ID: <{token}@provider.test>" in header and "Auto-Submitted: auto-generated" in header
    assert re.search(r"^Date: \w{3}, \d\d \w{3} \d{4} [\d:]{8} \+0000\r?$", header, re.M)
    check(acme, "--smtp", forwarder.address, "--no-auto-submitted")
    assert b"Auto-Submitted" not in forwarder.contents[1]
    # Without --from, bounces go where their token is looked for.
    assert forwarder.sessions[1][1] == f"MAIL FROM:<acme+check@{DOMAIN}>"


def test_keep_leaves_the_message(acme, forwarder):
    story = json.loads(check(acme, "--smtp", forwarder.address, "--keep", "--json").stdout)
    assert not story["deleted"]
    assert len(acme.ctl("message", "list", "acme", "--json")["messages"]) == 1


def test_thresholds_decide_the_state(acme, forwarder):
    late = check(acme, "--smtp", forwarder.address, "-w", "0.0001")
    assert late.returncode == 1 and late.stdout.startswith("MAILTEST WARNING - scenario 2: arrived after ")
    worse = check(acme, "--smtp", forwarder.address, "-w", "0.0001", "-c", "@0:1000")
    assert worse.returncode == 2 and worse.stdout.startswith("MAILTEST CRITICAL") and "(critical: @0:1000)" in worse.stdout


def test_timeline_for_people(acme, forwarder):
    text = check(acme, "--smtp", forwarder.address, "-v").stdout
    for word in ("mint", "lookup", "connect", "banner", "ehlo", "mail", "rcpt", "data", "end", "quit", "arrived"):
        assert re.search(rf"^ +\d+\.\d{{3}}  {word} ", text, re.M), word
    times = [float(t) for t in re.findall(r"^ +(\d+\.\d{3})  ", text, re.M)]
    assert times == sorted(times)
    assert "Hops, oldest first" in text and f"mx.{DOMAIN}" in text and "Deleted: 1 message." in text


@pytest.mark.parametrize("where", ["file", "environment"])
def test_the_key_comes_from_a_file_or_the_environment(acme, forwarder, tmp_path, where):
    file = tmp_path / "key"
    file.write_text(acme.key + "\n")
    arguments = ["--api-key-file", file] if where == "file" else []
    env = {"MAILTEST_API_KEY": acme.key if where == "environment" else "", "MAILTEST_API": acme.url}
    done = acme.run("mailtest-check", "once", "--mailbox", "acme", "--to", "user@customer.test", "--smtp", forwarder.address, *arguments,
                    env={**os.environ, **env})
    assert done.returncode == 0, done.stdout


def test_api_over_a_unix_socket(make_service):
    path = f"/tmp/mailtest-api-{os.getpid()}.sock"
    port = free_port()
    try:
        service = make_service(listen={"http": [f"127.0.0.1:{port}", f"unix:{path}"]}, ports={"http": port})
        service.add_mailbox("acme")
        assert stat.S_ISSOCK(os.stat(path).st_mode)
        with FaultySMTP(deliver=forward_to(service)) as server:
            done = check(service, "--smtp", server.address, "--api", f"unix:{path}")
            assert done.returncode == 0, done.stdout
    finally:
        if os.path.exists(path):
            os.unlink(path)


# ---- TLS towards the customer --------------------------------------------------------------------------------------

@pytest.fixture
def tls_forwarder(acme, tmp_path):
    certificate = make_certificate(tmp_path, "mx1.customer.test")
    records = {("customer.test", "MX"): [(10, "mx1.customer.test")], ("mx1.customer.test", "A"): ["127.0.0.1"]}
    with FaultySMTP(deliver=forward_to(acme), certificate=certificate) as server, TinyDNS(records) as dns:
        server.certificate = certificate[0]
        server.route = ["--dns", dns.address, "--mx-port", server.port]
        yield server


def test_starttls_is_used_when_offered_and_its_certificate_reported(acme, tls_forwarder):
    story = json.loads(check(acme, *tls_forwarder.route, "--json").stdout)
    assert story["verdict"] == "arrived"
    assert story["tls"]["version"] == "TLSv1.3" and story["tls"]["verify"] == "self-signed certificate"
    assert [s["name"] for s in story["steps"]].count("ehlo") == 2
    assert {"starttls", "tls"} <= {s["name"] for s in story["steps"]}
    assert tls_forwarder.sessions[0][:3] == [tls_forwarder.sessions[0][0], "STARTTLS", tls_forwarder.sessions[0][0]]


def test_a_valid_certificate_is_reported_as_valid(acme, tls_forwarder):
    story = json.loads(check(acme, *tls_forwarder.route, "--tls", "verify", "--ca-file", tls_forwarder.certificate, "--json").stdout)
    assert story["verdict"] == "arrived" and story["tls"]["verify"] == "ok"
    auto = json.loads(check(acme, *tls_forwarder.route, "--ca-file", tls_forwarder.certificate, "--json").stdout)
    assert auto["tls"]["verify"] == "ok"


def test_tls_none_sends_in_the_clear(acme, tls_forwarder):
    story = json.loads(check(acme, *tls_forwarder.route, "--tls", "none", "--json").stdout)
    assert story["verdict"] == "arrived" and story["tls"] is None
    assert "STARTTLS" not in tls_forwarder.sessions[0]


def test_an_invalid_certificate_stops_only_who_demands_a_valid_one(acme, tls_forwarder):
    done = check(acme, *tls_forwarder.route, "--tls", "verify", "--retry-gap", "0")
    assert done.returncode == 2
    assert "TLS handshake with mx1.customer.test[127.0.0.1]" in done.stdout and "certificate" in done.stdout
    # Valid, but for another name than the one that was asked for.
    named = check(acme, "--smtp", tls_forwarder.address, "--tls", "verify", "--ca-file", tls_forwarder.certificate, "--retry-gap", "0")
    assert named.returncode == 2 and "TLS handshake" in named.stdout
