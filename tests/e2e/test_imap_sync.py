"""The selected folder and its changes: what several sessions hear of each other, \\Recent, keywords, and QRESYNC (RFC 7162)."""

import re
import smtplib
import socket

import pytest

from service import DOMAIN

SESSION_TRANSACTIONS = 500


class Client:
    """One session, line by line, so that the order of what is said can be looked at."""

    def __init__(self, service, *enabled: str):
        self.socket = socket.create_connection(("127.0.0.1", service.ports["imap"]), timeout=20)
        self.file = self.socket.makefile("rb")
        self.tags = 0
        self.file.readline()
        self.ok(f"LOGIN acme {service.acme['secret']}")
        if enabled:
            self.ok(f"ENABLE {' '.join(enabled)}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()
        self.socket.close()

    def line(self) -> str:
        line = self.file.readline()
        assert line.endswith(b"\r\n"), line
        return line[:-2].decode()

    def send(self, text: str) -> None:
        self.socket.sendall(text.encode() + b"\r\n")

    def command(self, text: str) -> list[str]:
        """All lines of the answer; the tag is left out of the last one."""
        self.tags += 1
        tag = f"t{self.tags}"
        self.send(f"{tag} {text}")
        lines = []
        while not (line := self.line()).startswith(tag + " "):
            lines.append(line)
        return [*lines, line.removeprefix(tag + " ")]

    def ok(self, text: str) -> list[str]:
        lines = self.command(text)
        assert lines[-1].startswith("OK"), lines
        return lines

    def untagged(self, text: str) -> list[str]:
        return self.ok(text)[:-1]

    def select(self, parameters: str = "", command: str = "SELECT") -> dict:
        """What a SELECT tells, by name; what came for QRESYNC under "missed"."""
        lines = self.ok(f"{command} Unmatched{parameters}")
        text = "\n".join(lines)
        told = {name: int(re.search(rf"^\* (\d+) {name}$", text, re.M).group(1)) for name in ("EXISTS", "RECENT")}
        for name in ("UIDVALIDITY", "UIDNEXT", "HIGHESTMODSEQ"):
            told[name] = int(re.search(rf"\[{name} (\d+)\]", text).group(1))
        told["FLAGS"] = re.search(r"^\* FLAGS \((.*)\)$", text, re.M).group(1).split()
        told["PERMANENTFLAGS"] = re.search(r"\[PERMANENTFLAGS \((.*)\)\]", text).group(1).split()
        told["missed"] = [line for line in lines if "VANISHED" in line or " FETCH " in line]
        told["lines"] = lines
        return told

    def found(self, keys: str, command: str = "SEARCH") -> list[int]:
        answer, = (line for line in self.untagged(f"{command} {keys}") if line.startswith("* SEARCH"))
        return [int(number) for number in answer.split()[2:]]

    def status_recent(self) -> int:
        return int(re.search(r"\(RECENT (\d+)\)", self.untagged("STATUS Unmatched (RECENT)")[0]).group(1))

    def idle(self) -> None:
        self.send("idle IDLE")
        assert self.line().startswith("+")

    def done(self) -> list[str]:
        self.send("DONE")
        lines = []
        while not (line := self.line()).startswith("idle "):
            lines.append(line)
        assert line.startswith("idle OK"), line
        return lines


def deliver(service, count: int = 1) -> None:
    """Mail without a token: it goes to Unmatched."""
    for first in range(0, count, SESSION_TRANSACTIONS):
        with smtplib.SMTP("127.0.0.1", service.smtp_port, timeout=20) as smtp:
            for _ in range(first, min(first + SESSION_TRANSACTIONS, count)):
                smtp.sendmail("a@sender.test", [f"acme@{DOMAIN}"], b"Subject: hello\r\n\r\nhello\r\n")


def wait_until_claimed(service) -> None:
    """Until the other processes know what a session of one of them was told of as recent."""
    with Client(service) as client:
        service.wait_for(lambda: client.status_recent() == 0, "nothing being recent any more")


def delete(client: Client, uids: str) -> list[str]:
    client.ok(f"UID STORE {uids} +FLAGS.SILENT (\\Deleted)")
    return client.ok("EXPUNGE")


# ---- Several sessions -----------------------------------------------------------------------------------------------------------


def test_three_sessions_hear_of_each_other_in_the_right_order(acme):
    deliver(acme, 4)
    with Client(acme) as one, Client(acme) as two, Client(acme, "QRESYNC") as three:
        for client in (one, two, three):
            client.select()
        three.idle()
        one.ok("STORE 4 +FLAGS (\\Flagged)")
        assert three.line().startswith("* 4 FETCH (UID 4 FLAGS (\\Flagged")
        assert delete(one, "1,3")[:-1] == ["* 1 EXPUNGE", "* 2 EXPUNGE"]
        heard = [three.line() for _ in range(3)]
        assert [line for line in heard if "FETCH" in line] == heard[:2]
        vanished = heard[2:]
        while not vanished[-1].endswith("3"):
            vanished.append(three.line())
        assert vanished in (["* VANISHED 1,3"], ["* VANISHED 1", "* VANISHED 3"])
        deliver(acme)
        assert three.line() == "* 3 EXISTS"
        assert three.line() == "* 1 RECENT"
        assert three.done() == []
        # Two has heard nothing yet: numbers stay during FETCH, and a message that has gone has no answer.
        assert not any("EXPUNGE" in line or "EXISTS" in line for line in two.untagged("FETCH 2 (FLAGS)")[:1])
        lines = two.untagged("NOOP")
        assert [line for line in lines if "EXPUNGE" in line] == ["* 1 EXPUNGE", "* 2 EXPUNGE"]
        assert two.found("ALL", "UID SEARCH") == [2, 4, 5]
        assert one.untagged("NOOP") == ["* 3 EXISTS", "* 2 RECENT"]
        assert one.found("ALL", "UID SEARCH") == [2, 4, 5]
        assert three.found("ALL", "UID SEARCH") == [2, 4, 5]


def test_numbers_stay_while_messages_go_until_they_may_move(acme):
    deliver(acme, 3)
    with Client(acme) as one, Client(acme, "QRESYNC") as two:
        one.select()
        two.select()
        delete(one, "1")
        for command in ("FETCH 2 (UID)", "STORE 2 +FLAGS (\\Seen)", "SEARCH ALL"):
            assert not any("VANISHED" in line for line in two.untagged(command)), command
        assert "* VANISHED 1" in two.untagged("UID FETCH 2 (UID)") + two.untagged("NOOP")


# ---- \Recent ----------------------------------------------------------------------------------------------------------------------


def test_the_first_session_that_may_write_has_the_recent_ones(acme):
    deliver(acme, 3)
    with Client(acme) as client:
        assert client.select(command="EXAMINE")["RECENT"] == 3
        assert client.status_recent() == 3
    with Client(acme) as first, Client(acme) as second:
        assert first.select()["RECENT"] == 3
        assert second.select()["RECENT"] == 0
        assert second.status_recent() == 0
        assert first.untagged("FETCH 1:3 (FLAGS)") == [f"* {n} FETCH (FLAGS (\\Recent))" for n in (1, 2, 3)]
        assert second.untagged("FETCH 1:3 (FLAGS)") == [f"* {n} FETCH (FLAGS ())" for n in (1, 2, 3)]
        first.ok("STORE 1 +FLAGS.SILENT (\\Seen)")
        assert [first.found(key) for key in ("RECENT", "NEW", "OLD")] == [[1, 2, 3], [2, 3], []]
        assert [second.found(key) for key in ("RECENT", "NEW", "OLD")] == [[], [], [1, 2, 3]]
        assert first.select()["RECENT"] == 0


def test_an_arrival_is_recent_for_one_of_those_that_hear_of_it(acme):
    with Client(acme) as one, Client(acme) as two, Client(acme) as reader:
        one.select()
        two.select()
        reader.select(command="EXAMINE")
        one.idle()
        deliver(acme)
        assert [one.line(), one.line()] == ["* 1 EXISTS", "* 1 RECENT"]
        wait_until_claimed(acme)
        assert [line for line in two.untagged("NOOP") if "FETCH" not in line] == ["* 1 EXISTS", "* 0 RECENT"]
        assert one.done() == []
        deliver(acme)
        assert two.untagged("NOOP") == ["* 2 EXISTS", "* 1 RECENT"]
        wait_until_claimed(acme)
        assert one.untagged("NOOP") == ["* 2 EXISTS", "* 1 RECENT"]
        assert reader.untagged("NOOP") == ["* 2 EXISTS", "* 0 RECENT"]
        assert one.untagged("FETCH 1:2 (FLAGS)") == ["* 1 FETCH (FLAGS (\\Recent))", "* 2 FETCH (FLAGS ())"]
        assert two.untagged("FETCH 1:2 (FLAGS)") == ["* 1 FETCH (FLAGS ())", "* 2 FETCH (FLAGS (\\Recent))"]
    with Client(acme) as later:
        assert later.select()["RECENT"] == 0


def test_with_imap4rev2_nothing_is_recent(acme):
    deliver(acme)
    with Client(acme, "IMAP4rev2") as client:
        lines = client.ok("SELECT Unmatched")
        assert not any("RECENT" in line.upper() for line in lines)
        assert client.untagged("FETCH 1 (FLAGS)") == ["* 1 FETCH (FLAGS ())"]
        deliver(acme)
        assert client.untagged("NOOP") == ["* 2 EXISTS"]


def test_a_select_with_nothing_new_writes_nothing(acme):
    deliver(acme)
    with Client(acme) as client:
        client.select()
        database = acme.config_file.parent.rglob("data.mdb")
        before = {path: path.stat().st_mtime_ns for path in database}
        assert before
        for _ in range(5):
            client.select()
        assert before == {path: path.stat().st_mtime_ns for path in before}


# ---- CONDSTORE ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("command", "enables"), {
    "ENABLE CONDSTORE": True,
    "STATUS Unmatched (MESSAGES HIGHESTMODSEQ)": True,
    'LIST "" "*" RETURN (STATUS (HIGHESTMODSEQ))': True,
    "SEARCH MODSEQ 1": True,
    "UID SEARCH NOT MODSEQ 1": True,
    "SORT (ARRIVAL) UTF-8 MODSEQ 1": True,
    "FETCH 1 (MODSEQ)": True,
    "FETCH 1 (FLAGS) (CHANGEDSINCE 1)": True,
    "STORE 1 (UNCHANGEDSINCE 1000000) +FLAGS.SILENT (\\Seen)": True,
    "STATUS Unmatched (MESSAGES UNSEEN)": False,
    "SEARCH ALL": False,
    "SEARCH MODSEQ": False,
    "STATUS Unmatched (HIGHESTMODSEQ": False,
}.items())
def test_who_asks_for_a_modseq_hears_of_them_from_then_on(acme, command, enables):
    """RFC 7162 section 3.1: each of these commands says that the client knows of CONDSTORE. One that is refused says nothing."""
    deliver(acme, 2)
    with Client(acme) as client, Client(acme) as other:
        client.select()
        other.select()
        other.ok("STORE 2 +FLAGS ($One)")
        assert not any("MODSEQ" in line for line in client.untagged("NOOP"))
        client.command(command)
        other.ok("STORE 2 +FLAGS ($Two)")
        told = [line for line in client.untagged("NOOP") if line.startswith("* 2 FETCH ")]
        assert len(told) == 1 and ("MODSEQ (" in told[0]) == enables


