"""RSA_AES both ways through real processes, when a mall switches it on; a clear refusal while it is off."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from alipayhk import encryption, signature
from alipayhk.simulator import keys
from tests import callers, live
from tests.alipayhk.raw_gateway import RawGateway, Request
from tests.callers import Caller
from tests.live import Json

# The first test may have to wait for the installation to start.
pytestmark = pytest.mark.timeout(300)

PASS_ID = "2026112119027102002030000000001"
AGENT_TOKEN = "planted-agent-token-20231121"


@pytest.fixture(scope="module")
def gateway(live_simulator: live.Simulator) -> Iterator[RawGateway]:
    """AlipayHK's gateway, which keeps every request as it came and answers as it is told."""
    started = RawGateway(keys.open_ring(live_simulator.folder))
    yield started
    started.stop()


@pytest.fixture(scope="module")
def agent_mall(
    gateway: RawGateway, live_installation: live.Installation, live_simulator: live.Simulator
) -> Json:
    """A mall that encrypts both ways, is reached through an agent, and calls that gateway."""
    wire = {"encryption": "BOTH", "agent_token": AGENT_TOKEN, "gateway_url": gateway.url}
    content = callers.document(live_simulator, tag="agent-court", number=202, **wire)
    callers.register(live_installation, content)
    return content


def with_encryption(content: Json, manner: str) -> Json:
    return content | {"alipayhk": content["alipayhk"] | {"encryption": manner}}


def reading(gateway: RawGateway, plain: list[Json]) -> Callable[..., None]:
    """Decrypts a request with AlipayHK's newest key, and answers encrypted for the mall."""

    def answer(connection: object, request: Request) -> None:
        header = encryption.read_encrypt_header(request.headers["encrypt"])
        assert header is not None
        plain.append(json.loads(encryption.decrypt(request.body, header=header, key=gateway.ring.next)))
        body = {"result": {"resultCode": "SUCCESS", "resultStatus": "S", "resultMessage": "success"}}
        content = json.dumps(body | {"passId": PASS_ID}).encode()
        made = encryption.encrypt(content, key=gateway.ring.merchant.public_key(), key_version=1)
        connection.sendall(gateway.genuine(request, made.body, Encrypt=made.header))  # type: ignore[attr-defined]

    return answer


def test_encrypted_notices_earn_and_the_card_follows_encrypted(
    live_installation: live.Installation, live_simulator: live.Simulator
) -> None:
    mall = callers.document(live_simulator, tag="cipher-court", number=201, encryption="BOTH")
    callers.register(live_installation, mall)
    live_simulator.control("POST", "clients", {"register": mall, "mall_url": live_installation.url})
    caller = Caller(live_simulator.folder, mall, url=live_installation.url)
    [user_id] = callers.users(1)

    joined = caller.join(user_id)
    paid = caller.send("bill", caller.bill(user_id, 20_000))

    assert joined.is_acknowledged
    assert paid.is_acknowledged
    assert callers.until(lambda: callers.shown(live_simulator, user_id) == [200], 20)
    question = "SELECT raw_body, headers ->> 'Encrypt' FROM alipayhk_notification WHERE user_id = %s"
    for body, header in callers.rows(live_installation, question, user_id):
        assert user_id.encode() not in body
        assert header.startswith("algorithm=RSA_AES,")


def test_our_calls_are_encrypted_for_alipayhk_then_signed_and_carry_the_agents_token(
    agent_mall: Json,
    gateway: RawGateway,
    live_installation: live.Installation,
    live_simulator: live.Simulator,
) -> None:
    """Plain notices are taken as well while encryption is on: AlipayHK's samples carry both."""
    plain: list[Json] = []
    gateway.answer = reading(gateway, plain)
    caller = Caller(live_simulator.folder, with_encryption(agent_mall, "OFF"), url=live_installation.url)
    [user_id] = callers.users(1)

    caller.join(user_id)

    assert callers.until(lambda: acknowledged(live_installation, user_id) == (0, PASS_ID), 20)
    [request], [body] = gateway.requests, plain
    assert body["userId"] == user_id
    assert user_id.encode() not in request.body
    assert request.headers["agent-token"] == AGENT_TOKEN
    signature.verify(
        keys=caller.ours,
        signature=signature.read_header(request.headers["signature"]),
        target=request.target,
        client_id=request.headers["client-id"],
        time=request.headers["request-time"],
        body=request.body,
    )


def test_an_encrypted_notice_is_refused_by_name_while_encryption_is_off(
    live_installation: live.Installation, live_simulator: live.Simulator
) -> None:
    demo = json.loads(live_simulator.offer.read_text())
    caller = Caller(live_simulator.folder, with_encryption(demo, "BOTH"), url=live_installation.url)
    question = "SELECT reason FROM alipayhk_notification WHERE state = 'REJECTED' AND headers ? 'Encrypt'"
    before = callers.rows(live_installation, question)

    sent = caller.send("bill", caller.bill(callers.users(1)[0], 20_000))

    assert sent.codes() == {"PARAM_ILLEGAL"}
    assert sent.verdicts[0].signed
    assert callers.rows(live_installation, question) == [*before, ("ENCRYPTION_OFF",)]


def test_the_agents_token_is_in_no_log_and_sealed_in_the_database(
    agent_mall: Json, live_installation: live.Installation
) -> None:
    logs = [path.read_text(errors="replace") for path in log_files(live_installation.folder)]

    kept = callers.rows(live_installation, "SELECT sealed_agent_token FROM alipayhk_credential")
    calls = callers.rows(live_installation, "SELECT request_body, answer_body, detail FROM alipayhk_passcall")

    assert agent_mall["alipayhk"]["agent_token"] == AGENT_TOKEN
    assert logs
    assert not any(AGENT_TOKEN in text for text in logs)
    assert any(token for (token,) in kept)
    assert AGENT_TOKEN not in str((kept, calls))


def log_files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*.log") if path.is_file()]


def acknowledged(installation: live.Installation, user_id: str) -> tuple[int, str] | None:
    question = """
        SELECT state.acknowledged_points, card.external_id FROM alipayhk_passupdate state
        JOIN members_pass card ON card.id = state.wallet_pass_id WHERE card.user_id = %s"""
    found = callers.rows(installation, question, user_id)
    return found[0] if found else None
