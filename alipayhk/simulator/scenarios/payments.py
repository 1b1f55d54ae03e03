"""Scenarios of members and payments: joining, earning, repeats, disorder, limits of the base rule."""

import math
import random

from alipayhk.simulator import notices, times
from alipayhk.simulator.book import Notice
from alipayhk.simulator.scenarios.stage import Stage, Unplayable, Verdict, answers

# Category, share of payments in percent, median and upper tail in cents: the traffic of a large mall.
TRAFFIC = (
    ("DINING", 35, 18_000, 260_000),
    ("FASHION", 20, 62_000, 900_000),
    ("SERVICES", 17, 30_000, 500_000),
    ("BEAUTY", 10, 38_000, 400_000),
    ("ELECTRONICS", 8, 85_000, 1_500_000),
    ("JEWELLERY", 5, 380_000, 6_000_000),
)


def join_pay(stage: Stage) -> Verdict:
    """A user joins, pays HK$138.90, and the card shows the points."""
    user_id = stage.join()
    start = stage.settled(user_id, 0)
    payment = stage.pay(user_id, 13_890, pmsLabel=stage.store("DINING"))
    points = stage.client.rule().earned(13_890)
    return Verdict(
        expected={"points_at_start": 0, "answers": {"SUCCESS": 1}, "points": points},
        actual={
            "points_at_start": start,
            "answers": answers(payment),
            "points": stage.settled(user_id, points),
        },
    )


def normal_day(stage: Stage) -> Verdict:
    """Six members, thirty payments over the mall, a few repeats and refunds: every card ends right."""
    lots = random.Random(stage.seed)  # noqa: S311 – a repeatable day, no secret
    users = [stage.join(stage.newcomer(mainland=number == 5)) for number in range(6)]
    owed = dict.fromkeys(users, 0)
    sent: list[Notice] = []
    for number in range(30):
        user_id = lots.choice(users)
        owed[user_id] += _one_purchase(stage, lots, user_id, number, sent)
    points = {f"member_{place}": owed[user_id] for place, user_id in enumerate(users, 1)}
    shown = {
        f"member_{place}": stage.settled(user_id, owed[user_id]) for place, user_id in enumerate(users, 1)
    }
    return Verdict(
        expected={"unacknowledged": 0, "points": points},
        actual={"unacknowledged": sum(not notice.acknowledged for notice in sent), "points": shown},
    )


def duplicate_storm(stage: Stage) -> Verdict:
    """One payment notice eight times, four at once: one award, eight successes."""
    user_id = stage.member()
    payment = stage.pay(user_id, 68_800, sending={"fault": "duplicate", "count": 8, "at_once": 4})
    points = stage.client.rule().earned(68_800)
    return Verdict(
        expected={"answers": {"SUCCESS": 8}, "points": points},
        actual={"answers": answers(payment), "points": stage.settled(user_id, points)},
    )


def payment_before_membership(stage: Stage) -> Verdict:
    """A payment arrives before its payer joins: accepted, and paid once the membership begins."""
    user_id = stage.newcomer()
    payment = stage.pay(user_id, 25_000)
    stage.join(user_id)
    rule = stage.client.rule()
    points = rule.earned(25_000) if rule.joining_grace_days >= 1 else 0
    return Verdict(
        expected={"answers": {"SUCCESS": 1}, "points": points},
        actual={"answers": answers(payment), "points": stage.settled(user_id, points)},
    )


def out_of_order(stage: Stage) -> Verdict:
    """The first of two payments arrives after the second: both earn."""
    user_id = stage.member()
    first = stage.pay(user_id, 30_000, sending={"fault": "out_of_order", "seconds": 0.5})
    second = stage.pay(user_id, 12_345)
    rule = stage.client.rule()
    points = rule.earned(30_000) + rule.earned(12_345)
    shown = stage.settled(user_id, points)
    return Verdict(
        expected={"answers": {"SUCCESS": 2}, "points": points},
        actual={"answers": answers(first, second), "points": shown},
    )


def conflicting_content(stage: Stage) -> Verdict:
    """The same bill number with another amount: refused, and the first award stands."""
    user_id = stage.member()
    first = stage.pay(user_id, 20_000)
    again = {**first.body, "orderAmount": {"currency": "HKD", "value": 90_000}}
    second = stage.send("bill", again, climbs=False)
    points = stage.client.rule().earned(20_000)
    stage.settled(user_id, points)
    return Verdict(
        expected={"first": {"SUCCESS": 1}, "second": {"PARAM_ILLEGAL": 1}, "points": points},
        actual={"first": answers(first), "second": answers(second), "points": stage.unmoved(user_id)},
    )