# ---- Keywords -----------------------------------------------------------------------------------------------------------------------


def test_keywords_are_told_before_they_are_seen(acme):
    deliver(acme, 2)
    with Client(acme) as one, Client(acme) as two, Client(acme) as idler:
        for client in (one, two, idler):
            assert client.select()["FLAGS"] == ["\\Answered", "\\Flagged", "\\Deleted", "\\Seen", "\\Draft"]
        idler.idle()
        lines = one.untagged("STORE 1 +FLAGS ($Hot)")
        assert lines[0] == "* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft $Hot)"
        assert lines[1].startswith("* OK [PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft $Hot \\*)]")
        assert lines[2] == "* 1 FETCH (FLAGS (\\Recent $Hot))"
        assert idler.line() == lines[0]
        assert idler.line() == lines[1]
        assert "$Hot" in idler.line()
        assert idler.done() == []
        lines = two.untagged("FETCH 1 (FLAGS)")
        assert lines[0].startswith("* FLAGS (") and "$Hot" in lines[0]
        assert "* 1 FETCH (FLAGS ($Hot))" in lines
        assert not any(line.startswith("* FLAGS") for line in one.untagged("STORE 2 +FLAGS ($hot)"))
    acme.stop()
    acme.start()
    with Client(acme) as client:
        told = client.select()
        assert told["FLAGS"][-1] == "$Hot"
        assert told["PERMANENTFLAGS"][-2:] == ["$Hot", "\\*"]
        assert client.select(command="EXAMINE")["PERMANENTFLAGS"] == []
        client.ok("CREATE Kept")
        client.ok("UID COPY 1 Kept")
        assert "$Hot" in client.ok("SELECT Kept")[0] + client.ok("EXAMINE Kept")[1]


