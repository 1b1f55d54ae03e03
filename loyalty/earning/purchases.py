"""The facts purchases are judged on, read in one statement for one or many: who, where, which tier, which consent.

A wallet names the member by its own user and needs the member's consent to share payments. The other doors name
the member: who hands in a receipt shares nothing behind anybody's back, so there membership takes consent's place.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from django.db import connection

from loyalty.earning import likeness
from loyalty.earning.models import Transaction
from loyalty.earning.rule_terms import Facts
from loyalty.ledger import postings
from pms import columns, store_labels


@dataclass(kw_only=True, slots=True)
class Purchase:
    """One purchase as a door reports it. `numbers` are as sent, by `NumberClaim.Kind`.

    The payer is a wallet's user, or the `member_id` that the door has found. `submitted_at` is for doors that people
    use: they have a window, a wallet's notice has none. `entered_by_id` is the login that typed it.

    Nobody changes it, nor what is made of it on its way: frozen, each would take three times as long to make.
    """

    group_id: int
    mall_id: int
    channel: str
    wallet: str = ""
    user_id: str = ""
    member_id: int | None = None
    amount_cents: int
    currency: str
    paid_at: datetime
    numbers: Mapping[str, str]
    store_label: str
    merchant_id: str
    merchant_name: str
    tender: str = ""
    item: str = ""
    submitted_at: datetime | None = None
    entered_by_id: int | None = None


class Found(NamedTuple):
    """One row of `FACTS`, in its order. `transaction_id` and `posting_id` are new numbers for what is to be written."""

    program_id: int
    joining_grace_days: int
    manual_window_days: int
    expiry: str
    expiry_count: int
    has_tiers: bool
    newest_version_id: int | None
    is_mall_active: bool
    pass_id: int | None
    pass_state: str | None
    member_id: int | None
    member_state: str | None
    birth_month: int | None
    account_id: int | None
    pending_id: int | None
    issued_id: int | None
    used_ever: list[str]
    store_id: int | None
    store_code: str | None
    store_category: str | None
    store_mall_id: int | None
    store_mall_tag: str | None
    is_store_excluded: bool | None
    is_store_active: bool | None
    tier: str | None
    tier_name: str | None
    tier_name_zh: str | None
    tier_numerator: int | None
    tier_denominator: int | None
    is_consented: bool | None
    first_consent_at: datetime | None
    transaction_id: int
    posting_id: int
    store_merchant_id: str | None
    flag_score: int
    hold_score: int
    block_score: int | None
    is_store_open: bool | None
    store_excluded_tenders: list[str] | None
    store_merged_ids: list[int]
    is_locked: bool | None


# Doors at which a person or a till speak take the store's equal amounts and the member for themselves until they have
# committed, so that of two records of one purchase the second sees the first: those are what `suspects` looks at.
# Payments with a wallet's number share both, and so never wait for each other: two different ones are never the same
# purchase. The order is amounts, members, then accounts, each by its number; where several stores have the name there
# is no store, and so no amount. Amounts are equal on one Hong Kong day or over midnight (`likeness.window`), so there
# are two of them: of the day it was a quarter of an hour before the payment, and after. Mostly that is one.
AMOUNT_LOCK, MEMBER_LOCK = 4101, 4102
AMOUNT_FACTOR, DAY_FACTOR, KEYS = 1000003, 15485863, 2**31 - 1
_MARKED = [f"((store.id * {AMOUNT_FACTOR} + asked.{mark}) %% {KEYS})::int" for mark in ("mark", "late_mark")]
FIRST_KEY, LAST_KEY = (
    f"CASE WHEN store.namesakes = 1 THEN {which}({', '.join(_MARKED)}) END" for which in ("least", "greatest")
)
Marks = tuple[int, int]
MEMBER_KEY = f"(member.id %% {KEYS})::int"
LOCKS = f"""
CASE WHEN NOT %(takes_locks)s THEN false
     WHEN asked.is_numbered THEN coalesce(pg_advisory_xact_lock_shared({AMOUNT_LOCK}, {FIRST_KEY})::text, '')
        || coalesce(pg_advisory_xact_lock_shared({AMOUNT_LOCK}, {LAST_KEY})::text, '')
        || coalesce(pg_advisory_xact_lock_shared({MEMBER_LOCK}, {MEMBER_KEY})::text, '') = ''
     ELSE coalesce(pg_advisory_xact_lock({AMOUNT_LOCK}, {FIRST_KEY})::text, '')
        || coalesce(pg_advisory_xact_lock({AMOUNT_LOCK}, {LAST_KEY})::text, '')
        || coalesce(pg_advisory_xact_lock({MEMBER_LOCK}, {MEMBER_KEY})::text, '') = ''
