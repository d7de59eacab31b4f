"""STARTTLS: mail comes as before, the facts of the connection are recorded, and nothing said before it counts."""

import re
import smtplib
import socket
import ssl

import pytest

from service import DOMAIN
from smtp_client import Closed, connect, raw, split_trace, stored


def context(version=None):
    made = ssl._create_unverified_context()
    if version is not None:
        made.minimum_version = made.maximum_version = version
    return made


@pytest.mark.parametrize("version, name", [(ssl.TLSVersion.TLSv1_2, "TLSv1.2"), (ssl.TLSVersion.TLSv1_3, "TLSv1.3")])
def test_trace_names_version_and_cipher(service, version, name):
    service.add_mailbox("acme")
    with smtplib.SMTP("127.0.0.1", service.smtp_port, timeout=20) as client:
        client.starttls(context=context(version))
        assert not client.has_extn("starttls")
        client.sendmail("probe@provider.test", [f"acme@{DOMAIN}"], "Subject: x\r\n\r\n" + "text\r\n" * 20_000)
    trace, _ = split_trace(raw(service, stored(service)[0]))
    assert re.search(rf"\(using {name} with cipher \w+[\w-]+\)\s+by mx\.{DOMAIN} \(Mailtest\) with ESMTPS id ", trace)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_older_versions_are_refused(service):
    older = context()
    older.minimum_version, older.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    older.set_ciphers("ALL:@SECLEVEL=0")
    with connect(service) as client:
        assert client.say("STARTTLS").startswith("220")
        with pytest.raises((ssl.SSLError, ConnectionError)):
            older.wrap_socket(client.socket)
    service.wait_for_log("event=tls-failed")


def test_what_was_pipelined_behind_starttls_is_thrown_away(service):
    service.add_mailbox("acme")
    injected = f"EHLO evil\r\nMAIL FROM:<evil@x>\r\nRCPT TO:<acme@{DOMAIN}>\r\nDATA\r\nSubject: x\r\n\r\n.\r\n".encode()
    with connect(service) as client:
        assert client.codes(b"EHLO client.test\r\nSTARTTLS\r\n" + injected, 2) == ["250", "220"]
        client.socket = context().wrap_socket(client.socket)
        client.socket.settimeout(0.5)
        with pytest.raises((socket.timeout, TimeoutError)):
            client.reply()
        client.socket.settimeout(20)
        assert client.say("MAIL FROM:<>").startswith("503 5.5.1")       # EHLO anew
        client.envelope()
        assert client.data(b"Subject: real\r\n\r\n.\r\n").startswith("250 ")
    assert [message["subject"] for message in stored(service)] == ["real"]


def test_starttls_again_and_within_a_mail(service):
    service.add_mailbox("acme")
    with connect(service) as client:
        client.envelope()
        assert client.say("STARTTLS").startswith("503 5.5.1")
        client.say("RSET")
        client.starttls()
        assert client.say("STARTTLS").startswith("503 5.5.1")
        client.envelope()
        assert client.data(b"\r\n.\r\n").startswith("250 ")
        assert client.say("QUIT").startswith("221 ")


def test_plain_text_instead_of_a_handshake_ends_the_session(service):
    with connect(service) as client:
        assert client.say("STARTTLS").startswith("220")
        client.send(b"MAIL FROM:<evil@x>\r\n" * 10)
        with pytest.raises((Closed, ConnectionError, UnicodeDecodeError)):
            client.reply()
            client.reply()
    with connect(service) as client:
        assert client.say("NOOP").startswith("250")
