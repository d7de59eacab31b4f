"""A store without room: mail is refused for the moment, nothing that was acknowledged is lost, and with room again it goes on by itself."""

import os
import smtplib
import subprocess
import tempfile

import pytest

from service import DOMAIN, Service

MIB = 2 ** 20
LETTER = "Subject: letter {}\r\n\r\n" + "x" * 20_000 + "\r\n"

# A file system of a known size takes root to mount.
KINDS = ["map", "disk"] if os.geteuid() == 0 else ["map"]


@pytest.fixture(params=KINDS)
def small_service(request, make_service):
    """A service whose map, or whose disk, has room for little."""
    if request.param == "map":
        yield make_service(store={"map_bytes": 8 * MIB})
        return
    folder = tempfile.mkdtemp(prefix="mailtest-")
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={16 * MIB},mode=755", "tmpfs", folder], check=True)
    service = Service(state_dir=f"{folder}/state")
    try:
        yield service.start()
    finally:
        if service.process is not None:
            service.crash()
        service.remove()
        subprocess.run(["umount", folder], check=True)
        os.rmdir(folder)


def deliver(service, number):
    """The reply to the whole transaction, as (code, text)."""
    with smtplib.SMTP("127.0.0.1", service.smtp_port, timeout=20) as client:
        try:
            client.sendmail("a@b.test", [f"acme@{DOMAIN}"], LETTER.format(number))
            return 250, b""
        except smtplib.SMTPSenderRefused as refused:
            return refused.smtp_code, refused.smtp_error
        except smtplib.SMTPResponseException as refused:
            return refused.smtp_code, refused.smtp_error


def subjects(service):
    return {m["subject"] for m in service.ctl("message", "list", "acme", "--limit", "10000", "--json")["messages"]}


def fill(service):
    """Until one is refused; the numbers of those that were not."""
    taken = set()
    while len(taken) < 2000:
        number = len(taken)
        code, text = deliver(service, number)
        if code != 250:
            assert code == 452 and text.startswith(b"4.3.1"), (code, text)
            return taken
        taken.add(number)
    raise AssertionError("it never was full")


def test_full_and_room_again(small_service):
    service = small_service
    service.add_mailbox("acme")
    taken = fill(service)
    assert len(taken) > 50
    assert subjects(service) == {f"letter {number}" for number in taken}

    # Told at MAIL from now on, before the message is sent.
    def refused_at_mail():
        with smtplib.SMTP("127.0.0.1", service.smtp_port, timeout=20) as client:
            client.ehlo()
            return client.mail("a@b.test")[0] == 452
    service.wait_for(refused_at_mail, "smtpd knows")
    assert service.ctl("status", "--json")["full"] == 1

    # Deleting works without room, and is all that it takes.
    oldest = sorted(m["id"] for m in service.ctl("message", "list", "acme", "--limit", "10000", "--json")["messages"])
    for number in oldest[:len(oldest) // 2]:
        service.ctl("message", "delete", number)
    service.wait_for(lambda: deliver(service, "after")[0] == 250, "there is room again")
    assert len(subjects(service)) == len(taken) - len(oldest) // 2 + 1
    assert service.ctl("verify", "--json")["problems"] == 0


def test_full_through_a_crash(small_service):
    service = small_service
    service.add_mailbox("acme")
    taken = fill(service)
    service.crash()
    service.start()
    assert subjects(service) == {f"letter {number}" for number in taken}
    assert service.ctl("verify", "--json")["problems"] == 0
