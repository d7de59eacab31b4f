"""mailtest-check run with mailboxes of the service: all runs hear of their arrivals by one stream of events, over restarts of the service too."""

import threading

import pytest

from check_daemon import CheckDaemon
from servers.faulty import FaultySMTP
from test_check_failures import report_of
from test_check_round_trip import forward_to


@pytest.fixture
def make_daemon(tmp_path):
    made = []

    def make(service, server, checks, **settings):
        made.append(CheckDaemon(tmp_path, service, servers=[{"name": "customer", "host": "127.0.0.1", "port": server.port, "tls": "none"}],
                                checks=[{"scenario": 2, "server": "customer", "mailbox": "acme", "to": "user@customer.test", "interval": "1h", **check}
                                        for check in checks], **settings))
        return made[-1].start()

    make.made = made
    yield make
    for daemon in made:
        daemon.end()


def test_all_runs_share_one_stream(acme, make_daemon):
    count = 30
    with FaultySMTP(deliver=forward_to(acme)) as server:
        # So short an interval is only what spreads their first runs.
        daemon = make_daemon(acme, server, [{"name": f"acme/{n}", "interval": "5s", "window": "60s"} for n in range(count)])
        daemon.wait_for(lambda: {r["check"] for r in daemon.results()} == {f"acme/{n}" for n in range(count)}, "each has a result", 60)
        assert acme.metric("mailtest_lookup_streams") == 1
    assert {(r["verdict"], r["state"]) for r in daemon.results()} == {("arrived", "OK")}
    for result in daemon.results():
        times = result["times"]
        assert 0 <= times["transit"] <= times["total"] < 30 and times["total"] <= result["took_s"]
        assert result["document"]["clock"]["ahead_at_least_s"] <= 0 <= result["document"]["clock"]["ahead_at_most_s"]
        assert not result["document"]["clamped"] and result["document"]["arrived_within_s"] < 1
        assert result["document"]["deleted"]


def test_a_mail_that_comes_twice_is_a_warning(acme, make_daemon):
    def forward_twice(*mail):
        forward_to(acme)(*mail)
        forward_to(acme)(*mail)

    with FaultySMTP(deliver=forward_twice) as server:
        daemon = make_daemon(acme, server, [{"name": "acme/in"}])
        result = daemon.wait_for_result("acme/in")
    assert result["verdict"] == "arrived" and result["state"] == "WARNING" and "it came 2 times" in result["reason"]
    assert result["cause"] == "copies customer.test" and result["document"]["copies"] == 2


def test_a_bounce_ends_the_run(acme, make_daemon):
    with FaultySMTP(deliver=report_of(acme, b"failed")) as server:
        daemon = make_daemon(acme, server, [{"name": "acme/in", "window": "60s"}])
        result = daemon.wait_for_result("acme/in")
    assert result["verdict"] == "bounced" and result["state"] == "CRITICAL" and result["cause"] == "bounce customer.test" and result["step"] == "arrival"
    assert result["reply"].startswith("5.1.1")


@pytest.mark.parametrize("end", ["stop", "crash"])
def test_a_service_that_restarts_in_between_costs_no_alarm(acme, make_daemon, end):
    """The mail is forwarded while the stream is down: it is heard of behind the last event, or asked for."""
    sent, taken = threading.Event(), []

    def take(*mail):
        taken.append(mail)
        sent.set()

    with FaultySMTP(deliver=take) as server:
        daemon = make_daemon(acme, server, [{"name": "acme/in", "window": "60s"}])
        assert sent.wait(20)
        daemon.wait_for(lambda: acme.metric("mailtest_lookup_streams") == 1, "it listens")
        getattr(acme, end)()
        acme.start()
        forward_to(acme)(*taken[0])
        result = daemon.wait_for_result("acme/in", wait_s=40)
    assert result["verdict"] == "arrived" and result["state"] == "OK"


def test_greylisting_is_no_alarm_and_is_told(acme, make_daemon):
    with FaultySMTP({"rcpt": ["450 4.2.0 greylisted", "250 ok"]}, deliver=forward_to(acme)) as server:
        daemon = make_daemon(acme, server, [{"name": "acme/in", "retry_gap": "200ms"}])
        result = daemon.wait_for_result("acme/in")
    assert result["verdict"] == "arrived" and result["state"] == "OK" and result["deferred"]
