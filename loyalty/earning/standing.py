"""What a purchase's points stand on now: its award, or the correction that judged it since, less what was taken."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.db.models import Sum

from loyalty.earning import rules, rulesets
from loyalty.earning.models import Award, Correction, Transaction
from loyalty.earning.rule_terms import Facts, RuleTerms, facts_from_json
from loyalty.earning.rules import Judgement

# Why people move points of a purchase by hand that are the purchase's own.
REPAIRS = ("RECONCILIATION", "ERROR")


@dataclass(frozen=True, kw_only=True, slots=True)
class Basis:
    """A judgement as it was kept."""

    facts: Facts
    ruleset: Sequence[RuleTerms]
    rooms: Mapping[str, int]

    def judged(self, net_cents: int) -> Judgement:
        return rules.judge(self.facts, self.ruleset, self.rooms, net_cents=net_cents)


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """`earned` counts what was given and is not taken back by a decision; `refunded` what refunds took or should have.

    `owed` could not be taken when a decision took the points back. `by_hand` is what approved repairs moved for it
    beside the rules. `posting_id` made the lots that are left.
    """

    award: Award
    basis: Basis | None
    earned: int
    refunded: int
    refunded_cents: int
    owed: int
    by_hand: int
    is_taken: bool
    posting_id: int | None

    @property
    def left(self) -> int:
        return max(0, self.earned - self.refunded)

    @property
    def takeable(self) -> int:
        """What is left, less what people took by hand: nobody's points are taken twice."""
        return max(0, self.left + min(0, self.by_hand))


def of(transaction: Transaction) -> Standing:
    """The caller holds the lock of the member's account."""
    award = Award.objects.get(transaction=transaction)
    corrections = list(Correction.objects.filter(transaction=transaction).order_by("pk"))
    judged = judgement(award, corrections)
    taken = transaction.refunds.aggregate(
        points=Sum("points", default=0),
        missed=Sum("uncollected", default=0),
        cents=Sum("amount_cents", default=0),
    )
    postings = [
        award.posting_id,
        *(one.posting_id for one in corrections if one.kind == Correction.Kind.GIVE),
    ]
    return Standing(
        award=award,
        basis=_basis(judged) if judged and judged.facts else None,
        earned=award.points + sum(one.points - one.uncollected for one in corrections),
        refunded=taken["points"] + taken["missed"],
        refunded_cents=taken["cents"],
        owed=sum(one.uncollected for one in corrections),
        by_hand=moved_by_hand(transaction),
        is_taken=bool(corrections) and corrections[-1].kind == Correction.Kind.TAKE,
        posting_id=next((posting for posting in reversed(postings) if posting), None),
    )


def judgement(award: Award | None, corrections: Sequence[Correction]) -> Award | Correction | None:
    """The latest judgement, `corrections` being in their order; None while it waits for its store again."""
    counts: Award | Correction | None = award
    for one in corrections:
        if one.is_unplacing:
            counts = None
        elif one.facts:
            counts = one
    return counts


def judgement_of(transaction: Transaction) -> Award | Correction | None:
    """As `judgement`, without a lock."""
    award: Award | None = getattr(transaction, "award", None)
    return judgement(award, sorted(transaction.corrections.all(), key=lambda one: one.pk))


def moved_by_hand(transaction: Transaction) -> int:
    """Points of approved repairs and corrections of errors. Goodwill about a purchase is not the purchase's."""
    approved = [
        one for one in transaction.adjustments.all() if (one.state, one.deed) == ("APPROVED", "POINTS")
    ]
    return sum(one.points for one in approved if one.reason in REPAIRS)


def posted(transaction: Transaction) -> int:
    """What it has brought the member up to now: given, corrected, taken for refunds, and repaired by hand.

    Takes no lock. Lists fetch `award`, `corrections`, `refunds` and `adjustments` beforehand.
    """
    award: Award | None = getattr(transaction, "award", None)
    moved = sum(one.points for one in transaction.corrections.all()) + moved_by_hand(transaction)
    taken = sum(one.points for one in transaction.refunds.all())
    return (award.points if award else 0) + moved - taken


def earned(transaction: Transaction) -> int:
    """Points given and not taken back by a decision; refunds not counted.

    Takes no lock. Lists fetch `award` and `corrections` beforehand.
    """
    award: Award | None = getattr(transaction, "award", None)
    corrected = sum(one.points - one.uncollected for one in transaction.corrections.all())
    return (award.points if award else 0) + corrected


def _basis(judged: Award | Correction) -> Basis:
    return Basis(
        facts=facts_from_json(judged.facts), ruleset=rulesets.named(judged.versions), rooms=judged.rooms
    )
