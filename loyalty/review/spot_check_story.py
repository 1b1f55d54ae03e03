"""What the page of a spot check tells: both records and the evidence as on the duplicate desk, and the precision."""

from collections.abc import Iterable

from django.http import HttpRequest
from django.utils.translation import gettext as _

from loyalty.earning.models import DuplicateCase
from loyalty.review import case_story, spot_checks
from loyalty.review.models import SpotCheck
from loyalty.review.spot_checks import Precision
from pms import formats, scoping, story
from pms.story import Panel

KIND_TONES = {"NUMBER": "bad", "BLOCKED": "bad", "PASSED": "good"}
ANSWER_TONES = {"": "wait", "RIGHT": "good", "WRONG": "bad", "UNCLEAR": "quiet"}


@story.tells("review.spotcheck", 10)
def sides(request: HttpRequest, check: SpotCheck) -> Panel | None:
    return case_story.sides(request, _as_case(check))


@story.tells("review.spotcheck", 20)
def evidence(request: HttpRequest, check: SpotCheck) -> Panel | None:
    return case_story.evidence(request, _as_case(check))


@story.tells("review.spotcheck", 30)
def day(request: HttpRequest, check: SpotCheck) -> Panel | None:
    return case_story.day(request, _as_case(check))


@story.tells("review.spotcheck", 40)
def answer(request: HttpRequest, check: SpotCheck) -> Panel | None:
    if not check.answer:
        return None
    return story.facts(_("What was found"), [
        (_("Answer"), pill(check)),
        (_("Who"), check.answered_by),
        (_("When"), formats.moment(check.answered_at)),
        (_("Note"), check.note),
        (_("Case"), story.link(request, check.case) if check.case else formats.NOTHING),
    ], is_short=True)  # fmt: skip


@story.tells("review.spotcheck", 50)
def so_far(request: HttpRequest, _check: SpotCheck) -> Panel:
    return precision(spot_checks.precision(mall_ids=scoping.sight_of(request).mall_ids))


def precision(found: Iterable[Precision]) -> Panel:
    """By kind of verdict, with how many were checked and how sure that is."""
    headings = [
        (_("Verdict"), ""), (_("Drawn"), "number"), (_("Checked"), "number"), (_("Wrong"), "number"),
        (_("Can't tell"), "number"), (_("Right"), "number"), (_("95% sure between"), "number"),
    ]  # fmt: skip
    rows = [_row(one) for one in found if one.drawn]
    empty = _(
        "No verdict has been drawn yet. Each program says what share of its automatic verdicts people check."
    )
    panel = story.table(_("Precision of automatic verdicts"), headings, rows, empty=empty)
    panel.content["note"] = _("Of those drawn for a check. “Can't tell” counts on neither side.")
    return panel


def pill(check: SpotCheck) -> str:
    return formats.pill(ANSWER_TONES[check.answer], check.get_answer_display() or _("to be checked"))


def kind_pill(check: SpotCheck) -> str:
    return formats.pill(KIND_TONES[check.kind], check.get_kind_display())


def _row(one: Precision) -> tuple[object, ...]:
    return (
        formats.word(SpotCheck.Kind(one.kind).label), formats.number(one.drawn), formats.number(one.checked),
        formats.number(one.wrong), formats.number(one.unclear),
        formats.NOTHING if one.share is None else f"{one.share:.1%}", _between(one),
    )  # fmt: skip


def _between(one: Precision) -> str:
    if one.interval is None:
        return formats.NOTHING
    low, high = one.interval
    return f"{low:.1%} – {high:.1%}"


def _as_case(check: SpotCheck) -> DuplicateCase:
    """The pair as the desk's panels read it; never saved."""
    verdict = DuplicateCase.Verdict.NUMBER if check.kind == SpotCheck.Kind.NUMBER else check.kind
    return DuplicateCase(
        transaction=check.transaction,
        earlier=check.earlier,
        verdict=verdict,
        score=check.score,
        parts=check.parts,
    )
