"""A server that fails at each step, where mail is sent (scenarios 1, 3 and 4) and where it is looked for (IMAP, POP3): what is told of it."""

import contextlib
import re
import socket
import ssl
import subprocess
import threading

import pytest

from check_file import CheckFile, figures_of, secret_file
from servers.faulty import FaultySMTP, TinyDNS, drop, hang, make_certificate
from test_check_fetch import Scripted, old_pop3, usual

USER = "user@customer.test"
NAMES = {("customer.test", "MX"): [(10, "mx.customer.test")], ("mx.customer.test", "A"): ["127.0.0.1"], ("imap.customer.test", "A"): ["127.0.0.1"]}
SECRET = "a very secret word"


@contextlib.contextmanager
def full_port():
    """A port where connections are neither taken nor refused: the queue of those that wait to be taken is full."""
    with contextlib.ExitStack() as held:
        listener = held.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(8):
            waiting = held.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


@contextlib.contextmanager
def closed_port():
    """Bound, but nobody listens."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        yield unused.getsockname()[1]


def expired_certificate(folder, name):
    certificate, key = make_certificate(folder, name)
    request = folder / "expired.csr"
    subprocess.run(["openssl", "req", "-new", "-key", key, "-subj", f"/CN={name}", "-out", request], check=True, capture_output=True)
    subprocess.run(["openssl", "x509", "-req", "-in", request, "-signkey", key, "-days", "-1", "-out", certificate], check=True, capture_output=True)
    return certificate, key


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("faults")


@pytest.fixture(scope="module")
def dns():
    with TinyDNS(NAMES) as server:
        yield server


def tells(file, check, state="CRITICAL", **expected):
    """The result has these members; reason and reply: words that are in it. The plugin's line says the same."""
    result = file.result(check)
    assert result["state"] == state, result
    for name, value in expected.items():
        if name in ("reason", "reply"):
            assert value.lower() in (result[name] or "").lower(), (name, result["reason"], result["reply"])
        else:
            assert result[name] == value, (name, result[name], result["reason"])
    assert SECRET not in str(result)
    return result


# ---- Sending --------------------------------------------------------------------------------------------------------

SCENARIOS = [1, 3, 4]


def sending(folder, dns, scenario, port, host="127.0.0.1", check=None, **server):
    """The account that is looked into lies behind a closed door: nobody may ask for it before a server took the mail."""
    password = secret_file(folder, "password", SECRET)
    entry = {"name": "server", "port": port, **({} if host is None else {"host": host}), **server}
    if scenario == 3:
        entry["auth"] = {"user": USER, "password_file": password, "mechanism": "plain"}
        entry.setdefault("verify", False)
    account = {"name": "account", "host": "127.0.0.1", "port": 1, "tls": "none", "auth": {"user": USER, "password_file": password}}
    file = CheckFile(folder, dns=dns.address, servers=[entry, account])
    return file, {"name": f"faults/{scenario}", "scenario": scenario, "to": USER, "server": "server", "account": "account", "timeout": "300ms",
                  "retry_gap": "0", "window": "1m", **(check or {})}


def faulty(scenario, replies=None, **options):
    return FaultySMTP({"auth": "235 2.7.0 welcome", **(replies or {})}, extensions=("8BITMIME", *(["AUTH PLAIN"] if scenario == 3 else [])), **options)


def steps_of(scenario):
    return ["connect", "ehlo", *(["auth"] if scenario == 3 else []), "mail", "rcpt", "data", "end"]


def each_step():
    return [pytest.param(scenario, step, id=f"{scenario}-{step}") for scenario in SCENARIOS for step in steps_of(scenario)]


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_server_whose_name_does_not_resolve(folder, dns, scenario):
    file, check = sending(folder, dns, scenario, 25, host="nowhere.customer.test")
    result = tells(file, check, verdict="not-sent", step="lookup", code=None, cause="server nowhere.customer.test:25 lookup", reason="nowhere.customer.test")
    assert "there is no such host" in result["reason"] and not result["deferred"] and "total" not in result["times"]


@pytest.mark.parametrize("records, words", [
    ({}, "there is no such domain"),
    ({("customer.test", "MX"): [(0, "")]}, "null MX (RFC 7505)"),
    ({("customer.test", "MX"): [(10, "mx.customer.test")]}, "none of its mail servers has an address"),
], ids=["no-domain", "null-mx", "no-address"])
def test_a_recipients_domain_that_does_not_resolve(folder, records, words):
    with TinyDNS(records) as broken:
        file, check = sending(folder, broken, 1, 25, host=None)
        tells(file, check, verdict="not-sent", step="lookup", code=None, cause="domain customer.test lookup", reason=words)


