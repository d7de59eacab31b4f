"""mailtest-check check-config: whether a file of checks can be read, and where it cannot."""

import subprocess
from pathlib import Path

from service import BUILD, is_sanitized

CONF = Path(__file__).resolve().parents[2] / "conf"


def check_config(file):
    return subprocess.run([BUILD / "mailtest-check", "check-config", "-c", file], capture_output=True, text=True, timeout=60, check=False)


def test_reference_is_right_with_its_block_lists():
    done = check_config(CONF / "checks.yaml")
    assert done.returncode == 0 and done.stdout.startswith("the file is right: 7 checks (7 enabled), 3 servers, 1 contacts, 3 ways, "), done.stderr
    # It names secrets that are not there: told, but no fault of the file.
    assert 'mailtest-check: warning: server "customer-submission": /etc/mailtest/customer.password cannot be read: No such file' in done.stderr
    assert 'mailtest-check: warning: way "pager": /usr/local/bin/page cannot be run: No such file' in done.stderr


def test_fault_is_named_with_its_place(tmp_path):
    file = tmp_path / "checks.yaml"
    file.write_text("servers:\n- {name: imap, host: imap.test, auth: {user: u, password_file: /p}}\nchecks:\n- name: a\n  scenario: 2\n"
                    "  to: a@b.test\n  account: imap\n")
    done = check_config(file)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f'mailtest-check: {file}:7:12: checks[0].account: found "imap", allowed: with receive: imap or pop3\n'


def test_absent_file(tmp_path):
    done = check_config(tmp_path / "none.yaml")
    assert done.returncode == 2 and done.stderr.endswith("none.yaml: cannot open the configuration: No such file or directory\n")


def test_many_checks_are_read_at_once(tmp_path):
    """One relay, twenty thousand customers: each line is read in the same time, however many there are. AddressSanitizer copies all at each growth."""
    count = 2000 if is_sanitized() else 20000
    file = tmp_path / "checks.yaml"
    file.write_text("servers: [{name: relay, host: relay.test}]\nchecks:\n" + "".join(
        f"- {{name: customer/{i}, to: probe@customer{i}.test, server: relay, receive: none, depends: [customer/0]}}\n" if i else
        "- {name: customer/0, kind: smtp, server: relay}\n" for i in range(count)))
    done = check_config(file)
    assert done.returncode == 0 and f"{count} checks ({count} enabled)" in done.stdout, done.stderr
