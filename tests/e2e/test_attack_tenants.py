"""Customers are apart: with a key, a login or an agent of one, nothing of another is to be had, and nothing tells what is there from what is not."""

import datetime
import imaplib
import json
import poplib
import re
import smtplib

import pytest

from http_client import Events, deliver, token_path
from service import DOMAIN

SECRET_WORD = "theirs-and-nobody-else-s"
NOBODY_TOKEN = "mt1" + "0" * 40


class Tenants:
    """Two customers, each with mail with a token, mail without one, a key, and an agent of his own."""

    def __init__(self, service):
        self.service = service
        self.login = {name: service.add_mailbox(name) for name in ("acme", "other")}
        self.token = {name: service.mint(name) for name in self.login}
        for name, token in self.token.items():
            word = SECRET_WORD if name == "other" else "ours"
            with smtplib.SMTP("127.0.0.1", service.smtp_port, timeout=20) as client:
                for subject in (f"{word} {token}", f"{word} unmatched"):
                    client.sendmail("a@sender.test", [f"{name}@{DOMAIN}"],
                                    f"Subject: {subject}\r\nFrom: {word}@sender.test\r\nMessage-ID: <{name}.{len(subject)}@sender.test>\r\n\r\n{word}\r\n".encode())
        # What checks of theirs came to; each has one of the same name, and one of his own.
        started = datetime.datetime.now(datetime.timezone.utc).isoformat().replace("+00:00", "Z")
        results = [{"check": check, "mailbox": name, "kind": "smtp", "started_at": started, "took_s": 1, "state": "CRITICAL", "verdict": "failed",
                    "reason": SECRET_WORD if name == "other" else "ours", "document": {"word": SECRET_WORD if name == "other" else "ours"}}
                   for name in self.login for check in ("the-same", f"of-{name}")]
        assert service.http("POST", "/v1/results", body={"results": results}).json()["stored"] == len(results)
        self.messages = {name: [message["id"] for message in service.http("GET", f"/v1/mailboxes/{name}/messages").json()["messages"]] for name in self.login}
        self.key = {name: service.ctl("api-key", "add", "--mailbox", name, "--json")["key"] for name in self.login}
        self.agent = {name: service.ctl("agent", "add", f"agent-{name}", "--mailbox", name, "--json") for name in self.login}

    def ask(self, method, path, **more):
        return self.service.http(method, path, key=self.key["acme"], **more)

    def imap(self, user="acme", secret=None) -> imaplib.IMAP4:
        client = imaplib.IMAP4("127.0.0.1", self.service.ports["imap"], timeout=30)
        client.login(user, secret or self.login["acme"]["secret"])
        return client


@pytest.fixture(scope="module")
def tenants(request):
    from service import Service
    service = Service(access={"refusal_ms": 0})
    request.addfinalizer(service.remove)
    service.start()
    return Tenants(service)


def everything_of_other(tenants) -> str:
    """To compare before and after: nothing of it may change by what the other customer does."""
    service = tenants.service
    parts = [service.http("GET", path).body for path in
             ["/v1/mailboxes/other", "/v1/mailboxes/other/messages", token_path(tenants.token["other"], mailbox="other"), "/v1/events?format=json&mailbox=other",
              "/v1/checks?mailbox=other", "/v1/checks/of-other", "/v1/checks/the-same/results?mailbox=other",
              *(f"/v1/messages/{number}/raw" for number in tenants.messages["other"])]]
    return re.sub(rb'"(?:now|checked_at|silent_[a-z]+|waited_ms)":[^,}]+', b"", b"\n".join(parts)).decode()


# ---- HTTP -----------------------------------------------------------------------------------------------------------------------------

