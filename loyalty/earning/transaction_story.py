"""What the page of a transaction tells: what it was, why these points, its refunds, its numbers, its postings."""

from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext as _

from loyalty.earning import explanation, reasons, rule_sentences, standing, transaction_document
from loyalty.earning.explanation import Explained
from loyalty.earning.models import Award, Correction, NumberClaim, Refund, RuleVersion, Transaction
from loyalty.earning.rule_terms import Kind
from loyalty.ledger.models import PointEntry
from pms import formats, scoping, store_history, store_story, story
from pms.models import Store
from pms.story import Panel

TONES = {
    "EARNED": "good", "NOTHING": "quiet", "HELD": "wait", "FLAGGED": "warn", "PARKED": "wait", "DUPLICATE": "bad",
}  # fmt: skip
KINDS = {"TAKE": "bad", "GIVE": "good"}


@story.tells("earning.transaction", 10)
def what(request: HttpRequest, purchase: Transaction) -> Panel:
    award = award_of(purchase)
    held = award.pending_points if award and standing.judgement_of(purchase) == award else 0
    return story.facts(_("What happened"), [
        (_("Amount"), formats.big(formats.money(purchase.amount_cents, purchase.currency))),
        (_("Points"), formats.big(formats.signed(standing.earned(purchase)) if award else formats.NOTHING)),
        *([(_("Of these on hold"), formats.points(held))] if held else []),
        (_("Member"), story.link(request, purchase.member)),
        (_("Store"), _store(request, purchase.store, purchase) if purchase.store else _reported(purchase)),
        (_("Mall"), formats.name_of(purchase.mall)),
        (_("Channel"), formats.word(purchase.get_channel_display())),
        *([(_("Entered by"), purchase.entered_by)] if purchase.entered_by_id else []),
        (_("Paid"), formats.moment(purchase.paid_at)),
        (_("Recorded"), formats.moment(purchase.recorded_at)),
    ])  # fmt: skip


# What a page says of a store beside its name; names are compared in the reader's language.
TOLD = ("code", "category", "floor", "unit")


def _store(request: HttpRequest, store: Store, purchase: Transaction) -> str:
    """As it was when it was paid, or else when that was recorded; and what it is now where that is something else."""
    then = store_history.as_of(store, purchase.paid_at) or store_history.as_of(store, purchase.recorded_at)
    if then is None:
        return story.link(request, store, formats.name_of(store))
    past, changed = Store(**then.fields), then.differing(store)
    name, now = formats.name_of(past), formats.name_of(store)
    if not _is_seen(request, store):
        # It has left for a mall that the reader does not see: no more than where it went.
        return formats.two_lines(name, _("now: %(what)s") % {"what": formats.name_of(store.mall)})
    differs = [now] if name != now else []
    differs += store_story.shown_fields((field, getattr(store, field)) for field in TOLD if field in changed)
    differs += [formats.name_of(store.mall)] if store.mall_id != purchase.mall_id else []
    differs += [_("merged into %(store)s") % {"store": store.merged_into}] if store.merged_into else []
    link = story.link(request, store, name)
    return formats.two_lines(link, _("now: %(what)s") % {"what": ", ".join(differs)}) if differs else link


def _is_seen(request: HttpRequest, store: Store) -> bool:
    sight = scoping.sight_of(request)
    return sight.is_everything or store.mall_id in sight.mall_ids


@story.tells("earning.transaction", 20)
def why(request: HttpRequest, purchase: Transaction) -> Panel:
    judged = standing.judgement_of(purchase)
    if judged is None:
        stored = [reasons.reason(transaction_document.unjudged_code(purchase))]
        return Panel(
            title=_("Why no points yet"), template="why", content={"reasons": explanation.both(stored)}
        )
    one = explanation.of(judged)
    met = transaction_document.conditions(judged, one)
    version = _version(judged, one)
    content = {
        "reasons": explanation.both(judged.reasons),
        "conditions": explanation.conditions(met),
        "rules": explanation.rule_conditions(met, one),
        "rule": _rule(version) if version else "",
    }
    return Panel(title=_("Why these points"), template="why", content=content, key="why")


@story.tells("earning.transaction", 22)
def lines(request: HttpRequest, purchase: Transaction) -> Panel | None:
    judged = standing.judgement_of(purchase)
    one = explanation.of(judged) if judged else None
    return explanation.lines(request, one) if one and one.judgement.points else None


