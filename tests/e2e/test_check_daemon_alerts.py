"""mailtest-check run: what people are told while real servers go down and come back, and that they are told it once."""

import json
import signal

import pytest

from check_daemon import CheckDaemon
from mail_world import PROBE, USER
from servers import Exim
from servers.faulty import FaultySMTP
from service import DOMAIN
from test_check_run import forward_to


class Told:
    """Contacts, each with a command of its own that writes down what it is told."""

    def __init__(self, folder, *contacts):
        self.folder = folder
        self.settings = {
            "ways": [{"name": name, "command": ["/bin/sh", "-c", f"cat >>{folder}/{name}.told; echo >>{folder}/{name}.told"]} for name in contacts],
            "contacts": [{"name": name, "ways": [name]} for name in contacts]}

    def notices(self, contact="ops") -> list[dict]:
        file = self.folder / f"{contact}.told"
        return [json.loads(line) for line in file.read_text().splitlines() if line] if file.exists() else []

    def kinds(self, contact="ops") -> list[tuple]:
        return [(notice["kind"], notice["state"]) for notice in self.notices(contact)]


PROBLEM, RECOVERY = ("problem", "CRITICAL"), ("recovery", "OK")


@pytest.fixture
def told(tmp_path):
    return Told(tmp_path, "ops", "alice", "bob")


@pytest.fixture
def make_daemon(world, told, tmp_path):
    made = []

    def make(checks, servers, **settings):
        often = {"interval": "1s", "confirm_gap": "1s", "window": "10s", "retry_gap": "0", "poll_gap": "100ms", "alert": ["ops"]}
        made.append(CheckDaemon(tmp_path, world.service, dns=world.dns.address, defaults=often, servers=[*servers, world.account()], checks=checks,
                                **told.settings, **settings))
        return made[-1].start()

    make.made = made
    yield make
    for daemon in made:
        daemon.end()


def named(name, server):
    return {"name": name, "host": server.host, "port": server.port}


def go_on(daemon, checks, number, state=None, wait_s=40):
    """Each check has so many results more, of this state."""
    before = {check: len(daemon.results(check)) for check in checks}

    def ran(check):
        return len([r for r in daemon.results(check)[before[check]:] if state in (None, r["state"])]) >= number

    daemon.wait_for(lambda: all(ran(check) for check in checks), f"each check has {number} results more of state {state}", wait_s)


CUSTOMERS = [{"name": "acme/in", "scenario": 2, "server": "mx", "mailbox": "acme", "to": PROBE},
             {"name": "beta/in", "scenario": 1, "server": "mx", "account": "account", "to": USER},
             {"name": "mx/smtp", "kind": "smtp", "server": "mx"}]
NAMES = [check["name"] for check in CUSTOMERS]


def history(world, check, *arguments):
    return world.service.ctl("check", "history", check, "--json", "--limit", "500", *arguments)["results"]


def stored(world, check, results):
    """What the service has of a check, newest first, once all of these are there."""
    def all_are_there():
        found = history(world, check)
        return found if {r["started_at"] for r in results} <= {r["started_at"] for r in found} else None

    return world.service.wait_for(all_are_there, f"the service has all results of {check}", 40)


def test_a_server_that_goes_down_and_comes_back_is_told_once_each(world, told, make_daemon):
    mx = world.mx("exim")
    daemon = make_daemon(CUSTOMERS, [named("mx", mx)], group="2s")
    go_on(daemon, NAMES, 1, "OK")
    assert told.notices() == []
    mx.stop()
    daemon.wait_for(told.notices, "somebody is told")
    go_on(daemon, NAMES, 2, "CRITICAL")
    assert told.kinds() == [PROBLEM]
    problem = told.notices()[0]
    assert problem["cause"] == f"server 127.0.0.1:{mx.port} connect" and problem["checks_count"] == 3
    assert problem["first_line"].startswith(f"CRITICAL 3 checks (server 127.0.0.1:{mx.port} connect): failed at connect since ")
    assert problem["first_line"].lower().endswith("connection refused") and {check["name"] for check in problem["checks"]} == set(NAMES)
    # Told after two runs that failed, not after one.
    for check in problem["checks"]:
        failed = [r for r in daemon.results(check["name"]) if r["state"] == "CRITICAL"]
        assert check["since"][:19] == failed[0]["started_at"][:19] and check["step"] == "connect" and failed[1]["started_at"] < problem["now"]
    mx.start()
    daemon.wait_for(lambda: len(told.notices()) > 1, "of the recovery, too", 40)
    go_on(daemon, NAMES, 2, "OK")
    assert told.kinds() == [PROBLEM, RECOVERY]
    recovery = told.notices()[1]
    assert recovery["incident"] == problem["incident"] and recovery["id"] > problem["id"] and "works again since" in recovery["first_line"]
    # The service has it all as well.
    for name in NAMES:
        told_of = stored(world, name, daemon.results(name))
        states = [r["state"] for r in reversed(told_of)]
        assert states[0] == states[-1] == "OK" and states.count("CRITICAL") >= 2
        assert world.service.ctl("check", "show", name, "--json")["state"] == "OK"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["stopped", "killed"])
