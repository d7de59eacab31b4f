"""Dovecot as a customer's IMAP and POP3 server: accounts with passwords, STARTTLS and implicit TLS, a Junk folder, OAuth where a test wants it,
and LMTP, by which mail servers hand it the mail of its users, with their Sieve scripts."""

import email
import grp
import imaplib
import itertools
import json
import os
import pwd
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from . import packages
from .base import MailServer, free_port

CONFIGURATION = """\
base_dir = {scratch}/run
import_environment = TZ LD_LIBRARY_PATH
state_dir = {scratch}/state
log_path = {scratch}/log
libexec_dir = {unpacked}/usr/lib/dovecot
mail_plugin_dir = {unpacked}/usr/lib/dovecot/modules
protocols = imap pop3{lmtp}
listen = 127.0.0.1
default_internal_user = {owner}
default_internal_group = {group}
default_login_user = {owner}
first_valid_uid = 1
mail_location = maildir:~/Maildir
disable_plaintext_auth = no
auth_failure_delay = 0
auth_mechanisms = {mechanisms}
ssl = {ssl}
{certificate}
pop3_lock_session = yes
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = {imaps_port}
  }}
}}
service pop3-login {{
  chroot =
  inet_listener pop3 {{
    port = {pop3_port}
  }}
  inet_listener pop3s {{
    port = {pop3s_port}
  }}
}}
passdb {{
  driver = passwd-file
  args = username_format=%u {scratch}/passwords
}}
{oauth}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={scratch}/accounts/%u
}}
namespace inbox {{
  inbox = yes
  separator = /
  mailbox "{junk}" {{
    auto = create
    {special_use}
  }}
}}
{more}
"""

LMTP = """\
service lmtp {{
  inet_listener lmtp {{
    port = {port}
  }}
}}
protocol lmtp {{
  mail_plugins = sieve
}}
postmaster_address = postmaster@customer.test
hostname = imap.customer.test
submission_host = {relay}
plugin {{
  sieve = {scratch}/accounts/%u/user.sieve
}}
"""

OAUTH = """\
passdb {{
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = {scratch}/oauth2.conf
}}
"""


class Introspection:
    """Says which access tokens are good, as an OAuth server does (RFC 7662): tokens is token → user."""

    def __init__(self, tokens):
        owner = self
        self.tokens = dict(tokens)
        self.asked = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                token = body.partition("token=")[2].partition("&")[0]
                owner.asked.append(token)
                user = owner.tokens.get(token)
                answer = json.dumps({"active": True, "username": user, "email": user} if user else {"active": False}).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/introspect"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self):
        self._server.shutdown()
        self._server.server_close()