def test_modified_is_told_in_numbers_behind_store(acme):
    deliver(acme, 3)
    with Client(acme) as client:
        client.select()
        delete(client, "1")
        modseq = client.select()["HIGHESTMODSEQ"]
        client.ok("STORE 2 +FLAGS.SILENT (\\Seen)")
        assert "[MODIFIED 2]" in client.command(f"STORE 1:2 (UNCHANGEDSINCE {modseq}) +FLAGS.SILENT (\\Flagged)")[-1]
        assert "[MODIFIED 3]" in client.command(f"UID STORE 3 (UNCHANGEDSINCE {modseq}) +FLAGS.SILENT (\\Flagged)")[-1]


# ---- QRESYNC ------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("parameters", [
    " (QRESYNC)", " (QRESYNC ())", " (QRESYNC (1))", " (QRESYNC (0 1))", " (QRESYNC (1 0))", " (QRESYNC (1 9223372036854775808))",
    " (QRESYNC (1 1 *))", " (QRESYNC (1 1 1:*))", " (QRESYNC (1 1 1 (1:2 1)))", " (QRESYNC (1 1 1 (1)))", " (QRESYNC (1 1 $))",
    " (QRESYNC (1 1) QRESYNC (1 1))", " (QRESYNC (1 1)", " (OTHER)", " ()",
])
def test_what_is_no_qresync_is_refused(acme, parameters):
    with Client(acme, "QRESYNC") as client:
        client.select()
        assert client.command("SELECT INBOX" + parameters)[-1].startswith("BAD")
        assert client.ok("CHECK"), "the folder before stays selected"


