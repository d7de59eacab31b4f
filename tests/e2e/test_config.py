"""A wrong configuration is one line that says where, what and what is allowed; nothing is started with it."""

import os
import subprocess
from pathlib import Path

import pytest

from service import BUILD, Service

TOP = Path(__file__).resolve().parents[2]

WRONG = {
    "a word for a number": (
        "domains: [a.test]\nsmtp:\n  recipients_max: abc\n",
        '3:19: smtp.recipients_max: found "abc", allowed: a whole number from 1 to 1000'),
    "an unknown setting": (
        "domains: [a.test]\nsmtp:\n  recipents_max: 5\n",
        '3:3: smtp.recipents_max: found an unknown setting, did you mean "recipients_max"?'),
    "no domain": (
        "hostname: mx.a.test\n",
        '1:1: found no domains, allowed: "domains: [mail.example.net]" with the domains that mail is accepted for'),
    "not YAML": (
        "domains: [a.test\n",
        "2:1: found what is no YAML (did not find expected ',' or ']' while parsing a flow sequence), "
        'allowed: "name: value" lines and lists "[a, b]"'),
}


def mailtestd(*arguments, cwd=None):
    return subprocess.run([BUILD / "mailtestd", *arguments], capture_output=True, text=True, timeout=30, check=False, cwd=cwd,
                          stdin=subprocess.DEVNULL)


@pytest.mark.parametrize("label", WRONG)
def test_check_names_the_place(tmp_path, label):
    text, message = WRONG[label]
    file = tmp_path / "f.yaml"
    file.write_text(text)
    done = mailtestd("--check-config", "-c", file)
    assert (done.returncode, done.stdout, done.stderr) == (os.EX_CONFIG, "", f"{file}:{message}\n")


@pytest.mark.parametrize("label", WRONG)
def test_start_names_the_place_in_one_line(tmp_path, label):
    text, message = WRONG[label]
    file = tmp_path / "f.yaml"
    file.write_text(text)
    done = mailtestd("-c", file, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (os.EX_CONFIG, "", f"mailtestd: {file}:{message}\n")
    assert [entry.name for entry in tmp_path.iterdir()] == ["f.yaml"]


def test_check_of_a_right_one_only_checks(tmp_path):
    service = Service(scratch=tmp_path)
    done = mailtestd("--check-config", "-c", service.config_file)
    assert (done.returncode, done.stdout, done.stderr) == (os.EX_OK, f"{service.config_file} is right\n", "")
    assert [entry.name for entry in tmp_path.iterdir()] == ["mailtest.yaml"]


@pytest.mark.parametrize("file", ["mailtest.yaml", "dev.yaml"])
def test_what_is_delivered_is_right(tmp_path, file):
    text = TOP.joinpath("conf", file).read_text()
    # What this machine need not have: the user and the certificate.
    tmp_path.joinpath(file).write_text(text.replace("  user: mailtest\n", '  user: ""\n').replace("self_signed: false", "self_signed: true"))
    done = mailtestd("--check-config", "-c", file, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (os.EX_OK, "")


def test_check_looks_for_the_certificate(tmp_path):
    service = Service(scratch=tmp_path, tls={"self_signed": False})
    done = mailtestd("--check-config", "-c", service.config_file)
    assert (done.returncode, done.stdout) == (os.EX_NOINPUT, "")
    assert done.stderr == (f"{service.config_file}: {tmp_path}/state/tls/certificate.pem: No such file or directory; "
                           "give both tls.certificate and tls.key, or set tls.self_signed: true\n")
    assert [entry.name for entry in tmp_path.iterdir()] == ["mailtest.yaml"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root changes users")
def test_check_looks_for_the_user(tmp_path):
    service = Service(scratch=tmp_path, processes={"user": "no-such-user"})
    done = mailtestd("--check-config", "-c", service.config_file)
    assert (done.returncode, done.stdout) == (os.EX_NOUSER, "")
    assert 'there is no user "no-such-user"' in done.stderr and done.stderr.count("\n") == 1


def test_missing_file(tmp_path):
    done = mailtestd("-c", tmp_path / "none.yaml")
    assert done.returncode == os.EX_NOINPUT
    assert done.stderr == f"mailtestd: {tmp_path}/none.yaml: cannot open the configuration: No such file or directory\n"


def test_command_line():
    assert mailtestd("--version").stdout.startswith("mailtestd ")
    assert mailtestd("-V").stdout == mailtestd("--version").stdout
    assert "--check-config" in mailtestd("--help").stdout
    for wrong in (["--nonsense"], ["-c"], ["conf/dev.yaml"]):
        done = mailtestd(*wrong)
        assert done.returncode == os.EX_USAGE
        assert "-c" in done.stderr
