"""The worked examples E1 to E28 of the programs page, on the shipped program files and real PostgreSQL.

E13 to E16 are about duplicates: what else those do is in `test_suspects.py`.
"""

from datetime import datetime, timedelta
from typing import Any

import pytest

from loyalty.earning import likeness, transaction_document
from loyalty.earning.models import Award, BudgetUse, DuplicateCase, Refund, Rule
from loyalty.earning.outcomes import Verdict
from loyalty.ledger import expiry
from loyalty.ledger.models import PointEntry, PointLot
from pms.clock import HONG_KONG
from tests import factories
from tests.loyalty.earning.programs import TUESDAY, breaches, codes, shopper

pytestmark = pytest.mark.django_db


def at(*when: int) -> datetime:
    return datetime(*when, tzinfo=HONG_KONG)  # type: ignore[misc, arg-type]


# Id, program, tier, then purchases: cents, store, time, expected points, reason codes without EARNED_PENDING.
EARNING: list[tuple[str, str, str, list[tuple[int, str, datetime, int, list[str]]]]] = [
    ("E1", "lumina", "", [(13890, "S12", TUESDAY, 138, ["EARNED_BASE"])]),
    (
        "E2",
        "lumina",
        "",
        [(9999, "S12", TUESDAY, 0, ["BELOW_MIN_SPEND"]), (10000, "S12", TUESDAY, 100, ["EARNED_BASE"])],
    ),
    ("E3", "lumina", "", [(4250000, "J01", TUESDAY, 30000, ["EARNED_BASE", "CAPPED_PER_TRANSACTION"])]),
    ("E4", "verdant", "GOLD", [(33330, "S12", TUESDAY, 499, ["EARNED_BASE", "EARNED_TIER"])]),
    ("E5", "pier8", "", [(628000, "E01", TUESDAY, 25000, ["EARNED_RATE", "CAPPED_PER_RULE"])]),
    (
        "E6",
        "pier8",
        "",
        [(8750, "S12", TUESDAY, 88, ["EARNED_BASE"]), (8749, "S12", TUESDAY, 87, ["EARNED_BASE"])],
    ),
    (
        "E7",
        "lumina",
        "",
        [(260000, "210", at(2026, 3, 10, 19, 10), 4600, ["EARNED_BASE", "EARNED_EXTRA", "CAPPED_PER_RULE"])],
    ),
    (
        "E8",
        "verdant",
        "",
        [
            (720000, "S12", TUESDAY, 7200, ["EARNED_BASE"]),
            (410000, "S12", TUESDAY, 2800, ["EARNED_BASE", "CAPPED_PER_DAY"]),
            (50000, "S12", TUESDAY, 0, ["CAPPED_PER_DAY"]),
        ],
    ),
    (
        "E14",
        "pier8",
        "",
        [
            (4200, "210", at(2026, 3, 10, 8, 5), 42, ["EARNED_BASE"]),
            (4200, "210", at(2026, 3, 10, 8, 7), 42, ["EARNED_BASE"]),
        ],
    ),
    ("E19", "verdant", "GOLD", [(33330, "M01", TUESDAY, 249, ["EARNED_RATE", "EARNED_TIER"])]),
    ("E20", "pier8", "", [(9500, "M01", TUESDAY, 48, ["EARNED_RATE"])]),
    (
        "E21",
        "pier8",
        "",
        [
            (19900, "E01", TUESDAY, 199, ["EARNED_BASE"]),
            (20000, "E01", TUESDAY, 1000, ["EARNED_RATE"]),
            (20010, "E01", TUESDAY, 1001, ["EARNED_RATE"]),
        ],
    ),
    (
        "E23 Silver",
        "verdant",
        "",
        [(100000, "088", at(2026, 5, 2, 13), 10000, ["EARNED_BASE", "EARNED_EXTRA"])],
    ),
    (
        "E23 Gold",
        "verdant",
        "GOLD",
        [(100000, "088", at(2026, 5, 2, 13), 10500, ["EARNED_BASE", "EARNED_TIER", "EARNED_EXTRA"])],
    ),
    (
        "E24",
        "pier8",
        "",
        [
            (80000, "S12", at(2026, 3, 14, 13), 1300, ["EARNED_BASE", "EARNED_FLAT"]),
            (90000, "S12", at(2026, 3, 14, 14), 900, ["EARNED_BASE", "ALREADY_USED"]),
        ],
    ),
    (
        "E25",
        "lumina",
        "",
        [(318000, "S12", at(2026, 9, 12, 13), 4430, ["EARNED_BASE", "EARNED_EXTRA", "CAPPED_PER_DAY"])],
    ),
]


