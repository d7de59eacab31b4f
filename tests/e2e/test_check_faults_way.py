"""Real servers that greylist a mail, lose it, send it back, reply to it, or deliver it late, twice or as junk: what is told of it."""

import re
import smtplib
import threading

import pytest

from mail_world import AWAY, JUNK, NOBODY, PROBE, TWICE, USER
from servers import Exim
from servers.faulty import FaultySMTP, wait_until
from service import DOMAIN


def through(world, name, server, to, *, account=None, mailbox=None, port=None, host="127.0.0.1", **settings):
    """A check by this server; account: (protocol, user). Gives what a scheduler would post, and asks that the exit code goes with it."""
    servers = [{"name": "server", "port": port or server.port, **({"host": host} if host else {})}]
    check = {"name": name, "to": to, "server": "server", "window": "60s", **settings}
    if account:
        servers.append(world.account(account[0], user=account[1]))
        check |= {"account": "account", "receive": account[0], "poll_gap": "100ms"}
    if mailbox:
        check["mailbox"] = mailbox
    return world.checks(*servers, with_service=bool(mailbox)), check


def came_to(result, state, verdict, cause=None, step=None):
    found = tuple(result[name] for name in ("state", "verdict", "cause", "step"))
    assert found == (state, verdict, cause, step), (found, result["reason"])
    return result


def pass_on(server, sender, recipient, content):
    """To a real server, as the one that took it would."""
    with smtplib.SMTP(server.host, server.port, timeout=20) as client:
        client.sendmail(sender.partition("<")[2].partition(">")[0], [recipient], content)


ACCOUNTS = pytest.mark.parametrize("protocol", ["imap", "pop3"])


# ---- Greylisting ------------------------------------------------------------------------------------------------------

class GreylistingExim(Exim):
    """Who writes to somebody for the first time has to come back after a second, as RFC 6647 has it."""

    def configure(self):
        super().configure()
        file = self.scratch / "exim.conf"
        greylist = ("  defer message = greylisted, come back in a second\n"
                    "        !seen = -1s / key=${sender_host_address}_${sender_address}_${local_part}@${domain}\n")
        file.write_text(file.read_text().replace("rcpt:\n", "rcpt:\n" + greylist, 1))


@pytest.mark.parametrize("scenario", [1, 2, 4])
def test_greylisting_is_waited_out_and_told_as_such(world, scenario):
    with GreylistingExim("customer.test", forwards={"probe": f"acme@{DOMAIN}"}, routes={DOMAIN: ("127.0.0.1", world.service.smtp_port)},
                         mailboxes=(world.accounts.host, world.accounts.lmtp_port)) as exim:
        where = {"mailbox": "acme"} if scenario == 2 else {"account": ("imap", USER)}
        file, check = through(world, f"grey/{scenario}", exim, PROBE if scenario == 2 else USER, scenario=scenario, retry_gap="600ms", **where,
                              **{"from": f"check{scenario}@provider.test"})
        result = came_to(file.result(check), "OK", "arrived")
        assert result["deferred"], exim.log
        story = result["document"]
        assert story["attempts_made"] > 1 and story["attempts"][0]["reason"].endswith("greylisted, come back in a second")
        assert result["times"]["total"] > 0.6 and result["times"]["rcpt"] < result["times"]["total"]
        # By now it is known, and nothing is put off.
        assert not came_to(file.result(check), "OK", "arrived")["deferred"]


# ---- Refused, lost, sent back -------------------------------------------------------------------------------------------

def test_a_real_servers_refusal_is_told_with_its_words(world):
    file, check = through(world, "refused/1", world.mx("exim"), "a@strangers.test", account=("imap", USER), scenario=1)
    result = came_to(file.result(check), "CRITICAL", "not-sent", "recipient a@strangers.test", "rcpt")
    assert result["code"] == 550 and result["reply"].startswith("550 ") and result["host"] == f"127.0.0.1:{world.mx('exim').port}"
    assert result["reply"] in file.line(check, "CRITICAL")


@pytest.mark.parametrize("scenario, protocol", [(1, "imap"), (1, "pop3"), (2, None), (4, "imap"), (5, None)])
def test_a_mail_that_is_taken_and_lost(world, scenario, protocol):
    """The server's own rule throws it away without a word."""
    with Exim("customer.test", forwards={"user": ":blackhole:"}) as exim:
        where = {"account": (protocol, USER)} if protocol else {"mailbox": "acme"}
        file, check = through(world, f"lost/{scenario}", exim, USER, scenario=scenario, window="1s", **where)
        result = came_to(file.result(check), "CRITICAL", "not-arrived", "arrival customer.test", "arrival")
        assert re.fullmatch(rf"not arrived within 1\.000 s, though 127\.0\.0\.1:{exim.port} took the mail after \d+\.\d{{3}} s", result["reason"])
        assert result["times"]["send"] > 0 and not {"transit", "total"} & set(result["times"]) and result["document"]["sent"] and result["code"] is None


