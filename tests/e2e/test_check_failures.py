"""mailtest-check: what fails where, and what it says of it. The customer's server fails at each step in turn."""

import http.server
import json
import os
import re
import signal
import smtplib
import socket
import ssl
import subprocess
import threading
import time

import pytest

from servers.faulty import FaultySMTP, TinyDNS, drop, hang, make_certificate, slow, wait_until
from service import DOMAIN, Service
from test_check_round_trip import check, forward_to


@pytest.fixture(scope="module")
def acme():
    service = Service().start()
    service.add_mailbox("acme")
    yield service
    service.stop()
    service.remove()


def story_of(service, server, *arguments, **options):
    done = check(service, "--smtp", server.address, "--json", *arguments, **options)
    story = json.loads(done.stdout)
    assert story["exit_code"] == done.returncode
    return story


# ---- Refusals and losses at each step ------------------------------------------------------------------------------

@pytest.mark.parametrize("step, reply, words", [
    ("connect", "554 5.7.1 go away", "greeting of"),
    ("mail", "550 5.7.1 sender refused", "MAIL to"),
    ("rcpt", "550 5.1.1 unknown user", "RCPT to"),
    ("data", "554 5.6.0 no data today", "DATA to"),
    ("end", "554 5.6.0 it looks like spam", "end of data to"),
])
def test_a_refusal_names_step_server_and_reply(acme, step, reply, words):
    with FaultySMTP({step: reply}) as server:
        done = check(acme, "--smtp", server.address)
        assert done.returncode == 2
        assert done.stdout.startswith(f"MAILTEST CRITICAL - scenario 2: {words} 127.0.0.1:{server.port} refused: {reply}")
        story = story_of(acme, server)
    failure = story["failure"]
    assert failure["step"] == {"connect": "banner"}.get(step, step) and failure["reply"] == reply and failure["code"] == int(reply[:3])
    assert failure["host"] == "127.0.0.1" and story["total_s"] is None and not story["sent"]
    assert story["attempts_made"] == 1          # a refusal for good is not tried again
    if step != "connect":
        assert server.sessions[-1][-1] == "QUIT"


@pytest.mark.parametrize("step, name", [("connect", "banner"), ("mail", "mail"), ("rcpt", "rcpt"), ("data", "data"), ("starttls", "starttls")])
@pytest.mark.parametrize("fault", [drop, hang])
def test_a_server_that_goes_away_or_is_silent_is_told_with_the_step(acme, tmp_path, step, name, fault):
    certificate = make_certificate(tmp_path, "mx.test") if step == "starttls" else None
    with FaultySMTP({step: fault}, certificate=certificate) as server:
        story = story_of(acme, server, "--retry-gap", "0", "--timeout", "500ms", "--tls", "require" if certificate else "auto")
    assert story["verdict"] == "not-sent" and story["failure"]["step"] == name and story["failure"]["reply"] is None
    assert ("closed" if fault is drop else "no reply") in story["failure"]["reason"]
    assert not story["steps"][-1]["done"]


def test_a_connection_that_is_refused(acme):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))           # bound, but nobody listens
        done = check(acme, "--relay", f"127.0.0.1:{unused.getsockname()[1]}", "--retry-gap", "0")
    assert done.returncode == 2
    assert re.match(r"MAILTEST CRITICAL - scenario 5: connecting to 127\.0\.0\.1:\d+ failed: Connection refused", done.stdout)


def test_a_reply_that_is_none_and_one_without_end(acme):
    with FaultySMTP({"mail": "hello there"}) as server:
        assert story_of(acme, server, "--retry-gap", "0")["failure"]["step"] == "mail"
    with FaultySMTP({"mail": "250-" + "x" * 200000}) as server:
        story = story_of(acme, server, "--retry-gap", "0", "--timeout", "1s")
    assert story["verdict"] == "not-sent" and "endless" in story["failure"]["reason"]


def test_an_old_server_that_knows_no_ehlo(acme):
    with FaultySMTP({"ehlo": "502 5.5.1 what?"}, deliver=forward_to(acme)) as server:
        assert story_of(acme, server)["verdict"] == "arrived"
    assert server.sessions[0][1].startswith("HELO ")


