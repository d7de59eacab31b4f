"""IMAP with real programs: TLS with a certificate that they check, SCRAM, IDLE, mutt and curl."""

import json
import re

import pytest

from mail_clients import (ImapFlow, arrive, fill, flags, in_maildir, login, make_authority, make_maildir, private, run, run_on_terminal, truth,
                          unix)

MUTT = """
set imap_pass="{secret}" pop_pass="{secret}"
set ssl_starttls={starttls} ssl_force_tls={tls} certificate_file={authority}
set header_cache={home}/headers message_cachedir={home}/bodies folder={home} spoolfile={home}/none record= tmpdir={home}
set mbox_type=Maildir confirmcreate=no confirmappend=no delete=yes quit=yes move=no wait_key=no sleep_time=0 timeout=1 mail_check=1
set imap_authenticators="{mechanism}" pop_authenticators="user" pop_checkinterval=1
"""


@pytest.fixture
def certified(make_service, tmp_path):
    """With a certificate that tmp_path / authority.pem vouches for."""
    service = make_service(tls=make_authority(tmp_path))
    service.acme = service.add_mailbox("acme")
    return service


def mutt(service, home, keys: str, url: str = "imap", host: str = "127.0.0.1", mechanism: str = "login", starttls: str = "no"):
    """Opens the mailbox, presses the keys, and ends."""
    configuration = private(home / "muttrc", MUTT.format(home=home, secret=service.acme["secret"], authority=home / "authority.pem",
                                                         mechanism=mechanism, starttls=starttls, tls=starttls if url == "imap" else "no"))
    folder = "INBOX" if url.startswith("imap") else ""
    port = service.ports["pop3" if url == "pop" else url]
    run_on_terminal("mutt", "-n", "-F", configuration, "-f", f"{url}://acme@{host}:{port}/{folder}",
                    "-e", f'push "{keys}<quit>"', home=home)


def curl(service, home, path: str, *options, scheme: str = "imap", host: str = "127.0.0.1") -> bytes:
    user = f"acme:{service.acme['secret']}"
    return run("curl", "-sS", "--user", user, *options, f"{scheme}://{host}:{service.ports[scheme]}/{path}", home=home).stdout


# ---- TLS ---------------------------------------------------------------------------------------------------------------------------

def fetch_with_curl(service, home, implicit):
    return curl(service, home, "INBOX;UID=1", "--cacert", home / "authority.pem", "--ssl-reqd", scheme="imaps" if implicit else "imap",
                host="localhost")


def fetch_with_mbsync(service, home, implicit):
    into = make_maildir(home / "copy")
    configuration = private(home / "rc", f"""
IMAPStore far
Host localhost
Port {service.ports["imaps" if implicit else "imap"]}
User acme
Pass {service.acme["secret"]}
SSLType {"IMAPS" if implicit else "STARTTLS"}
SystemCertificates no
CertificateFile {home}/authority.pem

MaildirStore near
Inbox {into}

Channel inbox
Far :far:
Near :near:
Sync Pull
SyncState {home}/state-
""")
    run("mbsync", "-c", configuration, "-a", home=home)
    mail, = in_maildir(into)
    return re.sub(rb"(?m)^X-TUID: .*\n", b"", mail)


def fetch_with_fetchmail(service, home, implicit):
    configuration = private(home / "rc", f"""
poll localhost service {service.ports["imaps" if implicit else "imap"]} protocol imap user "acme" password "{service.acme["secret"]}"
{"ssl" if implicit else 'sslproto "tls1.2+"'} sslcertck sslcertfile "{home}/authority.pem" sslcertpath "{home}" keep no rewrite mda "cat > {home}/mail"
""")
    run("fetchmail", "-f", configuration, "--nosyslog", "--invisible", "-i", home / "ids", "--pidfile", home / "pid", home=home)
    return (home / "mail").read_bytes()


def fetch_with_imapflow(service, home, implicit):
    with ImapFlow(service, home, host="localhost", port=service.ports["imaps" if implicit else "imap"], secure=implicit, doSTARTTLS=not implicit,
                  ca=str(home / "authority.pem")) as client:
        client.call("mailboxOpen", "INBOX")
        client.call("save", 1, None, str(home / "mail"))
    return (home / "mail").read_bytes()


