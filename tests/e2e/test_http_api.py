"""What the HTTP API answers about tokens and messages."""

import calendar
import datetime
import re
import time

from http_client import Raw, deliver, token_path
from service import DOMAIN


def test_minted_token_is_waited_for_until_its_deadline(service):
    service.add_mailbox("acme")
    minted = service.http("POST", "/v1/mailboxes/acme/tokens", body={"window": "1s"})
    assert minted.status == 201
    token = minted.json()["token"]
    assert minted.json()["address"] == f"acme@{DOMAIN}" and minted.json()["tagged_address"] == f"acme+{token}@{DOMAIN}"
    answer = service.http("GET", token_path(token)).json()
    assert answer["verdict"] == "waiting" and answer["expected"] and answer["deadline"] == minted.json()["deadline"]
    # The wait ends with the deadline, since that decides.
    answer = service.http("GET", token_path(token, "?wait=20s")).json()
    assert answer["verdict"] == "not-arrived"
    deliver(service, token)
    answer = service.http("GET", token_path(token)).json()
    assert answer["verdict"] == "late" and answer["arrival_count"] == 1


def test_deadline_can_be_given_as_text_or_number(service):
    service.add_mailbox("acme")
    at = int(time.time()) + 3600
    text = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))
    for deadline in (at, text, text.replace("Z", "+00:00")):
        minted = service.http("POST", "/v1/mailboxes/acme/tokens", body={"deadline": deadline}).json()
        assert minted["deadline"] == at
        assert calendar.timegm(time.strptime(minted["deadline_at"], "%Y-%m-%dT%H:%M:%SZ")) == at


def test_what_cannot_be_minted_is_said_clearly(service):
    service.add_mailbox("acme")
    for body, words in [
        ({"deadline": 1}, "over already"), ({"deadline": "tomorrow"}, "deadline must be"), ({"window": -1}, "window must be"), ({"window": "0s"}, "longer than nothing"),
        ({"window": "10 parsecs"}, "window must be"), ({"window": "1m", "deadline": int(time.time()) + 60}, "give one"),
        ({"window": "1000d"}, "366 days ahead"), ({"deadline": "2100-01-01T00:00:00Z"}, "366 days ahead"), ({"windwo": "1m"}, '"windwo" is not known'), ([], "must be a JSON object"),
        (b"{", "not JSON: line 1"), (b'{"window": 1, "window": 2}', "duplicate"), (b"\xff\xfe", "not JSON"),
    ]:
        answer = service.http("POST", "/v1/mailboxes/acme/tokens", body=body)
        assert answer.status == 400 and words in answer.json()["detail"], (body, answer.body)
        assert answer.headers["Content-Type"] == "application/problem+json"


def test_token_is_found_in_any_case_and_only_in_its_mailbox(service):
    service.add_mailbox("acme")
    service.add_mailbox("other")
    token = service.mint("acme")
    deliver(service, token.upper())
    assert service.http("GET", token_path(token.upper(), mailbox="ACME")).json()["verdict"] == "arrived"
    stranger = service.http("GET", token_path(token, mailbox="other")).json()
    assert stranger["verdict"] == "waiting" and not stranger["registered"]


def test_duplicates_are_counted_and_the_first_sixteen_shown(service):
    service.add_mailbox("acme")
    token = service.mint("acme")
    for _ in range(18):
        deliver(service, token)
    answer = service.http("GET", token_path(token)).json()
    assert answer["arrival_count"] == 18 and len(answer["arrivals"]) == 16


def test_record_of_the_arrival_outlives_the_message(service):
    service.add_mailbox("acme")
    token = service.mint("acme")
    deliver(service, token)
    message = service.http("GET", token_path(token)).json()["arrivals"][0]["message_id"]
    assert service.http("DELETE", f"/v1/messages/{message}").status == 204
    assert service.http("GET", f"/v1/messages/{message}").status == 404
    assert service.http("GET", f"/v1/messages/{message}/raw").status == 404
    answer = service.http("GET", token_path(token)).json()
    assert answer["verdict"] == "arrived" and not answer["arrivals"][0]["message_kept"]
    assert answer["found_in"] == ["subject"] and [hop["by"] for hop in answer["hops"]] == ["mx.mailtest1.test"]


def test_forgotten_token_is_gone_with_its_messages(service):
    service.add_mailbox("acme")
    token = service.mint("acme")
    deliver(service, token)
    deliver(service, token)
    assert service.http("DELETE", token_path(token)).json() == {"token": token, "mailbox": "acme", "messages_deleted": 2}
    answer = service.http("GET", token_path(token)).json()
    assert answer["verdict"] == "waiting" and not answer["registered"]
    assert service.http("GET", "/v1/mailboxes/acme/messages").json()["messages"] == []
    assert service.http("DELETE", token_path(token)).status == 404


def test_messages_are_listed_newest_first_page_by_page(service):
    service.add_mailbox("acme")
    for number in range(7):
        deliver(service, f"number {number}")
    seen, query = [], "?limit=3"
    while query:
        page = service.http("GET", f"/v1/mailboxes/acme/messages{query}").json()
        assert len(page["messages"]) <= 3
        seen += [message["subject"] for message in page["messages"]]
        query = page["next"] and f"?limit=3&cursor={page['next']}"
    assert seen == [f"number {number}" for number in reversed(range(7))]


