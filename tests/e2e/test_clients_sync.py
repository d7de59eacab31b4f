"""Programs that keep a copy of a mailbox: 500 mails come over byte for byte, and flags and deletions go both ways."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from mail_clients import ImapFlow, fill, flags, in_maildir, login, make_maildir, private, run, state_of, truth, unix

COUNT = 500
NOBODY = 65534

MBSYNC = """
IMAPAccount acme
Host 127.0.0.1
Port {port}
User acme
Pass {secret}
SSLType None

IMAPStore far
Account acme

MaildirStore near
Path {home}/
Inbox {home}/{into}

Channel inbox
Far :far:INBOX
Near :near:INBOX
Create Near
Expunge Both
SyncState {home}/{into}-
"""

OFFLINEIMAP = """
[general]
accounts = acme
metadata = {home}/metadata
ui = basic
[Account acme]
localrepository = near
remoterepository = far
[Repository near]
type = Maildir
localfolders = {home}/copy
[Repository far]
type = IMAP
remotehost = 127.0.0.1
remoteport = {port}
remoteuser = acme
remotepass = {secret}
ssl = no
starttls = no
folderfilter = lambda name: name == "INBOX"
"""

GETMAIL = """
[retriever]
type = Simple{protocol}Retriever
server = 127.0.0.1
port = {port}
username = acme
password = {secret}
[destination]
type = Maildir
path = {home}/mail/
[options]
read_all = {read_all}
delete = {delete}
delivered_to = false
received = false
"""


@pytest.fixture
def as_nobody():
    """A folder, and the user and group to whom it belongs: for programs that refuse to work for root. pytest's folders let nobody else in."""
    home = Path(tempfile.mkdtemp(prefix="mailtest-client-"))
    user = (NOBODY, NOBODY) if os.geteuid() == 0 else (os.geteuid(), os.getegid())
    os.chown(home, *user)
    yield home, user
    shutil.rmtree(home)


def settings(text: str, service, home, **more) -> str:
    return text.format(**{"port": service.ports["imap"], "secret": service.acme["secret"], "home": home, **more})


def without_mark(mail: bytes) -> bytes:
    """As it was before mbsync wrote the field into it by which it finds it again."""
    head, rest = mail.split(b"\n\n", 1)
    return b"\n".join(line for line in head.split(b"\n") if not line.startswith(b"X-TUID: ")) + b"\n\n" + rest


def as_sent(service, sent: list[bytes]) -> dict[int, bytes]:
    """The folder holds what was sent, in that order, behind the trace fields."""
    held = truth(service)
    assert len(held) == len(sent)
    for mail, (uid, octets) in zip(sent, sorted(held.items())):
        assert octets.endswith(b"\r\n" + mail), uid
    return held


def test_mbsync_has_all_and_changes_go_both_ways(acme, tmp_path):
    held = as_sent(acme, fill(acme, COUNT))
    stable = state_of(acme)
    local = make_maildir(tmp_path / "copy")
    configuration = private(tmp_path / "rc", settings(MBSYNC, acme, tmp_path, into="copy"))
    run("mbsync", "-c", configuration, "-a", home=tmp_path)
    assert sorted(map(without_mark, in_maildir(local))) == sorted(map(unix, held.values()))

    acme.stop()
    acme.start()
    assert state_of(acme) == stable
    client = login(acme)                                    # there: 50 flagged, 20 gone; here: 30 seen, 10 gone
    client.store("1:50", "+FLAGS.SILENT", "(\\Flagged)")
    client.store("481:500", "+FLAGS.SILENT", "(\\Deleted)")
    client.expunge()
    by_uid = {int(file.name.split(",U=")[1].split(":")[0]): file for file in local.glob("[cn][ue][rw]/*")}
    for uid in range(101, 131):
        by_uid[uid].rename(local / "cur" / (by_uid[uid].name.split(":")[0] + ":2,S"))
    for uid in range(201, 211):
        by_uid[uid].rename(local / "cur" / (by_uid[uid].name.split(":")[0] + ":2,T"))
    run("mbsync", "-c", configuration, "-a", home=tmp_path)

    assert state_of(acme)[:2] == stable[:2]
    now = flags(acme)
    assert sorted(now) == [*range(1, 201), *range(211, 481)]
    assert {uid for uid in now if "\\Flagged" in now[uid]} == set(range(1, 51))
    assert {uid for uid in now if "\\Seen" in now[uid]} == set(range(101, 131))
    assert len(in_maildir(local)) == 470
    assert len([*local.glob("cur/*:2,*F*")]) == 50
    again = run("mbsync", "-V", "-c", configuration, "-a", home=tmp_path)       # nothing is left to do
    assert not {b"+1", b"*1"} & set(again.stdout.split())
    make_maildir(tmp_path / "second")                       # a copy from the start is the same
    run("mbsync", "-c", private(tmp_path / "rc2", settings(MBSYNC, acme, tmp_path, into="second")), "-a", home=tmp_path)
    assert sorted(map(without_mark, in_maildir(tmp_path / "second"))) == sorted(map(without_mark, in_maildir(local)))


