"""Listeners with TLS from the start, and what is told of the certificate."""

import contextlib
import imaplib
import re
import socket
import ssl

UNCHECKED = ssl._create_unverified_context()


def test_plain_bytes_on_a_tls_port_harm_nobody(service):
    with socket.create_connection(("127.0.0.1", service.ports["imaps"]), timeout=20) as client:
        client.sendall(b"a LOGIN x y\r\n" * 1000)
        with contextlib.suppress(ConnectionResetError):
            while client.recv(4096):
                pass
    imaplib.IMAP4_SSL("127.0.0.1", service.ports["imaps"], ssl_context=UNCHECKED, timeout=20).logout()
    assert service.metric("mailtest_role_restarts_total") == 0


def test_only_who_has_a_certificate_tells_when_it_expires(service):
    page = service.http("GET", "/metrics", key=None).body.decode()
    shown = set(re.findall(r'^mailtest_tls_certificate_expiry_seconds\{role="(\w+)",index="\d+"\} [1-9]\d+$', page, re.M))
    assert shown == {"smtpd", "imapd", "signer"}
    assert len(re.findall(r"^mailtest_tls_certificate_expiry_seconds.* 0$", page, re.M)) == 0