def test_a_server_that_does_not_answer_quit_costs_nothing_but_a_moment(acme):
    with FaultySMTP({"quit": hang}, deliver=forward_to(acme)) as server:
        story = story_of(acme, server)
    assert story["verdict"] == "arrived" and story["exit_code"] == 0 and story["total_s"] < 3


# ---- Trying again ---------------------------------------------------------------------------------------------------

def test_greylisting_is_waited_out_and_reported(acme):
    with FaultySMTP({"rcpt": ["450 4.2.0 greylisted", "451 4.7.1 still greylisted", "250 ok"]}, deliver=forward_to(acme)) as server:
        story = story_of(acme, server, "--retry-gap", "200ms")
    assert story["verdict"] == "arrived" and story["attempts_made"] == 3
    assert [a["reason"] for a in story["attempts"]] == ["450 4.2.0 greylisted", "451 4.7.1 still greylisted", None]
    gaps = [b["at_s"] - (a["at_s"] + a["took_s"]) for a, b in zip(story["attempts"], story["attempts"][1:])]
    assert 0.19 < gaps[0] < gaps[1] and 0.39 < gaps[1]
    assert story["total_s"] > 0.6               # the waiting counts: a customer's mail waits just as long


def test_deferral_until_the_window_ends(acme):
    with FaultySMTP({"mail": "421 4.3.2 too busy"}) as server:
        done = check(acme, "--smtp", server.address, "--window", "2s", "--retry-gap", "300ms")
    assert done.returncode == 2
    assert "deferred: 421 4.3.2 too busy (3 attempts in" in done.stdout


def test_a_server_that_never_greets_is_critical_at_the_end_of_the_window(acme):
    with FaultySMTP({"connect": hang}) as server:
        story = story_of(acme, server, "--window", "2s")
    assert story["exit_code"] == 2 and story["verdict"] == "not-sent" and story["failure"]["step"] == "banner"
    assert story["failure"]["host"] == "127.0.0.1" and story["summary"].startswith("greeting of 127.0.0.1:")


def test_mail_that_was_taken_without_a_reply_is_not_sent_twice_when_it_arrives(acme):
    with FaultySMTP({"end": drop}, deliver=forward_to(acme)) as server:
        story = story_of(acme, server, "--retry-gap", "5s")
    assert story["verdict"] == "arrived" and story["attempts_made"] == 1 and not story["sent"]


def test_mail_that_arrives_before_its_server_has_said_so(acme):
    with FaultySMTP({"end": slow(1.5, "250 2.0.0 taken at last")}, deliver=forward_to(acme)) as server:
        story = story_of(acme, server)
    assert story["verdict"] == "arrived" and story["sent"]
    assert story["total_s"] < 1.2 < story["send_s"] and story["transit_s"] == 0


def test_tls_that_does_not_work_does_not_stop_the_mail(acme, tmp_path):
    def garbage(session):
        session.request.sendall(b"220 go ahead\r\nthis is no handshake, not at all\r\n")
        raise ConnectionResetError
    with FaultySMTP({"starttls": garbage}, certificate=make_certificate(tmp_path, "mx.test"), deliver=forward_to(acme)) as server:
        story = story_of(acme, server)
    assert story["verdict"] == "arrived" and story["tls"] is None and story["attempts_made"] == 2
    assert "STARTTLS" in server.sessions[0] and "STARTTLS" not in server.sessions[1]


# ---- Taken, but not arrived -----------------------------------------------------------------------------------------

def test_mail_that_never_arrives(acme):
    with FaultySMTP() as server:
        done = check(acme, "--smtp", server.address, "--window", "2s")
        assert done.returncode == 2
        assert re.search(r"not arrived within 2\.000 s, though 127\.0\.0\.1:\d+ took the mail after", done.stdout)
        story = story_of(acme, server, "--window", "2s")
    assert story["verdict"] == "not-arrived" and story["sent"] and story["failure"]["step"] == "arrival"
    # What was expected is left for others to see: nothing is deleted.
    assert acme.ctl("token", "show", "acme", story["token"], "--json")["expected"]