@pytest.mark.parametrize("scenario", [2, 5])
def test_a_servers_bounce_comes_to_our_mailbox(world, scenario):
    """The MX takes the mail; the mailbox's server behind it says that there is no such user, so the MX sends it back."""
    server = world.mx("postfix") if scenario == 2 else world.relay("exim")
    file, check = through(world, f"bounced/{scenario}", server, NOBODY, mailbox="acme", scenario=scenario)
    result = came_to(file.result(check), "CRITICAL", "bounced", "bounce customer.test", "arrival")
    assert re.match(r"5\.\d\.\d ", result["reply"]) and "doesn't exist" in result["reply"] and NOBODY in result["reply"], result["reply"]
    assert "undeliverable" in result["reason"] and result["host"] and "total" not in result["times"]
    assert "undeliverable" in file.line(check, "CRITICAL")


@ACCOUNTS
def test_a_servers_bounce_comes_to_our_mailbox_while_an_account_is_looked_into(world, protocol):
    file, check = through(world, f"bounced/1.{protocol}", world.mx("exim"), NOBODY, account=(protocol, USER), mailbox="acme", scenario=1)
    result = came_to(file.result(check), "CRITICAL", "bounced", "bounce customer.test", "arrival")
    assert "doesn't exist" in result["reply"], result["reply"]


@ACCOUNTS
def test_a_servers_bounce_comes_to_the_account_itself(world, protocol):
    """Without a mailbox of the service: it goes to the sender, who has the account."""
    file, check = through(world, f"bounced/4.{protocol}", world.relay("exim"), NOBODY, account=(protocol, USER), scenario=4, **{"from": USER})
    result = came_to(file.result(check), "CRITICAL", "bounced", "bounce customer.test", "arrival")
    assert "doesn't exist" in result["reply"], result["reply"]
    assert world.accounts.subjects() == []          # what came back is deleted as well


@pytest.mark.parametrize("scenario", [2, 5])
def test_an_automatic_reply_alone_is_no_arrival(world, scenario):
    """The mailbox's script says that its owner is away; nothing is forwarded."""
    server = world.mx("postfix") if scenario == 2 else world.relay("exim")
    file, check = through(world, f"away/{scenario}", server, AWAY, mailbox="acme", scenario=scenario, window="3s", auto_submitted=False,
                          **{"from": f"acme+check{scenario}@{DOMAIN}"})         # the same sender is not answered again for days
    result = came_to(file.result(check), "CRITICAL", "autoreply", "arrival customer.test", "arrival")
    assert "there was only an automatic reply" in result["reason"]


@ACCOUNTS
def test_an_automatic_reply_beside_the_mail_is_no_fault(world, protocol):
    file, check = through(world, f"away/1.{protocol}", world.mx("exim"), AWAY, account=(protocol, AWAY), mailbox="acme", scenario=1, auto_submitted=False,
                          **{"from": f"acme+check{protocol}@{DOMAIN}"})
    came_to(file.result(check), "OK", "arrived")


# ---- Late, twice, junk ------------------------------------------------------------------------------------------------

def after_looks(world, number, protocol, deliver):
    """Hands the mail over once the account was looked into so often, by the server's log."""
    def looks():
        return len(re.findall(rf"{protocol}-login: Info: Login", world.accounts.log))

    def wait(content, before):
        wait_until(lambda: looks() >= before + number, "the account was looked into")
        deliver(content)

    def take(_sender, _recipients, content):
        threading.Thread(target=wait, args=(content, looks()), daemon=True).start()

    return take


@ACCOUNTS
def test_a_mail_that_comes_late_but_within_the_window_is_slow(world, protocol):
    with FaultySMTP(deliver=after_looks(world, 3, protocol, world.accounts.put)) as server:
        file, check = through(world, f"slow/{protocol}", server, USER, account=(protocol, USER), scenario=1, warning="0.15", critical="50")
        check["poll_gap"] = "200ms"
        result = came_to(file.result(check), "WARNING", "arrived", "delay customer.test", "arrival")
    story = result["document"]
    assert result["times"]["transit"] >= 0.2 and 0 < story["arrived_within_s"] <= result["times"]["total"] and story["deleted"]


@ACCOUNTS
def test_a_mail_that_comes_after_the_window_is_lost_and_taken_away_by_a_later_run(world, protocol):
    taken = []
    with FaultySMTP(deliver=lambda *mail: taken.append(mail[2])) as server:
        file, check = through(world, f"late/{protocol}", server, USER, account=(protocol, USER), scenario=1, window="1s")
        came_to(file.result(check), "CRITICAL", "not-arrived", "arrival customer.test", "arrival")
        world.accounts.put(taken[0])
        server.deliver = lambda _sender, _recipients, content: world.accounts.put(content)
        # It is young: a run with a longer window may still wait for it, so it is left where it is, and is not taken for the new one.
        result = came_to(file.result(check), "OK", "arrived")
    assert result["document"]["copies"] == 1 and [mail["X-Mailtest-Check"] for mail in world.accounts.mails()] == [check["name"]]


