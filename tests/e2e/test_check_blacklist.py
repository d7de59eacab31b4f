"""mailtest-check blacklist: what is listed, by which list and why; and lists that are dead, that refuse us or that list everything."""

import json
import subprocess

import pytest

from dns_server import AAAA, TXT, A, DnsServer, reverse
from service import BUILD

LISTS = """\
lists:
  - name: bl.test
    addresses: true
    ipv6: true
    codes:
      - {answer: 127.0.0.2, meaning: sent spam}
      - {answer: 127.0.0.4-7, meaning: infected}
      - {answer: 127.255.255.254, meaning: public name servers are refused, ignored: true}
  - name: dom.test
    domains: true
    listed: known-bad.example
    codes:
      - {answer: "127.0.0.&2", meaning: black}
      - {answer: "127.0.0.&8", meaning: phishing}
"""


def nibbles(address: str) -> str:
    return reverse(address).removesuffix(".ip6.arpa")


def four(address: str) -> str:
    return reverse(address).removesuffix(".in-addr.arpa")


ALIVE = {(f"{four('127.0.0.2')}.bl.test", A): ["127.0.0.2"], (f"{nibbles('::ffff:7f00:2')}.bl.test", A): ["127.0.0.2"],
         ("known-bad.example.dom.test", A): ["127.0.0.2"]}


@pytest.fixture
def look(tmp_path):
    def run(records, *arguments, lists=LISTS, silent=False):
        file = tmp_path / "lists.yaml"
        file.write_text(lists)
        with DnsServer(records, silent=silent) as server:
            done = subprocess.run([BUILD / "mailtest-check", "blacklist", "--lists", file, "--dns", server.address, *arguments],
                                  capture_output=True, text=True, timeout=120)
            run.asked = list(server.questions)
        assert done.stderr == ""
        return done
    return run


def test_what_is_not_listed_is_fine(look):
    done = look(ALIVE, "192.0.2.1", "2001:db8::1", "example.org")
    assert done.returncode == 0 and done.stdout.startswith("BLACKLIST OK - 3 names are not listed by 2 lists | 'total'="), done.stdout
    assert (f"{four('192.0.2.1')}.bl.test", A) in look.asked and (f"{nibbles('2001:db8::1')}.bl.test", A) in look.asked
    assert ("example.org.dom.test", A) in look.asked and ("example.org.bl.test", A) not in look.asked
    assert not [name for name, kind in look.asked if kind == TXT]


def test_a_listing_is_explained_by_the_lists_code_and_its_own_words(look):
    name = f"{four('192.0.2.1')}.bl.test"
    done = look({**ALIVE, (name, A): ["127.0.0.5"], (name, TXT): ["see https://bl.test/192.0.2.1 \x1b[2J"]}, "-H", "192.0.2.1", "-v")
    assert done.returncode == 2
    assert done.stdout.startswith("BLACKLIST CRITICAL - 192.0.2.1 is listed by bl.test (infected)")
    assert "listed: 192.0.2.1 by bl.test: infected; see https://bl.test/192.0.2.1 \\x1b[2J\n" in done.stdout


def test_a_hosts_addresses_and_its_domain(look):
    records = {**ALIVE, ("mail.example.org", A): ["192.0.2.1", "192.0.2.2"], ("mail.example.org", AAAA): ["2001:db8::1"],
               (f"{four('192.0.2.2')}.bl.test", A): ["127.0.0.2"], (f"{nibbles('2001:db8::1')}.bl.test", A): ["127.0.0.2"],
               ("mail.example.org.dom.test", A): ["127.0.0.10"]}
    done = look(records, "mail.example.org", "--json")
    document = json.loads(done.stdout)
    found = {(l["name"], l["list"], l["meaning"]) for l in document["listings"]}
    assert found == {("192.0.2.2", "bl.test", "sent spam"), ("2001:db8::1", "bl.test", "sent spam"), ("mail.example.org", "dom.test", "black, phishing")}
    assert {l.get("of") for l in document["listings"]} == {"mail.example.org", None}
    assert done.returncode == 2 and document["dead_lists"] == []


@pytest.mark.parametrize("change, reason", [
    ({(f"{four('127.0.0.2')}.bl.test", A): []}, "its test point 127.0.0.2 is not listed"),
    ({(f"{four('127.0.0.1')}.bl.test", A): ["127.0.0.2"]}, "it lists 127.0.0.1, which is never to be listed"),
    ({(f"{four('127.0.0.2')}.bl.test", A): ["127.255.255.254"]}, "it answers with an error, 127.255.255.254: public name servers are refused"),
    ({(f"{four('127.0.0.2')}.bl.test", A): ["203.0.113.9"]}, "it answers 203.0.113.9, which is no answer of a block list"),
])
def test_a_dead_list_is_told_and_raises_no_alarm(look, change, reason):
    records = {**ALIVE, (f"{four('192.0.2.1')}.bl.test", A): ["127.0.0.2"], **change}
    done = look(records, "192.0.2.1", "example.org", "--json")
    document = json.loads(done.stdout)
    assert done.returncode == 0 and document["listings"] == []
    assert [(l["list"], l["for"]) for l in document["dead_lists"]] == [("bl.test", "IPv4")] and reason in document["dead_lists"][0]["reason"]
    assert (f"{four('192.0.2.1')}.bl.test", A) not in look.asked


def test_an_error_of_the_list_is_no_listing(look):
    done = look({**ALIVE, (f"{four('192.0.2.1')}.bl.test", A): ["127.255.255.254"]}, "192.0.2.1")
    assert done.returncode == 3 and "listed by" not in done.stdout


def test_without_a_list_that_works_nothing_is_known(look):
    done = look({}, "192.0.2.1")
    assert done.returncode == 3 and "BLACKLIST UNKNOWN - no block list works; bl.test: its test point 127.0.0.2 is not listed" in done.stdout


def test_the_lists_of_the_project_can_be_read_and_are_asked_as_they_want_it(look):
    from pathlib import Path
    text = (Path(__file__).resolve().parents[2] / "conf" / "blocklists.yaml").read_text()
    done = look({(f"{four('127.0.0.2')}.zen.spamhaus.org", A): ["127.0.0.2", "127.0.0.4", "127.0.0.10"], ("dbltest.com.dbl.spamhaus.org", A): ["127.0.1.2"],
                 (f"{four('192.0.2.1')}.zen.spamhaus.org", A): ["127.0.0.2", "127.0.0.9"]}, "192.0.2.1", "example.org", "--json", lists=text)
    document = json.loads(done.stdout)
    assert done.returncode == 2
    assert [(l["list"], l["meaning"]) for l in document["listings"]] == [("zen.spamhaus.org", "SBL: sends or hosts spam, DROP: network in the hands of criminals")]
    assert "zen.spamhaus.org" not in {l["list"] for l in document["dead_lists"]} and ("example.org.dbl.spamhaus.org", A) in look.asked


@pytest.mark.parametrize("arguments, words", [
    ([], "nothing to look for"), (["-H", "a", "-H", "b"], "more than once"), (["-4", "-6", "a"], "exclude"), (["--lists", "/nonexistent", "a"], "/nonexistent"),
])
def test_wrong_use(arguments, words):
    done = subprocess.run([BUILD / "mailtest-check", "blacklist", *arguments], capture_output=True, text=True, timeout=20)
    assert done.returncode == 3 and words in done.stdout
