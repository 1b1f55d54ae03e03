"""One circuit per credential: after twenty unknown outcomes in a row nothing is sent but one probe a minute.

Kept in the database, since several workers share it. Withheld calls are no attempts: their rows are left alone.
"""

import logging

from django.db import connection

from alipayhk import pass_queue
from alipayhk.pass_queue import Claimed

alarm = logging.getLogger("loyalty.alarm")

UNKNOWNS_TO_OPEN = 20
PROBE_SECONDS = 60
# What was withheld is spread so that a gateway that just came back is not run over.
LONGEST_SPREAD_SECONDS = 60
SPREAD_PER_SECOND = 10

TAKE_PROBES = f"""
UPDATE alipayhk_circuit SET probe_at = statement_timestamp() + interval '{PROBE_SECONDS} seconds'
WHERE opened_at IS NOT NULL AND probe_at <= statement_timestamp() RETURNING credential_id
"""  # noqa: S608 - constants only

GIVE_BACK = """
UPDATE alipayhk_circuit SET probe_at = statement_timestamp() WHERE credential_id = %s AND opened_at IS NOT NULL
"""

ENSURE = """
INSERT INTO alipayhk_circuit (credential_id, unknowns_in_row) VALUES (%s, 0) ON CONFLICT (credential_id) DO NOTHING
"""

MISSED = f"""
UPDATE alipayhk_circuit k SET unknowns_in_row = k.unknowns_in_row + %(count)s,
    opened_at = CASE WHEN n.opens THEN statement_timestamp() ELSE k.opened_at END,
    probe_at = CASE WHEN n.opens THEN statement_timestamp() + interval '{PROBE_SECONDS} seconds' ELSE k.probe_at END
FROM (SELECT id, opened_at IS NULL AND unknowns_in_row + %(count)s >= {UNKNOWNS_TO_OPEN} AS opens
      FROM alipayhk_circuit WHERE credential_id = %(credential_id)s FOR UPDATE) n
WHERE k.id = n.id RETURNING n.opens
"""  # noqa: S608

HEARD = """
UPDATE alipayhk_circuit k SET unknowns_in_row = 0, opened_at = NULL, probe_at = NULL
FROM (SELECT id, opened_at IS NOT NULL AS was_open FROM alipayhk_circuit
      WHERE credential_id = %(credential_id)s AND (unknowns_in_row > 0 OR opened_at IS NOT NULL) FOR UPDATE) n
WHERE k.id = n.id RETURNING n.was_open
"""

SPREAD = f"""
WITH withheld AS (
    SELECT id FROM alipayhk_passupdate
    WHERE credential_id = %(credential_id)s AND due_at <= statement_timestamp() AND lease IS NULL
    FOR UPDATE SKIP LOCKED)
UPDATE alipayhk_passupdate u SET due_at = statement_timestamp() + random() * make_interval(secs =>
    least({LONGEST_SPREAD_SECONDS}, (SELECT count(*) FROM withheld)::float8 / {SPREAD_PER_SECOND}))
FROM withheld WHERE u.id = withheld.id
"""  # noqa: S608


def claim_probes() -> list[Claimed]:
    """One due card of each credential whose circuit is open and may be tried again now."""
    with connection.cursor() as cursor:
        cursor.execute(TAKE_PROBES)
        taken = [row[0] for row in cursor.fetchall()]
        claimed: list[Claimed] = []
        for credential_id in taken:
            found = pass_queue.claim_probe(credential_id=credential_id)
            claimed += found
            if not found:
                cursor.execute(GIVE_BACK, [credential_id])
    return claimed


def learn(*, credential_id: int, outcomes: list[bool]) -> None:
    """Take in what calls came to, in their order: true when AlipayHK was heard, false when nobody knows."""
    unknowns = outcomes[::-1].index(True) if True in outcomes else len(outcomes)
    if unknowns < len(outcomes):
        _close(credential_id)
    if unknowns:
        _count(credential_id, unknowns)


def _close(credential_id: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(HEARD, {"credential_id": credential_id})
        row = cursor.fetchone()
        if row and row[0]:
            cursor.execute(SPREAD, {"credential_id": credential_id})
            alarm.warning("gateway of credential %d answers again", credential_id)


def _count(credential_id: int, unknowns: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(ENSURE, [credential_id])
        cursor.execute(MISSED, {"credential_id": credential_id, "count": unknowns})
        if cursor.fetchone()[0]:
            alarm.error("gateway of credential %d gives no usable answer; only probes go out", credential_id)
