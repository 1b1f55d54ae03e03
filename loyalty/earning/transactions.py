"""Writes purchases with their numbers and awards, one or many in one statement; says which numbers others hold.

Called by `awards` alone, which has judged them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from django.db import connection

from loyalty.earning import decisions, duplicates
from loyalty.earning.decisions import Decision
from loyalty.earning.purchases import Found, Purchase
from members.models import Member
from pms import columns

# The award is written only if every number was free: whoever claims a number first has the purchase.
RECORD = """
WITH purchase AS (
    INSERT INTO earning_transaction (id, group_id, mall_id, store_id, member_id, wallet_pass_id, channel, state,
        amount_cents, currency, paid_at, recorded_at, payment_number, mainland_number, acquirer_number,
        receipt_number, store_label, merchant_id, merchant_name, tender, item, entered_by_id)
    SELECT id, group_id, mall_id, store_id, member_id, pass_id, channel, state, amount_cents, currency, paid_at,
        %(now)s, payment, mainland, acquirer, receipt, store_label, merchant_id, merchant_name, tender, item,
        entered_by_id
    FROM (SELECT * FROM unnest(%(ids)s::bigint[], %(group_ids)s::bigint[], %(mall_ids)s::bigint[],
        %(store_ids)s::bigint[], %(member_ids)s::bigint[], %(pass_ids)s::bigint[], %(channels)s::text[],
        %(states)s::text[], %(amounts)s::bigint[], %(currencies)s::text[], %(paid_ats)s::timestamptz[],
        %(payments)s::text[], %(mainlands)s::text[], %(acquirers)s::text[], %(receipts)s::text[],
        %(store_labels)s::text[], %(merchant_ids)s::text[], %(merchant_names)s::text[], %(tenders)s::text[],
        %(items)s::text[], %(entered_by_ids)s::bigint[]) LIMIT %(all)s)
        AS asked (id, group_id, mall_id, store_id, member_id, pass_id, channel, state, amount_cents, currency,
            paid_at, payment, mainland, acquirer, receipt, store_label, merchant_id, merchant_name, tender, item,
            entered_by_id)
), claims AS (
    INSERT INTO earning_numberclaim (group_id, kind, number, transaction_id)
    SELECT * FROM unnest(%(claim_groups)s::bigint[], %(kinds)s::text[], %(numbers)s::text[], %(holders)s::bigint[])
    LIMIT %(all)s
    ON CONFLICT DO NOTHING
    RETURNING transaction_id
), lost AS MATERIALIZED (
    SELECT id FROM (SELECT * FROM unnest(%(ids)s::bigint[], %(group_ids)s::bigint[], %(looked_up)s::text[],
            %(wanted)s::int[]) LIMIT %(all)s)
        AS asked (id, group_id, looked_up, wanted)
    LEFT JOIN (SELECT transaction_id, count(*) AS count FROM claims GROUP BY transaction_id) gained
        ON gained.transaction_id = asked.id
    WHERE coalesce(gained.count, 0) < asked.wanted OR (asked.looked_up <> '' AND EXISTS (
        SELECT FROM earning_numberclaim claim WHERE claim.group_id = asked.group_id
            AND claim.kind IN ('PAYMENT', 'MAINLAND', 'ACQUIRER') AND claim.number = asked.looked_up))
), award AS (
    INSERT INTO earning_award (transaction_id, rule_version_id, posting_id, points, pending_points, counted_cents,
        facts, versions, rooms, lines, reasons, conditions, awarded_at)
    SELECT transaction_id, version_id, posting_id, points, pending_points, counted_cents, facts::jsonb,
        versions::jsonb, rooms::jsonb, lines::jsonb, reasons::jsonb, conditions::jsonb, %(now)s
    FROM (SELECT * FROM unnest(%(judged)s::bigint[], %(version_ids)s::bigint[], %(posting_ids)s::bigint[],
        %(points)s::bigint[], %(pending_points)s::bigint[], %(counted_cents)s::bigint[],
        string_to_array(%(facts)s, E'\\x1e'), string_to_array(%(versions)s, E'\\x1e'),
        string_to_array(%(rooms)s, E'\\x1e'), string_to_array(%(lines)s, E'\\x1e'),
        string_to_array(%(reasons)s, E'\\x1e'), string_to_array(%(conditions)s, E'\\x1e')) LIMIT %(all)s)
        AS judged (transaction_id, version_id, posting_id, points, pending_points, counted_cents, facts, versions,
            rooms, lines, reasons, conditions)
    WHERE transaction_id NOT IN (SELECT id FROM lost)
)
SELECT id, false FROM lost
UNION ALL
SELECT member.id, true FROM members_member member WHERE member.state = 'CLOSED' AND member.id IN
    (SELECT unnest(%(open_member_ids)s::bigint[]) LIMIT %(all)s)
"""
# A sign that stands in no JSON: as elements of an array, all their quotation marks would have to be escaped one by one.
BETWEEN = "\x1e"
DOCUMENTS = ("facts", "versions", "rooms", "lines", "reasons", "conditions")
FIGURES = ("points", "pending_points", "counted_cents")


class ClosedMeanwhile(Exception):
    """A member was closed after the facts were read, and the card may be another's now."""


