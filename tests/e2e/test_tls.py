"""What TLS offers and refuses on every port, which certificate it shows, and that private keys are in one process alone."""

import imaplib
import os
import re
import signal
import smtplib
import socket
import ssl
import subprocess
import time
from pathlib import Path

import pytest

from service import DOMAIN, Service
from test_reload import reload

PORTS = {"smtp": ["-starttls", "smtp"], "imap": ["-starttls", "imap"], "pop3": ["-starttls", "pop3"], "imaps": [], "pop3s": [], "http": []}


def make_certificate(folder: Path, name: str, *names: str, days: int = 30, key=("ec", "-pkeyopt", "ec_paramgen_curve:P-256")) -> dict:
    """A certificate and its key as files of these names; as the setting wants them."""
    files = {"certificate": str(folder / f"{name}.pem"), "key": str(folder / f"{name}.key")}
    made = {part: f"{file}.new" for part, file in files.items()}
    subprocess.run(["openssl", "req", "-x509", "-newkey", *key, "-nodes", "-subj", f"/CN={names[0]}", "-days", str(days),
                    "-addext", "subjectAltName=" + ",".join(f"DNS:{n}" for n in names), "-keyout", made["key"], "-out", made["certificate"]],
                   check=True, capture_output=True)
    for part, file in files.items():
        os.replace(made[part], file)
    return files


def s_client(service, port: str, *options: str, say: str = "") -> str:
    """What openssl says of a connection; "CONNECTED" and no more where there is no handshake."""
    return subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{service.ports[port]}", *PORTS[port], *options],
                          input=say, capture_output=True, text=True, timeout=30, check=False).stdout


def names_of(service, server_name, port="imaps", version=None) -> set:
    """For whom the certificate is that a client is shown who asks for server_name."""
    context = ssl._create_unverified_context()
    if version is not None:
        context.minimum_version = context.maximum_version = version
    with socket.create_connection(("127.0.0.1", service.ports[port]), timeout=20) as plain:
        with context.wrap_socket(plain, server_hostname=server_name) as client:
            binary = client.getpeercert(binary_form=True)
    shown = subprocess.run(["openssl", "x509", "-inform", "DER", "-noout", "-ext", "subjectAltName"], input=binary, capture_output=True,
                           check=True).stdout.decode()
    return set(re.findall(r"DNS:([^,\s]+)", shown))


class SecureService(Service):
    """Its HTTP port speaks TLS as well."""

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.ports['http']}"


@pytest.fixture(scope="module")
def secure():
    patch = pytest.MonkeyPatch()
    patch.setattr(ssl, "_create_default_https_context", ssl._create_unverified_context)
    service = SecureService(tls={"http": True}).start()
    yield service
    report = service.sanitizer_report
    service.stop()
    service.remove()
    patch.undo()
    assert not report


# ---- What is offered -----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("port", PORTS)
@pytest.mark.parametrize("version, agreed", [("-tls1", False), ("-tls1_1", False), ("-tls1_2", True), ("-tls1_3", True)])
def test_only_versions_from_1_2_on(secure, port, version, agreed):
    said = s_client(secure, port, version, "-cipher", "ALL:@SECLEVEL=0")
    assert bool(re.search(r"Cipher is (?!\(NONE\))", said)) == agreed, said


@pytest.mark.parametrize("port", PORTS)
def test_only_ciphers_with_forward_secrecy(secure, port):
    offered = subprocess.run(["openssl", "ciphers", "-s", "-tls1_2", "ALL:COMPLEMENTOFALL:@SECLEVEL=0"], capture_output=True, text=True,
                             check=True).stdout.strip().split(":")
    without = [cipher for cipher in offered if not cipher.startswith(("ECDHE-", "DHE-"))]
    assert len(without) > 10
    assert "Cipher is (NONE)" in s_client(secure, port, "-tls1_2", "-cipher", ":".join(without) + ":@SECLEVEL=0")
    assert re.search(r"Cipher is ECDHE-ECDSA-AES\d+-GCM", s_client(secure, port, "-tls1_2"))
    assert re.search(r"Server Temp Key: X25519", s_client(secure, port, "-tls1_3"))


@pytest.mark.parametrize("port", PORTS)
def test_nothing_is_compressed_renegotiated_or_resumed(secure, port):
    said = s_client(secure, port, "-tls1_2", "-comp", say="R\n")
    assert "Compression: NONE" in said
    assert "Secure Renegotiation IS supported" in said          # RFC 5746 is spoken, so that the refusal is understood
    assert said.count("Cipher is ECDHE") == 1
    assert "TLS session ticket:" not in said
    assert re.search(r"Session-ID: *\n", said), "a session that can be resumed"
    for version in ("-tls1_2", "-tls1_3"):
        assert "Reused" not in s_client(secure, port, version, "-reconnect")


