"""Backup of a running service, its verification, and restoring it."""

import json
import os
import smtplib
import threading

from service import DOMAIN

USAGE, DATAERR, NOINPUT, CANTCREAT, TEMPFAIL = 64, 65, 66, 73, 75


def ctl(service, *arguments):
    return service.run("mailtestctl", "-c", service.config_file, *arguments)


def deliver(service, text):
    with smtplib.SMTP("127.0.0.1", service.smtp_port, timeout=20) as client:
        client.sendmail("a@b.test", [f"acme@{DOMAIN}"], text)


def subjects(service):
    return [m["subject"] for m in service.ctl("message", "list", "acme", "--limit", "1000", "--json")["messages"]]


def test_what_was_backed_up_comes_back(service, tmp_path):
    service.add_mailbox("acme")
    token = service.mint("acme")
    deliver(service, f"Subject: {token}\r\n\r\nbefore")
    done = service.ctl("backup", tmp_path / "b", "--json")
    assert done["messages"] == 1
    assert {f.name for f in (tmp_path / "b").iterdir()} == {"db", "token.keys", "manifest.json"}
    assert oct((tmp_path / "b").stat().st_mode & 0o777) == "0o700"
    later = service.mint("acme")
    deliver(service, f"Subject: {later}\r\n\r\nafter")
    service.ctl("mailbox", "add", "new")
    owners = {name: os.stat(service.scratch / "state" / name).st_uid for name in ("token.keys", "db/data.mdb")}

    unasked = ctl(service, "restore", tmp_path / "b")
    assert unasked.returncode == USAGE and "-y" in unasked.stderr
    running = ctl(service, "restore", "-y", tmp_path / "b")
    assert running.returncode == TEMPFAIL and "stop it first" in running.stderr
    service.stop()
    restored = json.loads(ctl(service, "restore", "-y", tmp_path / "b", "--json").stdout)
    assert sorted(os.listdir(restored["kept"])) == ["data.mdb", "token.keys"]
    assert {name: os.stat(service.scratch / "state" / name).st_uid for name in owners} == owners
    assert ctl(service, "verify").returncode == 0
    service.start()
    assert subjects(service) == [token]
    assert service.ctl("token", "show", "acme", token, "--json")["verdict"] == "arrived"
    assert ctl(service, "mailbox", "show", "new").returncode == NOINPUT
    # Its keys are back as well: what is minted now is genuine.
    again = service.mint("acme")
    deliver(service, f"Subject: {again}\r\n\r\nagain")
    assert service.ctl("token", "show", "acme", again, "--json")["verdict"] == "arrived"


def test_a_backup_under_load_is_one_whole_state(service, tmp_path):
    service.add_mailbox("acme")
    ended = threading.Event()
    sent = []

    def send():
        with smtplib.SMTP("127.0.0.1", service.smtp_port, timeout=20) as client:
            while not ended.is_set():
                client.sendmail("a@b.test", [f"acme@{DOMAIN}"], f"Subject: {len(sent)}\r\n\r\n{'x' * 9000}")
                sent.append(1)

    sender = threading.Thread(target=send)
    sender.start()
    try:
        service.wait_for(lambda: len(sent) > 20, "mail flows")
        done = service.ctl("backup", tmp_path / "b", "--json")
        at_least = 20
        before = len(sent)
        service.wait_for(lambda: len(sent) > before, "mail still flows")
    finally:
        ended.set()
        sender.join()
    verified = service.ctl("verify", tmp_path / "b", "--json")
    assert verified["problems"] == 0 and at_least <= verified["messages"] == done["messages"] <= len(sent)


def test_damage_is_found_and_never_restored(service, tmp_path):
    service.add_mailbox("acme")
    deliver(service, f"Subject: x\r\n\r\n{'x' * 50000}")
    service.ctl("backup", tmp_path / "b")
    database = tmp_path / "b" / "db" / "data.mdb"
    octets = bytearray(database.read_bytes())
    octets[octets.rindex(b"x" * 1000) + 500] ^= 1
    database.write_bytes(octets)
    service.stop()
    before = (service.scratch / "state" / "db" / "data.mdb").read_bytes()
    for arguments in (["verify", tmp_path / "b"], ["restore", "-y", tmp_path / "b"]):
        done = ctl(service, *arguments)
        assert done.returncode == DATAERR and "differs in content from what the manifest says" in done.stderr
    assert "problems   1\n" in ctl(service, "verify", tmp_path / "b").stdout
    verified = json.loads(ctl(service, "verify", tmp_path / "b", "--json").stdout)
    assert verified["problems"] == 1 and verified["messages"] is None
    assert (service.scratch / "state" / "db" / "data.mdb").read_bytes() == before

    # The same damage in the service's own database, which has no manifest.
    state = service.scratch / "state" / "db" / "data.mdb"
    octets = bytearray(state.read_bytes())
    octets[octets.rindex(b"x" * 1000) + 500] ^= 1
    state.write_bytes(octets)
    done = ctl(service, "verify", "--json")
    assert done.returncode == DATAERR and json.loads(done.stdout)["problems"] >= 1
    assert "message" in done.stderr


def test_folders_that_are_no_place_for_a_backup_or_none(service, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").touch()
    assert ctl(service, "backup", tmp_path / "full").returncode == CANTCREAT
    assert ctl(service, "backup", tmp_path / "no" / "b").returncode == CANTCREAT
    assert ctl(service, "verify", tmp_path / "full").returncode == NOINPUT
    # One that was cut short has no manifest.
    service.ctl("backup", tmp_path / "b")
    (tmp_path / "b" / "manifest.json").unlink()
    assert ctl(service, "verify", tmp_path / "b").returncode == NOINPUT


def test_verify_of_a_running_service_finds_nothing(service):
    service.add_mailbox("acme")
    for i in range(5):
        deliver(service, f"Subject: {i}\r\n\r\n{'y' * 10000 * i}")
    verified = service.ctl("verify", "--json")
    assert verified["problems"] == 0 and verified["messages"] == 5
