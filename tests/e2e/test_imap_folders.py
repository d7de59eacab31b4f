"""IMAP: folders that users make, and mail that they bring in, copy and move."""

import imaplib
import os
import re
import smtplib
import socket
import subprocess

import pytest

from service import DOMAIN

imaplib.Commands.update({"MOVE": ("SELECTED",)})

MESSAGE = (b"From: Ann <ann@customer.test>\r\nTo: bob@example.net\r\nSubject: plain\r\nMIME-Version: 1.0\r\n"
           b"Content-Type: multipart/mixed; boundary=cut\r\n\r\n--cut\r\n\r\none\r\n"
           b"--cut\r\nContent-Type: text/html\r\n\r\n<p>two</p>\r\n--cut--\r\n")


def login(service, folder: str | None = None):
    client = imaplib.IMAP4("127.0.0.1", service.ports["imap"], timeout=20)
    client.login("acme", service.acme["secret"])
    if folder is not None:
        assert client.select(folder)[0] == "OK"
    return client


def arrive(service, count: int = 1) -> list[str]:
    """Test mails in INBOX; their tokens."""
    tokens = [service.mint("acme") for _ in range(count)]
    with smtplib.SMTP("127.0.0.1", service.smtp_port, timeout=20) as smtp:
        for number, token in enumerate(tokens):
            smtp.sendmail("a@sender.test", [f"acme@{DOMAIN}"], f"Subject: {number} {token}\r\n\r\nhello\r\n".encode())
    return tokens


def say(client, line: str) -> tuple[str, str, list[str]]:
    """One command as it is: status, text, and the untagged lines before."""
    tag = client._new_tag().decode()
    client.send(f"{tag} {line}\r\n".encode())
    untagged = []
    while not (answer := client.readline().decode().rstrip("\r\n")).startswith(tag + " "):
        assert answer, "the connection ended"
        untagged.append(answer)
    _, status, text = answer.split(" ", 2)
    return status, text, untagged


def names(client, command: str = 'LIST "" "*"') -> dict[str, str]:
    """Folders with their attributes."""
    lines = [re.fullmatch(r'\* L(?:IST|SUB) \((.*)\) "/" "(.*)"', line) for line in say(client, command)[2]]
    return {line[2]: line[1] for line in lines}


def status_of(client, folder: str, item: str) -> int:
    return int(re.search(rb"%s (\d+)" % item.encode(), client.status(folder, f"({item})")[1][0])[1])


def named_by_others(service, identity: int) -> set[str]:
    """What the API and mailtestctl say of where a message is, in lists and on its own."""
    listed = service.http("GET", "/v1/mailboxes/acme/messages").json()["messages"] + service.ctl("message", "list", "acme", "--json")["messages"]
    shown = [service.http("GET", f"/v1/messages/{identity}").json(), service.ctl("message", "show", str(identity), "--json")]
    return {message["folder"] for message in listed + shown if message["id"] == identity}


def whole(client, number) -> bytes:
    return client.fetch(str(number), "BODY.PEEK[]")[1][0][1]


def verified(service) -> bool:
    """The database fits together."""
    service.stop()
    service.ctl("verify")
    return True


# ---- Folders ------------------------------------------------------------------------------------------------------------------


