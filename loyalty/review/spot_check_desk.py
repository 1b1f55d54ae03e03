"""The spot checks: verdicts that no person took, one screen each, right or wrong by one key."""

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

from loyalty.review import case_desk, spot_check_story, spot_checks
from loyalty.review.cases import CaseRefused
from loyalty.review.models import SpotCheck
from loyalty.review.spot_checks import AlreadyAnswered, CheckRefused
from pms import clock, formats, scoping
from pms.filters import OpenFilter
from pms.records import Deed, RecordAdmin, Refused, login_of

CHANGE = "review.change_spotcheck"
ANSWERS = {
    "right": SpotCheck.Answer.RIGHT,
    "wrong": SpotCheck.Answer.WRONG,
    "unclear": SpotCheck.Answer.UNCLEAR,
}
KEYS = {"right": "R", "wrong": "W", "unclear": "C", "back": "U"}


def _answered(name: str) -> Callable[[HttpRequest, SpotCheck], object]:
    def do(request: HttpRequest, check: SpotCheck) -> object:
        note = request.POST.get("typed", "")[:255]
        found = _tried(spot_checks.answer, check=check, answer=ANSWERS[name], by=login_of(request), note=note)
        return _said(found)

    return do


def _taken_back(request: HttpRequest, check: SpotCheck) -> object:
    _tried(spot_checks.take_back, check=check, by=login_of(request))
    return _("To be checked again; points are as the verdict had them.")


def _tried(act: Callable[..., SpotCheck], **options: Any) -> SpotCheck:
    try:
        return act(now=clock.now(), **options)
    except AlreadyAnswered as late:
        raise Refused(_late(late.check)) from late
    except CheckRefused as refusal:
        raise Refused(_("Nobody has answered yet, so there is nothing to take back.")) from refusal
    except CaseRefused as refusal:
        raise Refused(case_desk.said_no(refusal)) from refusal
    except OperationalError as error:
        raise Refused(str(case_desk.BUSY)) from error


def _late(check: SpotCheck) -> str:
    return _("%(who)s has answered “%(answer)s” meanwhile. Nothing was changed.") % {
        "who": check.answered_by, "answer": check.get_answer_display(),
    }  # fmt: skip


def _said(check: SpotCheck) -> str:
    words = {
        SpotCheck.Answer.RIGHT: _("Noted: the verdict was right."),
        SpotCheck.Answer.WRONG: _("Noted as wrong, and put right: the points follow in new entries."),
        SpotCheck.Answer.UNCLEAR: _("Noted: it cannot be told."),
    }
    return words[SpotCheck.Answer(check.answer)]


def _is_waiting(check: SpotCheck) -> bool:
    return not check.answer


def _is_over(check: SpotCheck) -> bool:
    return bool(check.answer)


