"""One HTTP POST to a gateway, over before its deadline whatever the other side does.

Every wait of the socket is cut to what is left of the call, since a timeout per read never ends a drip.
Follows no redirect, takes no proxy from the environment, keeps no cookie. Knows nothing of signatures.
"""

import os
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from http.client import HTTPException
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPResponse, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError, NameResolutionError, NewConnectionError

LARGEST_ANSWER = 64 * 1024
PIECE = 16 * 1024
CONNECT_SECONDS = 2.0
# A pooled connection that rested longer may have been closed by the gateway just as we write on it.
LONGEST_REST = 4.0

_thread = threading.local()


class Failed(Exception):
    """No whole answer came: TIMEOUT, TLS_FAILED, NOT_CONNECTED, CONNECTION_LOST or ANSWER_TOO_LARGE."""

    def __init__(self, code: str, status: int | None = None) -> None:
        super().__init__(code)
        self.code, self.status = code, status


@dataclass(frozen=True, slots=True)
class RawAnswer:
    """What came back, unjudged. Header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def post(
    url: str, *, headers: Mapping[str, str], body: bytes, seconds: float, largest: int = LARGEST_ANSWER
) -> RawAnswer:
    """Send and read within `seconds` and `largest` bytes in all; raises Failed. The URL is sent as it is written."""
    _thread.ends_at = time.monotonic() + seconds
    try:
        return _exchange(url, headers, body, largest)
    except (requests.RequestException, HTTPError, HTTPException, OSError, zlib.error) as error:
        _hang_up()
        raise Failed(_code(error)) from error


def _exchange(url: str, headers: Mapping[str, str], body: bytes, largest: int) -> RawAnswer:
    session = _session()
    request = session.prepare_request(requests.Request("POST", url, headers=dict(headers), data=body))
    request.url = url
    timeout = (CONNECT_SECONDS, _left())
    with session.send(request, stream=True, allow_redirects=False, timeout=timeout) as answer:
        content = _read(answer.raw, answer.status_code, largest)
    _thread.rested_since = time.monotonic()
    found = {name.lower(): value for name, value in answer.headers.items()}
    plain = _unpacked(content, found.get("content-encoding", ""), largest)
    return RawAnswer(answer.status_code, found, plain)


def _read(raw: HTTPResponse, status: int, largest: int) -> bytes:
    content = bytearray()
    while piece := raw.read(PIECE, decode_content=False):
        content += piece
        if len(content) > largest:
            raw.close()
            raise Failed("ANSWER_TOO_LARGE", status)
    return bytes(content)


def _unpacked(content: bytes, encoding: str, largest: int) -> bytes:
    """We ask for an answer that is not compressed; a proxy may not have listened."""
    if encoding.strip().lower() not in ("gzip", "deflate"):
        return content
    unpacked = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32).decompress(content, largest + 1)
    if len(unpacked) > largest:
        raise Failed("ANSWER_TOO_LARGE")
    return unpacked


def _code(error: Exception) -> str:
    if isinstance(error, requests.exceptions.SSLError):
        return "TLS_FAILED"
    if isinstance(error, requests.exceptions.Timeout) or time.monotonic() >= _thread.ends_at:
        return "TIMEOUT"
    reason = getattr(error.args[0], "reason", None) if error.args else None
    return "NOT_CONNECTED" if isinstance(reason, NewConnectionError) else "CONNECTION_LOST"


def _left() -> float:
    left: float = _thread.ends_at - time.monotonic()
    if left <= 0:
        raise TimeoutError("the call's time is up")
    return left


class _Socket(socket.socket):
    """Waits no longer for anything than the call has left."""

    def recv_into(self, *arguments: Any) -> int:
        self.settimeout(_left())
        return super().recv_into(*arguments)

    def sendall(self, *arguments: Any) -> None:
        self.settimeout(_left())
        super().sendall(*arguments)


class _TLSSocket(ssl.SSLSocket):
    """The same through TLS, where reading and writing are calls of their own."""

    def recv_into(self, *arguments: Any) -> int:
        self.settimeout(_left())
        return super().recv_into(*arguments)

    def sendall(self, *arguments: Any) -> None:
        self.settimeout(_left())
        super().sendall(*arguments)


def _connect(connection: HTTPConnection) -> socket.socket:
    """Try the host's addresses in turn; urllib3 would grant each of them the whole timeout."""
    try:
        places = _look_up(connection.host, connection.port)
    except socket.gaierror as error:
        raise NameResolutionError(connection.host, connection, error) from error
    failure: OSError = OSError("the host has no address")
    for family, kind, protocol, _, address in places:
        opened = _Socket(family, kind, protocol)
        try:
            opened.settimeout(min(_left(), CONNECT_SECONDS))
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            opened.connect(address)
            # The TLS handshake waits by this one.
            opened.settimeout(_left())
        except OSError as error:
            failure = error
            opened.close()
        else:
            return opened
    raise NewConnectionError(connection, f"no connection: {failure}") from failure


def _look_up(host: str, port: int | None) -> list[Any]:
    """The host's addresses; a name server that is silent would hold us far beyond the call's time."""
    found: Future[list[Any]] = Future()

    def ask() -> None:
        try:
            found.set_result(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except OSError as error:
            found.set_exception(error)

    threading.Thread(target=ask, name="alipayhk-look-up", daemon=True).start()
    return found.result(timeout=_left())


class _Connection(HTTPConnection):
    def _new_conn(self) -> socket.socket:
        return _connect(self)


class _TLSConnection(HTTPSConnection):
    def _new_conn(self) -> socket.socket:
        return _connect(self)


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TLSPool(HTTPSConnectionPool):
    ConnectionCls = _TLSConnection


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        context = ssl.create_default_context()
        context.sslsocket_class = _TLSSocket
        super().init_poolmanager(*arguments, **options, ssl_context=context)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _TLSPool}


def _session() -> requests.Session:
    """This thread's session, with fresh connections after a rest."""
    session: requests.Session | None = getattr(_thread, "session", None)
    if session is None:
        session = _thread.session = _new_session()
    elif time.monotonic() - _thread.rested_since > LONGEST_REST:
        _hang_up()
    _thread.rested_since = time.monotonic()
    return session


def _new_session() -> requests.Session:
    session = requests.Session()
    session.trust_env = False
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.headers = requests.structures.CaseInsensitiveDict(
        {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "loyalty"}
    )
    adapter = _Adapter(pool_connections=4, pool_maxsize=1)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session


def _hang_up() -> None:
    """After a failure nothing may be left on the line that the next call would take for its answer."""
    session: requests.Session | None = getattr(_thread, "session", None)
    for adapter in session.adapters.values() if session else ():
        adapter.close()


def _forget() -> None:
    global _thread
    _thread = threading.local()


os.register_at_fork(after_in_child=_forget)
