"""Tries one payment against rules: what it would earn, and why. Locks nothing and writes nothing."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from loyalty.earning import decisions, purchases, rules, rulesets, runs
from loyalty.earning.duplicates import Held
from loyalty.earning.models import BudgetUse, CapUse, RuleVersion, Transaction
from loyalty.earning.purchases import Found, Purchase
from loyalty.earning.rule_terms import Facts, Kind, Occasion, RuleTerms, Unit
from loyalty.earning.rules import Judgement
from loyalty.ledger.postings import NewLot
from members.models import Pass, Program, Tier
from pms import store_history
from pms.clock import HONG_KONG
from pms.models import Mall, Store


class TrialRefused(Exception):
    """The payment cannot be tried: something it names does not exist. The message says what."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Payment:
    """A payment that nobody made. Without `user_id` its payer is of `tier` (the lowest if empty), has had the
    welcome gift, and has a birthday only if `is_birthday`. `spent_today_cents` uses up limits of the base rate.
    """

    mall: Mall
    amount_cents: int
    at: datetime
    store: Store | None = None
    category: str = ""
    user_id: str = ""
    tier: str = ""
    spent_today_cents: int | None = None
    is_birthday: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Trial:
    """What a payment would earn; `points` are usable at once, `pending` on hold."""

    facts: Facts
    judgement: Judgement
    lots: Sequence[NewLot]
    ruleset: Sequence[RuleTerms]
    rooms: Mapping[str, int]

    @property
    def points(self) -> int:
        return sum(lot.points for lot in self.lots if not lot.is_held)

    @property
    def pending(self) -> int:
        return sum(lot.points for lot in self.lots if lot.is_held)


def try_payment(payment: Payment, *, ruleset: Sequence[RuleTerms] | None = None) -> Trial:
    """By the rules in force when it would be paid, or by `ruleset`."""
    program = Program.objects.get(group_id=payment.mall.group_id)
    wallet_pass = _pass(program, payment.user_id)
    facts = _facts(payment, program, wallet_pass)
    used = in_force(program, payment.at) if ruleset is None else list(ruleset)
    rooms = _rooms(payment, facts, used, wallet_pass)
    judgement = rules.judge(facts, used, rooms)
    expires = (program.expiry, program.expiry_count)
    lots = decisions.new_lots(judgement, facts, used, expires=expires, now=payment.at)
    return Trial(facts=facts, judgement=judgement, lots=lots, ruleset=used, rooms=rooms)


def try_purchase(purchase: Purchase) -> Trial:
    """What `awards.earn` would give for a real purchase now, but for another one that comes first."""
    found = purchases.find(purchase, is_trial=True)
    facts = purchases.facts(purchase, found)
    ruleset = decisions.in_force(found, purchase.paid_at)
    limited = rules.limited(facts, ruleset)
    budgets = BudgetUse.objects.filter(rule__in=[terms.rule_id for terms in limited.values()])
    used = {f"{rule_id}/budget": used for rule_id, used in budgets.values_list("rule_id", "used")}
    uses = CapUse.objects.filter(account=found.account_id, key__in=list(limited))
    used |= dict(uses.values_list("key", "used"))
    rooms = {key: _amount(key, terms) - used.get(key, 0) for key, terms in limited.items()}
    judgement = rules.judge(facts, ruleset, rooms)
    expires = (found.expiry, found.expiry_count)
    lots = decisions.new_lots(judgement, facts, ruleset, expires=expires, now=purchase.paid_at)
    return Trial(facts=facts, judgement=judgement, lots=lots, ruleset=ruleset, rooms=rooms)


def foresee(
    asked: Sequence[Purchase],
    *,
    now: datetime,
    tried: Counter[tuple[int, str]],
    held: Held | None = None,
) -> list[int]:
    """The points, on hold or not, that `awards.earn_all` would give for these; `tried` is what earlier ones took.

    `held` is for who knows which of their numbers others hold.
    """
    found = [with_account(one) for one in purchases.find_all(asked, is_trial=True)]
    pairs = list(zip(asked, found, strict=True))
    taken = [pair for pair in pairs if runs.waits(*pair) is None]
    judged = {id(one.purchase): one.points for one in runs.judge(taken, now=now, tried=tried, held=held)}
    return [judged.get(id(purchase), 0) for purchase in asked]


def with_account(found: Found) -> Found:
    """Limits of a member without an account are kept under a number that no account has."""
    return found if found.account_id else found._replace(account_id=-(found.member_id or 0))


