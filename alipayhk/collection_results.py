"""Writes down what calls about stores came to: the store's place in the queue, the call itself, the mall's patience.

A result counts only while its lease holds; the call is kept in any case. Never calls AlipayHK.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from django.db import connection
from django.db.transaction import atomic

from alipayhk import collection_queue, outage_alarm, schedule
from alipayhk.answers import Outcome
from alipayhk.collection_calls import QUERY, SAVE, Called, is_refused
from alipayhk.collection_queue import Claimed
from alipayhk.models import CollectionCall

KEPT = {Outcome.DONE: CollectionCall.Outcome.DONE, Outcome.UNKNOWN: CollectionCall.Outcome.UNKNOWN}

HELD = "SELECT id, lease FROM alipayhk_storecollection WHERE id = ANY(%s::bigint[]) ORDER BY id FOR UPDATE"

_RESULTS = "unnest(%(ids)s::bigint[], %(marks)s::text[], %(codes)s::text[]) AS r (id, mark, code)"

# What changed while the call was under way is due again at once.
ACKNOWLEDGE = f"""
UPDATE alipayhk_storecollection u SET
    acknowledged_mark = r.mark, acknowledged_at = statement_timestamp(), last_code = r.code,
    state = CASE WHEN u.wanted_mark <> r.mark THEN 'NOT_SENT' WHEN u.state = 'CONFIRMED' THEN 'CONFIRMED'
                 ELSE 'SENT' END,
    differences = '[]', vanished_at = NULL,
    due_at = CASE WHEN u.wanted_mark <> r.mark THEN statement_timestamp() END,
    attempts = 0, dead_at = NULL, is_uncertain = false, lease = NULL, leased_until_at = NULL
FROM {_RESULTS} WHERE u.id = r.id
"""  # noqa: S608 - constants only

RETRY = """
UPDATE alipayhk_storecollection u SET
    attempts = r.attempts, last_code = r.code, is_uncertain = r.is_uncertain,
    due_at = greatest(statement_timestamp() + make_interval(secs => r.wait),
                      u.called_at + make_interval(secs => r.delay), statement_timestamp()),
    lease = NULL, leased_until_at = NULL
FROM unnest(%(ids)s::bigint[], %(codes)s::text[], %(attempts)s::int[], %(uncertain)s::boolean[],
            %(delays)s::float8[], %(waits)s::float8[]) AS r (id, code, attempts, is_uncertain, delay, wait)
WHERE u.id = r.id
"""

# A store that was put right meanwhile starts again at 0.
BURY = """
UPDATE alipayhk_storecollection u SET
    attempts = CASE WHEN n.is_newer THEN 0 ELSE r.attempts END, last_code = r.code, is_uncertain = r.is_uncertain,
    dead_at = CASE WHEN n.is_newer THEN NULL ELSE statement_timestamp() END,
    due_at = CASE WHEN n.is_newer THEN statement_timestamp() END,
    lease = NULL, leased_until_at = NULL
FROM unnest(%(ids)s::bigint[], %(marks)s::text[], %(codes)s::text[], %(attempts)s::int[], %(uncertain)s::boolean[])
    AS r (id, mark, code, attempts, is_uncertain)
JOIN alipayhk_storecollection o ON o.id = r.id
CROSS JOIN LATERAL (SELECT o.wanted_mark <> r.mark AS is_newer) n
WHERE u.id = r.id
"""

# AlipayHK has not got it: the next attempt may go out, at once, if there is one left.
SEND_ANEW = """
UPDATE alipayhk_storecollection u SET is_uncertain = false, last_code = 'NOT_LISTED',
    due_at = CASE WHEN r.is_last THEN NULL ELSE statement_timestamp() END,
    dead_at = CASE WHEN r.is_last THEN statement_timestamp() END,
    lease = NULL, leased_until_at = NULL