def test_offlineimap_has_all_and_changes_go_both_ways(acme, tmp_path):
    held = as_sent(acme, fill(acme, 100))
    configuration = private(tmp_path / "rc", settings(OFFLINEIMAP, acme, tmp_path))
    run("offlineimap", "-o", "-c", configuration, home=tmp_path)
    local = tmp_path / "copy" / "INBOX"
    assert in_maildir(local) == sorted(map(unix, held.values()))
    client = login(acme)
    client.store("1:10", "+FLAGS.SILENT", "(\\Answered)")
    client.store("96:100", "+FLAGS.SILENT", "(\\Deleted)")
    client.expunge()
    by_uid = {int(file.name.split(",U=")[1].split(",")[0]): file for file in local.glob("[cn][ue][rw]/*")}
    for uid in range(21, 26):
        by_uid[uid].unlink()
    for uid in range(31, 36):
        by_uid[uid].rename(local / "cur" / (by_uid[uid].name.split(":")[0] + ":2,S"))
    run("offlineimap", "-o", "-c", configuration, home=tmp_path)
    now = flags(acme)
    assert sorted(now) == [*range(1, 21), *range(26, 96)]
    assert {uid for uid in now if "\\Seen" in now[uid]} == set(range(31, 36))
    assert len([*local.glob("[cn][ue][rw]/*:2,*R*")]) == 10 and len(in_maildir(local)) == 90


def getmail(acme, home: Path, user: tuple[int, int], protocol: str, **options) -> None:
    text = settings(GETMAIL, acme, home, **{"protocol": protocol, "read_all": "false", "delete": "false", **options})
    private(home / "rc", text.replace(str(acme.ports["imap"]), str(acme.ports[protocol.lower()])))
    for file in [home, *home.rglob("*")]:
        os.chown(file, *user)
    run("getmail", "--getmaildir", home, "--rcfile", "rc", home=home, user=user[0], group=user[1], extra_groups=[], timeout=20)


def get_each_once(acme, home: Path, user: tuple[int, int], protocol: str) -> None:
    held = as_sent(acme, fill(acme, 30))
    local = make_maildir(home / "mail")
    getmail(acme, home, user, protocol)
    assert [mail.replace(b"X-getmail-retrieved-from-mailbox: INBOX\n", b"") for mail in in_maildir(local)] == sorted(map(unix, held.values()))
    more = fill(acme, 3)
    acme.stop()
    acme.start()
    getmail(acme, home, user, protocol)                     # it knows UIDs from before the restart
    assert len(in_maildir(local)) == len(held) + len(more)
    getmail(acme, home, user, protocol, read_all="true", delete="true")
    assert len(in_maildir(local)) == 2 * (len(held) + len(more)) and truth(acme) == {}


@pytest.mark.parametrize("protocol", ["IMAP", "POP3"])
def test_getmail_has_all_and_takes_each_once(acme, as_nobody, protocol):
    """It forks for each mail, and waits for ever where the child ends before it begins to wait: then all is done again."""
    home, user = as_nobody
    for attempt in range(5):
        (home / str(attempt)).mkdir()
        try:
            get_each_once(acme, home / str(attempt), user, protocol)
            return
        except subprocess.TimeoutExpired:
            client = login(acme)
            client.store("1:*", "+FLAGS", "\\Deleted")
            client.expunge()
    pytest.fail("it hung each time")


