"""A gateway made of a bare socket, for answers that no proper server would give."""

import json
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from alipayhk import passes, signature
from alipayhk.models import Credential
from alipayhk.simulator import replies, times
from alipayhk.simulator.keys import KeyRing
from alipayhk.simulator.replies import Envelope
from members.models import Pass
from tests import factories
from tests.alipayhk import gateway as outbound


@dataclass(frozen=True)
class Request:
    """One request as it came; header names are lower case."""

    target: bytes
    headers: dict[str, str]
    body: bytes


Answer = Callable[[socket.socket, Request], None]


@dataclass
class RawGateway:
    """Answers every request by `answer`, one connection a thread."""

    ring: KeyRing
    answer: Answer = lambda connection, request: None
    requests: list[Request] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def stop(self) -> None:
        self.stopping.set()
        socket.create_connection(("127.0.0.1", self.port)).close()
        for thread in self._threads:
            thread.join()
        self._socket.close()

    def mall(self, **fields: Any) -> Credential:
        """A mall that calls this gateway."""
        credential: Credential = factories.CredentialFactory.create(gateway_url=self.url, **fields)
        outbound.give_keys(credential, self.ring)
        factories.CardTemplateFactory.create(credential=credential)
        return credential

    def says(self, body: bytes | dict[str, Any], **manner: Any) -> None:
        """Answer every request with this body, signed, as `genuine` words it."""
        self.answer = lambda connection, request: connection.sendall(self.genuine(request, body, **manner))

    def genuine(
        self,
        request: Request,
        body: bytes | dict[str, Any],
        *,
        key: str = "current",
        seconds_old: float = 0,
        status: int = 200,
        **headers: str | None,
    ) -> bytes:
        """A signed answer as bytes; `headers` are laid over its own, None takes one away."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        made, version = self.ring.signing(key)
        envelope = Envelope(target=request.target, client_id=request.headers["client-id"])
        reply = replies.signed(content, envelope, key=made, version=version, seconds_old=seconds_old)
        laid = {name.replace("_", "-"): value for name, value in headers.items()}
        found = {name: value for name, value in (reply.headers | laid).items() if value is not None}
        return response(content, status=status, **found)

    def _accept(self) -> None:
        while not self.stopping.is_set():
            connection, _ = self._socket.accept()
            thread = threading.Thread(target=self._serve, args=(connection,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as reader:
            try:
                line = reader.readline()
                if not line.startswith(b"POST"):
                    return
                headers = _headers(reader)
                request = Request(line.split()[1], headers, reader.read(int(headers["content-length"])))
                self.requests.append(request)
                self.answer(connection, request)
            except OSError:
                # The caller gave up; that is what most of these answers are for.
                return


def response(content: bytes, *, status: int = 200, **headers: str) -> bytes:
    """An HTTP answer as bytes, on a connection that ends with it."""
    lines = [f"HTTP/1.1 {status} Answer", *(f"{name}: {value}" for name, value in headers.items())]
    lines += [f"Content-Length: {len(content)}", "Connection: close", "", ""]
    return "\r\n".join(lines).encode() + content


def result(code: object, status: object = "S", *, wrapper: str = "result", **more: Any) -> dict[str, Any]:
    return {wrapper: {"resultCode": code, "resultStatus": status, "resultMessage": "said so"}, **more}


def earlier_signature(gateway: RawGateway, request: Request, body: dict[str, Any]) -> str:
    """A signature that AlipayHK did make, over the same answer at another time."""
    key, version = gateway.ring.signing("current")
    made = signature.sign(
        key=key,
        target=request.target,
        client_id=request.headers["client-id"],
        time=times.header_time(times.now().replace(year=2025)),
        body=json.dumps(body).encode(),
    )
    return signature.header(signature=made, key_version=version)


def active(credential: Credential) -> Pass:
    """A member whose card exists and is due for an update."""
    wallet_pass = outbound.member(credential, points=138)
    wallet_pass.external_id, wallet_pass.state = f"2020{wallet_pass.pk:027d}", Pass.State.ACTIVE
    wallet_pass.save()
    return wallet_pass


def push(credential: Credential, *, is_active: bool = True) -> Pass:
    """One card of this mall, called about once."""
    wallet_pass = active(credential) if is_active else outbound.member(credential, points=138)
    passes.notice_new()
    assert passes.drain() == 1
    wallet_pass.refresh_from_db()
    return wallet_pass


def assert_unknown(wallet_pass: Pass, code: str) -> None:
    """Counted, tried again in two seconds, to be confirmed later; nothing else changed."""
    update = outbound.update(wallet_pass)
    assert outbound.outcomes(wallet_pass) == [f"UNKNOWN {code}"]
    assert (update.attempts, update.confirmations_due, update.dead_at) == (1, 2, None)
    assert (update.acknowledged_version, update.lease) == (None, None)
    assert update.due_at is not None
    assert update.called_at is not None
    assert update.due_at - update.called_at < timedelta(seconds=5.5)
    assert wallet_pass.state in (Pass.State.ACTIVE, Pass.State.WAITING)


def assert_refused(wallet_pass: Pass, code: str, *, state: str) -> None:
    """A dead letter at once, and no further attempts."""
    update = outbound.update(wallet_pass)
    assert outbound.outcomes(wallet_pass) == [f"PERMANENT {code}"]
    assert update.dead_at is not None
    assert (update.due_at, update.acknowledged_version) == (None, None)
    assert wallet_pass.state == state
    assert passes.drain() == 0


def alarms(caplog: pytest.LogCaptureFixture, code: str) -> int:
    return sum(record.name == "loyalty.alarm" and code in record.getMessage() for record in caplog.records)


def _headers(reader: Any) -> dict[str, str]:
    found = {}
    while (line := reader.readline()) not in (b"\r\n", b""):
        name, _, value = line.decode("latin-1").partition(":")
        found[name.lower()] = value.strip()
    return found
