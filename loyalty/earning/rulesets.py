"""The rule versions of a program as plain terms, read once per process and kept until a newer one is published.

Versions are frozen, so the number of the newest tells whether what is kept is still all there is.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import lru_cache

from django.db.models import Max

from loyalty.earning.models import RuleVersion
from loyalty.earning.rule_terms import (
    ALWAYS,
    ANYWHERE,
    HONG_KONG,
    Kind,
    Limit,
    Occasion,
    Period,
    RuleTerms,
    Schedule,
    Scope,
    Stacking,
    Unit,
)

Ruleset = tuple[RuleTerms, ...]


def in_force(*, program_id: int, newest_version_id: int, at: datetime) -> Ruleset:
    """The program's rules as they stood at a moment: the latest version of each, if that one is not switched off."""
    begins, standing = _published(program_id, newest_version_id)
    return standing[bisect_right(begins, at)]


def are_budgeted(*, program_id: int, since: datetime, until: datetime) -> bool:
    """Whether a purchase paid in this time may draw on a campaign's budget, which all members share."""
    newest = RuleVersion.objects.filter(rule__program=program_id).aggregate(newest=Max("pk"))["newest"]
    begins, standing = _published(program_id, newest) if newest else ((), ((),))
    rulesets = standing[bisect_right(begins, since) : bisect_right(begins, until) + 1]
    first, last = (moment.astimezone(HONG_KONG).date() for moment in (since, until))
    schedules = [
        terms.schedule for ruleset in rulesets for terms in ruleset if terms.budget_points is not None
    ]
    return any((one.first_date or first) <= last and first <= (one.last_date or last) for one in schedules)


def named(version_ids: Iterable[int]) -> list[RuleTerms]:
    """The terms that an award was judged under, in their order."""
    return list(_named(tuple(version_ids)))


@lru_cache(maxsize=256)
def _published(program_id: int, newest_version_id: int) -> tuple[Sequence[datetime], Sequence[Ruleset]]:
    """When each version came into force, and the rules as they stood before the first and from each on."""
    versions = RuleVersion.objects.select_related("rule").filter(
        rule__program_id=program_id, pk__lte=newest_version_id
    )
    latest: dict[int, tuple[bool, RuleTerms]] = {}
    begins: list[datetime] = []
    standing: list[Ruleset] = [()]
    for version in versions.order_by("effective_at", "pk"):
        latest[version.rule_id] = (version.is_off, terms_of(version))
        begins.append(version.effective_at)
        standing.append(tuple(terms for is_off, terms in latest.values() if not is_off))
    return begins, standing


@lru_cache(maxsize=4096)
def _named(version_ids: tuple[int, ...]) -> tuple[RuleTerms, ...]:
    found = {v.pk: terms_of(v) for v in RuleVersion.objects.select_related("rule").filter(pk__in=version_ids)}
    return tuple(found[version_id] for version_id in version_ids)


def terms_of(version: RuleVersion) -> RuleTerms:
    rule = version.rule
    return RuleTerms(
        rule_id=rule.pk,
        version_id=version.pk,
        version=version.number,
        code=rule.code,
        kind=Kind(rule.kind),
        name_en=rule.name_en,
        name_zh=rule.name_zh,
        numerator=version.points_numerator,
        denominator=version.points_denominator,
        is_half_up=version.rounding == RuleVersion.Rounding.HALF_UP,
        step_cents=version.step_cents,
        min_spend_cents=version.min_spend_cents,
        is_min_spend_on_net=version.is_min_spend_on_net,
        max_spend_cents=version.max_spend_cents,
        scope=_scope(version),
        schedule=_schedule(version),
        limit=_limit(version),
        budget_points=version.budget_points,
        stacking=Stacking(version.stacking),
        stacking_group=version.stacking_group,
        occasion=Occasion(version.occasion),
        takes_tier_factor=version.takes_tier_factor,
        hold_days=version.hold_days,
        excluded_categories=frozenset(version.excluded_categories),
        excluded_tenders=frozenset(version.excluded_tenders),
        excluded_items=frozenset(version.excluded_items),
    )


def _scope(version: RuleVersion) -> Scope:
    scope = Scope(
        malls=frozenset(version.malls),
        categories=frozenset(version.categories),
        stores=frozenset(version.stores),
        tiers=frozenset(version.tiers),
    )
    return ANYWHERE if scope == ANYWHERE else scope


def _schedule(version: RuleVersion) -> Schedule:
    schedule = Schedule(
        first_date=version.first_date,
        last_date=version.last_date,
        weekdays=frozenset(version.weekdays),
        from_time=version.from_time,
        to_time=version.to_time,
    )
    return ALWAYS if schedule == ALWAYS else schedule


def _limit(version: RuleVersion) -> Limit | None:
    if version.limit_amount is None:
        return None
    return Limit(
        amount=version.limit_amount,
        unit=Unit(version.limit_unit),
        period=Period(version.limit_period),
        is_per_mall=version.is_limit_per_mall,
    )
