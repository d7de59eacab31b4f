"""The real mail servers that stand in for a customer's: what the other tests take for granted of them."""

import smtplib
from pathlib import Path

import pytest

from servers import Sink

MAIL = b"Subject: probe\r\nFrom: probe@provider.test\r\n\r\n.a line with a dot\r\nlast\r\n"


@pytest.fixture
def sink():
    with Sink() as server:
        yield server


def test_rule_forwards_the_mail_whole_and_keeps_its_sender(mail_server, sink):
    with mail_server("customer.test", forwards={"user": "acme@mailtest1.test"},
                     routes={"mailtest1.test": (sink.host, sink.port)}) as customer:
        with smtplib.SMTP(customer.host, customer.port, timeout=10) as client:
            client.sendmail("probe@provider.test", ["user@customer.test"], MAIL)
        mail = sink.next_mail()
    assert mail.sender == "probe@provider.test"
    assert mail.recipients == ["acme@mailtest1.test"]
    assert mail.content.startswith(b"Received:")
    assert mail.content.endswith(b"\r\n\r\n.a line with a dot\r\nlast\r\n")


def test_relay_passes_on_what_it_has_a_route_for_and_nothing_else(mail_server, sink):
    with mail_server("provider.test", routes={"customer.test": (sink.host, sink.port)}) as relay:
        with smtplib.SMTP(relay.host, relay.port, timeout=10) as client:
            client.sendmail("probe@provider.test", ["user@customer.test"], MAIL)
            client.mail("probe@provider.test")
            code, _ = client.rcpt("user@elsewhere.test")
        assert code // 100 == 5
        assert sink.next_mail().recipients == ["user@customer.test"]


def test_stopped_server_leaves_nothing_behind(mail_server):
    server = mail_server("customer.test", routes={"mailtest1.test": ("127.0.0.1", 9)}).start()
    scratch = str(server.scratch)
    server.stop()
    assert not Path(scratch).exists()
    assert scratch not in "".join(read_mounts_and_command_lines())


def read_mounts_and_command_lines():
    yield Path("/proc/self/mounts").read_text()
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            yield file.read_bytes().decode(errors="replace")
        except OSError:     # gone meanwhile
            pass
