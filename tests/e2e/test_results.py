"""What checks came to: posted by the HTTP API, kept, summed up by the hour, shown, expired; and each key with what it may see."""

import datetime
import json
import os
import subprocess

import pytest

HOUR = datetime.timedelta(hours=1)
NOW = datetime.datetime.now(datetime.timezone.utc).replace(minute=30, second=0, microsecond=0) - HOUR


def at(ago=datetime.timedelta(), us=0):
    return (NOW - ago + datetime.timedelta(microseconds=us)).isoformat(timespec="microseconds").replace("+00:00", "Z")


def result(check="probe/acme.mx-1", ago=datetime.timedelta(), us=0, **members):
    """A good round trip, but for the members given."""
    return {"id": f"{check}#{at(ago, us)}", "check": check, "kind": "round-trip", "scenario": 2, "mailbox": None, "started_at": at(ago, us),
            "took_s": 3.5, "state": "OK", "verdict": "arrived", "cause": None, "step": None, "host": "mx1.example[192.0.2.1]:25", "code": 250,
            "reply": "2.0.0 queued", "reason": "the mail arrived after 3.2 s", "deferred": False,
            "times": {"connect": 0.012345, "banner": 0.1, "total": 3.2}, "changes": ["It came by another way."],
            "document": {"hops": [{"by": "mx1.example", "delay_s": 0.3}], "text": "a\x1b[31m red"}} | members


def failed(**members):
    return result(**{"state": "CRITICAL", "verdict": "not-sent", "step": "connect", "cause": "server mx1.example:25 connect",
                     "reason": "connecting took too long", "times": {"connect": 30}} | members)


def post(service, *results, key="", status=200):
    answer = service.http("POST", "/v1/results", body={"results": list(results)}, key=key)
    assert answer.status == status, answer.body
    return answer.json()


def told(answer):
    return [one["result"] for one in answer["results"]]


def get(service, path, key="", status=200):
    answer = service.http("GET", path, key=key)
    assert answer.status == status, answer.body
    return answer.json()


NAME = "probe%2Facme.mx-1"


def verify(service):
    assert service.run("mailtestctl", "-c", service.config_file, "verify").returncode == 0


@pytest.fixture
def tenants(service):
    """Two mailboxes, each with a key of its own."""
    keys = {}
    for name in ("acme", "other"):
        service.add_mailbox(name)
        keys[name] = service.ctl("api-key", "add", "--mailbox", name, "--json")["key"]
    return keys


def test_a_result_is_kept_as_it_was_posted(service):
    mine = result()
    assert told(post(service, mine)) == ["stored"]
    shown = get(service, f"/v1/checks/{NAME}")
    kept = shown.pop("result")
    assert {**kept, "check": mine["check"], "mailbox": None} == {**mine, "received_at": kept["received_at"],
                                                                   "document_octets": kept["document_octets"]}
    assert shown == {"check": mine["check"], "mailbox": None, "kind": "round-trip", "state": "OK", "since": mine["started_at"],
                     "verdict": "arrived", "last_at": mine["started_at"], "known_since": shown["known_since"], "runs": 1,
                     "states": {"OK": 1, "WARNING": 0, "CRITICAL": 0, "UNKNOWN": 0}, "results_kept": 1, "hours_kept": 1}
    assert service.ctl("check", "show", mine["check"], "--json")["result"] == kept


def test_the_same_run_is_stored_once_and_can_be_corrected(service):
    first = failed()
    assert told(post(service, first, first)) == ["stored", "replaced"]
    assert told(post(service, first | {"verdict": "late", "state": "WARNING", "times": {"total": 700.5}})) == ["replaced"]
    shown = get(service, f"/v1/checks/{NAME}")
    assert (shown["runs"], shown["results_kept"], shown["state"], shown["verdict"]) == (1, 1, "WARNING", "late")
    assert shown["states"] == {"OK": 0, "WARNING": 1, "CRITICAL": 0, "UNKNOWN": 0}
    [hour] = get(service, f"/v1/checks/{NAME}/results?resolution=hour")["hours"]
    assert (hour["runs"], hour["verdicts"]) == (1, {"late": 1})
    assert hour["total"]["min_s"] == hour["total"]["max_s"] == hour["total"]["sum_s"] == 700.5
    assert "connect" not in hour["times"]
    verify(service)


