"""Mail programs of people: mutt and s-nail forward a mail that lies in a mailbox file, through the SMTP server `relay`."""

from .program import MailProgram, mbox

# The editor makes the text look old: mutt asks back where a second began between its writing it and its sending it.
MUTT = """\
set from="user@{domain}" use_from=yes use_envelope_from=yes realname="User"
set hostname="{domain}"
set smtp_url="smtp://{relay}"
set ssl_starttls=no ssl_force_tls=no
set dotlock_program="{unpacked}/usr/bin/mutt_dotlock"
set folder="{scratch}/home" tmpdir="{scratch}/home" record="" copy=no
set editor="touch -d @1" fast_reply=yes abort_unmodified=no
set mime_forward={attached}
set wait_key=no
"""


class Reader(MailProgram):
    def __init__(self, domain, relay, **options):
        super().__init__(domain, **options)
        self.relay = f"{relay[0]}:{relay[1]}"

    def configure(self):
        pass

    def log_files(self):
        return []


class Mutt(Reader):
    package = "mutt"

    def forward(self, mail: bytes, to: str, attached: bool) -> None:
        """Inline as people have it by default, or attached. It is told what to press, on a terminal."""
        mailbox = self.own("home/mbox", mbox(mail, "probe@provider.test"))
        settings = self.own("home/muttrc", MUTT.format(domain=self.domain, relay=self.relay, unpacked=self.unpacked(""), scratch=self.scratch,
                                                       attached="yes" if attached else "no"))
        self.run_on_terminal(self.unpacked("usr/bin/mutt"), "-n", "-F", settings, "-f", mailbox, "-e",
                             f'push "<forward-message>{to}<enter><send-message><quit>"')


class SNail(Reader):
    package = "s-nail"

    def forward(self, mail: bytes, to: str, attached: bool) -> None:
        mailbox = self.own("home/mbox", mbox(mail, "probe@provider.test"))
        settings = {"v15-compat": "", "mta": f"smtp://{self.relay}", "smtp-auth": "none", "smtp-hostname": self.domain, "hostname": self.domain,
                    "from": f"user@{self.domain}", "record": "/dev/null", **({"forward-as-attachment": ""} if attached else {})}
        options = [word for name, value in settings.items() for word in ("-S", f"{name}={value}" if value else name)]
        self.run(self.unpacked("usr/bin/s-nail"), "-:/", "-#", *options, "-r", f"user@{self.domain}", "-R", "-f", mailbox,
                 text=f"forward 1 {to}\nSee below.\n~.\nquit\n")
