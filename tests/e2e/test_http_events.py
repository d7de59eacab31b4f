"""GET /v1/events: what happened, as a stream that resumes and as a list, each key with what it may see."""

import smtplib

import pytest

from http_client import Events, deliver

REPORT = """From: MAILER-DAEMON@mx.customer.test
To: acme@mailtest1.test
Subject: Undelivered Mail Returned to Sender
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: text/plain

It could not be delivered.
--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.customer.test

Final-Recipient: rfc822; user@customer.test
Action: failed
Status: 5.7.520
Diagnostic-Code: smtp; 550 5.7.520 Access denied, Your organization does not allow external forwarding.

--b
Content-Type: message/rfc822

Subject: probe {token}

{token}
--b--
"""


def events_of(service, query="", **options):
    return Events(service, query, path="/v1/events", **options)


def listed(service, query="", key=""):
    answer = service.http("GET", f"/v1/events?format=json{query}", key=key)
    assert answer.status == 200, answer.body
    return answer.json()


def told(events):
    event = events.next()
    return event["event"], event["data"]["token"]


def test_events_come_as_they_happen(acme):
    with events_of(acme) as events:
        first, second = acme.mint("acme"), acme.mint("acme")
        deliver(acme, first)
        deliver(acme, second)
        one, two = events.next(), events.next()
    assert one["event"] == one["data"]["event"] == "arrived"
    assert (one["data"]["token"], one["data"]["mailbox"], one["data"]["verdict"]) == (first, "acme", "arrived")
    assert two["data"]["token"] == second
    assert int(two["id"]) > int(one["id"]) == one["data"]["id"]
    message = acme.http("GET", f"/v1/messages/{one['data']['message_id']}").json()
    assert message["tokens"][0]["token"] == first


def test_bounce_and_missed_deadline_are_events(acme):
    with events_of(acme, "?kinds=bounced,missed") as events:
        bounced = acme.mint("acme")
        deliver(acme, acme.mint("acme"))                # arrived: not asked for
        with smtplib.SMTP("127.0.0.1", acme.smtp_port, timeout=20) as client:
            client.sendmail("", ["acme@mailtest1.test"], REPORT.format(token=bounced).replace("\n", "\r\n"))
        assert told(events) == ("bounced", bounced)
        missed = acme.ctl("token", "mint", "acme", "--window", "1s", "--json")["token"]
        assert told(events) == ("missed", missed)


def test_client_that_comes_back_gets_what_it_missed_once(acme):
    tokens = [acme.mint("acme") for _ in range(5)]
    with events_of(acme) as events:
        deliver(acme, tokens[0])
        first = events.next()
    for token in tokens[1:4]:
        deliver(acme, token)
    for how in ({"last_id": first["id"]}, {"query": f"?after={first['id']}"}):
        with events_of(acme, **how) as events:
            assert [told(events)[1] for _ in range(3)] == tokens[1:4]
    with events_of(acme, last_id=first["id"]) as events:
        assert [told(events)[1] for _ in range(3)] == tokens[1:4]
        deliver(acme, tokens[4])
        assert told(events) == ("arrived", tokens[4])


def test_events_outlive_the_role_and_the_service(acme):
    token = acme.mint("acme")
    with events_of(acme) as events:
        deliver(acme, token)
        first = events.next()
    acme.stop()
    acme.start()
    second = acme.mint("acme")
    deliver(acme, second)
    with events_of(acme, last_id=int(first["id"]) - 1) as events:
        assert [told(events)[1] for _ in range(2)] == [token, second]


def test_client_with_an_id_of_another_time_is_told_so(acme):
    """As after a restore of an older state: it goes on with what is new."""
    deliver(acme, acme.mint("acme"))
    newest = listed(acme)["events"][0]["id"]
    with events_of(acme, last_id=newest + 1000) as events:
        reset = events.next()
        assert reset["event"] == "reset" and "id" not in reset
        assert reset["data"] == {"after": newest + 1000, "oldest": 1, "newest": newest}
        token = acme.mint("acme")
        deliver(acme, token)
        assert told(events) == ("arrived", token)


def test_each_key_sees_its_mailbox_alone(acme):
    acme.add_mailbox("other")
    key = acme.ctl("api-key", "add", "--mailbox", "acme", "--json")["key"]
    own, foreign = acme.mint("acme"), acme.mint("other")
    with events_of(acme, key=key) as events:
        deliver(acme, foreign, mailbox="other")
        deliver(acme, own)
        assert told(events) == ("arrived", own)
    assert [event["token"] for event in listed(acme, key=key)["events"]] == [own]
    assert {event["token"] for event in listed(acme)["events"]} == {own, foreign}
    assert [event["token"] for event in listed(acme, "&mailbox=other")["events"]] == [foreign]
    assert acme.http("GET", "/v1/events?mailbox=other", key=key).status == 404


def test_list_goes_from_the_newest_page_by_page(acme):
    tokens = [acme.mint("acme") for _ in range(5)]
    for token in tokens:
        deliver(acme, token)
    pages, cursor = [], ""
    while cursor is not None:
        page = listed(acme, "&limit=2" + (cursor and f"&cursor={cursor}"))
        pages.append([event["token"] for event in page["events"]])
        cursor = page["next"]
    newest = tokens[::-1]
    assert [token for page in pages for token in page] == newest and pages[:2] == [newest[:2], newest[2:4]]
    third = listed(acme)["events"][2]["id"]
    assert [event["token"] for event in listed(acme, f"&after={third}")["events"]] == newest[:2]
    assert acme.http("GET", "/v1/events", headers={"Accept": "application/json"}).json() == listed(acme)


def test_events_of_tests_are_shown_only_when_asked_for(acme):
    acme.ctl("webhook", "add", "http://127.0.0.1:9/")
    acme.ctl("webhook", "test", "1")
    assert listed(acme)["events"] == []
    assert [event["event"] for event in listed(acme, "&kinds=test")["events"]] == ["test"]


@pytest.mark.parametrize("query", ["?kinds=arived", "?kinds=", "?format=xml", "?limit=5", "?format=json&limit=0", "?format=json&limit=501",
                                   "?after=x", "?format=json&cursor=x"])
def test_wrong_questions_are_refused(acme, query):
    answer = acme.http("GET", "/v1/events" + query)
    assert answer.status == 400 and answer.headers["Content-Type"] == "application/problem+json"