def test_qresync_is_refused_before_it_is_enabled(acme):
    deliver(acme)
    with Client(acme) as client:
        assert client.command("SELECT Unmatched (QRESYNC (1 1))")[-1].startswith("BAD")
        client.select()
        assert client.command("UID FETCH 1 (FLAGS) (CHANGEDSINCE 1 VANISHED)")[-1].startswith("BAD")
        assert client.untagged("ENABLE QRESYNC") == ["* ENABLED QRESYNC"]
        assert client.command("FETCH 1 (FLAGS) (CHANGEDSINCE 1 VANISHED)")[-1].startswith("BAD")
        assert client.command("UID FETCH 1 (FLAGS) (VANISHED)")[-1].startswith("BAD")
        client.ok("UID FETCH 1 (FLAGS) (CHANGEDSINCE 1 VANISHED)")
        assert client.ok("SELECT INBOX")[0].startswith("* OK [CLOSED]")


def test_a_client_that_comes_back_hears_of_all_it_missed(acme):
    deliver(acme, 10)
    with Client(acme, "QRESYNC") as client:
        known = client.select()
    with Client(acme) as other:
        other.select()
        delete(other, "2:4,9")
        other.ok("UID STORE 5,8 +FLAGS.SILENT (\\Seen)")
    deliver(acme)
    with Client(acme, "QRESYNC") as client:
        validity, modseq = known["UIDVALIDITY"], known["HIGHESTMODSEQ"]
        told = client.select(f" (QRESYNC ({validity} {modseq}))")
        assert told["missed"][0] == "* VANISHED (EARLIER) 2:4,9"
        flags = [re.sub(r" MODSEQ \(\d+\)", "", line) for line in told["missed"][1:]]
        assert flags == ["* 2 FETCH (UID 5 FLAGS (\\Seen))", "* 5 FETCH (UID 8 FLAGS (\\Seen))", "* 7 FETCH (UID 11 FLAGS (\\Recent))"]
        assert told["HIGHESTMODSEQ"] > modseq
        assert told["lines"][-1].startswith("OK [READ-WRITE]")
        # Only what it asks for.
        assert client.select(f" (QRESYNC ({validity} {modseq} 1:3,8))")["missed"][0] == "* VANISHED (EARLIER) 2:3"
        assert [line for line in client.select(f" (QRESYNC ({validity} {modseq} 1:3,8))")["missed"] if "FETCH" in line][0].startswith("* 5 FETCH (UID 8")
        # What it knows rightly up to UID 5 did not vanish; the pairs behind it are wrong.
        assert client.select(f" (QRESYNC ({validity} {modseq} (1,2,9 1,5,9)))")["missed"][0] == "* VANISHED (EARLIER) 9"
        assert client.select(f" (QRESYNC ({validity} {modseq} 1:10 (1 1)))", "EXAMINE")["missed"][0] == "* VANISHED (EARLIER) 2:4,9"
        # Nothing, where nothing happened, and where it is another folder.
        assert client.select(f" (QRESYNC ({validity} {told['HIGHESTMODSEQ']}))")["missed"] == []
        assert client.select(f" (QRESYNC ({validity + 1} {modseq}))")["missed"] == []
        assert client.select(f" (CONDSTORE QRESYNC ({validity} {modseq}))")["missed"] != []


