"""What members read of their own account: figures as the ledger has them, every payment, no staff's words."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from loyalty.earning import member_account, settlement
from loyalty.earning.member_account import CursorUnreadable, Payment
from loyalty.earning.models import Transaction
from members.models import Member
from tests import factories
from tests.loyalty.earning import plain, programs
from tests.loyalty.earning.plain import LUMINA, TUESDAY
from tests.loyalty.earning.programs import Shopper

pytestmark = pytest.mark.django_db

LATER = TUESDAY + timedelta(days=3)


@pytest.fixture
def person() -> Shopper:
    """V Rewards: Gold from HK$30,000, points on hold for a week, a year's life."""
    return programs.shopper("verdant")


@pytest.fixture
def member(person: Shopper) -> Member:
    found: Member = person.wallet_pass.member
    return found


def payments(member: Member, after: str = "", size: int = 20) -> list[Payment]:
    return member_account.history(member=member, after=after, size=size)[0]


def queries_of(member: Member) -> int:
    with CaptureQueriesContext(connection) as queries:
        member_account.summary(member=member, now=LATER)
        member_account.history(member=member, after="")
    return len(queries)


def many(member: Member, count: int) -> None:
    """Copies of one payment, a minute apart, two of each minute."""
    first = factories.TransactionFactory.create(member=member, mall__group=member.program.group)
    columns = {str(field.column) for field in Transaction._meta.concrete_fields} - {"id", "paid_at"}
    names = ", ".join(sorted(columns))
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO earning_transaction (paid_at, {names})"
            f" SELECT paid_at - (number / 2) * interval '1 minute', {names}"
            " FROM earning_transaction, generate_series(1, %s) number WHERE id = %s",
            [count - 1, first.pk],
        )


def test_the_summary_has_the_ledgers_balance_the_tier_and_the_way_to_the_next(
    person: Shopper, member: Member
) -> None:
    award = person.pays(1_000_000)

    told = member_account.summary(member=member, now=LATER)

    assert told["card_number"] == member.card_number
    assert told["balance"]["points"] + told["balance"]["held"] == award.points
    assert told["tier"] == {
        "code": "SILVER",
        "name_en": "Silver",
        "name_zh": "銀",
        "next": {
            "code": "GOLD",
            "name_en": "Gold",
            "name_zh": "金",
            "missing_cents": 2_000_000,
            "needed_cents": 3_000_000,
        },
    }


def test_the_highest_tier_has_none_after_it(person: Shopper, member: Member) -> None:
    person.pays(30_000_000)

    told = member_account.summary(member=member, now=LATER)

    assert told["tier"] is not None
    assert told["tier"]["next"] is None


def test_a_member_who_never_earned_has_nothing_and_no_tier_where_there_are_none() -> None:
    member = factories.MemberFactory.create()

    told = member_account.summary(member=member, now=LATER)

    assert (told["balance"], told["tier"], told["expiring"]) == ({"points": 0, "held": 0}, None, [])
    assert member_account.history(member=member, after="") == ([], "")


def test_points_that_lapse_within_the_month_are_told_by_day_and_no_others() -> None:
    member = factories.MemberFactory.create()
    account = factories.PointAccountFactory.create(member=member)
    days: dict[int, dict[str, Any]] = {
        5: {},
        6: {},
        40: {},
        -1: {},
        7: {"is_held": True},
        8: {"remaining": 0},
    }
    for ahead, fields in days.items():
        factories.PointLotFactory.create(account=account, expires_at=LATER + timedelta(days=ahead), **fields)
    factories.PointLotFactory.create(account=account, expires_at=LATER + timedelta(days=5))
    factories.PointLotFactory.create(account=account, expires_at=None)

    told = member_account.summary(member=member, now=LATER)

    assert told["expiring"] == [
        {"points": 200, "expires_at": LATER + timedelta(days=5)},
        {"points": 100, "expires_at": LATER + timedelta(days=6)},
    ]


def test_a_payment_has_its_points_after_refunds_and_why_in_both_languages() -> None:
    shopper = plain.shopper(LUMINA)
    purchase = shopper.buys(50000)
    shopper.is_refunded(purchase, 20000)

    [told] = payments(shopper.wallet_pass.member)

    assert (told["number"], told["amount_cents"], told["currency"]) == ("B1", 50000, "HKD")
    assert (told["state"], told["channel"], told["paid_at"]) == ("EARNED", "WALLET", TUESDAY)
    assert told["points"] == 300 == shopper.balance
    assert [one["message_en"] for one in told["reasons"]] == [
        "500 points for spending HK$500.00.",
        "200 points taken back after a refund of HK$200.00.",
    ]
    assert told["reasons"][0]["message_zh"] == "消費 HK$500.00，獲 500 分。"
    assert told["refunds"] == [
        {"amount_cents": 20000, "refunded_at": TUESDAY + timedelta(days=1), "points": 200}
    ]


def test_a_payment_that_staff_found_to_be_another_says_so_and_its_points_are_gone() -> None:
    shopper = plain.shopper(LUMINA)
    purchase = shopper.buys(50000)

    settlement.withhold(transaction=purchase, state=Transaction.State.DUPLICATE, now=LATER)
    [taken] = payments(shopper.wallet_pass.member)
    settlement.grant(transaction=purchase, now=LATER)
    [given] = payments(shopper.wallet_pass.member)

    assert (taken["state"], taken["points"], taken["reasons"][-1]["code"]) == (
        "DUPLICATE",
        0,
        "CONFIRMED_DUPLICATE",
    )
    assert (given["state"], given["points"]) == ("EARNED", 500)
    assert [one["code"] for one in given["reasons"]] == ["EARNED_BASE", "CLEARED_AS_SEPARATE"]