@pytest.mark.parametrize(("name", "program", "tier", "purchases"), EARNING, ids=[row[0] for row in EARNING])
def test_payments_earn_what_the_example_says(
    name: str, program: str, tier: str, purchases: list[tuple[int, str, datetime, int, list[str]]]
) -> None:
    person = shopper(program)
    if tier:
        person.has_tier(tier)

    found = [person.pays(cents, store=store, at=when) for cents, store, when, _, _ in purchases]

    assert [award.points for award in found] == [points for *_, points, _ in purchases]
    told = [[code for code in codes(award.reasons) if code != "EARNED_PENDING"] for award in found]
    assert told == [reasons for *_, reasons in purchases]
    assert person.balance + person.pending == sum(points for *_, points, _ in purchases)
    assert not DuplicateCase.objects.exists()


REFUNDS: list[tuple[str, int, str, list[int], list[int], list[str]]] = [
    ("E9a", 100000, "S12", [33333, 33333, 33334], [334, 333, 333], ["REFUND_CLAWED_BACK"] * 3),
    ("E9b first", 100000, "S12", [33334, 33333, 33333], [334, 333, 333], ["REFUND_CLAWED_BACK"] * 3),
    ("E9b second", 100000, "S12", [33333, 33334, 33333], [334, 333, 333], ["REFUND_CLAWED_BACK"] * 3),
    ("E10a", 15000, "S12", [6000], [150], ["REFUND_BELOW_MIN_SPEND"]),
    ("E11", 4250000, "J01", [1000000], [0], ["STILL_CAPPED"]),
]


@pytest.mark.parametrize(
    ("name", "cents", "store", "parts", "taken", "reasons"), REFUNDS, ids=[row[0] for row in REFUNDS]
)
def test_refunds_take_back_what_the_example_says(
    name: str, cents: int, store: str, parts: list[int], taken: list[int], reasons: list[str]
) -> None:
    person = shopper("lumina")
    award = person.pays(cents, store=store)

    for part in parts:
        person.is_refunded(award, part)

    found = list(award.transaction.refunds.order_by("pk"))
    assert [refund.points for refund in found] == taken
    assert [codes(refund.reasons)[0] for refund in found] == reasons
    assert person.balance == award.points - sum(taken)


def test_e9c_a_refund_above_the_amount_paid_posts_nothing() -> None:
    person = shopper("lumina")
    award = person.pays(100000)
    person.is_refunded(award, 100000)
    entries = PointEntry.objects.count()

    outcome = person.is_refunded(award, 1)

    assert (outcome.verdict, outcome.reason) == (Verdict.CONFLICT, "REFUND_OVER_TRANSACTION")
    assert (person.balance, PointEntry.objects.count(), Refund.objects.count()) == (0, entries, 1)


def test_e10b_with_the_minimum_judged_on_the_original_amount_only_the_net_counts() -> None:
    person = shopper("lumina")
    base = person.wallet_pass.program.rules.get(kind=Rule.Kind.BASE).versions.get()
    factories.RuleVersionFactory.create(
        rule=base.rule, number=2, effective_at=TUESDAY - timedelta(days=1), min_spend_cents=10000
    )
    award = person.pays(15000)

    person.is_refunded(award, 6000)

    assert (award.points, award.transaction.refunds.get().points) == (150, 60)


