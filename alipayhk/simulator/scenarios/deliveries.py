"""Scenarios of a bad line: lost acknowledgements, slow, silent and lying gateways. Cards end right."""

from alipayhk.simulator.scenarios.stage import Stage, Verdict, answers

# Turns 2 m, 10 m, 10 m into fractions of a second: a scenario must not wait for a day.
BRISK_LADDER = 0.0005


def late_retry(stage: Stage) -> Verdict:
    """Three acknowledgements get lost, so AlipayHK sends four times: one award."""
    user_id = stage.member()
    sending = {"fault": "lost_acknowledgement", "lost": 3, "ladder_scale": BRISK_LADDER}
    payment = stage.pay(user_id, 45_600, sending=sending)
    stage.wait_until(lambda: payment.acknowledged)
    points = stage.client.rule().earned(45_600)
    return Verdict(
        expected={"answers": {"SUCCESS": 4}, "acknowledged": True, "points": points},
        actual={
            "answers": answers(payment),
            "acknowledged": payment.acknowledged,
            "points": stage.settled(user_id, points),
        },
    )


def slow_notice(stage: Stage) -> Verdict:
    """A notice whose body arrives in small pieces over a second is taken like any other."""
    user_id = stage.member()
    payment = stage.pay(user_id, 18_000, sending={"fault": "slow_body"})
    points = stage.client.rule().earned(18_000)
    return Verdict(
        expected={"answers": {"SUCCESS": 1}, "points": points},
        actual={"answers": answers(payment), "points": stage.settled(user_id, points)},
    )


def slow_gateway(stage: Stage) -> Verdict:
    """AlipayHK takes 3.5 seconds per update: payments are answered as ever, the card comes right."""
    user_id = stage.member()
    stage.fault("updatePass", user_id, "slow", count=2)
    first, second = stage.pay(user_id, 12_000), stage.pay(user_id, 23_000)
    rule = stage.client.rule()
    points = rule.earned(12_000) + rule.earned(23_000)
    seconds = max(attempt["seconds"] for notice in (first, second) for attempt in notice.attempts)
    return Verdict(
        expected={"answers": {"SUCCESS": 2}, "answered_within_2_s": True, "points": points},
        actual={
            "answers": answers(first, second),
            "answered_within_2_s": seconds <= 2.0,
            "points": stage.settled(user_id, points),
        },
    )


def lost_answer(stage: Stage) -> Verdict:
    """AlipayHK applies an update and never answers: tried again, the card is right at the end."""
    return _troubled_update(stage, "applied_then_timeout", count=1)


def system_error_then_ok(stage: Stage) -> Verdict:
    """Two SYSTEM_ERRORs, the first of them after applying: the card is right at the end."""
    user_id = stage.member()
    stage.fault("updatePass", user_id, "system_error_after")
    stage.fault("updatePass", user_id, "system_error_before")
    return _pay_and_see(stage, user_id)


def unsigned_answer(stage: Stage) -> Verdict:
    """A success without a signature is no success: the update is sent again."""
    return _troubled_update(stage, "unsigned", count=1)


def reset_line(stage: Stage) -> Verdict:
    """The line is cut before and after applying: the card is right at the end."""
    user_id = stage.member()
    stage.fault("updatePass", user_id, "reset_before")
    stage.fault("updatePass", user_id, "reset_after")
    return _pay_and_see(stage, user_id)


def lost_creation(stage: Stage) -> Verdict:
    """AlipayHK creates a card and never answers: asked again under the same serial, it stays one card."""
    user_id = stage.newcomer()
    stage.fault("createPass", user_id, "applied_then_timeout")
    stage.join(user_id)
    payment = stage.pay(user_id, 26_000)
    points = stage.client.rule().earned(26_000)
    asked_again = stage.wait_until(lambda: stage.calls(user_id, "createPass") > 1)
    shown = stage.settled(user_id, points)
    cards = stage.wallet.listing(client_id=stage.client.client_id, user_id=user_id)
    return Verdict(
        expected={"answers": {"SUCCESS": 1}, "asked_again": True, "cards": 1, "points": points},
        actual={
            "answers": answers(payment),
            "asked_again": asked_again,
            "cards": len(cards),
            "points": shown,
        },
    )


def permanent_code(stage: Stage) -> Verdict:
    """AlipayHK refuses an update for good: asked once, not again; payments are still accepted."""
    user_id = stage.member()
    before = stage.calls(user_id, "updatePass")
    stage.fault("updatePass", user_id, "permanent", code="PASS_UPDATE_FAIL")
    payment = stage.pay(user_id, 22_000)
    stage.wait_until(lambda: stage.calls(user_id, "updatePass") > before)
    shown = stage.unmoved(user_id, stage.quiet)
    calls = stage.calls(user_id, "updatePass") - before
    return Verdict(
        expected={"answers": {"SUCCESS": 1}, "calls": 1, "points": 0},
        actual={"answers": answers(payment), "calls": calls, "points": shown},
    )


def _troubled_update(stage: Stage, fault: str, *, count: int) -> Verdict:
    user_id = stage.member()
    stage.fault("updatePass", user_id, fault, count=count)
    return _pay_and_see(stage, user_id)


def _pay_and_see(stage: Stage, user_id: str) -> Verdict:
    """One payment over the faults that wait: at least two calls, and the right points at the end."""
    before = stage.calls(user_id, "updatePass")
    payment = stage.pay(user_id, 31_400)
    points = stage.client.rule().earned(31_400)
    stage.wait_until(lambda: stage.calls(user_id, "updatePass") > before + 1)
    shown = stage.settled(user_id, points)
    tried_again = stage.calls(user_id, "updatePass") > before + 1
    return Verdict(
        expected={"answers": {"SUCCESS": 1}, "tried_again": True, "points": points},
        actual={"answers": answers(payment), "tried_again": tried_again, "points": shown},
    )
