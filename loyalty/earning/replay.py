"""Plays what happened to a judged purchase again, in its order: refunds, and what decisions took and gave.

Reads only what was kept. Writes nothing.
"""

import json
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from loyalty.earning import rules, rulesets
from loyalty.earning.models import Award, Correction, Transaction
from loyalty.earning.rule_terms import Facts, RuleTerms, facts_from_json, limit_key
from loyalty.earning.rules import Judgement
from loyalty.ledger.proof import Breach

Rulesets = Callable[[str], Sequence[RuleTerms]]
TAKE = "TAKE"


class Corrected(NamedTuple):
    """One correction, as `entitlements.JUDGED` lists it."""

    correction_id: int
    kind: str
    points: int
    uncollected: int
    last_refund_id: int
    facts: dict[str, Any]
    versions: list[int]
    rooms: dict[str, int]
    is_unplacing: bool


@dataclass
class Replay:
    """Where a purchase stands while it is played.

    `used` is what the member used of limits, and is kept up; `own` is what of it the judgement that counts holds.
    """

    net: int
    left: int
    used: Counter[str]
    rulesets: Rulesets
    facts: Facts | None = None
    ruleset: Sequence[RuleTerms] = ()
    rooms: Mapping[str, int] = field(default_factory=dict)
    whole: Judgement = field(default_factory=Judgement)
    before: Judgement = field(default_factory=Judgement)
    owed: int = 0
    is_taken: bool = False
    own: Counter[str] = field(default_factory=Counter)

    def begin(
        self, facts: Facts, ruleset: Sequence[RuleTerms], rooms: Mapping[str, int], whole: Judgement
    ) -> None:
        """From the judgement of the award; what it used is counted in `used` already."""
        self.facts, self.ruleset, self.rooms, self.whole, self.before = facts, ruleset, rooms, whole, whole
        self.own = Counter(whole.uses if whole.points else {})

    def play(
        self, refunds: Sequence[Sequence[int]], corrections: Sequence[Sequence[Any]]
    ) -> Iterator[Breach]:
        rest = list(refunds)
        for row in corrections:
            one = Corrected(*row)
            earlier = [refund for refund in rest if refund[0] <= one.last_refund_id]
            rest = rest[len(earlier) :]
            for refund in earlier:
                yield from self._refund(*refund)
            yield from self._take(one) if one.kind == TAKE else self._give(one)
        for refund in rest:
            yield from self._refund(*refund)

    def _refund(self, refund_id: int, cents: int, taken: int) -> Iterator[Breach]:
        """Benefits that a refund took away are free again."""
        self.net -= cents
        after = self._judged() if self.whole.points else self.before
        due = 0 if self.is_taken else max(0, self.left - after.points)
        if taken != due:
            sentence = f"it took or missed {taken} points, its rules take {due}."
            yield Breach("earning_refund", refund_id, sentence)
        self.left -= taken
        if self.whole.points and self.facts and not self.is_taken:
            self._free(_lost(self.before, after, self.facts))
        self.before = after

    def _take(self, one: Corrected) -> Iterator[Breach]:
        taken = one.uncollected - one.points
        if taken != self.left:
            sentence = f"it took or missed {taken} points, {self.left} were left."
            yield Breach("earning_correction", one.correction_id, sentence)
        self.left, self.is_taken, self.owed = 0, True, self.owed + one.uncollected
        if one.is_unplacing:
            self._free(self.own)
            self.facts, self.whole, self.before = None, Judgement(), Judgement()

    def _free(self, uses: Mapping[str, int]) -> None:
        freed = Counter(uses) & self.own
        self.used.subtract(freed)
        self.own = self.own - freed

    def _give(self, one: Corrected) -> Iterator[Breach]:
        """What the net deserves, less what could not be taken before."""
        if one.facts:
            self._judge_anew(one)
        after = self._judged()
        due = max(0, after.points - self.left)
        settled = min(due, self.owed)
        if (one.points, one.uncollected) != (due - settled, -settled):
            sentence = f"it gave {one.points} points and settled {-one.uncollected}, its rules give {due}."
            yield Breach("earning_correction", one.correction_id, sentence)
        self.left += one.points - one.uncollected
        self.owed += one.uncollected
        self.is_taken, self.before = False, after

    def _judge_anew(self, one: Corrected) -> None:
        self.facts, self.rooms = facts_from_json(one.facts), one.rooms
        self.ruleset = self.rulesets(json.dumps(one.versions))
        self.whole = rules.judge(self.facts, self.ruleset, self.rooms, is_told=False)
        if self.whole.points:
            self.used.update(self.whole.uses)
            self.own = Counter(self.whole.uses)

    def _judged(self) -> Judgement:
        if self.facts is None:
            return Judgement()
        return rules.judge(self.facts, self.ruleset, self.rooms, net_cents=self.net, is_told=False)


def uses(transaction: Transaction, award: Award) -> Mapping[str, int]:
    """What the judgement that counts holds of limits and budgets, of which refunds give some back."""
    replay = Replay(net=transaction.amount_cents, left=award.points, used=Counter(), rulesets=_named)
    if award.facts:
        ruleset = rulesets.named(award.versions)
        facts = facts_from_json(award.facts)
        replay.begin(facts, ruleset, award.rooms, rules.judge(facts, ruleset, award.rooms, is_told=False))
    given_back = [
        (one.pk, one.amount_cents, one.points + one.uncollected) for one in transaction.refunds.order_by("pk")
    ]
    deque(replay.play(given_back, [_row(one) for one in transaction.corrections.order_by("pk")]), maxlen=0)
    return replay.own


def _named(versions: str) -> Sequence[RuleTerms]:
    return rulesets.named(json.loads(versions))


def _row(one: Correction) -> Corrected:
    return Corrected(
        one.pk, one.kind, one.points, one.uncollected, one.last_refund_id or 0, one.facts, one.versions, one.rooms,
        one.is_unplacing,
    )  # fmt: skip


def _lost(before: Judgement, after: Judgement, facts: Facts) -> dict[str, int]:
    kept = {line.terms.rule_id for line in after.lines}
    return {
        limit_key(line.terms, facts): 1
        for line in before.lines
        if line.terms.occasion and line.terms.rule_id not in kept
    }
