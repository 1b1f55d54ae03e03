"""Trying one payment: the same arithmetic as the engine's, for members real and invented, and nothing written."""

import json
from datetime import datetime
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from loyalty.earning import trials
from loyalty.earning.models import Award, BudgetUse, CapUse, Transaction
from loyalty.earning.trials import Payment, TrialRefused
from loyalty.ledger.models import Posting
from pms.clock import HONG_KONG
from tests.loyalty.earning.programs import MALLS, PREFIX, TUESDAY, Shopper, codes, shopper

pytestmark = pytest.mark.django_db

DINNER = TUESDAY.replace(hour=19, minute=10)
MOON = datetime(2026, 9, 12, 13, 0, tzinfo=HONG_KONG)


def tried(person: Shopper, cents: int, *, store: str = "", **facts: Any) -> trials.Trial:
    mall = person.wallet_pass.mall
    values: dict[str, Any] = {"at": TUESDAY, "category": "FASHION"} | facts
    place = person.stores[store] if store else None
    return trials.try_payment(Payment(mall=mall, amount_cents=cents, store=place, **values))


@pytest.mark.parametrize(
    ("program", "facts", "points", "pending", "reasons"),
    [
        ("lumina", {"cents": 13_890}, 138, 0, ["EARNED_BASE"]),
        ("lumina", {"cents": 9_999}, 0, 0, ["BELOW_MIN_SPEND"]),
        ("lumina", {"cents": 260_000, "store": "210", "at": DINNER}, 4600, 0,
         ["EARNED_BASE", "EARNED_EXTRA", "CAPPED_PER_RULE"]),
        ("lumina", {"cents": 260_000, "store": "210", "at": DINNER, "is_birthday": True}, 5200, 0,
         ["EARNED_BASE", "EARNED_BIRTHDAY", "NOT_COMBINED"]),
        ("lumina", {"cents": 318_000, "at": MOON}, 4430, 0, ["EARNED_BASE", "EARNED_EXTRA", "CAPPED_PER_DAY"]),
        ("lumina", {"cents": 4_250_000, "category": "JEWELLERY"}, 30_000, 0, ["EARNED_BASE", "CAPPED_PER_TRANSACTION"]),
        ("verdant", {"cents": 33_330, "tier": "GOLD"}, 499, 0, ["EARNED_BASE", "EARNED_TIER"]),
        ("verdant", {"cents": 410_000, "spent_today_cents": 720_000}, 2800, 0, ["EARNED_BASE", "CAPPED_PER_DAY"]),
        ("verdant", {"cents": 50_000, "spent_today_cents": 2_000_000}, 0, 0, ["CAPPED_PER_DAY"]),
        ("verdant", {"cents": 100_000, "store": "088", "at": datetime(2026, 5, 2, 13, tzinfo=HONG_KONG)}, 1000, 9000,
         ["EARNED_BASE", "EARNED_EXTRA", "EARNED_PENDING"]),
        ("pier8", {"cents": 9_500, "category": "SUPERMARKET"}, 0, 48, ["EARNED_RATE", "EARNED_PENDING"]),
    ],
)  # fmt: skip
def test_an_invented_member_gets_what_the_examples_say(
    program: str, facts: dict[str, Any], points: int, pending: int, reasons: list[str]
) -> None:
    trial = tried(shopper(program), **facts)

    assert (trial.points, trial.pending) == (points, pending)
    assert codes(trial.judgement.reasons) == reasons


def test_a_member_is_tried_with_the_limits_already_used() -> None:
    person = shopper("verdant")
    person.pays(720_000)

    trial = tried(person, 410_000, user_id=person.wallet_pass.user_id)

    assert trial.points == 2800
    assert person.pays(410_000).points == 2800


def test_a_member_who_was_never_welcomed_would_be() -> None:
    person = shopper("lumina", is_welcomed=False)

    trial = tried(person, 13_890, user_id=person.wallet_pass.user_id)

    assert trial.points == 3138


def test_what_a_campaign_has_given_is_gone() -> None:
    person = shopper("lumina")
    tried(person, 318_000, at=MOON)
    BudgetUse.objects.create(rule=person.wallet_pass.program.rules.get(code="R9"), used=1_999_970)

    trial = tried(person, 318_000, at=MOON)

    assert trial.points == 3180 + 30
    assert "BUDGET_EXHAUSTED" in codes(trial.judgement.reasons)


def test_a_store_that_takes_no_part_earns_nothing() -> None:
    person = shopper("lumina")
    person.stores["S12"].is_excluded = True

    assert codes(tried(person, 13_890, store="S12").judgement.reasons) == ["EXCLUDED_STORE"]


def test_a_trial_writes_nothing() -> None:
    person = shopper("lumina")
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET TRANSACTION READ ONLY")

    tried(person, 318_000, at=MOON, user_id=person.wallet_pass.user_id)

    counts = [table.objects.count() for table in (Transaction, Award, Posting, BudgetUse)]
    assert counts == [0, 0, 0, 0]
    assert CapUse.objects.count() == 1


@pytest.mark.parametrize(
    ("facts", "sentence"),
    [({"user_id": "2160"}, "no member of"), ({"tier": "PLATINUM"}, "PLATINUM is not a tier of")],
)
def test_what_does_not_exist_is_refused(facts: dict[str, Any], sentence: str) -> None:
    with pytest.raises(TrialRefused, match=sentence):
        tried(shopper("lumina"), 13_890, **facts)


def command(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    call_command("try_payment", *arguments, "--json")
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_the_command_prints_points_reasons_and_rules(capsys: pytest.CaptureFixture[str]) -> None:
    shopper("lumina")
    place = ("--mall", MALLS["lumina"], "--store", f"{PREFIX['lumina']}-210")

    printed = command(capsys, *place, "--amount-cents", "260000", "--at", "2026-03-10 19:10")

    assert printed == {
        "points": 4600,
        "pending": 0,
        "reasons": ["EARNED_BASE", "EARNED_EXTRA", "CAPPED_PER_RULE"],
        "rules": [{"rule": "R1", "version": 1, "points": 2600}, {"rule": "R2", "version": 1, "points": 2000}],
    }


def test_without_json_the_command_speaks(capsys: pytest.CaptureFixture[str]) -> None:
    shopper("lumina")

    call_command(
        "try_payment",
        "--mall",
        MALLS["lumina"],
        "--category",
        "FASHION",
        "--amount-cents",
        "9999",
        "--at",
        "2026-03-10",
    )

    assert (
        capsys.readouterr().out == "0 points at once, 0 on hold.\n  Below the minimum spend of HK$100.00.\n"
    )


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--mall", "nowhere", "--category", "FASHION"], "nowhere is not the tag of a mall."),
        (["--mall", "lumina-plaza", "--category", "TOYS"], "TOYS is not a category of this group"),
        (["--mall", "lumina-plaza", "--store", "X"], "X is not the PMS label of a store of this group."),
    ],
)
def test_the_command_refuses_places_that_do_not_exist(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    shopper("lumina")

    with pytest.raises(SystemExit) as stopped:
        call_command("try_payment", *arguments, "--amount-cents", "100")

    assert stopped.value.code == 2
    assert sentence in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [["--amount-cents", "-1"], ["--amount-cents", "1.5"], ["--amount-cents", "1", "--at", "noon"]],
)
def test_the_command_refuses_amounts_and_times_that_are_none(arguments: list[str]) -> None:
    with pytest.raises(CommandError, match="is not a"):
        call_command("try_payment", "--mall", "lumina-plaza", "--category", "FASHION", *arguments)
