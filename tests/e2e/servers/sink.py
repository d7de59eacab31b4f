"""An SMTP server that keeps what it gets, and can be told how to answer: the far end for tests without the service."""

import queue
import socketserver
import threading
from dataclasses import dataclass, field


@dataclass
class Mail:
    sender: str
    recipients: list = field(default_factory=list)
    content: bytes = b""


class Sink:
    """replies: verb (or "." for the end of data) → reply line, instead of the usual one."""

    def __init__(self, replies=None):
        self.replies = {"220": "220 sink", "DATA": "354 go ahead", "QUIT": "221 bye", **(replies or {})}
        self.mails = queue.Queue()
        self._server = _Server(("127.0.0.1", 0), _Session)
        self._server.sink = self
        self.host, self.port = self._server.server_address
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()

    def next_mail(self, seconds: float = 20) -> Mail:
        return self.mails.get(timeout=seconds)


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False


class _Session(socketserver.StreamRequestHandler):
    def handle(self):
        sink, mail = self.server.sink, None
        self._reply(sink.replies["220"])
        for line in self.rfile:
            text = line.decode("latin-1").strip()
            verb = text[:4].upper()
            reply = sink.replies.get(verb, "250 ok")
            self._reply(reply)
            if verb == "QUIT":
                return
            if verb == "MAIL":
                mail = Mail(_path_of(text))
            elif verb == "RCPT" and reply.startswith("2"):
                mail.recipients.append(_path_of(text))
            elif verb == "DATA" and reply.startswith("3"):
                mail.content = self._read_data()
                reply = sink.replies.get(".", "250 kept")
                if reply.startswith("2"):
                    sink.mails.put(mail)
                self._reply(reply)

    def _reply(self, line):
        self.wfile.write(line.encode() + b"\r\n")

    def _read_data(self):
        lines = []
        for line in self.rfile:
            if line == b".\r\n":
                break
            lines.append(line[1:] if line.startswith(b".") else line)
        return b"".join(lines)


def _path_of(command):
    return command[command.index("<") + 1:command.index(">")]