def below_minimum(stage: Stage) -> Verdict:
    """A payment one cent below the minimum earns nothing, one at the minimum earns."""
    rule = stage.client.rule()
    if rule.min_spend_cents < 2:
        raise Unplayable("the program has no minimum spend")
    user_id = stage.member()
    below = stage.pay(user_id, rule.min_spend_cents - 1)
    before = stage.unmoved(user_id)
    at = stage.pay(user_id, rule.min_spend_cents)
    points = rule.earned(rule.min_spend_cents)
    return Verdict(
        expected={"answers": {"SUCCESS": 2}, "points_below": 0, "points": points},
        actual={
            "answers": answers(below, at),
            "points_below": before,
            "points": stage.settled(user_id, points),
        },
    )


def ceiling(stage: Stage) -> Verdict:
    """A payment above the ceiling earns for the ceiling alone."""
    rule = stage.client.rule()
    if rule.max_spend_cents is None:
        raise Unplayable("the program has no ceiling per payment")
    user_id = stage.member()
    payment = stage.pay(user_id, rule.max_spend_cents + 1_250_000, pmsLabel=stage.store("JEWELLERY"))
    points = rule.earned(rule.max_spend_cents)
    return Verdict(
        expected={"answers": {"SUCCESS": 1}, "points": points},
        actual={"answers": answers(payment), "points": stage.settled(user_id, points)},
    )


def unknown_store(stage: Stage) -> Verdict:
    """A payment in a store that nobody mapped: accepted, and it waits without points."""
    user_id = stage.member()
    label = f"PMS-NEW-{notices.new_acquirer_number('S')}"
    payment = stage.pay(user_id, 50_000, pmsLabel=label, merchantName="Pop-up Store")
    return Verdict(
        expected={"answers": {"SUCCESS": 1}, "points": 0},
        actual={"answers": answers(payment), "points": stage.unmoved(user_id)},
    )


def excluded_store(stage: Stage) -> Verdict:
    """A payment in a store that takes no part: accepted, without points."""
    excluded = next((store for store in stage.client.stores if store.get("excluded")), None)
    if excluded is None:
        raise Unplayable("the mall registered no excluded store")
    user_id = stage.member()
    payment = stage.pay(user_id, 50_000, pmsLabel=excluded["pms_label"])
    return Verdict(
        expected={"answers": {"SUCCESS": 1}, "points": 0},
        actual={"answers": answers(payment), "points": stage.unmoved(user_id)},
    )


def mainland_wallet(stage: Stage) -> Verdict:
    """A user of the mainland wallet joins and pays: both bill numbers travel, points come."""
    user_id = stage.join(stage.newcomer(mainland=True))
    payment = stage.pay(user_id, 33_330, cnBillNo=notices.new_bill_number())
    points = stage.client.rule().earned(33_330)
    return Verdict(
        expected={"answers": {"SUCCESS": 1}, "points": points},
        actual={"answers": answers(payment), "points": stage.settled(user_id, points)},
    )


def _one_purchase(stage: Stage, lots: random.Random, user_id: str, number: int, sent: list[Notice]) -> int:
    """Send one purchase with what befalls it, and return the points it is worth in the end."""
    category, cents = _draw(lots)
    refunded = {9: cents, 17: cents // 3, 23: cents // 2}.get(number, 0)
    bill_number, paid_at = notices.new_bill_number(), times.body_time(times.now())
    if number == 23:
        sent.append(stage.refund_of(user_id, bill_number, refunded))
    sending = {"fault": "duplicate", "count": 2} if number in (4, 20) else {}
    label = _label(stage, lots, category)
    fields = {"billNo": bill_number, "payTime": paid_at, "pmsLabel": label}
    sent.append(stage.pay(user_id, cents, sending=sending, **fields))
    if number in (9, 17):
        sent.append(stage.refund_of(user_id, bill_number, refunded))
    return stage.client.rule().after_refunds(cents, refunded=refunded)


def _draw(lots: random.Random) -> tuple[str, int]:
    """A category by its share, and an amount log-normal round its median: whole dollars, dimes or cents."""
    category, _, median, tail = lots.choices(TRAFFIC, weights=[share for _, share, _, _ in TRAFFIC])[0]
    cents = min(int(median * math.exp(lots.gauss(0, 0.7))), tail)
    step = lots.choices((100, 10, 1), weights=(40, 35, 25))[0]
    return category, max(cents // step * step, 1_000)


def _label(stage: Stage, lots: random.Random, category: str) -> str:
    stores = stage.client.open_stores(category)
    return str(lots.choice(stores)["pms_label"]) if stores else stage.store()