def report_of(service, action):
    def bounce(_sender, _recipients, content):
        body = (b"Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\nSubject: returned\r\n\r\n--b\r\n\r\nno\r\n--b\r\n"
                b"Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; x\r\n\r\nFinal-Recipient: rfc822; user@customer.test\r\n"
                b"Action: " + action + b"\r\nStatus: 5.1.1\r\n\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n" + content + b"\r\n--b--\r\n")
        with smtplib.SMTP("127.0.0.1", service.smtp_port, timeout=20) as client:
            client.sendmail("", [f"acme+check@{DOMAIN}"], body)
    return bounce


def test_a_bounce_ends_the_wait(acme):
    with FaultySMTP(deliver=report_of(acme, b"failed")) as server:
        story = story_of(acme, server, "--window", "60s")
    assert story["verdict"] == "bounced" and story["exit_code"] == 2 and "undeliverable: 5.1.1" in story["summary"]
    meaning = story["arrival"]["report"]["meaning"]
    assert meaning is None or meaning[:100] in story["summary"]


def test_a_receiver_that_was_down_itself_tells_nothing_of_the_customer(make_service):
    service = make_service()
    service.add_mailbox("acme")

    def lose(*_):
        os.kill(service.process.pid, signal.SIGSTOP)    # nobody starts them again
        for pid in service.role_pids("smtpd"):
            os.kill(pid, signal.SIGKILL)
    with FaultySMTP(deliver=lose) as server:
        try:
            story = story_of(service, server, "--window", "3s")
        finally:
            os.kill(service.process.pid, signal.SIGCONT)
    assert story["verdict"] == "unknown" and story["exit_code"] == 3 and story["failure"]["step"] == "own"
    assert "the service's own receiver was down or refusing for" in story["summary"]
    assert story["arrival"]["verdict"] == "not-arrived-receiver-down" and story["arrival"]["receiver_down_ms"] > 0


def test_an_automatic_reply_is_no_arrival(acme):
    def reply(_sender, _recipients, content):
        token = re.search(rb"X-Mailtest-Token: (\w+)", content)[1]
        with smtplib.SMTP("127.0.0.1", acme.smtp_port, timeout=20) as client:
            client.sendmail("", [f"acme+check@{DOMAIN}"], b"Auto-Submitted: auto-replied\r\nSubject: away: " + token + b"\r\n\r\nI am away\r\n")
    with FaultySMTP(deliver=reply) as server:
        story = story_of(acme, server, "--window", "3s")
    assert story["verdict"] == "autoreply" and story["exit_code"] == 2 and "automatic reply" in story["summary"]


# ---- Where to send to -----------------------------------------------------------------------------------------------

MX = {("customer.test", "MX"): [(20, "mx2.customer.test"), (10, "mx1.customer.test")],
      ("mx1.customer.test", "A"): ["127.0.0.2"], ("mx2.customer.test", "A"): ["127.0.0.1"]}


def by_mx(service, server, records, *arguments, rcodes=None):
    with TinyDNS(records, rcodes) as dns:
        done = check(service, "--dns", dns.address, "--mx-port", server.port, "--json", "--retry-gap", "0", *arguments)
    return json.loads(done.stdout)


def test_each_mail_server_is_tried_in_its_order(acme):
    with FaultySMTP(deliver=forward_to(acme)) as server:
        story = by_mx(acme, server, MX)
    assert story["verdict"] == "arrived"
    assert [a["server"]["host"] for a in story["attempts"]] == ["mx1.customer.test", "mx2.customer.test"]
    assert story["attempts"][0]["reason"] == "Connection refused"
    assert story["steps"][0]["reply"].startswith("10 mx1.customer.test[127.0.0.2], 20 mx2.customer.test[127.0.0.1]")


def test_a_server_that_defers_sends_on_to_the_next_and_one_that_refuses_does_not(acme):
    both = {**MX, ("mx1.customer.test", "A"): ["127.0.0.1"]}
    with FaultySMTP({"rcpt": ["451 4.3.0 not now", "250 ok"]}, deliver=forward_to(acme)) as server:
        story = by_mx(acme, server, both)
        assert story["verdict"] == "arrived" and story["server"]["host"] == "mx2.customer.test"
    with FaultySMTP({"rcpt": "550 5.1.1 never"}) as server:
        story = by_mx(acme, server, both)
        assert story["attempts_made"] == 1 and story["failure"]["host"] == "mx1.customer.test"


