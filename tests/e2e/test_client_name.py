"""The client's name by reverse look-up: confirmed, in the facts of a message and in its Received field, and never waited for."""

from dns_server import A, PTR, DnsServer, reverse
from http_client import token_path
from service import DOMAIN
from smtp_client import connect

CLIENT = "127.0.0.1"
ASKED = (reverse(CLIENT), PTR)


def start(make_service, dns, **smtp):
    service = make_service(processes={"smtpd": 1}, smtp={"resolvers": [dns.address], **smtp})
    service.add_mailbox("acme")
    return service


def send(client, token):
    envelope = f"EHLO out.customer.test\r\nMAIL FROM:<>\r\nRCPT TO:<acme@{DOMAIN}>\r\nDATA\r\n"
    assert client.codes(envelope.encode(), 4) == ["250", "250", "250", "354"]
    assert client.say(f"Subject: {token}\r\n\r\n.\r\n".encode()).startswith("250 ")


def arrival(service, token):
    """The client of the token's first arrival, and the Received field that we put in front of its message."""
    found = service.http("GET", token_path(token, "?wait=20s")).json()["arrivals"][0]
    raw = service.http("GET", f"/v1/messages/{found['message_id']}/raw").body.decode()
    return found["client"], raw[raw.index("Received: "):].split("\r\n")[0]


def test_a_confirmed_name_is_told_and_asked_for_once(make_service):
    name = "out1.customer.test"
    with DnsServer({ASKED: [name], (name, A): ["192.0.2.7", CLIENT]}) as dns:
        service = start(make_service, dns)
        for _ in range(2):
            token = service.mint("acme")
            with connect(service) as client:
                dns.wait_for_answer(name, A)
                send(client, token)
            client, received = arrival(service, token)
            assert client == {"address": CLIENT, "name": name, "helo": "out.customer.test"}
            assert received == f"Received: from out.customer.test ({name} [{CLIENT}])"
        assert dns.questions == [ASKED, (name, A)]


def test_a_name_that_has_another_address_is_not_told(make_service):
    lie = "mail.bank.test"
    with DnsServer({ASKED: [lie], (lie, A): ["192.0.2.99"]}) as dns:
        service = start(make_service, dns)
        token = service.mint("acme")
        with connect(service) as client:
            dns.wait_for_answer(lie, A)
            send(client, token)
        client, received = arrival(service, token)
        assert client["name"] is None
        assert received == f"Received: from out.customer.test ([{CLIENT}])"


def test_the_second_name_may_be_the_one(make_service):
    lie, name = "mail.bank.test", "out2.customer.test"
    with DnsServer({ASKED: [lie, name], (lie, A): ["192.0.2.99"], (name, A): [CLIENT]}) as dns:
        service = start(make_service, dns)
        token = service.mint("acme")
        with connect(service) as client:
            dns.wait_for_answer(name, A)
            send(client, token)
        assert arrival(service, token)[0]["name"] == name


def test_a_name_that_is_no_host_s_is_not_even_asked_for(make_service):
    with DnsServer({ASKED: ["a b.test", "x\r\nBcc: y.test", "(c).test", "d\0.test"]}) as dns:
        service = start(make_service, dns)
        token = service.mint("acme")
        with connect(service) as client:
            dns.wait_for_answer(*ASKED)
            send(client, token)
        client, received = arrival(service, token)
        assert client["name"] is None
        assert received == f"Received: from out.customer.test ([{CLIENT}])"
        assert dns.questions == [ASKED]


def test_no_mail_waits_for_a_name_server_that_says_nothing(make_service):
    with DnsServer(silent=True) as dns:
        # The look-up is open for a minute, and the mail has its 250 while it is.
        service = start(make_service, dns, client_name_timeout_ms=60000)
        token = service.mint("acme")
        with connect(service) as client:
            dns.wait_for_question(*ASKED)
            send(client, token)
        client, received = arrival(service, token)
        assert client["name"] is None and client["address"] == CLIENT
        assert received == f"Received: from out.customer.test ([{CLIENT}])"
        assert dns.answered == []
        assert service.stop() == 0          # nor does a stop


def test_nothing_is_asked_when_it_is_off(make_service):
    with DnsServer({ASKED: ["out1.customer.test"]}) as dns:
        service = start(make_service, dns, client_name_timeout_ms=0)
        token = service.mint("acme")
        with connect(service) as client:
            send(client, token)
        assert arrival(service, token)[0]["name"] is None
        assert dns.questions == []
