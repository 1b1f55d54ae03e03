"""What the page of a transaction tells: what it was, why these points, its refunds, its numbers, its postings."""

from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext as _

from loyalty.earning import reasons, rule_sentences
from loyalty.earning.models import Award, NumberClaim, Refund, RuleVersion, Transaction
from loyalty.ledger.models import PointEntry
from pms import formats, story
from pms.story import Panel

TONES = {
    "EARNED": "good", "NOTHING": "quiet", "HELD": "wait", "FLAGGED": "warn", "PARKED": "wait", "DUPLICATE": "bad",
}  # fmt: skip

# Conditions whose finding is an amount.
MONEY = ("SPENT_SOMETHING", "MIN_SPEND")


@story.tells("earning.transaction", 10)
def what(request: HttpRequest, purchase: Transaction) -> Panel:
    award = award_of(purchase)
    store = (
        story.link(request, purchase.store, formats.name_of(purchase.store))
        if purchase.store
        else _reported(purchase)
    )
    return story.facts(_("What happened"), [
        (_("Amount"), formats.big(formats.money(purchase.amount_cents, purchase.currency))),
        (_("Points"), formats.big(formats.signed(award.points) if award else formats.NOTHING)),
        (_("Member"), story.link(request, purchase.member)),
        (_("Store"), store),
        (_("Mall"), formats.name_of(purchase.mall)),
        (_("Channel"), formats.word(purchase.get_channel_display())),
        (_("Paid"), formats.moment(purchase.paid_at)),
        (_("Recorded"), formats.moment(purchase.recorded_at)),
    ])  # fmt: skip


@story.tells("earning.transaction", 20)
def why(request: HttpRequest, purchase: Transaction) -> Panel:
    award = award_of(purchase)
    if award is None:
        stored = [reasons.reason(_unjudged_code(purchase))]
        return Panel(title=_("Why no points yet"), template="why", content={"reasons": _both(stored)})
    content = {
        "reasons": _both(award.reasons),
        "conditions": [_condition(row) for row in award.conditions],
        "sum": _sum(award, award.rule_version) if award.points and award.rule_version else "",
        "rule": _rule(award.rule_version) if award.rule_version else "",
    }
    return Panel(title=_("Why these points"), template="why", content=content, key="why")


@story.tells("earning.transaction", 30)
def refunds(request: HttpRequest, purchase: Transaction) -> Panel:
    headings = [(_("Refunded"), ""), (_("Refund number"), ""), (_("Amount"), "number"),
                (_("Points taken back"), "number"),
                (_("Not collected"), "number"), (_("Why"), "")]  # fmt: skip
    rows = [
        _refund_row(refund, purchase.currency) for refund in purchase.refunds.order_by("refunded_at", "pk")
    ]
    return story.table(_("Refunds"), headings, rows, empty=_("Nothing was refunded."))


@story.tells("earning.transaction", 40)
def numbers(request: HttpRequest, purchase: Transaction) -> Panel:
    claimed = {claim.kind for claim in purchase.claims.all()}
    labels = dict(NumberClaim.Kind.choices)
    rows = [
        (formats.word(labels[NumberClaim.Kind(kind)]), formats.identifier(number), _holder(kind in claimed))
        for kind, number in purchase.numbers.items()
    ]
    headings = [(_("Kind"), ""), (_("Number"), ""), (_("Held by"), "")]
    return story.table(_("Numbers it is known by"), headings, rows, empty=_("It came without a number."))


@story.tells("earning.transaction", 60)
def postings(request: HttpRequest, purchase: Transaction) -> Panel:
    award = award_of(purchase)
    ids = [award.posting_id] if award and award.posting_id else []
    ids += [refund.posting_id for refund in purchase.refunds.all() if refund.posting_id]
    entries = PointEntry.objects.filter(posting__in=ids).select_related(
        "posting", "account__member", "account__program"
    )
    headings = [(_("Posted"), ""), (_("Posting"), ""), (_("Account"), ""), (_("Points"), "number")]
    rows = [_entry_row(request, entry) for entry in entries.order_by("posting_id", "pk")]
    return story.table(_("Postings"), headings, rows, empty=_("No points were posted."))


