"""The vendor's own SDK as a real client of our running webhooks, and as the judge of what we send."""

import base64
import json
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from alipayhk import signature
from alipayhk.simulator import keys, notices
from tests import callers, live
from tests.alipayhk.raw_gateway import RawGateway, Request, result
from tests.callers import Caller
from tests.live import Json

# The first test may have to wait for the installation to start.
pytestmark = pytest.mark.timeout(300)

PEER = Path(__file__).parent / "alipayhk" / "vendor_sdk_peer.py"


@pytest.fixture(scope="module")
def gateway(live_simulator: live.Simulator) -> Iterator[RawGateway]:
    """AlipayHK's gateway, which keeps every request as it came and gives every new card another number."""
    started = RawGateway(keys.open_ring(live_simulator.folder))

    def answer(connection: socket.socket, request: Request) -> None:
        number = f"2026112119027102002030{len(started.requests):09d}"
        connection.sendall(started.genuine(request, result("SUCCESS", passId=number)))

    started.answer = answer
    yield started
    started.stop()


@pytest.fixture(scope="module")
def caller(
    gateway: RawGateway, live_installation: live.Installation, live_simulator: live.Simulator
) -> Caller:
    """A mall of its own whose gateway keeps every request as it came."""
    content = callers.document(live_simulator, tag="peer-court", number=301, gateway_url=gateway.url)
    callers.register(live_installation, content)
    return Caller(live_simulator.folder, content, url=live_installation.url)


def ask(python: Path, *jobs: Json) -> list[Json]:
    done = subprocess.run(
        [python, PEER], input=json.dumps(jobs), capture_output=True, text=True, check=True, timeout=60
    )
    found: list[Json] = json.loads(done.stdout)
    return found


def posting(caller: Caller, kind: str, body: Json, *, key: RSAPrivateKey | None = None) -> Json:
    """What the SDK is to post; it reads no PEM but bare PKCS#1."""
    der = (key or caller.keys.current).private_bytes(
        Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption()
    )
    address = urlsplit(caller.client.url(kind))
    return {
        "do": "post",
        "host": address.hostname,
        "port": address.port,
        "path": address.path,
        "client_id": caller.client.client_id,
        "body": notices.to_bytes(body).decode(),
        "private_key": base64.b64encode(der).decode(),
        "public_key": caller.client.public_keys[0],
    }


def judging(caller: Caller, request: Request, *, more: str = "") -> Json:
    return {
        "do": "verify_webhook",
        "path": request.target.decode(),
        "client_id": request.headers["client-id"],
        "time": request.headers["request-time"],
        "body": request.body.decode() + more,
        "header": request.headers["signature"],
        "public_key": caller.client.public_keys[0],
    }


def test_the_sdk_joins_pays_and_returns_and_finds_our_answers_genuine(
    sdk_python: Path, caller: Caller, live_installation: live.Installation
) -> None:
    [user_id] = callers.users(1)
    card = {"userId": user_id, "userEmail": f"u{user_id}@example.com"}
    bill = caller.bill(user_id, 20_000)
    refund = caller.refund(bill, 5_000)

    answers = ask(
        sdk_python,
        posting(caller, "membercard", card),
        posting(caller, "bill", bill),
        posting(caller, "refund", refund),
        posting(caller, "bill", bill),
    )

    found = [json.loads(answer["value"])["result"]["resultCode"] for answer in answers]
    assert found == ["SUCCESS"] * 4
    assert callers.balance(live_installation, user_id) == 150


def test_the_sdk_finds_our_refusal_genuine_too(sdk_python: Path, caller: Caller) -> None:
    bill = caller.bill(callers.users(1)[0], 20_000)

    [answer] = ask(
        sdk_python, posting(caller, "bill", bill | {"orderAmount": {"currency": "HKD", "value": -1}})
    )

    assert json.loads(answer["value"])["result"]["resultCode"] == "PARAM_ILLEGAL"


def test_under_a_strangers_key_the_sdk_gets_no_signed_answer(sdk_python: Path, caller: Caller) -> None:
    bill = caller.bill(callers.users(1)[0], 20_000)

    [answer] = ask(sdk_python, posting(caller, "bill", bill, key=caller.keys.old))

    assert "signature not exist" in answer["error"]


def test_the_sdk_finds_our_calls_genuine_and_changed_ones_not(
    sdk_python: Path, caller: Caller, gateway: RawGateway
) -> None:
    [user_id] = callers.users(1)
    caller.join(user_id)
    assert callers.until(lambda: paths(calls(gateway, user_id)) == {"createPass"}, 20)
    caller.send("bill", caller.bill(user_id, 20_000))
    assert callers.until(lambda: paths(calls(gateway, user_id)) == {"createPass", "updatePass"}, 20)
    made = calls(gateway, user_id)

    genuine = ask(sdk_python, *(judging(caller, request) for request in made))
    changed = ask(sdk_python, *(judging(caller, request, more=" ") for request in made))

    assert genuine == [{"value": True}] * len(made)
    assert all("VerificationError" in answer["error"] for answer in changed)
    assert all(signature.read_header(request.headers["signature"]).key_version == 1 for request in made)


def calls(gateway: RawGateway, user_id: str) -> list[Request]:
    return [request for request in gateway.requests if user_id in request.body.decode()]


def paths(requests: list[Request]) -> set[str]:
    return {request.target.decode().rpartition("/")[2] for request in requests}