@pytest.mark.parametrize(
    ("program", "balance", "uncollected", "reasons"),
    [
        ("lumina", -214, 0, ["REFUND_CLAWED_BACK"]),
        ("verdant", 0, 214, ["REFUND_CLAWED_BACK", "UNCOLLECTED"]),
        ("pier8", 120, 334, ["UNCOLLECTED"]),
    ],
    ids=["E12a", "E12b", "E12c"],
)
def test_e12_a_claw_back_larger_than_the_balance_follows_the_policy(
    program: str, balance: int, uncollected: int, reasons: list[str]
) -> None:
    person = shopper(program)
    award = person.pays(33400)
    expiry.release(now=TUESDAY + timedelta(days=30))
    _spend(person, 214)

    person.is_refunded(award, 33400, at=TUESDAY + timedelta(days=31))

    refund = award.transaction.refunds.get()
    assert (person.balance, refund.uncollected, codes(refund.reasons)) == (balance, uncollected, reasons)


def _spend(person: Any, points: int) -> None:
    account = person.wallet_pass.member.account
    account.refresh_from_db()
    factories.PointEntryFactory.create(account=account, points=-points)
    type(account).objects.filter(pk=account.pk).update(balance=account.balance - points)


def test_e16_two_notices_with_one_acquirer_number_earn_once() -> None:
    person = shopper("lumina")
    first = person.pays(52000, numbers={"PAYMENT": "HK1", "ACQUIRER": "A1"})

    second = person.pays(52000, numbers={"PAYMENT": "CN1", "ACQUIRER": "A1"})

    assert (first.points, second.points, codes(second.reasons)) == (520, 0, ["DUPLICATE_NUMBER"])
    assert second.reasons[0]["values"]["transaction"] == first.transaction_id
    case = DuplicateCase.objects.get()
    assert (case.verdict, case.state, case.earlier_id) == ("NUMBER", "SAME", first.transaction_id)


LIKE = [
    ("E13", 68800, 3, "HELD", 100, 688, "Same amount, HK$688.00."),
    ("E15a", 70000, 2, "HELD", 87, 688, "The amount differs by HK$12.00."),
    ("E15b", 70000, 20, "FLAGGED", 83, 1388, "The amount differs by HK$12.00."),
]


@pytest.mark.parametrize(
    ("name", "cents", "minutes", "verdict", "score", "balance", "said"), LIKE, ids=[row[0] for row in LIKE]
)
def test_a_receipt_like_a_payment_is_held_or_flagged(
    name: str, cents: int, minutes: int, verdict: str, score: int, balance: int, said: str
) -> None:
    person = shopper("lumina")
    first = person.pays(68800, at=at(2026, 3, 10, 14, 29))

    second = person.hands_in(cents, at=at(2026, 3, 10, 14, 29) + timedelta(minutes=minutes))

    case = DuplicateCase.objects.get(transaction=second)
    assert (second.state, case.verdict, case.state, case.score) == (verdict, verdict, "OPEN", score)
    assert (case.earlier_id, codes(first.reasons)) == (first.transaction_id, ["EARNED_BASE"])
    assert said in [likeness.sentence(part, "en") for part in case.parts]
    assert person.balance == balance
    award = Award.objects.filter(transaction=second).first()
    told = codes(award.reasons) if award else [transaction_document.unjudged_code(second)]
    assert told == (["HELD_AS_DUPLICATE"] if verdict == "HELD" else ["EARNED_BASE", "FLAGGED_AS_DUPLICATE"])
    assert breaches() == []


EXPIRIES = [
    ("E17 December", "lumina", at(2025, 12, 5, 13), at(2026, 2, 28, 23, 59, 59)),
    ("E17 November", "lumina", at(2025, 11, 30, 13), at(2025, 12, 31, 23, 59, 59)),
    ("E28 leap year", "lumina", at(2027, 12, 5, 13), at(2028, 2, 29, 23, 59, 59)),
    ("E28 month end", "verdant", at(2026, 3, 10, 13), at(2027, 3, 31, 23, 59, 59)),
]


