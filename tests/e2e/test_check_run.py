"""mailtest-check run: checks on a schedule, their results in the service, as lines and as metrics; restart, reload, and what goes wrong."""

import json
import os
import signal
import smtplib
import socket
import subprocess

import pytest

from check_daemon import CheckDaemon
from servers.base import free_port
from servers.faulty import FaultySMTP, TinyDNS
from service import BUILD, DOMAIN

TO = "user@customer.test"


def forward_to(service, head=b""):
    """What a customer's forwarding rule does, without a queue."""
    def forward(_sender, _recipients, content):
        with smtplib.SMTP("127.0.0.1", service.smtp_port, timeout=20) as client:
            client.sendmail("srs0=x=y@customer.test", [f"acme@{DOMAIN}"], b"Received: by mx.customer.test; Sat, 21 Nov 2026 03:30:00 +0000\r\n" + head + content)
    return forward


def server(name, faulty, **more):
    return {"name": name, "host": faulty.host, "port": faulty.port, **more}


def round_trip(name, through, **more):
    return {"name": name, "mailbox": "acme", "to": TO, "server": through, "interval": "1s", "confirm_gap": "1s", **more}


@pytest.fixture
def make_daemon(tmp_path):
    made = []

    def make(service=None, **settings):
        folder = tmp_path / str(len(made))
        folder.mkdir()
        made.append(CheckDaemon(folder, service, **settings))
        return made[-1]

    make.made = made
    yield make
    for daemon in made:
        daemon.end()


@pytest.fixture
def forwarder(acme):
    with FaultySMTP(deliver=forward_to(acme)) as faulty:
        yield faulty


def stored(service, check):
    """What the service has of a check, newest first."""
    answer = service.http("GET", f"/v1/checks/{check.replace('/', '%2F')}/results", key=service.key)
    return answer.json()["results"] if answer.status == 200 else []


def test_results_reach_the_service_the_lines_and_the_metrics(acme, forwarder, make_daemon):
    dead = free_port()
    daemon = make_daemon(acme, servers=[server("customer", forwarder), {"name": "dead", "host": "127.0.0.1", "port": dead}],
                         checks=[round_trip("acme/in", "customer", scenario=2), round_trip("acme/dead", "dead", window="2s", retry_gap="0"),
                                 {"name": "acme/smtp", "kind": "smtp", "server": "customer", "interval": "1s"}]).start()
    good, bad, probe = daemon.wait_for_result("acme/in"), daemon.wait_for_result("acme/dead"), daemon.wait_for_result("acme/smtp")
    assert good["state"] == "OK" and good["verdict"] == "arrived" and good["scenario"] == 2 and good["mailbox"] == "acme" and len(good["id"]) == 32
    assert {"connect", "banner", "ehlo", "mail", "rcpt", "data", "end", "transit", "total"} <= set(good["times"])
    assert good["document"]["server"]["port"] == forwarder.port
    assert bad["state"] == "CRITICAL" and bad["step"] == "connect" and bad["cause"] == f"server 127.0.0.1:{dead} connect"
    assert probe["kind"] == "smtp" and probe["state"] == "OK"
    told = acme.wait_for(lambda: [s for s in stored(acme, "acme/in") if s["started_at"] == good["started_at"]], "the service has the result")[0]
    assert told["state"] == "OK" and told["verdict"] == "arrived"
    text = daemon.http("/metrics")[1]
    assert 'mailtest_check_step_seconds_bucket{kind="round-trip",step="connect",le="+Inf"} ' in text
    assert daemon.metric('runs_total{kind="round-trip",state="OK",verdict="arrived"}') >= 1
    assert daemon.metric('state{check="acme/dead"}') == 2 and daemon.metric('last_success_timestamp_seconds{check="acme/in"}') > 1.7e9
    assert 'last_success_timestamp_seconds{check="acme/dead"}' not in text and daemon.metric("stream_connected") == 1
    assert daemon.http("/readyz")[0] == 200 and daemon.http("/")[0] == 404 and daemon.http("/metrics", "POST")[0] == 501
    assert daemon.stop() == 0 and "event=ended" in daemon.log


