"""POP3 as mail programs and monitors use it: the mail byte for byte, deletions only at QUIT, passwords only over TLS."""

import base64
import hashlib
import hmac
import os
import poplib
import re
import smtplib
import socket
import ssl
import subprocess

import pytest

from service import DOMAIN

UNCHECKED = ssl._create_unverified_context()
BODY = b"Subject: dots\r\nFrom: a@sender.test\r\n\r\n.\r\n..\r\n.leading dot\r\nlast line\r\n"


def deliver(service, message: bytes, mailbox: str = "acme") -> None:
    with smtplib.SMTP("127.0.0.1", service.smtp_port, timeout=20) as client:
        client.sendmail("a@sender.test", [f"{mailbox}@{DOMAIN}"], message)


def probe(service, text: str = "") -> tuple[str, bytes]:
    """A test mail that has arrived, and so is in INBOX: its token, its octets as sent."""
    token = service.mint("acme")
    message = f"Subject: probe {token}\r\nFrom: a@sender.test\r\n\r\n{text}end\r\n".encode()
    deliver(service, message)
    return token, message


def login(service, user: str = "acme", secret: str | None = None, tls: bool = False):
    if tls:
        client = poplib.POP3_SSL("127.0.0.1", service.ports["pop3s"], context=UNCHECKED, timeout=20)
    else:
        client = poplib.POP3("127.0.0.1", service.ports["pop3"], timeout=20)
    client.user(user)
    client.pass_(secret or service.acme["secret"])
    return client


def fetched(client, number: int) -> bytes:
    _, lines, _ = client.retr(number)
    return b"".join(line + b"\r\n" for line in lines)


def talk(service, *lines: bytes, port: str = "pop3") -> list[bytes]:
    """All lines in one write, and what is answered until the end."""
    with socket.create_connection(("127.0.0.1", service.ports[port]), timeout=20) as client:
        client.sendall(b"".join(line + b"\r\n" for line in lines))
        client.shutdown(socket.SHUT_WR)
        answer = b""
        while more := client.recv(65536):
            answer += more
    return answer.split(b"\r\n")


@pytest.mark.parametrize("tls", [False, True], ids=["pop3", "pop3s"])
def test_mail_comes_back_byte_for_byte(acme, tls):
    text = ".\r\n..\r\n.dot\r\n" + ("x" * 900 + "\r\n") * 80 + "\r\n"
    _, sent = probe(acme, text)
    client = login(acme, tls=tls)
    assert client.stat()[0] == 1
    message = fetched(client, 1)
    assert message.startswith(b"Return-Path: <a@sender.test>\r\nDelivered-To: ") and message.endswith(b"\r\n" + sent)
    assert client.list(1) == b"+OK 1 %d" % len(message) and client.stat() == (1, len(message))
    assert client.list()[1] == [b"1 %d" % len(message)]
    assert re.fullmatch(rb"\+OK 1 [!-~]{3,70}", client.uidl(1))
    client.quit()


def test_a_mail_of_many_pieces_is_whole(acme):
    line = "0123456789" * 7 + "\r\n"
    _, sent = probe(acme, "." + line + line * 40000)
    client = login(acme)
    assert fetched(client, 1).endswith(b"\r\n" + sent)


def test_top_sends_the_header_and_so_many_lines(acme):
    probe(acme, ".one\r\n\r\nthree\r\n")
    client = login(acme)
    head = client.top(1, 0)[1]
    assert head[-1] == b"" and any(line.startswith(b"Subject: probe mt1") for line in head)
    assert client.top(1, 2)[1] == head + [b".one", b""]
    assert client.top(1, 1000)[1] == head + [b".one", b"", b"three", b"end"]