@pytest.mark.parametrize(
    ("name", "program", "paid_at", "expires_at"), EXPIRIES, ids=[row[0] for row in EXPIRIES]
)
def test_points_expire_when_the_example_says(
    name: str, program: str, paid_at: datetime, expires_at: datetime
) -> None:
    person = shopper(program)

    award = person.pays(50000, at=paid_at)

    assert (award.points, codes(award.reasons)) == (500, ["EARNED_BASE"])
    assert PointLot.objects.get(posting=award.posting_id).expires_at == expires_at


def test_e22_birthday_and_dinner_are_best_of_never_both() -> None:
    person = shopper("lumina")
    member = person.wallet_pass.member
    member.birth_month = 3
    member.save()

    award = person.pays(260000, store="210", at=at(2026, 3, 10, 19, 10))

    assert (award.points, codes(award.reasons)) == (5200, ["EARNED_BASE", "EARNED_BIRTHDAY", "NOT_COMBINED"])


def test_e23_the_extra_is_pending_for_21_days() -> None:
    person = shopper("verdant")

    award = person.pays(100000, store="088", at=at(2026, 5, 2, 13))

    assert (person.balance, person.pending, award.pending_points) == (1000, 9000, 9000)
    assert award.reasons[-1] == {"code": "EARNED_PENDING", "values": {"points": 9000, "date": "2026-05-23"}}
    assert expiry.release(now=at(2026, 5, 22, 23, 59)) == 0
    assert expiry.release(now=at(2026, 5, 23, 0, 0)) == 1
    assert (person.balance, person.pending) == (10000, 0)


def test_e24_a_flat_falls_away_whole_when_the_net_is_under_its_threshold() -> None:
    person = shopper("pier8")
    award = person.pays(80000, at=at(2026, 3, 14, 13))

    person.is_refunded(award, 100)

    refund = award.transaction.refunds.get()
    assert (refund.points, codes(refund.reasons)) == (501, ["REFUND_CLAWED_BACK"])


def test_e25_a_campaign_gives_what_is_left_of_its_budget_then_nothing() -> None:
    person = shopper("lumina")
    campaign = person.wallet_pass.program.rules.get(code="R9")
    BudgetUse.objects.create(rule=campaign, used=1_999_970)

    award = person.pays(318000, at=at(2026, 9, 12, 13))

    assert award.points == 3180 + 30
    assert codes(award.reasons) == ["EARNED_BASE", "EARNED_EXTRA", "CAPPED_PER_DAY", "BUDGET_EXHAUSTED"]


@pytest.mark.parametrize(
    ("submitted_at", "points", "reason"),
    [
        (at(2026, 3, 15, 23, 59), 500, "EARNED_BASE"),
        (at(2026, 3, 16, 0, 0), 0, "TOO_LATE"),
        (None, 500, "EARNED_BASE"),
    ],
    ids=["counter in time", "counter too late", "webhook late"],
)
def test_e26_people_have_a_window_and_a_wallet_has_none(
    submitted_at: datetime | None, points: int, reason: str
) -> None:
    person = shopper("lumina")

    award = person.pays(50000, at=at(2026, 3, 1, 13), now=at(2026, 3, 21, 13), submitted_at=submitted_at)

    assert (award.points, codes(award.reasons)) == (points, [reason])


def test_e27_a_refund_that_leaves_the_daily_limit_reached_takes_nothing() -> None:
    person = shopper("verdant")
    person.pays(720000)
    second = person.pays(410000)

    person.is_refunded(second, 100000)

    refund = second.transaction.refunds.get()
    assert (second.points, refund.points, codes(refund.reasons)) == (2800, 0, ["STILL_CAPPED"])
