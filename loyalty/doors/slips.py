"""A purchase as somebody hands it in: read field by field, looked at before it is saved, then handed to earning.

Counter, tills and files share this, so a number, an amount or a time means the same at every door. A door asks
no consent to share payments: whoever hands a receipt in has shared it. These doors never park; they refuse.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache

from django.db import connection
from django.db.models import Q
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from loyalty.earning import awards, duplicates, purchases, suspects, trials
from loyalty.earning.duplicates import Held
from loyalty.earning.models import DuplicateCase, NumberClaim, Transaction
from loyalty.earning.purchases import Purchase
from loyalty.earning.suspects import Suspicion
from loyalty.earning.trials import Trial
from members import lookup
from pms import columns, store_history
from pms.clock import HONG_KONG
from pms.models import Mall, Store, StoreMapping

HIGHEST_CENTS = 10**10
# Tills' clocks run ahead of ours by this much at most.
AHEAD = timedelta(minutes=10)
NUMBER = re.compile(r"[A-Za-z0-9_-]{1,128}")
KINDS = frozenset(NumberClaim.Kind.values)
LOST_DIGITS = re.compile(r"[+-]?\d+(\.\d+)?E[+-]?\d+", re.IGNORECASE | re.ASCII)
DOLLARS = re.compile(r"(0|[1-9]\d{0,12})(\.\d+)?", re.ASCII)
MOMENT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:\d\d)?", re.ASCII)
WORD = re.compile(r"[A-Z0-9_-]{0,32}")

FAULTS: dict[str, Promise] = {
    "MISSING": _("It is missing."),
    "FORMULA": _("It begins like a formula (=, +, - or @); formulas are never read."),
    "NUMBER_UNREADABLE": _("A number has letters, digits, - and _ only, 128 at most."),
    "NUMBER_LOST_DIGITS": _("The spreadsheet has cut this number's digits; format the column as text."),
    "NUMBER_KIND_UNKNOWN": _("The kind is one of PAYMENT, MAINLAND, ACQUIRER, RECEIPT, or empty."),
    "STORE_UNKNOWN": _("No store of this mall has this code or PMS label."),
    "STORE_OF_ANOTHER_MALL": _("This store is in another mall."),
    "STORE_AMBIGUOUS": _("Several stores have this code; use the PMS label."),
    "STORE_SUSPENDED": _("The store or the mall is suspended."),
    "MEMBER_UNKNOWN": _("No member has this card number, phone or user ID."),
    "MEMBER_AMBIGUOUS": _("Several members match this; use the card number."),
    "AMOUNT_UNREADABLE": _("An amount is written like 1234.50, without signs, commas or words."),
    "AMOUNT_NOT_CENTS": _("An amount is a whole number of cents, without quotes."),
    "AMOUNT_NEGATIVE": _("An amount is never negative; refunds have their own way."),
    "AMOUNT_FRACTION": _("An amount has no fractions of a cent."),
    "AMOUNT_TOO_LARGE": _("The amount is too large to be true."),
    "CURRENCY_UNREADABLE": _("A currency has three capital letters, such as HKD."),
    "PAID_AT_UNREADABLE": _("A time is written like 2026-11-21 14:32, and must exist."),
    "PAID_AT_WITHOUT_ZONE": _("A time needs its zone, such as +08:00."),
    "PAID_IN_FUTURE": _("It cannot have been paid in the future."),
    "TENDER_UNREADABLE": _("A tender is one word of letters, digits, - and _, 32 at most."),
    "FIELD_UNKNOWN": _("Nothing here has this name."),
    "NOT_TEXT": _("It must be text."),
    "DOUBLED": _("The same receipt stands on an earlier line of this file."),
    "DOUBLED_OTHERWISE": _("The same number stands on another line with another amount or member."),
    "COLUMNS": _("The line does not have as many cells as the heading."),
    "TOO_LONG": _("The cell is longer than anything it could be."),
}


class FieldRefused(Exception):
    """One field cannot be taken; `code` is in FAULTS."""

    def __init__(self, field: str, code: str) -> None:
        super().__init__(field, code)
        self.field, self.code = field, code


@dataclass(kw_only=True, slots=True)
class Slip:
    """What was handed in, read and found. Without a number nothing but its likeness to others tells it again."""

    store: Store
    member_id: int
    channel: str
    amount_cents: int
    paid_at: datetime
    number: str = ""
    kind: str = NumberClaim.Kind.RECEIPT
    currency: str = "HKD"
    tender: str = ""
    by_id: int | None = None

    @property
    def numbers(self) -> dict[str, str]:
        return {str(self.kind): self.number} if self.number else {}

    def purchase(self, *, now: datetime) -> Purchase:
        return Purchase(
            group_id=self.store.group_id,
            mall_id=self.store.mall_id,
            channel=self.channel,
            member_id=self.member_id,
            amount_cents=self.amount_cents,
            currency=self.currency,
            paid_at=self.paid_at,
            numbers=self.numbers,
            store_label=self.store.pms_label,
            merchant_id="",
            merchant_name="",
            tender=self.tender,
            submitted_at=now,
            entered_by_id=self.by_id,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """What handing it in would do. `earlier` holds its number already; `is_same`: nothing is different about it.

    Under no known number it may still be alike to an earlier purchase: that is the suspicion.
    """

    trial: Trial
    earlier: Transaction | None
    is_same: bool
    suspicion: Suspicion | None = None

    @property
    def earns_at_once(self) -> bool:
        """Whether saving it gives points before anybody has looked at it."""
        is_held = self.suspicion is not None and self.suspicion.verdict != DuplicateCase.Verdict.FLAGGED
        return self.earlier is None and not is_held


def look(slip: Slip, *, now: datetime) -> Look:
    """Writes nothing."""
    earlier, purchase = holder(slip), slip.purchase(now=now)
    trial = trials.try_purchase(purchase)
    is_asked = earlier is None and bool(trial.points or trial.pending)
    return Look(
        trial=trial,
        earlier=earlier,
        is_same=earlier is not None and is_same(slip, earlier),
        suspicion=suspects.suspect(purchase, purchases.find(purchase, is_trial=True)) if is_asked else None,
    )


def holder(slip: Slip) -> Transaction | None:
    return duplicates.holder(
        slip.numbers,
        group_id=slip.store.group_id,
        store=slip.store.pk,
        paid_at=slip.paid_at,
        merged=slip.store.merged_ids,
    )


def is_same(slip: Slip, earlier: Transaction) -> bool:
    """The same purchase with nothing to look at: it may be left out without a trace."""
    is_here = earlier.store_id == slip.store.pk or earlier.store_id in slip.store.merged_ids
    return is_here and (slip.member_id, slip.amount_cents, slip.currency) == (
        earlier.member_id, earlier.amount_cents, earlier.currency,
    )  # fmt: skip


def hand_in(slip: Slip, *, now: datetime) -> Transaction:
    """Record it and give what it deserves; must run in its caller's atomic block."""
    [handed] = hand_in_all([slip], now=now)
    if isinstance(handed, FieldRefused):
        raise handed
    return Transaction.objects.select_related("award", "store").get(pk=handed)


