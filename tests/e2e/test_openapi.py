"""docs/openapi.yaml says what the service does: every path and method of the one is in the other, and what is answered fits."""

import datetime
import http.client
import json
import re
import smtplib
from pathlib import Path

import jsonschema
import pytest
import yaml

from service import DOMAIN

ROOT = Path(__file__).resolve().parents[2]
API = yaml.safe_load((ROOT / "docs/openapi.yaml").read_text())
METHODS = ("get", "post", "put", "patch", "delete")


def resolve(node):
    while "$ref" in node:
        found = API
        for name in node["$ref"].removeprefix("#/").split("/"):
            found = found[name]
        node = found
    return node


def operation(method, template):
    return API["paths"][template]["get" if method == "HEAD" else method.lower()]


def check(method, template, answer):
    """The answer is one of the documented ones, and its header and body are as described."""
    responses = operation(method, template)["responses"]
    assert str(answer.status) in responses, f"{method} {template} answers {answer.status}, which is not documented: {answer.body}"
    documented = resolve(responses[str(answer.status)])
    headers = {name.lower(): value for name, value in answer.headers.items()}
    for name, header in documented.get("headers", {}).items():
        assert not header.get("required") or name.lower() in headers, f"{method} {template} {answer.status} lacks {name}"
    content = documented.get("content", {})
    if not content:
        assert answer.body == b""
        return
    media = headers["content-type"].split(";")[0]
    assert media in content, f"{method} {template} {answer.status} is {media}, which is not documented"
    schema = content[media].get("schema")
    if method == "HEAD":
        assert answer.body == b""
    elif schema is not None:
        value = json.loads(answer.body) if media.endswith("json") else answer.body.decode()
        # The document itself is the root, so that references within it are found.
        jsonschema.Draft202012Validator({**schema, "components": API["components"]}).validate(value)


def test_the_schemas_are_valid_and_all_of_them_are_used():
    text = (ROOT / "docs/openapi.yaml").read_text()
    for kind, entries in API["components"].items():
        for name, entry in entries.items():
            if kind == "schemas":
                jsonschema.Draft202012Validator.check_schema(entry)
            if kind != "securitySchemes":
                assert f"#/components/{kind}/{name}\"" in text, f"{kind}/{name} is not used"


def test_every_route_is_documented_and_every_documented_one_is_a_route():
    table = re.findall(r'^\s*\[ROUTE_\w+\]\s*= \{ "([^"]+)",\s*[\w| ]+,\s*"([^"]+)"', (ROOT / "lookup/route.c").read_text(), re.MULTILINE)
    served = {(method, path) for path, methods in table for method in methods.split(", ") if method != "HEAD"}
    documented = {(method.upper(), path) for path, item in API["paths"].items() for method in METHODS if method in item}
    assert served == documented


RESULT = {"id": "1", "check": "probe/acme", "kind": "round-trip", "scenario": 2, "mailbox": "acme", "took_s": 3.5, "state": "WARNING",
          "started_at": datetime.datetime.now(datetime.timezone.utc).isoformat().replace("+00:00", "Z"), "verdict": "late", "cause": "c", "step": "rcpt", "host": "mx.test",
          "code": 451, "reply": "come again", "reason": "it came late", "deferred": True, "times": {"rcpt": 0.5, "total": 700.25}, "changes": ["One."],
          "document": {"hops": []}}


@pytest.fixture
def world(service):
    """A mailbox with one token that arrived and one that is waited for, and a check with one result."""
    service.add_mailbox("acme")
    arrived = service.mint("acme")
    with smtplib.SMTP("127.0.0.1", service.smtp_port) as client:
        client.sendmail("a@customer.test", [f"acme@{DOMAIN}"],
                        "Received: from a.test (a.test [192.0.2.1]) by b.test with ESMTPS id 1 for <x@b.test>; Sat, 21 Nov 2026 03:30:00 +0000\r\n"
                        f"Subject: probe {arrived}\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
                        f"--b\r\n\r\n{arrived}\r\n--b\r\nContent-Type: text/html\r\n\r\n<p>{arrived}\r\n--b--\r\n")
    token = service.http("GET", f"/v1/mailboxes/acme/tokens/{arrived}?wait=10s").json()
    assert service.http("POST", "/v1/results", body={"results": [RESULT]}).json()["stored"] == 1
    return {"service": service, "mailbox": "acme", "check": "probe%2Facme", "token": arrived, "waiting": service.mint("acme"), "id": token["arrivals"][0]["message_id"]}