def test_deletions_happen_at_quit_alone(acme):
    for _ in range(3):
        probe(acme)
    client = login(acme)
    uids = client.uidl()[1]
    client.dele(2)
    with pytest.raises(poplib.error_proto, match="marked as deleted"):
        client.retr(2)
    assert client.stat()[0] == 2 and len(client.list()[1]) == 2
    client.close()                                  # without QUIT
    client = login(acme)
    assert client.uidl()[1] == uids
    client.dele(1)
    client.rset()
    assert client.stat()[0] == 3
    client.dele(2)
    assert client.quit().startswith(b"+OK")
    left = [uid.split()[1] for uid in login(acme).uidl()[1]]
    assert left == [uids[0].split()[1], uids[2].split()[1]]


def test_a_deletion_is_durable_and_does_not_erase_the_arrival(acme):
    token, _ = probe(acme)
    client = login(acme)
    client.dele(1)
    client.quit()
    acme.crash()
    acme.start()
    assert login(acme).stat() == (0, 0)
    answer = acme.http("GET", f"/v1/mailboxes/acme/tokens/{token}").json()
    assert answer["verdict"] == "arrived" and len(answer["arrivals"]) == 1


def test_two_sessions_do_not_lock_each_other_out(acme):
    probe(acme)
    probe(acme)
    one, two = login(acme), login(acme)
    one.dele(1)
    one.dele(2)
    one.quit()
    with pytest.raises(poplib.error_proto, match="has gone since you logged in"):
        two.retr(1)
    two.dele(2)
    assert two.quit().startswith(b"+OK")            # what has gone already is deleted, too


def test_uids_stay_over_restarts_and_never_come_again(acme):
    probe(acme)
    probe(acme)
    first = login(acme).uidl()[1]
    acme.stop()
    acme.start()
    client = login(acme)
    assert client.uidl()[1] == first
    client.dele(2)
    client.quit()
    probe(acme)
    again = login(acme).uidl()[1]
    assert again[0] == first[0] and again[1].split()[1] not in {uid.split()[1] for uid in first}


def test_the_unmatched_folder_has_a_name_of_its_own(acme):
    deliver(acme, BODY)
    assert login(acme).stat()[0] == 0
    for user in "acme/Unmatched", "ACME/unmatched", f"acme@{DOMAIN}/Unmatched":
        client = login(acme, user)
        assert fetched(client, 1).endswith(BODY)
    with pytest.raises(poplib.error_proto, match=r"\[AUTH\] there is no such folder"):
        login(acme, "acme/Elsewhere")


@pytest.mark.parametrize("user, secret", [("acme", "wrong"), ("nobody", "wrong"), ("acme@elsewhere.test", None), ("acme/../other", "x"), ("", "x")])
def test_a_wrong_login_is_refused_alike(acme, user, secret):
    client = poplib.POP3("127.0.0.1", acme.ports["pop3"], timeout=20)
    said = []
    for command in f"USER {user}", f"PASS {secret or acme.acme['secret']}":
        try:
            client._shortcmd(command)
        except poplib.error_proto as refused:
            said.append(str(refused))
    assert said and ("[AUTH] wrong user or password" in said[0] or "wrong number of arguments" in said[0])
    assert (secret or acme.acme["secret"]) not in acme.log or secret in ("x", "wrong")


def test_a_disabled_mailbox_takes_no_login(acme):
    acme.ctl("mailbox", "disable", "acme")
    with pytest.raises(poplib.error_proto, match=r"\[AUTH\] this mailbox is disabled"):
        login(acme)
    acme.ctl("mailbox", "enable", "acme")
    login(acme).quit()


def test_a_secret_is_in_no_log(acme):
    login(acme).quit()
    with pytest.raises(poplib.error_proto):
        login(acme, secret="Pass-W0rd-of-mine")
    assert acme.acme["secret"] not in acme.log and "Pass-W0rd-of-mine" not in acme.log
    assert "event=login-failed protocol=pop3" in acme.log