def test_no_name_server_at_all_is_our_own_trouble(folder, dns):
    with closed_port() as port:
        file, check = sending(folder, dns, 1, 25, host=None)
        file.settings["dns"] = f"127.0.0.1:{port}"
        tells(file, check, "UNKNOWN", verdict="unknown", cause="resolver", reason="no name server can be reached")


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_connection_that_is_refused(folder, dns, scenario):
    with closed_port() as port:
        file, check = sending(folder, dns, scenario, port)
        tells(file, check, verdict="not-sent", step="connect", code=None, host=f"127.0.0.1:{port}", cause=f"server 127.0.0.1:{port} connect",
              reason="Connection refused")
        line = file.line(check, "CRITICAL")
    assert f"connecting to 127.0.0.1:{port} failed: Connection refused" in line and "total" not in figures_of(line)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_connection_that_nobody_takes(folder, dns, scenario):
    with full_port() as port:
        file, check = sending(folder, dns, scenario, port)
        result = tells(file, check, verdict="not-sent", step="connect", code=None, host=f"127.0.0.1:{port}", cause=f"server 127.0.0.1:{port} connect")
    assert result["reason"] == f"connecting to 127.0.0.1:{port} failed: no connection within 300 ms"


@pytest.mark.parametrize("scenario, step", each_step())
@pytest.mark.parametrize("fault, words", [(hang, "no reply"), (drop, "closed")], ids=["silent", "gone"])
def test_a_server_that_says_nothing_or_goes_away(folder, dns, scenario, step, fault, words):
    with faulty(scenario, {step: fault}) as server:
        file, check = sending(folder, dns, scenario, server.port, check={"window": "1s"} if step == "end" else None)
        if step == "end":       # it may have taken the mail, which is looked for until the window ends
            words = "the window ended before the server had replied" if fault is hang else "closed the connection, and not arrived"
        name = {"connect": "banner"}.get(step, step)
        tells(file, check, verdict="not-sent", step=name, code=None, host=server.address, cause=f"server {server.address} {name}", reason=words)


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("banner, code, words", [
    ("554 5.7.1 we are full", 554, "554 5.7.1 we are full"), ("SSH-2.0-OpenSSH_9.2", None, ""), ("220-" + "x" * 100_000, None, ""),
], ids=["refusal", "no-smtp", "endless"])
def test_a_bad_banner(folder, dns, scenario, banner, code, words):
    with faulty(scenario, {"connect": banner}) as server:
        file, check = sending(folder, dns, scenario, server.port)
        result = file.result(check)
    assert (result["state"], result["verdict"], result["step"], result["code"]) == ("CRITICAL", "not-sent", "banner", code), result
    assert result["cause"] == f"server {server.address} banner" and result["host"] == server.address
    assert words in result["reason"], result["reason"]


@pytest.mark.parametrize("scenario, step", each_step())
def test_a_refusal_for_good_is_told_with_the_servers_words(folder, dns, scenario, step):
    reply = {"auth": "535 5.7.8 who are you?"}.get(step, "550 5.7.1 not from you")
    with faulty(scenario, {step: reply, "helo": reply}) as server:
        file, check = sending(folder, dns, scenario, server.port, check={"retry_gap": "10s"})
        name = {"connect": "banner"}.get(step, step)
        # Who does not take this recipient may take others.
        cause = f"recipient {USER}" if step == "rcpt" else f"server {server.address} {name}"
        if step in ("connect", "ehlo"):
            check["retry_gap"] = "0"
        result = tells(file, check, verdict="not-sent", step=name, code=int(reply[:3]), host=server.address, cause=cause, reason=reply, reply=reply)
        assert len(server.sessions) == 1 and not result["deferred"]
        line = file.line(check, "CRITICAL")
    assert reply in line and "total" not in figures_of(line)


