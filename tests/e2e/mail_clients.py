"""What tests of real mail programs share: mails to compare, the truth about a mailbox, a certificate to check, and how the programs are run."""

import contextlib
import imaplib
import json
import os
import pty
import re
import select
import smtplib
import subprocess
import time
from pathlib import Path

from service import DOMAIN

WHOLE = re.compile(rb"^\d+ \(UID (\d+) (?:FLAGS \((.*?)\) )?BODY\[\] \{\d+\}$")


# ---- Mail --------------------------------------------------------------------------------------------------------------------------

def composed(number: int, token: str) -> bytes:
    """One of many mails that differ in what programs stumble over: line starts, octets, parts, empty bodies, long headers."""
    head = (f"Subject: mail {number} {token}\r\nFrom: Ann Ärger <ann@customer.test>\r\nTo: acme@{DOMAIN}\r\n"
            f"Message-ID: <{number}.{token}@customer.test>\r\nDate: Thu, 01 Jan 2026 00:{number // 60 % 60:02}:{number % 60:02} +0100\r\n").encode()
    return head + [
        lambda: b"\r\nhello\r\n",
        lambda: b"\r\n.\r\n..\r\n.dot\r\nFrom the start of a line\r\n>From\r\n\r\n",
        lambda: b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" + "Grüße, 你好 😀\r\n".encode() * 20,
        lambda: b"\r\n",
        lambda: b"X-Long: " + b"\r\n ".join([b"folded words " * 5 + b"end"] * 30) + b"\r\n\r\n" + b"\t tab and space \t\r\n" * 3,
        lambda: b"\r\n" + b"x" * 990 + b"\r\n" + b"y" * 70 * (number % 40) + b"\r\n",
        lambda: (b'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="cut"\r\n\r\npreamble\r\n--cut\r\n\r\none\r\n--cut\r\n'
                 b'Content-Type: application/octet-stream; name="=?utf-8?q?k=C3=A4se?="\r\nContent-Transfer-Encoding: base64\r\n\r\nAAECAwQ=\r\n'
                 b"--cut\r\nContent-Type: message/rfc822\r\n\r\nSubject: inside\r\n\r\nbody\r\n\r\n--cut--\r\nepilogue\r\n"),
    ][number % 7]()


def fill(service, count: int, mailbox: str = "acme") -> list[bytes]:
    """So many mails arrive in INBOX, one after the other; their octets as sent."""
    tokens = [service.mint(mailbox) for _ in range(min(count, 5))]
    mails = [composed(number, tokens[number % len(tokens)]) for number in range(count)]
    with smtplib.SMTP("127.0.0.1", service.smtp_port, timeout=60) as client:
        for mail in mails:
            client.sendmail("a@sender.test", [f"{mailbox}@{DOMAIN}"], mail, ["BODY=8BITMIME"])
    return mails


def arrive(service, count: int = 1, text: str = "hello") -> list[str]:
    """Test mails in INBOX, each with a token of its own; the tokens."""
    tokens = [service.mint("acme") for _ in range(count)]
    with smtplib.SMTP("127.0.0.1", service.smtp_port, timeout=20) as client:
        for token in tokens:
            client.sendmail("a@sender.test", [f"acme@{DOMAIN}"],
                            f"Subject: probe {token}\r\nFrom: a@sender.test\r\nMessage-ID: <{token}@sender.test>\r\n\r\n{text} {token}\r\n".encode())
    return tokens


def login(service, folder: str | None = "INBOX", **options) -> imaplib.IMAP4:
    client = imaplib.IMAP4("127.0.0.1", service.ports["imap"], timeout=60)
    client.login("acme", service.acme["secret"])
    if folder is not None:
        assert client.select(folder, **options)[0] == "OK"
    return client


def truth(service, folder: str = "INBOX") -> dict[int, bytes]:
    """Every message of the folder, by UID."""
    client = login(service, folder, readonly=True)
    data = client.fetch("1:*", "(UID BODY.PEEK[])")[1] if client.untagged_responses["EXISTS"][-1] != b"0" else []
    return {int(WHOLE.fullmatch(item[0])[1]): item[1] for item in data if isinstance(item, tuple)}


def flags(service, folder: str = "INBOX") -> dict[int, set[str]]:
    """The flags of every message of the folder, by UID; without \\Recent, which is a session's own."""
    client = login(service, folder, readonly=True)
    lines = client.fetch("1:*", "(UID FLAGS)")[1] if client.untagged_responses["EXISTS"][-1] != b"0" else []
    found = [re.fullmatch(rb"\d+ \(UID (\d+) FLAGS \((.*)\)\)", line) for line in lines]
    return {int(line[1]): set(line[2].decode().split()) - {"\\Recent"} for line in found}