@story.tells("members.member", 30)
def recent(request: HttpRequest, member: Any) -> Panel:
    seen = story.visible(request, Transaction).filter(member=member)
    rows = [recent_row(request, purchase) for purchase in seen.order_by("-paid_at")[:10]]
    headings = [
        (_("Paid"), ""),
        (_("Number"), ""),
        (_("Store"), ""),
        (_("Amount"), "number"),
        (_("Points"), "number"),
        (_("State"), ""),
    ]
    return story.table(_("Latest transactions"), headings, rows, empty=_("No purchase in your malls yet."))


def recent_row(request: HttpRequest, purchase: Transaction) -> list[object]:
    award = award_of(purchase)
    return [
        formats.moment(purchase.paid_at),
        story.link(
            request, purchase, purchase.payment_number or purchase.receipt_number or f"#{purchase.pk}"
        ),
        formats.name_of(purchase.store) if purchase.store else _reported(purchase),
        formats.money(purchase.amount_cents, purchase.currency),
        formats.signed(award.points) if award else formats.NOTHING,
        formats.pill(TONES[purchase.state], purchase.get_state_display()),
    ]


def award_of(purchase: Transaction) -> Award | None:
    return getattr(purchase, "award", None)


def _reported(purchase: Transaction) -> str:
    words = " · ".join(filter(None, (purchase.merchant_name, purchase.store_label, purchase.merchant_id)))
    return _("unknown: %(reported)s") % {"reported": words or formats.NOTHING}


def _unjudged_code(purchase: Transaction) -> str:
    if purchase.state == Transaction.State.PARKED:
        return "PARKED_UNKNOWN_STORE"
    return "HELD_AS_DUPLICATE" if purchase.state == Transaction.State.HELD else "CONFIRMED_DUPLICATE"


def _both(stored: list[dict[str, object]]) -> list[tuple[str, str]]:
    return list(zip(reasons.sentences(stored, "en"), reasons.sentences(stored, "zh-hant"), strict=True))


def _condition(row: dict[str, object]) -> dict[str, object]:
    labels = {
        "MEMBER_OPEN": _("The membership is open"),
        "CONSENT": _("Consent to share payments"),
        "CURRENCY": _("Paid in Hong Kong dollars"),
        "STORE_TAKES_PART": _("The store takes part"),
        "RULE_IN_FORCE": _("A rule was in force"),
        "SPENT_SOMETHING": _("Something was spent"),
        "MIN_SPEND": _("Minimum spend"),
    }
    name = str(row["condition"])
    return {
        "label": labels.get(name, name),
        "is_met": row["is_met"],
        "found": _found(row.get("found"), name in MONEY),
    }


def _found(found: object, is_money: bool) -> str:
    words = {
        "True": _("yes"), "False": _("no"), "in force": _("in force"), "none in force": _("none in force"),
        "within the joining grace": _("within the joining grace"), "before joining": _("before joining"),
    }  # fmt: skip
    text = str(found)
    return f"HK${text}" if is_money else words.get(text, text)


def _sum(award: Award, version: RuleVersion) -> str:
    return _("%(counted)s counted × %(numerator)s ÷ HK$%(denominator)s = %(points)s") % {
        "counted": formats.money(award.counted_cents),
        "numerator": version.points_numerator,
        "denominator": version.points_denominator,
        "points": formats.points(award.points),
    }


def _rule(version: RuleVersion) -> str:
    english, chinese = rule_sentences.both(version)
    said = chinese if formats.is_chinese() else english
    return _("%(rule)s, version %(number)s: %(sentence)s") % {
        "rule": formats.name_of(version.rule), "number": version.number, "sentence": said,
    }  # fmt: skip


def _refund_row(refund: Refund, currency: str) -> list[object]:
    said = reasons.sentences(refund.reasons, "zh-hant" if formats.is_chinese() else "en")
    return [
        formats.moment(refund.refunded_at), formats.identifier(refund.number),
        formats.money(refund.amount_cents, currency),
        formats.signed(-refund.points), formats.number(refund.uncollected), " ".join(said),
    ]  # fmt: skip


def _holder(is_ours: bool) -> str:
    if is_ours:
        return formats.pill("good", _("this transaction"))
    return formats.pill("bad", _("an earlier transaction"))


def _entry_row(request: HttpRequest, entry: PointEntry) -> list[object]:
    account = entry.account
    name = story.link(request, account.member) if account.member else formats.word(account.get_kind_display())
    posting = story.link(request, entry.posting, formats.word(entry.posting.get_kind_display()))
    return [formats.moment(entry.posting.posted_at), posting, name, formats.signed(entry.points)]
