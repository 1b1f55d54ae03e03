"""The inbox of unknown stores: what waits under each label or merchant ID that leads nowhere. Reads only.

A payment is reported under a PMS label or, without one, under a merchant ID alone; either is its `name` here.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import Q, QuerySet

from loyalty.earning import foresight
from loyalty.earning.foresight import Foreseen
from loyalty.earning.models import Transaction
from pms import columns, store_labels
from pms.models import Mall, MallGroup, Store

PAGE = 50
# Judging a payment for show takes about a millisecond.
MOST_FORESEEN = 2000
MOST_NAMES = 5

NAMED = "CASE WHEN store_label <> '' THEN store_label ELSE merchant_id END"
INBOX = f"""
SELECT group_id, mall_id, {NAMED}, bool_and(store_label = ''), count(*),
    coalesce(sum(amount_cents) FILTER (WHERE currency = 'HKD'), 0)::bigint, count(DISTINCT member_id),
    min(paid_at), max(paid_at), min(recorded_at),
    (array_agg(DISTINCT merchant_name) FILTER (WHERE merchant_name <> ''))[:{MOST_NAMES}],
    (array_agg(DISTINCT merchant_id) FILTER (WHERE merchant_id <> ''))[:{MOST_NAMES}]
FROM earning_transaction
WHERE state = 'PARKED' AND group_id = ANY(%(group_ids)s::bigint[]) AND mall_id = ANY(%(mall_ids)s::bigint[])
    AND (%(name)s = '' OR {NAMED} = %(name)s)
GROUP BY 1, 2, 3
HAVING %(typed)s = '' OR bool_or(strpos(lower({NAMED}), lower(%(typed)s)) > 0
    OR strpos(lower(merchant_name), lower(%(typed)s)) > 0)
ORDER BY min(recorded_at), 1, 2, 3 OFFSET %(skipped)s LIMIT {PAGE} + 1
"""  # noqa: S608  (put together from constants alone)
COUNT = f"""
SELECT count(*), min(waiting.since) FROM (
    SELECT min(recorded_at) AS since FROM earning_transaction
    WHERE state = 'PARKED' AND group_id = ANY(%(group_ids)s::bigint[]) AND mall_id = ANY(%(mall_ids)s::bigint[])
    GROUP BY group_id, mall_id, {NAMED} LIMIT %(most)s) waiting
"""  # noqa: S608


@dataclass(frozen=True, kw_only=True, slots=True)
class UnknownStore:
    """One name in one mall; `since` is when the first of its payments was recorded."""

    group_id: int
    mall_id: int
    name: str
    is_merchant: bool
    payments: int
    cents: int
    members: int
    first_paid_at: datetime
    last_paid_at: datetime
    since: datetime
    merchant_names: tuple[str, ...]
    merchant_ids: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Preview:
    """What mapping a name to a store would do. `nothing`: reason codes with how many payments they leave without."""

    payments: int
    members: int
    cents: int
    points: int
    held: int
    nothing: dict[str, int]
    is_whole: bool


def listed(
    *, group_ids: Collection[int], mall_ids: Collection[int], name: str = "", typed: str = "", page: int = 1
) -> list[UnknownStore]:
    """Oldest first, of all or one `name`, or where it or a merchant's name holds what was `typed`.

    One more than `PAGE` says that there is a next page.
    """
    values: dict[str, Any] = {
        "group_ids": columns.numbers(group_ids), "mall_ids": columns.numbers(mall_ids), "name": name,
        "typed": typed, "skipped": (page - 1) * PAGE,
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(INBOX, values)
        return [_unknown(*row) for row in cursor.fetchall()]


def nothing_of(*, mall: Mall, name: str, now: datetime) -> UnknownStore:
    """A name under which nothing waits, or no longer."""
    return _unknown(mall.group_id, mall.pk, name, False, 0, 0, 0, now, now, now, None, None)


def counted(
    *, group_ids: Collection[int], mall_ids: Collection[int], most: int
) -> tuple[int, datetime | None]:
    """How many names wait, no further than `most`, and since when."""
    values: dict[str, Any] = {
        "group_ids": columns.numbers(group_ids), "mall_ids": columns.numbers(mall_ids), "most": most,
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(COUNT, values)
        count, since = cursor.fetchone()
    return count, since


def reported_as(name: str) -> Q:
    """Transactions that name it so."""
    return Q(store_label=name) | Q(store_label="", merchant_id=name)


def waiting(*, group_id: int, name: str) -> QuerySet[Transaction]:
    """Its payments in all malls of the group, as a label leads to one store for all of them; first paid first."""
    rows = Transaction.objects.filter(reported_as(name), group_id=group_id, state=Transaction.State.PARKED)
    return rows.order_by("paid_at", "pk")


@store_labels.tells_waiting
def waiting_unseen(group: MallGroup, names: Collection[str], seen_malls: QuerySet[Mall]) -> Iterable[str]:
    """Of these names those that payments of other malls than the seen ones wait under."""
    is_named = Q(store_label__in=names) | Q(store_label="", merchant_id__in=names)
    rows = Transaction.objects.filter(is_named, group=group, state=Transaction.State.PARKED)
    found = rows.exclude(mall__in=seen_malls).values_list("store_label", "merchant_id").distinct()
    return [label or merchant for label, merchant in found]


def preview(*, group_id: int, name: str, store: Store, now: datetime) -> Preview:
    rows = waiting(group_id=group_id, name=name).select_related("wallet_pass", "duplicate_case")
    some = list(rows[: MOST_FORESEEN + 1])
    foreseen = foresight.at_store(some[:MOST_FORESEEN], store, now=now)
    return _summed(foreseen, is_whole=len(some) <= MOST_FORESEEN)


def _summed(foreseen: list[Foreseen], *, is_whole: bool) -> Preview:
    held = [one for one in foreseen if one.state == Transaction.State.HELD]
    nothing: dict[str, int] = {}
    for one in foreseen:
        if not one.points and one not in held:
            code = str(one.reasons[0]["code"]) if one.reasons else "REFUND_NO_CHANGE"
            nothing[code] = nothing.get(code, 0) + 1
    return Preview(
        payments=len(foreseen),
        members=len({one.transaction.member_id for one in foreseen}),
        cents=sum(one.transaction.amount_cents for one in foreseen if one.transaction.currency == "HKD"),
        points=sum(one.points for one in foreseen),
        held=len(held),
        nothing=dict(sorted(nothing.items(), key=lambda pair: -pair[1])),
        is_whole=is_whole,
    )


def _unknown(
    group_id: int, mall_id: int, name: str, is_merchant: bool, payments: int, cents: int, members: int,
    first: datetime, last: datetime, since: datetime, names: Iterable[str] | None, ids: Iterable[str] | None,
) -> UnknownStore:  # fmt: skip
    return UnknownStore(
        group_id=group_id, mall_id=mall_id, name=name, is_merchant=is_merchant, payments=payments, cents=cents,
        members=members, first_paid_at=first, last_paid_at=last, since=since,
        merchant_names=tuple(names or ()), merchant_ids=tuple(ids or ()),
    )  # fmt: skip