TOKEN = "/v1/mailboxes/{mailbox}/tokens/{token}"
TOKENS = "/v1/mailboxes/{mailbox}/tokens"
MESSAGES = "/v1/mailboxes/{mailbox}/messages"
CHECK = "/v1/checks/{check}"

# Method, template, values that differ from the world's, query, body, status. Each line runs in the world of its own test.
EXCHANGES = [
    ("GET", "/", {}, "", None, 200),
    ("GET", "/metrics", {}, "", None, 200),
    ("GET", "/healthz", {}, "", None, 200),
    ("GET", "/readyz", {}, "", None, 200),
    ("POST", TOKENS, {}, "", None, 201),
    ("POST", TOKENS, {}, "", {"window": "10m"}, 201),
    ("POST", TOKENS, {}, "", {"window": 600}, 201),
    ("POST", TOKENS, {"mailbox": "a-name-of-thirty-characters-xyz"}, "", {}, 404),
    ("POST", TOKENS, {}, "", {"window": "soon"}, 400),
    ("POST", TOKENS, {}, "", {"deadline": "2020-01-01T00:00:00Z"}, 400),
    ("GET", TOKEN, {}, "", None, 200),
    ("HEAD", TOKEN, {}, "", None, 200),
    ("GET", TOKEN, {"token": "waiting"}, "?wait=10ms", None, 200),
    ("GET", TOKEN, {"token": "mt1" + "0" * 40}, "", None, 200),
    ("GET", TOKEN, {"token": "mt1short"}, "", None, 400),
    ("GET", TOKEN, {"mailbox": "nobody"}, "", None, 404),
    ("GET", TOKEN, {}, "?wiat=1s", None, 400),
    ("DELETE", "/v1/messages/{id}", {}, "", None, 204),
    ("DELETE", TOKEN, {}, "", None, 200),
    ("DELETE", TOKEN, {"token": "mt1" + "0" * 40}, "", None, 404),
    ("POST", "/v1/lookup", {}, "", {"tokens": ["$token", {"mailbox": "acme", "token": "$waiting"}, {"mailbox": "nobody", "token": "$token"}, "x"]}, 200),
    ("POST", "/v1/lookup", {}, "", {"tokens": []}, 400),
    ("POST", "/v1/lookup", {}, "", {"tokens": ["$token"] * 1001}, 413),
    ("GET", MESSAGES, {}, "", None, 200),
    ("GET", MESSAGES, {}, "?limit=0", None, 400),
    ("GET", MESSAGES, {"mailbox": "nobody"}, "", None, 404),
    ("GET", "/v1/messages/{id}", {}, "", None, 200),
    ("GET", "/v1/messages/{id}", {"id": "x"}, "", None, 400),
    ("GET", "/v1/messages/{id}", {"id": "999999"}, "", None, 404),
    ("GET", "/v1/messages/{id}/raw", {}, "", None, 200),
    ("GET", "/v1/messages/{id}/raw", {"id": "999999"}, "", None, 404),
    ("DELETE", "/v1/messages/{id}", {"id": "999999"}, "", None, 404),
    ("HEAD", "/v1/arrivals", {}, "", None, 200),
    ("GET", "/v1/arrivals", {}, "?after=x", None, 400),
    ("GET", "/v1/arrivals", {}, "?mailbox=nobody", None, 404),
    ("HEAD", "/v1/events", {}, "", None, 200),
    ("GET", "/v1/events", {}, "?format=json", None, 200),
    ("GET", "/v1/events", {}, "?kinds=soon", None, 400),
    ("GET", "/v1/events", {}, "?mailbox=nobody", None, 404),
    ("POST", "/v1/results", {}, "", {"results": [RESULT, RESULT | {"check": "a b"}, RESULT | {"mailbox": "nobody"}, 7]}, 200),
    ("POST", "/v1/results", {}, "", {"results": []}, 400),
    ("POST", "/v1/results", {}, "", {"results": [RESULT] * 501}, 413),
    ("GET", "/v1/checks", {}, "", None, 200),
    ("GET", "/v1/checks", {}, "?state=warning&limit=1&mailbox=acme", None, 200),
    ("GET", "/v1/checks", {}, "?state=red", None, 400),
    ("GET", "/v1/checks", {}, "?mailbox=nobody", None, 404),
    ("GET", CHECK, {}, "", None, 200),
    ("GET", CHECK, {}, "?at=2020-01-01T00:00:00Z", None, 200),
    ("GET", CHECK, {}, "?at=noon", None, 400),
    ("GET", CHECK, {"check": "none"}, "", None, 404),
    ("GET", CHECK + "/results", {}, "", None, 200),
    ("GET", CHECK + "/results", {}, "?documents=yes&verdict=late", None, 200),
    ("GET", CHECK + "/results", {}, "?resolution=hour", None, 200),
    ("GET", CHECK + "/results", {}, "?resolution=day", None, 400),
    ("GET", CHECK + "/results", {"check": "none"}, "", None, 404),
    ("GET", "/v1/mailboxes/{mailbox}", {}, "", None, 200),
    ("GET", "/v1/mailboxes/{mailbox}", {}, "?x=y", None, 400),
    ("GET", "/v1/mailboxes/{mailbox}", {"mailbox": "nobody"}, "", None, 404),
]


