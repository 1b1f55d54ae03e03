"""What to tell AlipayHK about one store, and what its answer means. Never touches the database: runs in any thread."""

import logging
import time
from dataclasses import dataclass
from datetime import timedelta

from alipayhk import answers, client, pass_calls, store_payloads
from alipayhk.answers import Outcome, Verdict
from alipayhk.client import Caller, OutcomeUnknown
from alipayhk.collection_queue import Claimed
from alipayhk.models import CollectionSetup
from alipayhk.pass_calls import Heard

log = logging.getLogger(__name__)

SAVE = "circleStore/save"
QUERY = "circleStore/queryPage"
# These never reached AlipayHK, so there is nothing to look for before the next attempt.
NEVER_LEFT = frozenset({"NOT_CONNECTED", "NO_ACTIVE_KEY", "GATEWAY_NOT_ALLOWED", "KEY_UNREADABLE"})


@dataclass(frozen=True, slots=True)
class Line:
    """A credential as a drain uses it: ready to call, or the reason why it cannot."""

    setup: CollectionSetup
    caller: Caller | None
    fault: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Called:
    """One call as it went. `request_body` holds no key, token or signature."""

    claimed: Claimed
    verdict: Verdict
    duration_ms: int
    request_body: str
    heard: Heard

    @property
    def is_certain_failure(self) -> bool:
        return self.verdict.code in NEVER_LEFT


def open_line(setup: CollectionSetup) -> Line:
    """Reads keys: for the thread that owns the database connection."""
    try:
        return Line(setup, client.caller(setup.credential))
    except client.CredentialUnusable as error:
        return Line(setup, None, error.code)


def call(claimed: Claimed, line: Line, claimed_at: float) -> Called:
    """Hand over the store; whatever happens is an outcome. `claimed_at` is monotonic."""
    began = time.monotonic()
    body = _body(claimed, line.setup)
    try:
        if line.caller is None:
            raise OutcomeUnknown(line.fault, is_alarming=True)
        # The database's clock: what a skewed machine believes must not make answers look old.
        now = claimed.called_at + timedelta(seconds=began - claimed_at)
        answer = client.save_store(line.caller, body, now=now)
        verdict, heard = answers.judge_plain(answer.result), pass_calls.heard_of(answer)
    except OutcomeUnknown as error:
        verdict = answers.unknown(error.code, is_alarming=error.is_alarming)
        heard = pass_calls.half_heard(error)
    except Exception as error:
        # One store that cannot be sent must not hold up the others.
        log.exception("call about collected store %d failed", claimed.collection_id)
        verdict, heard = answers.unknown("UNEXPECTED"), Heard(detail=type(error).__name__)
    return Called(
        claimed=claimed,
        verdict=verdict,
        duration_ms=round((time.monotonic() - began) * 1000),
        request_body=pass_calls.cut(body),
        heard=heard,
    )


def is_refused(called: Called) -> bool:
    return called.verdict.outcome not in (Outcome.DONE, Outcome.UNKNOWN)


def _body(claimed: Claimed, setup: CollectionSetup) -> bytes:
    labels = {"group_label": claimed.group_label, "mall_label": claimed.mall_label}
    if claimed.trade_number:
        return store_payloads.save_by_number_body(
            way=setup.way_by_number, trade_number=claimed.trade_number, **labels
        )
    return store_payloads.save_by_pms_body(
        way=setup.way_by_pms,
        triple=claimed.triple,
        merchant_name=claimed.merchant_name,
        store_name=claimed.name,
        **labels,
    )
