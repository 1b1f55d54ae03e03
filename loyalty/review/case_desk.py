"""The duplicate desk: a queue, oldest first, and one screen per case, on which one key decides and one undoes."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.db import OperationalError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from loyalty.earning.models import DuplicateCase
from loyalty.review import case_story, cases
from loyalty.review.cases import (
    AlreadyDecided,
    CaseRefused,
    EarlierIsOpen,
    HeldByAnother,
    KeptByAnother,
    MembershipOver,
    NotDecided,
    NotIdentical,
    StoreUnknown,
    Together,
    TooMany,
)
from loyalty.review.models import Decision
from loyalty.review.pattern_screens import PatternFilter, PatternPages
from loyalty.review.report_screens import ReportPages
from pms import clock, formats, scoping
from pms.filters import OpenFilter
from pms.records import Deed, RecordAdmin, Refused, login_of, pill_by

CHANGE = "earning.change_duplicatecase"
BUSY = gettext_lazy("Somebody else holds it right now. Nothing was changed; try again.")
WHY_NOT = {
    NotDecided: gettext_lazy("The case is open, so there is nothing to undo."),
    EarlierIsOpen: gettext_lazy(
        "The earlier record has an open case of its own. Decide that one first; nothing was changed."
    ),
    StoreUnknown: gettext_lazy(
        "The store is not known yet, so no rule can say what the purchase earns. Map the store first."
    ),
    MembershipOver: gettext_lazy(
        "The member whose points would come back has left, and a closed account gets none. Nothing was changed."
    ),
    NotIdentical: gettext_lazy(
        "These cases rest on different evidence, so they cannot be decided together. Nothing was changed."
    ),
    TooMany: gettext_lazy("At most 500 cases are decided together. Choose fewer; nothing was changed."),
    HeldByAnother: BUSY,
}
MOST_NAMED = 5
ANSWERS = ("same", "different", "ask")
WHOLE = (
    "transaction__member__program", "transaction__store", "transaction__mall",
    "earlier__member", "earlier__store", "earlier__mall", "assignee", "decided_by",
)  # fmt: skip
KEYS = {"same": "S", "different": "D", "ask": "A", "reopen": "U"}


def _decided(answer: str) -> Callable[[HttpRequest, DuplicateCase], object]:
    def do(request: HttpRequest, case: DuplicateCase) -> object:
        note = request.POST.get("typed", "")[:255]
        decision = _tried(cases.decide, case=case, answer=answer, by=login_of(request), note=note)
        return _said(decision)

    return do


def _reopened(request: HttpRequest, case: DuplicateCase) -> object:
    note = request.POST.get("typed", "")[:255]
    return _said(_tried(cases.reopen, case=case, by=login_of(request), note=note))


def _tried(act: Callable[..., Decision], **options: Any) -> Decision:
    try:
        return act(now=clock.now(), **options)
    except CaseRefused as refusal:
        raise Refused(said_no(refusal)) from refusal
    except OperationalError as error:
        raise Refused(str(BUSY)) from error


def said_no(refusal: CaseRefused) -> str:
    """Who was faster is named, so that the second can ask."""
    if isinstance(refusal, KeptByAnother):
        return _(
            "Case #%(case)s decided that this record is one purchase with another, which keeps the points. Undo that"
            " case first; nothing was changed."
        ) % {"case": refusal.case_id}
    if not isinstance(refusal, AlreadyDecided):
        return str(WHY_NOT[type(refusal)])
    case = refusal.case
    who = str(case.decided_by) if case.decided_by else _("the program's rules")
    return _("%(who)s has decided “%(answer)s” meanwhile. Nothing was changed.") % {
        "who": who, "answer": case.get_state_display(),
    }  # fmt: skip


def _said(decision: Decision) -> str:
    words = {
        Decision.Answer.SAME: _("Decided: the same purchase."),
        Decision.Answer.DIFFERENT: _("Decided: two purchases."),
        Decision.Answer.ASK: _("It is yours now, and stays open."),
        Decision.Answer.REOPEN: _("Open again, with points as they were."),
    }
    change = decision.points_after - decision.points_before
    change += decision.earlier_points_after - decision.earlier_points_before
    moved = _("%(points)s points in all.") % {"points": formats.signed(change)}
    return f"{words[Decision.Answer(decision.answer)]} {moved if change else _('No points moved.')}"


def _is_waiting(case: DuplicateCase) -> bool:
    return case.is_waiting


def _is_decided(case: DuplicateCase) -> bool:
    return not case.is_waiting


class DuplicateCaseAdmin(ReportPages, PatternPages, RecordAdmin):
    screen_name = gettext_lazy("Duplicates")
    mall_path = "mall"
    list_display = ("record", "opened", "member_name", "amount", "done", "state_pill")
    list_select_related = ("transaction__member", "transaction__store", "assignee")
    list_filter = (OpenFilter, "verdict", ("mall", scoping.ScopedFilter), PatternFilter)
    search_fields = ("=transaction__payment_number", "=transaction__receipt_number")
    search_help_text = gettext_lazy("Bill number, in full")
    ordering = ("-opened_at",)
    sortable_by = ()
    open_since = "opened_at"
    actions = ("same_together", "different_together")
    empty_words = gettext_lazy(
        "No duplicates waiting. A purchase that looks like an earlier one appears here, with what both have in common."
    )
    deeds = (
        Deed(name="same", label=gettext_lazy("Same purchase"), permission=CHANGE, do=_decided(Decision.Answer.SAME),
             is_offered=_is_waiting),
        Deed(name="different", label=gettext_lazy("Different"), permission=CHANGE,
             do=_decided(Decision.Answer.DIFFERENT), is_offered=_is_waiting),
        Deed(name="ask", label=gettext_lazy("Ask"), permission=CHANGE, do=_decided(Decision.Answer.ASK),
             is_offered=_is_waiting, is_main=lambda _case: False),
        Deed(name="reopen", label=gettext_lazy("Undo"), permission=CHANGE, do=_reopened, is_offered=_is_decided,
             is_main=lambda _case: False),
    )  # fmt: skip

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """With all that its page shows; the list, which PostgreSQL has to plan each time, joins what it shows."""
        found: Any = super().get_object(request, object_id, from_field)
        return found and self.get_queryset(request).select_related(*WHOLE).get(pk=found.pk)

    def open_rows(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        return rows.filter(state__in=DuplicateCase.WAITING)

    def has_decide_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(CHANGE)

    def deed_view(self, request: HttpRequest, object_id: str, name: str) -> HttpResponse:
        """Who presses an answer that somebody else has given meanwhile is told who that was."""
        if request.method == "POST" and name in ANSWERS and request.user.has_perm(CHANGE):
            case: Any = self._visible_thing(request, object_id)
            if not case.is_waiting:
                messages.error(request, said_no(AlreadyDecided(case)))
                return self._page(request, case, typed=request.POST.get("typed", ""))
        return super().deed_view(request, object_id, name)

    def _page(self, request: HttpRequest, thing: Any, typed: str = "") -> HttpResponse:
        page = super()._page(request, thing, typed)
        assert isinstance(page, TemplateResponse)  # as RecordAdmin makes it
        page.template_name = "admin/case.html"
        assert page.context_data is not None
        page.context_data |= {
            "answers": [self._answer(request, thing, *deed) for deed in page.context_data["deeds"]],
            "decided": self._decided_words(thing),
            "next_address": self._next(request, thing),
        }
        return page

    def _answer(
        self, request: HttpRequest, case: DuplicateCase, deed: Deed, address: str, is_main: bool
    ) -> dict[str, object]:
        effect = _effect(request, case, deed.name)
        return {
            "deed": deed,
            "address": address,
            "is_main": is_main,
            "key": KEYS[deed.name],
            "effect": effect,
        }

    def _decided_words(self, case: DuplicateCase) -> str:
        if case.is_waiting:
            return ""
        who = str(case.decided_by) if case.decided_by else _("the program's rules")
        return formats.sentence(
            _("Decided by %(who)s, %(when)s."), who=who, when=formats.moment(case.decided_at)
        )

    def _next(self, request: HttpRequest, case: DuplicateCase) -> str:
        """The oldest open case but this one."""
        rows = self.open_rows(self.get_queryset(request)).exclude(pk=case.pk).order_by("opened_at", "pk")
        following = rows.values_list("pk", flat=True).first()
        return reverse("admin:earning_duplicatecase_change", args=[following]) if following else ""

    @admin.action(description=gettext_lazy("Same purchase: all chosen, if identical"), permissions=["decide"])
    def same_together(self, request: HttpRequest, chosen: QuerySet[DuplicateCase]) -> None:
        self._together(request, chosen, Decision.Answer.SAME)

    @admin.action(description=gettext_lazy("Different: all chosen, if identical"), permissions=["decide"])
    def different_together(self, request: HttpRequest, chosen: QuerySet[DuplicateCase]) -> None:
        self._together(request, chosen, Decision.Answer.DIFFERENT)

    def _together(self, request: HttpRequest, chosen: QuerySet[DuplicateCase], answer: str) -> None:
        waiting = self.open_rows(chosen).select_related(*WHOLE).order_by("opened_at", "pk")
        rows = list(waiting[: cases.MOST_TOGETHER + 1])
        try:
            together = cases.decide_all(cases=rows, answer=answer, by=login_of(request), now=clock.now())
        except CaseRefused as refusal:
            messages.error(request, said_no(refusal))
            return
        for case in together.decided:
            self.log_change(request, case, str(Decision.Answer(answer).label))
        if together.decided:
            messages.success(
                request, _("%(done)s decided.") % {"done": formats.number(len(together.decided))}
            )
        for sentence, numbers in self._why_not(together).items():
            messages.error(request, _not_decided(sentence, numbers))

    def _why_not(self, together: Together) -> dict[str, list[str]]:
        """The numbers of what was not decided, by the sentence that says why."""
        why: dict[str, list[str]] = {}
        for case, refusal in together.refused:
            why.setdefault(said_no(refusal), []).append(self.number(case))
        return why

    @admin.display(description=gettext_lazy("record"))
    def record(self, case: DuplicateCase) -> str:
        store = case.transaction.store
        return formats.two_lines(self.number(case), formats.name_of(store) if store else "")

    def number(self, case: DuplicateCase) -> str:
        one = case.transaction
        return one.payment_number or one.receipt_number or one.acquirer_number or f"#{one.pk}"

    @admin.display(description=gettext_lazy("member"))
    def member_name(self, case: DuplicateCase) -> str:
        one = case.transaction.member
        return formats.two_lines(one.name or one.card_number, one.card_number if one.name else "")

    @admin.display(description=gettext_lazy("amount"))
    def amount(self, case: DuplicateCase) -> str:
        """With the points that hang on it."""
        money = formats.money(case.transaction.amount_cents, case.transaction.currency)
        return formats.column(formats.two_lines(money, formats.points(case.points_at_stake)))

    @admin.display(description=gettext_lazy("at once"))
    def done(self, case: DuplicateCase) -> str:
        """With how alike they are, where that and not a number tells them."""
        pill = formats.pill(case_story.DONE_TONES[case.verdict], case.get_verdict_display())
        score = _("%(score)s of 100") % {"score": case.score} if case.parts else ""
        return formats.two_lines(pill, score)

    @admin.display(description=gettext_lazy("state"))
    def state_pill(self, case: DuplicateCase) -> str:
        """With who sees to it."""
        pill = pill_by(case_story.TONES, case)
        return formats.two_lines(pill, str(case.assignee)) if case.assignee else pill

    @admin.display(description=gettext_lazy("age"))
    def opened(self, case: DuplicateCase) -> str:
        return formats.age(case.opened_at)

    def title_of(self, thing: DuplicateCase) -> object:
        return _("Possible duplicate %(number)s") % {"number": self.number(thing)}

    def pill_of(self, thing: DuplicateCase) -> str:
        return pill_by(case_story.TONES, thing)


def _not_decided(sentence: str, numbers: list[str]) -> str:
    named = ", ".join(numbers[:MOST_NAMED]) + (" …" if len(numbers) > MOST_NAMED else "")
    told = {"number": formats.number(len(numbers)), "named": named, "why": sentence}
    return str(_("%(number)s not decided (%(named)s): %(why)s") % told)


def _effect(request: HttpRequest, case: DuplicateCase, name: str) -> str:
    """What pressing it does to the points of both; another mall's figures are not told."""
    answers = {"same": Decision.Answer.SAME, "different": Decision.Answer.DIFFERENT}
    if name not in answers:
        return str(
            {"ask": _("Stays open, assigned to you."), "reopen": _("Points go back to where they were.")}[
                name
            ]
        )
    before, after = cases.points_of(case), cases.preview(case, answers[name])
    said = _("This record: %(before)s → %(after)s points.") % _figures(before.ours, after.ours)
    if not case_story.sees_earlier(request, case):
        return str(said)
    return f"{said} " + _("Earlier record: %(before)s → %(after)s points.") % _figures(
        before.earlier, after.earlier
    )


def _figures(before: int, after: int) -> dict[str, str]:
    return {"before": formats.number(before), "after": formats.number(after)}