def hand_in_all(
    slips: Sequence[Slip], *, now: datetime, held: Held | None = None
) -> list[int | FieldRefused]:
    """As `hand_in` for many, in their order, but only their transactions' ids, or why one was refused.

    `held` is for who has just asked which of their numbers others hold.
    """
    outcomes = awards.earn_all([slip.purchase(now=now) for slip in slips], now=now, held=held)
    return [outcome.transaction_id or FieldRefused("store", "STORE_SUSPENDED") for outcome in outcomes]


def foresee_all(
    slips: Sequence[Slip], *, now: datetime, tried: Counter[tuple[int, str]], held: Held
) -> list[int]:
    """The points that `hand_in_all` would give; writes nothing. `tried` is what earlier ones took of limits."""
    return trials.foresee([slip.purchase(now=now) for slip in slips], now=now, tried=tried, held=held)


def read_number(text: str) -> str:
    """As it stands on the receipt, without blanks around it; empty if there is none."""
    number = text.strip(" \t")
    number = number if number.isascii() else unicodedata.normalize("NFKC", number)
    if LOST_DIGITS.fullmatch(number):
        raise FieldRefused("number", "NUMBER_LOST_DIGITS")
    if number and not NUMBER.fullmatch(number):
        raise FieldRefused("number", "NUMBER_UNREADABLE")
    return number