def test_behind_a_wrong_password_the_next_try_waits_its_turn(acme):
    for _ in range(2):
        with pytest.raises(poplib.error_proto, match="wrong user"):
            login(acme, secret="wrong")
    login(acme).quit()                              # it waits, and then it is let in


# ---- TLS -----------------------------------------------------------------------------------------------------------------


def test_stls_protects_what_follows(acme):
    client = poplib.POP3("127.0.0.1", acme.ports["pop3"], timeout=20)
    assert "STLS" in client.capa()
    client.stls(UNCHECKED)
    assert "STLS" not in client.capa() and "SCRAM-SHA-256-PLUS" in client.capa()["SASL"]
    client.user("acme")
    client.pass_(acme.acme["secret"])
    client.quit()


def test_what_was_sent_behind_stls_in_plain_is_thrown_away(acme):
    with socket.create_connection(("127.0.0.1", acme.ports["pop3"]), timeout=20) as plain:
        plain.recv(1024)
        plain.sendall(b"STLS\r\nUSER smuggled\r\n")
        assert plain.recv(1024).startswith(b"+OK")
        with UNCHECKED.wrap_socket(plain) as client:
            client.sendall(b"PASS x\r\n")
            assert client.recv(1024) == b"-ERR say USER first\r\n"


# ---- SASL -----------------------------------------------------------------------------------------------------------------


def send(client, line: bytes) -> bytes:
    client._putline(line)
    return client._getresp()


def encoded(text: bytes) -> bytes:
    return base64.b64encode(text)


def test_plain(acme):
    message = b"\0acme\0" + acme.acme["secret"].encode()
    client = poplib.POP3("127.0.0.1", acme.ports["pop3"], timeout=20)
    assert send(client, b"AUTH PLAIN " + encoded(message)).startswith(b"+OK 0 messages")
    client = poplib.POP3("127.0.0.1", acme.ports["pop3"], timeout=20)
    assert send(client, b"AUTH PLAIN") == b"+ "
    assert send(client, encoded(message)).startswith(b"+OK 0 messages")
    client = poplib.POP3("127.0.0.1", acme.ports["pop3"], timeout=20)
    with pytest.raises(poplib.error_proto, match="wrong user or password"):
        send(client, b"AUTH PLAIN " + encoded(b"somebody\0acme\0" + acme.acme["secret"].encode()))


def scram(client, user: str, secret: str, header: bytes = b"n,,", binding: bytes = b"", mechanism: bytes = b"SCRAM-SHA-256"):
    """RFC 7677 from the client's side; the last line of the server."""
    nonce = base64.b64encode(os.urandom(12))
    bare = b"n=" + user.encode() + b",r=" + nonce
    answer = send(client, b"AUTH " + mechanism + b" " + encoded(header + bare))
    first = base64.b64decode(answer[2:])
    fields = dict(field.split(b"=", 1) for field in first.split(b","))
    assert fields[b"r"].startswith(nonce) and len(fields[b"r"]) > len(nonce)
    salted = hashlib.pbkdf2_hmac("sha256", secret.encode(), base64.b64decode(fields[b"s"]), int(fields[b"i"]))
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    final = b"c=" + encoded(header + binding) + b",r=" + fields[b"r"]
    message = b",".join((bare, first, final))
    signature = hmac.digest(hashlib.sha256(client_key).digest(), message, "sha256")
    proof = bytes(a ^ b for a, b in zip(client_key, signature))
    answer = send(client, encoded(final + b",p=" + encoded(proof)))
    verifier = hmac.digest(hmac.digest(salted, b"Server Key", "sha256"), message, "sha256")
    assert base64.b64decode(answer[2:]) == b"v=" + encoded(verifier)
    return send(client, b"")


def test_scram(acme):
    client = poplib.POP3("127.0.0.1", acme.ports["pop3"], timeout=20)
    assert scram(client, "acme", acme.acme["secret"]).startswith(b"+OK 0 messages")
    for user, secret in ("acme", "wrong"), ("nobody", "wrong"):
        client = poplib.POP3("127.0.0.1", acme.ports["pop3"], timeout=20)
        with pytest.raises(poplib.error_proto, match="wrong user or password"):
            scram(client, user, secret)