END
"""

ASKED = """
(SELECT * FROM unnest(%(group_ids)s::bigint[], %(mall_ids)s::bigint[], %(wallets)s::text[], %(user_ids)s::text[],
    %(member_ids)s::bigint[], %(store_labels)s::text[], %(merchant_ids)s::text[], %(paid_ats)s::timestamptz[],
    %(marks)s::bigint[], %(late_marks)s::bigint[], %(are_numbered)s::boolean[]) WITH ORDINALITY LIMIT %(all)s)
    AS asked (group_id, mall_id, wallet, user_id, member_id, store_label, merchant_id, paid_at, mark, late_mark,
        is_numbered, place)
"""
PAYER = """
LEFT JOIN members_pass wallet_pass ON asked.wallet <> '' AND wallet_pass.program_id = program.id
    AND wallet_pass.wallet = asked.wallet AND wallet_pass.user_id = asked.user_id
LEFT JOIN members_member member ON member.id = coalesce(asked.member_id, wallet_pass.member_id)
    AND member.program_id = program.id
"""
# A store is what it is now, but in the mall where it was on the day of payment.
PAID_DATE = "(asked.paid_at AT TIME ZONE 'Asia/Hong_Kong')::date"
LEADING = store_labels.leading(
    group="program.group_id", label="asked.store_label", merchant="asked.merchant_id"
)


def mall_then(*, store: str, date: str) -> str:
    """SQL for the mall where the store was on the day."""
    return f"""CASE WHEN {store}.moved_date > {date}
            THEN (SELECT move.from_mall_id FROM pms_storemove move
                  WHERE move.store_id = {store}.id AND move.moved_date > {date}
                  ORDER BY move.moved_date LIMIT 1)
            ELSE {store}.mall_id END"""  # noqa: S608  (put together from constants alone)


STORE = f"""
LEFT JOIN LATERAL (
    SELECT one.*, count(*) OVER () AS namesakes,
        {PAID_DATE} >= coalesce(one.opened_date, '-infinity') AND {PAID_DATE} <= coalesce(one.closed_date, 'infinity')
            AS is_open,
        {mall_then(store="one", date=PAID_DATE)} AS mall_then_id
    FROM ({LEADING}) named JOIN pms_store one ON one.id = named.id
) store ON true
"""  # noqa: S608  (put together from constants alone)
TAKE_LOCKS = """
SELECT count(CASE WHEN is_shared THEN pg_advisory_xact_lock_shared(%(of)s, key)::text
                  ELSE pg_advisory_xact_lock(%(of)s, key)::text END)
FROM unnest(%(keys)s::int[], %(are_shared)s::boolean[]) AS wanted (key, is_shared)
"""

FACTS = f"""
WITH program AS MATERIALIZED (
    SELECT program.*, issued.id AS issued_id,
        (SELECT max(v.id) FROM earning_ruleversion v JOIN earning_rule r ON r.id = v.rule_id
         WHERE r.program_id = program.id) AS newest_version_id
    FROM members_program program
    LEFT JOIN ledger_pointaccount issued ON issued.program_id = program.id
        AND issued.kind = 'ISSUED' AND issued.member_id IS NULL
    WHERE program.group_id IN (SELECT unnest(%(group_ids)s::bigint[]) LIMIT %(all)s)
)
SELECT asked.place, program.id, program.joining_grace_days, program.manual_window_days, program.expiry,
       program.expiry_count, tier.id IS NOT NULL, program.newest_version_id,
       called_mall.state = 'ACTIVE',
       wallet_pass.id, wallet_pass.state, member.id, member.state, member.birth_month,
       account.id, pending.id, program.issued_id,
       array(SELECT key FROM earning_capuse
             WHERE account_id = account.id AND key LIKE '%%/ever%%' AND used > 0),
       store.id, coalesce(nullif(store.code, ''), store.pms_label), store.category, store.mall_then_id, store_mall.tag,
       store.is_excluded, store.state = 'ACTIVE' AND store_mall.state = 'ACTIVE',
       tier.code, tier.name_en, tier.name_zh, tier.factor_numerator, tier.factor_denominator,
       CASE WHEN asked.member_id IS NULL THEN consent.is_in_force ELSE member.joined_at <= asked.paid_at END,
       CASE WHEN asked.member_id IS NULL THEN consent.first_at ELSE member.joined_at END,
       CASE WHEN %(is_new)s THEN nextval('earning_transaction_id_seq') ELSE 0 END,
       CASE WHEN %(is_trial)s THEN 0 ELSE nextval('ledger_posting_id_seq') END,
       store.merchant_id, program.duplicate_flag_score, program.duplicate_hold_score, program.duplicate_block_score,
       store.is_open, CASE WHEN store.excluded_tenders <> '[]'
           THEN array(SELECT jsonb_array_elements_text(store.excluded_tenders)) END,
       array(SELECT merged.id FROM pms_store merged WHERE merged.merged_into_id = store.id),
       {LOCKS}
