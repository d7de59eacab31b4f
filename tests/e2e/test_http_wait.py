"""Requests that wait: told the moment the mail is on disk, at the end of their time, and when the service stops."""

import json
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from http_client import Events, Raw, deliver, memory_factor, token_path


def waiting(service, count):
    """Until so many requests wait."""
    service.wait_for(lambda: service.metric("mailtest_lookup_waiting") == count, f"{count} requests wait")


@pytest.fixture
def acme(service):
    service.add_mailbox("acme")
    service.key                 # made before, so that only what is tested happens then
    return service


def test_everybody_who_waits_for_a_token_hears_of_it_once(acme):
    token, other = acme.mint("acme"), acme.mint("acme")
    with ThreadPoolExecutor(21) as pool:
        wanted = [pool.submit(acme.http, "GET", token_path(token, "?wait=20s")) for _ in range(20)]
        unwanted = pool.submit(acme.http, "GET", token_path(other, "?wait=3s"))
        waiting(acme, 21)
        deliver(acme, token)
        for answer in wanted:
            assert answer.result().json()["verdict"] == "arrived"
        waiting(acme, 1)
        assert unwanted.result().json()["verdict"] == "waiting"
    assert acme.metric("mailtest_lookup_waiting") == 0


def test_token_that_nobody_minted_here_can_be_waited_for(acme):
    """It may have been minted offline; what arrives decides. Forged ones never arrive."""
    forged = "mt1" + "7" * 40
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(acme.http, "GET", token_path(forged, "?wait=1s"))
        waiting(acme, 1)
        deliver(acme, forged)
        assert answer.result().json()["verdict"] == "waiting"


def test_wait_for_more_arrivals_than_are_known(acme):
    token = acme.mint("acme")
    deliver(acme, token)
    assert acme.http("GET", token_path(token, "?wait=20s&after=0")).json()["arrival_count"] == 1
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(acme.http, "GET", token_path(token, "?wait=20s&after=1"))
        waiting(acme, 1)
        deliver(acme, token)
        assert answer.result().json()["arrival_count"] == 2


def test_time_out_is_a_normal_answer(acme):
    token = acme.mint("acme")
    answer = acme.http("GET", token_path(token, "?wait=50ms"))
    assert answer.status == 200 and answer.json()["verdict"] == "waiting"
    for wait in ("soon", "-1s", "1e9", ""):
        assert acme.http("GET", token_path(token, f"?wait={wait}")).status == 400


def test_deadlines_end_a_wait_for_all(acme):
    """Each decides its own token; the last ends the wait long before its time."""
    tokens = [acme.http("POST", "/v1/mailboxes/acme/tokens", body={"window": window}).json()["token"] for window in ("1ms", "1s")]
    answers = acme.http("POST", "/v1/lookup", body={"tokens": tokens, "wait": "60s", "mode": "all"}, timeout=20).json()
    assert answers["complete"] and [entry["verdict"] for entry in answers["answers"]] == ["not-arrived"] * 2


@pytest.mark.parametrize("mode, arrivals", [("any", 1), ("all", 3)])
def test_many_tokens_are_waited_for_together(acme, mode, arrivals):
    tokens = [acme.mint("acme") for _ in range(3)]
    with ThreadPoolExecutor(1) as pool:
        # Once more each: a token that is there twice must not be counted wrongly.
        answer = pool.submit(acme.http, "POST", "/v1/lookup", body={"tokens": tokens + tokens, "wait": "20s", "mode": mode})
        waiting(acme, 1)
        for number in range(arrivals):
            assert not answer.done()
            deliver(acme, tokens[number])
        answers = answer.result().json()
    assert [entry["verdict"] for entry in answers["answers"]].count("arrived") == 2 * arrivals
    assert answers["complete"] == (mode == "all")


def test_invalid_token_does_not_end_the_wait_for_any(acme):
    token = acme.mint("acme")
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(acme.http, "POST", "/v1/lookup", body={"tokens": ["nonsense", token], "wait": "20s"})
        waiting(acme, 1)
        deliver(acme, token)
        assert answer.result().json()["answers"][1]["verdict"] == "arrived"


def test_client_that_leaves_frees_its_place(acme):
    token = acme.mint("acme")
    for path in (token_path(token, "?wait=60s"), token_path("mt1" + "1" * 40, "?wait=60s")):
        with Raw(acme) as raw:
            raw.get(path, acme.key)
            waiting(acme, 1)
        waiting(acme, 0)
    with Raw(acme) as raw:
        body = json.dumps({"tokens": [token], "wait": "60s"})
        raw.send(f"POST /v1/lookup HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {acme.key}\r\nContent-Length: {len(body)}\r\n\r\n{body}")
        waiting(acme, 1)
    waiting(acme, 0)
    deliver(acme, token)
    assert acme.http("GET", token_path(token)).json()["verdict"] == "arrived"


