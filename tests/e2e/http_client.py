"""What the tests of the HTTP API share: mail with a token, raw connections, streams of events."""

import http.client
import json
import smtplib
import socket
import time

from service import DOMAIN


def deliver(service, *tokens, mailbox="acme", text=""):
    """A mail with these tokens in its Subject, straight into the mailbox."""
    deliver_all(service, [" ".join(tokens)], mailbox, text)


def deliver_all(service, subjects, mailbox="acme", text=""):
    """A mail with each subject, in one session."""
    with smtplib.SMTP("127.0.0.1", service.smtp_port, timeout=20) as client:
        for subject in subjects:
            client.sendmail("a@customer.test", [f"{mailbox}@{DOMAIN}"], f"Subject: {subject}\r\n\r\n{text}\r\n")


def token_path(token, query="", mailbox="acme"):
    return f"/v1/mailboxes/{mailbox}/tokens/{token}{query}"


def memory_factor(service):
    """A sanitizer build keeps what was freed for a while, to see who still uses it."""
    return 20 if service.build.name == "asan" else 1


class Raw:
    """A connection that sends what it is told to, as it is told to."""

    def __init__(self, service, address=None):
        if address is None:
            self.socket = socket.create_connection(("127.0.0.1", service.ports["http"]), timeout=30)
        else:
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(30)
            self.socket.connect(str(address))
        self.file = self.socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.file.close()
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data if isinstance(data, bytes) else data.encode())

    def get(self, path, key=None, more=""):
        self.send(f"GET {path} HTTP/1.1\r\nHost: x\r\n" + (f"Authorization: Bearer {key}\r\n" if key else "") + more + "\r\n")

    def makefile(self, _):
        """For HTTPResponse: what it reads too much is there for the next, and the end of one answer closes nothing."""
        return _Unclosed(self.file)

    def response(self, method="GET"):
        """(status, headers, body) of the next answer."""
        answer = http.client.HTTPResponse(self, method=method)
        answer.begin()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()

    def rest(self):
        """All that comes until the end; a reset is an end, too."""
        data = b""
        try:
            while piece := self.file.read1(65536):
                data += piece
        except ConnectionResetError:
            pass
        return data


class _Unclosed:
    def __init__(self, file):
        self.file = file

    def __getattr__(self, name):
        return getattr(self.file, name)

    def close(self):
        pass


class Events:
    """A stream of server-sent events."""

    def __init__(self, service, query="", last_id=None, key="", path="/v1/arrivals"):
        self.connection = http.client.HTTPConnection("127.0.0.1", service.ports["http"], timeout=20)
        headers = {"Authorization": f"Bearer {key or service.key}"}
        if last_id is not None:
            headers["Last-Event-ID"] = str(last_id)
        self.connection.request("GET", f"{path}{query}", headers=headers)
        self.answer = self.connection.getresponse()
        self.status = self.answer.status

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()

    def next(self):
        """The next event's fields, with its data parsed; None at the end of the stream."""
        event, end = {}, time.monotonic() + 20
        while line := self.answer.readline().decode():
            assert time.monotonic() < end, "nothing but comments came"
            if line == "\n":
                if "data" in event:
                    return event
                event = {}
            elif not line.startswith(":"):
                name, value = line.rstrip("\n").split(": ", 1)
                event[name] = json.loads(value) if name == "data" else value
        return None
