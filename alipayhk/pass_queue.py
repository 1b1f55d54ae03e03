"""The table of cards to be brought up to date, as SQL: what is wanted, what is due, who holds which row.

Every time here is the database's. Statements that touch many rows skip those that somebody else holds: whoever
holds a row leaves it right, and the next turn looks again. Never calls AlipayHK.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.db.backends.utils import CursorWrapper

from pms import clock

NO_CARD_TEMPLATE = "NO_CARD_TEMPLATE"
LEASE_SECONDS = 15
# A newer balance goes at once, but not more often than this, and not once the long waits have begun.
NEWER_EVERY_SECONDS = 2.0
QUICK_ATTEMPTS = 4
RECENT = timedelta(minutes=15)
# New passes are looked for among this many newest ids, as ids are not committed in their order.
NEWEST_PASSES = 5000

_LIVE = "p.state IN ('WAITING', 'ACTIVE') AND m.state <> 'CLOSED'"

# A card stays with the client that made it; a new one is made by the newest of its mall that has a template.
_NEWEST = """
(SELECT c.id FROM alipayhk_credential c JOIN alipayhk_cardtemplate t ON t.credential_id = c.id
 WHERE c.mall_id = p.mall_id ORDER BY c.id DESC LIMIT 1)
"""

_RAISE = f"""
    wanted_version = v.version,
    attempts = CASE WHEN u.dead_at IS NULL THEN u.attempts ELSE 0 END,
    dead_at = NULL,
    due_at = CASE
        WHEN u.credential_id IS NULL THEN NULL
        WHEN u.dead_at IS NOT NULL THEN greatest(statement_timestamp(), u.not_before_at)
        WHEN u.attempts < {QUICK_ATTEMPTS} THEN least(u.due_at, greatest(statement_timestamp(), u.not_before_at,
            u.called_at + make_interval(secs => %(gap)s)))
        ELSE coalesce(u.due_at, statement_timestamp())
    END
"""

WANT = f"""
UPDATE alipayhk_passupdate u SET {_RAISE}
FROM (SELECT %(version)s::bigint AS version) v, members_pass p
WHERE p.member_id = %(member_id)s AND p.state IN ('WAITING', 'ACTIVE')
  AND u.wallet_pass_id = p.id AND u.wanted_version < v.version
"""  # noqa: S608 - constants only

WANT_CHANGED = f"""
WITH v AS (
    SELECT u.id, a.version FROM ledger_pointaccount a
    JOIN members_member m ON m.id = a.member_id
    JOIN members_pass p ON p.member_id = m.id
    JOIN alipayhk_passupdate u ON u.wallet_pass_id = p.id
    WHERE a.changed_at > %(since)s AND a.version > u.wanted_version AND {_LIVE}
    FOR UPDATE OF u SKIP LOCKED)
UPDATE alipayhk_passupdate u SET {_RAISE} FROM v WHERE u.id = v.id AND u.wanted_version < v.version
"""  # noqa: S608

INSERT_MISSING = f"""
INSERT INTO alipayhk_passupdate
    (wallet_pass_id, credential_id, wanted_version, due_at, attempts, confirmations_due, last_code)
SELECT p.id, c.id, coalesce(a.version, 0), CASE WHEN c.id IS NOT NULL THEN statement_timestamp() END, 0, 0,
    CASE WHEN c.id IS NOT NULL THEN '' ELSE '{NO_CARD_TEMPLATE}' END
FROM members_pass p
JOIN members_member m ON m.id = p.member_id
LEFT JOIN ledger_pointaccount a ON a.member_id = m.id
CROSS JOIN LATERAL (SELECT {_NEWEST} AS id) c
WHERE {_LIVE} AND NOT EXISTS (SELECT FROM alipayhk_passupdate u WHERE u.wallet_pass_id = p.id)
  AND p.id > CASE WHEN %(everything)s THEN 0
             ELSE (SELECT coalesce(max(wallet_pass_id), 0) FROM alipayhk_passupdate) - {NEWEST_PASSES} END
