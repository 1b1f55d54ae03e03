"""Sockets of the simulator: reads requests, hands them to gateway, control API or page, delivers the answer.

It delivers badly on request: late, byte by byte, never, or with a cut line.
"""

import json
import socket
import struct
import threading
from http.client import responses
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

from alipayhk.simulator.control import Control
from alipayhk.simulator.gateway import Request
from alipayhk.simulator.page import Page
from alipayhk.simulator.phone import Phone
from alipayhk.simulator.replies import Reply
from alipayhk.simulator.twin import Twin

LARGEST_BODY = 1_000_000
# How long a call that never gets its answer keeps its socket; callers give up far sooner.
HANG_SECONDS = 30.0
_SINGLE = ("client-id", "signature", "request-time")
_OWN_HOSTS = ("127.0.0.1", "localhost", "[::1]")


class SimulatorServer(ThreadingHTTPServer):
    """Listens on loopback; each connection has a thread."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 256
    allow_reuse_address = True

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.stopping = threading.Event()
        self.url = f"http://127.0.0.1:{self.server_port}"

    def serve(self, twin: Twin) -> None:
        """Answer requests until `stop` is called."""
        self.twin, self.control, self.page, self.phone = twin, Control(twin), Page(twin), Phone(twin)
        self.serve_forever(poll_interval=0.1)

    def stop(self) -> None:
        self.stopping.set()
        self.shutdown()
        self.server_close()


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 60
    server: SimulatorServer
    raw_requestline: bytes

    def do_GET(self) -> None:
        self._serve("GET")

    def do_POST(self) -> None:
        self._serve("POST")

    def do_DELETE(self) -> None:
        self._serve("DELETE")

    def log_message(self, format: str, *args: object) -> None:
        """Silent: the page shows every call."""

    def _serve(self, method: str) -> None:
        body = self._body()
        if body is None:
            self._deliver(_plain(411, "a body needs a Content-Length"))
            self.close_connection = True
        elif self.path.startswith("/api/"):
            self._deliver(self.server.twin.gateway.answer(self._request(method, body)))
        elif not self._is_own_host():
            self._deliver(_plain(421, "this page is for this machine alone"))
        elif self.path.startswith("/control/"):
            self._deliver(self._control(method, body))
        elif f"{self.path}/".startswith(("/phone/", "/phone?")):
            self._deliver(self.server.phone.answer(self._request(method, body)))
        else:
            self._deliver(self.server.page.answer(self._request(method, body)))

    def _body(self) -> bytes | None:
        if self.headers.get("Transfer-Encoding"):
            return None
        length = self.headers.get("Content-Length", "0")
        if not length.isdigit() or int(length) > LARGEST_BODY:
            return None
        return self.rfile.read(int(length))

    def _request(self, method: str, body: bytes) -> Request:
        """The target as it came, and headers of which none that is signed comes twice."""
        target = self.raw_requestline.split()[1]
        headers = {name.lower(): value for name, value in self.headers.items()}
        for name in _SINGLE:
            if len(self.headers.get_all(name, [])) > 1:
                headers[name] = ""
        return Request(method=method, target=target, headers=headers, body=body)

    def _is_own_host(self) -> bool:
        """Keeps other web sites from steering the simulator through a visitor's browser."""
        host = self.headers.get("Host", "")
        origin = self.headers.get("Origin")
        name = host.rpartition(":")[0] or host
        return name in _OWN_HOSTS and origin in (None, f"http://{host}")

    def _control(self, method: str, body: bytes) -> Reply:
        address = urlsplit(self.path)
        query = dict(parse_qsl(address.query))
        status, content = self.server.control.answer(method, address.path, query, body)
        return Reply(
            status=status,
            body=json.dumps(content, ensure_ascii=False).encode(),
            headers={"Content-Type": "application/json; charset=UTF-8"},
        )

    def _deliver(self, reply: Reply) -> None:
        if reply.manner == "plain" and reply.seconds:
            self.server.stopping.wait(reply.seconds)
        try:
            getattr(self, f"_deliver_{reply.manner}")(reply)
        except OSError:
            # The caller gave up waiting; that is what the fault was for.
            self.close_connection = True

    def _deliver_plain(self, reply: Reply) -> None:
        self.wfile.write(_head(reply) + reply.body)

    def _deliver_drip(self, reply: Reply) -> None:
        self.wfile.write(_head(reply))
        for place in range(len(reply.body)):
            if self.server.stopping.wait(reply.seconds):
                break
            self.wfile.write(reply.body[place : place + 1])

    def _deliver_hang(self, _reply: Reply) -> None:
        self.server.stopping.wait(HANG_SECONDS)
        self.close_connection = True

    def _deliver_reset(self, _reply: Reply) -> None:
        """Close with linger 0: the peer sees a reset, not an end."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()


def _plain(status: int, text: str) -> Reply:
    return Reply(status=status, body=text.encode(), headers={"Content-Type": "text/plain; charset=UTF-8"})


def _head(reply: Reply) -> bytes:
    lines = [f"HTTP/1.1 {reply.status} {responses.get(reply.status, 'Answer')}"]
    lines += [f"{name}: {value}" for name, value in reply.headers.items()]
    lines += [f"Content-Length: {len(reply.body)}", "", ""]
    return "\r\n".join(lines).encode("latin-1")
