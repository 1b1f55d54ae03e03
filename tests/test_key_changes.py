"""Malls, keys and rights change while the processes run; every one of them acts on it at once."""

import json
from functools import partial

import pytest

from alipayhk import signature
from tests import callers, live
from tests.callers import Caller, Sent
from tests.live import Json

# The first test may have to wait for the installation to start.
pytestmark = pytest.mark.timeout(300)

# Enough at once that each web process gets some.
SHOTS = 12


@pytest.fixture(scope="module")
def mall(live_simulator: live.Simulator) -> Json:
    """The document of a mall that no process has heard of."""
    return callers.document(live_simulator, tag="harbour-court", number=101)


@pytest.fixture(scope="module")
def caller(mall: Json, live_installation: live.Installation, live_simulator: live.Simulator) -> Caller:
    """AlipayHK calling that mall, once it is registered."""
    unknown = Caller(live_simulator.folder, mall, url=live_installation.url)
    assert answers(shots(unknown)) == {(404, "SIGNATURE_INVALID")}
    callers.register(live_installation, mall)
    live_simulator.control("POST", "clients", {"register": mall, "mall_url": live_installation.url})
    return unknown


def shots(caller: Caller, *, fault: str = "none") -> list[Sent]:
    """Payments of strangers, which any mall accepts and parks, from many callers at once."""
    bodies = [caller.bill(user_id, 20_000) for user_id in callers.users(SHOTS)]
    return callers.at_once([partial(caller.send, "bill", body, fault=fault) for body in bodies], callers=6)


def answers(sent: list[Sent]) -> set[tuple[int, str]]:
    return {
        (answer.status, verdict.code)
        for one in sent
        for answer, verdict in zip(one.answers, one.verdicts, strict=True)
    }


def set_key_state(installation: live.Installation, mall: Json, version: int, state: str) -> None:
    keys = [{"version": version, "state": state}]
    callers.register(installation, mall | {"alipayhk": mall["alipayhk"] | {"public_keys": keys}})


def test_a_mall_registered_while_the_processes_run_is_served_by_all_of_them(caller: Caller) -> None:
    sent = shots(caller)

    assert answers(sent) == {(200, "SUCCESS")}
    assert all(one.is_acknowledged for one in sent)


def test_a_changed_client_id_is_accepted_by_all_processes_at_once(
    caller: Caller, mall: Json, live_installation: live.Installation, live_simulator: live.Simulator
) -> None:
    other = mall | {"alipayhk": mall["alipayhk"] | {"client_id": "2110200000009101"}}
    second = Caller(live_simulator.folder, other, url=live_installation.url)
    before = answers(shots(second))

    callers.register(
        live_installation, mall | {"alipayhk": mall["alipayhk"] | {"client_ids": ["2110200000009101"]}}
    )

    assert before == {(401, "SIGNATURE_INVALID")}
    assert answers(shots(second)) == {(200, "SUCCESS")}
    assert answers(shots(caller)) == {(200, "SUCCESS")}


def test_old_and_new_key_serve_side_by_side_until_the_old_one_is_revoked(
    caller: Caller, mall: Json, live_installation: live.Installation
) -> None:
    """AlipayHK announces version 3, signs with it, and version 2 retires and is revoked."""
    overlap = (answers(shots(caller)), answers(shots(caller, fault="next_key")))
    set_key_state(live_installation, mall, 2, "RETIRING")
    retiring = (answers(shots(caller)), answers(shots(caller, fault="next_key")))

    set_key_state(live_installation, mall, 2, "REVOKED")
    revoked = (answers(shots(caller)), answers(shots(caller, fault="next_key")))
    set_key_state(live_installation, mall, 2, "ACTIVE")

    good, bad = {(200, "SUCCESS")}, {(401, "SIGNATURE_INVALID")}
    assert overlap == (good, good)
    assert retiring == (good, good)
    assert revoked == (bad, good)
    assert answers(shots(caller)) == good


def test_a_revoked_key_leaves_nothing_behind_of_what_it_signed(
    caller: Caller, mall: Json, live_installation: live.Installation
) -> None:
    count = (
        "SELECT count(*) FROM alipayhk_notification n JOIN pms_mall m ON m.id = n.mall_id WHERE m.tag = %s"
    )
    before = callers.rows(live_installation, count, mall["mall"]["tag"])

    sent = shots(caller, fault="old_key")

    assert answers(sent) == {(401, "SIGNATURE_INVALID")}
    assert not any(verdict.signed for one in sent for verdict in one.verdicts)
    assert callers.rows(live_installation, count, mall["mall"]["tag"]) == before


def test_our_new_key_signs_answers_and_calls_once_it_is_put_to_use(
    caller: Caller, mall: Json, live_installation: live.Installation, live_simulator: live.Simulator
) -> None:
    tag = mall["mall"]["tag"]
    made = live_installation.manage("new_key", "--mall", tag).stdout.splitlines()
    public = signature.read_public_key(made[0])
    client = live_simulator.control("POST", "clients", {"register": mall, "mall_url": live_installation.url})
    both = {"public_keys": [*client["client"]["public_keys"], made[0]]}
    live_simulator.control("POST", "clients", client["client"] | both)
    before = shots(caller)

    live_installation.manage("new_key", "--mall", tag, "--use", "2")

    [user_id] = callers.users(1)
    caller.ours = [public]
    joined = caller.join(user_id)
    after = shots(caller)
    assert made[1].startswith("version 2")
    assert {key_version(one) for one in before} == {1}
    assert {key_version(one) for one in (*after, joined)} == {2}
    assert all(one.is_acknowledged for one in (*after, joined))
    assert callers.until(lambda: callers.shown(live_simulator, user_id) == [0], 20)


def test_a_faulty_document_changes_nothing(mall: Json, live_installation: live.Installation) -> None:
    question = "SELECT name_en FROM pms_mall WHERE tag = %s"
    renamed = mall | {"mall": mall["mall"] | {"name_en": "Harbour Mews"}, "stores": [{"pms_label": ""}]}

    done = live_installation.manage("register_mall", "-", given=json.dumps(renamed), check=False)

    assert done.returncode == 2
    assert done.stderr.startswith("stores[0].pms_label: ")
    assert callers.rows(live_installation, question, mall["mall"]["tag"]) == [(mall["mall"]["name_en"],)]


def key_version(sent: Sent) -> int | None:
    return signature.read_header(sent.answers[-1].headers["signature"]).key_version
