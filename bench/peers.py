"""What is measured: Mailtest, and what it is measured against, Postfix, smtp-sink and nginx from Debian's packages, unpacked and
not installed. All that take mail offer the same: where to send to, how long they are busy with it, an end."""

import os
import random
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "e2e"))

# Behind the path to the tests' modules, which has to be set first: E402.
from servers.base import OWN_UID, MailServer, ServerError, session_members    # noqa: E402
from servers.postfix import Postfix                              # noqa: E402
from service import DOMAIN as OUR_DOMAIN                         # noqa: E402
from service import Service                                      # noqa: E402

from measure import MeasureError                                 # noqa: E402

DOMAIN = "bench.test"
MAILBOXES = 16

# Every mail becomes a file of its own in the mailbox's Maildir. Postfix fsyncs its queue file before its 250, and virtual(8)
# the Maildir's before the queue file goes. The limits are raised as an operator with this many clients would.
MAILDIR = """
default_process_limit = 300
virtual_mailbox_domains = {domain}
virtual_mailbox_maps = texthash:{scratch}/conf/mailboxes
virtual_mailbox_base = {scratch}/mail
virtual_mailbox_limit = 0
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{uid}
"""


class Peer(MailServer):
    """Anything that takes mail for box1@domain and so on."""

    name = ""

    def pids(self) -> list[int]:
        return session_members(self.process.pid)

    def write_tokens(self, file: Path, count: int) -> None:
        """To others than Mailtest a token is a word like any other."""
        alphabet = "0123456789abcdefghjkmnpqrstvwxyz"
        with open(file, "w", encoding="ascii") as tokens:
            tokens.writelines(f"mt1{''.join(random.choices(alphabet, k=40))}\n" for _ in range(count))

    def settle(self, accepted: int) -> None:
        """Until nothing is left to do of what was accepted since the start."""

    def check(self, tokens: Path, accepted: int) -> None:
        """That it kept its promise for the accepted messages, which carried the first of these tokens."""


class MaildirPostfix(Peer, Postfix):
    """Postfix that delivers into Maildirs."""

    name = "Postfix"

    def __init__(self, **options):
        super().__init__(DOMAIN, **options)

    def configure(self):
        super().configure()
        self.make_folder("mail")
        self.write("conf/mailboxes", "".join(f"box{n}@{self.domain} box{n}/\n" for n in range(1, MAILBOXES + 1)))
        # It warns of a setting that is given twice, in each of its processes.
        main = self.scratch / "conf/main.cf"
        kept = [line for line in main.read_text().splitlines() if not line.startswith("virtual_alias_domains")]
        main.write_text("\n".join(kept) + MAILDIR.format(domain=self.domain, scratch=self.scratch, uid=OWN_UID))
        with open(self.scratch / "conf/master.cf", "a", encoding="ascii") as master:
            master.write("virtual   unix  - n n - - virtual\n")

    def delivered(self) -> int:
        return sum(len(os.listdir(new)) for new in (self.scratch / "mail").glob("*/new"))

    def settle(self, accepted):
        end = time.monotonic() + 60
        while self.delivered() < accepted:
            if time.monotonic() > end:
                raise MeasureError(f"Postfix delivered {self.delivered()} of {accepted}:\n{self.log[-2000:]}")
            time.sleep(0.1)


class SmtpSink(Peer):
    """Postfix's sink for tests: says 250 and throws away."""

    name = "smtp-sink"
    package = "postfix"

    def __init__(self):
        super().__init__(DOMAIN)

    def configure(self):
        pass

    def command(self):
        # -c counts in the terminal, which costs; its backlog as large as the kernel allows.
        return [self.unpacked("usr/sbin/smtp-sink"), f"{self.host}:{self.port}", "4096"]