@pytest.mark.parametrize("kind", ["postfix", "exim"])
@pytest.mark.parametrize("scenario, protocol", [(1, "imap"), (4, "pop3")])
def test_a_mail_that_is_delivered_twice(world, kind, scenario, protocol):
    """A rule of the server names the mailbox twice. Both copies are there before anybody looks."""
    def deliver(sender, _recipients, content):
        pass_on(world.mx(kind), sender, TWICE, content)
        wait_until(lambda: len(world.accounts.subjects()) == 2, "both copies are there")

    with FaultySMTP(deliver=deliver) as server:
        file, check = through(world, f"twice/{scenario}.{kind}", server, TWICE, account=(protocol, USER), scenario=scenario)
        result = came_to(file.result(check), "WARNING", "arrived", "copies customer.test", "arrival")
    assert result["document"]["copies"] == 2 and "it came 2 times" in result["reason"] and result["document"]["deleted"]
    assert world.accounts.subjects() == []


def test_a_mail_that_is_taken_for_junk(world):
    """By the mailbox's own script."""
    file, check = through(world, "junk/imap", world.mx("postfix"), JUNK, account=("imap", JUNK), scenario=1)
    result = came_to(file.result(check), "WARNING", "junk", "junk customer.test", "arrival")
    assert result["document"]["junk"] and result["document"]["folder"] == "Junk" and result["document"]["deleted"] and result["times"]["total"] > 0
    assert "but in the folder for junk, Junk" in file.line(check, "WARNING")
    assert world.accounts.subjects(JUNK, folder="Junk") == []
    # Who does not look there does not find it; POP3 knows no folders.
    file, check = through(world, "junk/none", world.mx("postfix"), JUNK, account=("imap", JUNK), scenario=1, window="1s", junk_folder="")
    came_to(file.result(check), "CRITICAL", "not-arrived", "arrival customer.test", "arrival")
    file, check = through(world, "junk/pop3", world.mx("postfix"), JUNK, account=("pop3", JUNK), scenario=1, window="1s")
    came_to(file.result(check), "CRITICAL", "not-arrived", "arrival customer.test", "arrival")


# ---- Logins that fail ---------------------------------------------------------------------------------------------------

def test_a_wrong_password_at_the_submission_server(world):
    server = world.login()
    file = world.checks(server, world.account())
    (world.folder / "wrong").write_text("guess\n")
    server["auth"]["password_file"] = str(world.folder / "wrong")
    result = came_to(file.result({"name": "wrong/3", "scenario": 3, "to": USER, "from": USER, "server": "login", "account": "account", "window": "60s"}),
                     "CRITICAL", "not-sent", f"server smtp.company.test:{server['port']} auth", "auth")
    assert result["code"] == 535 and result["reply"].startswith("535 5.7.8") and "guess" not in str(result)
    assert result["document"]["attempts_made"] == 1


@ACCOUNTS
def test_a_wrong_password_of_a_real_account(world, protocol):
    file, check = through(world, f"wrong/{protocol}", world.mx("exim"), USER, account=(protocol, USER), scenario=1, window="1h")
    (world.folder / "wrong").write_text("guess\n")
    file.settings["servers"][1]["auth"]["password_file"] = str(world.folder / "wrong")
    port = file.settings["servers"][1]["port"]
    result = came_to(file.result(check), "CRITICAL", "failed", f"account imap.customer.test:{port} login", "login")
    assert "authentication failed" in result["reason"].lower() and result["host"] == f"imap.customer.test[127.0.0.1]:{port}"
    assert "guess" not in str(result) + file.line(check, "CRITICAL")


# ---- Our own service in between -----------------------------------------------------------------------------------------

@pytest.mark.parametrize("end", ["stop", "crash"])
@pytest.mark.parametrize("scenario", [1, 4, 5])
def test_our_service_restarts_while_the_mail_is_on_its_way(world, scenario, end):
    """The token was minted before, the mail comes after."""
    mail = world.relay("exim") if scenario == 5 else world.mx("exim")

    def restart_and_pass_on(sender, _recipients, content):
        getattr(world.service, end)()
        world.service.start()
        pass_on(mail, sender, PROBE if scenario == 5 else USER, content)

    with FaultySMTP(deliver=restart_and_pass_on) as server:
        where = {} if scenario == 5 else {"account": ("imap", USER)}
        file, check = through(world, f"restart/{scenario}.{end}", server, PROBE if scenario == 5 else USER, mailbox="acme", scenario=scenario, **where)
        result = came_to(file.result(check), "OK", "arrived")
    assert result["times"]["mint"] > 0 and 0 <= result["times"]["transit"] <= result["times"]["total"] <= result["took_s"]
