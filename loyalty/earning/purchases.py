"""The facts a purchase is judged on, read in one statement: who, where, which tier, which consent.

A wallet names the member by its own user and needs the member's consent to share payments. The other doors name
the member: who hands in a receipt shares nothing behind anybody's back, so there membership takes consent's place.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from django.db import connection

from loyalty.earning.models import Transaction
from loyalty.earning.rule_terms import Facts
from pms.models import Store


@dataclass(frozen=True, kw_only=True, slots=True)
class Purchase:
    """One purchase as a door reports it. `numbers` are as sent, by `NumberClaim.Kind`.

    The payer is a wallet's user, or the `member_id` that the door has found. `submitted_at` is for doors that people
    use: they have a window, a wallet's notice has none. `entered_by_id` is the login that typed it.
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
    """One row of `FACTS`, in its order."""

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
    posting_id: int
    store_merchant_id: str | None
    flag_score: int
    hold_score: int
    block_score: int | None
    is_locked: bool | None


# Doors at which a person or a till speaks take a store and a member for themselves until they have committed, so that
# of two records of one purchase the second sees the first. Payments with a wallet's number share both, and so never
# wait for each other: two different ones are never the same purchase. The order is store, member, then the account.
STORE_LOCK, MEMBER_LOCK = 4101, 4102
LOCKS = f"""
CASE WHEN NOT %(is_new)s THEN false
     WHEN %(is_numbered)s THEN coalesce(
        pg_advisory_xact_lock_shared({STORE_LOCK}, (store.id %% 2147483647)::int)::text, '')
        || coalesce(pg_advisory_xact_lock_shared({MEMBER_LOCK}, (member.id %% 2147483647)::int)::text, '') = ''
     ELSE coalesce(pg_advisory_xact_lock({STORE_LOCK}, (store.id %% 2147483647)::int)::text, '')
        || coalesce(pg_advisory_xact_lock({MEMBER_LOCK}, (member.id %% 2147483647)::int)::text, '') = ''
END
"""

# A store is named by its PMS label; only without one does a merchant ID name it, and then only its single store.
FACTS = f"""
SELECT program.id, program.joining_grace_days, program.manual_window_days, program.expiry, program.expiry_count,
       tier.id IS NOT NULL,
       (SELECT max(v.id) FROM earning_ruleversion v JOIN earning_rule r ON r.id = v.rule_id
        WHERE r.program_id = program.id),
       called_mall.state = 'ACTIVE',
       wallet_pass.id, wallet_pass.state, member.id, member.state, member.birth_month,
       account.id, pending.id, issued.id,
       array(SELECT key FROM earning_capuse
             WHERE account_id = account.id AND key LIKE '%%/ever%%' AND used > 0),
       store.id, coalesce(nullif(store.code, ''), store.pms_label), store.category, store.mall_id, store_mall.tag,
       store.is_excluded, store.state = 'ACTIVE' AND store_mall.state = 'ACTIVE',
       tier.code, tier.name_en, tier.name_zh, tier.factor_numerator, tier.factor_denominator,
       CASE WHEN %(member_id)s::bigint IS NULL THEN consent.is_in_force ELSE member.joined_at <= %(paid_at)s END,
       CASE WHEN %(member_id)s::bigint IS NULL THEN consent.first_at ELSE member.joined_at END,
       CASE WHEN %(is_trial)s THEN 0 ELSE nextval(pg_get_serial_sequence('ledger_posting', 'id')) END,
       store.merchant_id, program.duplicate_flag_score, program.duplicate_hold_score, program.duplicate_block_score,
       {LOCKS}
FROM members_program program
JOIN pms_mall called_mall ON called_mall.id = %(mall_id)s
LEFT JOIN members_pass wallet_pass ON wallet_pass.program_id = program.id
    AND wallet_pass.wallet = %(wallet)s AND wallet_pass.user_id = %(user_id)s
LEFT JOIN members_member member ON member.id = coalesce(%(member_id)s::bigint, wallet_pass.member_id)
    AND member.program_id = program.id
LEFT JOIN ledger_pointaccount account ON account.member_id = member.id
LEFT JOIN ledger_pointaccount pending ON pending.spendable_id = account.id
LEFT JOIN ledger_pointaccount issued ON issued.program_id = program.id
    AND issued.kind = 'ISSUED' AND issued.member_id IS NULL
LEFT JOIN LATERAL (
    SELECT * FROM pms_store WHERE group_id = program.group_id
        AND pms_label = %(store_label)s AND %(store_label)s::text <> ''
    UNION ALL
    SELECT * FROM pms_store WHERE group_id = program.group_id
        AND merchant_id = %(merchant_id)s AND %(merchant_id)s::text <> '' AND %(store_label)s::text = ''
) store ON true
LEFT JOIN pms_mall store_mall ON store_mall.id = store.mall_id
LEFT JOIN LATERAL (
    SELECT t.* FROM members_tier t
    LEFT JOIN members_membertier held ON held.tier_id = t.id AND held.member_id = member.id
        AND held.began_at <= %(paid_at)s AND (held.ended_at IS NULL OR held.ended_at > %(paid_at)s)
    WHERE t.program_id = program.id AND (held.id IS NOT NULL OR t.min_spend_cents = 0)
    ORDER BY t.min_spend_cents DESC LIMIT 1
) tier ON true
LEFT JOIN LATERAL (
    SELECT coalesce(bool_or(c.wallet_pass_id = wallet_pass.id AND c.began_at <= %(paid_at)s
                            AND (c.ended_at IS NULL OR c.ended_at > %(paid_at)s)), false) AS is_in_force,
           min(c.began_at) AS first_at
    FROM members_consent c WHERE c.member_id = member.id
) consent ON true
WHERE program.group_id = %(group_id)s
"""  # noqa: S608  (put together from constants alone)


def find(purchase: Purchase, *, is_trial: bool = False, is_new: bool = True) -> Found:
    """A trial takes no number for a posting, so it writes nothing at all; only what is new takes locks."""
    with connection.cursor() as cursor:
        cursor.execute(
            FACTS,
            {
                "mall_id": purchase.mall_id,
                "group_id": purchase.group_id,
                "wallet": purchase.wallet,
                "user_id": purchase.user_id,
                "member_id": purchase.member_id,
                "store_label": purchase.store_label,
                "merchant_id": purchase.merchant_id,
                "paid_at": purchase.paid_at,
                "is_trial": is_trial,
                "is_new": is_new and not is_trial,
                "is_numbered": bool(purchase.numbers.get("PAYMENT")),
            },
        )
        rows = cursor.fetchall()
    found = Found(*rows[0])
    return found if len(rows) == 1 else found._replace(store_id=None)


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
    stores = Store.objects.exclude(group_id=purchase.group_id)
    return bool(purchase.store_label) and stores.filter(pms_label=purchase.store_label).exists()


def of(transaction: Transaction) -> Purchase:
    """The purchase a stored transaction reported, to judge it again."""
    wallet_pass = transaction.wallet_pass
    is_by_hand = transaction.channel != Transaction.Channel.WALLET
    return Purchase(
        group_id=transaction.group_id,
        mall_id=transaction.mall_id,
        channel=transaction.channel,
        wallet=wallet_pass.wallet if wallet_pass else "",
        user_id=wallet_pass.user_id if wallet_pass else "",
        member_id=None if wallet_pass else transaction.member_id,
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
