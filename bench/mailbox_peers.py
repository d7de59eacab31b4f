"""What mailboxes are read from: Mailtest's IMAP and POP3, and Dovecot from Debian's packages with the same mail in Maildirs."""

import concurrent.futures
import imaplib
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "e2e"))

# Behind the path to the tests' modules, which has to be set first: E402.
from servers import packages                                     # noqa: E402
from servers.base import OWN_UID, MailServer, ServerError, free_port, session_members   # noqa: E402
from service import DOMAIN, Service                              # noqa: E402

from measure import MeasureError, run_generator                  # noqa: E402

SECRET = "secret"       # of everybody at Dovecot
FILLING = 64            # connections that fill a mailbox


@dataclass
class Box:
    """A mailbox of a size, the same at both."""

    name: str
    messages: int
    octets: int
    tokens: list


# As its documentation advises for many short sessions: processes that are there before the client comes and serve one after the
# other (service_count), logins in few processes for many clients each. Nothing that makes mail safe is switched off.
CONFIGURATION = """\
base_dir = {scratch}/run
state_dir = {scratch}/state
libexec_dir = {unpacked}/usr/lib/dovecot
mail_plugin_dir = {unpacked}/usr/lib/dovecot/modules
login_plugin_dir = {unpacked}/usr/lib/dovecot/modules/login
log_path = {scratch}/log
import_environment = TZ LD_LIBRARY_PATH LD_PRELOAD NSS_WRAPPER_PASSWD NSS_WRAPPER_GROUP
listen = {host}
protocols = imap pop3
ssl = no
disable_plaintext_auth = no
auth_mechanisms = plain
default_internal_user = dovecot
default_internal_group = dovecot
default_login_user = dovenull
default_client_limit = 20000
mail_location = maildir:{scratch}/mail/%u
maildir_very_dirty_syncs = yes
mail_max_userip_connections = 0
mail_log_prefix = "%u: "
first_valid_uid = 1
passdb {{
  driver = static
  args = password={secret}
}}
userdb {{
  driver = static
  args = uid={uid} gid={uid} home={scratch}/mail/%u
}}
service imap-login {{
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = 0
  }}
  chroot =
  service_count = 0
  process_min_avail = {cores}
  client_limit = 5000
}}
service pop3-login {{
  inet_listener pop3 {{
    port = {pop3_port}
  }}
  inet_listener pop3s {{
    port = 0
  }}
  chroot =
  service_count = 0
  process_min_avail = {cores}
}}
service imap {{
  service_count = 1000
  process_min_avail = 16
  process_limit = 2048
}}
service pop3 {{
  service_count = 1000
  process_min_avail = 4
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
"""


class Dovecot(MailServer):
    """Maildir with its own index, plain text on loopback, one secret for all."""

    name = "Dovecot"
    package = "dovecot-core"
    more_packages = "dovecot-imapd", "dovecot-pop3d"
    users = ("dovecot", "dovenull")
    needs_root = True

    def __init__(self, **options):
        super().__init__("bench.test", **options)
        self.pop3_port = free_port()

    def pids(self) -> list[int]:
        return session_members(self.process.pid)

    def configure(self):
        for package in self.more_packages:
            packages.unpack(package, self.scratch / "unpacked")
        for folder in "run", "state", "mail":
            self.make_folder(folder, 0o755)
        self.write("dovecot.conf", CONFIGURATION.format(
            scratch=self.scratch, unpacked=self.unpacked(""), host=self.host, port=self.port, pop3_port=self.pop3_port, secret=SECRET,
            cores=os.cpu_count(), uid=OWN_UID))

    def command(self):
        return [self.unpacked("usr/sbin/dovecot"), "-F", "-c", self.scratch / "dovecot.conf"]

    def environment(self):
        environment = super().environment()
        environment["LD_LIBRARY_PATH"] += f":{self.unpacked('usr/lib/dovecot')}"
        return environment

    def log_files(self):
        return ["output", "log"]

    def _wait_for_banner(self, seconds: float = 20):
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.process.poll() is None:
            try:
                with imaplib.IMAP4(self.host, self.port, timeout=5):
                    return
            except (OSError, imaplib.IMAP4.error):
                time.sleep(0.05)
        raise ServerError(f"Dovecot does not answer on port {self.port}:\n{self.log}")

    def logins(self, box: Box) -> str:
        return f"{box.name} {SECRET}\n"

    def fill(self, box: Box, mail: bytes, token: str) -> None:
        """The mail once for each token, as files that were delivered."""
        for folder in "cur", "new", "tmp":
            self.make_folder(f"mail/{box.name}/{folder}")
        self.make_folder(f"mail/{box.name}")
        before, now = mail.replace(b"\r\n", b"\n").split(token.encode()), int(time.time())
        folder = self.scratch / "mail" / box.name / "new"
        for number, its_token in enumerate(box.tokens):
            file = folder / f"{now}.M{number}.bench"
            file.write_bytes(its_token.encode().join(before))
            os.chown(file, OWN_UID, OWN_UID)

    def forget(self, box: Box) -> None:
        """Its index: what a first session costs."""
        for file in (self.scratch / "mail" / box.name).glob("dovecot*"):
            if file.name != "dovecot-uidlist":
                file.unlink()