class Accounts(MailServer):
    """
    users: name → password. tokens: OAuth access token → user. junk: name of the folder; marked: it has the attribute \\Junk. scripts: user → what is
    done with mail that comes by LMTP, in Sieve; {} for none, and without it there is no LMTP. relay: (host, port) for what the scripts send.
    """

    package = "dovecot-core"
    more_packages = ("dovecot-imapd", "dovecot-pop3d")

    def __init__(self, users=None, tokens=None, junk="Junk", marked=True, mechanisms="plain login cram-md5", settings="", scripts=None, relay=None,
                 **options):
        super().__init__("customer.test", **options)
        self.accounts = dict(users or {"user@customer.test": "secret"})
        self.tokens, self.junk, self.marked = tokens, junk, marked
        self.mechanisms, self.settings = mechanisms, settings
        self.scripts, self.relay = scripts, relay or ("127.0.0.1", 25)
        self.imaps_port, self.pop3_port, self.pop3s_port, self.lmtp_port = free_port(), free_port(), free_port(), free_port()
        self.introspection = None
        # It forgets the environment that nss_wrapper needs, so it runs as somebody whom every system knows.
        self.owner = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
        self._serial = itertools.count(1)

    def configure(self):
        for package in (*self.more_packages, *(("dovecot-lmtpd", "dovecot-sieve") if self.scripts is not None else ())):
            packages.unpack(package, self.scratch / "unpacked")
        if self.tokens is not None:
            self.introspection = Introspection(self.tokens)
            self.write("oauth2.conf", f"introspection_mode = post\nintrospection_url = {self.introspection.url}\nusername_attribute = username\n"
                                      "active_attribute = active\nactive_value = true\n")
        certificate = f"ssl_cert = <{self.scratch}/certificate.pem\nssl_key = <{self.scratch}/key.pem" if self.certificate else ""
        if self.certificate:        # where it may read them
            self._own(self.write("certificate.pem", Path(self.certificate).read_text()))
            self._own(self.write("key.pem", Path(self.key).read_text()))
        self.write("dovecot.conf", CONFIGURATION.format(
            scratch=self.scratch, unpacked=self.unpacked(""), port=self.port, imaps_port=self.imaps_port, pop3_port=self.pop3_port,
            pop3s_port=self.pop3s_port, uid=self.owner.pw_uid, gid=self.owner.pw_gid, owner=self.owner.pw_name,
            group=grp.getgrgid(self.owner.pw_gid).gr_name, ssl="yes" if self.certificate else "no", certificate=certificate, junk=self.junk,
            special_use="special_use = \\Junk" if self.marked else "",
            lmtp=" lmtp" if self.scripts is not None else "", more=self.settings + self._lmtp(),
            mechanisms=self.mechanisms + (" xoauth2 oauthbearer" if self.tokens is not None else ""),
            oauth=OAUTH.format(scratch=self.scratch) if self.tokens is not None else ""))
        self.write("passwords", "".join(f"{name}:{{PLAIN}}{password}::::::\n" for name, password in self.accounts.items()))
        for folder in ("run", "state", "accounts", *(f"accounts/{name}" for name in self.accounts)):
            self._own(self.make_folder(folder, 0o755))
        for name, script in (self.scripts or {}).items():
            self._own(self.write(f"accounts/{name}/user.sieve", script))
        self._own(self.write("log", ""))
        self._own(self.scratch)

    def _lmtp(self) -> str:
        return LMTP.format(port=self.lmtp_port, scratch=self.scratch, relay=f"{self.relay[0]}:{self.relay[1]}") if self.scripts is not None else ""

    def _own(self, path) -> None:
        if os.geteuid() == 0:
            os.chown(path, self.owner.pw_uid, self.owner.pw_gid)

    def _identity(self):
        return {"user": self.owner.pw_uid, "group": self.owner.pw_gid, "extra_groups": []} if os.geteuid() == 0 else {}

    def command(self):
        # By itself it would look for doveconf where Debian installs it.
        return [self.unpacked("usr/bin/doveconf"), "-f", "service=master", "-c", self.scratch / "dovecot.conf", "-m", "master", "-e",
                self.unpacked("usr/sbin/dovecot"), "-F", "-c", self.scratch / "dovecot.conf"]

    def environment(self):
        environment = super().environment()
        environment["LD_LIBRARY_PATH"] += f":{self.unpacked('usr/lib/dovecot')}"
        return {name: value for name, value in environment.items() if not name.startswith("NSS_") and name != "LD_PRELOAD"}

    def log_files(self):
        return ["output", "log"]

    def _wait_for_banner(self, seconds=20):
        super()._wait_for_banner(seconds, b"* OK", b"a LOGOUT\r\n")

    def stop(self):
        if self.introspection is not None:
            self.introspection.stop()
            self.introspection = None
        super().stop()

    # ---- What lies in the accounts --------------------------------------------------------------------------------

    def put(self, mail, user="user@customer.test", folder="INBOX") -> None:
        """A mail is there at once, as if it had been delivered."""
        maildir = self.scratch / "accounts" / user / "Maildir"
        if folder != "INBOX":
            maildir = maildir / f".{folder.replace('/', '.')}"
        for name in ("tmp", "new", "cur"):
            self._own(self.make_folder(str((maildir / name).relative_to(self.scratch))))
        self._own(maildir)
        self._own(maildir.parent)
        content = mail if isinstance(mail, bytes) else mail.encode()
        number = next(self._serial)
        file = maildir / "tmp" / f"{1700000000 + number}.test{number}.customer"
        file.write_bytes(content.replace(b"\r\n", b"\n"))
        self._own(file)
        file.rename(maildir / "new" / file.name)

    def imap(self, user="user@customer.test"):
        client = imaplib.IMAP4(self.host, self.port)
        client.login(user, self.accounts[user])
        return client

    def empty(self, user="user@customer.test") -> None:
        """Takes all mail away that lies in INBOX and in the folder for junk."""
        with self.imap(user) as client:
            for folder in ("INBOX", self.junk):
                status, count = client.select(f'"{folder}"')
                if status == "OK" and count != [b"0"]:
                    client.store("1:*", "+FLAGS", "\\Deleted")
                    client.expunge()

    def mails(self, user="user@customer.test", folder="INBOX") -> list:
        """Those that lie there, parsed."""
        with self.imap(user) as client:
            status, _ = client.select(f'"{folder}"', readonly=True)
            if status != "OK":
                return []
            _, numbers = client.search(None, "ALL")
            return [email.message_from_bytes(client.fetch(number, "(BODY.PEEK[])")[1][0][1]) for number in numbers[0].split()]

    def subjects(self, user="user@customer.test", folder="INBOX") -> list:
        return [mail["Subject"] for mail in self.mails(user, folder)]