def test_imapflow_has_all_and_changes_go_both_ways(acme, tmp_path):
    held = as_sent(acme, fill(acme, COUNT))
    stable = state_of(acme)
    (tmp_path / "copy").mkdir()
    with ImapFlow(acme, tmp_path) as client:
        box = client.call("mailboxOpen", "INBOX")
        assert (box["exists"], box["uidValidity"], box["uidNext"]) == (COUNT, *stable[:2])
        seen = client.call("mirror", str(tmp_path / "copy"))
        assert {int(uid): set(names) - {"\\Recent"} for uid, names in seen.items()} == flags(acme)
        assert {int(file.name): file.read_bytes() for file in (tmp_path / "copy").iterdir()} == held
        for uid in 1, 2, 3, 4, 5, 6, 7:
            client.call("save", uid, None, str(tmp_path / "one"))
            assert (tmp_path / "one").read_bytes() == held[uid], uid
        client.call("save", 7, "2", str(tmp_path / "part"))             # its base64 undone, by whoever of the two
        assert (tmp_path / "part").read_bytes() == bytes(range(5))
        assert client.call("messageFlagsAdd", "1:40", ["\\Flagged", "Mine"], {"uid": True})
        assert client.call("messageFlagsRemove", "11:40", ["Mine"], {"uid": True})
        assert client.call("messageDelete", "451:500", {"uid": True})
        assert client.call("search", {"flagged": True}, {"uid": True}) == list(range(1, 41))
        assert client.call("messageCopy", "1:3", "Unmatched", {"uid": True})["uidMap"].keys() == {"1", "2", "3"}
    now = flags(acme)
    assert sorted(now) == list(range(1, 451)) and state_of(acme)[:2] == stable[:2]
    assert {uid for uid in now if now[uid] == {"\\Flagged", "Mine"}} == set(range(1, 11))
    assert {uid for uid in now if now[uid] == {"\\Flagged"}} == set(range(11, 41))
    assert sorted(truth(acme, "Unmatched").values()) == sorted(held[uid] for uid in (1, 2, 3))
    acme.stop()
    acme.start()
    login(acme).uid("STORE", "5", "+FLAGS", "\\Answered")
    with ImapFlow(acme, tmp_path, qresync=True) as client:
        assert client.call("mailboxOpen", "INBOX")["uidValidity"] == stable[0]
        assert client.call("about", 5, {"flags": True, "envelope": True})["flags"] == ["Mine", "\\Answered", "\\Flagged"]


def test_two_programs_synchronise_one_mailbox_at_once(acme, tmp_path):
    """Each deletes and flags what the other fetches; in the end all three agree."""
    fill(acme, 200)
    copies, programs = {}, {}
    for name in "one", "two":
        home = tmp_path / name
        home.mkdir()
        copies[name] = make_maildir(home / "copy")
        programs[name] = ["mbsync", "-c", str(private(home / "rc", settings(MBSYNC, acme, home, into="copy"))), "-a"]
    both = [subprocess.Popen(programs[name], stdout=subprocess.PIPE, stderr=subprocess.STDOUT) for name in programs]
    client = login(acme)
    for number in range(1, 200, 10):                        # a third changes it meanwhile
        client.uid("STORE", str(number), "+FLAGS.SILENT", "(\\Flagged)")
        client.uid("STORE", str(number + 1), "+FLAGS.SILENT", "(\\Deleted)")
        client.expunge()
    for process in both:
        process.communicate(timeout=100)                    # what goes while they fetch it may displease them
    for name in "one", "two", "one", "two":                 # by turns until nothing moves
        run(*programs[name], home=tmp_path / name)
    uids = sorted(flags(acme))
    assert uids == [uid for uid in range(1, 201) if uid % 10 != 2]
    held, now = truth(acme), flags(acme)
    assert {uid for uid in now if "\\Flagged" in now[uid]} == set(range(1, 200, 10))
    for local in copies.values():
        assert sorted(map(without_mark, in_maildir(local))) == sorted(map(unix, held.values()))
        flagged = [without_mark(file.read_bytes()) for file in local.glob("[cn][ue][rw]/*:2,*F*")]
        assert sorted(flagged) == sorted(unix(held[uid]) for uid in range(1, 200, 10))
