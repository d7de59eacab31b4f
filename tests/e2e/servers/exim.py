"""Exim, as any user: root hands it to an account without rights, since it needs none here."""

from .base import MailServer

CONFIGURATION = """\
primary_hostname = {hostname}
qualify_domain = {domain}

# Exim runs itself anew for each delivery, with a cleaned environment.
exim_path = {binary}
keep_environment = LD_LIBRARY_PATH : LD_PRELOAD : NSS_WRAPPER_PASSWD : NSS_WRAPPER_GROUP
deliver_drop_privilege = true

spool_directory = {scratch}/spool
log_file_path = {scratch}/log/%s
pid_file_path = {scratch}/pid

disable_ipv6 = true
local_interfaces = {host}
daemon_smtp_ports = {port}
host_lookup =
rfc1413_query_timeout = 0s
smtp_accept_max = 200
message_size_limit = 100M
{tls}

acl_smtp_rcpt = rcpt
begin acl
rcpt:
{relay}
  require verify = recipient
  accept

begin routers
forward:
  driver = redirect
  domains = {domain}
  local_part_suffix = +*
  local_part_suffix_optional
  data = ${{lookup{{$local_part}}lsearch{{{scratch}/forwards}}}}
{routers}

begin transports
{transports}

# A receiver that is down for a moment is tried again at once.
begin retry
* * F,1h,2s

{authenticators}
"""

AUTHENTICATORS = """
begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_condition = ${{if and{{ {{eq{{$auth2}}{{{user}}}}} {{eq{{$auth3}}{{{password}}}}} }}}}
  server_set_id = $auth2
login:
  driver = plaintext
  public_name = LOGIN
  server_prompts = User Name : Password
  server_condition = ${{if and{{ {{eq{{$auth1}}{{{user}}}}} {{eq{{$auth2}}{{{password}}}}} }}}}
  server_set_id = $auth1
cram:
  driver = cram_md5
  public_name = CRAM-MD5
  server_secret = ${{if eq{{$auth1}}{{{user}}}{{{password}}}fail}}
  server_set_id = $auth1
"""

RELAY = """\
  deny message = only after a login
       !authenticated = *
"""

# After the rule for who is forwarded.
MAILBOX_ROUTER = """
mailbox:
  driver = manualroute
  domains = {domain}
  route_list = * {host}
  self = send
  transport = mailbox
"""

MAILBOX_TRANSPORT = """
mailbox:
  driver = smtp
  protocol = lmtp
  port = {port}
  allow_localhost
  hosts_try_dane =
"""

ROUTER = """
route{n}:
  driver = manualroute
  domains = {domain}
  route_list = * {host}
  self = send
  transport = smtp{n}
"""

TRANSPORT = """
smtp{n}:
  driver = smtp
  port = {port}
  allow_localhost
  hosts_try_dane =
"""


class Exim(MailServer):
    """login: (user, password) that it wants to see before it takes mail; free of characters that Exim expands."""

    package = "exim4-daemon-light"
    users = ("Debian-exim",)

    def __init__(self, domain, login=None, **options):
        super().__init__(domain, **options)
        self.login = login

    def configure(self):
        routes = [{"n": n, "domain": domain, "host": host, "port": port}
                  for n, (domain, (host, port)) in enumerate(self.routes.items())]
        tls = (f"tls_certificate = {self.certificate}\ntls_privatekey = {self.key}" if self.certificate
               else "tls_advertise_hosts =")
        mailboxes = {"domain": self.domain, "host": self.mailboxes[0], "port": self.mailboxes[1]} if self.mailboxes else None
        self.make_folder("spool")
        self.make_folder("log")
        self.write("forwards", "".join(f"{user}: {address}\n" for user, address in self.forwards.items()))
        self.write("exim.conf", CONFIGURATION.format(
            hostname=self.hostname, domain=self.domain, binary=self.unpacked("usr/sbin/exim4"),
            scratch=self.scratch, host=self.host, port=self.port, tls=tls, relay=RELAY if self.login else "",
            authenticators=AUTHENTICATORS.format(user=self.login[0], password=self.login[1]) if self.login else "",
            routers="".join(ROUTER.format(**route) for route in routes) + (MAILBOX_ROUTER.format(**mailboxes) if mailboxes else ""),
            transports="".join(TRANSPORT.format(**route) for route in routes) + (MAILBOX_TRANSPORT.format(**mailboxes) if mailboxes else "")))

    def command(self):
        return [self.unpacked("usr/sbin/exim4"), "-C", self.scratch / "exim.conf", "-bdf", "-q2s"]

    def log_files(self):
        return ["output", "log/main"]