class Mailboxes:
    """Mailtest with mailboxes for reading; offers the same."""

    name = "Mailtest"
    host = "127.0.0.1"

    def __init__(self, build: Path, certificate=None, key=None, **settings):
        if certificate is not None:
            settings["tls"] = {"certificate": str(certificate), "key": str(key)}
        kept = {"inbox_messages": 1_000_000, "inbox_bytes": 1 << 40}
        self.build, self.secrets = build, {}
        self.service = Service(build=build, retention=kept, quota={"mailbox_bytes": 1 << 40},
                               **{"access": {"sessions_max": 20000}, **settings})

    def __enter__(self):
        try:
            self.service.start()
        except BaseException:
            self.service.remove()
            raise
        return self

    def __exit__(self, *_):
        self.service.remove()

    def restart(self) -> None:
        self.service.stop()
        self.service.start()

    @property
    def port(self) -> int:
        return self.service.ports["imap"]

    @property
    def tls_port(self) -> int:
        return self.service.ports["imaps"]

    @property
    def pop3_port(self) -> int:
        return self.service.ports["pop3"]

    def pids(self) -> list[int]:
        return session_members(self.service.process.pid)

    def add(self, names) -> None:
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            made = list(pool.map(self.service.add_mailbox, names))
        self.secrets |= {name: answer["secret"] for name, answer in zip(names, made)}

    def logins(self, box: Box) -> str:
        return f"{box.name} {self.secrets[box.name]}\n"

    def mint(self, count: int, mailboxes: int) -> list[str]:
        """Tokens for box1, box2 … in turn."""
        done = subprocess.run([self.build / "bench/mint_tokens", self.service.scratch / "state", DOMAIN, str(mailboxes), str(count)],
                              capture_output=True, text=True, check=True)
        return done.stdout.split()

    def fill(self, box: Box, scratch: Path) -> None:
        """One mail for each token, by SMTP."""
        tokens = scratch / "filling"
        tokens.write_text("".join(f"{token} {box.name}@{DOMAIN}\n" for token in box.tokens), encoding="ascii")
        report = run_generator(self.build / "bench/smtp_load", "-s", box.octets, "-c", FILLING, "-m", 1000, "-n", len(box.tokens),
                               "--tokens", tokens, self.host, self.service.smtp_port)
        tokens.unlink()
        if report["accepted"] != len(box.tokens):
            raise MeasureError(f"{report['accepted']} of {len(box.tokens)} mails were accepted: {report['first_error']}")

    def remove_one(self, box: Box, number: int) -> None:
        """So that the UIDs of its INBOX have a gap."""
        with imaplib.IMAP4(self.host, self.port, timeout=60) as session:
            session.login(box.name, self.secrets[box.name])
            session.select()
            session.store(str(number), "+FLAGS.SILENT", "\\Deleted")
            if len(session.expunge()[1]) != 1:
                raise MeasureError(f"message {number} of {box.name} was not removed")

    def first_mail(self, box: Box) -> tuple[bytes, str]:
        """A mail as it is served, and its token: all the others have another token and are alike."""
        with imaplib.IMAP4(self.host, self.port, timeout=60) as session:
            session.login(box.name, self.secrets[box.name])
            session.select(readonly=True)
            _, answer = session.fetch("1", "(BODY.PEEK[])")
        mail = answer[0][1]
        return mail, next(token for token in box.tokens if token.encode() in mail)