class SpotCheckAdmin(RecordAdmin):
    screen_name = gettext_lazy("Spot checks")
    mall_path = "mall"
    list_display = ("number", "judged", "member_name", "amount", "kind_shown", "likeness", "answer_pill")
    list_select_related = ("transaction__member", "answered_by")
    list_filter = (OpenFilter, "kind", "answer", ("mall", scoping.ScopedFilter))
    search_fields = ("=transaction__payment_number", "=transaction__receipt_number")
    search_help_text = gettext_lazy("Bill number, in full")
    ordering = ("-pk",)
    sortable_by = ()
    open_since = "drawn_at"
    change_list_template = "admin/review/spotcheck/change_list.html"
    empty_words = gettext_lazy(
        "No spot check waits. Some of the verdicts that no person took appear here, as many as the program says."
    )
    deeds = (
        Deed(name="right", label=gettext_lazy("Right"), permission=CHANGE, do=_answered("right"),
             is_offered=_is_waiting),
        Deed(name="wrong", label=gettext_lazy("Wrong"), permission=CHANGE, do=_answered("wrong"),
             is_offered=_is_waiting),
        Deed(name="unclear", label=gettext_lazy("Can't tell"), permission=CHANGE, do=_answered("unclear"),
             is_offered=_is_waiting, is_main=lambda _check: False),
        Deed(name="back", label=gettext_lazy("Undo"), permission=CHANGE, do=_taken_back, is_offered=_is_over,
             is_main=lambda _check: False),
    )  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related(
            "transaction__member__program", "transaction__store", "transaction__mall", "case",
            "earlier__member", "earlier__store", "earlier__mall", "answered_by",
        )  # fmt: skip

    def open_rows(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        return rows.filter(answer="")

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        found = spot_checks.precision(mall_ids=scoping.sight_of(request).mall_ids)
        panels = [spot_check_story.precision(found)] if self.has_view_permission(request) else []
        return super().changelist_view(request, (extra_context or {}) | {"panels": panels})

    def deed_view(self, request: HttpRequest, object_id: str, name: str) -> HttpResponse:
        """Who presses an answer that somebody else has given meanwhile is told who that was."""
        if request.method == "POST" and name in ANSWERS and request.user.has_perm(CHANGE):
            check: Any = self._visible_thing(request, object_id)
            if check.answer:
                messages.error(request, _late(check))
                return self._page(request, check, typed=request.POST.get("typed", ""))
        return super().deed_view(request, object_id, name)

    def _page(self, request: HttpRequest, thing: Any, typed: str = "") -> HttpResponse:
        page = super()._page(request, thing, typed)
        assert isinstance(page, TemplateResponse)  # as RecordAdmin makes it
        page.template_name = "admin/case.html"
        assert page.context_data is not None
        page.context_data |= {
            "answers": [_answer(thing, *deed) for deed in page.context_data["deeds"]],
            "decided": _verdict_words(thing),
            "next_address": self._next(request, thing),
            "next_label": _("Next check"),
        }
        return page

    def _next(self, request: HttpRequest, check: SpotCheck) -> str:
        """The oldest one to be checked but this."""
        rows = self.open_rows(self.get_queryset(request)).exclude(pk=check.pk).order_by("drawn_at", "pk")
        following = rows.values_list("pk", flat=True).first()
        return reverse("admin:review_spotcheck_change", args=[following]) if following else ""

    @admin.display(description=gettext_lazy("record"))
    def number(self, check: SpotCheck) -> str:
        one = check.transaction
        return one.payment_number or one.receipt_number or one.acquirer_number or f"#{one.pk}"

    @admin.display(description=gettext_lazy("judged"))
    def judged(self, check: SpotCheck) -> str:
        return formats.age(check.judged_at)

    @admin.display(description=gettext_lazy("member"))
    def member_name(self, check: SpotCheck) -> str:
        one = check.transaction.member
        return formats.two_lines(one.name or one.card_number, one.card_number if one.name else "")

    @admin.display(description=gettext_lazy("amount"))
    def amount(self, check: SpotCheck) -> str:
        return formats.column(formats.money(check.transaction.amount_cents, check.transaction.currency))

    @admin.display(description=gettext_lazy("verdict"))
    def kind_shown(self, check: SpotCheck) -> str:
        return spot_check_story.kind_pill(check)

    @admin.display(description=gettext_lazy("score"))
    def likeness(self, check: SpotCheck) -> str:
        return formats.column(formats.number(check.score))

    @admin.display(description=gettext_lazy("answer"))
    def answer_pill(self, check: SpotCheck) -> str:
        pill = spot_check_story.pill(check)
        return formats.two_lines(pill, str(check.answered_by)) if check.answered_by else pill

    def title_of(self, thing: SpotCheck) -> object:
        return _("Spot check of %(number)s") % {"number": self.number(thing)}

    def pill_of(self, thing: SpotCheck) -> str:
        return spot_check_story.pill(thing)


def _verdict_words(check: SpotCheck) -> str:
    """What nobody but the rules said; the question is whether that was right."""
    said = {
        SpotCheck.Kind.NUMBER: _("The rules said: the same purchase, as the number is the same. No points."),
        SpotCheck.Kind.BLOCKED: _("The rules said: the same purchase, as both are so alike. No points."),
        SpotCheck.Kind.PASSED: _(
            "The rules said: two purchases, as they are not alike enough. Both have points."
        ),
    }
    return said[SpotCheck.Kind(check.kind)]


def _answer(check: SpotCheck, deed: Deed, address: str, is_main: bool) -> dict[str, object]:
    return {
        "deed": deed,
        "address": address,
        "is_main": is_main,
        "key": KEYS[deed.name],
        "effect": _effect(check, deed.name),
    }


def _effect(check: SpotCheck, name: str) -> str:
    is_passed = check.kind == SpotCheck.Kind.PASSED
    wrong = (
        _("They are one purchase: a case says so, and takes the points given twice.")
        if is_passed
        else _("They are two purchases: the case says so, and this record gets its points.")
    )
    right = (
        _("They are two purchases. Nothing changes.")
        if is_passed
        else _("They are one purchase. Nothing changes.")
    )
    return {
        "right": right,
        "wrong": wrong,
        "unclear": _("Counts on neither side. Nothing changes."),
        "back": _("Points go back to what the verdict had given."),
    }[name]