# Each route that names something, with the other's name for it and one that nobody has.
ROUTES = [
    (method, form, place) for methods, form, place in [
        (("GET", "HEAD"), "/v1/mailboxes/{mailbox}", "mailbox"),
        (("GET", "HEAD"), "/v1/mailboxes/{mailbox}/messages", "mailbox"),
        (("GET", "HEAD"), "/v1/mailboxes/{mailbox}/messages?cursor=1&limit=500", "mailbox"),
        (("POST",), "/v1/mailboxes/{mailbox}/tokens", "mailbox"),
        (("GET", "HEAD", "DELETE"), "/v1/mailboxes/{mailbox}/tokens/{token}", "mailbox"),
        (("GET",), "/v1/mailboxes/{mailbox}/tokens/{token}?wait=1s", "mailbox"),
        (("GET", "HEAD"), "/v1/messages/{message}", "message"),
        (("GET", "HEAD"), "/v1/messages/{message}/raw", "message"),
        (("DELETE",), "/v1/messages/{message}", "message"),
        (("GET",), "/v1/arrivals?mailbox={mailbox}", "mailbox"),
        (("GET",), "/v1/arrivals?mailbox={mailbox}&after=0", "mailbox"),
        (("GET",), "/v1/events?mailbox={mailbox}", "mailbox"),
        (("GET",), "/v1/events?format=json&mailbox={mailbox}", "mailbox"),
        (("GET",), "/v1/events?format=json&mailbox={mailbox}&after=0&cursor=99999", "mailbox"),
        (("GET", "HEAD"), "/v1/checks?mailbox={mailbox}", "mailbox"),
        (("GET", "HEAD"), "/v1/checks/of-{mailbox}", "check"),
        (("GET", "HEAD"), "/v1/checks/of-{mailbox}/results", "check"),
        (("GET",), "/v1/checks/of-{mailbox}/results?resolution=hour", "check"),
        (("GET",), "/v1/checks/the-same?mailbox={mailbox}", "mailbox"),
        (("GET",), "/v1/checks/the-same/results?mailbox={mailbox}&documents=yes", "mailbox"),
    ] for method in methods
]

SPELLINGS = ["{}", "{}%00", "OTHER", "%6fther", "other%2f", "other@" + DOMAIN, "acme%2f..%2fother", "..%2fother", "../other", "other%20", "acme,other", "acme&mailbox=other", "*",
             "%2a", "", "acme%0aother", "other?x", "acme;other"]


@pytest.mark.parametrize("method, form, place", ROUTES, ids=[f"{method} {form}" for method, form, _ in ROUTES])
def test_what_is_not_yours_looks_like_what_is_not_there(tenants, method, form, place):
    def form_of(mailbox, token, message):
        return form.format(mailbox=mailbox, token=token, message=message)

    before = everything_of_other(tenants)
    theirs, nobody = [], []
    for message in tenants.messages["other"]:
        theirs.append(tenants.ask(method, form_of("other", tenants.token["other"], message), headers={"Last-Event-ID": "0"}))
        nobody.append(tenants.ask(method, form_of("nobody", tenants.token["other"], 10 ** 9), headers={"Last-Event-ID": "0"}))
    seen = {(answer.status, answer.body, tuple(sorted((name, value) for name, value in answer.headers.items() if name not in ("Date", "Mailtest-Time")))) for answer in theirs + nobody}
    assert len(seen) == 1 and theirs[0].status == 404, seen
    assert SECRET_WORD not in str(seen)
    assert everything_of_other(tenants) == before


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_no_spelling_of_a_name_leads_to_another_mailbox(tenants, spelling):
    for path in ("/v1/mailboxes/{}/messages", "/v1/mailboxes/{}", "/v1/mailboxes/{}/tokens/" + tenants.token["other"], "/v1/events?format=json&mailbox={}",
                 "/v1/checks?mailbox={}", "/v1/checks/the-same?mailbox={}", "/v1/checks/of-{}", "/v1/checks/of-other/results?mailbox={}"):
        answer = tenants.ask("GET", path.format(spelling.format("other")))
        text = answer.body.decode()
        assert answer.status in (400, 404) or (answer.status == 200 and spelling == ""), (path, text)
        assert SECRET_WORD not in text and tenants.token["other"] not in text


def test_the_other_s_token_is_unknown_in_one_s_own_mailbox(tenants):
    """Byte for byte as a token that nobody has made, but for the token itself."""
    theirs = tenants.ask("GET", token_path(tenants.token["other"]))
    again = tenants.service.mint("other")           # waits, and is not there either
    answers = {theirs.body.decode().replace(tenants.token["other"], "T"), tenants.ask("GET", token_path(again)).body.decode().replace(again, "T")}
    shapes = {re.sub(r'"issued_at":"[^"]*"', '"issued_at":"?"', answer) for answer in answers}
    assert theirs.json()["verdict"] == "waiting" and not theirs.json()["registered"] and len({re.sub(r"\d", "0", shape) for shape in shapes}) == 1, shapes
    assert tenants.ask("DELETE", token_path(tenants.token["other"])).status in (204, 404)
    assert tenants.service.http("GET", token_path(tenants.token["other"], mailbox="other")).json()["verdict"] == "arrived"


