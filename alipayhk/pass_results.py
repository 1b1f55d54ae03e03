"""Writes down what calls came to: the card's place in the queue, the pass, the call itself, the circuit.

A result counts only while its lease holds; the call is kept in any case. Never calls AlipayHK.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from django.conf import settings
from django.db import IntegrityError, connection
from django.db.transaction import atomic

from alipayhk import answers, circuit, outage_alarm, pass_queue, schedule
from alipayhk.answers import Outcome, Verdict
from alipayhk.models import CardTemplate, PassCall
from alipayhk.pass_calls import Called
from members.models import Pass

HELD = "SELECT id, lease FROM alipayhk_passupdate WHERE id = ANY(%s::bigint[]) ORDER BY id FOR UPDATE"

NAME_PASSES = """
UPDATE members_pass p SET external_id = r.external_id, state = 'ACTIVE'
FROM unnest(%(passes)s::bigint[], %(external_ids)s::text[]) AS r (id, external_id)
WHERE p.id = r.id AND p.state <> 'CLOSED'
"""

# `n` is what is still to be confirmed after this success. Uncertain outcomes leave two confirming pushes due and
# no time for them; the first success sets it, since AlipayHK may apply an uncertain call after later ones.
ACKNOWLEDGE = """
UPDATE alipayhk_passupdate u SET
    wanted_version = greatest(u.wanted_version, r.version),
    acknowledged_version = greatest(u.acknowledged_version, r.version),
    acknowledged_points = CASE WHEN u.acknowledged_version > r.version THEN u.acknowledged_points ELSE r.points END,
    acknowledged_at = statement_timestamp(),
    confirmations_due = n.still_due, confirm_at = n.confirm_at,
    due_at = CASE WHEN u.wanted_version > r.version
                  THEN greatest(statement_timestamp(), u.called_at + make_interval(secs => %(gap)s))
                  ELSE n.confirm_at END,
    attempts = 0, not_before_at = NULL, dead_at = NULL, last_code = r.code, lease = NULL, leased_until_at = NULL
FROM unnest(%(ids)s::bigint[], %(versions)s::bigint[], %(points)s::bigint[], %(codes)s::text[])
    AS r (id, version, points, code)
JOIN alipayhk_passupdate o ON o.id = r.id
CROSS JOIN LATERAL (SELECT
    CASE WHEN o.confirm_at <= o.called_at THEN o.confirmations_due - 1 ELSE o.confirmations_due END AS still_due,
    CASE WHEN o.confirmations_due = 0 THEN NULL
         WHEN o.confirm_at IS NULL THEN statement_timestamp() + make_interval(secs => %(settle)s)
         WHEN o.confirm_at > o.called_at THEN o.confirm_at
         WHEN o.confirmations_due > 1 THEN statement_timestamp() + make_interval(secs => %(settle)s * 9)
    END AS confirm_at) n
WHERE u.id = r.id
"""

# The card is known by its id now, but shows what its first, uncertain call said.
ADOPT = """
UPDATE alipayhk_passupdate SET due_at = statement_timestamp(), attempts = 0,
    dead_at = NULL, not_before_at = NULL, last_code = %(code)s, lease = NULL, leased_until_at = NULL
WHERE id = %(id)s
"""

RETRY = """
UPDATE alipayhk_passupdate u SET
    attempts = r.attempts, last_code = r.code, confirmations_due = 2, confirm_at = NULL,
    due_at = greatest(statement_timestamp() + make_interval(secs => r.wait),
                      u.called_at + make_interval(secs => r.delay), statement_timestamp()),
    not_before_at = CASE WHEN r.wait > 0 THEN statement_timestamp() + make_interval(secs => r.wait) END,
    lease = NULL, leased_until_at = NULL
FROM unnest(%(ids)s::bigint[], %(attempts)s::int[], %(codes)s::text[], %(delays)s::float8[], %(waits)s::float8[])
    AS r (id, attempts, code, delay, wait)
