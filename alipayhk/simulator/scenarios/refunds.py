"""Scenarios of refunds: before the payment, in parts, repeated, and more than was paid."""

from alipayhk.simulator import notices, times
from alipayhk.simulator.scenarios.stage import Stage, Verdict, answers


def refund_first(stage: Stage) -> Verdict:
    """A partial refund arrives before its payment: accepted, and the card ends at the net."""
    user_id = stage.member()
    # Only the notices change places: the money was paid before it was given back.
    bill_number, paid_at = notices.new_bill_number(), times.body_time(times.now())
    refund = stage.refund_of(user_id, bill_number, 20_000)
    waiting = stage.unmoved(user_id)
    payment = stage.pay(user_id, 50_000, billNo=bill_number, payTime=paid_at)
    points = stage.client.rule().after_refunds(50_000, refunded=20_000)
    return Verdict(
        expected={"answers": {"SUCCESS": 2}, "points_before_payment": 0, "points": points},
        actual={
            "answers": answers(refund, payment),
            "points_before_payment": waiting,
            "points": stage.settled(user_id, points),
        },
    )


def partial_refunds(stage: Stage) -> Verdict:
    """HK$1,000.00 refunded as 333.33 + 333.33 + 333.34: the card ends at exactly zero."""
    user_id = stage.member()
    payment = stage.pay(user_id, 100_000)
    rule, refunded = stage.client.rule(), 0
    steps, shown = [rule.earned(100_000)], [stage.settled(user_id, rule.earned(100_000))]
    sent = [payment]
    for cents in (33_333, 33_333, 33_334):
        refunded += cents
        sent.append(stage.refund(payment, cents))
        steps.append(rule.after_refunds(100_000, refunded=refunded))
        shown.append(stage.settled(user_id, steps[-1]))
    return Verdict(
        expected={"answers": {"SUCCESS": 4}, "points": steps[-1], "steps": steps},
        actual={"answers": answers(*sent), "points": shown[-1], "steps": shown},
    )


def repeated_refund(stage: Stage) -> Verdict:
    """One refund notice four times at once: taken back once."""
    user_id = stage.member()
    payment = stage.pay(user_id, 80_000)
    points = stage.client.rule().after_refunds(80_000, refunded=30_000)
    body = {
        "userId": user_id,
        "relateBillNo": payment.reference,
        "refundAmount": {"currency": "HKD", "value": 30_000},
    }
    refund = stage.send("refund", body, fault="parallel", count=4, at_once=4)
    return Verdict(
        expected={"answers": {"SUCCESS": 5}, "points": points},
        actual={"answers": answers(payment, refund), "points": stage.settled(user_id, points)},
    )


def refund_over_payment(stage: Stage) -> Verdict:
    """A second refund that exceeds what is left of the payment takes nothing."""
    user_id = stage.member()
    payment = stage.pay(user_id, 60_000)
    stage.refund(payment, 20_000)
    points = stage.client.rule().after_refunds(60_000, refunded=20_000)
    before = stage.settled(user_id, points)
    over = {
        "userId": user_id,
        "relateBillNo": payment.reference,
        "refundAmount": {"currency": "HKD", "value": 50_000},
    }
    stage.send("refund", over, climbs=False)
    return Verdict(
        expected={"points_before": points, "points": points},
        actual={"points_before": before, "points": stage.unmoved(user_id)},
    )