FROM {ASKED}
JOIN program ON program.group_id = asked.group_id
JOIN pms_mall called_mall ON called_mall.id = asked.mall_id
{PAYER}
LEFT JOIN ledger_pointaccount account ON account.member_id = member.id
LEFT JOIN ledger_pointaccount pending ON pending.spendable_id = account.id
{STORE}
LEFT JOIN pms_mall store_mall ON store_mall.id = store.mall_then_id
LEFT JOIN LATERAL (
    SELECT t.* FROM members_tier t
    LEFT JOIN members_membertier held ON held.tier_id = t.id AND held.member_id = member.id
        AND held.began_at <= asked.paid_at AND (held.ended_at IS NULL OR held.ended_at > asked.paid_at)
    WHERE t.program_id = program.id AND (held.id IS NOT NULL OR t.min_spend_cents = 0)
    ORDER BY t.min_spend_cents DESC LIMIT 1
) tier ON true
LEFT JOIN LATERAL (
    SELECT coalesce(bool_or(c.wallet_pass_id = wallet_pass.id AND c.began_at <= asked.paid_at
                            AND (c.ended_at IS NULL OR c.ended_at > asked.paid_at)), false) AS is_in_force,
           min(c.began_at) AS first_at
    FROM members_consent c WHERE asked.member_id IS NULL AND c.member_id = member.id
) consent ON true
ORDER BY asked.place
"""  # noqa: S608  (put together from constants alone)


def find(purchase: Purchase, *, is_trial: bool = False, is_new: bool = True) -> Found:
    """A trial takes no number for a posting, so it writes nothing at all; only what is new takes locks."""
    return find_all([purchase], is_trial=is_trial, is_new=is_new)[0]


def find_all(asked: Sequence[Purchase], *, is_trial: bool = False, is_new: bool = True) -> list[Found]:
    """As `find`, in the order asked. Many take their locks in one order for everybody, right after the facts are read.

    One alone takes them while they are read: what changes under the locks is in either case asked once they are had.
    """
    is_new = is_new and not is_trial
    marks = [_marks(purchase) for purchase in asked]
    with connection.cursor() as cursor:
        cursor.execute(
            FACTS,
            _values(asked, marks)
            | {"is_trial": is_trial, "is_new": is_new, "takes_locks": is_new and len(asked) == 1},
        )
        rows = cursor.fetchall()
    found: dict[int, Found] = {}
    for row in rows:
        place = row[0]
        # Two stores of one name are no store.
        found[place] = _nowhere(found[place]) if place in found else Found._make(row[1:])
    known = [found[place] for place in range(1, len(asked) + 1)]
    if is_new and len(asked) > 1:
        _take_locks(asked, marks, known)
    return known


def _nowhere(found: Found) -> Found:
    return found._replace(store_id=None, store_mall_id=None, store_mall_tag=None)


def _values(asked: Sequence[Purchase], marks: Sequence[Marks]) -> dict[str, Any]:
    return {
        "all": columns.ALL,
        "group_ids": columns.numbers(purchase.group_id for purchase in asked),
        "mall_ids": columns.numbers(purchase.mall_id for purchase in asked),
        "wallets": columns.texts(purchase.wallet for purchase in asked),
        "user_ids": columns.texts(purchase.user_id for purchase in asked),
        "member_ids": columns.numbers(purchase.member_id for purchase in asked),
        "store_labels": columns.texts(purchase.store_label for purchase in asked),
        "merchant_ids": columns.texts(purchase.merchant_id for purchase in asked),
        "paid_ats": columns.moments(purchase.paid_at for purchase in asked),
        "marks": columns.numbers(early for early, _late in marks),
        "late_marks": columns.numbers(late for _early, late in marks),
        "are_numbered": columns.flags(bool(purchase.numbers.get("PAYMENT")) for purchase in asked),
    }


def _marks(purchase: Purchase) -> Marks:
    """The amount on the days of its likes, as the keys of locks have it."""
    early, late = likeness.days(purchase.paid_at)
    return (purchase.amount_cents + early * DAY_FACTOR, purchase.amount_cents + late * DAY_FACTOR)


def _take_locks(asked: Sequence[Purchase], marks: Sequence[Marks], found: Sequence[Found]) -> None:
    """Amounts, members and accounts, as `LOCKS` has them; one that any purchase wants for itself is not shared."""
    amounts: dict[int, bool] = {}
    members: dict[int, bool] = {}
    for purchase, days, one in zip(asked, marks, found, strict=True):
        is_shared = bool(purchase.numbers.get("PAYMENT"))
        if one.store_id is not None:
            for mark in days:
                key = (one.store_id * AMOUNT_FACTOR + mark) % KEYS
                amounts[key] = amounts.get(key, True) and is_shared
        if one.member_id is not None:
            members[one.member_id % KEYS] = members.get(one.member_id % KEYS, True) and is_shared
    with connection.cursor() as cursor:
        for of, modes in ((AMOUNT_LOCK, amounts), (MEMBER_LOCK, members)):
            keys = sorted(modes)
            cursor.execute(
                TAKE_LOCKS,
                {
                    "of": of,
                    "keys": columns.numbers(keys),
                    "are_shared": columns.flags(modes[key] for key in keys),
                },
            )
    postings.take_locks(account_ids={one.account_id for one in found if one.account_id})


def hold_off(*, member_id: int) -> None:
    """Wait for the earns of this member that are under way, and keep others waiting to the end of the caller's block.

    For who is about to move the member's card to another: those that waited raise `awards.Overtaken`.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [MEMBER_LOCK, member_id % KEYS])


