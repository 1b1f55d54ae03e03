"""The web process as a careless or hostile client meets it. Each case is a row of the list of bad inputs."""

import os
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests import live

HEALTH = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
TARGET = b"/lumina-plaza/points/bill/notify"


def test_b058_slow_requests_are_closed_within_10_s(live_installation: live.Installation) -> None:
    announced = b"POST " + TARGET + b" HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 500\r\n\r\n{"
    sent = {
        "a body that stops halfway": (announced, b""),
        "a byte a second": (announced, b" "),
        "half a header": (b"POST " + TARGET + b" HTTP/1.1\r\nHost: 127", b""),
    }

    with ThreadPoolExecutor() as pool:
        seconds = pool.map(lambda parts: _seconds_until_closed(live_installation, *parts), sent.values())

    assert {name: time <= 10 for name, time in zip(sent, seconds, strict=True)} == dict.fromkeys(sent, True)


def test_a_client_that_will_not_hang_up_keeps_nobody_waiting(live_installation: live.Installation) -> None:
    clients = [_connected(live_installation) for _ in range(4)]
    for client in clients:
        client.sendall(HEALTH.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    start = time.monotonic()

    status, _ = live_installation.get("/healthz")

    assert status == 200
    assert time.monotonic() - start < 1
    for client in clients:
        client.close()


def test_b059_idle_connections_keep_nobody_waiting(live_installation: live.Installation) -> None:
    idle = [_connected(live_installation) for _ in range(300)]
    time.sleep(0.2)
    start = time.monotonic()

    statuses = {live_installation.get("/healthz")[0] for _ in range(10)}

    assert statuses == {200}
    assert time.monotonic() - start < 20
    for client in idle:
        client.close()


@pytest.mark.parametrize(
    "framing",
    [
        b"Content-Length: 4\r\nTransfer-Encoding: chunked",
        b"Content-Length: 4\r\nContent-Length: 5",
        b"Content-Length: +2",
        b"Content-Length: -1",
        b"Content-Length: 0x2",
        b"Content-Length: 2,2",
        b"Content-Length: ",
    ],
)
def test_b052_ambiguous_framing_is_refused(live_installation: live.Installation, framing: bytes) -> None:
    with _connected(live_installation) as client:
        client.sendall(b"POST " + TARGET + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n" + framing + b"\r\n\r\nabcd")

        answer = client.recv(4096)

    assert answer.startswith(b"HTTP/1.1 400")


def test_a_target_over_8_kb_is_refused(live_installation: live.Installation) -> None:
    with _connected(live_installation) as client:
        client.sendall(b"POST /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")

        answer = client.recv(4096)

    assert answer.startswith((b"HTTP/1.1 400", b"HTTP/1.1 414"))


def test_more_than_64_headers_are_refused(live_installation: live.Installation) -> None:
    headers = b"".join(b"X-%d: 1\r\n" % number for number in range(70))
    with _connected(live_installation) as client:
        client.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n" + headers + b"\r\n")

        answer = client.recv(4096)

    assert answer.startswith((b"HTTP/1.1 400", b"HTTP/1.1 431"))


def test_the_server_says_nothing_about_its_version(live_installation: live.Installation) -> None:
    with _connected(live_installation) as client:
        client.sendall(HEALTH)

        answer = client.recv(4096)

    assert b"\r\nServer: gunicorn\r\n" in answer


def test_a_burst_of_connections_is_spread_over_all_workers(live_installation: live.Installation) -> None:
    """Whoever woke first took them all, and one core did the work of the machine."""
    workers = live.descendants(live_installation.pid("web"))
    before = {worker: _sockets(worker) for worker in workers}
    clients = [_connected(live_installation) for _ in range(40)]
    time.sleep(0.5)

    taken = {worker: _sockets(worker) - before[worker] for worker in workers}

    for client in clients:
        client.close()
    assert sum(taken.values()) == 40
    assert min(taken.values()) >= 40 // len(workers) - 5, taken


def _sockets(pid: int) -> int:
    links = (os.readlink(link) for link in Path(f"/proc/{pid}/fd").iterdir())
    return sum(1 for link in links if link.startswith("socket:"))


def _connected(installation: live.Installation) -> socket.socket:
    return socket.create_connection(("127.0.0.1", installation.port), timeout=12)


def _seconds_until_closed(installation: live.Installation, beginning: bytes, drip: bytes) -> float:
    start = time.monotonic()
    with _connected(installation) as client:
        client.sendall(beginning)
        client.settimeout(0.9)
        while time.monotonic() - start < 15:
            try:
                client.sendall(drip)
                if not client.recv(4096):
                    break
            except TimeoutError:
                continue
            except OSError:
                break
    return time.monotonic() - start