WHERE u.id = r.id
"""

# An outage that outlasts its attempts does not bury a balance that came meanwhile: that one starts again at 0.
BURY = """
UPDATE alipayhk_passupdate u SET
    attempts = CASE WHEN n.is_newer THEN 0 ELSE r.attempts END,
    dead_at = CASE WHEN n.is_newer THEN NULL ELSE statement_timestamp() END,
    due_at = CASE WHEN n.is_newer THEN greatest(statement_timestamp() + make_interval(secs => r.wait),
                                                u.called_at + make_interval(secs => %(gap)s)) END,
    confirmations_due = CASE WHEN r.is_unknown THEN 2 ELSE u.confirmations_due END,
    confirm_at = NULL, not_before_at = NULL, last_code = r.code, lease = NULL, leased_until_at = NULL
FROM unnest(%(ids)s::bigint[], %(attempts)s::int[], %(codes)s::text[], %(versions)s::bigint[],
            %(unknown)s::boolean[], %(waits)s::float8[]) AS r (id, attempts, code, version, is_unknown, wait)
JOIN alipayhk_passupdate o ON o.id = r.id
CROSS JOIN LATERAL (SELECT r.is_unknown AND o.wanted_version > r.version AS is_newer) n
WHERE u.id = r.id
"""


@atomic
def record(results: Sequence[Called]) -> None:
    """Write down a batch of results, in the order in which they came."""
    holding = _holding(results)
    held = _name_passes([result for result in results if result.claimed.update_id in holding])
    stale = [result for result in results if result.claimed.update_id not in holding]
    _acknowledge([result for result in held if result.verdict.outcome is Outcome.DONE])
    _adopt([result for result in held if result.verdict.outcome is Outcome.EXISTS and result.verdict.pass_id])
    missed = [result for result in held if result.verdict.outcome is Outcome.UNKNOWN]
    exhausted = [result for result in missed if schedule.is_last(result.claimed.attempts)]
    _retry([result for result in missed if not schedule.is_last(result.claimed.attempts)])
    refused = [result for result in held if _is_refused(result.verdict)]
    _bury(exhausted + refused)
    _mark(refused)
    _keep(held + stale)
    _learn(held + stale)


def _holding(results: Iterable[Called]) -> set[int]:
    """Rows whose lease still is the one the call was made under; all rows stay locked, in one order for everybody."""
    leases = {result.claimed.update_id: result.claimed.lease for result in results}
    with connection.cursor() as cursor:
        cursor.execute(HELD, [list(leases)])
        return {row[0] for row in cursor.fetchall() if row[1] == leases[row[0]]}


def _name_passes(results: list[Called]) -> list[Called]:
    """Created cards give their ids to their passes; an id that another pass has makes its answer a doubtful one."""
    created = [result for result in results if result.verdict.pass_id and not result.claimed.external_id]
    if not created or _is_named(created):
        return results
    taken = {result.claimed.update_id for result in created if not _is_named([result])}
    return [
        replace(result, verdict=answers.unknown("PASS_ID_TAKEN"))
        if result.claimed.update_id in taken
        else result
        for result in results
    ]


def _is_named(created: list[Called]) -> bool:
    try:
        with atomic():
            _run(
                NAME_PASSES,
                created,
                passes=[result.claimed.pass_id for result in created],
                external_ids=[result.verdict.pass_id for result in created],
            )
    except IntegrityError:
        return False
    return True


def _acknowledge(done: list[Called]) -> None:
    _run(
        ACKNOWLEDGE,
        done,
        versions=[result.claimed.version for result in done],
        points=[result.claimed.points for result in done],
        gap=pass_queue.newer_gap(),
        settle=settings.ALIPAYHK_SETTLE_SECONDS,
    )


def _adopt(existing: list[Called]) -> None:
    with connection.cursor() as cursor:
        for result in existing:
            claimed = result.claimed
            cursor.execute(
                ADOPT,
                {
                    "id": claimed.update_id,
                    "credential_id": claimed.credential_id,
                    "code": result.verdict.code,
                },
            )


def _retry(missed: list[Called]) -> None:
    _run(
        RETRY,
        missed,
        attempts=[result.claimed.attempts + 1 for result in missed],
        delays=[schedule.delay_after(result.claimed.attempts) for result in missed],
        waits=[result.heard.wait_seconds for result in missed],
    )


def _bury(refused: list[Called]) -> None:
    _run(
        BURY,
        refused,
        attempts=[result.claimed.attempts + 1 for result in refused],
        versions=[result.claimed.version for result in refused],
        unknown=[result.verdict.outcome is Outcome.UNKNOWN for result in refused],
        waits=[result.heard.wait_seconds for result in refused],
        gap=pass_queue.newer_gap(),
    )


def _run(statement: str, results: list[Called], **parameters: Any) -> None:
    if not results:
        return
    ids = [result.claimed.update_id for result in results]
    codes = [result.verdict.code for result in results]
    with connection.cursor() as cursor:
        cursor.execute(statement, {"ids": ids, "codes": codes, **parameters})


def _is_refused(verdict: Verdict) -> bool:
    return verdict.outcome in (Outcome.PERMANENT_CARD, Outcome.PERMANENT_TEMPLATE) or (
        verdict.outcome is Outcome.EXISTS and not verdict.pass_id
    )


def _mark(refused: list[Called]) -> None:
    """What a refusal says of the pass or of its template."""
    for result in refused:
        verdict, passes = result.verdict, Pass.objects.filter(pk=result.claimed.pass_id)
        if verdict.outcome is Outcome.EXISTS:
            passes.filter(state=Pass.State.WAITING).update(state=Pass.State.EXISTS_UNKNOWN)
        elif verdict.is_card_gone:
            passes.exclude(state=Pass.State.CLOSED).update(state=Pass.State.INVALID)
        elif verdict.outcome is Outcome.PERMANENT_TEMPLATE:
            CardTemplate.objects.filter(credential=result.claimed.credential_id, paused_at=None).update(
                paused_at=result.claimed.called_at, pause_code=verdict.code
            )


def _keep(results: Iterable[Called]) -> None:
    kept = {
        Outcome.DONE: PassCall.Outcome.DONE,
        Outcome.UNKNOWN: PassCall.Outcome.UNKNOWN,
    }
    PassCall.objects.bulk_create(
        PassCall(
            update_id=result.claimed.update_id,
            api=result.api,
            attempt=result.claimed.attempts + 1,
            version=result.claimed.version,
            points=result.claimed.points,
            called_at=result.claimed.called_at,
            duration_ms=result.duration_ms,
            outcome=PassCall.Outcome.DONE
            if result.verdict.outcome is Outcome.EXISTS and result.verdict.pass_id
            else kept.get(result.verdict.outcome, PassCall.Outcome.PERMANENT),
            http_status=result.heard.http_status,
            code=result.verdict.code,
            detail=result.heard.detail,
            tracer_id=result.heard.tracer_id,
            request_body=result.request_body,
            answer_body=result.heard.answer_body,
        )
        for result in results
    )


def _learn(results: Iterable[Called]) -> None:
    heard: dict[int, list[bool]] = defaultdict(list)
    for result in results:
        heard[result.claimed.credential_id].append(result.verdict.outcome is not Outcome.UNKNOWN)
        if result.verdict.is_alarming:
            _raise_alarm(result)
    for credential_id, outcomes in sorted(heard.items()):
        circuit.learn(credential_id=credential_id, outcomes=outcomes)


def _raise_alarm(result: Called) -> None:
    verdict, credential_id = result.verdict, result.claimed.credential_id
    outage_alarm.tell(
        (credential_id, verdict.code),
        "%s by credential %d: %s (%s), card update %d",
        result.api,
        credential_id,
        verdict.code,
        verdict.outcome,
        result.claimed.update_id,
    )
