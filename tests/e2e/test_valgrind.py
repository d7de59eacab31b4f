"""A session of each protocol, with every process of the service under valgrind: no wrong access, no leak."""

import imaplib
import os
import poplib
import re
import smtplib
import ssl
import subprocess
from pathlib import Path

import pytest

from service import Service

# What the processes end with when valgrind has found something.
FOUND = 99
SUPPRESSED = Path(__file__).with_name("valgrind.supp")
# Each process begins by translating itself, on a machine that does other things.
START_S = 240


class Watched(Service):
    """Under valgrind, which makes code of its own (so without the list of system calls) and has no room for a large map."""

    def __init__(self):
        super().__init__(processes={"system_call_filter": False, "smtpd": 1, "imapd": 1}, store={"map_bytes": 268435456})
        self.reports = self.scratch / "reports"
        self.reports.mkdir(mode=0o777)
        self.reports.chmod(0o777)       # the roles have users of their own

    def start(self, wait_s=START_S):
        preload = self.build / "tests/preload/own_program.so"
        with open(self.scratch / "log", "ab") as log:
            self.process = subprocess.Popen(
                ["valgrind", "--vgdb=no", "--trace-children=yes", f"--error-exitcode={FOUND}", "--leak-check=full",
                 "--errors-for-leak-kinds=definite", "--show-leak-kinds=definite", f"--suppressions={SUPPRESSED}",
                 f"--log-file={self.reports}/%p", self.build / "mailtestd", "-c", self.config_file],
                env=os.environ | {"OWN_PROGRAM": str(self.build / "mailtestd"), "LD_PRELOAD": str(preload)},
                cwd=self.scratch, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        self.wait_until_ready(wait_s)
        return self


@pytest.fixture
def watched():
    service = Watched()
    yield service
    service.remove()


def insecure():
    return ssl._create_unverified_context()


@pytest.mark.timeout(600)
def test_a_session_of_each_protocol_is_clean(watched):
    watched.start()
    mailbox = watched.add_mailbox("acme")
    token = watched.mint("acme")
    with smtplib.SMTP("127.0.0.1", watched.smtp_port, timeout=60) as client:
        client.starttls(context=insecure())
        assert client.sendmail("a@example.org", [mailbox["address"]], f"Subject: {token}\r\n\r\nx\r\n") == {}
        assert client.docmd("NONSENSE")[0] == 500
    assert watched.http("GET", f"/v1/mailboxes/acme/tokens/{token}?wait=30s", timeout=60).status == 200
    assert watched.http("GET", "/metrics", key=None, timeout=60).status == 200
    with imaplib.IMAP4("127.0.0.1", watched.ports["imap"], timeout=60) as client:
        client.starttls(insecure())
        client.login("acme", mailbox["secret"])
        assert client.select()[1] == [b"1"]
        assert token.encode() in client.fetch("1", "(ENVELOPE BODYSTRUCTURE BODY[])")[1][0][1]
        assert client.search(None, "SUBJECT", token)[1] == [b"1"]
        client.store("1", "+FLAGS", "\\Seen")
    client = poplib.POP3("127.0.0.1", watched.ports["pop3"], timeout=60)
    client.stls(insecure())
    client.user("acme")
    client.pass_(mailbox["secret"])
    assert token.encode() in b"".join(client.retr(1)[1])
    client.quit()
    assert watched.stop(120) == os.EX_OK
    reports = {path.name: path.read_text(errors="replace") for path in watched.reports.iterdir()}
    bad = [text for text in reports.values() if not re.search(r"ERROR SUMMARY: 0 errors", text)]
    assert len(reports) >= 6 and not bad, "\n".join(bad)