def test_a_list_of_tokens_tells_nothing_of_another(tenants):
    answer = tenants.ask("POST", "/v1/lookup", body={"wait": "1s", "tokens": [
        {"mailbox": "other", "token": tenants.token["other"]}, {"mailbox": "nobody", "token": tenants.token["other"]},
        {"mailbox": "other", "token": tenants.token["acme"]}, {"mailbox": "other", "token": NOBODY_TOKEN}, tenants.token["other"]]})
    assert answer.status == 200 and SECRET_WORD not in answer.body.decode()
    rows = answer.json()["answers"]
    assert [row["problem"]["status"] for row in rows[:4]] == [404] * 4
    assert json.dumps(rows[0]).replace("other", "nobody") == json.dumps(rows[1])


def test_results_of_another_are_not_written(tenants):
    before = everything_of_other(tenants)
    started = datetime.datetime.now(datetime.timezone.utc).isoformat().replace("+00:00", "Z")
    posted = {"check": "of-other", "kind": "smtp", "started_at": started, "took_s": 1, "state": "OK"}
    answer = tenants.ask("POST", "/v1/results", body={"results": [posted | {"mailbox": "other"}, posted | {"mailbox": "nobody"}, posted]})
    rows = answer.json()["results"]
    assert [row["status"] for row in rows] == [404] * 3 and rows[0] == rows[1]
    assert everything_of_other(tenants) == before
    assert all(SECRET_WORD not in tenants.ask("GET", path).body.decode() for path in ("/v1/checks", "/v1/checks/the-same", "/v1/checks/the-same/results?documents=yes"))


@pytest.mark.parametrize("path, query, last_id", [
    ("/v1/arrivals", "", None), ("/v1/arrivals", "?after=0", None), ("/v1/arrivals", "", 0), ("/v1/arrivals", "?mailbox=acme&after=0", None),
    ("/v1/events", "", None), ("/v1/events", "?after=0", None), ("/v1/events", "", 0), ("/v1/events", "?mailbox=acme&after=0", None)])
def test_a_stream_shows_nothing_of_another(tenants, path, query, last_id):
    service = tenants.service
    with Events(service, query, last_id, tenants.key["acme"], path) as events:
        for mailbox, text in (("other", SECRET_WORD), ("other", SECRET_WORD), ("acme", "ours")):
            deliver(service, service.mint(mailbox), mailbox=mailbox, text=text)
        last = service.mint("acme")
        deliver(service, last)
        while last not in json.dumps(event := events.next()):
            assert event is not None and "other" not in json.dumps(event) and SECRET_WORD not in json.dumps(event)
            assert event["data"].get("mailbox", "acme") == "acme"


def test_every_row_of_a_list_is_one_s_own(tenants):
    for path in ("/v1/mailboxes/acme/messages?limit=500", "/v1/events?format=json&limit=500", "/v1/events?format=json&after=0&limit=500",
                 f"/v1/mailboxes/acme/messages?cursor={max(tenants.messages['other']) + 1}", "/v1/events?format=json&cursor=1000"):
        text = tenants.ask("GET", path).body.decode()
        assert SECRET_WORD not in text and tenants.token["other"] not in text and '"other"' not in text
        assert not any(re.search(rf'"(?:id|message_id)":{number}\b', text) for number in tenants.messages["other"] if "messages" in path)


def test_a_key_of_a_mailbox_is_told_nothing_of_keys(tenants):
    """A key's number is no secret; the rest of it is not found by trying."""
    number = tenants.key["other"].split("_")[1]
    own = tenants.key["acme"].split("_", 2)[2]
    answers = {tenants.service.http("GET", "/v1/mailboxes/other/messages", key=key).body for key in (f"mtk_{number}_{own}", f"mtk_{number}_x", "mtk_999999_x", f"mtk_0_{own}", "x")}
    assert len(answers) == 1 and b"mailtestctl api-key add" in answers.pop()


# ---- IMAP -----------------------------------------------------------------------------------------------------------------------------

