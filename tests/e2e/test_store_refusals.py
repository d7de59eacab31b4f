"""What store refuses to start with: one clear line that says what and where, and the exit code for it."""

import os

import pytest

from service import ServiceError

DATAERR, NOINPUT, NOPERM = 65, 66, 77


def damage_database(state):
    file = state / "db" / "data.mdb"
    octets = bytearray(file.read_bytes())
    octets[16:24] = b"no magic"
    octets[4096 + 16:4096 + 24] = b"no magic"
    file.write_bytes(octets)


def cut_database_short(state):
    file = state / "db" / "data.mdb"
    octets = file.read_bytes()
    # Its meta pages say that there is more, and more than LMDB may leave out.
    octets = octets[:4096 + 16 + 120] + (4000).to_bytes(8, "little") + octets[4096 + 16 + 128:]
    octets = octets[:16 + 120] + (4000).to_bytes(8, "little") + octets[16 + 128:]
    file.write_bytes(octets)


def damage_list_of_tables(state):
    file = state / "db" / "data.mdb"
    octets = bytearray(file.read_bytes())
    at = octets.find(b"mailbox-name")
    while at != -1:
        octets[at - 1] ^= 0x40      # the length of its key
        at = octets.find(b"mailbox-name", at + 1)
    file.write_bytes(octets)


def change_a_key(state):
    file = state / "token.keys"
    text = file.read_text()
    at = text.index("\nkey ") + 30
    file.write_text(text[:at] + ("0" if text[at] != "0" else "1") + text[at + 1:])


def remove_keys(state):
    (state / "token.keys").unlink()


def open_keys_to_others(state):
    (state / "token.keys").chmod(0o644)


@pytest.mark.parametrize("spoil, code, said", [
    (damage_database, DATAERR, ["event=store-damaged", "data.mdb", "magic number"]),
    (cut_database_short, DATAERR, ["event=store-damaged", "data.mdb", "cut short"]),
    (damage_list_of_tables, DATAERR, ["event=store-damaged", "data.mdb", "(tables)"]),
    (change_a_key, DATAERR, ["event=keys-damaged", "token.keys", "line=6"]),
    (remove_keys, NOINPUT, ["event=keys-missing", "token.keys", "restore"]),
    (open_keys_to_others, NOPERM, ["event=keys-unsafe", "token.keys", "chmod 600"]),
], ids=lambda value: getattr(value, "__name__", ""))
def test_refused_with_one_clear_line(service, spoil, code, said):
    service.stop()
    owner = os.stat(service.scratch / "state" / "token.keys")
    spoil(service.scratch / "state")
    before = len(service.log)
    with pytest.raises(ServiceError):
        service.start()
    assert service.process.returncode == code
    lines = [line for line in service.log[before:].splitlines() if " store[" in line and " error " in line and "role-" not in line]
    service.process = None
    assert any(all(part in line for part in said) for line in lines), lines
    assert owner.st_uid == os.stat(service.scratch / "state").st_uid or os.geteuid() == 0


def test_an_empty_key_file_means_a_new_key(service):
    service.add_mailbox("acme")
    service.stop()
    keys = service.scratch / "state" / "token.keys"
    keys.write_text("")
    service.start()
    assert keys.stat().st_size > 0 and service.mint("acme")
