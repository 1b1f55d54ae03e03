"""What the page of a possible duplicate tells: both records, the evidence, the member's day, and what was decided.

The earlier record is shown only to those who see its mall.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.http import HttpRequest
from django.utils.html import strip_tags
from django.utils.translation import gettext as _

from loyalty.earning import likeness, settlement, transaction_story
from loyalty.earning.models import DuplicateCase, Transaction
from loyalty.review import cases
from loyalty.review.models import Decision
from pms import formats, story
from pms.clock import HONG_KONG
from pms.story import Panel

TONES = {"OPEN": "wait", "ASKED": "news", "SAME": "bad", "DIFFERENT": "good"}
DONE_TONES = {"HELD": "wait", "FLAGGED": "warn", "BLOCKED": "bad", "NUMBER": "bad", "CONFLICT": "warn"}
MOST_SHOWN = 30
DAY = timedelta(days=1)


def is_visible(request: HttpRequest, purchase: Transaction) -> bool:
    return bool(story.visible(request, Transaction).filter(pk=purchase.pk).exists())


def sees_earlier(request: HttpRequest, case: DuplicateCase) -> bool:
    """Whether points of the earlier purchase may be told: that record's, and those of the one that keeps it now."""
    return all(is_visible(request, one) for one in {case.earlier, cases.rival_of(case)})


@story.tells("earning.duplicatecase", 10)
def sides(request: HttpRequest, case: DuplicateCase) -> Panel:
    is_seen = is_visible(request, case.earlier)
    ours, theirs = _side(request, case.transaction), _side(request, case.earlier)
    telling = set(_telling(case)) if is_seen else set()
    rows = [
        {"label": label, "ours": one, "theirs": other if is_seen else _("of another mall"),
         "differs": strip_tags(str(one)) != strip_tags(str(other)) or not is_seen, "is_telling": label in telling}
        for (label, one), (_label, other) in zip(ours, theirs, strict=True)
    ]  # fmt: skip
    return Panel(title=_("Side by side"), template="sides", content={"rows": rows})


def _telling(case: DuplicateCase) -> Iterator[object]:
    """What would be the same if the purchase were; two records of anything differ in the rest."""
    ours, theirs = case.transaction, case.earlier
    if ours.member_id != theirs.member_id:
        yield _("Member")
    if (ours.amount_cents, ours.currency) != (theirs.amount_cents, theirs.currency):
        yield _("Amount")
    if ours.store_id != theirs.store_id:
        yield _("Store")
    if ours.paid_at != theirs.paid_at:
        yield _("Paid")
    if ours.tender and theirs.tender and ours.tender != theirs.tender:
        yield _("Paid with")


def _side(request: HttpRequest, one: Transaction) -> list[tuple[object, object]]:
    number = one.payment_number or one.receipt_number or one.acquirer_number or f"#{one.pk}"
    state = formats.pill(transaction_story.TONES[one.state], one.get_state_display())
    return [
        (_("Record"), story.link(request, one, number)),
        (_("Member"), story.link(request, one.member)),
        (_("Amount"), formats.money(one.amount_cents, one.currency)),
        (_("Paid"), formats.moment(one.paid_at)),
        (_("Store"), formats.name_of(one.store) if one.store else formats.NOTHING),
        (_("Paid with"), one.tender or formats.NOTHING),
        (_("Channel"), formats.word(one.get_channel_display())),
        (_("Mall"), formats.name_of(one.mall)),
        (_("Recorded"), formats.moment(one.recorded_at)),
        (_("State"), state),
        (_("Points it keeps"), formats.number(settlement.worth_now(one))),
    ]


@story.tells("earning.duplicatecase", 20)
def evidence(_request: HttpRequest, case: DuplicateCase) -> Panel:
    if not case.parts:
        return Panel(title=_("Why it was stopped"), template="evidence", content={"said": _same_number(case)})
    return likeness_panel(score=case.score, parts=case.parts)


def likeness_panel(*, score: int, parts: Sequence[dict[str, Any]]) -> Panel:
    """The score as a bar, and its parts in words."""
    content = {"score": score, "bars": list(_bars(score, parts)), "parts": [_part(part) for part in parts]}
    return Panel(title=_("How alike they are"), template="evidence", content=content)


def _same_number(case: DuplicateCase) -> str:
    if case.verdict != DuplicateCase.Verdict.CONFLICT:
        return _("Both carry the same number and say the same.")
    ours, theirs = case.transaction, case.earlier
    said = [_("Both carry the same number.")]
    if ours.member_id != theirs.member_id:
        said.append(_("Another member claims it."))
    if (ours.amount_cents, ours.currency) != (theirs.amount_cents, theirs.currency):
        said.append(_("The amounts differ."))
    if ours.store_id and theirs.store_id and ours.store_id != theirs.store_id:
        said.append(_("The stores differ."))
    return " ".join(said)


