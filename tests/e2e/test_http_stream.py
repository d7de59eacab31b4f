"""The stream of arrivals: nothing is missed, nothing comes twice, also over a break."""

from http_client import Events, Raw, deliver, deliver_all


def subjects(events, count):
    return [events.next()["data"]["subject"] for _ in range(count)]


def test_events_come_as_mail_arrives(acme):
    deliver(acme, "before")
    token = acme.mint("acme")
    with Events(acme) as events:
        deliver(acme, token)
        deliver(acme, "unmatched")
        first, second = events.next(), events.next()
    assert (first["event"], first["data"]["kind"], first["data"]["tokens"][0]["token"]) == ("arrival", "arrived", token)
    assert (second["data"]["kind"], second["data"]["subject"]) == ("unmatched", "unmatched")
    assert int(second["id"]) > int(first["id"]) == first["data"]["id"]


def test_client_that_comes_back_gets_what_it_missed(acme):
    with Events(acme) as events:
        deliver(acme, "first")
        last = events.next()["id"]
    for number in range(3):
        deliver(acme, f"missed {number}")
    for how in ({"last_id": last}, {"query": f"?after={last}"}):
        with Events(acme, **how) as events:
            assert subjects(events, 3) == ["missed 0", "missed 1", "missed 2"]
            deliver(acme, "live")
            assert subjects(events, 1) == ["live"]


def test_message_with_two_tokens_is_one_event(acme):
    tokens = [acme.mint("acme"), acme.mint("acme")]
    with Events(acme) as events:
        deliver(acme, *tokens)
        deliver(acme, "next")
        assert {entry["token"] for entry in events.next()["data"]["tokens"]} == set(tokens)
        assert subjects(events, 1) == ["next"]


def test_long_history_is_caught_up_with_in_order(acme):
    deliver_all(acme, [f"number {number}" for number in range(900)])
    with Events(acme, "?after=0") as events:
        assert subjects(events, 900) == [f"number {number}" for number in range(900)]


def test_store_that_dies_costs_no_event(acme):
    with Events(acme) as events:
        deliver(acme, "before")
        assert subjects(events, 1) == ["before"]
        acme.kill("store")

        def delivered():
            try:
                deliver(acme, "after")
            except OSError:
                return False
            return True
        acme.wait_for(delivered, "mail is taken again")
        assert subjects(events, 1) == ["after"]


def test_streams_are_limited_and_counted(make_service):
    service = make_service(http={"streams_max": 2})
    with Events(service), Events(service):
        service.wait_for(lambda: service.metric("mailtest_lookup_streams") == 2, "both are counted")
        with Events(service) as third:
            assert third.status == 503 and third.answer.headers["Retry-After"]
    service.wait_for(lambda: service.metric("mailtest_lookup_streams") == 0, "both are gone")
    with Events(service) as again:
        assert again.status == 200


def test_stopping_service_ends_its_streams(acme):
    with Events(acme) as events:
        deliver(acme, "one")
        assert subjects(events, 1) == ["one"]
        assert acme.stop() == 0
        assert events.next() is None


def test_stream_to_an_old_client_ends_with_its_connection(acme):
    """HTTP/1.0 knows no chunks."""
    with Raw(acme) as raw:
        raw.send(f"GET /v1/arrivals HTTP/1.0\r\nAuthorization: Bearer {acme.key}\r\n\r\n")
        acme.wait_for(lambda: acme.metric("mailtest_lookup_streams") == 1, "the stream is open")
        deliver(acme, "hello")
        data = b""
        while b"hello" not in data:
            data += raw.file.read1(4096)
    assert b"chunked" not in data and b"\r\n\r\nretry: " in data
