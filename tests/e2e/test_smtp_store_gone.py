"""While store is away or commits, clients wait or are told to come again; nothing that was answered 250 is lost."""

import os
import signal
import threading
import time

from service import DOMAIN
from smtp_client import connect, send, stored


def test_client_gone_while_store_commits(service):
    service.add_mailbox("acme")
    store = service.role_pids("store")[0]
    os.kill(store, signal.SIGSTOP)
    try:
        with connect(service) as client:
            client.envelope()
            assert client.say("DATA").startswith("354")
            client.send(b"Subject: gone\r\n\r\n.\r\n")
    finally:
        os.kill(store, signal.SIGCONT)
    assert stored(service)[0]["subject"] == "gone"      # nobody was told, so the sender sends it again: better twice than never
    assert send(service, b"Subject: next\r\n\r\n").startswith("250 ")


def test_store_that_dies_with_a_mail_gives_451_and_the_next_try_succeeds(service):
    service.add_mailbox("acme")
    store = service.role_pids("store")[0]
    os.kill(store, signal.SIGSTOP)
    with connect(service) as client:
        client.envelope()
        assert client.say("DATA").startswith("354")
        client.send(b"Subject: x\r\n\r\n.\r\n")
        time.sleep(0.2)
        os.kill(store, signal.SIGKILL)
        assert client.reply().startswith("451 4.3.0")
        # The session goes on; until store is back, mail is put off.
        service.wait_for(lambda: client.say("MAIL FROM:<>").startswith("250 "), "MAIL is accepted again")
        service.wait_for(lambda: client.say(f"RCPT TO:<acme@{DOMAIN}>").startswith("250 "), "so is RCPT")
        assert client.data(b"Subject: again\r\n\r\n.\r\n").startswith("250 ")
    assert [message["subject"] for message in stored(service)] == ["again"]


def test_drain_ends_idle_sessions_and_lets_a_mail_end(service):
    service.add_mailbox("acme")
    with connect(service) as idle, connect(service) as within:
        idle.say("EHLO client.test")
        within.envelope()
        assert within.say("DATA").startswith("354")
        within.send(b"Subject: under way\r\n\r\n")
        stopped = threading.Thread(target=service.stop)
        stopped.start()
        assert idle.rest().startswith("421 4.3.2")
        within.send(b".\r\n")
        assert within.reply().startswith("250 ")
        assert within.rest().startswith("421 4.3.2")
        stopped.join(30)
    service.start()
    assert [message["subject"] for message in stored(service)] == ["under way"]


def test_a_store_that_hangs_is_noticed_and_puts_mail_off(service):
    service.add_mailbox("acme")
    store = service.role_pids("store")[0]
    with connect(service) as client:
        client.say("EHLO client.test")
        os.kill(store, signal.SIGSTOP)
        try:
            service.wait_for(lambda: service.http("GET", "/readyz", key=None).status == 503, "it is not ready any more", 30)
            assert b"does not answer" in service.http("GET", "/readyz", key=None).body
            assert client.say("MAIL FROM:<>").startswith("451 4.3.0")
        finally:
            os.kill(store, signal.SIGCONT)
        service.wait_for(lambda: service.http("GET", "/readyz", key=None).status == 200, "it is ready again")
        service.wait_for(lambda: client.say("MAIL FROM:<>").startswith("250 "), "MAIL is accepted again")
        assert client.say(f"RCPT TO:<acme@{DOMAIN}>").startswith("250 ")
    assert service.role_pids("store") == [store]