def read_kind(text: str) -> str:
    kind = text.strip().upper() or duplicates.RECEIPT
    if kind not in KINDS:
        raise FieldRefused("number_kind", "NUMBER_KIND_UNKNOWN")
    return kind


def read_dollars(text: str) -> int:
    """HK$ as a decimal text, in cents."""
    amount = text.strip()
    if not DOLLARS.fullmatch(amount):
        is_negative = bool(DOLLARS.fullmatch(amount.removeprefix("-")))
        raise FieldRefused("amount", "AMOUNT_NEGATIVE" if is_negative else "AMOUNT_UNREADABLE")
    cents = Decimal(amount) * 100
    if cents != cents.to_integral_value():
        raise FieldRefused("amount", "AMOUNT_FRACTION")
    return checked_cents(int(cents), field="amount")


def checked_cents(cents: int, *, field: str) -> int:
    if cents < 0:
        raise FieldRefused(field, "AMOUNT_NEGATIVE")
    if cents > HIGHEST_CENTS:
        raise FieldRefused(field, "AMOUNT_TOO_LARGE")
    return cents


def read_moment(text: str, *, now: datetime, needs_zone: bool = False) -> datetime:
    """An ISO date and time; without a zone it is Hong Kong's."""
    moment = _moment(text)
    if moment is None:
        raise FieldRefused("paid_at", "PAID_AT_UNREADABLE")
    if moment.tzinfo is None and needs_zone:
        raise FieldRefused("paid_at", "PAID_AT_WITHOUT_ZONE")
    return checked_moment(moment if moment.tzinfo else moment.replace(tzinfo=HONG_KONG), now=now)


# Of a file's row it is asked for its day, and then for itself.
@lru_cache(maxsize=1024)
def _moment(text: str) -> datetime | None:
    written = text.strip()
    try:
        return datetime.fromisoformat(written) if MOMENT.fullmatch(written) else None
    except ValueError:
        return None


def day_of(text: str, *, now: datetime) -> date | None:
    """The day in Hong Kong of a moment that is read for itself; None if it cannot be read."""
    try:
        return read_moment(text, now=now).astimezone(HONG_KONG).date()
    except FieldRefused:
        return None


def checked_moment(moment: datetime, *, now: datetime) -> datetime:
    if moment.year < 2000:
        raise FieldRefused("paid_at", "PAID_AT_UNREADABLE")
    if moment > now + AHEAD:
        raise FieldRefused("paid_at", "PAID_IN_FUTURE")
    return moment


def read_tender(text: str) -> str:
    tender = text.strip().upper().replace(" ", "_")
    if not WORD.fullmatch(tender):
        raise FieldRefused("tender", "TENDER_UNREADABLE")
    return tender