def test_create_rename_delete(acme):
    client = login(acme)
    assert say(client, "CREATE work/2026/autumn/")[0] == "OK"
    assert names(client) == {"INBOX": "\\HasNoChildren", "Unmatched": "\\HasNoChildren \\Junk", "work": "\\HasChildren", "work/2026": "\\HasChildren",
                             "work/2026/autumn": "\\HasNoChildren"}
    assert say(client, "CREATE work")[:2] == ("NO", "[ALREADYEXISTS] there is such a mailbox already")
    assert say(client, "CREATE inbox")[1].startswith("[ALREADYEXISTS]")
    assert say(client, "RENAME work job/old")[0] == "OK"
    assert list(names(client)) == ["INBOX", "Unmatched", "job/old", "job/old/2026", "job/old/2026/autumn", "job"]
    assert say(client, "RENAME job job/old/below")[1].startswith("[CANNOT]")
    assert say(client, "RENAME job Unmatched")[1].startswith("[ALREADYEXISTS]")
    assert say(client, "RENAME nothing else")[1].startswith("[NONEXISTENT]")
    assert say(client, "RENAME Unmatched else")[1].startswith("[CANNOT]")
    assert say(client, "DELETE job")[1].startswith("[HASCHILDREN]")
    for name in "job/old/2026/autumn", "job/old/2026", "job/old", "job":
        assert say(client, f"DELETE {name}")[0] == "OK"
    for name, code in ("INBOX", "CANNOT"), ("Unmatched", "CANNOT"), ("job", "NONEXISTENT"):
        assert say(client, f"DELETE {name}")[1].startswith(f"[{code}]")
    assert list(names(client)) == ["INBOX", "Unmatched"]
    assert verified(acme)


@pytest.mark.parametrize("name", ['"a//b"', '"/a"', '""', '"../etc"', "a/../b", "a/.", '"a*"', '"a%b"', '"&AAo-"', '"&AIU-"', '"' + "x" * 256 + '"',
                                  '"\x01"', '"&unended"'])
def test_a_name_that_is_none(acme, name):
    client = login(acme)
    assert say(client, f"CREATE {name}")[0] in ("NO", "BAD")
    assert say(client, f"RENAME INBOX {name}")[0] in ("NO", "BAD")
    assert list(names(client)) == ["INBOX", "Unmatched"]


def test_a_name_with_octets_that_do_not_belong(acme):
    client = login(acme)
    for octets in b"a\0b", b"a\xffb", b"a\nb":
        client.send(b"x CREATE {3+}\r\n%s\r\n" % octets)
        assert client.readline().startswith(b"x BAD [CLIENTBUG]")
    assert list(names(client)) == ["INBOX", "Unmatched"]


def test_names_in_modified_utf_7(acme):
    client = login(acme)
    assert say(client, 'CREATE "Gel&APY-scht/&ZeVnLIqe-"')[0] == "OK"
    assert list(names(client))[2:] == ["Gel&APY-scht", "Gel&APY-scht/&ZeVnLIqe-"]
    assert say(client, 'SELECT "Gel&APY-scht/&ZeVnLIqe-"')[0] == "OK"


def test_there_is_an_end_of_folders(acme):
    client = login(acme)
    for number in range(62):
        assert say(client, f"CREATE f{number}")[0] == "OK"
    assert say(client, "CREATE one-more")[1].startswith("[LIMIT]")
    assert say(client, "RENAME f1 a/b")[1].startswith("[LIMIT]")
    assert say(client, "DELETE f1")[0] == "OK"
    assert say(client, "CREATE one-more")[0] == "OK"


def test_subscriptions_last(acme):
    client = login(acme)
    assert say(client, "CREATE a/b")[0] == "OK"
    assert say(client, "UNSUBSCRIBE a")[0] == "OK"
    assert say(client, "UNSUBSCRIBE elsewhere")[0] == "OK"
    assert say(client, "SUBSCRIBE elsewhere")[1].startswith("[NONEXISTENT]")
    acme.stop()
    acme.start()
    client = login(acme)
    assert names(client, 'LSUB "" *').keys() == {"INBOX", "Unmatched", "a/b"}
    assert names(client, 'LSUB "" %')["a"] == "\\Noselect \\HasChildren"
    assert names(client, 'LIST (SUBSCRIBED) "" a*') == {"a/b": "\\Subscribed \\HasNoChildren"}
    assert names(client, 'LIST "" a* RETURN (SUBSCRIBED)') == {"a": "\\HasChildren", "a/b": "\\Subscribed \\HasNoChildren"}
    assert say(client, "SUBSCRIBE a")[0] == "OK"
    assert "a" in names(client, 'LSUB "" *')