def state_of(service, folder: str = "INBOX") -> tuple[int, ...]:
    """UIDVALIDITY, UIDNEXT, and the UIDs there are."""
    client = login(service, folder, readonly=True)
    numbers = [int(client.response(name)[1][0]) for name in ("UIDVALIDITY", "UIDNEXT")]
    return (*numbers, *(int(uid) for uid in client.uid("SEARCH", "ALL")[1][0].split()))


def unix(mail: bytes) -> bytes:
    return mail.replace(b"\r\n", b"\n")


# ---- Maildirs ----------------------------------------------------------------------------------------------------------------------

def make_maildir(folder: Path) -> Path:
    for kind in "cur", "new", "tmp":
        (folder / kind).mkdir(parents=True)
    return folder


def in_maildir(folder: Path) -> list[bytes]:
    return sorted(file.read_bytes() for file in folder.glob("[cn][ue][rw]/*"))


# ---- Programs ----------------------------------------------------------------------------------------------------------------------

def private(file: Path, text: str) -> Path:
    """Settings with a secret in them: some programs refuse what others may read."""
    file.write_text(text)
    file.chmod(0o600)
    return file


def run(*command, home: Path, **options) -> subprocess.CompletedProcess:
    """A program has to succeed. home: where it looks for its own files, and finds none of the user's."""
    done = subprocess.run([str(word) for word in command], capture_output=True, check=False, cwd=home, env=environment(home),
                          **{"stdin": subprocess.DEVNULL, "timeout": 100, **options})
    assert done.returncode == 0, (done.returncode, done.stdout[-4000:].decode(errors="replace"), done.stderr[-4000:].decode(errors="replace"))
    return done


def environment(home: Path) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "HOME": str(home), "FETCHMAILHOME": str(home), "USER": "user", "LOGNAME": "user", "LC_ALL": "C.UTF-8",
            "TERM": "vt100"}


def run_on_terminal(*command, home: Path, seconds: float = 20) -> str:
    """The same for a program that wants a terminal; what it showed there."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen([str(word) for word in command], stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True, cwd=home,
                               env=environment(home))
    os.close(theirs)
    shown = b""
    end = time.monotonic() + seconds
    try:
        while time.monotonic() < end and process.poll() is None:
            if select.select([ours], [], [], 0.1)[0]:
                try:
                    shown += os.read(ours, 65536)
                except OSError:                             # it has closed its side
                    break
        code = process.wait(max(end - time.monotonic(), 1))
    except subprocess.TimeoutExpired:
        code = "it waits"
    finally:
        process.kill()
        process.wait()
        os.close(ours)
    assert code == 0, (code, shown[-2000:].decode(errors="replace"))
    return shown.decode(errors="replace")


def make_authority(folder: Path) -> dict:
    """A certificate authority of the test's own (authority.pem), and the setting tls with a certificate of it for localhost and 127.0.0.1."""
    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True, timeout=60)
    key = "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"
    openssl("req", "-x509", *key, "-days", "2", "-subj", "/CN=Authority of a test", "-keyout", "authority.key", "-out", "authority.pem")
    openssl("req", *key, "-subj", "/CN=localhost", "-keyout", "key.pem", "-out", "request.pem")
    (folder / "extensions").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    openssl("x509", "-req", "-in", "request.pem", "-CA", "authority.pem", "-CAkey", "authority.key", "-CAcreateserial", "-days", "2",
            "-extfile", "extensions", "-out", "certificate.pem")
    return {"self_signed": False, "certificate": str(folder / "certificate.pem"), "key": str(folder / "key.pem")}


# ---- imapflow ----------------------------------------------------------------------------------------------------------------------

class ImapFlow:
    """The client of the npm registry, driven by calls of its methods (imapflow/client.js)."""

    def __init__(self, service, home: Path, **options):
        modules = service.build / "imapflow" / "node_modules"
        assert modules.exists(), f"{modules} is missing: make e2e installs it"
        self.process = subprocess.Popen(["node", Path(__file__).with_name("imapflow") / "client.js"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, cwd=home, env={**environment(home), "NODE_PATH": str(modules)})
        self.events = []
        self.call("connect", {"host": "127.0.0.1", "port": service.ports["imap"], "secure": False, "doSTARTTLS": False,
                              "auth": {"user": "acme", "pass": service.acme["secret"]}, **options})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        try:
            self.process.wait(20)
        finally:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()

    def start(self, method: str, *arguments) -> None:
        self.process.stdin.write(json.dumps([method, *arguments]) + "\n")
        self.process.stdin.flush()

    def _line(self) -> dict:
        line = self.process.stdout.readline()
        assert line, "the client ended"
        return json.loads(line)

    def call(self, method: str, *arguments):
        """What the method gives; events that come before are kept."""
        self.start(method, *arguments)
        while "event" in (line := self._line()):
            self.events.append(line)
        assert "failed" not in line, line
        return line["result"]

    def event(self, name: str) -> dict:
        """The next event of this name."""
        while True:
            line = self.events.pop(0) if self.events else self._line()
            if line.get("event") == name:
                return line
