"""POP3 with real programs: everything byte for byte, what is kept is known again, what is deleted goes at QUIT, two pollers at once."""

import subprocess

import pytest

from mail_clients import environment, fill, in_maildir, make_authority, make_maildir, private, run, truth, unix

MPOP = """
account default
host localhost
port {port}
user acme
password {secret}
auth {auth}
keep {keep}
uidls_file {home}/uidls
delivery maildir {home}/mail
received_header off
tls {tls}
tls_starttls {starttls}
tls_trust_file {authority}
"""


@pytest.fixture
def acme(make_service, tmp_path):
    service = make_service(tls=make_authority(tmp_path))
    service.acme = service.add_mailbox("acme")
    service.authority = tmp_path / "authority.pem"
    return service


def mpop_settings(service, home, auth="user", keep="on", tls="off", starttls="off"):
    home.mkdir(exist_ok=True)
    if not (home / "mail").exists():
        make_maildir(home / "mail")
    return private(home / "rc", MPOP.format(port=service.ports["pop3s" if tls == "on" and starttls == "off" else "pop3"], home=home, auth=auth, keep=keep,
                                            secret=service.acme["secret"], authority=service.authority, tls=tls, starttls=starttls))


def mpop(service, home, **settings) -> list[bytes]:
    """One run; what is in its Maildir then."""
    run("mpop", "-q", "-C", mpop_settings(service, home, **settings), home=home)
    return in_maildir(home / "mail")


def test_mpop_fetches_all_once_and_deletes_at_the_end(acme, tmp_path):
    fill(acme, 500)
    held = truth(acme)
    home = tmp_path / "home"
    assert mpop(acme, home) == sorted(map(unix, held.values()))
    assert len(mpop(acme, home)) == 500                     # it has them all
    fill(acme, 3)
    acme.stop()
    acme.start()
    assert len(mpop(acme, home)) == 503                     # the UIDLs are those from before the restart
    assert len(truth(acme)) == 503
    assert len(mpop(acme, home, keep="off")) == 503 and truth(acme) == {}


@pytest.mark.parametrize("settings", [{"tls": "on"}, {"tls": "on", "starttls": "on"}, {"auth": "plain"}, {"auth": "scram-sha-256"},
                                      {"auth": "scram-sha-256", "tls": "on"}, {"auth": "on"}], ids=str)
def test_mpop_logs_in_in_every_way(acme, tmp_path, settings):
    fill(acme, 7)
    assert mpop(acme, tmp_path / "home", **settings) == sorted(map(unix, truth(acme).values()))


@pytest.mark.parametrize("tls", ["none", "stls", "pop3s"])
def test_fetchmail_keeps_by_uidl(acme, tmp_path, tls):
    fill(acme, 20)
    local = make_maildir(tmp_path / "mail")
    how = {"none": 'sslproto ""', "stls": f'sslproto "tls1.2+" sslcertck sslcertfile "{acme.authority}" sslcertpath "{tmp_path}"',
           "pop3s": f'ssl sslcertck sslcertfile "{acme.authority}" sslcertpath "{tmp_path}"'}[tls]
    configuration = private(tmp_path / "rc", f"""
poll localhost service {acme.ports["pop3s" if tls == "pop3s" else "pop3"]} protocol pop3 uidl user "acme" password "{acme.acme["secret"]}" {how}
keep no rewrite mda "cat > $(mktemp -p {local}/new)"
""")
    command = ["fetchmail", "-f", str(configuration), "--nosyslog", "--invisible", "-i", str(tmp_path / "ids"), "--pidfile", str(tmp_path / "pid")]
    run(*command, home=tmp_path)
    assert len(in_maildir(local)) == 20 == len(truth(acme))
    again = subprocess.run(command, capture_output=True, timeout=60, env=environment(tmp_path), check=False)
    assert again.returncode == 1 and len(in_maildir(local)) == 20       # 1: there is nothing new
    fill(acme, 1)
    run(*command, home=tmp_path)
    assert len(in_maildir(local)) == 21


def test_two_pollers_at_once_lose_nothing(acme, tmp_path):
    """Both delete what they have; each mail is had by one of them at least."""
    fill(acme, 200)
    held = sorted(map(unix, truth(acme).values()))
    homes = [tmp_path / "one", tmp_path / "two"]
    processes = [subprocess.Popen(["mpop", "-q", "-C", str(mpop_settings(acme, home, keep="off"))], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                  env=environment(home)) for home in homes]
    for process in processes:
        process.wait(60)                                    # the slower one may hear that a mail has gone, and end with that
    mpop(acme, homes[0], keep="off")
    had = [mail for home in homes for mail in in_maildir(home / "mail")]
    assert sorted(set(had)) == sorted(set(held)) and truth(acme) == {}