ON CONFLICT (wallet_pass_id) DO NOTHING
"""  # noqa: S608

RELEASE_WAITING = f"""
UPDATE alipayhk_passupdate u SET credential_id = c.id, due_at = statement_timestamp(), last_code = ''
FROM members_pass p CROSS JOIN LATERAL (SELECT {_NEWEST} AS id) c
WHERE u.credential_id IS NULL AND u.dead_at IS NULL AND p.id = u.wallet_pass_id AND c.id IS NOT NULL
"""  # noqa: S608

# Cards not made yet go to the newest client, in case the first one was a mistake.
REASSIGN = f"""
UPDATE alipayhk_passupdate u SET credential_id = c.id
FROM members_pass p CROSS JOIN LATERAL (SELECT {_NEWEST} AS id) c
WHERE p.state = 'WAITING' AND u.lease IS NULL AND p.id = u.wallet_pass_id AND u.credential_id <> c.id
"""  # noqa: S608

# A pass that was closed keeps no place in the queue.
DROP_CLOSED = f"""
UPDATE alipayhk_passupdate u SET due_at = NULL
FROM members_pass p JOIN members_member m ON m.id = p.member_id
WHERE u.due_at IS NOT NULL AND u.lease IS NULL AND p.id = u.wallet_pass_id AND NOT ({_LIVE})
"""  # noqa: S608

RESTART = f"""
UPDATE alipayhk_passupdate u SET
    credential_id = c.id, attempts = 0, dead_at = NULL, not_before_at = NULL,
    due_at = CASE WHEN c.id IS NOT NULL THEN statement_timestamp() END,
    last_code = CASE WHEN c.id IS NULL THEN '{NO_CARD_TEMPLATE}' ELSE u.last_code END
FROM alipayhk_passupdate o JOIN members_pass p ON p.id = o.wallet_pass_id
CROSS JOIN LATERAL (SELECT CASE WHEN p.external_id <> '' AND o.credential_id IS NOT NULL
                                THEN o.credential_id ELSE {_NEWEST} END AS id) c
WHERE u.id = o.id AND o.id = ANY(%(ids)s::bigint[])
"""  # noqa: S608

# Which rows is settled on this table alone: any join would be made for every due row before the first is taken.
# A lease that ran out is a call whose outcome nobody wrote down: it counts as an uncertain attempt.
_CLAIM = f"""
WITH due AS (
    SELECT u.id FROM alipayhk_passupdate u
    WHERE u.due_at <= statement_timestamp() AND (u.lease IS NULL OR u.leased_until_at <= statement_timestamp())
      AND {{which}}
    ORDER BY u.due_at
    LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED)
UPDATE alipayhk_passupdate u SET
    lease = gen_random_uuid(),
    leased_until_at = statement_timestamp() + interval '{LEASE_SECONDS} seconds',
    called_at = statement_timestamp(),
    attempts = u.attempts + CASE WHEN u.lease IS NULL THEN 0 ELSE 1 END,
    confirmations_due = CASE WHEN u.lease IS NULL THEN u.confirmations_due ELSE 2 END,
    confirm_at = CASE WHEN u.lease IS NULL THEN u.confirm_at END,
    wanted_version = greatest(u.wanted_version, a.version)
FROM due, members_pass p
JOIN members_member m ON m.id = p.member_id
JOIN members_program g ON g.id = p.program_id
LEFT JOIN ledger_pointaccount a ON a.member_id = p.member_id
WHERE u.id = due.id AND p.id = u.wallet_pass_id
RETURNING u.id, u.lease, {_LIVE}, u.attempts, coalesce(a.version, 0), coalesce(a.balance, 0), u.credential_id,
    u.called_at, p.id, p.external_id, p.serial, p.user_id, p.joined_at, m.name, m.card_number, g.name_en, g.name_zh