def test_sums_of_hours_are_exact(service):
    totals = [0.1 + 0.013 * i for i in range(200)]
    post(service, *[result(us=i, times={"total": total, "tls": total / 10}) for i, total in enumerate(totals)])
    post(service, *[failed(us=1000 + i, deferred=True) for i in range(3)], failed(ago=HOUR))
    [hour, before] = get(service, f"/v1/checks/{NAME}/results?resolution=hour")["hours"]
    assert before["runs"] == 1 and before["total"] is None
    assert hour["hour"] == at()[:14] + "00:00Z"
    assert (hour["runs"], hour["deferred"]) == (203, 3)
    assert hour["states"] == {"OK": 200, "WARNING": 0, "CRITICAL": 3, "UNKNOWN": 0}
    assert hour["verdicts"] == {"arrived": 200, "not-sent": 3}
    total = hour["total"]
    assert total["count"] == 200
    assert total["sum_s"] == pytest.approx(sum(totals), abs=1e-9)
    assert (total["min_s"], total["max_s"]) == (0.1, pytest.approx(totals[-1]))
    for percent, name in ((50, "p50_s"), (95, "p95_s"), (99, "p99_s")):
        exact = totals[200 * percent // 100 - 1]
        assert exact / 1.01 <= total[name] <= exact * 1.42
    assert hour["times"]["connect"] == {"count": 3, "sum_s": 90, "average_s": 30, "min_s": 30, "max_s": 30}
    assert service.ctl("check", "history", "probe/acme.mx-1", "--hourly", "--json")["hours"] == [hour, before]
    verify(service)


def test_since_tells_when_the_state_began(service):
    minute = HOUR / 60
    post(service, result(ago=9 * minute), failed(ago=8 * minute), failed(ago=7 * minute), failed(ago=6 * minute))
    assert get(service, f"/v1/checks/{NAME}")["since"] == at(8 * minute)
    post(service, result(ago=6.5 * minute))                 # one that comes after its time
    assert get(service, f"/v1/checks/{NAME}")["since"] == at(6 * minute)
    post(service, failed(ago=6.5 * minute))                 # corrected
    assert get(service, f"/v1/checks/{NAME}")["since"] == at(8 * minute)
    post(service, result(ago=6 * minute))
    shown = get(service, f"/v1/checks/{NAME}")
    assert (shown["state"], shown["since"]) == ("OK", at(6 * minute))


def test_checks_are_listed(service, tenants):
    post(service, result(check="b"), failed(check="a"), result(check="c", mailbox="acme", state="WARNING"), result(check="B"))
    listed = get(service, "/v1/checks")
    assert [one["check"] for one in listed["checks"]] == ["B", "a", "b", "c"] and listed["next"] is None
    assert "document" not in listed["checks"][0]["result"]
    assert [one["check"] for one in get(service, "/v1/checks?state=critical,WARNING")["checks"]] == ["a", "c"]
    assert [one["check"] for one in get(service, "/v1/checks?mailbox=acme")["checks"]] == ["c"]
    assert [one["check"] for one in get(service, "/v1/checks?mailbox=")["checks"]] == ["B", "a", "b"]
    pages, cursor = [], ""
    while cursor is not None:
        page = get(service, f"/v1/checks?limit=1{cursor and '&cursor=' + cursor}")
        pages += [one["check"] for one in page["checks"]]
        cursor = page["next"]
    assert pages == ["B", "a", "b", "c"]
    assert [one["check"] for one in service.ctl("check", "list", "--json")["checks"]] == ["B", "a", "b", "c"]
    assert [one["check"] for one in service.ctl("check", "list", "--state", "Critical", "--json")["checks"]] == ["a"]
    assert [one["check"] for one in service.ctl("check", "list", "--mailbox", "acme", "--json")["checks"]] == ["c"]
    text = service.ctl("check", "list")
    assert "connecting took too long" in text and "CRITICAL" in text
    service.wait_for(lambda: service.metric("mailtest_checks_critical") == 1, "the gauge follows")
    page = service.http("GET", "/", key=None).body.decode()
    assert "<tr><td>Checks that are critical</td><td>1</td></tr>" in page
    assert service.metric("mailtest_results_total") == 4 and service.metric("mailtest_results_ok_total") == 2


def test_history_newest_first_by_pages_times_and_verdicts(service):
    minute = HOUR / 60
    runs = [(failed if i % 10 == 0 else result)(ago=i * minute) for i in range(100)]
    assert post(service, *runs)["stored"] == 100
    times = [run["started_at"] for run in runs]
    pages, cursor = [], ""
    while cursor is not None:
        page = get(service, f"/v1/checks/{NAME}/results?limit=7{cursor and '&cursor=' + cursor}")
        pages += page["results"]
        cursor = page["next"]
    assert [one["started_at"] for one in pages] == times and "document" not in pages[0]
    found = get(service, f"/v1/checks/{NAME}/results?verdict=not-sent")["results"]
    assert [one["started_at"] for one in found] == times[::10]
    span = f"from={times[30]}&to={times[20]}"
    assert [one["started_at"] for one in get(service, f"/v1/checks/{NAME}/results?{span}")["results"]] == times[21:31]
    [with_document] = get(service, f"/v1/checks/{NAME}/results?documents=yes&limit=1")["results"]
    assert with_document["document"]["hops"][0]["by"] == "mx1.example"
    assert get(service, f"/v1/checks/{NAME}?at={times[55]}")["result"]["started_at"] == times[55]
    assert get(service, f"/v1/checks/{NAME}?at=1000000000")["result"] is None
    history = service.ctl("check", "history", "probe/acme.mx-1", "--verdict", "not-sent", "--limit", "3", "--json")["results"]
    assert [one["started_at"] for one in history] == times[:30:10]
    assert [one["started_at"] for one in service.ctl("check", "history", "probe/acme.mx-1", "--from", times[1], "--json")["results"]] == times[:2]
    assert service.ctl("check", "show", "probe/acme.mx-1", "--at", times[7], "--json")["result"]["started_at"] == times[7]


def test_what_a_server_said_cannot_move_the_cursor(service):
    post(service, failed(reply="550 \x1b[2Jgone\r\n\u202etxt", code=550, document={"a\x1b[31m": ["\x07", {"deep": "\x9b"}]}))
    for command in (("list",), ("show", "probe/acme.mx-1"), ("history", "probe/acme.mx-1")):
        text = service.ctl("check", *command)
        assert not set(text) & {"\x1b", "\x07", "\r", "\x9b", "\u202e"}, command
    assert "550" in text or "connect" in text
    shown = service.ctl("check", "show", "probe/acme.mx-1")
    assert "\\x1B[2Jgone" in shown or "\\x1b[2Jgone" in shown
    assert "at step" in shown and "connect" in shown


def test_each_key_sees_and_writes_its_own(service, tenants):
    post(service, result(mailbox="acme", reason="of acme"), result(mailbox="other", reason="of other"), result(reason="of none"))
    acme = tenants["acme"]
    assert [one["mailbox"] for one in get(service, "/v1/checks", key=acme)["checks"]] == ["acme"]
    assert get(service, f"/v1/checks/{NAME}", key=acme)["result"]["reason"] == "of acme"
    assert len(get(service, f"/v1/checks/{NAME}/results", key=acme)["results"]) == 1
    post(service, result(check="theirs", mailbox="other"))
    unknown = get(service, "/v1/checks/theirs", key=acme, status=404), get(service, "/v1/checks/nobodys", key=acme, status=404)
    assert unknown[0] == unknown[1]
    for path in ("/v1/checks?mailbox=other", f"/v1/checks/{NAME}?mailbox=other", f"/v1/checks/{NAME}/results?mailbox=other",
                 f"/v1/checks/{NAME}?mailbox=", "/v1/checks?mailbox=nobody", "/v1/checks/theirs/results?resolution=hour"):
        get(service, path, key=acme, status=404)
    other = get(service, "/v1/checks?limit=1", key="")["next"]
    assert other is not None
    answer = post(service, result(mailbox="other", us=1), result(us=2), result(mailbox="nobody", us=3), result(mailbox="ACME", us=4), key=acme)
    assert told(answer) == ["refused", "refused", "refused", "stored"]
    assert [one.get("status") for one in answer["results"]] == [404, 404, 404, None]
    assert answer["results"][0]["detail"] == answer["results"][2]["detail"]
    # The operator's key says which; so does mailtestctl.
    assert "mailbox=NAME" in get(service, f"/v1/checks/{NAME}", status=409)["detail"]
    assert get(service, f"/v1/checks/{NAME}?mailbox=other")["result"]["reason"] == "of other"
    assert get(service, f"/v1/checks/{NAME}?mailbox=")["result"]["reason"] == "of none"
    done = service.run("mailtestctl", "-c", service.config_file, "check", "show", "probe/acme.mx-1")
    assert done.returncode == os.EX_DATAERR and "--mailbox" in done.stderr
    assert service.ctl("check", "show", "probe/acme.mx-1", "--mailbox", "-", "--json")["result"]["reason"] == "of none"
    get(service, "/v1/checks", key=None, status=401)


def test_a_cursor_of_another_key_is_none(service, tenants):
    post(service, result(check="a", mailbox="other"), result(check="b", mailbox="other"), result(check="c", mailbox="acme"))
    cursor = get(service, "/v1/checks?mailbox=other&limit=1")["next"]
    get(service, f"/v1/checks?cursor={cursor}", key=tenants["acme"], status=400)
    get(service, "/v1/checks?cursor=4000000000", key=tenants["acme"], status=400)


BAD = [
    ("no object", 7, "object"),
    ("no name", result(check=""), "name"),
    ("a name with a blank", result(check="a b"), "name"),
    ("a name that is too long", result(check="x" * 101), "name"),
    ("a name that is none", result(check=["x"]), "name"),
    ("a name with a NUL", result(check="a\0b"), "name"),
    ("another kind", result(kind="ping"), "kind"),
    ("another state", result(state="FINE"), "state"),
    ("an odd verdict", result(verdict="no good"), "verdict"),
    ("a long verdict", result(verdict="x" * 32), "verdict"),
    ("an odd step", result(step="a step\n"), "step"),
    ("a day that is none", result(started_at="2026-13-01T00:00:00Z"), "started_at"),
    ("a time without form", result(started_at=1795233000), "started_at"),
    ("too far ahead", result(started_at=at(datetime.timedelta(hours=-30))), "ahead"),
    ("too old", result(started_at="2001-01-01T00:00:00Z"), "older"),
    ("before all time", result(started_at="1970-01-01T00:00:00Z"), "started_at"),
    ("negative", result(took_s=-1), "took_s"),
    ("endless", result(took_s=1e300), "took_s"),
    ("a text for a number", result(took_s="3"), "took_s"),
    ("a huge integer", result(took_s=2 ** 62), "took_s"),
    ("a negative time", result(times={"total": -0.1}), "time"),
    ("an endless time", result(times={"total": 1e18}), "time"),
    ("a text as a time", result(times={"total": "1"}), "time"),
    ("an odd name of a time", result(times={"a b": 1}), "times"),
    ("a name of a time that is too long", result(times={"x" * 17: 1}), "times"),
    ("many times", result(times={f"t{i}": 1 for i in range(25)}), "24"),
    ("times that are none", result(times=[1]), "times"),
    ("an odd code", result(code=1000), "code"),
    ("a negative code", result(code=-1), "code"),
    ("a huge code", result(code=2 ** 62), "code"),
    ("another scenario", result(scenario=6), "scenario"),
    ("many changes", result(changes=["x"] * 65), "changes"),
    ("a change that is no text", result(changes=[1]), "changes"),
    ("a document that is none", result(document=[1]), "document"),
    ("a deep document", result(document={"a": json.loads("[" * 100 + "]" * 100)}), "within"),
    ("deferred what", result(deferred="yes"), "deferred"),
    ("a member too many", result() | {"colour": "red"}, "member"),
    ("something missing", {name: value for name, value in result().items() if name != "state"}, "state"),
]


def test_bad_results_are_refused_one_by_one(service):
    good = result(us=77)
    answer = post(service, *[bad for _, bad, _ in BAD], good)
    for (label, _, word), one in zip(BAD, answer["results"]):
        assert one["result"] == "refused" and one["status"] == 400 and word in one["detail"], (label, one)
    assert answer["results"][-1] == {"check": good["check"], "started_at": good["started_at"], "result": "stored"}
    assert (answer["stored"], answer["refused"]) == (1, len(BAD))
    assert get(service, f"/v1/checks/{NAME}")["runs"] == 1


def test_bad_requests_are_refused_whole(service):
    def status(body):
        return service.http("POST", "/v1/results", body=body).status
    assert status(b'{"results": [{"took_s": NaN}]}') == 400
    assert status(b'{"results": [{"took_s": 1e999}]}') == 400
    assert status({"results": []}) == status({"results": {}}) == status({}) == status({"result": [result()]}) == 400
    assert status({"results": [result(us=i) for i in range(501)]}) == 413
    assert status(b'{"results": [' + b"[" * 100000 + b"]" * 100000 + b"]}") == 400
    # Far over the limit the connection may be cut before all of it was sent.
    try:
        assert status({"results": [result(document={"a": "x" * 10_000_000})]}) == 413
    except OSError:
        pass
    assert get(service, "/v1/checks")["checks"] == []


def test_long_texts_are_cut_and_a_long_document_is_left_out(make_service):
    service = make_service(http={"body_max_bytes": 16 << 20})
    post(service, result(reply="ä" * 5000, reason="x" * 70000, document={"a": "x" * 10_000_000}, changes=["y" * 9000, "z"]))
    kept = get(service, f"/v1/checks/{NAME}")["result"]
    assert kept["reply"] == "ä" * 300 and len(kept["reason"]) == 1000
    assert kept["document"] is None and kept["document_octets"] == 10_000_008
    assert "too long to be kept" in service.ctl("check", "show", "probe/acme.mx-1")
    # Half a thousand that come in one go are far more than one message to the store takes.
    answer = post(service, *[result(check=f"c{i}", document={"a": "x" * 20000}) for i in range(500)])
    assert answer["stored"] == 500
    assert get(service, "/v1/checks/c499")["result"]["document"] == {"a": "x" * 20000}


def test_more_than_one_in_five_seconds_is_refused(service):
    hour = NOW.replace(minute=0)
    many = [result(started_at=(hour + datetime.timedelta(seconds=i)).isoformat().replace("+00:00", "Z")) for i in range(721)]
    assert post(service, *many[:500])["stored"] == 500
    answer = post(service, *many[500:])
    assert told(answer) == ["stored"] * 220 + ["refused"] and answer["results"][-1]["status"] == 429


def test_results_outlive_the_service_and_go_into_a_backup(service, tmp_path):
    post(service, failed(), result(ago=HOUR))
    before = get(service, f"/v1/checks/{NAME}"), get(service, f"/v1/checks/{NAME}/results?resolution=hour")
    service.crash()
    service.start()
    assert (get(service, f"/v1/checks/{NAME}"), get(service, f"/v1/checks/{NAME}/results?resolution=hour")) == before
    service.wait_for(lambda: service.metric("mailtest_checks_critical") == 1, "the gauge is there again")
    service.ctl("backup", tmp_path / "backup")
    service.ctl("check", "delete", "probe/acme.mx-1", "--yes")
    assert get(service, f"/v1/checks/{NAME}", status=404)["status"] == 404
    verify(service)
    service.stop()
    service.ctl("restore", tmp_path / "backup", "--yes")
    service.start()
    assert get(service, f"/v1/checks/{NAME}") == before[0]
    verify(service)


def test_results_are_salvaged(service, tmp_path):
    post(service, failed(), result(ago=HOUR))
    before = get(service, f"/v1/checks/{NAME}"), get(service, f"/v1/checks/{NAME}/results?resolution=hour")
    service.stop()
    service.ctl("salvage", service.scratch / "state", tmp_path / "salvaged")
    service.ctl("verify", tmp_path / "salvaged")
    service.ctl("restore", tmp_path / "salvaged", "--yes")
    service.start()
    assert (get(service, f"/v1/checks/{NAME}"), get(service, f"/v1/checks/{NAME}/results?resolution=hour")) == before
    verify(service)


def test_results_expire_and_their_sums_stay_longer(make_service):
    day = 24 * HOUR
    service = make_service(retention={"result_days": 90, "result_sum_days": 730})
    post(service, *[failed(ago=40 * day, us=i) for i in range(300)], *[result(ago=2 * day, us=i) for i in range(3)])
    post(service, result(check="once", ago=40 * day))
    hours = get(service, f"/v1/checks/{NAME}/results?resolution=hour")["hours"]
    service.write_configuration(retention={"result_days": 30})
    service.reload()
    service.wait_for(lambda: get(service, f"/v1/checks/{NAME}")["results_kept"] == 3, "the old ones have gone")
    verify(service)
    shown = get(service, f"/v1/checks/{NAME}")
    assert (shown["runs"], shown["hours_kept"]) == (303, 2)
    assert get(service, f"/v1/checks/{NAME}/results?resolution=hour")["hours"] == hours
    assert told(post(service, result(ago=40 * day, us=5))) == ["refused"]
    service.write_configuration(retention={"result_days": 90})
    service.reload()                    # what has gone does not come back, nor is it counted twice
    service.wait_for_log(r"(?s)event=reload.*event=reload")
    assert told(post(service, result(ago=40 * day, us=5))) == ["refused"]
    service.write_configuration(retention={"result_days": 1, "result_sum_days": 1})
    service.reload()
    service.wait_for(lambda: get(service, "/v1/checks")["checks"] == [], "nothing is known of them any more")
    verify(service)


def test_a_mailbox_takes_its_checks_with_it(service, tenants):
    post(service, *[result(mailbox="acme", us=i) for i in range(50)], result(check="none"))
    service.ctl("mailbox", "delete", "acme", "--yes")
    assert [one["check"] for one in get(service, "/v1/checks")["checks"]] == ["none"]
    service.add_mailbox("acme")
    key = service.ctl("api-key", "add", "--mailbox", "acme", "--json")["key"]
    get(service, f"/v1/checks/{NAME}", key=key, status=404)
    assert get(service, "/v1/checks", key=key)["checks"] == []
    service.wait_for(lambda: service.metric("mailtest_checks_ok") == 1, "they are removed")
    verify(service)


def test_mailtestctl_says_what_is_wrong(service):
    def fails(*arguments):
        done = service.run("mailtestctl", "-c", service.config_file, "check", *arguments)
        assert done.returncode != 0 and done.stderr.startswith("mailtestctl: ")
        return done.stderr
    assert "no name of a check" in fails("show", "a b")
    assert "check nothing" in fails("show", "nothing")
    assert "--state" in fails("list", "--state", "broken")
    assert "--from" in fails("history", "x", "--from", "yesterday")
    assert "--hourly" in fails("history", "x", "--hourly", "--verdict", "late")
    assert "mailbox" in fails("list", "--mailbox", "nobody")
    post(service, result(check="x"))
    assert "--yes" in fails("delete", "x")
    assert service.ctl("check", "delete", "x", "--yes", "--json") == {"check": "x", "results_deleted": 1}
    assert subprocess.run([service.build / "mailtestctl", "check", "--help"], capture_output=True, text=True, check=True).stdout.count("history") >= 1