# By the others it is the same but for the login, and each costs a whole window.
@pytest.mark.parametrize("scenario, step", [(3, step) for step in ["connect", "ehlo", "auth", "mail", "rcpt", "data", "end"]] + [(1, "rcpt"), (4, "end")])
def test_a_refusal_for_now_until_the_window_ends(folder, dns, scenario, step):
    reply = "454 4.7.0 not now" if step == "auth" else "451 4.7.1 greylisted, come back later"
    with faulty(scenario, {step: reply, "helo": reply}) as server:
        file, check = sending(folder, dns, scenario, server.port, check={"retry_gap": "200ms", "window": "1s"})
        name = {"connect": "banner"}.get(step, step)
        result = tells(file, check, verdict="not-sent", step=name, code=int(reply[:3]), host=server.address, reason=reply, reply=reply, deferred=True)
    assert len(server.sessions) > 1 and "attempts" in result["reason"], result["reason"]


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("fault", ["handshake", "refused", "not-offered", "silent"])
def test_tls_that_fails_where_it_is_demanded(folder, dns, scenario, fault):
    def garbage(session):
        session.request.sendall(b"220 go ahead\r\nthis is no handshake, not at all\r\n")
        raise ConnectionResetError

    def silent(session):
        session.request.sendall(b"220 go ahead\r\n")
        return hang(session)

    replies = {"handshake": {"starttls": garbage}, "refused": {"starttls": "454 4.7.0 TLS not available"}, "not-offered": {},
               "silent": {"starttls": silent}}
    certificate = None if fault == "not-offered" else make_certificate(folder, "mx.customer.test")
    with faulty(scenario, replies[fault], certificate=certificate) as server:
        file, check = sending(folder, dns, scenario, server.port, tls="starttls", check={"window": "1s"})
        step = {"handshake": "tls", "silent": "tls"}.get(fault, "starttls")
        words = {"refused": "454 4.7.0 TLS not available", "not-offered": "does not offer STARTTLS", "silent": "no end of the TLS handshake within"}
        tells(file, check, verdict="not-sent", step=step, code=454 if fault == "refused" else None, host=server.address,
              cause=f"server {server.address} {step}", reason=words.get(fault, "tls"))
    assert not any(line.startswith(("MAIL", "AUTH")) for session in server.sessions for line in session)


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("kind, words", [("expired", "certificate has expired"), ("other-name", "does not match"), ("unknown", "self-signed certificate")])
def test_a_certificate_that_is_not_valid(folder, dns, scenario, kind, words):
    files = {"expired": expired_certificate, "other-name": make_certificate, "unknown": make_certificate}[kind](
        folder, "mx.elsewhere.test" if kind == "other-name" else "mx.customer.test")
    authority = {} if kind == "unknown" else {"ca_file": str(files[0])}
    with faulty(scenario, certificate=files) as server:
        file, check = sending(folder, dns, scenario, server.port, host="mx.customer.test", tls="starttls", verify=True, **authority)
        result = file.result(check)
        assert (result["state"], result["verdict"], result["step"], result["code"]) == ("CRITICAL", "not-sent", "tls", None), result
        assert result["cause"] == f"server mx.customer.test:{server.port} tls" and result["host"] == f"mx.customer.test[127.0.0.1]:{server.port}"
        assert words in result["reason"] or (kind == "other-name" and "certificate" in result["reason"].lower()), result["reason"]
        assert len(server.sessions) == 1        # time does not heal it
    assert not any(line.startswith(("MAIL", "AUTH")) for line in server.sessions[0])


def test_a_secret_that_cannot_be_read_is_our_own_trouble(folder, dns):
    with faulty(3) as server:
        file, check = sending(folder, dns, 3, server.port)
        (folder / "password").unlink()
        tells(file, check, "UNKNOWN", verdict="unknown", cause=f"login {server.address}", reason="No such file")
    assert not server.contents


# ---- Looking ----------------------------------------------------------------------------------------------------------

class Account:
    """A small IMAP or POP3 server with one mailbox, of which one command at a time goes wrong. fault: None silence, or octets, or "gone"."""

    def __init__(self, protocol, command=None, fault=None, times=None):
        self.protocol, self.command, self.fault, self.times = protocol, command, fault, times
        self.mail = None
        self.server = Scripted(self.reply, b"* OK ready\r\n" if protocol == "imap" else b"+OK ready\r\n", pop3=protocol == "pop3")

    def reply(self, command, tag):
        if self.command is not None and command.startswith(self.command) and self.times != 0:
            if self.times is not None:
                self.times -= 1
            if self.fault == "gone":
                raise ConnectionResetError
            return None if self.fault is None else f"{tag} {self.fault}\r\n".lstrip()
        if self.protocol == "pop3":
            return old_pop3(self.mail or b"", command) if self.mail or command != "STAT" else "+OK 0 0\r\n"
        return usual(command, tag, self.mail, "* SEARCH 1\r\n" if self.mail else "* SEARCH\r\n")

    def deliver(self, _sender, _recipients, content):
        self.mail = content

    def __enter__(self):
        self.server.__enter__()
        return self

    def __exit__(self, *_):
        self.server.__exit__()