"""  # noqa: S608
CLAIM_DUE = _CLAIM.format(
    which="""u.credential_id <> ALL(%(busy)s::bigint[]) AND u.credential_id NOT IN (
        SELECT credential_id FROM alipayhk_cardtemplate WHERE paused_at IS NOT NULL
        UNION ALL SELECT credential_id FROM alipayhk_circuit WHERE opened_at IS NOT NULL)"""
)
CLAIM_PROBE = _CLAIM.format(
    which="""u.credential_id = %(credential_id)s AND u.credential_id NOT IN (
        SELECT credential_id FROM alipayhk_cardtemplate WHERE paused_at IS NOT NULL)"""
)

LET_GO = """
UPDATE alipayhk_passupdate SET due_at = NULL, lease = NULL, leased_until_at = NULL WHERE id = ANY(%s::bigint[])
"""

NEXT_DUE = """
SELECT extract(epoch FROM min(due_at) - statement_timestamp())::float8 FROM alipayhk_passupdate
WHERE due_at > statement_timestamp() AND lease IS NULL
"""


@dataclass(frozen=True, slots=True)
class Claimed:
    """A card that is ours to call about until its lease runs out, with everything that is to be shown."""

    update_id: int
    lease: UUID
    is_live: bool
    attempts: int
    version: int
    points: int
    credential_id: int
    called_at: datetime
    pass_id: int
    external_id: str
    serial: str
    user_id: str
    joined_at: datetime
    member_name: str
    card_number: str
    program_en: str
    program_zh: str


def newer_gap() -> float:
    """Seconds between a call and the next one that a newer balance may cause; trials shorten it."""
    return min(NEWER_EVERY_SECONDS, *settings.ALIPAYHK_RETRY_DELAYS[1:2])


def wish(*, member_id: int | None, version: int) -> dict[str, Any]:
    """The values of `WANT`."""
    return {"member_id": member_id, "version": version, "gap": newer_gap()}


def want(*, cursor: CursorWrapper, member_id: int, version: int) -> None:
    """Say that the member's cards should show this version of the account; part of the caller's own block."""
    cursor.execute(WANT, wish(member_id=member_id, version=version))


def notice_new(*, everything: bool = False) -> int:
    """Give new passes their place in the queue, and cards whose template came at last; returns how many."""
    with connection.cursor() as cursor:
        cursor.execute(INSERT_MISSING, {"everything": everything})
        found: int = cursor.rowcount
        cursor.execute(RELEASE_WAITING)
        released: int = cursor.rowcount
    return found + released


def notice_changed(*, everything: bool, within: timedelta) -> int:
    """Compare cards with their accounts: those changed lately, or all; returns how many were behind."""
    # Accounts are stamped by the application's clock, not the database's.
    since = datetime(1970, 1, 1, tzinfo=UTC) if everything else clock.now() - within
    with connection.cursor() as cursor:
        if everything:
            cursor.execute(DROP_CLOSED)
            cursor.execute(REASSIGN)
        cursor.execute(WANT_CHANGED, {"since": since, "gap": newer_gap()})
        behind: int = cursor.rowcount
    return behind


def claim(*, limit: int, busy: list[int]) -> list[Claimed]:
    """Lease up to `limit` due cards, the longest due first, none of a credential in `busy` or cut off."""
    return _claim(CLAIM_DUE, {"limit": limit, "busy": busy})


def claim_probe(*, credential_id: int) -> list[Claimed]:
    """Lease one due card of a credential whose circuit is open."""
    return _claim(CLAIM_PROBE, {"limit": 1, "credential_id": credential_id})


def seconds_to_next() -> float | None:
    """How long until the next card is due; None when none is waiting for its time."""
    with connection.cursor() as cursor:
        cursor.execute(NEXT_DUE)
        row = cursor.fetchone()
    seconds: float | None = row[0] if row else None
    return seconds


def _claim(statement: str, parameters: dict[str, Any]) -> list[Claimed]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        claimed = [Claimed(*row) for row in cursor.fetchall()]
        if closed := [one.update_id for one in claimed if not one.is_live]:
            cursor.execute(LET_GO, [closed])
    return [one for one in claimed if one.is_live]


def restart(update_ids: list[int]) -> int:
    """Make these cards due now, from the first attempt; returns how many there were."""
    with connection.cursor() as cursor:
        cursor.execute(RESTART, {"ids": update_ids})
        restarted: int = cursor.rowcount
    return restarted