def end_point(client) -> bytes:
    return hashlib.sha256(client.sock.getpeercert(binary_form=True)).digest()


def test_scram_is_bound_to_the_connection(acme):
    client = poplib.POP3_SSL("127.0.0.1", acme.ports["pop3s"], context=UNCHECKED, timeout=20)
    header = b"p=tls-server-end-point,,"
    assert scram(client, "acme", acme.acme["secret"], header, end_point(client), b"SCRAM-SHA-256-PLUS").startswith(b"+OK 0 messages")
    client = poplib.POP3_SSL("127.0.0.1", acme.ports["pop3s"], context=UNCHECKED, timeout=20)
    with pytest.raises(poplib.error_proto, match="cannot be read"):
        scram(client, "acme", acme.acme["secret"], header, b"\0" * 32, b"SCRAM-SHA-256-PLUS")
    client = poplib.POP3_SSL("127.0.0.1", acme.ports["pop3s"], context=UNCHECKED, timeout=20)
    with pytest.raises(poplib.error_proto, match="cannot be read"):       # somebody took the offer of binding away
        scram(client, "acme", acme.acme["secret"], b"y,,")


def test_an_unknown_user_gets_a_salt_that_stays_the_same(acme):
    def salt(user):
        client = poplib.POP3("127.0.0.1", acme.ports["pop3"], timeout=20)
        return base64.b64decode(send(client, b"AUTH SCRAM-SHA-256 " + encoded(b"n,,n=" + user + b",r=x"))[2:]).split(b",")[1]
    assert salt(b"acme") == salt(b"acme")
    assert len(salt(b"nobody")) == len(salt(b"acme")) and salt(b"nobody") != salt(b"somebody")


# ---- Dialogue -----------------------------------------------------------------------------------------------------------------


def test_commands_may_be_pipelined(acme):
    probe(acme)
    said = talk(acme, b"USER acme", b"PASS " + acme.acme["secret"].encode(), b"STAT", b"NOOP", b"UIDL", b"LIST", b"RETR 1", b"DELE 1", b"QUIT")
    assert said[0].startswith(b"+OK mx.") and said[-2] == b"+OK goodbye" and said[-1] == b""
    assert login(acme).stat()[0] == 0


@pytest.mark.parametrize("line, answer", [
    (b"STAT", rb"-ERR log in first"),
    (b"FROB", rb"-ERR unknown command.*"),
    (b"", rb"-ERR \[SYS/PERM\] .*"),
    (b"APOP acme 0123456789abcdef0123456789abcdef", rb"-ERR unknown command.*"),
    (b"AUTH CRAM-MD5", rb"-ERR \[AUTH\] that mechanism is not offered.*"),
    (b"AUTH PLAIN !!!!", rb"-ERR that is no base64"),
    (b"PASS x", rb"-ERR say USER first"),
    (b"LANG", rb"\+OK"),
    (b"LANG tlh", rb"-ERR \[SYS/PERM\] .*"),
    (b"UTF8", rb"\+OK .*"),
    (b"QUIT now", rb"-ERR wrong number of arguments"),
    (b"\xff\xfe", rb"-ERR .*"),
    (b"NO\0OP", rb"-ERR .*"),
])
def test_before_the_login(acme, line, answer):
    assert re.fullmatch(answer, talk(acme, line)[1])


