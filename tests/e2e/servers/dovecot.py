"""Dovecot's delivery agent with Sieve (Pigeonhole): takes one mail as a mail server hands it over, and runs the user's script."""

from .program import MailProgram

CONFIGURATION = """\
base_dir = {scratch}/run
state_dir = {scratch}/state
log_path = {scratch}/log
ssl = no
hostname = imap.{domain}
postmaster_address = postmaster@{domain}
default_internal_user = user
default_internal_group = user
default_login_user = user
mail_location = maildir:{scratch}/home/Maildir
mail_plugin_dir = {unpacked}/usr/lib/dovecot/modules
mail_plugins = sieve
submission_host = {relay}
plugin {{
  sieve = {scratch}/home/user.sieve
  sieve_plugins = sieve_extprograms
  sieve_plugin_dir = {unpacked}/usr/lib/dovecot/modules/sieve
  sieve_extensions = +vnd.dovecot.filter
  sieve_filter_bin_dir = {scratch}/filters
}}
"""

# What the Sieve action enclose does (RFC 5703 section 6), which Pigeonhole does not have: as a program for its action filter.
ENCLOSE = """\
#!/usr/bin/python3
import sys

mail = sys.stdin.buffer.read().replace(b"\\r\\n", b"\\n").replace(b"\\n", b"\\r\\n")
head = "Subject: Enclosed\\nFrom: user@{domain}\\nMIME-Version: 1.0\\nContent-Type: multipart/mixed; boundary=enclosed\\n\\n"
text = "--enclosed\\nContent-Type: text/plain\\n\\nThe mail is enclosed.\\n--enclosed\\nContent-Type: message/rfc822\\n\\n"
sys.stdout.buffer.write((head + text).replace("\\n", "\\r\\n").encode() + mail + b"\\r\\n--enclosed--\\r\\n")
"""


class Dovecot(MailProgram):
    """relay: (host, port) to which it sends what the script wants sent. script: the user's, in Sieve."""

    package = "dovecot-core"
    more_packages = ("dovecot-sieve",)

    def __init__(self, domain, script, relay, **options):
        super().__init__(domain, **options)
        self.script, self.relay = script, relay

    def configure(self):
        self.write("dovecot.conf", CONFIGURATION.format(scratch=self.scratch, unpacked=self.unpacked(""), domain=self.domain,
                                                        relay=f"{self.relay[0]}:{self.relay[1]}"))
        self.write("filters/enclose", ENCLOSE.format(domain=self.domain)).chmod(0o755)
        self.own("home/user.sieve", self.script)
        self.own("log", "")

    def environment(self):
        environment = super().environment()
        environment["LD_LIBRARY_PATH"] += f":{self.unpacked('usr/lib/dovecot')}"
        return environment

    def deliver(self, mail: bytes, sender: str) -> None:
        """doveconf first: the agent alone would look for it where Debian installs it."""
        file = self.own("mail", mail)
        self.run(self.unpacked("usr/bin/doveconf"), "-c", self.scratch / "dovecot.conf", "-m", "lda", "-e",
                 self.unpacked("usr/lib/dovecot/dovecot-lda"), "-f", sender, "-a", f"user@{self.domain}", "-p", file)

    def log_files(self):
        return ["log", "home/user.sieve.log"]