def test_a_restart_of_the_checker_tells_nothing_twice(world, told, make_daemon, number):
    mx = world.mx("exim")
    daemon = make_daemon(CUSTOMERS, [named("mx", mx)], group="2s")
    go_on(daemon, NAMES, 1, "OK")
    mx.stop()
    daemon.wait_for(told.notices, "somebody is told")
    go_on(daemon, NAMES, 1, "CRITICAL")
    daemon.stop(number)
    daemon.start()
    go_on(daemon, NAMES, 2, "CRITICAL")
    assert told.kinds() == [PROBLEM]
    daemon.stop(number)
    mx.start()          # while nobody looks
    daemon.start()
    daemon.wait_for(lambda: len(told.notices()) > 1, "of the recovery, too", 40)
    go_on(daemon, NAMES, 2, "OK")
    assert told.kinds() == [PROBLEM, RECOVERY] and len({notice["incident"] for notice in told.notices()}) == 1


def test_what_depends_on_a_relay_that_is_down_alarms_nobody(world, told, make_daemon):
    """The customers' checks fail as well, but it is the provider's own relay: the customers' contacts hear nothing, the operators once."""
    relay = world.relay("exim")
    dependent = [{"name": f"{who}/out", "scenario": 4, "server": "relay", "account": "account", "to": USER, "depends": ["relay/smtp"], "alert": [who]}
                 for who in ("alice", "bob")]
    names = [check["name"] for check in dependent]
    daemon = make_daemon([*dependent, {"name": "relay/smtp", "kind": "smtp", "server": "relay"}], [named("relay", relay)])
    go_on(daemon, [*names, "relay/smtp"], 1, "OK")
    relay.stop()
    daemon.wait_for(told.notices, "the operators are told")
    go_on(daemon, [*names, "relay/smtp"], 4, "CRITICAL")
    relay.start()
    daemon.wait_for(lambda: len(told.notices()) > 1, "of the recovery, too", 40)
    go_on(daemon, [*names, "relay/smtp"], 2, "OK")
    assert told.kinds() == [PROBLEM, RECOVERY] and told.notices()[0]["cause"] == f"server 127.0.0.1:{relay.port} connect"
    assert told.kinds("alice") == told.kinds("bob") == []


def test_our_own_service_down_is_no_alarm_about_a_customer(world, told, make_daemon):
    mx = world.mx("exim")
    hosted = [{**CUSTOMERS[0], "name": f"{who}/in", "alert": ["ops", who]} for who in ("alice", "bob")]
    daemon = make_daemon([*hosted, CUSTOMERS[1]], [named("mx", mx)], group="2s")
    names = [check["name"] for check in hosted]
    go_on(daemon, [*names, "beta/in"], 1, "OK")
    world.service.stop()
    daemon.wait_for(told.notices, "the operators are told", 60)
    go_on(daemon, names, 2, "UNKNOWN", 60)
    go_on(daemon, ["beta/in"], 2, "OK")             # which needs no service
    assert told.kinds() == [("problem", "UNKNOWN")]
    notice = told.notices()[0]
    assert notice["cause"] == "service" and notice["first_line"].startswith("UNKNOWN ") and {c["name"] for c in notice["checks"]} == set(names)
    world.service.start()
    daemon.wait_for(lambda: len(told.notices()) > 1, "of the recovery, too", 60)
    go_on(daemon, [*names, "beta/in"], 2, "OK", 60)
    for who in ("ops", "alice", "bob"):
        assert told.kinds(who) == [("problem", "UNKNOWN"), RECOVERY] and {n["cause"] for n in told.notices(who)} == {"service"}
    assert all(r["state"] != "CRITICAL" for r in daemon.results()), [r["reason"] for r in daemon.results() if r["state"] == "CRITICAL"]
    # What was measured meanwhile is stored, too.
    for name in names:
        assert "UNKNOWN" in {r["state"] for r in stored(world, name, daemon.results(name))}


def test_a_mail_that_a_real_server_holds_back_is_late_in_the_end(world, told, make_daemon):
    """The next hop has no time for it within the window."""
    with FaultySMTP({"connect": "421 4.3.2 too busy"}, deliver=forward_to(world.service)) as next_hop, \
            Exim("customer.test", forwards={"probe": f"acme@{DOMAIN}"}, routes={DOMAIN: (next_hop.host, next_hop.port)}) as mx:
        daemon = make_daemon([{**CUSTOMERS[0], "name": "acme/held", "interval": "1h", "window": "1s", "confirm": 1}], [named("mx", mx)])
        lost = daemon.wait_for_result("acme/held")
        assert (lost["verdict"], lost["cause"]) == ("not-arrived", "arrival customer.test")
        daemon.wait_for(lambda: told.kinds() == [PROBLEM], "somebody is told")
        next_hop.replies["connect"] = "220 at last"
        late = daemon.wait_for_result("acme/held", 2, 40)
    assert (late["verdict"], late["cause"]) == ("late", "delay customer.test") and late["id"] == lost["id"] and late["times"]["total"] >= 1 and late["times"]["transit"] >= 1
    world.service.wait_for(lambda: [r["started_at"] for r in history(world, "acme/held", "--verdict", "late")] == [lost["started_at"]], "it is amended")
    assert told.kinds() == [PROBLEM]            # the next run says whether it works again