def in_force(program: Program, at: datetime) -> Sequence[RuleTerms]:
    newest = (
        RuleVersion.objects.filter(rule__program=program).order_by("-pk").values_list("pk", flat=True).first()
    )
    if newest is None:
        return ()
    return rulesets.in_force(program_id=program.pk, newest_version_id=newest, at=at)


def _pass(program: Program, user_id: str) -> Pass | None:
    if not user_id:
        return None
    found = Pass.objects.filter(program=program, user_id=user_id).select_related("member").first()
    if found is None:
        raise TrialRefused(f"no member of {program.name_en} has the wallet user ID {user_id}.")
    return found


def _facts(payment: Payment, program: Program, wallet_pass: Pass | None) -> Facts:
    facts = _known(payment, wallet_pass) if wallet_pass else _invented(payment, program)
    if payment.is_birthday:
        facts = replace(facts, birth_month=payment.at.astimezone(HONG_KONG).month)
    store = payment.store
    if store is None:
        return replace(
            facts, store="", category=payment.category, mall=payment.mall.tag, is_store_excluded=False,
            is_store_open=True, store_excluded_tenders=(),
        )  # fmt: skip
    return replace(
        facts,
        store=store.code or store.pms_label,
        category=store.category,
        mall=store_history.mall_on(store, facts.paid_in_hong_kong.date()).tag,
        is_store_excluded=store.is_excluded,
        is_store_open=store.is_open_on(facts.paid_in_hong_kong.date()),
        store_excluded_tenders=store.excluded_tenders or (),
    )


def _known(payment: Payment, wallet_pass: Pass) -> Facts:
    """The member as the engine would find them at that moment."""
    purchase = Purchase(
        group_id=payment.mall.group_id,
        mall_id=payment.mall.pk,
        channel=Transaction.Channel.WALLET,
        wallet=wallet_pass.wallet,
        user_id=wallet_pass.user_id,
        amount_cents=payment.amount_cents,
        currency="HKD",
        paid_at=payment.at,
        numbers={},
        store_label=payment.store.pms_label if payment.store else "",
        merchant_id="",
        merchant_name="",
    )
    return purchases.facts(purchase, purchases.find(purchase, is_trial=True))


def _invented(payment: Payment, program: Program) -> Facts:
    tier = _tier(program, payment.tier)
    return Facts(
        amount_cents=payment.amount_cents,
        currency="HKD",
        paid_at=payment.at,
        is_member_open=True,
        is_consented=True,
        first_consent_at=None,
        joining_grace_days=program.joining_grace_days,
        is_store_excluded=False,
        tier=tier.code if tier else "",
        tier_name=tier.name_en if tier else "",
        tier_name_zh=tier.name_zh if tier else "",
        tier_numerator=tier.factor_numerator if tier else 1,
        tier_denominator=tier.factor_denominator if tier else 1,
    )


def _tier(program: Program, code: str) -> Tier | None:
    ladder = Tier.objects.filter(program=program).order_by("min_spend_cents")
    if not code:
        return ladder.first()
    found = ladder.filter(code=code).first()
    if found is None:
        known = ", ".join(ladder.values_list("code", flat=True)) or "none"
        raise TrialRefused(f"{code} is not a tier of {program.name_en}; it has {known}.")
    return found


def _rooms(
    payment: Payment, facts: Facts, ruleset: Sequence[RuleTerms], wallet_pass: Pass | None
) -> Mapping[str, int]:
    limited = rules.limited(facts, ruleset)
    used = _used(limited, payment, wallet_pass)
    return {key: _amount(key, terms) - used.get(key, 0) for key, terms in limited.items()}


def _used(limited: Mapping[str, RuleTerms], payment: Payment, wallet_pass: Pass | None) -> dict[str, int]:
    budgets = {
        f"{rule_id}/budget": used for rule_id, used in BudgetUse.objects.values_list("rule_id", "used")
    }
    if wallet_pass:
        uses = CapUse.objects.filter(account__member=wallet_pass.member_id, key__in=list(limited))
        used = dict(uses.values_list("key", "used"))
    else:
        used = {key: 1 for key, terms in limited.items() if terms.occasion == Occasion.WELCOME}
    spent = payment.spent_today_cents
    for key, terms in limited.items():
        is_spend = terms.kind == Kind.BASE and terms.limit and terms.limit.unit == Unit.CENTS
        if spent is not None and is_spend:
            used[key] = spent
    return budgets | used


def _amount(key: str, terms: RuleTerms) -> int:
    if key.endswith("/budget"):
        return terms.budget_points or 0
    assert terms.limit is not None  # only limited rules have another key
    return terms.limit.amount