FOREIGN_FOLDERS = ["other", "other/INBOX", "~other", "~other/INBOX", "#user/other", "#users/other/INBOX", "user/other", "user.other", "../other/INBOX", "INBOX/../../other/INBOX",
                   "/other/INBOX", "/var/lib/mailtest", "other@" + DOMAIN, "Other Users/other/INBOX", "shared/other", "INBOX.other", "2/INBOX", "&-other", "other\\INBOX"]


@pytest.mark.parametrize("folder", FOREIGN_FOLDERS)
def test_no_name_of_a_folder_leads_to_another_mailbox(tenants, folder):
    client = tenants.imap()
    quoted = '"' + folder.replace("\\", "\\\\") + '"'
    said = []
    for command in (("SELECT", quoted), ("EXAMINE", quoted), ("STATUS", quoted, "(MESSAGES UIDNEXT UIDVALIDITY)"), ("SUBSCRIBE", quoted), ("DELETE", quoted), ("RENAME", quoted, '"taken"'),
                    ("GETQUOTAROOT", quoted), ("GETQUOTA", quoted), ("LIST", '""', quoted), ("LSUB", '""', quoted)):
        client.untagged_responses.clear()
        status, data = client.xatom(*command) if command[0] not in ("SELECT", "EXAMINE") else client._simple_command(*command)
        said.append(str(data))
        if command[0] not in ("LIST", "LSUB"):
            assert status in ("NO", "BAD"), (command, data)
        assert not client.untagged_responses.get("EXISTS") and SECRET_WORD not in str(client.untagged_responses), command
        assert not client.untagged_responses.get("LIST") and not client.untagged_responses.get("LSUB"), command
    nobody = folder.replace("other", "nobody")
    status, data = client._simple_command("SELECT", '"' + nobody.replace("\\", "\\\\") + '"')
    assert str(data) == said[0], "the answer for a mailbox that there is differs from that for one that there is not"
    client.logout()


def test_a_list_of_everything_is_one_s_own_folders(tenants):
    client = tenants.imap()
    for reference, pattern in (('""', "*"), ('""', "%"), ('"~other/"', "*"), ('"#user/"', "*"), ('"/"', "*"), ('"../"', "*"), ('"other"', "*")):
        rows = [row for row in client.list(reference, pattern)[1] if row]
        assert all(re.search(rb'"?(INBOX|Unmatched)"?$', row) for row in rows), rows
    assert b'(("" "/")) NIL NIL' in client.namespace()[1][0]
    client.logout()


def test_ids_of_another_s_messages_find_nothing(tenants):
    client = tenants.imap()
    for folder in ("INBOX", "Unmatched"):
        count = int(client.select(folder, readonly=True)[1][0])
        theirs = imaplib.IMAP4("127.0.0.1", tenants.service.ports["imap"], timeout=30)
        theirs.login("other", tenants.login["other"]["secret"])
        theirs.select(folder, readonly=True)
        rows = theirs.fetch("1:*", "(EMAILID THREADID)")[1]
        assert rows[0]
        for row in rows:
            email, thread = re.search(rb"EMAILID \(([^)]+)\)", row)[1].decode(), re.search(rb"THREADID \(([^)]+)\)", row)[1].decode()
            assert client.search(None, "EMAILID", email)[1] == [b""] and client.search(None, "THREADID", thread)[1] == [b""]
        whole = b"".join(part for item in client.fetch("1:*", "(BODY.PEEK[] ENVELOPE)")[1] if item for part in (item if isinstance(item, tuple) else (item,)))
        assert SECRET_WORD.encode() not in whole
        assert client.search(None, "TEXT", SECRET_WORD)[1] == [b""]
        assert len(client.uid("SEARCH", "UID", "1:4294967295")[1][0].split()) == count
        theirs.logout()
    client.logout()


def test_nothing_is_put_into_another_mailbox(tenants):
    before = everything_of_other(tenants)
    client = tenants.imap()
    client.select("INBOX")
    for target in ("other", "~other/INBOX", "#user/other", "../other/INBOX", "other@" + DOMAIN):
        for command in (("COPY", "1", f'"{target}"'), ("MOVE", "1", f'"{target}"')):
            assert client.xatom(*command)[0] == "NO"
            assert client.uid(command[0], "1", command[2])[0] == "NO"
        assert client.append(f'"{target}"', None, None, b"Subject: x\r\n\r\n")[0] == "NO"
    with pytest.raises(imaplib.IMAP4.error, match="unknown command"):
        client.xatom("SETQUOTA", '"other"', "(STORAGE 1)")
    client.logout()
    assert everything_of_other(tenants) == before