@dataclass(kw_only=True, slots=True)
class Record:
    """What is to be written of one purchase, under the number that `found` brought for it."""

    purchase: Purchase
    found: Found
    decision: Decision
    state: str
    has_award: bool

    @property
    def transaction_id(self) -> int:
        return self.found.transaction_id

    @property
    def claims(self) -> duplicates.Numbers:
        return duplicates.claims(
            self.purchase.numbers,
            store=self.found.store_id,
            paid_at=self.purchase.paid_at,
            merged=self.found.store_merged_ids,
        )


def write(records: Sequence[Record], *, now: datetime) -> set[int]:
    """Write all; returns the transactions one of whose numbers another transaction holds already.

    Raises `ClosedMeanwhile`: this statement is read under the members' locks, so it sees what had them before.
    """
    values = _purchases(records) | _claims(records) | _awards(records) | {"now": now, "all": columns.ALL}
    with connection.cursor() as cursor:
        cursor.execute(RECORD, values)
        rows = cursor.fetchall()
    if any(is_closed for _id, is_closed in rows):
        raise ClosedMeanwhile(ClosedMeanwhile.__doc__)
    return {transaction_id for transaction_id, _is_closed in rows}


def _purchases(records: Sequence[Record]) -> dict[str, Any]:
    pairs = [(record.purchase, record.found) for record in records]
    return {
        "ids": columns.numbers(record.transaction_id for record in records),
        "states": columns.texts(record.state for record in records),
        "group_ids": columns.numbers(purchase.group_id for purchase, _found in pairs),
        "mall_ids": columns.numbers(found.store_mall_id or purchase.mall_id for purchase, found in pairs),
        "store_ids": columns.numbers(found.store_id for _purchase, found in pairs),
        "member_ids": columns.numbers(found.member_id for _purchase, found in pairs),
        "open_member_ids": columns.numbers(
            found.member_id for _purchase, found in pairs if found.member_state != Member.State.CLOSED
        ),
        "pass_ids": columns.numbers(found.pass_id for _purchase, found in pairs),
        "channels": columns.texts(purchase.channel for purchase, _found in pairs),
        "amounts": columns.numbers(purchase.amount_cents for purchase, _found in pairs),
        "currencies": columns.texts(purchase.currency for purchase, _found in pairs),
        "paid_ats": columns.moments(purchase.paid_at for purchase, _found in pairs),
        "payments": columns.texts(purchase.numbers.get("PAYMENT", "") for purchase, _found in pairs),
        "mainlands": columns.texts(purchase.numbers.get("MAINLAND", "") for purchase, _found in pairs),
        "acquirers": columns.texts(purchase.numbers.get("ACQUIRER", "") for purchase, _found in pairs),
        "receipts": columns.texts(purchase.numbers.get("RECEIPT", "") for purchase, _found in pairs),
        "store_labels": columns.texts(purchase.store_label for purchase, _found in pairs),
        "merchant_ids": columns.texts(purchase.merchant_id for purchase, _found in pairs),
        "merchant_names": columns.texts(purchase.merchant_name for purchase, _found in pairs),
        "tenders": columns.texts(purchase.tender for purchase, _found in pairs),
        "items": columns.texts(purchase.item for purchase, _found in pairs),
        "entered_by_ids": columns.numbers(purchase.entered_by_id for purchase, _found in pairs),
    }


def _claims(records: Sequence[Record]) -> dict[str, Any]:
    claims = [(record, record.claims) for record in records]
    held = [(record, kind, number) for record, pairs in claims for kind, number in pairs]
    # In one order for everybody, so that no two wait for each other's numbers; of equal ones the first stays first.
    held.sort(key=lambda claim: (claim[0].purchase.group_id, *claim[1:]))
    return {
        "claim_groups": columns.numbers(record.purchase.group_id for record, _kind, _number in held),
        "kinds": columns.texts(kind for _record, kind, _number in held),
        "numbers": columns.texts(number for _record, _kind, number in held),
        "holders": columns.numbers(record.transaction_id for record, _kind, _number in held),
        "wanted": columns.numbers(len(pairs) for _record, pairs in claims),
        "looked_up": columns.texts(duplicates.looked_up(record.purchase.numbers) for record in records),
    }


def _awards(records: Sequence[Record]) -> dict[str, Any]:
    judged = [record for record in records if record.has_award]
    kept: list[dict[str, Any]] = [decisions.kept(record.decision) for record in judged]
    return {
        "judged": columns.numbers(record.transaction_id for record in judged),
        "version_ids": columns.numbers(record.decision.base_version_id for record in judged),
        "posting_ids": columns.numbers(
            record.found.posting_id if record.decision.points else None for record in judged
        ),
        **{name: columns.numbers(one[name] for one in kept) for name in FIGURES},
        **{name: _joined(one[name] for one in kept) for name in DOCUMENTS},
    }


def _joined(documents: Iterable[object]) -> str:
    """As JSON with the sign between them."""
    return BETWEEN.join([orjson.dumps(document).decode() for document in documents])