def test_results_wait_while_the_service_is_away(acme, make_daemon):
    dead = free_port()
    daemon = make_daemon(acme, checks=[{"name": "probe", "kind": "smtp", "server": "dead", "interval": "1s", "confirm_gap": "1s"}],
                         servers=[{"name": "dead", "host": "127.0.0.1", "port": dead}]).start()
    acme.wait_for(lambda: stored(acme, "probe"), "the service has a result")
    acme.stop()
    away = daemon.wait_for_result("probe", len(daemon.results("probe")) + 2)
    daemon.wait_for(lambda: daemon.metric("results_waiting") >= 1 and daemon.metric("result_failures_total") >= 1, "results wait")
    assert daemon.http("/readyz")[0] == 503
    # Nor does a restart forget them.
    assert daemon.stop() == 0
    daemon.start()
    acme.start()
    acme.wait_for(lambda: away["started_at"] in [s["started_at"] for s in stored(acme, "probe")], "it was told afterwards", 40)
    daemon.wait_for(lambda: daemon.http("/readyz")[0] == 200, "it is ready again", 40)


def test_a_run_under_way_is_taken_up_after_a_restart(acme, make_daemon):
    """The mail was taken when the checker ended; it comes while the checker is away."""
    taken = []
    with FaultySMTP(deliver=lambda *mail: taken.append(mail)) as faulty:
        daemon = make_daemon(acme, servers=[server("customer", faulty)], checks=[round_trip("acme/in", "customer", interval="1h", window="1m")]).start()
        daemon.wait_for(lambda: "quit" in [c.lower() for s in faulty.sessions for c in s], "the mail was taken", 30)
        daemon.stop()
        forward_to(acme)(*taken[0])
        daemon.start()
        result = daemon.wait_for_result("acme/in")
    assert "event=runs-taken-up count=1" in daemon.log
    assert result["verdict"] == "arrived" and result["document"]["resumed"] and len(faulty.contents) == 1
    assert daemon.metric('runs_total{kind="round-trip",state="OK",verdict="arrived"}') == 1


def test_a_mail_that_comes_after_its_window_counts_as_late(acme, make_daemon):
    taken = []
    with FaultySMTP(deliver=lambda *mail: taken.append(mail)) as faulty:
        daemon = make_daemon(acme, servers=[server("customer", faulty)], checks=[round_trip("acme/in", "customer", interval="1h", window="1s", confirm=1)]).start()
        lost = daemon.wait_for_result("acme/in")
        assert lost["verdict"] == "not-arrived"
        # Waited for also over a restart.
        daemon.stop()
        daemon.start()
        daemon.wait_for(lambda: daemon.metric("late_waiting") == 1 and daemon.metric("stream_connected") == 1, "it is waited for")
        forward_to(acme)(*taken[0])
        late = daemon.wait_for_result("acme/in", 2)
    assert late["verdict"] == "late" and (late["id"], late["started_at"]) == (lost["id"], lost["started_at"]) and late["times"]["total"] >= 1
    acme.wait_for(lambda: [s["verdict"] for s in stored(acme, "acme/in")] == ["late"], "the service has it amended")
    acme.wait_for(lambda: acme.ctl("message", "list", "acme", "--json")["messages"] == [], "the mail is deleted")


def test_reload_takes_new_checks_and_refuses_a_wrong_file(acme, forwarder, make_daemon):
    customer = [server("customer", forwarder)]
    daemon = make_daemon(acme, servers=customer, checks=[round_trip("one", "customer"), round_trip("two", "customer")]).start()
    daemon.wait_for_result("one")
    daemon.wait_for_result("two")
    daemon.file.write_text("checks: [{name: one, colour: red}]\n")
    daemon.reload()
    daemon.wait_for(lambda: "event=reload-refused" in daemon.log, "it is refused")
    assert f'{daemon.file}:1:22: checks[0].colour: found an unknown setting' in daemon.log
    number = len(daemon.results("two"))
    daemon.wait_for_result("two", number + 2)
    # Results go to the file of that name, though it was moved away.
    (daemon.scratch / "results").rename(daemon.scratch / "results.1")
    daemon.write(servers=customer, checks=[round_trip("one", "customer", interval="1h"), round_trip("three", "customer")])
    daemon.reload()
    daemon.wait_for(lambda: "event=reloaded checks=2" in daemon.log, "it is taken")
    daemon.wait_for_result("three", 2)
    assert daemon.metric("checks") == 2 and 'check="two"' not in daemon.http("/metrics")[1] and daemon.metric('last_success_timestamp_seconds{check="one"}') > 0
    number = len(daemon.results())
    daemon.wait_for_result("three", 4)
    assert daemon.results("two") == [] or len(daemon.results()) > number
    assert daemon.metric("reloads_total") == 2 and daemon.metric("reload_failures_total") == 1
    assert daemon.stop(signal.SIGINT) == 0