@story.tells("earning.transaction", 24)
def limits(request: HttpRequest, purchase: Transaction) -> Panel | None:
    judged = standing.judgement_of(purchase)
    one = explanation.of(judged) if judged else None
    return explanation.limits(request, one) if one else None


@story.tells("earning.transaction", 26)
def corrections(_request: HttpRequest, purchase: Transaction) -> Panel | None:
    """What decisions of staff moved since: duplicates, and stores mapped wrongly."""
    language = "zh-hant" if formats.is_chinese() else "en"
    rows = [
        [formats.moment(one.corrected_at), formats.pill(KINDS[one.kind], one.get_kind_display()),
         formats.signed(one.points), formats.number(one.uncollected),
         " ".join(reasons.sentences(one.reasons, language))]
        for one in purchase.corrections.order_by("pk")
    ]  # fmt: skip
    headings = [
        (_("Corrected"), ""), (_("Kind"), ""), (_("Points"), "number"), (_("Not collected"), "number"), (_("Why"), ""),
    ]  # fmt: skip
    return story.table(_("Corrections"), headings, rows, empty="") if rows else None


@story.tells("earning.transaction", 30)
def refunds(request: HttpRequest, purchase: Transaction) -> Panel:
    headings = [
        (_("Refunded"), ""), (_("Refund number"), ""), (_("Amount"), "number"), (_("Of usable points"), "number"),
        (_("Of points on hold"), "number"), (_("Not collected"), "number"), (_("Why"), ""),
    ]  # fmt: skip
    found = list(purchase.refunds.order_by("refunded_at", "pk"))
    held = explanation.taken_from_hold(found)
    rows = [_refund_row(refund, purchase.currency, held.get(refund.pk, 0)) for refund in found]
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
    ids += [one.posting_id for one in purchase.corrections.all() if one.posting_id]
    entries = PointEntry.objects.filter(posting__in=ids).select_related(
        "posting", "account__member", "account__program"
    )
    headings = [(_("Posted"), ""), (_("Posting"), ""), (_("Account"), ""), (_("Points"), "number")]
    rows = [_entry_row(request, entry) for entry in entries.order_by("posting_id", "pk")]
    return story.table(_("Postings"), headings, rows, empty=_("No points were posted."))


@story.tells("members.member", 30)
def recent(request: HttpRequest, member: Any) -> Panel:
    seen = story.visible(request, Transaction).filter(member=member)
    rows = [
        recent_row(request, purchase)
        for purchase in seen.prefetch_related("corrections").order_by("-paid_at")[:10]
    ]
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
        formats.signed(standing.earned(purchase)) if award else formats.NOTHING,
        formats.pill(TONES[purchase.state], purchase.get_state_display()),
    ]


def award_of(purchase: Transaction) -> Award | None:
    return getattr(purchase, "award", None)


def _reported(purchase: Transaction) -> str:
    words = " · ".join(filter(None, (purchase.merchant_name, purchase.store_label, purchase.merchant_id)))
    return _("unknown: %(reported)s") % {"reported": words or formats.NOTHING}


def _version(judged: Award | Correction, one: Explained | None) -> RuleVersion | None:
    """The version of the base rule it was judged by."""
    if isinstance(judged, Award):
        return judged.rule_version
    base = next((terms.version_id for terms in one.ruleset if terms.kind == Kind.BASE), None) if one else None
    return RuleVersion.objects.select_related("rule").filter(pk=base or 0).first()


def _rule(version: RuleVersion) -> str:
    english, chinese = rule_sentences.both(version)
    said = chinese if formats.is_chinese() else english
    return _("%(rule)s, version %(number)s: %(sentence)s") % {
        "rule": formats.name_of(version.rule), "number": version.number, "sentence": said,
    }  # fmt: skip


def _refund_row(refund: Refund, currency: str, held: int) -> list[object]:
    said = reasons.sentences(refund.reasons, "zh-hant" if formats.is_chinese() else "en")
    return [
        formats.moment(refund.refunded_at), formats.identifier(refund.number),
        formats.money(refund.amount_cents, currency),
        formats.signed(held - refund.points), formats.signed(-held), formats.number(refund.uncollected), " ".join(said),
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