def _bars(score: int, parts: Sequence[dict[str, Any]]) -> Iterator[dict[str, object]]:
    """Where each piece of evidence stands on a bar of 100; what counts against ends at the score."""
    start = 0
    for place, part in enumerate(parts):
        points = int(part["points"])
        if points > 0:
            yield {"x": start, "width": min(points, 100 - start), "place": place % 5}
            start = min(100, start + points)
    if start > score:
        yield {"x": score, "width": start - score, "place": "minus"}


def _part(part: dict[str, Any]) -> dict[str, object]:
    language = "zh-hant" if formats.is_chinese() else "en"
    return {"points": formats.signed(part["points"]), "said": likeness.sentence(part, language)}


@story.tells("earning.duplicatecase", 30)
def day(request: HttpRequest, case: DuplicateCase) -> Panel:
    """All that both members paid on that day in Hong Kong, in the malls the reader sees."""
    start = case.transaction.paid_at.astimezone(HONG_KONG).replace(hour=0, minute=0, second=0, microsecond=0)
    members = {case.transaction.member_id, case.earlier.member_id}
    seen = story.visible(request, Transaction).filter(
        member__in=members, paid_at__gte=start, paid_at__lt=start + DAY
    )
    rows = seen.select_related("store", "member").order_by("paid_at", "pk")[:MOST_SHOWN]
    shown = [_moment(request, one, case, start) for one in rows]
    return Panel(
        title=_("The member's day"), template="day", content={"rows": shown, "hours": range(0, 25, 6)}
    )


def _moment(
    request: HttpRequest, one: Transaction, case: DuplicateCase, start: datetime
) -> dict[str, object]:
    minutes = int((one.paid_at - start).total_seconds() // 60)
    names = {case.transaction_id: _("this record"), case.earlier_id: _("earlier record")}
    return {
        "x": round(minutes / 14.4, 2),
        "time": f"{one.paid_at.astimezone(HONG_KONG):%H:%M}",
        "amount": formats.money(one.amount_cents, one.currency),
        "store": story.link(request, one, formats.name_of(one.store) if one.store else formats.NOTHING),
        "channel": one.get_channel_display(),
        "state": formats.pill(transaction_story.TONES[one.state], one.get_state_display()),
        "role": names.get(one.pk, ""),
        "tone": {case.transaction_id: "warn", case.earlier_id: "news"}.get(one.pk, "quiet"),
        "member": "" if one.member_id == case.transaction.member_id else str(one.member),
    }


@story.tells("earning.duplicatecase", 40)
def history(request: HttpRequest, case: DuplicateCase) -> Panel:
    is_told = sees_earlier(request, case)
    rows = [
        (
            formats.moment(one.decided_at), formats.word(one.get_answer_display()), str(one.decided_by),
            one.note or formats.NOTHING,
            _change(one.points_before, one.points_after),
            _change(one.earlier_points_before, one.earlier_points_after) if is_told else _("of another mall"),
        )
        for one in Decision.objects.filter(case=case).select_related("decided_by").order_by("-pk")
    ]  # fmt: skip
    headings = [
        (_("When"), ""), (_("Answer"), ""), (_("Who"), ""), (_("Note"), ""), (_("Points of this record"), "number"),
        (_("Points of the earlier record"), "number"),
    ]  # fmt: skip
    opened = formats.sentence(_("Opened %(when)s."), when=formats.moment(case.opened_at))
    return story.table(_("What was decided"), headings, rows, empty=opened)


def _change(before: int, after: int) -> str:
    return f"{formats.number(before)} → {formats.number(after)}"


@story.tells("earning.transaction", 50)
def of_transaction(request: HttpRequest, purchase: Transaction) -> Panel | None:
    """On the page of a transaction: cases it is in, either way, and points moved since."""
    found = (
        story.visible(request, DuplicateCase)
        .filter(pk__in=_ids(purchase))
        .select_related("transaction", "earlier")
    )
    rows = [
        (
            story.link(request, case, f"#{case.pk}"),
            formats.pill(DONE_TONES[case.verdict], case.get_verdict_display()),
            formats.number(case.score),
            formats.pill(TONES[case.state], case.get_state_display()),
            formats.moment(case.decided_at or case.opened_at),
        )
        for case in found.order_by("pk")
    ]
    if not rows:
        return None
    headings = [
        (_("Case"), ""),
        (_("At once"), ""),
        (_("Score"), "number"),
        (_("State"), ""),
        (_("When"), ""),
    ]
    panel = story.table(_("Possible duplicates"), headings, rows, empty="")
    kept = formats.points(settlement.worth_now(purchase))
    panel.content["note"] = _("The transaction keeps %(points)s now.") % {"points": kept}
    return panel


def _ids(purchase: Transaction) -> list[int]:
    own = DuplicateCase.objects.filter(transaction=purchase).values_list("pk", flat=True)
    later = DuplicateCase.objects.filter(earlier=purchase).values_list("pk", flat=True)
    return [*own, *later[:MOST_SHOWN]]