def test_people_are_told_once_after_confirmation_and_of_the_recovery(acme, forwarder, make_daemon, tmp_path):
    told = tmp_path / "told"
    forwarder.replies["rcpt"] = "550 5.1.1 nobody here"
    daemon = make_daemon(acme, servers=[server("customer", forwarder)], checks=[round_trip("acme/in", "customer", alert=["ops"])],
                         ways=[{"name": "file", "command": ["/bin/sh", "-c", f"cat >> {told}; echo >> {told}"]}],
                         contacts=[{"name": "ops", "ways": ["file"]}]).start()
    notices = lambda: [json.loads(line) for line in told.read_text().splitlines() if line] if told.exists() else []     # noqa: E731
    problem = daemon.wait_for(notices, "somebody is told", 30)[0]
    assert len(daemon.results("acme/in")) >= 2 and "acme/in" in json.dumps(problem) and "5.1.1 nobody here" in json.dumps(problem)
    daemon.wait_for_result("acme/in", len(daemon.results("acme/in")) + 2)
    assert len(notices()) == 1
    forwarder.replies["rcpt"] = "250 2.1.5 ok"
    daemon.wait_for(lambda: len(notices()) == 2, "of the recovery, too", 30)
    assert daemon.metric('notices_total{notice="problem"}') == 1 and daemon.metric('notices_total{notice="recovery"}') == 1


def test_what_has_changed_is_told(acme, make_daemon):
    with FaultySMTP(deliver=forward_to(acme, b"Authentication-Results: mx.customer.test; dkim=pass header.b=x1\r\n")) as first, \
            FaultySMTP(deliver=forward_to(acme, b"Authentication-Results: mx.customer.test; dkim=fail header.b=x2\r\n")) as second:
        daemon = make_daemon(acme, servers=[server("customer", first)], checks=[round_trip("acme/in", "customer")]).start()
        assert daemon.wait_for_result("acme/in", 2)["changes"] == []
        daemon.write(servers=[server("customer", second)], checks=[round_trip("acme/in", "customer")])
        daemon.reload()
        changed = daemon.wait_for(lambda: [r for r in daemon.results("acme/in") if r["changes"]], "the change is told")[0]
        assert changed["changes"] == [f"the server that takes the mail: 127.0.0.1:{second.port}, before: 127.0.0.1:{first.port}",
                                      "what is said of the sender's authentication: dkim=fail, before: dkim=pass"]


