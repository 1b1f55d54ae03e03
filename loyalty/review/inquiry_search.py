"""Finds the purchases that a clerk's words mean, in the clerk's malls: a few bounded questions, an index each.

A number finds its purchase; a phone, card or name finds a member, whose purchases amount, day and store narrow;
without anybody named, amount, day and store find purchases of the clerk's malls.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from typing import Any

from django.db.models import Q, QuerySet

from loyalty.earning import duplicates
from loyalty.earning.models import DuplicateCase, NumberClaim, Transaction
from loyalty.review.inquiries import StoreName, Understood
from members import lookup
from members.models import Member, Pass
from pms.clock import HONG_KONG
from pms.models import Store
from pms.scoping import Sight

MOST_SHOWN = 10
MOST_FOUND = 200
MOST_STORES_READ = 5000
# A purchase that nobody dates is looked for no further back.
WITHOUT_A_DAY = timedelta(days=92)


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """`is_nearest`: nothing fits all that was said, and these are the member's latest instead."""

    purchases: list[Transaction] = field(default_factory=list)
    members: list[Member] = field(default_factory=list)
    is_more: bool = False
    is_nearest: bool = False


def stores_of(sight: Sight) -> list[StoreName]:
    rows = Store.objects.filter(mall__in=sight.mall_ids).order_by("pk")[:MOST_STORES_READ]
    return [
        StoreName(pk, tuple({name for name in names if name}))
        for pk, *names in rows.values_list("pk", "name_en", "name_zh", "code", "pms_label")
    ]


def find(asked: Understood, *, sight: Sight, now: datetime) -> Found:
    if not asked.is_enough:
        return Found()
    numbered = _numbered(asked.numbers, sight)
    members = [] if numbered else _members(asked, sight)
    if members:
        return _of_members(asked, members, sight)
    # Eight digits are a phone first, but a till's receipt may have as many.
    numbered = numbered or _numbered([phone for phone in asked.phones if phone.isdecimal()], sight)
    if numbered:
        return _shown(_within(sight).filter(pk__in=numbered), [])
    return Found() if asked.names_somebody else _shown(_in_place(asked, _within(sight), sight, now), [])


def cases_of(purchases: list[Transaction], sight: Sight) -> dict[int, list[DuplicateCase]]:
    """The duplicate cases in which each purchase stands on either side."""
    ids = [purchase.pk for purchase in purchases]
    rows = DuplicateCase.objects.filter(mall__in=sight.mall_ids).select_related("transaction", "earlier")
    found: dict[int, list[DuplicateCase]] = {pk: [] for pk in ids}
    for case in rows.filter(Q(transaction__in=ids) | Q(earlier__in=ids)).order_by("pk")[:MOST_FOUND]:
        for pk in {case.transaction_id, case.earlier_id} & found.keys():
            found[pk].append(case)
    return found


def _within(sight: Sight) -> QuerySet[Transaction]:
    return (
        Transaction.objects.filter(mall__in=sight.mall_ids)
        .select_related("member", "store", "mall", "award", "duplicate_case__earlier")
        .prefetch_related("refunds", "corrections")
    )


def _shown(rows: QuerySet[Transaction], members: list[Member], *, is_nearest: bool = False) -> Found:
    found = list(rows.order_by("-paid_at", "-pk")[: MOST_SHOWN + 1])
    return Found(
        purchases=found[:MOST_SHOWN],
        members=members,
        is_more=len(found) > MOST_SHOWN,
        is_nearest=is_nearest and bool(found),
    )


def _numbered(numbers: Iterable[str], sight: Sight) -> list[int]:
    """By any number a purchase is known by, as typed or as numbers are compared."""
    found: set[int] = set()
    for number in numbers:
        known = duplicates.canonical(number)
        claimed = NumberClaim.objects.filter(
            group__in=sight.group_ids, kind__in=NumberClaim.Kind.values, number=known
        )
        found |= set(claimed.values_list("transaction_id", flat=True)[:MOST_FOUND])
        for column in ("payment_number__iexact", "receipt_number__iexact"):
            rows = Transaction.objects.filter(group__in=sight.group_ids, **{column: number})
            found |= set(rows.values_list("pk", flat=True)[:MOST_FOUND])
    seen = Transaction.objects.filter(pk__in=found, mall__in=sight.mall_ids)
    return list(seen.values_list("pk", flat=True))


def _members(asked: Understood, sight: Sight) -> list[Member]:
    within = Member.objects.filter(program__group__in=sight.group_ids)
    passes = Pass.objects.filter(program__group__in=sight.group_ids, user_id__in=asked.numbers)
    phones = {lookup.phone_of(phone) for phone in asked.phones} - {""}
    questions: list[QuerySet[Member]] = [
        within.filter(card_number__in={number.upper() for number in asked.numbers}),
        within.filter(pk__in=list(passes.values_list("member_id", flat=True)[:MOST_SHOWN])),
        within.filter(phone__in=phones),
    ]
    if asked.name:
        questions.append(within.filter(name__iexact=asked.name))
    found = {member.pk: member for rows in questions for member in rows.order_by("pk")[:MOST_SHOWN]}
    return list(found.values())[:MOST_SHOWN]


def _of_members(asked: Understood, members: list[Member], sight: Sight) -> Found:
    rows = _within(sight).filter(member__in=members)
    narrowed = rows.filter(**_limits(asked))
    if asked.store_ids:
        # A purchase whose store is not known yet may be of any store, so it is never left out.
        narrowed = narrowed.filter(Q(store__in=asked.store_ids) | Q(store=None))
    fitting = _shown(narrowed, members)
    if fitting.purchases or not (asked.amount or asked.day or asked.store_ids):
        return fitting
    return _shown(rows, members, is_nearest=True)


def _in_place(
    asked: Understood, rows: QuerySet[Transaction], sight: Sight, now: datetime
) -> QuerySet[Transaction]:
    """Purchases at the stores, and those that wait for their store; without a store, those of the day."""
    limits = _limits(asked)
    if not asked.day:
        limits["paid_at__gte"] = now - WITHOUT_A_DAY
    if not asked.store_ids:
        return rows.filter(**limits)
    # No mall in the first question: the store's own index is the one that ends soon. `rows` keeps the wall.
    places = (
        Transaction.objects.filter(store__in=asked.store_ids),
        Transaction.objects.filter(group__in=sight.group_ids, state=Transaction.State.PARKED, store=None),
    )
    ids = [pk for place in places for pk in _latest(place.filter(**limits))]
    return rows.filter(pk__in=ids)


def _latest(rows: QuerySet[Transaction]) -> list[int]:
    return list(rows.order_by("-paid_at").values_list("pk", flat=True)[:MOST_FOUND])


def _limits(asked: Understood) -> dict[str, Any]:
    limits: dict[str, Any] = {}
    if asked.amount:
        limits["amount_cents__range"] = (asked.amount.lowest, asked.amount.highest)
    if asked.day:
        begin = datetime.combine(asked.day, time(), HONG_KONG)
        limits |= {"paid_at__gte": begin, "paid_at__lt": begin + timedelta(days=1)}
    return limits
