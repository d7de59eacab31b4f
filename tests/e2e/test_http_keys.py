"""Who may ask for what."""

import threading

import pytest

from http_client import Events, Raw, deliver, token_path


def make_key(service, *arguments):
    return service.ctl("api-key", "add", "--json", *arguments)


@pytest.fixture
def tenants(service):
    """Two customers' mailboxes with a message each, and a key for the first."""
    for name in ("acme", "other"):
        service.add_mailbox(name)
    tokens = {name: service.mint(name) for name in ("acme", "other")}
    for name, token in tokens.items():
        deliver(service, token, mailbox=name)
    ids = {name: service.http("GET", token_path(token, mailbox=name)).json()["arrivals"][0]["message_id"] for name, token in tokens.items()}
    return {"service": service, "tokens": tokens, "ids": ids, "key": make_key(service, "--mailbox", "acme")["key"]}


@pytest.mark.parametrize("header", ["", "Authorization: Bearer\r\n", "Authorization: Bearer mtk_1_x\r\n", "Authorization: Basic YTpi\r\n",
                                    "Authorization: Bearer mtk_99999_0123456789012345678901234567890123456789012\r\n"])
def test_without_a_valid_key_nothing_is_told(service, header):
    service.add_mailbox("acme")
    for path in ("/v1/mailboxes/acme/messages", "/v1/mailboxes/nobody/messages", "/v1/messages/1", "/v1/arrivals"):
        with Raw(service) as raw:
            raw.get(path, more=header)
            status, headers, body = raw.response()
            assert status == 401 and headers["www-authenticate"].startswith("Bearer") and b"mailtestctl api-key add" in body
    assert service.metric("mailtest_http_denied_total") == 4


def test_key_with_one_wrong_character_is_refused(service):
    service.add_mailbox("acme")
    key = service.key
    wrong = key[:-1] + ("A" if key[-1] != "A" else "B")
    assert service.http("GET", "/v1/mailboxes/acme/messages", key=key).status == 200
    assert service.http("GET", "/v1/mailboxes/acme/messages", key=wrong).status == 401


def test_scoped_key_sees_its_mailbox_alone(tenants):
    service, key = tenants["service"], tenants["key"]

    def ask(method, path, **more):
        return service.http(method, path, key=key, **more)

    assert ask("GET", "/v1/mailboxes/acme/messages").status == 200
    assert ask("GET", token_path(tenants["tokens"]["acme"])).json()["verdict"] == "arrived"
    assert ask("GET", f"/v1/messages/{tenants['ids']['acme']}").status == 200
    assert ask("POST", "/v1/mailboxes/acme/tokens").status == 201
    # What belongs to others cannot be told from what does not exist.
    for method, path in [("GET", "/v1/mailboxes/{}/messages"), ("POST", "/v1/mailboxes/{}/tokens"),
                         ("GET", "/v1/mailboxes/{}/tokens/" + tenants["tokens"]["other"]), ("GET", "/v1/arrivals?mailbox={}"),
                         ("DELETE", "/v1/mailboxes/{}/tokens/" + tenants["tokens"]["other"])]:
        theirs, nobody = ask(method, path.format("other")), ask(method, path.format("nobody"))
        assert theirs.status == nobody.status == 404 and theirs.body == nobody.body
    for path in ("/v1/messages/{}", "/v1/messages/{}/raw"):
        theirs, nothing = ask("GET", path.format(tenants["ids"]["other"])), ask("GET", path.format(999999))
        assert theirs.status == nothing.status == 404 and theirs.body == nothing.body
    assert ask("DELETE", f"/v1/messages/{tenants['ids']['other']}").status == 404
    assert service.http("GET", f"/v1/messages/{tenants['ids']['other']}").status == 200


def test_scoped_key_learns_nothing_of_others_by_the_list(tenants):
    tokens = tenants["tokens"]
    answers = tenants["service"].http("POST", "/v1/lookup", key=tenants["key"], body={"tokens": [
        tokens["acme"], tokens["other"], {"mailbox": "other", "token": tokens["other"]}, {"mailbox": "nobody", "token": tokens["other"]}]}).json()["answers"]
    assert answers[0]["verdict"] == "arrived"
    assert answers[1]["verdict"] == "waiting" and not answers[1]["registered"]
    assert answers[2] == answers[3] and answers[2]["problem"]["status"] == 404


def test_scoped_key_hears_of_its_own_arrivals_only(tenants):
    service = tenants["service"]
    with Events(service, "?after=0", key=tenants["key"]) as events:
        assert events.next()["data"]["mailbox"] == "acme"
        deliver(service, "theirs", mailbox="other")
        deliver(service, "ours")
        assert events.next()["data"]["subject"] == "ours"


def test_revoked_key_is_refused_at_once_also_where_it_waits(tenants):
    service = tenants["service"]
    made = make_key(service)
    answers = []
    thread = threading.Thread(target=lambda: answers.append(service.http("GET", token_path("mt1" + "0" * 40, "?wait=60s"), key=made["key"])))
    with Events(service, key=made["key"]) as events:
        thread.start()
        service.wait_for(lambda: service.metric("mailtest_lookup_waiting") == 1, "the request waits")
        service.ctl("api-key", "revoke", made["id"])
        assert service.http("GET", "/v1/mailboxes/acme/messages", key=made["key"]).status == 401
        thread.join(20)
        assert answers[0].status == 401
        assert events.next() is None