def test_a_wrong_file_or_a_place_in_use_ends_it_at_once(acme, forwarder, make_daemon):
    daemon = make_daemon(acme, checks=[{"name": "a", "to": TO}])
    done = subprocess.run([BUILD / "mailtest-check", "run", "-c", daemon.file], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 78 and "checks[0]: found without mailbox" in done.stderr
    daemon.write(servers=[server("customer", forwarder)], checks=[round_trip("a", "customer")])
    daemon.start()
    second = subprocess.run([BUILD / "mailtest-check", "run", "-c", daemon.file], capture_output=True, text=True, timeout=30, check=False)
    assert second.returncode == 75 and str(daemon.process.pid) in second.stderr
    daemon.write(checks=[], state_dir=str(daemon.scratch / "other"))
    third = subprocess.run([BUILD / "mailtest-check", "run", "-c", daemon.file], capture_output=True, text=True, timeout=30, check=False)
    assert third.returncode != 0 and "event=metrics-listen" in third.stderr


def test_one_check_of_the_file_as_a_plugin(acme, forwarder, make_daemon):
    daemon = make_daemon(acme, servers=[server("customer", forwarder)], checks=[round_trip("acme/in", "customer"), round_trip("late", "customer", warning="0.0001"),
                                                                                 {"name": "smtp", "kind": "smtp", "server": "customer"}])

    def check(*arguments):
        return subprocess.run([BUILD / "mailtest-check", "check", "-c", daemon.file, *arguments], capture_output=True, text=True, timeout=60, check=False)

    good = check("acme/in")
    assert good.returncode == 0 and good.stdout.startswith("MAILTEST OK - acme/in: ") and good.stdout.count("\n") == 1, good.stdout
    assert "| '" in good.stdout and "'total'=" in good.stdout and ";95;300;0;600" in good.stdout and "'smtp_connect'=" in good.stdout
    assert check("late").returncode == 1 and check("smtp").stdout.startswith("MAILTEST OK - smtp: ")
    story = json.loads(check("acme/in", "--json").stdout)
    assert story["check"] == "acme/in" and story["verdict"] == "arrived"
    unknown = check("nobody")
    assert unknown.returncode == 3 and 'there is no check "nobody" in the file' in unknown.stdout
    assert check("acme/in", "-c", "/nonexistent").returncode == 3


def test_systemd_is_told(acme, forwarder, make_daemon, tmp_path):
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(path)
        notify.settimeout(20)
        daemon = make_daemon(acme, servers=[server("customer", forwarder)], checks=[round_trip("a", "customer", interval="1h")])
        daemon.start(env={**os.environ, "NOTIFY_SOCKET": path, "WATCHDOG_USEC": "400000"})
        heard = [notify.recv(1000).decode() for _ in range(3)]
        assert heard[0].startswith("READY=1\n") and "WATCHDOG=1" in heard[1:]
        daemon.reload()
        while not (text := notify.recv(1000).decode()).startswith("RELOADING=1\nMONOTONIC_USEC="):
            assert text == "WATCHDOG=1"
        while not notify.recv(1000).decode().startswith("READY=1\n"):
            pass
        daemon.stop()
        while not (text := notify.recv(1000).decode()).startswith("STOPPING=1"):
            assert text == "WATCHDOG=1"


MX = {("customer.test", "MX"): [(10, "mx1.customer.test"), (20, "mx2.customer.test")], ("mx1.customer.test", "A"): ["127.0.0.1"],
      ("mx2.customer.test", "A"): ["127.0.0.2"]}


def each_mx(port, dns, **more):
    return {"dns": dns.address, "servers": [{"name": "mx", "port": port}],
            "checks": [{"name": "acme/mx", "mailbox": "acme", "to": TO, "server": "mx", "each_mx": True, "interval": "1h", "window": "20s", **more}]}


def test_each_mx_host_gets_a_mail_of_its_own(acme, forwarder, make_daemon):
    with TinyDNS(MX) as dns, FaultySMTP({"rcpt": "550 5.1.1 not here"}, host="127.0.0.2", port=forwarder.port) as second:
        daemon = make_daemon(acme, **each_mx(forwarder.port, dns)).start()
        result = daemon.wait_for_result("acme/mx", wait_s=40)
        assert result["state"] == "CRITICAL" and result["reason"].startswith("1 of 2 MX hosts: mx2.customer.test: ") and result["code"] == 550
        hosts = {h["host"]: h for h in result["document"]["each_mx"]}
        assert {h: hosts[h]["verdict"] for h in hosts} == {"mx1.customer.test": "arrived", "mx2.customer.test": "not-sent"}
        second.replies["rcpt"] = "250 ok"
        second.deliver = forward_to(acme)
        done = subprocess.run([BUILD / "mailtest-check", "check", "acme/mx", "-c", daemon.file], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0 and "all 2 MX hosts" in done.stdout and len(forwarder.contents) == len(second.contents) + 1 == 2, done.stdout


def test_each_mx_host_is_taken_up_after_a_restart(acme, make_daemon):
    taken = []
    with FaultySMTP(deliver=lambda *mail: taken.append(mail)) as first, TinyDNS(MX) as dns, \
            FaultySMTP(deliver=lambda *mail: taken.append(mail), host="127.0.0.2", port=first.port) as second:
        daemon = make_daemon(acme, **each_mx(first.port, dns, window="1m")).start()
        daemon.wait_for(lambda: all(any("quit" in [c.lower() for c in session] for session in server.sessions) for server in (first, second)), "both took it")
        daemon.stop()
        for mail in list(taken):
            forward_to(acme)(*mail)
        daemon.start()
        result = daemon.wait_for_result("acme/mx", wait_s=40)
        assert result["state"] == "OK" and len(taken) == 2 and all(h["document"]["resumed"] for h in result["document"]["each_mx"])


def test_the_client_that_delivered_is_looked_up_in_block_lists(acme, forwarder, make_daemon):
    with TinyDNS({("2.0.0.127.bl.test", "A"): ["127.0.0.2"]}) as dns:
        daemon = make_daemon(acme, dns=dns.address, servers=[server("customer", forwarder)], lists=[{"name": "bl.test"}],
                             checks=[round_trip("acme/in", "customer"), {"name": "acme/listed", "kind": "blacklist", "client_of": "acme/in", "interval": "1s"}]).start()
        daemon.wait_for_result("acme/in")
        seen = len(daemon.results("acme/listed"))
        daemon.wait_for_result("acme/listed", seen + 2)
        assert any("127.0.0.1" in json.dumps(r["document"]) for r in daemon.results("acme/listed")[seen:])


def test_standard_output_takes_lines_too(acme, forwarder, make_daemon):
    daemon = make_daemon(acme, results_file="-", servers=[server("customer", forwarder)], checks=[{"name": "smtp", "kind": "smtp", "server": "customer",
                                                                                                  "interval": "1s"}])
    with subprocess.Popen([BUILD / "mailtest-check", "run", "-c", daemon.file], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        try:
            assert [json.loads(process.stdout.readline())["check"] for _ in range(3)] == ["smtp"] * 3
        finally:
            process.terminate()
            assert process.wait(20) == 0
