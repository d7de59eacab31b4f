"""Each scenario and each strategy of checks.yaml, through mail servers as they are out there: sent, relayed, forwarded, delivered, found, deleted."""

import re

import pytest

from check_file import figures_of
from mail_world import CLASSES, PROBE, USER
from service import DOMAIN

SMTP_STEPS = {"lookup", "connect", "banner", "ehlo", "mail", "rcpt", "data", "end", "quit"}


def goes_through(world, file, check, via, hosts, steps=SMTP_STEPS):
    """The check is run twice, as a plugin and for all that it knows. hosts: who, by the hops, has had the mail in its hands; via: who took it from us."""
    hosted = "account" not in check
    check = {"window": "60s", **check, **({} if hosted else {"poll_gap": "100ms"})}
    line = file.line(check, "OK")
    assert re.match(rf"MAILTEST OK - {re.escape(check['name'])}: arrived after \d+\.\d{{3}} s \|", line), line
    assert {"total", "send", "transit", *(name if name == "lookup" else f"smtp_{name}" for name in steps)} <= set(figures_of(line)), line
    assert f"'total'={figures_of(line)['total']:.6f}s;95;300;0;60" in line
    result = file.result(check)
    story = result["document"]
    assert (result["verdict"], result["state"], result["step"], result["cause"], result["code"]) == ("arrived", "OK", None, None, None), result
    assert result["scenario"] == check.get("scenario") and result["mailbox"] == check.get("mailbox") and not result["deferred"]
    assert {*steps, "send", "transit", "total"} <= set(result["times"]), result["times"]
    assert "sendmail" in steps or f"{story['server']['host']}:{story['server']['port']}" == via, story["server"]
    assert all(step["done"] and (step["code"] or 200) < 400 for step in story["steps"]), story["steps"]
    assert [hop["by"] for hop in reversed(story["hops"]) if hop["by"] in hosts] == hosts, story["hops"]
    assert story["deleted"] and story["copies"] == 1 and not story["junk"]
    if hosted:
        assert world.service.ctl("message", "list", "acme", "--json")["messages"] == []
    else:
        assert world.accounts.subjects() == []
    return result


def mx_entry(server):
    return {"name": "server", "port": server.port}


# ---- The scenarios --------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("kind, protocol, tls", [("postfix", "imap", "implicit"), ("exim", "pop3", "starttls"), ("opensmtpd", "imap", "starttls"),
                                                 ("postfix", "pop3", "implicit")])
def test_scenario_1_to_the_mx_and_into_the_customers_mailbox(world, kind, protocol, tls):
    mx = world.mx(kind)
    result = goes_through(world, world.checks(mx_entry(mx), world.account(protocol, tls)),
                          {"name": f"one/{kind}.{protocol}", "scenario": 1, "to": USER, "server": "server", "account": "account", "receive": protocol},
                          f"mx.customer.test:{mx.port}", ["mail.customer.test", "imap.customer.test"])
    assert result["document"]["folder"] == "INBOX" and result["document"]["arrived_within_s"] >= 0


def test_scenario_1_to_a_server_that_is_named(world):
    mx = world.mx()
    goes_through(world, world.checks({**mx_entry(mx), "host": "127.0.0.1"}, world.account()),
                 {"name": "one/host", "scenario": 1, "to": USER, "server": "server", "account": "account"},
                 f"127.0.0.1:{mx.port}", ["mail.customer.test", "imap.customer.test"])


@pytest.mark.parametrize("kind", CLASSES)
def test_scenario_2_to_the_mx_and_by_a_rule_into_our_mailbox(world, kind):
    mx = world.mx(kind)
    result = goes_through(world, world.checks(mx_entry(mx), with_service=True),
                          {"name": f"two/{kind}", "scenario": 2, "to": PROBE, "server": "server", "mailbox": "acme"},
                          f"mx.customer.test:{mx.port}", ["mail.customer.test", f"mx.{DOMAIN}"])
    assert result["times"]["mint"] > 0 and result["document"]["clock"]["ahead_at_least_s"] <= 0 <= result["document"]["clock"]["ahead_at_most_s"]


