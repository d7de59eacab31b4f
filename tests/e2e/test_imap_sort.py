"""
SORT and THREAD, compared with what Dovecot answers for the same mails, which a fixed seed composes.

Where Dovecot differs, and the mails avoid it:
- It decomposes letters (i;unicode-casemap whole), so an accented letter sorts beside its base letter; here it comes behind all of ASCII.
"""

import imaplib
import os
import random
import shlex
import shutil
import tempfile
from pathlib import Path

import pytest

MAILS = 300
DOVECOT = "/usr/lib/dovecot/imap"
CONFIGURATION = """\
mail_location = maildir:{scratch}/Maildir
base_dir = {scratch}/run
state_dir = {scratch}/state
log_path = {scratch}/log
ssl = no
mail_uid = {uid}
mail_gid = {uid}
first_valid_uid = 0
"""


# ---- Composing ----------------------------------------------------------------------------------------------------------------

TOPICS = ["Order", "order ", "Invoice 7", "Заказ", "=?koi8-r?b?+sHLwdo=?=", "=?utf-8?b?0LfQsNC60LDQtw==?=", "Meeting  notes", "meeting notes", "x", "", "[build]"]
BEFORE = ["", "", "", "Re: ", "RE: ", "re[2]: ", "Fwd: ", "[list] ", "[list] Re: ", "Re: [list] ", "Re: Re: ", "Fw : ", "[a][b] Re: "]
BEHIND = ["", "", "", "", " (fwd)", " (Fwd)(fwd)", "  "]
ADDRESSES = ["ann@a.test", "Bob B <bob@b.test>", '"Quoted, Q" <carl@c.test>', "=?utf-8?b?0JDQvdC90LA=?= <dora@d.test>", "<ANN@z.test>", "emil@e.test (Comment)",
             "zoe@a.test, ann@a.test", "", "Group: gina@g.test, h@h.test;"]
ZONES = ["+0000", "-0800", "+1300", "+0530"]


def subject(random_: random.Random) -> str:
    text = random_.choice(BEFORE) + random_.choice(TOPICS) + random_.choice(BEHIND)
    return f"[fwd: {text}]" if random_.random() < 0.05 else text


def header(random_: random.Random, number: int) -> list[str]:
    lines = [f"Subject: {subject(random_)}"] if random_.random() < 0.95 else []
    for name in ("From", "To", "Cc"):
        value = random_.choice(ADDRESSES)
        if value:
            lines.append(f"{name}: {value}")
    if random_.random() < 0.95:
        day, hour = random_.randrange(1, 12), random_.randrange(24)
        lines.append(f"Date: {day} Feb 2024 {hour:02}:15:00 {random_.choice(ZONES)}")
    if random_.random() < 0.9:
        lines.append(f"Message-ID: <{number if random_.random() < 0.97 else number // 2}@id.test>")
    if random_.random() < 0.5:
        named = [f"<{random_.randrange(MAILS + 20)}@id.test>" for _ in range(random_.randrange(1, 4))]
        lines.append(("References: " if random_.random() < 0.8 else "In-Reply-To: ") + "\r\n ".join(named))
    random_.shuffle(lines)
    return lines


def compose(random_: random.Random, number: int) -> tuple[str, bytes]:
    """With the INTERNALDATE."""
    text = "\r\n".join([*header(random_, number), "", "x" * random_.randrange(30) + "\r\n"])
    return f'"{random_.randrange(1, 9):2}-Mar-2024 10:00:00 +0000"', text.encode()


# ---- Asking -------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def dovecot():
    """Its imap process alone, on a folder of our own: not of pytest's, which nobody but their owner may enter."""
    scratch = Path(tempfile.mkdtemp(prefix="mailtest-dovecot-"))
    uid = 65534 if os.geteuid() == 0 else os.geteuid()
    for name in ("Maildir", "run", "state"):
        (scratch / name).mkdir(parents=True)
    (scratch / "dovecot.conf").write_text(CONFIGURATION.format(scratch=scratch, uid=uid))
    if os.geteuid() == 0:
        for folder in [scratch, *scratch.iterdir()]:
            os.chown(folder, uid, uid)
    client = imaplib.IMAP4_stream(f"env USER=nobody HOME={shlex.quote(str(scratch))} doveconf -c {shlex.quote(str(scratch))}/dovecot.conf -m imap -e {DOVECOT}")
    client.select("INBOX")
    yield client
    client.logout()
    shutil.rmtree(scratch)


@pytest.fixture
def ours(service):
    mailbox = service.add_mailbox("acme")
    client = imaplib.IMAP4("127.0.0.1", service.ports["imap"], timeout=60)
    client.login("acme", mailbox["secret"])
    client.create("Sorted")
    client.select("Sorted")
    yield client
    client.logout()


def fill(client, folder: str, mails) -> None:
    for date, mail in mails:
        assert client._simple_command("NOOP")[0] == "OK"
        client.literal = mail
        status, data = client._simple_command("APPEND", folder, date)
        assert status == "OK", data
    assert client.noop()[0] == "OK"


def ask(client, command: str) -> str:
    """The untagged answer, without its name."""
    name = command.split()[0] if not command.startswith("UID") else command.split()[1]
    tag = client._new_tag().decode()
    client.send(f"{tag} {command}\r\n".encode())
    answer = ""
    while not (line := client.readline().decode()).startswith(tag):
        if line.startswith((f"* {name}", "* ESEARCH")):
            answer = " ".join(word for word in line.strip().replace(tag, "").split(" ")[2:])
    assert line.split()[1] == "OK", (command, line)
    return answer


SORTS = ["ARRIVAL", "DATE", "SIZE", "SUBJECT", "FROM", "TO", "CC", "REVERSE DATE", "REVERSE SUBJECT DATE", "SUBJECT REVERSE DATE", "FROM TO REVERSE SIZE",
         "REVERSE ARRIVAL SUBJECT", "CC REVERSE FROM SUBJECT", "DISPLAYFROM", "REVERSE DISPLAYTO DATE", "SUBJECT SUBJECT REVERSE SUBJECT"]


def test_dovecot_answers_the_same(dovecot, ours):
    random_ = random.Random(4)
    mails = [compose(random_, number) for number in range(MAILS)]
    fill(dovecot, "INBOX", mails)
    fill(ours, "Sorted", mails)
    commands = [f"SORT ({criteria}) UTF-8 {keys}" for criteria in SORTS for keys in ("ALL", "SUBJECT order", "20:200 LARGER 100")]
    commands += [f"THREAD {algorithm} US-ASCII {keys}" for algorithm in ("ORDEREDSUBJECT", "REFERENCES") for keys in ("ALL", "20:200", "SUBJECT zz")]
    commands += ["UID SORT (DATE) UTF-8 30:60", "SORT RETURN (MIN MAX COUNT) (DATE) UTF-8 ALL", "SORT RETURN (COUNT) (DATE) UTF-8 SUBJECT nothing"]
    different = [command for command in commands if ask(dovecot, command) != ask(ours, command)]
    assert different == []
