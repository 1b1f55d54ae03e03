"""What the pages of a rule, a rule version, a refund and a possible duplicate tell."""

from collections.abc import Sequence

from django.http import HttpRequest
from django.utils.translation import gettext as _

from loyalty.earning import reasons, rule_sentences
from loyalty.earning.models import DuplicateCase, Refund, Rule, RuleVersion, Transaction
from pms import formats, story
from pms.story import Panel


@story.tells("earning.rule", 10)
def rule(request: HttpRequest, one: Rule) -> Panel:
    newest = one.versions.order_by("-number").first()
    said = rule_sentences.both(newest) if newest else [_("No version has been published."), ""]
    content = {"reasons": [tuple(said)]}
    return Panel(title=_("What it pays now"), template="why", content=content)


@story.tells("earning.rule", 20)
def versions(request: HttpRequest, one: Rule) -> Panel:
    headings = [(_("Version"), ""), (_("In force from"), ""), (_("Published"), ""), (_("What it pays"), "")]
    rows = [_version_row(request, version) for version in one.versions.order_by("-number")]
    return story.table(_("Versions"), headings, rows, empty=_("No version has been published."))


@story.tells("earning.ruleversion", 10)
def version(request: HttpRequest, one: RuleVersion) -> Panel:
    return Panel(
        title=_("What it pays"), template="why", content={"reasons": [tuple(rule_sentences.both(one))]}
    )


@story.tells("earning.ruleversion", 20)
def figures(request: HttpRequest, one: RuleVersion) -> Panel:
    ceiling = formats.NOTHING if one.max_spend_cents is None else formats.money(one.max_spend_cents)
    return story.facts(_("Its figures, frozen"), [
        (_("Rule"), story.link(request, one.rule, formats.name_of(one.rule))),
        (_("Version"), one.number),
        (_("In force from"), in_force_from(one)),
        (_("Published"), formats.moment(one.published_at)),
        (_("Rate"), f"{one.points_numerator} / HK${one.points_denominator}"),
        (_("Rounding"), formats.word(one.get_rounding_display())),
        (_("Minimum spend"), formats.money(one.min_spend_cents)),
        (_("Minimum judged on the net"), _("yes") if one.is_min_spend_on_net else _("no")),
        (_("Ceiling per transaction"), ceiling),
    ])  # fmt: skip


@story.tells("earning.refund", 10)
def refund(request: HttpRequest, one: Refund) -> Panel:
    said = list(
        zip(reasons.sentences(one.reasons, "en"), reasons.sentences(one.reasons, "zh-hant"), strict=True)
    )
    return Panel(title=_("What the refund took"), template="why", content={"reasons": said})


@story.tells("earning.refund", 20)
def refund_facts(request: HttpRequest, one: Refund) -> Panel:
    return story.facts(_("Refund"), [
        (_("Amount"), formats.big(formats.money(one.amount_cents, one.transaction.currency))),
        (_("Points taken back"), formats.big(formats.signed(-one.points))),
        (_("Not collected"), formats.number(one.uncollected)),
        (_("Transaction"), story.link(request, one.transaction, one.transaction.payment_number)),
        (_("Refund number"), formats.identifier(one.number)),
        (_("Refunded"), formats.moment(one.refunded_at)),
        (_("Recorded"), formats.moment(one.recorded_at)),
    ])  # fmt: skip


@story.tells("earning.duplicatecase", 10)
def duplicate(request: HttpRequest, one: DuplicateCase) -> Panel:
    """The earlier record is shown only to those who see its mall."""
    seen = story.visible(request, Transaction).filter(pk=one.earlier_id).first()
    headings = [(_("Fact"), ""), (_("This record"), ""), (_("Earlier record"), "")]
    ours = _record(request, one.transaction)
    theirs: Sequence[object] = _record(request, seen) if seen else [_("of another mall")] * len(ours)
    labels = [_("Number"), _("Amount"), _("Store"), _("Member"), _("Paid"), _("Channel")]
    return story.table(_("Side by side"), headings, zip(labels, ours, theirs, strict=True), empty="")


def in_force_from(one: RuleVersion) -> str:
    return _("the beginning") if one.effective_at.year <= 2000 else formats.moment(one.effective_at)


def _record(request: HttpRequest, one: Transaction) -> list[object]:
    return [
        story.link(request, one, one.payment_number or one.receipt_number or f"#{one.pk}"),
        formats.money(one.amount_cents, one.currency), formats.name_of(one.store) if one.store else formats.NOTHING,
        story.link(request, one.member), formats.moment(one.paid_at), formats.word(one.get_channel_display()),
    ]  # fmt: skip


def _version_row(request: HttpRequest, one: RuleVersion) -> list[object]:
    said = rule_sentences.sentence(one, "zh-hant" if formats.is_chinese() else "en")
    return [story.link(request, one, one.number), in_force_from(one), formats.moment(one.published_at), said]
