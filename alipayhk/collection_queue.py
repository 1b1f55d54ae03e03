"""The table of stores to be collected, as SQL: what is wanted, what is due, who holds which row.

Every time here is the database's. Statements that touch many rows skip those that somebody else holds. A row whose
outcome is uncertain, or whose holder vanished, is claimed for a look into AlipayHK's list and never for a call.
"""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from django.db import connection

from alipayhk.store_days import LIVE, MALL
from alipayhk.store_payloads import Triple

LEASE_SECONDS = 15
# A look reads many pages; its lease is renewed with each.
LOOK_LEASE_SECONDS = 30
UNKNOWNS_TO_HOLD = 20
HOLD_SECONDS = 60
LOOKED_FOR_AT_ONCE = 500

# What would be sent of a store now, as a store of the mall where it is today: `mark` stands for all of it.
_CONTENT = f"""
    pms_store s CROSS JOIN LATERAL (SELECT {MALL} AS mall_id) d
    JOIN pms_mall m ON m.id = d.mall_id JOIN pms_mallgroup g ON g.id = m.group_id
    LEFT JOIN LATERAL (
        SELECT c.id, k.names FROM alipayhk_credential c JOIN alipayhk_collectionsetup k ON k.credential_id = c.id
        WHERE c.mall_id = m.id AND k.is_on ORDER BY c.id DESC LIMIT 1) k ON true
    CROSS JOIN LATERAL (SELECT CASE WHEN k.names = 'CHINESE' THEN s.name_zh ELSE s.name_en END AS shown) l
    CROSS JOIN LATERAL (SELECT l.shown, coalesce(nullif(s.merchant_name, ''), l.shown) AS merchant) n
"""  # noqa: S608 - constants only
_MARK = """encode(sha256(convert_to(CASE WHEN {number} <> ''
    THEN concat_ws(chr(31), 'NUMBER', g.label, m.label, {number})
    ELSE concat_ws(chr(31), 'PMS', g.label, m.label, s.partner_id, s.merchant_id, s.store_id, n.shown,
        nullif(n.merchant, n.shown))
    END, 'UTF8')), 'hex')"""

INSERT_MISSING = f"""
INSERT INTO alipayhk_storecollection (store_id, credential_id, state, trade_number, wanted_mark, acknowledged_mark,
    attempts, is_uncertain, last_code, differences)
SELECT s.id, k.id, 'NOT_SENT', '', {_MARK.format(number="''")}, '', 0, false, '', '[]'
FROM {_CONTENT}
WHERE NOT EXISTS (SELECT FROM alipayhk_storecollection u WHERE u.store_id = s.id) AND {LIVE}
  AND EXISTS (SELECT FROM alipayhk_credential c JOIN alipayhk_collectionsetup k ON k.credential_id = c.id
              WHERE c.mall_id = m.id)
ON CONFLICT (store_id) DO NOTHING
"""  # noqa: S608 - constants only

# What was asked for once is sent again when it changed; a store that is sent by number changes with its mall alone.
# One that came to a mall which collects nothing waits for nobody: the old mall's client would speak for the new one.
# A row that has no mark yet, such as one the list confirmed, is marked and left as it is.
NOTICE_CHANGED = f"""
WITH v AS (
    SELECT u.id, {_MARK.format(number="u.trade_number")} AS mark, k.id AS credential_id,
        k.id IS NULL AND coalesce(o.mall_id <> m.id, false) AS is_stranded
    FROM alipayhk_storecollection u JOIN ({_CONTENT}) ON s.id = u.store_id
    LEFT JOIN alipayhk_credential o ON o.id = u.credential_id
    WHERE {LIVE} AND (u.wanted_mark <> {_MARK.format(number="u.trade_number")}
        OR k.id IS NOT NULL AND k.id IS DISTINCT FROM u.credential_id
        OR k.id IS NULL AND o.mall_id <> m.id AND u.due_at IS NOT NULL)
    FOR UPDATE OF u SKIP LOCKED)
UPDATE alipayhk_storecollection u SET
    wanted_mark = v.mark, credential_id = coalesce(v.credential_id, u.credential_id),
    state = CASE WHEN u.wanted_mark IN ('', v.mark) THEN u.state WHEN u.acknowledged_mark = v.mark THEN 'SENT'
                 ELSE 'NOT_SENT' END,
    differences = CASE WHEN u.wanted_mark IN ('', v.mark) THEN u.differences ELSE '[]' END,
    attempts = CASE WHEN u.wanted_mark IN ('', v.mark) THEN u.attempts ELSE 0 END,
    dead_at = CASE WHEN u.wanted_mark IN ('', v.mark) THEN u.dead_at END,
    due_at = CASE WHEN v.is_stranded THEN NULL
                  WHEN u.wanted_mark IN ('', v.mark) OR u.asked_at IS NULL OR u.acknowledged_mark = v.mark
                       OR coalesce(v.credential_id, u.credential_id) IS NULL THEN u.due_at
                  ELSE statement_timestamp() END
FROM v WHERE u.id = v.id
"""  # noqa: S608

