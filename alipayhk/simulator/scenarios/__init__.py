"""The named scenarios: each plays one story against a real mall and compares what came of it.

They judge by what AlipayHK can see alone: answers to its notices, and the points that cards show.
"""

from collections.abc import Callable
from typing import Any

from alipayhk.simulator.scenarios import deliveries, payments, refunds, signatures
from alipayhk.simulator.scenarios.stage import Stage, Unplayable, Verdict

Scenario = Callable[[Stage], Verdict]

SCENARIOS: dict[str, Scenario] = {
    play.__name__: play
    for play in (
        payments.join_pay,
        payments.normal_day,
        payments.duplicate_storm,
        payments.payment_before_membership,
        payments.out_of_order,
        payments.conflicting_content,
        payments.below_minimum,
        payments.ceiling,
        payments.unknown_store,
        payments.excluded_store,
        payments.mainland_wallet,
        refunds.refund_first,
        refunds.partial_refunds,
        refunds.repeated_refund,
        refunds.refund_over_payment,
        signatures.bad_signature,
        signatures.changed_body,
        signatures.unknown_client,
        signatures.old_key,
        signatures.key_change,
        signatures.header_spellings,
        signatures.clock_skew,
        deliveries.late_retry,
        deliveries.slow_notice,
        deliveries.slow_gateway,
        deliveries.lost_answer,
        deliveries.lost_creation,
        deliveries.system_error_then_ok,
        deliveries.unsigned_answer,
        deliveries.reset_line,
        deliveries.permanent_code,
    )
}


def sentences() -> dict[str, str]:
    """Each scenario's name with what it shows, in one sentence."""
    return {name: (play.__doc__ or "").strip().splitlines()[0] for name, play in SCENARIOS.items()}


def run(name: str, stage: Stage) -> dict[str, Any]:
    """Play a scenario and say what was expected, what came, and whether they agree."""
    try:
        verdict = SCENARIOS[name](stage)
    except Unplayable as obstacle:
        return {
            "scenario": name,
            "expected": {"played": True},
            "actual": {"played": str(obstacle)},
            "ok": False,
        }
    finally:
        stage.clear()
    return {
        "scenario": name,
        "expected": verdict.expected,
        "actual": verdict.actual,
        "ok": verdict.expected == verdict.actual,
    }
