"""`./run manage redeem`: the counter's three steps on the command line, and what it says when it refuses."""

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command

from loyalty.ledger.models import Redemption
from tests import factories
from tests.loyalty.ledger.spenders import NOON, Spender, breaches, spender, untouched

pytestmark = pytest.mark.django_db


def redeem(*words: str) -> dict[str, Any]:
    said = StringIO()
    call_command("redeem", *words, "--json", stdout=said)
    found: dict[str, Any] = json.loads(said.getvalue())
    return found


def refused(*words: str) -> tuple[int | str | None, dict[str, Any], str]:
    """Status, what standard output says, what standard error says."""
    said, complained = StringIO(), StringIO()
    with pytest.raises(SystemExit) as end:
        call_command("redeem", *words, "--json", stdout=said, stderr=complained)
    return end.value.code, json.loads(said.getvalue() or "{}"), complained.getvalue().strip()


@pytest.fixture
def person() -> Spender:
    someone = spender()
    factories.PassFactory.create(member=someone.member, mall=someone.mall, user_id="2160120037000001")
    someone.gets(100)
    return someone


def reserve(person: Spender, points: int, *more: str) -> tuple[str, ...]:
    tag = person.mall.tag
    return ("reserve", "--mall", tag, "--member", "2160120037000001", "--points", str(points), *more)


def test_points_are_reserved_and_confirmed(person: Spender) -> None:
    reserved = redeem(*reserve(person, 80, "--payment", "B1"))
    confirmed = redeem("confirm", "--code", reserved["code"])

    assert (reserved["state"], reserved["points"], reserved["value_cents"]) == ("RESERVED", 80, 800)
    assert (reserved["balance"], reserved["payment_number"]) == (20, "B1")
    assert (confirmed["state"], confirmed["code"], confirmed["balance"]) == (
        "CONFIRMED", reserved["code"], 20,
    )  # fmt: skip
    assert (person.total_of("REDEEMED"), breaches()) == (80, [])


def test_points_are_reserved_and_released(person: Spender) -> None:
    reserved = redeem(*reserve(person, 80))
    released = redeem("release", "--code", reserved["code"].lower())

    assert (released["state"], released["balance"]) == ("RELEASED", 100)


def test_a_member_is_known_by_card_number_too(person: Spender) -> None:
    words = ("reserve", "--mall", person.mall.tag, "--member", person.member.card_number, "--points", "10")

    assert redeem(*words)["balance"] == 90


def test_the_same_key_is_the_same_redemption(person: Spender) -> None:
    first = redeem(*reserve(person, 80, "--key", "k1"))
    second = redeem(*reserve(person, 80, "--key", "k1"))

    assert first["code"] == second["code"]
    assert person.balance == 20


def test_more_than_is_there_is_refused_in_both_languages(person: Spender) -> None:
    before = untouched()

    status, said, complained = refused(*reserve(person, 110))

    assert status == 1
    assert said == {"error": "INSUFFICIENT_POINTS", "english": "Not enough points.", "chinese": "積分不足。"}
    assert complained == "INSUFFICIENT_POINTS: Not enough points."
    assert (untouched(), person.balance) == (before, 100)


def test_a_code_is_confirmed_once_and_in_time_only(person: Spender) -> None:
    code = redeem(*reserve(person, 10))["code"]
    redeem("confirm", "--code", code)
    late = person.reserves(20, now=NOON)
    before = untouched()

    again = refused("confirm", "--code", code)
    too_late = refused("confirm", "--code", late.code)
    unknown = refused("confirm", "--code", "NOSUCH22")

    assert [found[1]["error"] for found in (again, too_late, unknown)] == [
        "REDEMPTION_ENDED",
        "REDEMPTION_CODE_EXPIRED",
        "REDEMPTION_CODE_UNKNOWN",
    ]
    assert (untouched(), person.balance) == (before, 70)


@pytest.mark.parametrize(
    ("mall", "member", "sentence"),
    [
        ("no-such-mall", "2160120037000001", "no mall has this tag"),
        ("", "2160000000000000", "no member of this mall's group"),
    ],
)
def test_an_unknown_mall_or_member_is_named(person: Spender, mall: str, member: str, sentence: str) -> None:
    status, _said, complained = refused(
        "reserve", "--mall", mall or person.mall.tag, "--member", member, "--points", "10"
    )

    assert (status, person.balance, Redemption.objects.count()) == (2, 100, 0)
    assert sentence in complained


def test_a_member_of_another_group_is_not_found(person: Spender) -> None:
    other = factories.MallFactory.create()

    status, _said, complained = refused(
        "reserve", "--mall", other.tag, "--member", "2160120037000001", "--points", "10"
    )

    assert (status, "no member of this mall's group" in complained, person.balance) == (2, True, 100)
