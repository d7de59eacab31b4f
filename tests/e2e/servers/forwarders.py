"""Mail servers whose users forward in other ways than by the server's own rule."""

import os

from .base import OWN_UID
from .exim import Exim
from .postfix import Postfix


class UserPostfix(Postfix):
    """Postfix that delivers to the accounts of its machine: `user` has an alias, or a file .forward in the home folder."""

    users = (*Postfix.users, "user")

    def __init__(self, domain, alias=None, dot_forward=None, **options):
        super().__init__(domain, **options)
        self.alias, self.dot_forward = alias, dot_forward

    def configure(self):
        super().configure()
        # Each setting once: Postfix's log daemon waits for itself when it has to warn of a second one.
        settings = {"mydestination": self.domain, "virtual_alias_domains": "", "virtual_alias_maps": "", "local_recipient_maps": "",
                    "alias_maps": f"texthash:{self.scratch}/conf/aliases", "mailbox_size_limit": "0",
                    "mail_spool_directory": f"{self.scratch}/home"}
        main = self.scratch / "conf/main.cf"
        kept = [line for line in main.read_text().splitlines() if line.split(" ")[0] not in settings]
        self.write("conf/main.cf", "\n".join([*kept, *(f"{name} = {value}" for name, value in settings.items())]) + "\n")
        master = self.scratch / "conf/master.cf"
        self.write("conf/master.cf", master.read_text() + "local     unix  - n n - - local\n")
        self.write("conf/aliases", f"user {self.alias}\n" if self.alias else "")
        self._write_home()

    def _write_home(self):
        home, uid = self.make_folder("home", 0o755), OWN_UID + self.users.index("user")
        passwd = (self.scratch / "passwd").read_text()
        self.write("passwd", passwd.replace(f"user:x:{uid}:{uid}::/:", f"user:x:{uid}:{uid}::{home}:"))
        os.chown(home, uid, uid)
        if self.dot_forward:
            os.chown(self.write("home/.forward", f"{self.dot_forward}\n"), uid, uid)


class SevenBitPostfix(Postfix):
    """Its next hop, as far as it can tell, does not take 8BITMIME."""

    def configure(self):
        super().configure()
        with open(self.scratch / "conf/main.cf", "a") as file:
            file.write("\nsmtp_discard_ehlo_keywords = 8bitmime, smtputf8\n")


class AttachingExim(Exim):
    """A transport filter puts each mail that goes out into a new one, as an attachment."""

    FILTER = """\
import sys

mail = sys.stdin.buffer.read()
head = "From: user@{domain}\\nSubject: Forwarded\\nMIME-Version: 1.0\\nContent-Type: multipart/mixed; boundary=forwarded\\n\\n"
text = "--forwarded\\nContent-Type: text/plain\\n\\nSee the attached mail.\\n--forwarded\\nContent-Type: message/rfc822\\n\\n"
sys.stdout.buffer.write((head + text).encode() + mail + b"\\n--forwarded--\\n")
"""

    def configure(self):
        super().configure()
        script = self.write("attach.py", self.FILTER.format(domain=self.domain))
        file = self.scratch / "exim.conf"
        file.write_text(file.read_text().replace("  hosts_try_dane =\n", f"  hosts_try_dane =\n  transport_filter = /usr/bin/python3 {script}\n"))


class ReplyingExim(Exim):
    """The mail of `user` is kept, and its filter file answers that the user is away."""

    ROUTERS = """
away:
  driver = redirect
  domains = {domain}
  file = {scratch}/away
  allow_filter
  user = Debian-exim
  reply_transport = reply
  no_verify
kept:
  driver = redirect
  domains = {domain}
  data = :blackhole:
"""
    AWAY = """\
# Exim filter
mail
  to $sender_address
  subject "Re: $h_subject:"
  text "I am away until Monday.\\n"
"""

    def configure(self):
        super().configure()
        self.write("away", self.AWAY)
        file = self.scratch / "exim.conf"
        before, routers = file.read_text().split("begin routers\n")
        file.write_text(before + "begin routers\n" + self.ROUTERS.format(domain=self.domain, scratch=self.scratch) +
                        routers.replace("begin transports\n", "begin transports\nreply:\n  driver = autoreply\n"))
