"""TLS connections that were meant for a server of another protocol (ALPACA, USENIX 2021): ALPN tells, and who names only others is not let in."""

import socket
import ssl

import pytest

OWN = {"smtp": "smtp", "imap": "imap", "imaps": "imap", "pop3": "pop3", "pop3s": "pop3", "http": "http/1.1"}
BEFORE = {"smtp": b"STARTTLS\r\n", "imap": b"a STARTTLS\r\n", "pop3": b"STLS\r\n"}
FOREIGN = [["h2"], ["h2", "http/1.1"], ["ftp"], ["http/1.0"], ["smtp"], ["imap"], ["pop3"], ["imap4"], ["IMAP"], ["x" * 255]]


@pytest.fixture(scope="module")
def running(request):
    from service import Service, ServiceError
    service = Service(tls={"http": True})
    request.addfinalizer(service.remove)
    with pytest.raises(ServiceError):       # /readyz is behind TLS, too, where the test's client does not look
        service.start(wait_s=1)
    service.wait_for_log("event=ready ")
    return service


def handshake(service, port: str, protocols: list[str]) -> str | None:
    """The protocol that was chosen; raises what ssl does when the server refuses."""
    context = ssl._create_unverified_context()
    if protocols:
        context.set_alpn_protocols(protocols)
    with socket.create_connection(("127.0.0.1", service.ports[port]), timeout=20) as plain:
        if port in BEFORE:
            plain.recv(4096)
            plain.sendall(BEFORE[port])
            plain.recv(4096)
        with context.wrap_socket(plain, server_hostname="mx.test") as client:
            return client.selected_alpn_protocol()


@pytest.mark.parametrize("port", OWN)
@pytest.mark.parametrize("protocols", FOREIGN, ids=lambda names: "+".join(names)[:20])
def test_who_names_only_other_protocols_is_not_let_in(running, port, protocols):
    if OWN[port] in protocols:
        assert handshake(running, port, protocols) == OWN[port]
    else:
        with pytest.raises((ssl.SSLError, ConnectionError), match="ALERT_NO_APPLICATION_PROTOCOL|no application protocol"):
            handshake(running, port, protocols)


@pytest.mark.parametrize("port", OWN)
def test_who_names_ours_or_none_is_let_in(running, port):
    assert handshake(running, port, ["x", OWN[port], "y"]) == OWN[port]
    assert handshake(running, port, []) is None
