"""Postfix, which has to be started by root: its master gives each of its daemons the rights it needs."""

import shlex

from .base import MailServer, free_port

MAIN = """\
compatibility_level = 3.7
myhostname = {hostname}
mydomain = {domain}
myorigin = {domain}
mydestination =
alias_maps =
mynetworks = 127.0.0.0/8
inet_interfaces = {host}
inet_protocols = ipv4

queue_directory = {scratch}/queue
data_directory = {scratch}/data
daemon_directory = {unpacked}/usr/lib/postfix/sbin
command_directory = {unpacked}/usr/sbin
meta_directory = {scratch}/conf
shlib_directory = {unpacked}/usr/lib/postfix
mail_owner = postfix
setgid_group = postdrop
default_privs = nobody
import_environment = LANG=C MAIL_CONFIG LD_LIBRARY_PATH LD_PRELOAD NSS_WRAPPER_PASSWD NSS_WRAPPER_GROUP
maillog_file = {scratch}/log
maillog_file_prefixes = {scratch}

{own_domain}
virtual_alias_maps = texthash:{scratch}/conf/forwards
recipient_delimiter = +
relay_domains = {relayed}
transport_maps = texthash:{scratch}/conf/routes
smtpd_relay_restrictions = {relay_restrictions}
smtpd_reject_unlisted_recipient = yes
smtpd_peername_lookup = no
smtp_dns_support_level = disabled
smtp_tls_security_level = may
{tls}
{sasl}
message_size_limit = 104857600

# A receiver that is down for a moment is tried again at once.
minimal_backoff_time = 2s
maximal_backoff_time = 2s
queue_run_delay = 2s
transport_retry_time = 2s
"""

# Nothing is chrooted (fifth column), so nothing has to be copied into the queue folder.
MASTER = """\
{port}    inet  n - n - - smtpd
{smtps_port}    inet  n - n - - smtpd -o smtpd_tls_wrappermode=yes
pickup    unix  n - n 60 1 pickup
cleanup   unix  n - n - 0 cleanup
qmgr      unix  n - n 2 1 qmgr
rewrite   unix  - - n - - trivial-rewrite
bounce    unix  - - n - 0 bounce
defer     unix  - - n - 0 bounce
trace     unix  - - n - 0 bounce
verify    unix  - - n - 1 verify
flush     unix  n - n - 0 flush
proxymap  unix  - - n - - proxymap
smtp      unix  - - n - - smtp
relay     unix  - - n - - smtp
lmtp      unix  - - n - - lmtp
error     unix  - - n - - error
retry     unix  - - n - - error
discard   unix  - - n - - discard
anvil     unix  - - n - 1 anvil
scache    unix  - - n - 1 scache
tlsmgr    unix  - - n 1000 1 tlsmgr
postlog   unix-dgram n - n - 1 postlogd
"""

QUEUES = ("active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "private", "saved", "trace")


SASL = """\
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = inet:{host}:{port}
smtpd_sasl_security_options = noanonymous
"""


class Postfix(MailServer):
    """sasl: (host, port) of a Dovecot that checks passwords and tokens; then only who has logged in, or writes to its own users, may send."""

    package = "postfix"
    needs_root = True
    users = ("postfix", "postdrop", "nobody")

    def __init__(self, domain, sasl=None, **options):
        super().__init__(domain, **options)
        self.sasl = sasl
        self.smtps_port = free_port()       # TLS from the first octet on, where it has a certificate

    def configure(self):
        tls = (f"smtpd_tls_security_level = may\nsmtpd_tls_cert_file = {self.certificate}\n"
               f"smtpd_tls_key_file = {self.key}" if self.certificate else "")
        mailboxes = f"virtual_mailbox_domains = {self.domain}\nvirtual_transport = lmtp:[{self.mailboxes[0]}]:{self.mailboxes[1]}" if self.mailboxes else ""
        self.write("conf/main.cf", MAIN.format(
            own_domain=mailboxes or f"virtual_alias_domains = {self.domain}", hostname=self.hostname, domain=self.domain, host=self.host, scratch=self.scratch,
            unpacked=self.unpacked(""), relayed="" if self.sasl else ", ".join(self.routes), tls=tls,
            sasl=SASL.format(host=self.sasl[0], port=self.sasl[1]) if self.sasl else "",
            relay_restrictions="permit_sasl_authenticated, reject_unauth_destination" if self.sasl else "reject_unauth_destination"))
        self.write("conf/master.cf", MASTER.format(port=self.port, smtps_port=self.smtps_port))
        self.write("conf/forwards", "".join(f"{user}@{self.domain} {to}\n" for user, to in self.forwards.items()))
        self.write("conf/routes", "".join(f"{domain} smtp:[{host}]:{port}\n"
                                          for domain, (host, port) in self.routes.items()))
        # What `postfix check` would make, with nothing of the host's consulted.
        (self.scratch / "queue" / "pid").mkdir(parents=True)
        for queue in QUEUES:
            self.make_folder(f"queue/{queue}")
        self.make_folder("queue/public", 0o710)
        self.make_folder("queue/maildrop", 0o730)
        self.make_folder("data")

    def command(self):
        # -d: stay in the foreground.
        return [self.unpacked("usr/lib/postfix/sbin/master"), "-c", self.scratch / "conf", "-d"]

    def sendmail(self):
        """Its sendmail program, as whoever is not in its environment may call it."""
        words = [f"{name}={value}" for name, value in {**self.environment(), "MAIL_CONFIG": str(self.scratch / "conf")}.items()]
        script = self.write("sendmail", "#!/bin/sh\nexec env " + " ".join(map(shlex.quote, words)) + f" {self.unpacked('usr/sbin/sendmail')} \"$@\"\n")
        script.chmod(0o755)
        return script

    def log_files(self):
        return ["output", "log"]
