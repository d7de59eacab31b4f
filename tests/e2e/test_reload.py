"""SIGHUP brings a new configuration and new certificates in, and nobody who is being served notices."""

import contextlib
import os
import signal
import smtplib
import socket
import ssl
import subprocess
import threading

import pytest

from service import DOMAIN
from test_supervisor import MAIL, can_connect, send

NEW_NAME = f"new.{DOMAIN}"


def reload(service, outcome="reloaded generation"):
    """And wait for the end of it."""
    before = service.log.count(f"event={outcome}")
    service.reload()
    service.wait_for(lambda: service.log.count(f"event={outcome}") > before, f"the configuration is {outcome}")


def banner(service):
    with smtplib.SMTP(timeout=20) as client:
        return client.connect("127.0.0.1", service.smtp_port)[1].decode()


def certificate(service):
    context = ssl._create_unverified_context()
    with smtplib.SMTP("127.0.0.1", service.smtp_port, timeout=20) as client:
        client.starttls(context=context)
        return client.sock.getpeercert(binary_form=True)


def test_new_sessions_get_the_new_and_old_ones_go_on(service):
    with smtplib.SMTP("127.0.0.1", service.smtp_port, timeout=20) as old:
        assert old.ehlo()[0] == 250
        old_processes = set(service.role_pids("smtpd"))
        service.write_configuration(hostname=NEW_NAME)
        reload(service)
        service.wait_for(lambda: banner(service).startswith(NEW_NAME), "the new name is in use")
        assert send(service, old)
        assert old_processes & set(service.role_pids("smtpd"))
    service.wait_for(lambda: not old_processes & set(service.role_pids("smtpd")), "the old processes have ended with their last session")


def test_no_mail_is_lost_under_load(service):
    """While mails come in without a pause: every connection is accepted and every mail taken, over several reloads."""
    stop, failures, sent = threading.Event(), [], []

    def load():
        while not stop.is_set():
            try:
                assert send(service)
                sent.append(1)
            except (OSError, smtplib.SMTPException, AssertionError) as error:
                failures.append(repr(error))

    threads = [threading.Thread(target=load) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        for number in range(4):
            enough = len(sent) + 20
            service.wait_for(lambda: failures or len(sent) >= enough, "mails are taken", 30)
            service.write_configuration(hostname=f"n{number}.{DOMAIN}")
            reload(service)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert failures == []
    assert service.metric("mailtest_smtp_messages_accepted_total") == len(sent)
    assert service.metric("mailtest_role_restarts_total") == 0


def test_store_takes_the_new_configuration_as_well(service):
    service.add_mailbox("acme")

    def code():
        with smtplib.SMTP("127.0.0.1", service.smtp_port, timeout=20) as client:
            client.helo("a.test")
            client.mail("a@sender.test")
            answer = client.rcpt(f"acme@{DOMAIN}")[0]
            if answer == 250:
                client.data(MAIL + 50 * "some more text in it\r\n")
            return answer

    assert code() == 250
    service.write_configuration(quota={"mailbox_bytes": 1024})      # which acme is over already
    reload(service)
    service.wait_for(lambda: code() == 452, "acme is refused")


def test_new_certificate_is_used(service):
    before = certificate(service)
    tls = service.scratch / "state/tls"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={NEW_NAME}", "-days", "30",
                    "-keyout", service.scratch / "key", "-out", service.scratch / "certificate"], check=True, capture_output=True)
    service.scratch.joinpath("key").replace(tls / "key.pem")
    service.scratch.joinpath("certificate").replace(tls / "certificate.pem")
    reload(service)
    service.wait_for(lambda: certificate(service) != before, "the new certificate is in use")


def test_listeners_come_and_go(service):
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    old = service.smtp_port
    service.write_configuration(listen={"smtp": [f"127.0.0.1:{port}"], "lmtp": ["unix:lmtp.sock"]})
    reload(service)
    with smtplib.SMTP("127.0.0.1", port, timeout=20) as client:
        assert send(service, client)
    with smtplib.LMTP(str(service.scratch / "lmtp.sock")) as client:
        assert send(service, client)
    service.wait_for(lambda: not can_connect(old), "the old port is closed")
    service.write_configuration(listen={"lmtp": []})
    reload(service)
    assert not (service.scratch / "lmtp.sock").exists()


@pytest.mark.parametrize("settings, reason", [
    ({"smtp": {"recipients_max": "many"}}, r'smtp.recipients_max: found \"many\", allowed: a whole number from 1 to 1000'),
    ({"store": {"map_bytes": 2 ** 30}}, "store.map_bytes has changed, which needs a restart"),
    ({"state_dir": "elsewhere"}, "state_dir has changed, which needs a restart"),
    ({"listen": {"smtp": ["192.0.2.1:25"]}}, "smtp 192.0.2.1:25: cannot listen"),
    ({"tls": {"certificate": "none", "key": "none"}}, "none: No such file or directory; tls.self_signed makes it at a start only"),
], ids=["wrong", "fixed", "other state", "no such address", "no certificate"])
def test_what_cannot_be_used_changes_nothing(service, settings, reason):
    name = banner(service)
    service.write_configuration(hostname=NEW_NAME, **settings)
    reload(service, "reload-refused")
    assert reason in next(line for line in service.log.splitlines() if "event=reload-refused" in line)
    assert banner(service) == name
    assert send(service)
    # And with the mistake mended it goes through.
    service.settings = {"hostname": NEW_NAME}
    service.write_configuration()
    reload(service)
    service.wait_for(lambda: banner(service).startswith(NEW_NAME), "the new one is in use")


def test_reloads_in_a_row_are_all_heeded(service):
    for number in range(5):
        service.write_configuration(hostname=f"n{number}.{DOMAIN}")
        service.process.send_signal(signal.SIGHUP)
    service.wait_for(lambda: banner(service).startswith("n4."), "the last one is in use")
    assert service.stop() == os.EX_OK


def test_role_that_dies_after_a_reload_has_the_new_configuration(service):
    service.write_configuration(hostname=NEW_NAME)
    reload(service)
    for pid in service.role_pids("smtpd"):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)

    def has_new_name():
        with contextlib.suppress(OSError, smtplib.SMTPException):
            return banner(service).startswith(NEW_NAME)
    service.wait_for(has_new_name, "the new process has it")