def test_a_domain_without_mx_is_its_own_server(acme):
    with FaultySMTP(deliver=forward_to(acme)) as server:
        story = by_mx(acme, server, {("customer.test", "A"): ["127.0.0.1"]})
    assert story["verdict"] == "arrived" and story["server"]["host"] == "customer.test"


@pytest.mark.parametrize("records, rcodes, words", [
    ({("customer.test", "MX"): [(0, "")]}, None, "null MX (RFC 7505)"),
    ({}, None, "there is no such domain"),
    ({("customer.test", "MX"): [(10, "mx1.customer.test")]}, None, "none of its mail servers has an address"),
    ({("customer.test", "AAAA"): []}, None, "there is no such host, or it has no address"),
    ({("customer.test", "MX"): [(10, "bad/name")]}, None, "no valid host"),
    (MX, {"customer.test": 2}, "general failure"),
], ids=["null-mx", "no-domain", "no-address", "nothing", "bad-name", "servfail"])
def test_a_domain_that_takes_no_mail_fails_at_the_look_up(acme, records, rcodes, words):
    with FaultySMTP() as server:
        story = by_mx(acme, server, records, rcodes=rcodes)
    assert story["exit_code"] == 2 and story["verdict"] == "not-sent"
    assert story["failure"]["step"] == "lookup" and words in story["failure"]["reason"]


def test_a_resolver_that_is_down_is_our_own_trouble(acme):
    done = check(acme, "--dns", "127.0.0.1:1")
    assert done.returncode == 3 and "no name server can be reached" in done.stdout


# ---- Our own trouble ------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("arguments, env, words", [
    (("--api", "http://127.0.0.1:1"), {}, "minting a token: "),
    (("--mailbox", "nobody"), {}, "HTTP 404"),
    ((), {"MAILTEST_API_KEY": "mtk_9_wrong"}, "HTTP 401"),
    ((), {"MAILTEST_API_KEY": ""}, "what is given as the API key is none"),
    (("--api-key-file", "/nowhere/key"), {}, "the file with the API key, /nowhere/key: No such file"),
    (("--to", "not an address"), {}, '--to "not an address"'),
    (("--window", "never"), {}, "--window"),
    (("--nonsense",), {}, "no option --nonsense"),
    (("--tls", "verify", "--ca-file", "/etc/hostname"), {}, "--ca-file /etc/hostname holds no certificates in PEM"),
    (("-6",), {}, "127.0.0.1 is an IPv4 address"),
])
def test_own_trouble_is_unknown(acme, arguments, env, words):
    with FaultySMTP() as server:
        done = check(acme, "--smtp", server.address, *arguments, env=env)
    assert done.returncode == 3 and done.stdout.startswith("MAILTEST UNKNOWN - ") and words in done.stdout
    assert done.stdout.count("\n") == 1 and server.contents == []


def test_what_is_not_a_mailtest_service(acme):
    with FaultySMTP() as server:                # speaks SMTP, not HTTP
        done = check(acme, "--smtp", server.address, "--api", f"http://{server.address}", "--timeout", "2s")
    assert done.returncode == 3 and "minting a token" in done.stdout and "is this the address of a Mailtest?" in done.stdout


class _Refuse(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.send_error(401)

    def log_message(self, *_):
        pass


def test_the_certificate_of_the_api_is_checked_unless_told_otherwise(acme, tmp_path):
    certificate, key = make_certificate(tmp_path, "localhost")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Refuse) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        api = ["--api", f"https://localhost:{server.server_port}"]
        assert "certificate" in check(acme, *api).stdout
        for arguments in (["--ca-file", certificate], ["--insecure"]):
            done = check(acme, *api, *arguments)
            assert done.returncode == 3 and "HTTP 401" in done.stdout      # it came as far as that
        server.shutdown()


def test_a_service_that_goes_away_while_it_is_asked(make_service):
    service = make_service()
    service.add_mailbox("acme")
    key = service.key

    def stop_service(*_):
        if service.process is not None:
            service.stop()

    with FaultySMTP(deliver=stop_service) as server:
        done = check(service, "--smtp", server.address, "--window", "3s", env={"MAILTEST_API_KEY": key})
    assert done.returncode == 3 and "could not be asked whether the mail arrived" in done.stdout