def looking(folder, dns, smtp, protocol, port, host="127.0.0.1", check=None, **account):
    password = secret_file(folder, "password", SECRET)
    entry = {"name": "account", "host": host, "port": port, "tls": "none", "auth": {"user": USER, "password_file": password}, **account}
    file = CheckFile(folder, dns=dns.address, servers=[{"name": "server", "host": smtp.host, "port": smtp.port}, entry])
    return file, {"name": f"faults/{protocol}", "scenario": 1, "to": USER, "server": "server", "account": "account", "receive": protocol, "timeout": "300ms",
                  "poll_gap": "200ms", "window": "1s", **(check or {})}


BOTH = pytest.mark.parametrize("protocol", ["imap", "pop3"])


@BOTH
def test_an_account_whose_server_cannot_be_reached(folder, dns, protocol):
    with FaultySMTP() as smtp, closed_port() as closed, full_port() as full:
        file, check = looking(folder, dns, smtp, protocol, 143, host="nowhere.customer.test")
        tells(file, check, verdict="failed", step="lookup", cause="account nowhere.customer.test:143 lookup", reason="nowhere.customer.test")
        file, check = looking(folder, dns, smtp, protocol, closed)
        tells(file, check, verdict="failed", step="connect", cause=f"account 127.0.0.1:{closed} connect", host=f"127.0.0.1:{closed}", reason="refused")
        line = file.line(check, "CRITICAL")
        assert f"127.0.0.1:{closed}" in line and "refused" in line.lower()
        file, check = looking(folder, dns, smtp, protocol, full)
        tells(file, check, verdict="failed", step="connect", cause=f"account 127.0.0.1:{full} connect", host=f"127.0.0.1:{full}")


@BOTH
@pytest.mark.parametrize("greeting, words", [(b"", "no reply"), (b"* BYE too many connections\r\n", "too many"), (b"-ERR too many connections\r\n", "too many"),
                                             (b"SSH-2.0-OpenSSH_9.2\r\n", "")], ids=["silent", "bye", "err", "no-mail-server"])
def test_a_bad_greeting_of_an_account(folder, dns, protocol, greeting, words):
    def nothing(_command, _tag):
        return None

    with FaultySMTP() as smtp, Scripted(nothing, greeting) as server:
        file, check = looking(folder, dns, smtp, protocol, server.port)
        result = tells(file, check, verdict="failed", step="banner", cause=f"account 127.0.0.1:{server.port} banner", host=f"127.0.0.1:{server.port}")
    assert not (protocol == "imap" and b"BYE" in greeting or protocol == "pop3" and b"ERR" in greeting) or words in result["reason"], result["reason"]


COMMANDS = [("imap", "CAPABILITY", "banner"), ("imap", "LOGIN", "login"), ("imap", "SELECT", "select"), ("imap", "UID SEARCH", "search"),
            ("imap", "UID FETCH", "fetch"), ("pop3", "CAPA", "banner"), ("pop3", "USER", "login"), ("pop3", "PASS", "login"), ("pop3", "STAT", "select"),
            ("pop3", "RETR", "fetch")]


@pytest.mark.parametrize("protocol, command, step", COMMANDS, ids=[f"{protocol}-{command.replace(' ', '-')}" for protocol, command, _ in COMMANDS])
@pytest.mark.parametrize("fault, words", [(None, "no reply within"), ("gone", "closed")], ids=["silent", "gone"])
def test_an_account_that_says_nothing_or_goes_away(folder, dns, protocol, command, step, fault, words):
    with Account(protocol, command, fault) as account, FaultySMTP(deliver=account.deliver) as smtp:
        file, check = looking(folder, dns, smtp, protocol, account.server.port)
        result = tells(file, check, verdict="failed", step=step, cause=f"account 127.0.0.1:{account.server.port} {step}",
                       host=f"127.0.0.1:{account.server.port}", code=None)
        assert words in result["reason"] or fault == "gone", result["reason"]
        assert result["document"]["sent"] and result["times"]["send"] > 0 and "transit" not in result["times"]


REFUSALS = [("imap", "SELECT", "NO [SERVERBUG] the disk is on fire", "select"), ("imap", "UID FETCH", "NO not this one", "fetch"),
            ("imap", "LOGIN", "NO [UNAVAILABLE] the users are elsewhere", "login"),
            ("pop3", "PASS", "-ERR [SYS/TEMP] the users are elsewhere", "login"), ("pop3", "PASS", "-ERR [IN-USE] somebody reads", "login"),
            ("pop3", "STAT", "-ERR the disk is on fire", "select"), ("pop3", "RETR", "-ERR not this one", "fetch")]


