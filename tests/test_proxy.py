"""docs/nginx.conf in front of a running installation. Collected only where nginx is installed: see conftest.py."""

import http.client
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from alipayhk import signature
from alipayhk.simulator import notices, post
from alipayhk.simulator.notices import Envelope
from tests import callers, live
from tests.callers import Caller

NGINX = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/local/bin:/opt/homebrew/bin") or "nginx"
TAG = "behind-proxy"


@dataclass(frozen=True)
class Proxy:
    port: int
    caller: Caller

    def answer(self, envelope: Envelope, *, chunked: bool = False) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=15)
        body = iter([envelope.body[:20], envelope.body[20:]]) if chunked else envelope.body
        connection.request("POST", envelope.target.decode(), body, envelope.headers, encode_chunked=chunked)
        answer = connection.getresponse()
        found = answer.status, answer.read()
        connection.close()
        return found

    def bill(self, **fields: object) -> Envelope:
        """A signed payment notice of a new member."""
        [user_id] = callers.users(1)
        self.caller.join(user_id)
        content = notices.to_bytes(self.caller.bill(user_id, 12_000, **fields))
        return notices.seal(
            kind="bill", body=content, client=self.caller.client, keys=self.caller.keys, fault="none"
        )


@pytest.fixture(scope="module")
def proxy(live_installation: live.Installation, live_simulator: live.Simulator) -> Iterator[Proxy]:
    document = callers.document(live_simulator, tag=TAG, number=9_143)
    callers.register(live_installation, document)
    folder = Path(tempfile.mkdtemp(prefix="loyalty-proxy-"))
    port = live.free_port()
    (folder / "nginx.conf").write_text(_configuration(folder, port=port, web=live_installation.port))
    process = subprocess.Popen([NGINX, "-c", str(folder / "nginx.conf"), "-g", "daemon off;"])
    _wait_for(port)
    url = f"http://127.0.0.1:{port}"
    yield Proxy(port, Caller(live_simulator.folder, document, url=url))
    process.terminate()
    process.wait()
    shutil.rmtree(folder)


def test_a_notice_passes_and_is_answered_signed(proxy: Proxy) -> None:
    [user_id] = callers.users(1)

    joined = proxy.caller.join(user_id)
    paid = proxy.caller.send("bill", proxy.caller.bill(user_id, 12_000))

    assert joined.is_acknowledged
    assert paid.codes() == {"SUCCESS"}


def test_b054_a_chunked_body_arrives_whole_and_signed_for(proxy: Proxy) -> None:
    envelope = proxy.bill()

    status, body = proxy.answer(envelope, chunked=True)

    assert (status, b'"SUCCESS"' in body) == (200, True)


def test_a_body_over_64_kb_is_refused_by_the_proxy(
    proxy: Proxy, live_installation: live.Installation
) -> None:
    envelope = proxy.bill(remark="x" * 65_536)
    before = live_installation.state()["notifications"]

    status, _ = proxy.answer(envelope)

    assert status == 413
    assert live_installation.state()["notifications"] == before


def test_a_target_reaches_web_as_it_was_signed(proxy: Proxy) -> None:
    envelope = _signed_for(proxy, f"/%62{TAG[1:]}/points/bill/notify")

    status, body = proxy.answer(envelope)

    assert (status, b'"SUCCESS"' in body) == (200, True)


@pytest.mark.parametrize("spelling", [f"/{TAG}//points/bill/notify", f"/x/../{TAG}/points/bill/notify"])
def test_a_target_is_not_tidied_on_its_way(
    proxy: Proxy, live_installation: live.Installation, spelling: str
) -> None:
    envelope = _signed_for(proxy, spelling)

    behind = proxy.answer(envelope)
    direct = Proxy(live_installation.port, proxy.caller).answer(envelope)

    assert behind == direct
    assert behind[0] == 404


def test_client_id_with_an_underscore_is_dropped(proxy: Proxy) -> None:
    envelope = proxy.bill()
    headers = {name.replace("Client-Id", "Client_Id"): text for name, text in envelope.headers.items()}

    status, body = proxy.answer(replace(envelope, headers=headers))

    assert (status, b"SIGNATURE_INVALID" in body) == (401, True)


def test_fifty_half_sent_bodies_cost_web_nothing(proxy: Proxy, live_installation: live.Installation) -> None:
    head = f"POST /{TAG}/points/bill/notify HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 500\r\n\r\n{{"
    slow = [socket.create_connection(("127.0.0.1", proxy.port)) for _ in range(50)]
    for client in slow:
        client.sendall(head.encode())
    envelope = proxy.bill()
    start = time.monotonic()

    answer = post.send(envelope)

    assert answer.status == 200
    assert time.monotonic() - start < 2
    assert live_installation.get("/healthz")[0] == 200
    for client in slow:
        client.close()


def _signed_for(proxy: Proxy, target: str) -> Envelope:
    envelope = proxy.bill()
    key, version = proxy.caller.keys.signing("current")
    made = signature.sign(
        key=key,
        target=target.encode(),
        client_id=envelope.client_id,
        time=envelope.headers["Request-Time"],
        body=envelope.body,
    )
    headers = {**envelope.headers, "Signature": signature.header(signature=made, key_version=version)}
    return replace(envelope, target=target.encode(), headers=headers)


def _configuration(folder: Path, *, port: int, web: int) -> str:
    """The file that compose mounts, on loopback and without TLS."""
    text = (live.ROOT / "docs" / "nginx.conf").read_text()
    text = re.sub(r"server \{\s+listen 8080;.*?\}", "", text, count=1, flags=re.DOTALL)
    text = re.sub(r"ssl_[a-z_]+ [^;]+;", "", text)
    text = text.replace("listen 8443 ssl;", f"listen 127.0.0.1:{port};")
    text = text.replace("server web:8000;", f"server 127.0.0.1:{web};")
    return re.sub(r"/tmp/nginx", f"{folder}/nginx", text)


def _wait_for(port: int) -> None:
    end = time.monotonic() + 10
    while time.monotonic() < end:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    pytest.fail("nginx did not start")