def fetch_with_mutt(service, home, implicit):
    mutt(service, home, f"<copy-message>{home}/copy<enter>", url="imaps" if implicit else "imap", host="localhost", starttls="no" if implicit else "yes")
    mail, = in_maildir(home / "copy")
    return re.sub(rb"(?m)^(Status|Content-Length|Lines): .*\n", b"", mail)


@pytest.mark.parametrize("implicit", [False, True], ids=["starttls", "imaps"])
@pytest.mark.parametrize("fetch", [fetch_with_curl, fetch_with_mbsync, fetch_with_fetchmail, fetch_with_imapflow, fetch_with_mutt],
                         ids=lambda fetch: fetch.__name__.removeprefix("fetch_with_"))
def test_over_tls_with_a_certificate_that_is_checked(certified, tmp_path, fetch, implicit):
    arrive(certified)
    assert unix(fetch(certified, tmp_path, implicit)) == unix(truth(certified)[1])
    certified.wait_for_log(r"event=login protocol=imap client=\S+ mailbox=acme tls=(?!no)")


# ---- SCRAM -------------------------------------------------------------------------------------------------------------------------

def test_mutt_logs_in_by_scram(acme, tmp_path):
    arrive(acme)
    mutt(acme, tmp_path, f"<copy-message>{tmp_path}/copy<enter>", mechanism="scram-sha-256")
    assert len(in_maildir(tmp_path / "copy")) == 1


def test_mbsync_logs_in_by_scram(acme, tmp_path):
    arrive(acme)
    into = make_maildir(tmp_path / "copy")
    configuration = private(tmp_path / "rc", f"""
IMAPStore far
Host 127.0.0.1
Port {acme.ports["imap"]}
User acme
Pass {acme.acme["secret"]}
SSLType None
AuthMechs SCRAM-SHA-256

MaildirStore near
Inbox {into}

Channel inbox
Far :far:
Near :near:
Sync Pull
SyncState {tmp_path}/state-
""")
    run("mbsync", "-c", configuration, "-a", home=tmp_path)
    assert len(in_maildir(into)) == 1


# ---- mutt --------------------------------------------------------------------------------------------------------------------------

def test_mutt_copies_flags_and_deletes(acme, tmp_path):
    sent = fill(acme, 30)
    held = truth(acme)
    mutt(acme, tmp_path, f"<tag-pattern>~A<enter><tag-prefix><copy-message>{tmp_path}/copy<enter>")
    copied = in_maildir(tmp_path / "copy")
    assert len(copied) == len(sent)
    for mail in held.values():                              # bodies as they are; mutt writes its own fields into the header
        body = unix(mail).split(b"\n\n", 1)[1]
        assert any(copy.split(b"\n\n", 1)[1] == body for copy in copied)
    # Now from its cache of headers: flag, mark as read, delete, expunge at the end.
    mutt(acme, tmp_path, "<untag-pattern>~A<enter><tag-pattern>~m1-5<enter><tag-prefix><set-flag>!<untag-pattern>~A<enter>"
         "<delete-pattern>~m26-30<enter><sync-mailbox>")
    now = flags(acme)
    assert sorted(now) == list(range(1, 26))
    assert {uid for uid in now if "\\Flagged" in now[uid]} == set(range(1, 6))
    mutt(acme, tmp_path, "<delete-pattern>~F<enter>")       # what it finds by the flags that the server keeps
    assert sorted(flags(acme)) == list(range(6, 26))


def test_mutt_reads_by_pop3(acme, tmp_path):
    held = [unix(mail) for _, mail in sorted((fill(acme, 20), truth(acme))[1].items())]
    mutt(acme, tmp_path, f"<tag-pattern>~A<enter><tag-prefix><copy-message>{tmp_path}/copy<enter>", url="pop")
    bodies = sorted(mail.split(b"\n\n", 1)[1] for mail in in_maildir(tmp_path / "copy"))
    assert bodies == sorted(mail.split(b"\n\n", 1)[1] for mail in held)
    mutt(acme, tmp_path, "<delete-pattern>~m1-5<enter>", url="pop")
    assert sorted(truth(acme)) == list(range(6, 21))


# ---- curl --------------------------------------------------------------------------------------------------------------------------

