"""Fixtures: a service and real mail servers, each test with its own, shown with their logs when the test fails."""

import os
import socket

import pytest

from mail_world import World
from servers import Exim, OpenSMTPD, Postfix
from service import DOMAIN, Service, is_sanitized

# smtplib asks for the machine's own name before each connection; where DNS does not know it, for seconds.
socket.getfqdn = lambda name="": "client.provider.test"


# They measure time, beside which nothing else should run: make attack does.
collect_ignore = [] if "ATTACK" in os.environ else ["test_attack_timing.py"]


def pytest_ignore_collect(collection_path):
    """A build with AddressSanitizer needs rights that the roles otherwise give up (lib/sandbox.c), so there they are not tested; nor does it run under valgrind."""
    return True if collection_path.name in ("test_check_unit.py", "test_rights.py", "test_systemd_unit.py", "test_valgrind.py") and is_sanitized() else None


@pytest.fixture
def make_service():
    """Starts services with settings of the test's own: make_service(smtp={"errors_max": 3})."""
    made = []

    def make(**settings) -> Service:
        made.append(Service(**settings))
        return made[-1].start()

    make.made = made
    yield make
    reports = [service.sanitizer_report for service in made]
    try:
        for service in made:
            if service.process is not None:
                service.stop()
                reports.append(service.sanitizer_report)
    finally:
        for service in made:
            service.remove()
    assert not any(reports), "\n".join(filter(None, reports))


@pytest.fixture
def service(make_service) -> Service:
    return make_service()


@pytest.fixture(params=[Exim, Postfix, OpenSMTPD], ids=lambda server: server.__name__.lower())
def mail_server(request):
    """The class of a real mail server; a test that asks for it runs with each."""
    if why := request.param.obstacle():
        pytest.skip(why)
    return request.param


@pytest.fixture
def customer(service, mail_server):
    """A customer's mail system whose user@customer.test is forwarded to our mailbox acme."""
    service.add_mailbox("acme")
    with mail_server("customer.test", forwards={"user": f"acme@{DOMAIN}"},
                     routes={DOMAIN: ("127.0.0.1", service.smtp_port)}) as server:
        yield server


@pytest.fixture(scope="session")
def whole_world(tmp_path_factory):
    if why := next(filter(None, (server.obstacle() for server in (Postfix, OpenSMTPD))), ""):
        pytest.skip(why)
    made = World(tmp_path_factory.mktemp("world"))
    yield made
    made.stop()


@pytest.fixture
def world(whole_world) -> World:
    """Servers that many tests share: all that were started run, and no mail lies anywhere."""
    whole_world.tidy()
    return whole_world


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    report = (yield).get_result()
    if not report.failed:
        return
    logs = {}                   # by object: service comes out of make_service, and is to be shown once
    for name, value in getattr(item, "funcargs", {}).items():
        for part in getattr(value, "made", [value]):
            if isinstance(log := getattr(part, "log", None), str):
                logs[id(part)] = (f"log of {name}", log)
    report.sections.extend(logs.values())


@pytest.fixture
def acme(service):
    """The service with a mailbox, whose address, user and secret are in acme.acme."""
    service.acme = service.add_mailbox("acme")
    return service