@pytest.mark.parametrize(
    ("state", "code"), [("HELD", "HELD_AS_DUPLICATE"), ("PARKED", "PARKED_UNKNOWN_STORE")]
)
def test_a_payment_that_waits_says_for_what(state: str, code: str) -> None:
    store = {"store": None} if state == "PARKED" else {}
    purchase = factories.TransactionFactory.create(state=state, **store)

    [told] = payments(purchase.member)

    assert (told["state"], told["points"], [one["code"] for one in told["reasons"]]) == (state, 0, [code])
    if state == "PARKED":
        assert told["store_en"] == told["store_zh"] == purchase.merchant_name


def test_words_for_staff_alone_are_left_out() -> None:
    reasons = [
        {"code": "EARNED_BASE", "values": {"points": 138, "amount": "138.90"}},
        {"code": "FLAGGED_AS_DUPLICATE", "values": {"reference": "B9"}},
        {"code": "NO_RULE", "values": {}},
    ]
    award = factories.AwardFactory.create(reasons=reasons)
    factories.RefundFactory.create(
        transaction=award.transaction, reasons=[{"code": "UNCOLLECTED", "values": {"points": 3}}]
    )

    [told] = payments(award.transaction.member)

    assert [one["code"] for one in told["reasons"]] == ["EARNED_BASE"]


def test_a_repair_by_hand_is_the_purchases_and_goodwill_is_not() -> None:
    award = factories.AwardFactory.create()
    account = factories.PointAccountFactory.create(member=award.transaction.member)
    for reason, points in (("ERROR", -38), ("GOODWILL", 500)):
        posting = factories.PostingFactory.create(program=account.program, kind="ADJUST")
        factories.AdjustmentRequestFactory.create(
            account=account, transaction=award.transaction, reason=reason, points=points,
            state="APPROVED", decided_by=factories.UserFactory.create(), decided_at=LATER, posting=posting,
        )  # fmt: skip

    [told] = payments(award.transaction.member)

    assert told["points"] == 100
    assert [one["code"] for one in told["reasons"]] == ["EARNED_BASE", "ADJUSTED_ERROR"]


def test_a_store_is_called_as_it_was_when_it_was_paid() -> None:
    award = factories.AwardFactory.create(transaction__paid_at=TUESDAY)
    store = award.transaction.store
    assert store
    for day, names in ((-1, ["Older", "Old"]), (1, ["Old", "New"])):
        factories.StoreChangeFactory.create(
            store=store, fields={"name_en": names}, changed_at=TUESDAY + timedelta(days=day)
        )

    [told] = payments(award.transaction.member)

    assert (told["store_en"], told["store_zh"]) == ("Old", store.name_zh)
    assert told["mall_en"] == award.transaction.mall.name_en


def test_pages_follow_each_other_without_a_gap_or_a_repeat_at_equal_times(member: Member) -> None:
    many(member, 45)
    wanted = list(member.transactions.order_by("-paid_at", "-pk").values_list("paid_at", flat=True))

    pages: list[list[Payment]] = []
    after = ""
    while not pages or after:
        page, after = member_account.history(member=member, after=after)
        pages.append(page)

    assert [len(page) for page in pages] == [20, 20, 5]
    assert [one["paid_at"] for page in pages for one in page] == wanted


def test_another_members_cursor_and_any_other_text_are_no_cursor(member: Member) -> None:
    many(member, 3)
    other = factories.MemberFactory.create()
    _page, after = member_account.history(member=member, after="", size=2)

    for text in (after + "A", after[:-1], after.replace(".", ":"), "\x00", "1", "." * 5000, "é.ü"):
        with pytest.raises(CursorUnreadable):
            member_account.history(member=member, after=text)
    with pytest.raises(CursorUnreadable):
        member_account.history(member=other, after=after)


def test_the_queries_are_as_few_for_many_payments_as_for_one(person: Shopper, member: Member) -> None:
    def buys() -> None:
        award = person.pays(20000)
        person.is_refunded(award, 5000)
        factories.StoreChangeFactory.create(store=award.transaction.store, changed_at=LATER)

    buys()
    few = queries_of(member)
    for _ in range(5):
        buys()

    assert queries_of(member) == few <= 9


def test_a_page_of_a_long_history_is_read_from_the_index(member: Member) -> None:
    many(member, 3000)
    _page, after = member_account.history(member=member, after="")

    with CaptureQueriesContext(connection) as queries:
        member_account.history(member=member, after=after)
    [page] = [
        query["sql"] for query in queries if 'ORDER BY "earning_transaction"."paid_at" DESC' in query["sql"]
    ]
    read = _scans(plan(page))

    assert read["earning_tx_member"] <= 30


def plan(query: str) -> dict[str, Any]:
    """Where scans of the heap and sorts of all there is are forbidden, so that one of them means that no index fits."""
    with connection.cursor() as cursor:
        for way in ("seqscan", "bitmapscan", "sort"):
            cursor.execute(f"SET LOCAL enable_{way} = off")
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {query}")
        [told] = cursor.fetchone()
    found: dict[str, Any] = (json.loads(told) if isinstance(told, str) else told)[0]["Plan"]
    return found


def _scans(node: dict[str, Any]) -> dict[str, float]:
    """Rows that each index gave."""
    found = {node["Index Name"]: node["Actual Rows"]} if "Index Name" in node else {}
    for part in node.get("Plans", ()):
        found |= _scans(part)
    return found
