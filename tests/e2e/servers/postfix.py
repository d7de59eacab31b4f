"""Postfix, which has to be started by root: its master gives each of its daemons the rights it needs."""

from .base import MailServer

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

virtual_alias_domains = {domain}
virtual_alias_maps = texthash:{scratch}/conf/forwards
recipient_delimiter = +
relay_domains = {relayed}
transport_maps = texthash:{scratch}/conf/routes
smtpd_relay_restrictions = reject_unauth_destination
smtpd_reject_unlisted_recipient = yes
smtpd_peername_lookup = no
smtp_dns_support_level = disabled
smtp_tls_security_level = may
{tls}
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
error     unix  - - n - - error
retry     unix  - - n - - error
discard   unix  - - n - - discard
anvil     unix  - - n - 1 anvil
scache    unix  - - n - 1 scache
tlsmgr    unix  - - n 1000 1 tlsmgr
postlog   unix-dgram n - n - 1 postlogd
"""

QUEUES = ("active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "private", "saved", "trace")


class Postfix(MailServer):
    package = "postfix"
    needs_root = True
    users = ("postfix", "postdrop", "nobody")

    def configure(self):
        tls = (f"smtpd_tls_security_level = may\nsmtpd_tls_cert_file = {self.certificate}\n"
               f"smtpd_tls_key_file = {self.key}" if self.certificate else "")
        self.write("conf/main.cf", MAIN.format(
            hostname=self.hostname, domain=self.domain, host=self.host, scratch=self.scratch,
            unpacked=self.unpacked(""), relayed=", ".join(self.routes), tls=tls))
        self.write("conf/master.cf", MASTER.format(port=self.port))
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

    def log_files(self):
        return ["output", "log"]