def test_a_service_that_restarts_meanwhile_costs_no_alarm(make_service):
    service = make_service()
    service.add_mailbox("acme")
    key = service.key

    def restart_and_forward(*mail):
        service.stop()
        service.start()
        forward_to(service)(*mail)

    with FaultySMTP(deliver=restart_and_forward) as server:
        done = check(service, "--smtp", server.address, "--window", "60s", "--json", env={"MAILTEST_API_KEY": key})
    assert json.loads(done.stdout)["verdict"] == "arrived"


@pytest.mark.parametrize("number, word", [(signal.SIGINT, "interrupted"), (signal.SIGTERM, "terminated")])
def test_a_signal_ends_it_without_deleting_anything(acme, number, word):
    with FaultySMTP() as server:
        process = subprocess.Popen([acme.build / "mailtest-check", "once", "--api", acme.url, "--mailbox", "acme", "--to", "user@customer.test",
                                    "--smtp", server.address, "--json"], stdout=subprocess.PIPE, text=True,
                                   env={**os.environ, "MAILTEST_API_KEY": acme.key})
        wait_until(lambda: server.sessions and server.sessions[0][-1:] == ["QUIT"], "the mail was sent")
        process.send_signal(number)
        out, _ = process.communicate(timeout=20)
    story = json.loads(out)
    assert process.returncode == story["exit_code"] == 3 and story["summary"].startswith(word)
    assert acme.ctl("token", "show", "acme", story["token"], "--json")["registered"]


@pytest.mark.parametrize("fault, step, words, reason", [
    ({"rcpt": "450 4.2.0 greylisted"}, "rcpt", "waiting to try again: RCPT to", "450 4.2.0 greylisted"),
    ({"connect": hang}, "banner", "sending: greeting of", "no answer yet"),
    (None, "connect", "waiting to try again: connecting to", "Connection refused"),
], ids=["deferred", "no-greeting", "refused-connection"])
def test_a_signal_before_the_mail_was_taken_tells_what_failed_last(acme, fault, step, words, reason):
    with FaultySMTP(fault or {}) as server, socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))           # bound, but nobody listens
        address = server.address if fault else f"127.0.0.1:{unused.getsockname()[1]}"
        process = subprocess.Popen([acme.build / "mailtest-check", "once", "--api", acme.url, "--mailbox", "acme", "--to", "user@customer.test",
                                    "--smtp", address, "--json", "--retry-gap", "60s"], stdout=subprocess.PIPE, text=True,
                                   env={**os.environ, "MAILTEST_API_KEY": acme.key})
        # The first gap is long: the signal is taken on the loop, after what led there.
        time.sleep(1)
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=20)
    story = json.loads(out)
    assert process.returncode == 3 and story["verdict"] == "unknown" and story["summary"].startswith(f"terminated while {words} ")
    assert reason in story["summary"] and "nothing was deleted" in story["summary"]
    assert story["failure"]["step"] == step and story["failure"]["host"] == "127.0.0.1" and story["failure"]["reason"] == reason
    assert story["failure"]["code"] == (450 if step == "rcpt" else None)


def test_a_certificate_that_is_not_valid_is_not_tried_again(acme, tmp_path):
    with FaultySMTP(certificate=make_certificate(tmp_path, "mx.test")) as server:
        story = story_of(acme, server, "--tls", "verify")
    assert story["exit_code"] == 2 and story["attempts_made"] == 1
    assert story["failure"]["step"] == "tls" and "certificate" in story["failure"]["reason"]


def test_demanded_tls_that_is_not_offered_is_not_tried_again(acme):
    with FaultySMTP() as server:
        story = story_of(acme, server, "--tls", "require")
    assert story["exit_code"] == 2 and story["attempts_made"] == 1 and "does not offer STARTTLS" in story["failure"]["reason"]


def test_secrets_are_not_shown(acme):
    with FaultySMTP(deliver=forward_to(acme)) as server:
        for arguments in (["-v"], ["--json"]):
            done = check(acme, "--smtp", server.address, *arguments)
            assert acme.key not in done.stdout + done.stderr