def test_raw_message_is_what_was_sent_however_large(service):
    service.add_mailbox("acme")
    token = service.mint("acme")
    text = "".join(f"{number:060}\r\n" for number in range(160_000))        # about 10 MB
    deliver(service, token, text=text)
    message = service.http("GET", token_path(token)).json()["arrivals"][0]["message_id"]
    facts = service.http("GET", f"/v1/messages/{message}").json()
    raw = service.http("GET", f"/v1/messages/{message}/raw")
    assert raw.headers["Content-Type"] == "message/rfc822" and raw.headers["X-Content-Type-Options"] == "nosniff"
    assert len(raw.body) == facts["size"] == int(raw.headers["Content-Length"])
    assert raw.body.decode().endswith(text + "\r\n")
    assert service.http("HEAD", f"/v1/messages/{message}/raw").headers["Content-Length"] == str(facts["size"])


def test_many_tokens_are_looked_up_in_one_request(service):
    service.add_mailbox("acme")
    service.add_mailbox("other")
    arrived, waiting, others = service.mint("acme"), service.mint("acme"), service.mint("other")
    deliver(service, arrived)
    answer = service.http("POST", "/v1/lookup", body={"tokens": [
        {"mailbox": "acme", "token": waiting}, arrived, {"mailbox": "acme", "token": others}, "nonsense", {"mailbox": "nobody", "token": arrived},
    ]}).json()
    first, second, third, fourth, fifth = answer["answers"]
    assert not answer["complete"]
    assert (first["token"], first["verdict"]) == (waiting, "waiting")
    assert (second["token"], second["verdict"], second["mailbox"]) == (arrived, "arrived", "acme")
    assert (third["verdict"], third["registered"]) == ("waiting", False)
    assert fourth["problem"]["status"] == 400 and fifth["problem"]["status"] == 404


def test_lookup_refuses_other_forms(service):
    for body, words in [({}, '"tokens"'), ({"tokens": "x"}, '"tokens"'), ({"tokens": [1]}, "element 0"), ({"tokens": [{"mailbox": "acme"}]}, "element 0"),
                        ({"tokens": ["x"], "mode": "some"}, '"any" or "all"'), ({"tokens": ["x"], "wait": "long"}, "wait must be")]:
        answer = service.http("POST", "/v1/lookup", body=body)
        assert answer.status == 400 and words in answer.json()["detail"], answer.body


def test_paths_and_methods_that_do_not_exist(service):
    assert service.http("GET", "/nothing").status == 404
    refused = service.http("DELETE", "/v1/lookup")
    assert refused.status == 405 and refused.headers["Allow"] == "POST"
    assert service.http("PUT", "/v1/messages/1").headers["Allow"] == "GET, HEAD, DELETE"


def test_one_connection_serves_many_requests(service):
    service.add_mailbox("acme")
    token = service.mint("acme")
    with Raw(service) as raw:
        for _ in range(3):
            raw.get(token_path(token), service.key)
            assert raw.response()[0] == 200
        raw.send(f"HEAD {token_path(token)} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {service.key}\r\n\r\n")
        status, headers, body = raw.response("HEAD")
        assert status == 200 and body == b"" and int(headers["content-length"]) > 100
        # Pipelined, in order.
        raw.send("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /nothing HTTP/1.1\r\nHost: x\r\n\r\nGET /readyz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert [raw.response()[0] for _ in range(3)] == [200, 404, 200]


def test_status_page_and_metrics_need_no_key_and_show_no_customer(service):
    service.add_mailbox("secret-customer")
    deliver(service, "x", mailbox="secret-customer")
    page, metrics = service.http("GET", "/", key=None), service.http("GET", "/metrics", key=None)
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    for text in (page.body.decode(), metrics.body.decode()):
        assert "secret-customer" not in text
    assert 'mailtest_smtp_messages_accepted_total{role="smtpd",index="0"}' in metrics.body.decode()
    assert service.metric("mailtest_store_messages_total") == 1


def test_unix_socket_serves_the_same(service):
    service.write_configuration(listen={"http": [f"127.0.0.1:{service.ports['http']}", f"unix:{service.scratch}/http.sock"]})
    service.stop()
    service.start()
    for _ in range(3):
        with Raw(service, service.scratch / "http.sock") as raw:
            raw.get("/healthz")
            assert raw.response()[0] == 200


def test_every_answer_below_v1_tells_the_services_time(service):
    """By which who asks knows how far its clock is from ours."""
    for path in ("/v1/mailboxes/acme/tokens/mt1x", "/v1/events?format=json", "/v1/nothing"):
        before, answer, after = time.time(), service.http("GET", path), time.time()
        text = {name.lower(): value for name, value in answer.headers.items()}["mailtest-time"]
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", text)
        assert before <= datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() <= after
    assert "mailtest-time" not in {name.lower() for name in service.http("GET", "/metrics").headers}