@pytest.mark.parametrize("line, answer", [
    (b"RETR 0", rb"-ERR there is no such message.*"),
    (b"RETR 2", rb"-ERR there is no such message.*"),
    (b"RETR -1", rb"-ERR there is no such message.*"),
    (b"RETR 99999999999999999999", rb"-ERR there is no such message.*"),
    (b"RETR", rb"-ERR wrong number of arguments"),
    (b"TOP 1", rb"-ERR wrong number of arguments"),
    (b"TOP 1 -1", rb"-ERR TOP takes.*"),
    (b"UIDL 2", rb"-ERR there is no such message.*"),
    (b"USER acme", rb"-ERR you are logged in already"),
    (b"STLS", rb"-ERR you are logged in already"),
    (b"list", rb"\+OK"),
    (b"noop", rb"\+OK"),
])
def test_behind_the_login(acme, line, answer):
    probe(acme)
    said = talk(acme, b"USER acme", b"PASS " + acme.acme["secret"].encode(), line)
    assert re.fullmatch(answer, said[3])


def test_an_endless_line_ends_the_session(acme):
    said = talk(acme, b"x" * 100000)
    assert said[1] == b"-ERR a line may have 1024 octets"
    assert acme.metric("mailtest_role_restarts_total") == 0


def test_too_many_errors_end_the_session(acme):
    said = talk(acme, *[b"FROB"] * 1000)
    assert len(said) < 30


def test_a_client_that_does_not_read_costs_no_memory_and_harms_nobody(acme):
    probe(acme, ("x" * 998 + "\r\n") * 20000)
    greedy = []
    for _ in range(5):
        client = socket.create_connection(("127.0.0.1", acme.ports["pop3"]), timeout=20)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.sendall(b"USER acme\r\nPASS " + acme.acme["secret"].encode() + b"\r\n" + b"RETR 1\r\n" * 50)
        greedy.append(client)
    login(acme).quit()
    for pid in acme.role_pids("imapd"):
        with open(f"/proc/{pid}/status", encoding="ascii") as status:
            assert int(re.search(r"RssAnon:\s+(\d+)", status.read())[1]) < 40000
    for client in greedy:
        client.close()


def test_idle_sessions_end(service):
    service.write_configuration(access={"login_timeout_ms": 200, "idle_timeout_ms": 200})
    service.stop()
    service.start()
    service.acme = service.add_mailbox("acme")
    with socket.create_connection(("127.0.0.1", service.ports["pop3"]), timeout=20) as client:
        said = b""
        while more := client.recv(4096):
            said += more
    assert said.endswith(b"-ERR [SYS/TEMP] nothing was heard for too long; nothing was deleted\r\n")


def test_a_stop_says_goodbye(acme):
    client = login(acme)
    acme.stop()
    assert client._getline()[0].startswith(b"-ERR [SYS/TEMP] the service is stopping")
    acme.start()


# ---- Real programs -----------------------------------------------------------------------------------------------------------------


def test_curl_fetches(acme):
    _, sent = probe(acme)
    for url in f"pop3://127.0.0.1:{acme.ports['pop3']}/1", f"pop3s://127.0.0.1:{acme.ports['pop3s']}/1":
        done = subprocess.run(["curl", "-sS", "-k", "--user", f"acme:{acme.acme['secret']}", url], capture_output=True, check=True, timeout=60)
        assert done.stdout.endswith(b"\r\n" + sent)


def test_fetchmail_fetches_and_deletes(acme, tmp_path):
    for _ in range(3):
        probe(acme)
    configuration = tmp_path / "fetchmailrc"
    configuration.write_text(f'poll 127.0.0.1 service {acme.ports["pop3"]} protocol pop3 user "acme" password "{acme.acme["secret"]}" '
                             f'sslproto "" no keep mda "cat >> {tmp_path}/mail"\n')
    configuration.chmod(0o600)
    done = subprocess.run(["fetchmail", "-f", configuration, "--nosyslog", "-i", tmp_path / "ids", "--pidfile", tmp_path / "pid"],
                          capture_output=True, text=True, timeout=60, check=False, env={**os.environ, "FETCHMAILHOME": str(tmp_path)})
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "mail").read_text().count("Subject: probe mt1") == 3
    assert login(acme).stat() == (0, 0)
