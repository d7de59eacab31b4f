"""IMAP and POP3 are not offered yet: a client is told so in its own protocol, with TLS where the port has it."""

import contextlib
import imaplib
import poplib
import re
import socket
import ssl

import pytest

UNCHECKED = ssl._create_unverified_context()


@pytest.mark.parametrize("connect", [
    lambda s: imaplib.IMAP4("127.0.0.1", s.ports["imap"], timeout=20),
    lambda s: imaplib.IMAP4_SSL("127.0.0.1", s.ports["imaps"], ssl_context=UNCHECKED, timeout=20),
], ids=["imap", "imaps"])
def test_imap(service, connect):
    with pytest.raises(imaplib.IMAP4.error, match=r"\[UNAVAILABLE\] IMAP is not offered here yet"):
        connect(service)


@pytest.mark.parametrize("connect", [
    lambda s: poplib.POP3("127.0.0.1", s.ports["pop3"], timeout=20),
    lambda s: poplib.POP3_SSL("127.0.0.1", s.ports["pop3s"], context=UNCHECKED, timeout=20),
], ids=["pop3", "pop3s"])
def test_pop3(service, connect):
    with pytest.raises(poplib.error_proto, match=r"-ERR \[SYS/TEMP\] POP3 is not offered here yet"):
        connect(service)


def test_client_that_speaks_first_still_reads_it(service):
    with socket.create_connection(("127.0.0.1", service.ports["imap"]), timeout=20) as client:
        client.sendall(b"a LOGIN x y\r\n" * 100)
        said = b""
        while more := client.recv(4096):
            said += more
    assert said.startswith(b"* BYE ") and said.endswith(b"\r\n")


def test_plain_bytes_on_a_tls_port_harm_nobody(service):
    with socket.create_connection(("127.0.0.1", service.ports["imaps"]), timeout=20) as client:
        client.sendall(b"a LOGIN x y\r\n" * 1000)
        with contextlib.suppress(ConnectionResetError):
            while client.recv(4096):
                pass
    test_imap(service, lambda s: imaplib.IMAP4("127.0.0.1", s.ports["imap"], timeout=20))
    assert service.metric("mailtest_role_restarts_total") == 0


def test_only_who_has_a_certificate_tells_when_it_expires(service):
    page = service.http("GET", "/metrics", key=None).body.decode()
    shown = set(re.findall(r'^mailtest_tls_certificate_expiry_seconds\{role="(\w+)",index="\d+"\} [1-9]\d+$', page, re.M))
    assert shown == {"smtpd", "imapd"}
    assert len(re.findall(r"^mailtest_tls_certificate_expiry_seconds.* 0$", page, re.M)) == 0