def facts(purchase: Purchase, found: Found) -> Facts:
    return Facts(
        amount_cents=purchase.amount_cents,
        currency=purchase.currency,
        paid_at=purchase.paid_at,
        is_member_open=found.member_state == "ACTIVE" and found.pass_state != "CLOSED",
        is_consented=bool(found.is_consented),
        is_consent_needed=purchase.member_id is None,
        first_consent_at=found.first_consent_at,
        joining_grace_days=found.joining_grace_days,
        is_store_excluded=bool(found.is_store_excluded),
        is_store_open=found.is_store_open is not False,
        store_excluded_tenders=found.store_excluded_tenders or (),
        store=found.store_code or "",
        category=found.store_category or "",
        mall=found.store_mall_tag or "",
        tender=purchase.tender,
        item=purchase.item,
        tier=found.tier or "",
        tier_name=found.tier_name or "",
        tier_name_zh=found.tier_name_zh or "",
        tier_numerator=found.tier_numerator or 1,
        tier_denominator=found.tier_denominator or 1,
        birth_month=found.birth_month,
        submitted_at=purchase.submitted_at,
        manual_window_days=found.manual_window_days if purchase.submitted_at else None,
    )


def is_known_elsewhere(purchase: Purchase) -> bool:
    """The store label belongs to another group's store (B117)."""
    label = purchase.store_label
    return bool(label) and store_labels.is_known_outside(group_id=purchase.group_id, label=label)


def of(transaction: Transaction) -> Purchase:
    """The purchase a stored transaction reported, to judge it again; no consent is asked of an upload."""
    wallet_pass = transaction.wallet_pass
    is_by_hand = transaction.channel != Transaction.Channel.WALLET
    is_upload = transaction.channel == Transaction.Channel.UPLOAD
    return Purchase(
        group_id=transaction.group_id,
        mall_id=transaction.mall_id,
        channel=transaction.channel,
        wallet=wallet_pass.wallet if wallet_pass else "",
        user_id=wallet_pass.user_id if wallet_pass else "",
        member_id=transaction.member_id if is_upload or not wallet_pass else None,
        amount_cents=transaction.amount_cents,
        currency=transaction.currency,
        paid_at=transaction.paid_at,
        numbers=transaction.numbers,
        store_label=transaction.store_label,
        merchant_id=transaction.merchant_id,
        merchant_name=transaction.merchant_name,
        tender=transaction.tender,
        item=transaction.item,
        submitted_at=transaction.recorded_at if is_by_hand else None,
        entered_by_id=transaction.entered_by_id,
    )