@pytest.mark.parametrize("tls, mechanism, protocol", [("starttls", "auto", "imap"), ("implicit", "plain", "pop3")])
def test_scenario_3_by_a_login_at_the_submission_server(world, tls, mechanism, protocol):
    server = world.login(tls, mechanism)
    result = goes_through(world, world.checks(server, world.account(protocol)),
                          {"name": f"three/{tls}", "scenario": 3, "to": USER, "from": USER, "server": "login", "account": "account", "receive": protocol},
                          f"smtp.company.test:{server['port']}", ["mail.company.test", "mail.customer.test", "imap.customer.test"],
                          SMTP_STEPS | {"tls", "auth"} | ({"starttls"} if tls == "starttls" else set()))
    assert result["document"]["tls"]["verify"] == "ok"
    assert f"sasl_method={'SCRAM-SHA-256' if mechanism == 'auto' else 'PLAIN'}, sasl_username={USER}" in world.submission.log


@pytest.mark.parametrize("kind, protocol", [("exim", "imap"), ("opensmtpd", "pop3")])
def test_scenario_4_by_our_own_relay(world, kind, protocol):
    relay = world.relay(kind)
    goes_through(world, world.checks({"name": "relay", "host": "relay.provider.test", "port": relay.port}, world.account(protocol)),
                 {"name": f"four/{kind}", "scenario": 4, "to": USER, "server": "relay", "account": "account", "receive": protocol},
                 f"relay.provider.test:{relay.port}", ["mail.provider.test", "mail.customer.test", "imap.customer.test"])


def test_scenario_4_by_the_local_program(world):
    local = world.relay("postfix", mx="exim")
    program = str(local.sendmail())
    goes_through(world, world.checks(world.account()),
                 {"name": "four/sendmail", "scenario": 4, "send": "sendmail", "sendmail": program, "to": USER, "from": USER, "account": "account"},
                 program, ["mail.provider.test", "mail.customer.test", "imap.customer.test"], {"sendmail"})


@pytest.mark.parametrize("kind", ["exim", "opensmtpd"])
def test_scenario_5_by_our_own_relay_and_by_a_rule_into_our_mailbox(world, kind):
    relay = world.relay(kind)
    goes_through(world, world.checks({"name": "relay", "host": "relay.provider.test", "port": relay.port}, with_service=True),
                 {"name": f"five/{kind}", "scenario": 5, "to": PROBE, "server": "relay", "mailbox": "acme"},
                 f"relay.provider.test:{relay.port}", ["mail.provider.test", "mail.customer.test", f"mx.{DOMAIN}"])


# ---- The strategies -------------------------------------------------------------------------------------------------

COMPANY, CUSTOMER, ACCOUNT, OURS = "mail.company.test", "mail.customer.test", "imap.customer.test", f"mx.{DOMAIN}"
FROM_INSIDE = {"server": "login", "from": USER}


@pytest.mark.parametrize("strategy, settings, hosts", [
    ("internal-to-internal", {**FROM_INSIDE, "to": USER, "account": "account"}, [COMPANY, CUSTOMER, ACCOUNT]),
    ("internal-to-external", {**FROM_INSIDE, "to": f"acme@{DOMAIN}", "mailbox": "acme"}, [COMPANY, OURS]),
    ("external-to-internal", {"server": "mx", "to": USER, "account": "account"}, [CUSTOMER, ACCOUNT]),
    ("internal-out-and-back", {**FROM_INSIDE, "to": "echo@elsewhere.test", "account": "account"}, [COMPANY, "mail.elsewhere.test", CUSTOMER, ACCOUNT]),
    ("internal-forwarded-out", {**FROM_INSIDE, "to": PROBE, "mailbox": "acme"}, [COMPANY, CUSTOMER, OURS]),
    ("external-in-and-out", {"server": "mx", "to": PROBE, "mailbox": "acme"}, [CUSTOMER, OURS]),
])
def test_the_strategies_of_a_classical_monitor(world, strategy, settings, hosts):
    inside = settings["server"] == "login"
    sending = world.login() if inside else {"name": "mx", "port": world.mx().port}
    accounts = [world.account()] if "account" in settings else []
    result = goes_through(world, world.checks(sending, *accounts, with_service="mailbox" in settings), {"name": strategy, "strategy": strategy, **settings},
                          f"{'smtp.company' if inside else 'mx.customer'}.test:{sending['port']}", hosts,
                          SMTP_STEPS | ({"tls", "auth"} if inside else set()))
    assert result["scenario"] is None
