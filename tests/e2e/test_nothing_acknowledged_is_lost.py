"""Every process is killed under load, over and over: what was answered 250 is there once and whole after the restart."""

import hashlib
import itertools
import random
import smtplib
import threading

from service import DOMAIN

SENDERS = 8
KILLS = 4
MIN_BETWEEN_KILLS = 40      # mails acknowledged before the next kill


class Load:
    """Threads that send mails until told to stop, and note each one that was answered 250."""

    def __init__(self, port):
        self.port = port
        self.stopping = threading.Event()
        self.numbers = itertools.count()
        self.acknowledged = {}      # number → digest of the body
        self.sent = set()
        self.threads = [threading.Thread(target=self.run, args=(seed,)) for seed in range(SENDERS)]
        for thread in self.threads:
            thread.start()

    def run(self, seed):
        chance = random.Random(seed)
        while not self.stopping.is_set():
            number = next(self.numbers)
            # Small ones, ones of several pages, and some that travel outside of their message between the roles.
            size = chance.choice([10, 500, 3000, 9000, 100_000])
            line = "%064x" % chance.getrandbits(256)
            body = (line + "\r\n") * (size // 66 + 1)
            mail = f"Subject: load {number}\r\nX-Number: {number}\r\n\r\n{body}".encode()
            self.sent.add(number)
            try:
                with smtplib.SMTP("127.0.0.1", self.port, timeout=20) as client:
                    client.sendmail("load@provider.test", [f"acme@{DOMAIN}"], mail)
                    self.acknowledged[number] = hashlib.sha256(mail).hexdigest()
            except (smtplib.SMTPException, OSError):
                self.stopping.wait(0.01)

    def wait_for_more(self, service, count):
        goal = len(self.acknowledged) + count
        service.wait_for(lambda: len(self.acknowledged) >= goal, f"{count} more mails are acknowledged", 60)

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join(60)


def stored_mails(service):
    """number → digests of the mails that bear it, without the trace in front."""
    found = {}
    cursor = ""
    while True:
        page = service.http("GET", f"/v1/mailboxes/acme/messages?limit=100{cursor}").json()
        for message in page["messages"]:
            raw = service.http("GET", f"/v1/messages/{message['id']}/raw").body
            original = raw[raw.index(b"Subject: load "):]
            number = int(original.split(b"X-Number: ")[1].split(b"\r\n")[0])
            found.setdefault(number, []).append(hashlib.sha256(original).hexdigest())
        if not page.get("next"):
            return found
        cursor = f"&cursor={page['next']}"


def check(service, load):
    found = stored_mails(service)
    lost = [n for n, digest in load.acknowledged.items() if digest not in found.get(n, [])]
    doubled = [n for n, digests in found.items() if len(digests) > 1]
    damaged = [n for n, digest in load.acknowledged.items() if found.get(n, [digest]) != [digest]]
    assert not lost and not doubled and not damaged
    assert set(found) <= load.sent
    assert len(load.acknowledged) >= KILLS * MIN_BETWEEN_KILLS
    assert service.ctl("verify", "--json")["problems"] in (0, [])


def test_each_role_killed_in_turn(make_service):
    service = make_service(retention={"unmatched_messages": 100_000})
    service.add_mailbox("acme")
    load = Load(service.smtp_port)
    try:
        for role in itertools.islice(itertools.cycle(["store", "smtpd", "lookup", "imapd"]), 2 * KILLS):
            load.wait_for_more(service, MIN_BETWEEN_KILLS)
            service.kill(role)
        load.wait_for_more(service, MIN_BETWEEN_KILLS)
    finally:
        load.stop()
    service.wait_until_ready()
    check(service, load)


def test_all_processes_killed_at_once(make_service):
    service = make_service(retention={"unmatched_messages": 100_000})
    service.add_mailbox("acme")
    load = Load(service.smtp_port)
    try:
        for _ in range(KILLS):
            load.wait_for_more(service, MIN_BETWEEN_KILLS)
            service.crash()
            service.start()
        load.wait_for_more(service, MIN_BETWEEN_KILLS)
    finally:
        load.stop()
    check(service, load)