def test_renegotiation_is_refused_and_the_session_goes_on(secure):
    with subprocess.Popen(["openssl", "s_client", "-connect", f"127.0.0.1:{secure.ports['imaps']}", "-tls1_2", "-crlf"],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as client:
        # What comes in the middle of its handshake openssl takes for a fault: the greeting is to be there first.
        said = ""
        for line in client.stdout:
            said += line
            if line.startswith("* OK"):
                break
        client.stdin.write("R\n")
        client.stdin.flush()
        said += client.communicate(timeout=30)[0]
    assert "RENEGOTIATING" in said
    assert re.search(r"no.renegotiation", said)


# ---- Which certificate ----------------------------------------------------------------------------------------------------

@pytest.fixture
def several(make_service, tmp_path):
    tmp_path.chmod(0o755)
    own = make_certificate(tmp_path, "own", f"mx.{DOMAIN}")
    more = [make_certificate(tmp_path, "b", "mx.b.test", "b.test"),
            make_certificate(tmp_path, "c", "*.c.test", key=("rsa:2048",))]
    return make_service(tls={**own, "self_signed": False, "certificates": more})


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_the_name_asked_for_chooses(several, version):
    table = {None: f"mx.{DOMAIN}", f"mx.{DOMAIN}": f"mx.{DOMAIN}", "b.test": "b.test", "MX.B.Test": "mx.b.test", "x.c.test": "*.c.test",
             "c.test": f"mx.{DOMAIN}", "y.x.c.test": f"mx.{DOMAIN}", "unknown.example": f"mx.{DOMAIN}"}
    for asked, shown in table.items():
        for port in ("imaps", "pop3s"):
            assert shown in names_of(several, asked, port, version), asked


def test_starttls_chooses_as_well(several):
    for port in ("smtp", "imap", "pop3"):
        assert re.search(r"subject=CN = \*\.c\.test", s_client(several, port, "-servername", "imap.c.test"))
        assert re.search(rf"subject=CN = mx\.{DOMAIN}", s_client(several, port, "-noservername"))


def test_expiry_of_each_certificate_is_shown_and_told(make_service, tmp_path):
    tmp_path.chmod(0o755)
    soon, long = make_certificate(tmp_path, "soon", "soon.test", days=5), make_certificate(tmp_path, "long", "long.test", days=100)
    service = make_service(tls={**long, "self_signed": False, "certificates": [soon]})
    page = service.http("GET", "/metrics", key=None).body.decode()
    days = {name: (int(when) - time.time()) / 86400
            for name, when in re.findall(r'^mailtest_certificate_expiry_seconds\{certificate="\d",name="([^"]+)"\} (\d+)$', page, re.M)}
    assert 4 < days["soon.test"] < 6 and 99 < days["long.test"] < 101
    assert service.metric("mailtest_signer_certificates") == 2
    assert service.metric("mailtest_signer_certificates_expiring") == 1
    service.wait_for_log(r'warning event=certificate-expires file="[^"]+/soon\.pem" days=(4|5)\n')
    assert "/long.pem" not in service.log
    status = service.http("GET", "/", key=None).body.decode()
    assert re.search(r'<td>soon\.test</td><td class="bad">expires \d{4}-', status)
    assert service.http("GET", "/readyz", key=None).status == 200
    shown = {row["name"]: row for row in service.ctl("status", "--json")["certificates"]}
    assert (shown["soon.test"]["state"], shown["long.test"]["state"]) == ("EXPIRES SOON", "valid")
    assert re.search(r"^soon\.test +\d{4}-\S+.* EXPIRES SOON +\S+/soon\.pem$", service.ctl("status"), re.M)
    # A new one, as certbot brings it: the warning goes.
    make_certificate(tmp_path, "soon", "soon.test", days=90)
    reload(service)
    service.wait_for(lambda: service.metric("mailtest_signer_certificates_expiring") == 0, "nothing expires soon")


def test_unusable_certificates_are_told_with_their_file(make_service, tmp_path):
    service = make_service()
    tmp_path.chmod(0o755)
    good, other = make_certificate(tmp_path, "good", "a.test"), make_certificate(tmp_path, "other", "b.test")
    curve = make_certificate(tmp_path, "curve", "c.test", key=("ed25519",))
    for pair, reason in (({"certificate": good["certificate"], "key": other["key"]}, f"{other['key']}: key values mismatch"),
                         ({"certificate": str(tmp_path / "none.pem"), "key": good["key"]}, "none.pem: No such file or directory"),
                         (curve, f"{curve['certificate']}: its key is of another kind; wanted: a key of RSA or ECDSA")):
        service.write_configuration(tls={"certificates": [good, pair]})
        done = service.run("mailtestd", "-c", service.config_file, "--check-config")
        assert done.returncode != 0 and reason in done.stderr, done.stderr
        reload(service, "reload-refused")
        assert reason.replace('"', '\\"') in service.log
    service.write_configuration(tls={"certificates": [good]})
    reload(service)
    service.wait_for(lambda: "a.test" in names_of(service, "a.test"), "the certificate is in use")


# ---- Reload --------------------------------------------------------------------------------------------------------------

def test_reload_changes_certificates_under_open_sessions(several, tmp_path):
    several.add_mailbox("acme")
    with smtplib.SMTP("127.0.0.1", several.smtp_port, timeout=20) as secured, \
            smtplib.SMTP("127.0.0.1", several.smtp_port, timeout=20) as plain, \
            imaplib.IMAP4_SSL("127.0.0.1", several.ports["imaps"], ssl_context=ssl._create_unverified_context(), timeout=20) as imap:
        secured.starttls(context=ssl._create_unverified_context())
        secured.ehlo()
        plain.ehlo()
        make_certificate(tmp_path, "b", "new.b.test", "b.test")
        reload(several)
        several.wait_for(lambda: "new.b.test" in names_of(several, "b.test"), "the new certificate is in use")
        # Those of before go on, and begin TLS with the key that they know: the old signer is there as long as they are.
        assert imap.noop()[0] == "OK"
        plain.starttls(context=ssl._create_unverified_context())
        for client in (secured, plain):
            client.sendmail("probe@provider.test", [f"acme@{DOMAIN}"], "Subject: x\r\n\r\ntext\r\n")
        assert len(several.role_pids("signer")) == 2
    several.wait_for(lambda: len(several.role_pids("signer")) == 1, "the old signer has ended with the last session")
    assert several.metric("mailtest_role_restarts_total") == 0


# ---- The process with the keys ---------------------------------------------------------------------------------------------

def test_sessions_go_on_when_signer_dies_and_new_ones_soon_again(service):
    service.add_mailbox("acme")
    with smtplib.SMTP("127.0.0.1", service.smtp_port, timeout=20) as secured:
        secured.starttls(context=ssl._create_unverified_context())
        secured.ehlo()
        for _ in range(3):
            killed = service.kill("signer")
            secured.sendmail("probe@provider.test", [f"acme@{DOMAIN}"], "Subject: x\r\n\r\ntext\r\n")

            def signs():
                try:
                    return bool(names_of(service, "x.test"))
                except OSError:
                    return False
            service.wait_for(signs, "handshakes are signed again", 5)
            assert killed not in service.role_pids("signer")
        secured.sendmail("probe@provider.test", [f"acme@{DOMAIN}"], "Subject: x\r\n\r\ntext\r\n")
    assert service.metric("mailtest_role_restarts_total") == 3


def test_a_signer_that_hangs_fails_handshakes_and_nothing_else(service):
    service.add_mailbox("acme")
    pid = service.kill("signer", signal.SIGSTOP)
    try:
        for _ in range(3):
            with pytest.raises(OSError):
                names_of(service, "x.test")
            with smtplib.SMTP("127.0.0.1", service.smtp_port, timeout=20) as plain:
                plain.sendmail("probe@provider.test", [f"acme@{DOMAIN}"], "Subject: x\r\n\r\ntext\r\n")
        assert "signer does not answer" in service.log
    finally:
        os.kill(pid, signal.SIGCONT)

    def all_sign():
        try:
            return all(names_of(service, "x.test") for _ in range(10))
        except OSError:
            return False
    service.wait_for(all_sign, "handshakes are signed again")
    assert service.metric("mailtest_role_restarts_total") == 0


def secret_of(key_file: Path) -> bytes:
    """The secret number of a P-256 key, as it stands in the memory of a little-endian machine that reckons with it."""
    shown = subprocess.run(["openssl", "ec", "-in", key_file, "-noout", "-text"], capture_output=True, text=True, check=True).stdout
    number = bytes.fromhex(re.sub(r"[\s:]", "", re.search(r"priv:\n((?:\s+[0-9a-f:]+\n)+)", shown).group(1)))
    return number.lstrip(b"\0").rjust(32, b"\0")[::-1]


def memory_has(pid: int, needles: list[bytes]):
    """Whether one of needles is in the memory of a process; None where it may not be read at all."""
    found = False
    try:
        with open(f"/proc/{pid}/maps", encoding="ascii") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
            for line in maps:
                span, rights = line.split()[:2]
                start, end = (int(part, 16) for part in span.split("-"))
                # The map of the database is far longer than memory, and a file; a sanitizer's own memory is longer still.
                if "r" not in rights or "/data.mdb" in line or end - start > 1 << 30:
                    continue
                try:
                    memory.seek(start)
                    content = memory.read(end - start)
                except (OSError, OverflowError):
                    continue                                        # [vvar], which the kernel does not give
                found = found or any(needle in content for needle in needles)
    except PermissionError:
        return None
    return found


def test_the_private_key_is_in_the_memory_of_signer_alone(service):
    names_of(service, "x.test")
    s_client(service, "smtp")
    key_file = service.scratch / "state/tls/key.pem"
    needles = [secret_of(key_file), secret_of(key_file)[::-1], key_file.read_bytes().splitlines()[1]]
    others = [pid for role in ("smtpd", "imapd", "lookup", "store", "webhook") for pid in service.role_pids(role)]
    held = {pid: memory_has(pid, needles) for pid in [service.process.pid, *others, *service.role_pids("signer")]}
    assert len(others) >= 5
    # Whoever is not root cannot even look into the roles, which is as good.
    assert [held[pid] for pid in service.role_pids("signer")] in ([True], [None])
    assert not any(held[pid] for pid in [service.process.pid, *others]), held