def test_a_name_that_comes_again_has_another_uidvalidity(acme):
    client = login(acme)
    seen = set()
    for _ in range(5):
        assert say(client, "CREATE again")[0] == "OK"
        seen.add(status_of(client, "again", "UIDVALIDITY"))
        assert say(client, "DELETE again")[0] == "OK"
    assert len(seen) == 5


def test_delete_takes_the_mail_along_but_no_arrivals(acme):
    token, = arrive(acme)
    client = login(acme, "INBOX")
    assert say(client, "CREATE done")[0] == "OK"
    assert say(client, "MOVE 1 done")[0] == "OK"
    watcher = login(acme, "done")
    assert say(client, "SELECT done")[0] == "OK"
    status, _, untagged = say(client, "DELETE done")
    assert status == "OK" and untagged[-1].startswith("* OK [CLOSED]")
    assert say(client, "FETCH 1 UID")[0] == "BAD"
    watcher.send(b"w NOOP\r\n")
    answers = [watcher.readline(), watcher.readline()]
    assert any(line.startswith(b"* BYE") for line in answers), answers
    assert acme.http("GET", f"/v1/mailboxes/acme/tokens/{token}").json()["verdict"] == "arrived"
    assert verified(acme)


def test_rename_of_inbox_takes_its_mail_away(acme):
    arrive(acme, 3)
    client = login(acme, "INBOX")
    assert say(client, "CREATE INBOX/below")[0] == "OK"
    assert say(client, "RENAME inbox old-mail")[0] == "OK"
    assert {"INBOX", "INBOX/below", "old-mail"} < names(client).keys()
    assert status_of(client, "INBOX", "MESSAGES") == 0
    assert status_of(client, "old-mail", "MESSAGES") == 3
    assert verified(acme)


# ---- COPY and MOVE ---------------------------------------------------------------------------------------------------------------


def test_copy(acme):
    arrive(acme, 3)
    client = login(acme, "INBOX")
    client.store("2", "+FLAGS", "(\\Flagged mine)")
    assert say(client, "COPY 1 nowhere")[:2] == ("NO", "[TRYCREATE] there is no such mailbox")
    assert say(client, "CREATE there")[0] == "OK"
    uidvalidity = status_of(client, "there", "UIDVALIDITY")
    date = client.fetch("2", "INTERNALDATE")[1][0]
    assert say(client, "COPY 2:3 there")[:2] == ("OK", f"[COPYUID {uidvalidity} 2:3 1:2] COPY completed")
    assert say(client, "UID COPY 1 there")[1] == f"[COPYUID {uidvalidity} 1 3] COPY completed"
    assert say(client, "UID COPY 99 there")[:2] == ("OK", "COPY completed")
    original = whole(client, 2)
    client.store("1:3", "+FLAGS", "\\Deleted")
    client.expunge()
    client.select("there")
    assert whole(client, 1) == original
    assert client.fetch("1", "INTERNALDATE")[1][0] == date.replace(b"2 (", b"1 (")
    assert client.fetch("1", "FLAGS")[1] == [b"1 (FLAGS (\\Flagged \\Recent mine))"]
    assert say(client, "COPY 1:3 there")[1] == f"[COPYUID {uidvalidity} 1:3 4:6] COPY completed"
    assert verified(acme)


def test_move(acme):
    token = arrive(acme, 3)[1]
    client = login(acme, "INBOX")
    watcher = login(acme, "INBOX")
    assert say(client, "CREATE there")[0] == "OK"
    uidvalidity = status_of(client, "there", "UIDVALIDITY")
    status, text, untagged = say(client, "MOVE 2:3 there")
    assert (status, text) == ("OK", "MOVE completed")
    assert untagged[0] == f"* OK [COPYUID {uidvalidity} 2:3 1:2] they are there"
    assert untagged[1:] == ["* 2 EXPUNGE"] * 2
    assert sum("EXPUNGE" in line for line in say(watcher, "NOOP")[2]) == 2
    client.select("INBOX", readonly=True)
    assert say(client, "MOVE 1 there")[1].startswith("[READ-ONLY]")
    client.select("there")
    assert token.encode() in whole(client, 1)
    arrival = acme.http("GET", f"/v1/mailboxes/acme/tokens/{token}").json()["arrivals"][0]
    assert arrival["message_kept"]
    assert token in acme.http("GET", f"/v1/messages/{arrival['message_id']}").json()["subject"]
    assert verified(acme)