FROM unnest(%(ids)s::bigint[], %(last)s::boolean[]) AS r (id, is_last) WHERE u.id = r.id
"""


@atomic
def record(results: Sequence[Called]) -> None:
    """Write down a batch of calls, in the order in which they came."""
    holding = _holding([result.claimed for result in results])
    held = [result for result in results if result.claimed.collection_id in holding]
    _acknowledge([result for result in held if result.verdict.outcome is Outcome.DONE])
    missed = [result for result in held if result.verdict.outcome is Outcome.UNKNOWN]
    exhausted = [result for result in missed if schedule.is_last(result.claimed.attempts)]
    _retry([result for result in missed if not schedule.is_last(result.claimed.attempts)])
    _bury(exhausted + [result for result in held if is_refused(result)])
    CollectionCall.objects.bulk_create(_kept(result) for result in results)
    _learn(results)


@atomic
def looked(*, found: Sequence[Claimed], missing: Sequence[Claimed], fault: str, duration_ms: int) -> None:
    """Write down a look into AlipayHK's list: stores found as sent, stores not found, or why nobody knows (`fault`)."""
    holding = _holding([*found, *missing])
    listed = [one for one in found if one.collection_id in holding]
    rest = [one for one in missing if one.collection_id in holding]
    _run(ACKNOWLEDGE, listed, codes=["LISTED" for _ in listed], marks=[one.mark for one in listed])
    if fault:
        _wait_for_another_look(rest, fault)
    else:
        _run(SEND_ANEW, rest, last=[schedule.is_last(one.attempts - 1) for one in rest])
    outcomes = CollectionCall.Outcome
    unlisted = outcomes.UNKNOWN if fault else outcomes.UNLISTED
    CollectionCall.objects.bulk_create(
        CollectionCall(
            collection_id=one.collection_id, api=QUERY, attempt=max(one.attempts, 1), mark=one.mark,
            called_at=one.called_at, duration_ms=duration_ms, outcome=outcome, code=code,
        )
        for ones, outcome, code in ((found, outcomes.LISTED, "LISTED"), (missing, unlisted, fault or "NOT_LISTED"))
        for one in ones
    )  # fmt: skip
    # A list that can be read says nothing of whether stores are taken.
    for credential_id in sorted({one.credential_id for one in missing if fault}):
        collection_queue.learn(credential_id=credential_id, outcomes=[False])


def _wait_for_another_look(rest: list[Claimed], fault: str) -> None:
    last = [one for one in rest if schedule.is_last(one.attempts)]
    again = [one for one in rest if not schedule.is_last(one.attempts)]
    _run(
        RETRY,
        again,
        codes=[fault for _ in again],
        attempts=[one.attempts + 1 for one in again],
        uncertain=[True for _ in again],
        delays=[schedule.delay_after(one.attempts) for one in again],
        waits=[0.0 for _ in again],
    )
    _run(
        BURY,
        last,
        marks=[one.mark for one in last],
        codes=[fault for _ in last],
        attempts=[one.attempts + 1 for one in last],
        uncertain=[True for _ in last],
    )


def _holding(claimed: Iterable[Claimed]) -> set[int]:
    """Rows whose lease still is the one the call was made under; all rows stay locked, in one order for everybody."""
    leases = {one.collection_id: one.lease for one in claimed}
    with connection.cursor() as cursor:
        cursor.execute(HELD, [list(leases)])
        return {row[0] for row in cursor.fetchall() if row[1] == leases[row[0]]}


def _acknowledge(done: list[Called]) -> None:
    _run(
        ACKNOWLEDGE,
        [result.claimed for result in done],
        marks=[result.claimed.mark for result in done],
        codes=[result.verdict.code for result in done],
    )


def _retry(missed: list[Called]) -> None:
    _run(
        RETRY,
        [result.claimed for result in missed],
        codes=[result.verdict.code for result in missed],
        attempts=[result.claimed.attempts + 1 for result in missed],
        uncertain=[not result.is_certain_failure for result in missed],
        delays=[schedule.delay_after(result.claimed.attempts) for result in missed],
        waits=[result.heard.wait_seconds for result in missed],
    )


def _bury(dead: list[Called]) -> None:
    _run(
        BURY,
        [result.claimed for result in dead],
        marks=[result.claimed.mark for result in dead],
        codes=[result.verdict.code for result in dead],
        attempts=[result.claimed.attempts + 1 for result in dead],
        uncertain=[not is_refused(result) and not result.is_certain_failure for result in dead],
    )


def _run(statement: str, claimed: list[Claimed], **parameters: Any) -> None:
    if claimed:
        with connection.cursor() as cursor:
            cursor.execute(statement, {"ids": [one.collection_id for one in claimed], **parameters})


def _kept(result: Called) -> CollectionCall:
    claimed, heard = result.claimed, result.heard
    return CollectionCall(
        collection_id=claimed.collection_id,
        api=SAVE,
        attempt=claimed.attempts + 1,
        mark=claimed.mark,
        called_at=claimed.called_at,
        duration_ms=result.duration_ms,
        outcome=KEPT.get(result.verdict.outcome, CollectionCall.Outcome.PERMANENT),
        http_status=heard.http_status,
        code=result.verdict.code,
        detail=heard.detail,
        tracer_id=heard.tracer_id,
        request_body=result.request_body,
        answer_body=heard.answer_body,
    )


def _learn(results: Sequence[Called]) -> None:
    heard: dict[int, list[bool]] = defaultdict(list)
    for result in results:
        verdict, credential_id = result.verdict, result.claimed.credential_id
        heard[credential_id].append(verdict.outcome is not Outcome.UNKNOWN)
        if verdict.is_alarming:
            outage_alarm.tell(
                (SAVE, credential_id, verdict.code),
                "%s by credential %d: %s (%s), collected store %d",
                *(SAVE, credential_id, verdict.code, verdict.outcome, result.claimed.collection_id),
            )
    for credential_id, outcomes in sorted(heard.items()):
        collection_queue.learn(credential_id=credential_id, outcomes=outcomes)