def test_uid_fetch_tells_what_vanished(acme):
    deliver(acme, 6)
    with Client(acme, "QRESYNC") as client:
        modseq = client.select()["HIGHESTMODSEQ"]
        assert client.untagged(f"UID FETCH 1:* (FLAGS) (CHANGEDSINCE {modseq} VANISHED)") == []
        delete(client, "2,5:6")
        client.ok("UID STORE 3 +FLAGS.SILENT (\\Seen)")
        lines = client.untagged(f"UID FETCH 1:* (FLAGS) (CHANGEDSINCE {modseq} VANISHED)")
        assert lines[0] == "* VANISHED (EARLIER) 2,5:6"
        assert len(lines) == 2 and lines[1].startswith("* 2 FETCH (UID 3 ")
        assert client.untagged(f"UID FETCH 3:5,100 (FLAGS) (CHANGEDSINCE {modseq} VANISHED)")[0] == "* VANISHED (EARLIER) 5"
        # What another one removes meanwhile is told with a VANISHED of its own, once.
        with Client(acme) as other:
            other.select()
            delete(other, "1")
        lines = client.untagged(f"UID FETCH 1:* (FLAGS) (CHANGEDSINCE {modseq} VANISHED)") + client.untagged("NOOP")
        assert lines[0] == "* VANISHED (EARLIER) 2,5:6"
        assert [line for line in lines[1:] if "VANISHED" in line] == ["* VANISHED 1"]


def test_removing_messages_tells_the_new_modseq(acme):
    deliver(acme, 8)
    with Client(acme, "QRESYNC") as client, Client(acme) as plain:
        before = client.select()["HIGHESTMODSEQ"]
        plain.select()

        def code(lines: list[str]) -> int:
            return int(re.match(r"OK \[HIGHESTMODSEQ (\d+)\] ", lines[-1]).group(1))

        lines = delete(client, "1:3")
        assert lines[0] == "* VANISHED 1:3"
        assert code(lines) > before
        assert client.ok("EXPUNGE") == ["OK EXPUNGE completed"]
        client.ok("UID STORE 5,7 +FLAGS.SILENT (\\Deleted)")
        lines = client.ok("UID EXPUNGE 7")
        assert lines[0] == "* VANISHED 7"
        after = code(lines)
        client.ok("CREATE There")
        lines = client.ok("UID MOVE 4,6 There")
        assert lines[0].startswith("* OK [COPYUID ") and lines[1] == "* VANISHED 4,6"
        assert code(lines) > after
        assert client.ok("UID COPY 8 There")[-1].startswith("OK [COPYUID ")
        modseq = client.select()["HIGHESTMODSEQ"]
        assert modseq == code(lines)
        assert client.ok("CLOSE") == ["OK CLOSE completed"]
        assert client.select()["HIGHESTMODSEQ"] > modseq
        there = list(range(1, 9))
        for line in plain.untagged("NOOP"):
            if line.endswith("EXPUNGE"):
                there.pop(int(line.split()[1]) - 1)
        assert there == [8]
        plain.ok("UID STORE 8 +FLAGS (\\Deleted)")
        assert plain.ok("EXPUNGE")[-1] == "OK EXPUNGE completed"


def test_many_gaps_are_told_in_several_lines(acme):
    deliver(acme, 1210)         # of which Unmatched keeps the last 1,000
    with Client(acme, "QRESYNC") as client:
        known = client.select()
        assert known["EXISTS"] == 1000
        even = ",".join(str(uid) for uid in range(212, 1211, 2))
        delete(client, even)
        told = client.select(f" (QRESYNC ({known['UIDVALIDITY']} {known['HIGHESTMODSEQ']}))")
        lines = [line.removeprefix("* VANISHED (EARLIER) ") for line in told["missed"]]
        assert len(lines) == 2
        assert ",".join(lines) == f"1:210,{even}"


def test_a_restart_keeps_modseq_and_uids(acme):
    deliver(acme, 3)
    with Client(acme, "QRESYNC") as client:
        known = client.select()
        delete(client, "3")
    acme.stop()
    acme.start()
    with Client(acme, "QRESYNC") as client:
        told = client.select(f" (QRESYNC ({known['UIDVALIDITY']} {known['HIGHESTMODSEQ']}))")
        assert told["missed"] == ["* VANISHED (EARLIER) 3"]
        assert told["UIDNEXT"] == 4 and told["RECENT"] == 0