def test_what_is_pipelined_behind_a_wait_is_answered_after_it(acme):
    token = acme.mint("acme")
    with Raw(acme) as raw:
        raw.get(token_path(token, "?wait=20s"), acme.key)
        raw.get("/healthz")
        waiting(acme, 1)
        deliver(acme, token)
        status, _, body = raw.response()
        assert status == 200 and json.loads(body)["verdict"] == "arrived"
        assert raw.response()[2] == b"ok\n"


def test_client_that_floods_while_it_waits_is_not_read(acme):
    token = acme.mint("acme")
    with Raw(acme) as raw:
        raw.get(token_path(token, "?wait=20s"), acme.key)
        waiting(acme, 1)
        raw.socket.settimeout(2)
        with pytest.raises(TimeoutError):
            for _ in range(1000):
                raw.send(b"x" * 65536)
        assert acme.http("GET", "/healthz").status == 200


def test_places_are_limited(make_service):
    service = make_service(http={"waiting_max": 3})
    service.add_mailbox("acme")
    token = service.mint("acme")
    with ThreadPoolExecutor(3) as pool:
        held = [pool.submit(service.http, "GET", token_path(token, "?wait=20s")) for _ in range(3)]
        waiting(service, 3)
        refused = service.http("GET", token_path(token, "?wait=20s"))
        assert refused.status == 503 and int(refused.headers["Retry-After"]) > 0
        assert service.http("GET", token_path(token)).json()["verdict"] == "waiting"
        deliver(service, token)
        assert all(answer.result().json()["verdict"] == "arrived" for answer in held)


def test_five_thousand_wait_at_a_bounded_cost(acme):
    token = acme.mint("acme")
    pid = acme.role_pids("lookup")[0]

    def resident_kib():
        with open(f"/proc/{pid}/status", encoding="ascii") as status:
            return int(re.search(r"VmRSS:\s+(\d+)", status.read())[1])

    # Once before, so that what a first request costs for all is not counted.
    acme.http("GET", token_path(token))
    before, all_of_them = resident_kib(), []
    try:
        for _ in range(5000):
            all_of_them.append(Raw(acme))
            all_of_them[-1].get(token_path(token, "?wait=300s"), acme.key)
        waiting(acme, 5000)
        assert (resident_kib() - before) / 5000 <= 10 * memory_factor(acme)
        deliver(acme, token)
        for raw in all_of_them:
            status, _, body = raw.response()
            assert status == 200 and json.loads(body)["verdict"] == "arrived"
    finally:
        for raw in all_of_them:
            raw.close()


def test_stopping_service_answers_who_waits(acme):
    token = acme.mint("acme")
    answers = []
    thread = threading.Thread(target=lambda: answers.append(acme.http("GET", token_path(token, "?wait=60s"))))
    thread.start()
    waiting(acme, 1)
    began = time.monotonic()
    assert acme.stop() == 0
    thread.join()
    assert answers[0].status == 200 and answers[0].json()["verdict"] == "waiting"
    assert time.monotonic() - began < 5         # drain_ms: nobody was waited for


def test_reload_disturbs_nobody_who_waits(acme):
    token = acme.mint("acme")
    with ThreadPoolExecutor(1) as pool, Events(acme) as events:
        answer = pool.submit(acme.http, "GET", token_path(token, "?wait=30s"))
        waiting(acme, 1)
        acme.reload()
        acme.wait_for_log("event=reloaded")
        deliver(acme, token)
        assert answer.result().json()["verdict"] == "arrived"
        assert events.next()["data"]["kind"] == "arrived"
    acme.wait_for(lambda: len(acme.role_pids("lookup")) == 1, "the old process has ended")
    assert acme.http("GET", token_path(token)).json()["verdict"] == "arrived"


def test_arrival_is_told_although_store_died_in_between(acme):
    token = acme.mint("acme")
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(acme.http, "GET", token_path(token, "?wait=30s"))
        waiting(acme, 1)
        acme.kill("store")
        acme.wait_until_ready()
        acme.wait_for(lambda: try_to_deliver(acme, token), "mail is taken again")
        assert answer.result().json()["verdict"] == "arrived"


def try_to_deliver(service, token):
    try:
        deliver(service, token)
    except OSError:             # smtplib's errors are among them
        return False
    return True


def test_requests_to_a_store_that_is_away_are_refused_and_work_again(acme):
    acme.kill("store")
    statuses = set()

    def minted():
        answer = acme.http("POST", "/v1/mailboxes/acme/tokens")
        statuses.add(answer.status)
        return answer.status == 201

    acme.wait_for(minted, "tokens are minted again")
    assert statuses <= {201, 503}
