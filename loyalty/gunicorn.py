"""gunicorn's settings (`-c python:loyalty.gunicorn`), and its threaded worker with a limit for slow requests.

Strict by intent: the request target must reach the view as it was signed, and no header may pose as another.
"""

import os
import selectors
import socket
import time
from functools import partial
from multiprocessing.sharedctypes import RawArray
from typing import Any

from gunicorn.workers.gthread import TConn, ThreadWorker

from loyalty.log_lines import OneLineFormatter

ARRIVAL_SECONDS = 7.0
LINGER_SECONDS = 0.3
HESITATION_SECONDS, SLACK, SLOTS = 0.002, 1, 256
# One more than each worker's connections, 0 for a worker that is gone; shared, as the workers are forked from here.
_connections = RawArray("i", SLOTS)

wsgi_app = "loyalty.wsgi:application"
bind = f"127.0.0.1:{os.environ.get('PORT') or 8000}"
raw_env = ["LOYALTY_PROCESS=web"]
worker_class = "loyalty.gunicorn.PunctualWorker"
workers = max(2, os.cpu_count() or 2)
threads = 8
worker_connections = 1000
preload_app = True
keepalive = 30
timeout = 30
graceful_timeout = 2
forwarded_allow_ips = ""
forwarder_headers = ""
header_map = "drop"
limit_request_line = 8190
limit_request_fields = 64
limit_request_field_size = 8190
control_socket_disable = True
accesslog = None
errorlog = "-"
loglevel = "warning"


def on_starting(server: Any) -> None:
    """gunicorn's hook: it tells faulty requests with their address, which may be a member's link."""
    for handler in server.log.error_log.handlers:
        handler.setFormatter(OneLineFormatter())


def child_exit(_arbiter: Any, worker: Any) -> None:
    """gunicorn's hook: a worker that is gone must hold nobody back."""
    _connections[worker.age % SLOTS] = 0


class PunctualWorker(ThreadWorker):  # type: ignore[misc]  # gunicorn has no types
    """gthread lets a silent connection hold a thread for 5 s, and a half-sent request for as long as it likes.

    Here a connection gets a thread when its first byte is there, and the reading side of its socket is shut
    when the time is over: whoever reads sees the end of the request. And a worker with more connections than
    another lets that one go first: whoever wakes first would take them all, and one core do all the work.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._due: dict[Any, float] = {}

    def notify(self) -> None:
        """Called by gthread's main loop at every turn."""
        super().notify()
        _connections[self.age % SLOTS] = 1 + self.nr_conns

    def accept(self, listener: socket.socket) -> None:
        if 1 + self.nr_conns > min(filter(None, _connections), default=0) + SLACK:
            time.sleep(HESITATION_SECONDS)
        try:
            sock, peer = listener.accept()
        except OSError:
            return  # another worker was faster, or the peer has left
        sock.setblocking(False)
        conn = TConn(self.cfg, sock, peer, listener.getsockname())
        conn.set_timeout()
        self.nr_conns += 1
        _connections[self.age % SLOTS] = 1 + self.nr_conns
        self.pending_conns.append(conn)
        self.poller.register(sock, selectors.EVENT_READ, partial(self.on_pending_socket_readable, conn))

    def handle(self, conn: Any) -> Any:
        self._due[conn] = time.monotonic() + ARRIVAL_SECONDS
        try:
            result = super().handle(conn)
        finally:
            del self._due[conn]
        if result is False:
            _drain(conn.sock)
        return result

    def murder_pending(self) -> None:
        """Called by gthread's main loop, at least once a second."""
        super().murder_pending()
        now = time.monotonic()
        for conn, due in list(self._due.items()):
            if due < now:
                _stop_reading(conn.sock)


def _drain(sock: socket.socket) -> None:
    """Take what the peer still sends before closing, here: gthread would wait 2 s for it in its main loop."""
    end = time.monotonic() + LINGER_SECONDS
    try:
        sock.shutdown(socket.SHUT_WR)
        while (left := end - time.monotonic()) > 0:
            sock.settimeout(left)
            if not sock.recv(65536):
                break
    except OSError:
        pass  # gone already, or silent: either way there is nothing to wait for
    _stop_reading(sock)


def _stop_reading(sock: socket.socket) -> None:
    try:
        sock.shutdown(socket.SHUT_RD)
    except OSError:
        pass  # closed by the other side meanwhile