@pytest.mark.parametrize("protocol, command, reply, step", REFUSALS, ids=[f"{r[0]}-{r[1].replace(' ', '-')}-{n}" for n, r in enumerate(REFUSALS)])
def test_a_refusal_of_an_account_is_told_with_its_words_and_may_heal(folder, dns, protocol, command, reply, step):
    words = re.split(r"\] |-ERR |NO ", reply)[-1]
    with Account(protocol, command, reply) as account, FaultySMTP(deliver=account.deliver) as smtp:
        file, check = looking(folder, dns, smtp, protocol, account.server.port)
        result = tells(file, check, verdict="failed", step=step, cause=f"account 127.0.0.1:{account.server.port} {step}", reason=words, reply=words)
        assert len([c for c in account.server.commands if c.startswith(command)]) > 1, account.server.commands
    with Account(protocol, command, reply, times=1) as account, FaultySMTP(deliver=account.deliver) as smtp:
        file, check = looking(folder, dns, smtp, protocol, account.server.port, check={"window": "20s"})
        result = tells(file, check, "OK", verdict="arrived", step=None, cause=None)
        assert result["document"]["deleted"]


@pytest.mark.parametrize("protocol, command, reply", [("imap", "LOGIN", "NO [AUTHENTICATIONFAILED] who are you?"),
                                                      ("pop3", "PASS", "-ERR [AUTH] who are you?")], ids=["imap", "pop3"])
def test_a_wrong_password_of_an_account_is_told_at_once(folder, dns, protocol, command, reply):
    with Account(protocol, command, reply) as account, FaultySMTP(deliver=account.deliver) as smtp:
        file, check = looking(folder, dns, smtp, protocol, account.server.port, check={"window": "1h"})
        where = f"127.0.0.1:{account.server.port}"
        tells(file, check, verdict="failed", step="login", cause=f"account {where} login", host=where,
              reason="who are you?", reply="who are you?")
        assert len([c for c in account.server.commands if c.startswith(command)]) == 1      # or the account is locked in the end
        line = file.line(check, "CRITICAL")
    assert "who are you?" in line and SECRET not in line


@BOTH
@pytest.mark.parametrize("fault", ["not-offered", "refused", "handshake", "expired", "other-name"])
def test_an_account_whose_tls_fails(folder, dns, protocol, fault):
    start = "STARTTLS" if protocol == "imap" else "STLS"

    def reply(command, tag):
        if command in ("CAPABILITY", "CAPA"):
            offered = "UIDPLUS" if fault == "not-offered" else start
            return f"* CAPABILITY IMAP4rev1 {offered}\r\n{tag} OK\r\n" if protocol == "imap" else f"+OK\r\nUSER\r\n{offered}\r\n.\r\n"
        if command == start:
            return f"{tag} NO no TLS today\r\n" if protocol == "imap" else "-ERR no TLS today\r\n"
        return f"{tag} BAD\r\n" if protocol == "imap" else "-ERR\r\n"

    certified = fault in ("expired", "other-name")
    name = "mx.elsewhere.test" if fault == "other-name" else "imap.customer.test"
    files = (expired_certificate if fault == "expired" else make_certificate)(folder, name) if certified else None
    # A server with TLS from the start is any that shows the certificate; it is not to hear more.
    with FaultySMTP() as smtp, Scripted(reply, b"* OK\r\n" if protocol == "imap" else b"+OK\r\n", pop3=protocol == "pop3") as plain, \
            contextlib.ExitStack() as stack:
        port = stack.enter_context(shows(files)) if certified else plain.port
        secured = {"tls": "implicit", "verify": True, "ca_file": str(files[0])} if certified else {"tls": "implicit" if fault == "handshake" else "starttls"}
        file, check = looking(folder, dns, smtp, protocol, port, host="imap.customer.test", **secured)
        result = tells(file, check, verdict="failed", step="tls", cause=f"account imap.customer.test:{port} tls", host=f"imap.customer.test[127.0.0.1]:{port}")
        words = {"not-offered": start, "refused": "no TLS today", "expired": "certificate has expired", "other-name": "certificate"}.get(fault, "TLS")
        assert words.lower() in result["reason"].lower() or fault == "handshake", result["reason"]
        assert not [c for c in plain.commands if c.startswith(("LOGIN", "PASS", "AUTH"))] and SECRET not in "".join(plain.commands)


@contextlib.contextmanager
def shows(files):
    """A port that does a TLS handshake with this certificate, and is silent then."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        def serve():
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with contextlib.suppress(OSError), context.wrap_socket(connection, server_side=True) as secured:
                    secured.recv(100)

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