def test_operators_read_the_names_of_own_folders(acme):
    arrive(acme, 2)
    client = login(acme, "INBOX")
    assert say(client, 'CREATE "Done/Gr&APYA3w-e"')[0] == "OK"
    assert say(client, 'MOVE 2 "Done/Gr&APYA3w-e"')[0] == "OK"
    moved, kept = (message["id"] for message in acme.http("GET", "/v1/mailboxes/acme/messages").json()["messages"])
    assert named_by_others(acme, kept) == {"INBOX"}
    assert named_by_others(acme, moved) == {"Done/Größe"}
    assert "Done/Größe" in acme.ctl("message", "list", "acme")
    assert "Done/Größe" in acme.ctl("message", "show", str(moved))
    assert say(client, 'RENAME "Done/Gr&APYA3w-e" later')[0] == "OK"
    assert named_by_others(acme, moved) == {"later"}


def test_many_are_copied_and_moved(acme):
    client = login(acme, "INBOX")
    for number in range(30):
        assert client.append("INBOX", None, None, b"Subject: %d\r\n\r\nx\r\n" % number)[0] == "OK"
    assert say(client, "CREATE many")[0] == "OK"
    for _ in range(5):
        assert say(client, "NOOP")[0] == "OK"
        assert say(client, "COPY 1:* INBOX")[0] == "OK"
    count = int(client.select("INBOX")[1][0])
    assert count == 30 * 2 ** 5
    uidvalidity = status_of(client, "many", "UIDVALIDITY")
    status, text, untagged = say(client, "MOVE 1:* many")
    assert status == "OK" and untagged[0] == f"* OK [COPYUID {uidvalidity} 1:{count} 1:{count}] they are there"
    assert sum("EXPUNGE" in line for line in untagged) == count
    assert say(client, "DELETE many")[0] == "OK"
    assert verified(acme)


def test_a_copy_that_fails_in_the_middle_leaves_nothing(make_service):
    service = make_service(quota={"mailbox_bytes": 115000})
    service.acme = service.add_mailbox("acme")
    client = login(service, "INBOX")
    message = b"Subject: x\r\n\r\n" + b"y" * 86
    for _ in range(2):
        client.send(b"x APPEND INBOX" + (b" {100+}\r\n" + message) * 300 + b"\r\n")
        while not (line := client.readline()).startswith(b"x "):
            pass
        assert line.startswith(b"x OK ")
    assert say(client, "CREATE there")[0] == "OK"
    assert client.select("INBOX")[1] == [b"600"]
    # The first step of 500 fits, the second does not.
    assert say(client, "COPY 1:* there")[:2] == ("NO", "[OVERQUOTA] the mailbox has no room for them")
    assert status_of(client, "there", "MESSAGES") == 0
    assert status_of(client, "there", "UIDNEXT") == 501
    assert say(client, "COPY 1:500 there")[0] == "OK"
    assert verified(service)


