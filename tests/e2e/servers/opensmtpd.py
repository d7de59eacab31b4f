"""OpenSMTPD, which has to be started by root and knows its folders by name alone.

So it gets a mount namespace of its own in which /run, /var/spool and /var/lib are folders of our scratch: the host's
are out of its sight, and nothing is left when it ends.
"""

import shlex
import subprocess

from .base import MailServer

NAMESPACE = ["unshare", "--mount", "--propagation", "private"]

CONFIGURATION = """\
{tls}
listen on {host} port {port} hostname {hostname} {starttls}
queue ttl 1h
table forwards file:{scratch}/forwards
{actions}
{matches}
"""

START = """\
set -e
for folder in run var/spool var/lib; do mount --bind {scratch}/$folder /$folder; done
exec {smtpd} -d -f {scratch}/smtpd.conf
"""


class OpenSMTPD(MailServer):
    package = "opensmtpd"
    needs_root = True
    users = ("opensmtpd", "opensmtpq", "nobody")

    @classmethod
    def obstacle(cls):
        if why := super().obstacle():
            return why
        # In a container root may lack the right to mount, and in a chroot there is no root mount to make private.
        tried = subprocess.run([*NAMESPACE, "true"], capture_output=True, text=True, check=False)
        return tried.stderr.strip() if tried.returncode != 0 else ""

    def configure(self):
        routes = list(enumerate(self.routes.items()))
        actions = [f'action route{n} relay host "smtp://{host}:{port}" helo {self.hostname}' for n, (_, (host, port)) in routes]
        matches = [f'match from any for domain "{domain}" action route{n}' for n, (domain, _) in routes]
        if self.forwards:
            addresses = ", ".join(f'"{user}@{self.domain}"' for user in self.forwards)
            which = f"rcpt-to {{ {addresses} }}" if self.mailboxes else f'domain "{self.domain}"'
            actions.append("action forward expand-only virtual <forwards>")
            matches.append(f"match from any for {which} action forward")
        if self.mailboxes:
            actions.append(f'action mailbox relay host "lmtp://{self.mailboxes[0]}:{self.mailboxes[1]}"')
            matches.append(f'match from any for domain "{self.domain}" action mailbox')
        tls = (f'pki own cert "{self.certificate}"\npki own key "{self.key}"' if self.certificate else "")
        for folder in "run", "var/lib/opensmtpd/empty", "var/spool":
            (self.scratch / folder).mkdir(parents=True)
        self.write("forwards", "".join(f"{user}@{self.domain} {to}\n" for user, to in self.forwards.items()))
        self.write("smtpd.conf", CONFIGURATION.format(
            host=self.host, port=self.port, hostname=self.hostname, scratch=self.scratch, tls=tls,
            starttls="tls pki own" if tls else "", actions="\n".join(actions), matches="\n".join(matches)))

    def command(self):
        script = START.format(scratch=shlex.quote(str(self.scratch)),
                              smtpd=shlex.quote(str(self.unpacked("usr/sbin/smtpd"))))
        return [*NAMESPACE, "sh", "-c", script]
