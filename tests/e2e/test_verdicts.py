"""Each expected token ends in one verdict, whatever becomes of the service and of the mail meanwhile."""

import time

import pytest

from http_client import deliver, token_path

WINDOW_S = 2


@pytest.fixture
def acme(service):
    service.add_mailbox("acme")
    service.key                 # made before, so that only what is tested happens then
    return service


def mint_expected(service, window_s=WINDOW_S) -> dict:
    answer = service.http("POST", "/v1/mailboxes/acme/tokens", {"window": f"{window_s}s"})
    assert answer.status == 201
    return answer.json()


def verdict(service, token: str) -> str:
    """As soon as it is known."""
    return service.http("GET", token_path(token, "?wait=20s")).json()["verdict"]


def pass_deadline(minted: dict) -> None:
    while time.time() <= minted["deadline"] + 1:
        time.sleep(0.05)


def test_nothing_came_while_this_receiver_served(acme):
    minted = mint_expected(acme, 4)
    assert acme.http("GET", token_path(minted["token"])).json()["verdict"] == "waiting"
    acme.wait_for(lambda: acme.metric("mailtest_tokens_expected") == 1, "the token is counted")
    assert verdict(acme, minted["token"]) == "not-arrived"
    assert time.time() > minted["deadline"]


def test_nothing_came_while_this_receiver_was_down(acme):
    minted = mint_expected(acme)
    assert acme.stop() == 0
    pass_deadline(minted)
    acme.start()
    assert verdict(acme, minted["token"]) == "not-arrived-receiver-down"


def test_nothing_came_and_this_receiver_crashed(acme):
    minted = mint_expected(acme)
    acme.crash()
    pass_deadline(minted)
    acme.start()
    assert verdict(acme, minted["token"]) == "not-arrived-receiver-down"


def test_late_mail_amends_what_was_missed(acme):
    minted = mint_expected(acme, 1)
    assert verdict(acme, minted["token"]) == "not-arrived"
    assert acme.metric("mailtest_tokens_missed_total") == acme.metric("mailtest_verdicts_not_arrived_total") == 1
    deliver(acme, minted["token"])
    assert verdict(acme, minted["token"]) == "late"
    assert acme.metric("mailtest_verdicts_late_total") == acme.metric("mailtest_tokens_missed_total") == 1
    assert acme.metric("mailtest_events_total") == 2        # missed, late


def test_verdict_outlives_a_restart_and_the_mail(acme):
    minted = mint_expected(acme)
    deliver(acme, minted["token"])
    answer = acme.http("GET", token_path(minted["token"])).json()
    assert answer["verdict"] == "arrived"
    assert acme.http("DELETE", f"/v1/messages/{answer['arrivals'][0]['message_id']}").status == 204
    acme.crash()
    pass_deadline(minted)
    acme.start()
    assert verdict(acme, minted["token"]) == "arrived"