def test_the_quota_holds(make_service):
    service = make_service(quota={"mailbox_bytes": 1048576})
    service.acme = service.add_mailbox("acme")
    client = login(service, "INBOX")
    half = b"Subject: half\r\n\r\n" + (b"x" * 76 + b"\r\n") * 7800
    assert client.append("INBOX", None, None, half)[0] == "OK"
    assert client.select("INBOX")[0] == "OK"
    used = -(-len(half) // 1024)
    assert say(client, "GETQUOTAROOT INBOX")[2] == ['* QUOTAROOT "INBOX" ""', f'* QUOTA "" (STORAGE {used} 1024)']
    assert say(client, 'GETQUOTA ""')[2] == [f'* QUOTA "" (STORAGE {used} 1024)']
    assert say(client, "GETQUOTA other")[1].startswith("[NONEXISTENT]")
    assert say(client, "COPY 1 INBOX")[1].startswith("[OVERQUOTA]")
    client.send(b"x APPEND INBOX {%d}\r\n" % len(half))
    assert client.readline().startswith(b"x NO [OVERQUOTA]")
    client.store("1", "+FLAGS", "\\Deleted")
    assert status_of(client, "INBOX", "DELETED-STORAGE") == used


# ---- APPEND ------------------------------------------------------------------------------------------------------------------------


def test_append(acme):
    client = login(acme, "INBOX")
    uidvalidity = status_of(client, "INBOX", "UIDVALIDITY")
    status, answer = client.append("INBOX", "(\\Seen \\Draft note)", '"17-Jul-2026 02:44:25 -0700"', MESSAGE)
    assert (status, answer) == ("OK", [b"[APPENDUID %d 1] APPEND completed" % uidvalidity])
    assert client.untagged_responses["EXISTS"][-1] == b"1"
    assert whole(client, 1) == MESSAGE
    assert client.fetch("1", "(FLAGS RFC822.SIZE)")[1] == [b"1 (FLAGS (\\Seen \\Draft \\Recent note) RFC822.SIZE %d)" % len(MESSAGE)]
    assert client.fetch("1", "INTERNALDATE")[1] == [b'1 (INTERNALDATE "17-Jul-2026 09:44:25 +0000")']
    assert b'"TEXT" "HTML"' in client.fetch("1", "BODYSTRUCTURE")[1][0].upper()
    assert client.fetch("1", "BODY.PEEK[2]")[1][0][1] == b"<p>two</p>"
    assert client.append("nowhere", None, None, MESSAGE) == ("NO", [b"[TRYCREATE] there is no such mailbox"])
    assert verified(acme)


def test_append_is_no_arrival(acme):
    token = acme.mint("acme")
    client = login(acme, "INBOX")
    assert client.append("INBOX", None, None, f"Subject: {token}\r\n\r\n{token}\r\n".encode())[0] == "OK"
    assert acme.http("GET", f"/v1/mailboxes/acme/tokens/{token}").json()["verdict"] != "arrived"


def test_a_search_finds_what_arrived_and_what_was_brought_in(acme):
    token, = arrive(acme)
    client = login(acme, "INBOX")
    assert client.append("INBOX", None, None, f"Subject: {token}\r\n\r\nx\r\n".encode())[0] == "OK"
    assert say(client, "COPY 1 INBOX")[0] == "OK"
    assert client.search(None, "SUBJECT", token)[1] == [b"1 2 3"]
    client.store("2:3", "+FLAGS", "\\Deleted")
    client.expunge()
    assert client.search(None, "SUBJECT", token)[1] == [b"1"]


def test_a_large_message_comes_as_it_was(acme):
    large = b"Subject: large\r\n\r\n" + b"".join(b"%075d\r\n" % number for number in range(40000))
    client = login(acme, "INBOX")
    assert client.append("INBOX", None, None, large)[0] == "OK"
    assert whole(client, 1) == large


def test_bare_line_feeds_become_line_ends(acme):
    client = login(acme, "INBOX")
    client.send(b"x APPEND INBOX {13+}\r\nSubject: a\n\nb\r\n")
    assert [client.readline(), client.readline()] == [b"* 1 EXISTS\r\n", b"* 1 RECENT\r\n"]
    assert client.readline().startswith(b"x OK [APPENDUID ")
    assert whole(client, 1) == b"Subject: a\r\n\r\nb"


@pytest.mark.parametrize("literal", ["{16}", "{16+}", "~{16}", "~{16+}"])
@pytest.mark.parametrize("folder", ["INBOX", '"INBOX"', "{5}\r\nINBOX", "{5+}\r\nINBOX"])
def test_literals_of_all_kinds(acme, folder, literal):
    client = login(acme, "INBOX")
    message = b"Subject: a\r\n\r\nbc"
    for piece in re.split(r"(?<=\})\r\n", f"x APPEND {folder} {literal}"):
        client.send(piece.encode() + b"\r\n")
        if piece.endswith("}") and not piece.endswith("+}"):
            assert client.readline() == b"+ go ahead\r\n"
    client.send(message + b"\r\n")
    assert [client.readline(), client.readline()] == [b"* 1 EXISTS\r\n", b"* 1 RECENT\r\n"]
    assert client.readline().startswith(b"x OK ")
    assert whole(client, 1) == message


@pytest.mark.parametrize("command, answer", [
    (b"APPEND INBOX {33554433}\r\n", b"NO \\[TOOBIG\\]"),
    (b"APPEND INBOX {9223372036854775807}\r\n", b"NO \\[TOOBIG\\]"),
    (b"APPEND INBOX {18446744073709551616}\r\n", b"BAD "),
    (b"APPEND INBOX {0}\r\n", b"NO \\[CANNOT\\]"),
    (b"APPEND INBOX {5000+}\r\n" + b"y" * 5000 + b"\r\n", b"BAD \\[TOOBIG\\]"),
    (b"APPEND nowhere {5+}\r\nabcde\r\n", b"NO \\[TRYCREATE\\]"),
    (b"APPEND ../x {5+}\r\nabcde\r\n", b"NO \\[TRYCREATE\\]"),
    (b"APPEND INBOX (\\Odd) {5+}\r\nabcde\r\n", b"BAD \\[CLIENTBUG\\]"),
    (b"APPEND INBOX (\\Seen {5+}\r\nabcde\r\n", b"BAD \\[CLIENTBUG\\]"),
    (b'APPEND INBOX "31-Feb-2026 00:00:00 +0000" {5+}\r\nabcde\r\n', b"BAD \\[CLIENTBUG\\]"),
    (b"APPEND INBOX {5+}\r\nabcdefgh\r\n", b"BAD \\[CLIENTBUG\\]"),
    (b"APPEND INBOX\r\n", b"BAD "),
])
def test_an_append_that_is_none(acme, command, answer):
    client = login(acme, "INBOX")
    client.send(b"x " + command)
    assert re.match(b"x " + answer, client.readline())
    assert say(client, "NOOP") == ("OK", "NOOP completed", [])
    assert int(client.select("INBOX")[1][0]) == 0


def test_a_client_that_goes_away_leaves_nothing(acme):
    for sent in b"x APPEND INBOX {100000}\r\n", b"x APPEND INBOX {100}\r\n" + b"y" * 50, b"x APPEND INBOX {10}\r\n0123456789":
        client = login(acme, "INBOX")
        client.send(sent)
        assert client.readline() == b"+ go ahead\r\n"
        client.sock.shutdown(socket.SHUT_RDWR)
        client.sock.close()
    assert int(login(acme).select("INBOX")[1][0]) == 0


def test_a_client_that_stalls_is_put_off(make_service):
    service = make_service(access={"stalled_timeout_ms": 300})
    service.acme = service.add_mailbox("acme")
    client = login(service, "INBOX")
    client.send(b"x APPEND INBOX {100}\r\n")
    assert client.readline() == b"+ go ahead\r\n"
    client.send(b"y" * 50)
    assert client.readline().startswith(b"* BYE ")
    assert int(login(service).select("INBOX")[1][0]) == 0


def test_commands_behind_one_another_are_all_answered(acme):
    client = login(acme, "INBOX")
    for _ in range(3):
        assert client.append("INBOX", None, None, MESSAGE)[0] == "OK"
    client.send(b"".join(b"%d %s\r\n" % (number, command) for number, command in enumerate([
        b"CREATE a", b"STORE 1:* +FLAGS.SILENT (\\Seen)", b"CHECK", b"UID COPY 1:2 a", b"APPEND a {4+}\r\na: b", b"UID MOVE 3 a",
        b"STORE 1:2 FLAGS ()", b"RENAME a b", b"EXPUNGE", b"DELETE b", b"NOOP"])))
    tagged = []
    while len(tagged) < 11:
        line = client.readline()
        tagged += [line.split(b" ")[:2]] if line[:1].isdigit() else []
    assert tagged == [[b"%d" % number, b"OK"] for number in range(11)]
    assert verified(acme)


def test_the_limits_are_told(acme):
    client = login(acme)
    assert {"MOVE", "UIDPLUS", "QUOTA", "QUOTA=RES-STORAGE", "APPENDLIMIT=33554432"} < set(say(client, "CAPABILITY")[2][0].split())


# ---- mbsync ---------------------------------------------------------------------------------------------------------------------------


def mails(folder) -> list[bytes]:
    return sorted((folder / kind / name).read_bytes() for kind in ("cur", "new") for name in os.listdir(folder / kind))


def without_marks(message: bytes) -> bytes:
    """As it was before mbsync wrote its own field into it."""
    return re.sub(rb"(?m)^X-TUID: .*\r?\n", b"", message).replace(b"\r\n", b"\n")


def test_mbsync_keeps_both_sides_alike(acme, tmp_path):
    local = tmp_path / "mail"
    for folder in "INBOX", "made-here":
        for kind in "cur", "new", "tmp":
            (local / folder / kind).mkdir(parents=True)
    (tmp_path / "rc").write_text(f"""
IMAPAccount acme
Host 127.0.0.1
Port {acme.ports["imap"]}
User acme
Pass {acme.acme["secret"]}
SSLType None
AuthMechs LOGIN

IMAPStore far
Account acme

MaildirStore near
Path {local}/
Inbox {local}/INBOX
SubFolders Verbatim

Channel all
Far :far:
Near :near:
Patterns *
Create Both
Remove Both
Expunge Both
CopyArrivalDate yes
SyncState {tmp_path}/state/
""")
    (tmp_path / "state").mkdir()

    def sync():
        done = subprocess.run(["mbsync", "-c", str(tmp_path / "rc"), "-a"], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr

    arrive(acme, 20)
    own = [b"Subject: own %d\n\n%s\n" % (number, b"y" * number * 997) for number in range(10)]
    for number, message in enumerate(own):
        (local / "made-here" / "cur" / f"{number}.local:2,{'FS' if number % 2 else ''}").write_bytes(message)
    client = login(acme)
    assert say(client, "CREATE made/there")[0] == "OK"
    assert client.append("made/there", "(\\Answered)", None, MESSAGE)[0] == "OK"
    sync()
    client.select("INBOX")
    far = sorted(without_marks(whole(client, number)) for number in range(1, 21))
    assert [without_marks(m) for m in mails(local / "INBOX")] == far
    assert [without_marks(m) for m in mails(local / "made" / "there")] == [without_marks(MESSAGE)]
    client.select("made-here")
    assert sorted(without_marks(whole(client, number)) for number in range(1, 11)) == sorted(own)
    assert len(client.search(None, "SEEN FLAGGED")[1][0].split()) == 5
    # Flags in both directions, a deletion in each.
    client.store("1", "+FLAGS", "\\Answered")
    client.select("INBOX")
    client.store("1", "+FLAGS", "\\Deleted")
    client.expunge()
    file, = (local / "made" / "there").glob("[cn]*/*")
    assert file.name.endswith(":2,R")
    file.rename(file.with_name(file.name + "T"))
    sync()
    assert len(mails(local / "INBOX")) == 19
    assert len([*(local / "made-here").glob("[cn]*/*:2,*R*")]) == 1
    assert status_of(client, "made/there", "MESSAGES") == 0
    assert verified(acme)
