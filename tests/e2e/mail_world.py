"""Mail systems of several organisations, of servers as they are out there, for whole round trips: each test takes what it needs."""

from check_file import CheckFile, secret_file
from servers import Accounts, Exim, OpenSMTPD, Postfix, free_port
from servers.faulty import TinyDNS, make_certificate
from service import DOMAIN, Service

PASSWORD = "secret"
USER = "user@customer.test"             # has a mailbox
PROBE = "probe@customer.test"           # a rule forwards it to our mailbox
TWICE = "twice@customer.test"           # and this one twice into the mailbox of user@
JUNK = "junk@customer.test"             # has a mailbox whose script takes all mail for junk
AWAY = "away@customer.test"             # and this one's answers that she is away
NOBODY = "nobody@customer.test"         # the MX does not know that there is no such mailbox
SCRIPTS = {JUNK: 'require "fileinto";\nfileinto "Junk";\n',
           AWAY: 'require "vacation";\nvacation :subject "Away" "I am away until Monday.";\n'}
CLASSES = {"postfix": Postfix, "exim": Exim, "opensmtpd": OpenSMTPD}
HOSTS = ("mx.customer.test", "imap.customer.test", "smtp.company.test", "relay.provider.test")


class World:
    """The mail systems that the checks go through. Each server is started when it is first asked for.

    customer.test: an MX, and Dovecot with the mailbox of user@; company.test: where one logs in to send; provider.test: our own relay;
    elsewhere.test: somebody else's server, where echo@ is forwarded to user@customer.test.
    """

    def __init__(self, folder):
        self.folder = folder
        self.servers = {}
        self.service = Service().start()
        self.service.add_mailbox("acme")
        self.dns = TinyDNS({("customer.test", "MX"): [(10, "mx.customer.test")], **{(host, "A"): ["127.0.0.1"] for host in HOSTS}})
        self.dns.__enter__()
        self.certificates = {name: make_certificate(folder, name) for name in ("imap.customer.test", "smtp.company.test")}
        self.password = secret_file(folder, "password", PASSWORD)
        self.sasl = free_port()

    def stop(self):
        for server in self.servers.values():
            server.stop()
        self.dns.__exit__()
        self.service.stop()
        report = self.service.sanitizer_report
        self.service.remove()
        assert not report, report

    def tidy(self):
        """Whatever the test before left behind."""
        if self.service.process is None:
            self.service.start()
        for server in self.servers.values():
            if server.process is None:
                server.start()
        if "accounts" in self.servers:
            for user in self.accounts.accounts:
                self.accounts.empty(user)
        for message in self.service.ctl("message", "list", "acme", "--json")["messages"]:
            self.service.http("DELETE", f"/v1/messages/{message['id']}")

    @property
    def log(self) -> str:
        return "".join(f"---- {name}\n{server.log[-8000:]}\n" for name, server in [*self.servers.items(), ("service", self.service)])

    def start(self, name, make):
        if name not in self.servers:
            self.servers[name] = make().start()
        return self.servers[name]

    @property
    def accounts(self):
        certificate, key = self.certificates["imap.customer.test"]
        # Asked by Postfix; and nobody has to wait after a wrong password.
        listener = (f"service auth {{\n  chroot =\n  inet_listener {{\n    port = {self.sasl}\n  }}\n}}\n"
                    "service anvil {\n  unix_listener anvil-auth-penalty {\n    mode = 0\n  }\n}\n")
        return self.start("accounts", lambda: Accounts(
            users=dict.fromkeys((USER, JUNK, AWAY), PASSWORD), mechanisms="plain login cram-md5 scram-sha-256", certificate=certificate, key=key,
            settings=listener, scripts=SCRIPTS, relay=(self.outgoing.host, self.outgoing.port)))

    @property
    def outgoing(self):
        """By which customer.test sends what its scripts say."""
        return self.start("outgoing", lambda: Exim("customer.test", hostname="out.customer.test", routes={DOMAIN: ("127.0.0.1", self.service.smtp_port)}))

    def mx(self, kind="postfix"):
        return self.start(f"mx {kind}", lambda: CLASSES[kind](
            "customer.test", forwards={"probe": f"acme@{DOMAIN}", "twice": f"{USER}, user+again@customer.test"},
            routes={DOMAIN: ("127.0.0.1", self.service.smtp_port)}, mailboxes=(self.accounts.host, self.accounts.lmtp_port)))

    def routes(self, mx):
        return {"customer.test": (mx.host, mx.port), DOMAIN: ("127.0.0.1", self.service.smtp_port)}

    def relay(self, kind="exim", mx="postfix"):
        return self.start(f"relay {kind}", lambda: CLASSES[kind]("provider.test", routes=self.routes(self.mx(mx))))

    @property
    def elsewhere(self):
        return self.start("elsewhere", lambda: OpenSMTPD("elsewhere.test", forwards={"echo": USER}, routes=self.routes(self.mx())))

    @property
    def submission(self):
        certificate, key = self.certificates["smtp.company.test"]
        return self.start("submission", lambda: Postfix(
            "company.test", sasl=(self.accounts.host, self.sasl), certificate=certificate, key=key,
            routes={**self.routes(self.mx()), "elsewhere.test": (self.elsewhere.host, self.elsewhere.port)}))

    # ---- As checks.yaml names them ----------------------------------------------------------------------------------

    def account(self, protocol="imap", tls="implicit", user=USER):
        port = {("imap", "implicit"): "imaps_port", ("imap", "starttls"): "port", ("pop3", "implicit"): "pop3s_port", ("pop3", "starttls"): "pop3_port"}
        return {"name": "account", "host": "imap.customer.test", "port": getattr(self.accounts, port[protocol, tls]), "tls": tls, "verify": True,
                "ca_file": str(self.certificates["imap.customer.test"][0]), "auth": {"user": user, "password_file": self.password}}

    def login(self, tls="starttls", mechanism="auto"):
        port = self.submission.port if tls == "starttls" else self.submission.smtps_port
        return {"name": "login", "host": "smtp.company.test", "port": port, "tls": tls, "verify": True,
                "ca_file": str(self.certificates["smtp.company.test"][0]), "auth": {"user": USER, "password_file": self.password, "mechanism": mechanism}}

    def checks(self, *servers, with_service=False):
        return CheckFile(self.folder, self.service if with_service else None, dns=self.dns.address, servers=list(servers))
