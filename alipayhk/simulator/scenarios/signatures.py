"""Scenarios of the door: forged notices are refused with 401 and change nothing, genuine spellings pass."""

from alipayhk.simulator.scenarios.stage import Stage, Verdict, answers


def bad_signature(stage: Stage) -> Verdict:
    """A payment notice with one wrong letter in its signature: 401, and the card stays as it was."""
    return _forged(stage, "bad_signature")


def changed_body(stage: Stage) -> Verdict:
    """A payment notice whose body was changed after signing: 401, and the card stays as it was."""
    return _forged(stage, "changed_body")


def unknown_client(stage: Stage) -> Verdict:
    """A payment notice under a Client-Id that the mall does not know: 401, and the card stays as it was."""
    return _forged(stage, "unknown_client")


def old_key(stage: Stage) -> Verdict:
    """A payment notice signed with the revoked key: 401, and the card stays as it was."""
    return _forged(stage, "old_key")


def key_change(stage: Stage) -> Verdict:
    """AlipayHK changes its key: the current and the announced one both pass, the revoked one does not."""
    user_id = stage.member()
    current = stage.pay(user_id, 15_000)
    following = stage.pay(user_id, 16_000, sending={"fault": "next_key"})
    old = stage.pay(user_id, 17_000, sending={"fault": "old_key"})
    rule = stage.client.rule()
    points = rule.earned(15_000) + rule.earned(16_000)
    return Verdict(
        expected={"current": {"SUCCESS": 1}, "next": {"SUCCESS": 1}, "old": [401], "points": points},
        actual={
            "current": answers(current),
            "next": answers(following),
            "old": old.statuses(),
            "points": stage.settled(user_id, points),
        },
    )


def header_spellings(stage: Stage) -> Verdict:
    """Headers as the old pages print them: lower case, sha256withrsa, bare base64, a trailing semicolon."""
    user_id = stage.member()
    payment = stage.pay(user_id, 19_900, sending={"fault": "old_spelling"})
    points = stage.client.rule().earned(19_900)
    return Verdict(
        expected={"answers": {"SUCCESS": 1}, "points": points},
        actual={"answers": answers(payment), "points": stage.settled(user_id, points)},
    )


def clock_skew(stage: Stage) -> Verdict:
    """Request-Time half an hour old: accepted, because a resend may carry its first signature."""
    user_id = stage.member()
    payment = stage.pay(user_id, 21_000, sending={"fault": "clock_skew"})
    points = stage.client.rule().earned(21_000)
    return Verdict(
        expected={"answers": {"SUCCESS": 1}, "points": points},
        actual={"answers": answers(payment), "points": stage.settled(user_id, points)},
    )


def _forged(stage: Stage, fault: str) -> Verdict:
    user_id = stage.member()
    genuine = stage.pay(user_id, 10_000)
    points = stage.client.rule().earned(10_000)
    before = stage.settled(user_id, points)
    forged = stage.pay(user_id, 77_700, sending={"fault": fault})
    return Verdict(
        expected={"genuine": {"SUCCESS": 1}, "forged": [401], "points_before": points, "points": points},
        actual={
            "genuine": answers(genuine),
            "forged": forged.statuses(),
            "points_before": before,
            "points": stage.unmoved(user_id),
        },
    )
