"""How many points a repair of each difference would move, by the rules of the day. Writes nothing."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime

from django.db.models import Sum

from loyalty.earning import rules, standing, trials
from loyalty.earning.models import Transaction
from loyalty.earning.rule_terms import Facts, Kind, RuleTerms
from loyalty.review.matching import Mismatch
from loyalty.review.models import AdjustmentRequest, Finding
from members.models import Program
from pms.clock import HONG_KONG


def moved(transaction_ids: list[int]) -> dict[int, int]:
    """Points that approved requests have moved for these purchases by hand."""
    approved = AdjustmentRequest.objects.filter(
        transaction__in=transaction_ids,
        state=AdjustmentRequest.State.APPROVED,
        deed=AdjustmentRequest.Deed.POINTS,
    )
    sums = approved.order_by().values_list("transaction").annotate(Sum("points"))
    return {pk: points for pk, points in sums if pk is not None}


def now(finding: Finding) -> int:
    """What a repair of the finding would move by now. The caller holds the account's lock."""
    one = Mismatch(
        finding.line, finding.number, finding.refund_number, finding.happened_at, finding.transaction_id,
        finding.user_id, finding.store_label, finding.merchant_id, finding.file_cents, finding.ledger_cents,
        finding.cents, finding.currency,
    )  # fmt: skip
    program = Program.objects.get(group_id=finding.mall.group_id)
    return Worth(program, [one]).points(finding.kind, one)


def is_refunded_since(finding: Finding, at: datetime) -> bool:
    """A refund that came later may be the very difference that the finding is about."""
    purchase = finding.transaction
    return purchase is not None and purchase.refunds.filter(recorded_at__gte=at).exists()


class Worth:
    """Figures of one file's differences; what many of them share is looked up once."""

    def __init__(self, program: Program, mismatches: Sequence[Mismatch]) -> None:
        self.program = program
        ids = {one.transaction_id for one in mismatches if one.transaction_id}
        self.purchases = Transaction.objects.in_bulk(ids)
        self.moved = moved(list(ids))
        self.bases: dict[date, list[RuleTerms]] = {}
        self.rates: dict[tuple[date, int], int] = {}

    def points(self, kind: str, one: Mismatch) -> int:
        if kind == Finding.Kind.PAID_NOT_AWARDED:
            return self.at_base_rate(one.cents, one.happened_at)
        purchase = self.purchases[one.transaction_id or 0]
        if kind == Finding.Kind.AWARDED_NOT_PAID:
            return -max(0, self.left(purchase))
        if kind == Finding.Kind.REFUNDED_NOT_CLAWED_BACK:
            return -self._due_back(purchase, one.cents)
        return self._difference(purchase, one.file_cents)

    def left(self, purchase: Transaction) -> int:
        """What the purchase keeps, after what people moved for it by hand."""
        return standing.of(purchase).left + self.moved.get(purchase.pk, 0)

    def at_base_rate(self, cents: int, at: datetime) -> int:
        """What the base rate gives: the file names neither tier nor shop for certain, and often no member."""
        day = at.astimezone(HONG_KONG).date()
        if (day, cents) not in self.rates:
            if day not in self.bases:
                in_force = trials.in_force(self.program, at)
                self.bases[day] = [terms for terms in in_force if terms.kind == Kind.BASE]
            facts = Facts(
                amount_cents=cents, currency="HKD", paid_at=at, is_member_open=True, is_consented=True,
                first_consent_at=at, joining_grace_days=0, is_store_excluded=False,
            )  # fmt: skip
            # Without a member nobody knows what is left of limits.
            self.rates[day, cents] = rules.judge(facts, self.bases[day], {}, is_told=False).points
        return self.rates[day, cents]

    def _due_back(self, purchase: Transaction, cents: int) -> int:
        stands = standing.of(purchase)
        if stands.basis is None or stands.is_taken:
            return 0
        kept = stands.basis.judged(purchase.amount_cents - stands.refunded_cents - cents).points
        return max(0, stands.left - kept)

    def _difference(self, purchase: Transaction, file_cents: int) -> int:
        """By what was so when it was judged, with the other amount."""
        stands = standing.of(purchase)
        if stands.basis is None:
            return 0
        facts = replace(stands.basis.facts, amount_cents=file_cents)
        judged = rules.judge(
            facts, stands.basis.ruleset, stands.basis.rooms, net_cents=file_cents - stands.refunded_cents
        )
        return judged.points - self.left(purchase)
