"""The hops that the Received fields of a mail tell of: clocks that disagree, and whose time it was."""

import time
from email.utils import formatdate

from http_client import token_path
from service import DOMAIN
from smtp_client import connect

HOUR_S = 3600


def forwarded(token, now):
    """A mail as it comes from a customer whose server has its clock in the wrong time zone, by way of a gateway; newest field first."""
    return (f"Received: from mx.customer.test by out.gateway.test with ESMTPS id 3\r\n\tfor <acme@{DOMAIN}>; {formatdate(now)}\r\n"
            f"Received: from relay.provider.test ([192.0.2.7])\r\n\tby mx.customer.test (Lotus Domino Release 8.5.3FP6)\r\n"
            f"\twith ESMTP id 2 for <user@customer.test>; {formatdate(now + HOUR_S)}\r\n"
            f"Received: by relay.provider.test (qmail 1 invoked by uid 7); {formatdate(now)}\r\n"
            f"Subject: {token}\r\n\r\n.\r\n").encode()


def deliver(service, token):
    with connect(service) as client:
        client.codes(f"EHLO out.gateway.test\r\nMAIL FROM:<>\r\nRCPT TO:<acme@{DOMAIN}>\r\nDATA\r\n".encode(), 4)
        assert client.say(forwarded(token, time.time())).startswith("250 ")
    return service.http("GET", token_path(token, "?wait=20s")).json()


def test_a_wrong_time_zone_is_told_and_no_delay_made_from_it(service):
    service.add_mailbox("acme")
    answer = deliver(service, service.mint("acme"))
    hops = answer["hops"]
    assert [hop["by"] for hop in hops] == [f"mx.{DOMAIN}", "out.gateway.test", "mx.customer.test", "relay.provider.test"]
    assert [hop["skewed"] for hop in hops] == [False, False, True, False]
    assert hops[2]["skew_s"] == HOUR_S and hops[2]["wrong_zone"] and hops[2]["delay_s"] is None
    assert all(hop["delay_at_most_s"] <= answer["arrivals"][0]["latency_s"] for hop in hops)


def test_the_time_falls_to_customer_forwarding_and_receiver(service):
    service.add_mailbox("acme")
    answer = deliver(service, service.mint("acme"))
    shares = answer["time_shares"]
    assert shares == answer["arrivals"][0]["time_shares"]
    assert shares["forwarder"] == 2 and shares["forwarder_known_by"] == "recipient"
    # All of it within a second or two, of which whole seconds tell nothing but bounds.
    assert shares["customer_at_most_s"] <= shares["total_s"] and shares["forwarding_at_most_s"] <= shares["total_s"]
    assert 0 < shares["receiver_s"] <= shares["total_s"]
    message = service.http("GET", f"/v1/messages/{answer['arrivals'][0]['message_id']}").json()
    assert message["hops"] == answer["hops"] and message["time_shares"] == shares and message["slowest_hop"] == answer["slowest_hop"]


def test_people_are_told_the_same(service):
    service.add_mailbox("acme")
    token = service.mint("acme")
    deliver(service, token)
    shown = service.ctl("token", "show", "acme", token)
    assert "clock 3600.000 s ahead, perhaps its time zone" in shown and "customer at most" in shown


def test_hops_outlive_the_message_and_shares_do_not(service):
    service.add_mailbox("acme")
    token = service.mint("acme")
    before = deliver(service, token)
    assert service.http("DELETE", f"/v1/messages/{before['arrivals'][0]['message_id']}").status in (200, 204)
    after = service.http("GET", token_path(token)).json()
    assert [hop["by"] for hop in after["hops"]] == [hop["by"] for hop in before["hops"]]
    assert [hop["delay_at_most_s"] for hop in after["hops"]] == [hop["delay_at_most_s"] for hop in before["hops"]]
    assert after["time_shares"] is None