NGINX = """
daemon off;
worker_processes 1;
error_log {scratch}/output;
pid {scratch}/data/pid;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    keepalive_requests 1000000000;
    default_type application/json;
    client_body_temp_path {scratch}/data;
    proxy_temp_path {scratch}/data;
    fastcgi_temp_path {scratch}/data;
    uwsgi_temp_path {scratch}/data;
    scgi_temp_path {scratch}/data;
    server {{ listen {host}:{port}; root {scratch}/www; }}
}}
"""


class Nginx(MailServer):
    """nginx with one worker, as Mailtest looks up with one process, that serves one file."""

    name = package = "nginx"
    file = "token.json"

    def __init__(self, content: bytes):
        super().__init__(DOMAIN)
        self.content = content

    @property
    def http_port(self) -> int:
        return self.port

    def pids(self) -> list[int]:
        return session_members(self.process.pid)

    def configure(self):
        self.make_folder("data")
        (self.make_folder("www", 0o755) / self.file).write_bytes(self.content)
        self.write("nginx.conf", NGINX.format(scratch=self.scratch, host=self.host, port=self.port))
        (self.scratch / "output").touch(0o666)
        os.chown(self.scratch / "output", OWN_UID, OWN_UID)

    def command(self):
        return [self.unpacked("usr/sbin/nginx"), "-c", self.scratch / "nginx.conf", "-p", self.scratch,
                "-e", self.scratch / "output"]

    def _wait_for_banner(self, seconds: float = 20):
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.process.poll() is None:
            try:
                with urllib.request.urlopen(f"http://{self.host}:{self.port}/{self.file}", timeout=5) as answer:
                    if answer.read() == self.content:
                        return
            except OSError:
                pass
            time.sleep(0.05)
        raise ServerError(f"nginx does not answer on port {self.port}:\n{self.log}")


class Mailtest:
    """The service, with a fresh store of its own."""

    name = "Mailtest"
    host = "127.0.0.1"
    domain = OUR_DOMAIN

    def __init__(self, build: Path, certificate=None, key=None, **settings):
        if certificate is not None:
            settings["tls"] = {"certificate": str(certificate), "key": str(key)}
        self.build = build
        self.service = Service(build=build, **settings)

    @property
    def port(self) -> int:
        return self.service.smtp_port

    @property
    def http_port(self) -> int:
        return self.service.ports["http"]

    def __enter__(self):
        try:
            self.service.start()
            for n in range(1, MAILBOXES + 1):
                self.service.add_mailbox(f"box{n}")
        except BaseException:
            self.service.remove()
            raise
        return self

    def __exit__(self, *_):
        self.service.remove()

    def pids(self) -> list[int]:
        return session_members(self.service.process.pid)

    def write_tokens(self, file, count):
        self._mint(file, count)

    def register_tokens(self, file: Path, count: int) -> None:
        """Mints them and puts them into the database, behind the back of the service, which is stopped meanwhile."""
        self.service.stop()
        self._mint(file, count, "--register")
        self.service.start()

    def _mint(self, file, count, *options):
        with open(file, "wb") as tokens:
            subprocess.run([self.build / "bench/mint_tokens", *options, self.service.scratch / "state", self.domain,
                            str(MAILBOXES), str(count)], stdout=tokens, check=True)

    def store_bytes(self) -> int:
        return (self.service.scratch / "state/db/data.mdb").stat().st_size

    def settle(self, accepted):
        """All is done when the 250 is said."""

    def check(self, tokens, accepted):
        lines = tokens.read_text().split()[:accepted]
        for index in random.sample(range(len(lines)), min(20, len(lines))):
            mailbox = f"box{index % MAILBOXES + 1}"
            answer = self.service.http("GET", f"/v1/mailboxes/{mailbox}/tokens/{lines[index]}").json()
            if answer.get("verdict") != "arrived":
                raise MeasureError(f"{mailbox} got a 250 for {lines[index]}, and the answer is {answer}")


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """P-256, as the STARTTLS row says; one for all."""
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-subj", "/CN=bench.test", "-days", "30", "-out", certificate, "-keyout", key],
                   check=True, capture_output=True)
    return certificate, key