def test_answers_are_as_documented(world):
    service, wrong = world["service"], []
    # Those that delete come last.
    for method, template, values, query, body, status in sorted(EXCHANGES, key=lambda exchange: exchange[0] == "DELETE" and exchange[5] < 300):
        path = template.format_map({name: str(value) for name, value in {**world, **values}.items() if name != "service"}) + query
        path = path.replace("/waiting", f"/{world['waiting']}")
        if body is not None:
            body = json.loads(json.dumps(body).replace("$token", world["token"]).replace("$waiting", world["waiting"]))
        answer = service.http(method, path, body=body)
        if answer.status != status:
            wrong.append(f"{method} {path}: {answer.status} {answer.body[:300]}")
        check(method, template, answer)
    assert not wrong


def test_every_operation_with_a_key_documents_and_demands_it(world):
    for template, item in API["paths"].items():
        for method in METHODS:
            if method not in item:
                continue
            path = template.format(mailbox="acme", token=world["token"], id=world["id"], check=world["check"])
            answer = world["service"].http(method.upper(), path, key=None)
            if item[method].get("security") == []:
                assert answer.status == 200
            else:
                assert answer.status == 401
            check(method.upper(), template, answer)


def test_events_are_as_documented(world):
    connection = http.client.HTTPConnection("127.0.0.1", world["service"].ports["http"], timeout=20)
    connection.request("GET", "/v1/arrivals?after=0", headers={"Authorization": f"Bearer {world['service'].key}"})
    answer = connection.getresponse()
    assert answer.status == 200 and answer.headers["Content-Type"] == "text/event-stream"
    lines = []
    while not lines or lines[-1] != "" or not any(line.startswith("data: ") for line in lines):
        lines.append(answer.readline().decode().rstrip("\n"))
    connection.close()
    event = dict(line.split(": ", 1) for line in lines if ": " in line)
    assert event["event"] == "arrival" and event["id"] == str(world["id"])
    schema = API["components"]["schemas"]["MessageSummary"]
    jsonschema.Draft202012Validator({**schema, "components": API["components"]}).validate(json.loads(event["data"]))