# Stores that closed or were merged away keep no place in the queue.
DROP_GONE = f"""
UPDATE alipayhk_storecollection u SET due_at = NULL FROM pms_store s
WHERE u.due_at IS NOT NULL AND u.lease IS NULL AND s.id = u.store_id AND NOT ({LIVE})
"""  # noqa: S608

ASK = f"""
WITH v AS (
    SELECT u.id, {_MARK.format(number="%(number)s")} AS mark, k.id AS credential_id
    FROM alipayhk_storecollection u JOIN ({_CONTENT}) ON s.id = u.store_id
    WHERE u.store_id = ANY(%(stores)s::bigint[]) AND k.id IS NOT NULL ORDER BY u.id FOR UPDATE OF u)
UPDATE alipayhk_storecollection u SET
    trade_number = %(number)s, wanted_mark = v.mark, credential_id = v.credential_id,
    asked_at = statement_timestamp(), asked_by_id = %(by)s, due_at = statement_timestamp(),
    attempts = 0, dead_at = NULL
FROM v WHERE u.id = v.id
"""  # noqa: S608

# Until it is noticed that a store has moved, the old mall's client does not speak of it.
_OF_ITS_MALL = "EXISTS (SELECT FROM alipayhk_credential c WHERE c.id = u.credential_id AND c.mall_id = m.id)"

CLAIM_DUE = f"""
WITH due AS (
    SELECT u.id FROM alipayhk_storecollection u
    WHERE u.due_at <= statement_timestamp() AND u.lease IS NULL AND NOT u.is_uncertain
      AND (u.trade_number = '' AND u.credential_id = ANY(%(by_pms)s::bigint[])
           OR u.trade_number <> '' AND u.credential_id = ANY(%(by_number)s::bigint[]))
    ORDER BY u.due_at, u.id
    LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED)
UPDATE alipayhk_storecollection u SET
    lease = gen_random_uuid(), leased_until_at = statement_timestamp() + interval '{LEASE_SECONDS} seconds',
    called_at = statement_timestamp(), wanted_mark = {_MARK.format(number="u.trade_number")}
FROM due, ({_CONTENT}) WHERE u.id = due.id AND s.id = u.store_id AND {_OF_ITS_MALL}
RETURNING u.id, u.lease, u.attempts, u.wanted_mark, u.credential_id, u.called_at, u.trade_number,
    s.partner_id, s.merchant_id, s.store_id, n.shown, n.merchant, g.label, m.label
"""  # noqa: S608

CLAIM_UNCERTAIN = f"""
WITH due AS (
    SELECT u.id, u.lease IS NOT NULL AS was_lost FROM alipayhk_storecollection u
    WHERE u.due_at <= statement_timestamp() AND u.credential_id = %(credential_id)s
      AND (u.is_uncertain AND u.lease IS NULL OR u.leased_until_at <= statement_timestamp())
    ORDER BY u.due_at, u.id
    LIMIT {LOOKED_FOR_AT_ONCE}
    FOR UPDATE SKIP LOCKED)
UPDATE alipayhk_storecollection u SET
    lease = gen_random_uuid(), leased_until_at = statement_timestamp() + interval '{LOOK_LEASE_SECONDS} seconds',
    called_at = statement_timestamp(), is_uncertain = true,
    attempts = u.attempts + CASE WHEN due.was_lost THEN 1 ELSE 0 END,
    wanted_mark = {_MARK.format(number="u.trade_number")}
FROM due, ({_CONTENT}) WHERE u.id = due.id AND s.id = u.store_id AND {_OF_ITS_MALL}
RETURNING u.id, u.lease, u.attempts, u.wanted_mark, u.credential_id, u.called_at, u.trade_number,
    s.partner_id, s.merchant_id, s.store_id, n.shown, n.merchant, g.label, m.label
"""  # noqa: S608

RENEW = f"""
UPDATE alipayhk_storecollection
SET leased_until_at = statement_timestamp() + interval '{LOOK_LEASE_SECONDS} seconds'
WHERE lease = ANY(%s::uuid[])
"""  # noqa: S608

# The registry now says what AlipayHK lists; what was asked for and is on its way says the same.
SETTLE = f"""
UPDATE alipayhk_storecollection u SET
    wanted_mark = {_MARK.format(number="u.trade_number")}, acknowledged_mark = {_MARK.format(number="u.trade_number")},
    acknowledged_at = coalesce(u.acknowledged_at, statement_timestamp()),
    state = 'CONFIRMED', differences = '[]', due_at = NULL, dead_at = NULL, attempts = 0, is_uncertain = false
FROM ({_CONTENT}) WHERE u.id = %(id)s AND s.id = u.store_id
"""  # noqa: S608