class Stores:
    """The stores of a mall's group by code and label, read once; only those in the mall that day may be named.

    With `only`, no more than those of this name are read.
    """

    def __init__(self, mall: Mall, *, only: str | None = None) -> None:
        self.mall_id = mall.pk
        self.known: dict[str, list[Store]] = {}
        self.by_id: dict[int, Store] = {}
        mappings = StoreMapping.objects.filter(group_id=mall.group_id, ended_at=None)
        stores = Store.objects.filter(group_id=mall.group_id).select_related("mall", "merged_into__mall")
        stores = stores.prefetch_related("merged", "merged_into__merged")
        if only is not None:
            mapped = mappings.filter(label__iexact=only.strip())
            is_named = Q(code__iexact=only.strip()) | Q(pms_label__iexact=only.strip())
            stores = stores.filter(is_named | Q(pk__in=mapped.values("store")))
        for store in stores:
            self.by_id[store.pk] = store
            self._add(store, {store.code, store.pms_label} if only is None else {only.strip()})
        for label, store_id in mappings.values_list("label", "store_id") if only is None else ():
            self._add(self.by_id[store_id], {label})
        self._merged: dict[int, tuple[int, ...]] = {}
        self.moves = store_history.Moves(store for found in self.known.values() for store in found)

    def _add(self, store: Store, names: Iterable[str]) -> None:
        """A merged store's names lead to the one it became."""
        store = store.merged_into or store
        for name in names:
            if name and store not in self.known.setdefault(name.upper(), []):
                self.known[name.upper()].append(store)

    def merged_into(self, store: Store) -> tuple[int, ...]:
        """The stores merged into it: a relation asked for every row takes as long as judging the row."""
        if store.pk not in self._merged:
            self._merged[store.pk] = store.merged_ids
        return self._merged[store.pk]

    def named(self, text: str, *, day: date | None) -> Store:
        """In the mall on this day in Hong Kong, or now where nobody can tell the day."""
        found = self.known.get(text.strip().upper(), [])
        here = [store for store in found if self.moves.mall_id_on(store, day) == self.mall_id]
        if len(here) > 1:
            raise FieldRefused("store", "STORE_AMBIGUOUS")
        if not here:
            raise FieldRefused("store", "STORE_OF_ANOTHER_MALL" if found else "STORE_UNKNOWN")
        return checked_store(here[0])


def checked_store(store: Store) -> Store:
    if store.state != Store.State.ACTIVE or store.mall.state != Mall.State.ACTIVE:
        raise FieldRefused("store", "STORE_SUSPENDED")
    return store


# From the names to the members, whatever is known of the tables: each of the three has an index, that of phones only
# of those that are not empty.
NAMED = """
WITH program AS (SELECT id FROM members_program WHERE group_id = %(group_id)s)
SELECT 'card', called, found.id FROM program, unnest(%(cards)s::text[]) AS called CROSS JOIN LATERAL (
    SELECT id, program_id FROM members_member WHERE card_number = called OFFSET 0) found
WHERE found.program_id = program.id
UNION ALL
SELECT 'phone', called, found.id FROM program, unnest(%(phones)s::text[]) AS called CROSS JOIN LATERAL (
    SELECT id FROM members_member WHERE program_id = program.id AND phone = called AND phone <> '' OFFSET 0) found
UNION ALL
SELECT 'user', called, found.member_id FROM program, unnest(%(users)s::text[]) AS called CROSS JOIN LATERAL (
    SELECT member_id, program_id FROM members_pass WHERE user_id = called OFFSET 0) found
WHERE found.program_id = program.id
"""


def members_named(texts: Iterable[str], *, group_id: int) -> dict[str, set[int]]:
    """Members by card number, phone or wallet user ID, in one question however many are asked for."""
    wanted = {text: text.strip() for text in texts}
    cards = {text: name.upper() for text, name in wanted.items() if name}
    phones = {text: lookup.phone_of(name) for text, name in wanted.items() if name}
    values: dict[str, int | str] = {
        "group_id": group_id,
        "cards": columns.texts(set(cards.values())),
        "phones": columns.texts(set(phones.values()) - {""}),
        "users": columns.texts(set(wanted.values()) - {""}),
    }
    found: dict[tuple[str, str], set[int]] = {}
    with connection.cursor() as cursor:
        cursor.execute(NAMED, values)
        for of, name, member_id in cursor.fetchall():
            found.setdefault((of, name), set()).add(member_id)
    return {
        text: set().union(
            *(found.get(one, ()) for one in (("card", cards[text]), ("phone", phones[text]), ("user", name)))
        )
        for text, name in wanted.items() if name
    }  # fmt: skip


def the_member(text: str, named: Mapping[str, set[int]]) -> int:
    found = named.get(text, set())
    if not text.strip():
        raise FieldRefused("member", "MISSING")
    if len(found) != 1:
        raise FieldRefused("member", "MEMBER_AMBIGUOUS" if found else "MEMBER_UNKNOWN")
    return next(iter(found))