# ---- POP3 ---------------------------------------------------------------------------------------------------------------------------------

def pop3(tenants, user, secret) -> str:
    client = poplib.POP3("127.0.0.1", tenants.service.ports["pop3"], timeout=30)
    try:
        client.user(user)
        client.pass_(secret)
        return str(client.list()[1]) + str([client.retr(number + 1)[1] for number in range(client.stat()[0])])
    except poplib.error_proto as error:
        return "refused: " + str(error)
    finally:
        client.close()


@pytest.mark.parametrize("user", ["other", "other/Unmatched", "other/INBOX", f"other@{DOMAIN}", "acme/../other", "acme/../other/INBOX", "acme/other", "acme/~other", "acme/#user/other",
                                  "acme other", "other*acme", "acme*other", "acme,other", "other%acme", "other*agent-acme", "acme/INBOX/../../other/INBOX", "~other", "acme@other"])
def test_one_s_secret_opens_no_other_mailbox_by_pop3(tenants, user):
    said = pop3(tenants, user, tenants.login["acme"]["secret"])
    assert said.startswith("refused: ") and SECRET_WORD not in said
    assert said == pop3(tenants, user.replace("other", "nobody"), tenants.login["acme"]["secret"])


# ---- Agents -------------------------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("user, secret", [
    ("other*agent-acme", "acme"), (f"other@{DOMAIN}*agent-acme", "acme"), ("acme*agent-other", "acme"), ("other*agent-other", "acme"), ("acme*agent-acme", "other"),
    ("other/INBOX*agent-acme", "acme"), ("other**agent-acme", "acme"), ("acme*agent-acme*other", "acme"), ("agent-acme", "acme"), ("*agent-acme", "acme"), ("other*", "acme")])
def test_an_agent_reads_what_he_was_given_and_no_more(tenants, user, secret):
    with pytest.raises(imaplib.IMAP4.error) as refusal:
        tenants.imap(user, tenants.agent[secret]["secret"])
    with pytest.raises(imaplib.IMAP4.error) as unknown:
        tenants.imap(user.replace("other", "nobody"), "x" * 26)
    assert str(refusal.value) == str(unknown.value)
    assert pop3(tenants, user, tenants.agent[secret]["secret"]).startswith("refused: ")


@pytest.mark.parametrize("identity", [b"other\0agent-acme\0%s", b"other\0acme*agent-acme\0%s", b"other\0acme\0%s", b"acme\0other\0%s", b"other*agent-other\0agent-acme\0%s"])
def test_no_identity_of_sasl_leads_to_another_mailbox(tenants, identity):
    for secret in (tenants.agent["acme"]["secret"], tenants.login["acme"]["secret"]):
        client = imaplib.IMAP4("127.0.0.1", tenants.service.ports["imap"], timeout=30)
        with pytest.raises(imaplib.IMAP4.error, match="AUTHENTICATIONFAILED|BAD|syntax"):
            client.authenticate("PLAIN", lambda _: identity % secret.encode())
        client.shutdown()


# ---- SMTP ---------------------------------------------------------------------------------------------------------------------------------

def test_a_mail_to_two_customers_tells_neither_of_the_other(tenants):
    service = tenants.service
    token = service.mint("acme")
    with smtplib.SMTP("127.0.0.1", service.smtp_port, timeout=20) as client:
        client.sendmail("a@sender.test", [f"acme+one@{DOMAIN}", f"other+two@{DOMAIN}"], f"Subject: both {token}\r\n\r\nx\r\n".encode())

    def newest(name):
        message = service.http("GET", f"/v1/mailboxes/{name}/messages").json()["messages"][0]
        return (service.http("GET", f"/v1/messages/{message['id']}", key=tenants.key[name]).body + service.http("GET", f"/v1/messages/{message['id']}/raw").body).decode()
    service.wait_for(lambda: token in newest("acme") and token in newest("other"), "both have it")
    assert f"other+two@{DOMAIN}" not in newest("acme") and f"acme+one@{DOMAIN}" not in newest("other")
    assert service.http("GET", token_path(token), key=tenants.key["acme"]).json()["verdict"] == "arrived"
    mails = service.http("GET", "/v1/mailboxes/other/messages").json()["messages"]
    assert mails[0]["kind"] == "unmatched", "another's token proves nothing in one's own mailbox"