# A mall whose gateway gave no usable answer many times in a row is tried with one call a minute.
READY = """
SELECT k.credential_id, k.way_by_pms <> '', k.way_by_number <> '', k.unknowns_in_row >= %(most)s
FROM alipayhk_collectionsetup k
WHERE k.is_on AND (k.held_until_at IS NULL OR k.held_until_at <= statement_timestamp())
  AND NOT EXISTS (SELECT FROM alipayhk_circuit c WHERE c.credential_id = k.credential_id AND c.opened_at IS NOT NULL)
"""

TAKE_PROBE = f"""
UPDATE alipayhk_collectionsetup SET held_until_at = statement_timestamp() + interval '{HOLD_SECONDS} seconds'
WHERE credential_id = %s AND unknowns_in_row >= {UNKNOWNS_TO_HOLD}
  AND (held_until_at IS NULL OR held_until_at <= statement_timestamp())
"""  # noqa: S608

LEARN = f"""
UPDATE alipayhk_collectionsetup k SET
    unknowns_in_row = n.unknowns,
    held_until_at = CASE WHEN n.unknowns >= {UNKNOWNS_TO_HOLD}
                         THEN statement_timestamp() + interval '{HOLD_SECONDS} seconds' END
FROM (SELECT id, CASE WHEN %(heard)s THEN %(unknowns)s ELSE unknowns_in_row + %(unknowns)s END AS unknowns
      FROM alipayhk_collectionsetup WHERE credential_id = %(credential_id)s FOR UPDATE) n
WHERE k.id = n.id AND (n.unknowns > 0 OR k.unknowns_in_row > 0)
"""  # noqa: S608


@dataclass(frozen=True, slots=True)
class Claimed:
    """A store that is ours to call about, or to look for, until its lease runs out; what is to be sent of it."""

    collection_id: int
    lease: UUID
    attempts: int
    mark: str
    credential_id: int
    called_at: datetime
    trade_number: str
    triple: Triple
    name: str
    merchant_name: str
    group_label: str
    mall_label: str


@dataclass(frozen=True, slots=True)
class Ready:
    """A credential that may collect now, by which ways. `is_probe`: with one call alone."""

    credential_id: int
    by_pms: bool
    by_number: bool
    is_probe: bool


def notice(*, today: date) -> int:
    """Give new stores their rows, and find those that changed since they were sent; returns how many those are."""
    with connection.cursor() as cursor:
        cursor.execute(INSERT_MISSING, {"today": today})
        cursor.execute(DROP_GONE, {"today": today})
        cursor.execute(NOTICE_CHANGED, {"today": today})
        changed: int = cursor.rowcount
    return changed


def ask(*, store_ids: list[int], trade_number: str, by_id: int | None, today: date) -> int:
    """Make these stores due now, from the first attempt; returns how many there were."""
    values = {"stores": store_ids, "number": trade_number, "by": by_id, "today": today}
    with connection.cursor() as cursor:
        cursor.execute(ASK, values)
        asked: int = cursor.rowcount
    return asked


def settle(*, collection_id: int, today: date) -> None:
    """Say that AlipayHK has the store as the registry says."""
    with connection.cursor() as cursor:
        cursor.execute(SETTLE, {"id": collection_id, "today": today})


def ready() -> list[Ready]:
    with connection.cursor() as cursor:
        cursor.execute(READY, {"most": UNKNOWNS_TO_HOLD})
        return [Ready(*row) for row in cursor.fetchall()]


def take_probe(credential_id: int) -> bool:
    """Whether this caller may make the one call of the minute."""
    with connection.cursor() as cursor:
        cursor.execute(TAKE_PROBE, [credential_id])
        return bool(cursor.rowcount)


def claim(*, limit: int, by_pms: list[int], by_number: list[int], today: date) -> list[Claimed]:
    """Lease up to `limit` due stores of these credentials, the longest due first."""
    return _claim(CLAIM_DUE, {"limit": limit, "by_pms": by_pms, "by_number": by_number, "today": today})


def claim_uncertain(*, credential_id: int, today: date) -> list[Claimed]:
    """Lease the due stores of a credential of which nobody knows whether AlipayHK has them."""
    return _claim(CLAIM_UNCERTAIN, {"credential_id": credential_id, "today": today})


def renew(claimed: list[Claimed]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(RENEW, [[one.lease for one in claimed]])


def learn(*, credential_id: int, outcomes: list[bool]) -> None:
    """Take in what calls came to, in their order: true when AlipayHK was heard, false when nobody knows."""
    unknowns = outcomes[::-1].index(True) if True in outcomes else len(outcomes)
    values = {"credential_id": credential_id, "heard": True in outcomes, "unknowns": unknowns}
    with connection.cursor() as cursor:
        cursor.execute(LEARN, values)


def _claim(statement: str, parameters: dict[str, Any]) -> list[Claimed]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return [_claimed(row) for row in cursor.fetchall()]


def _claimed(row: tuple[Any, ...]) -> Claimed:
    front, ids, rest = row[:7], row[7:10], row[10:]
    triple = Triple(partner_id=ids[0], merchant_id=ids[1], store_id=ids[2])
    return Claimed(*front, triple, *rest)  # type: ignore[call-arg]  # as many as RETURNING names