def test_curl_reads_changes_and_brings_in(acme, tmp_path):
    token, _ = arrive(acme, 2)
    assert b'"/" "INBOX"' in curl(acme, tmp_path, "") or b'"/" INBOX' in curl(acme, tmp_path, "")
    assert curl(acme, tmp_path, f"INBOX?HEADER%20Message-ID%20{token}").split() == [b"*", b"SEARCH", b"1"]
    assert curl(acme, tmp_path, "INBOX;MAILINDEX=2;SECTION=TEXT") == truth(acme)[2].split(b"\r\n\r\n", 1)[1]
    assert b"UIDNEXT 3" in curl(acme, tmp_path, "", "-X", "STATUS INBOX (UIDNEXT)")
    brought = b"Subject: brought in\r\n\r\n" + b"0123456789\r\n" * 1000
    (tmp_path / "new").write_bytes(brought)
    curl(acme, tmp_path, "INBOX", "-T", tmp_path / "new")
    assert truth(acme)[3] == brought
    assert b"\\Deleted" in curl(acme, tmp_path, "INBOX", "-X", "STORE 1 +FLAGS (\\Deleted)")
    assert b"* 1 EXPUNGE" in curl(acme, tmp_path, "INBOX", "-X", "EXPUNGE")
    assert sorted(truth(acme)) == [2, 3]


# ---- imapflow ----------------------------------------------------------------------------------------------------------------------

def test_imapflow_hears_while_idle(acme, tmp_path):
    arrive(acme, 2)
    with ImapFlow(acme, tmp_path) as client:
        client.call("mailboxOpen", "INBOX")
        client.start("idle")
        acme.wait_for_log("event=login protocol=imap")
        arrive(acme)
        assert {name: value for name, value in client.event("exists").items() if name in ("count", "prevCount")} == {"count": 3, "prevCount": 2}
        other = login(acme)
        other.store("2", "+FLAGS", "(\\Seen)")
        heard = client.event("flags")
        assert (heard["seq"], set(heard["flags"]) - {"\\Recent"}) == (2, {"\\Seen"})
        other.store("1", "+FLAGS.SILENT", "(\\Deleted)")
        other.expunge()
        heard = client.event("expunge")
        assert heard["path"] == "INBOX" and heard.get("seq", heard.get("uid")) == 1


def test_imapflow_sees_what_a_mail_is_made_of(acme, tmp_path):
    fill(acme, 7)
    with ImapFlow(acme, tmp_path) as client:
        client.call("mailboxOpen", "INBOX")
        mail = client.call("about", 7, {"envelope": True, "bodyStructure": True, "size": True, "internalDate": True, "headers": ["Message-ID"],
                                        "bodyParts": ["1", "3"], "threadId": True})
        assert mail["envelope"]["from"][0]["address"] == "ann@customer.test" and mail["envelope"]["from"][0]["name"] == "Ann Ärger"
        assert mail["envelope"]["date"] == "2025-12-31T23:00:06.000Z"
        parts = mail["bodyStructure"]["childNodes"]
        assert [part["type"] for part in parts] == ["text/plain", "application/octet-stream", "message/rfc822"]
        assert parts[1]["parameters"]["name"] == "käse" and parts[2]["envelope"]["subject"] == "inside"
        assert mail["size"] == len(truth(acme)[7])
        assert json.dumps(mail["bodyParts"])


def test_imapflow_makes_and_lists_folders(acme, tmp_path):
    arrive(acme, 3)
    with ImapFlow(acme, tmp_path) as client:
        assert client.call("mailboxCreate", "Größe/unten")["created"]
        client.call("mailboxOpen", "INBOX")
        assert client.call("messageMove", "1:2", "Größe/unten", {"uid": True})["uidMap"] == {"1": 1, "2": 2}
        listed = {box["path"]: box for box in client.call("list", {"statusQuery": {"messages": True, "unseen": True, "uidNext": True}})}
        assert listed.keys() == {"INBOX", "Unmatched", "Größe", "Größe/unten"}
        assert listed["Unmatched"]["specialUse"] == "\\Junk"
        assert (listed["INBOX"]["status"]["messages"], listed["Größe/unten"]["status"]["messages"]) == (1, 2)
        assert client.call("mailboxRename", "Größe/unten", "oben")["newPath"] == "oben"
        assert client.call("status", "oben", {"messages": True})["messages"] == 2
        assert client.call("append", "oben", "Subject: x\r\n\r\ny\r\n", ["\\Seen"])["uid"] == 3
        assert client.call("mailboxDelete", "oben")["path"] == "oben"
        assert client.call("getQuota", "INBOX")["storage"]["limit"] > 0
