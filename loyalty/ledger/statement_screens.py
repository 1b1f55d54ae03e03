"""The statement of a member's account: a page that prints clean, in one language or both, and the same as CSV."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html_join
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import override

from loyalty.ledger import lot_history, statements
from loyalty.ledger.models import PointAccount
from loyalty.ledger.statements import LANGUAGES, Balance, Line, Statement, Words
from members.models import Member
from pms import clock, formats, scoping, story
from pms.records import RecordAdmin
from pms.story import Panel

LONGEST = timedelta(days=3 * 366)
LANGUAGE_TAGS = {"en": "en", "zh-hant": "zh-Hant-HK"}
LABELS = {
    "title": _("Statement of points"),
    "member": _("Member"),
    "card": _("Card number"),
    "period": _("Period"),
    "made": _("Made"),
    "opening": _("Opening balance"),
    "closing": _("Closing balance"),
    "date": _("Date"),
    "what": _("What"),
    "points": _("Points"),
    "balance": _("Balance"),
    "held": _("On hold"),
    "held_balance": _("Balance on hold"),
    "expiry": _("Points by expiry at the end of the period"),
    "last_day": _("Last day"),
    "never": _("never"),
    "nothing": _("No points moved in this period."),
}
COLUMNS = ("date", "what", "points", "balance", "held", "held_balance")

if TYPE_CHECKING:
    BaseAdmin = RecordAdmin
else:
    BaseAdmin = object


class PeriodForm(forms.Form):
    """Days in Hong Kong, both included."""

    since = forms.DateField(label=_("From"), widget=forms.DateInput(attrs={"type": "date"}))
    until = forms.DateField(label=_("To"), widget=forms.DateInput(attrs={"type": "date"}))
    language = forms.ChoiceField(
        label=_("Language"),
        choices=[("both", _("English and Chinese")), ("en", _("English")), ("zh-hant", _("Chinese"))],
        required=False,
    )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        since, until = cleaned.get("since"), cleaned.get("until")
        if since and until and until < since:
            self.add_error("until", _("The last day is before the first."))
        elif since and until and until - since > LONGEST:
            self.add_error("until", _("A statement covers at most three years."))
        return cleaned


@dataclass(frozen=True, kw_only=True)
class Reading:
    """A statement as somebody reads it."""

    statement: Statement
    languages: Sequence[str]
    first: date
    last: date


class StatementPages(BaseAdmin):
    """What the screen of accounts gains: a member's statement, as a page and as CSV."""

    def get_urls(self) -> list[URLPattern]:
        page = self.admin_site.admin_view
        own = [
            path("<int:object_id>/statement/", page(self.statement_view), name="ledger_pointaccount_statement"),
            path("<int:object_id>/statement.csv", page(self.csv_view), name="ledger_pointaccount_statement_csv"),
        ]  # fmt: skip
        return [*own, *super().get_urls()]

    def statement_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        account = self._members_account(request, object_id)
        form = PeriodForm(_asked(request))
        reading = _read(request, account, form) if form.is_valid() else None
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": LABELS["title"],
            "member": account.member,
            "member_link": story.link(request, account.member),
            "form": form,
            "page": _page(reading) if reading else None,
            "csv": f"{address(account, 'statement_csv')}?{urlencode(form.data)}" if reading else "",
        }
        return TemplateResponse(request, "admin/statement.html", context, status=200 if reading else 400)

    def csv_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        account = self._members_account(request, object_id)
        form = PeriodForm(_asked(request))
        if not form.is_valid():
            raise Http404
        return _csv(_read(request, account, form))

    def _members_account(self, request: HttpRequest, object_id: int) -> PointAccount:
        if request.method not in ("GET", "HEAD") or not request.user.has_perm("ledger.view_pointentry"):
            raise PermissionDenied
        found = self._visible_thing(request, str(object_id))
        assert isinstance(found, PointAccount)  # what this screen lists
        if found.member is None:
            raise Http404
        return found


@story.tells("members.member", 25)
def panel(request: HttpRequest, member: Member) -> Panel | None:
    account = PointAccount.objects.filter(member=member).first()
    if account is None or not request.user.has_perm("ledger.view_pointentry"):
        return None
    today = clock.now().astimezone(clock.HONG_KONG).date()
    periods = [
        (words, f"{address(account)}?{urlencode({'since': f'{since}', 'until': f'{until}'})}")
        for words, since, until in _periods(today)
    ]
    return Panel(title=_("Statement"), template="statement", content={"periods": periods})


def address(account: PointAccount, page: str = "statement") -> str:
    return reverse(f"admin:ledger_pointaccount_{page}", args=[account.pk])


def _periods(today: date) -> list[tuple[object, date, date]]:
    first = today.replace(day=1)
    last_of_before = first - timedelta(days=1)
    return [
        (_("This month"), first, today),
        (_("Last month"), last_of_before.replace(day=1), last_of_before),
        (_("Last 90 days"), today - timedelta(days=89), today),
        (_("This year"), today.replace(month=1, day=1), today),
    ]


def _asked(request: HttpRequest) -> dict[str, str]:
    """What the address asks for; this month when it does not say."""
    _words, first, today = _periods(clock.now().astimezone(clock.HONG_KONG).date())[0]
    standard = {"since": f"{first}", "until": f"{today}", "language": "both"}
    return {name: request.GET.get(name, value) for name, value in standard.items()}


def _read(request: HttpRequest, account: PointAccount, form: PeriodForm) -> Reading:
    asked = form.cleaned_data
    sight = scoping.sight_of(request)
    statement = statements.of(
        account,
        since=_midnight(asked["since"]),
        until=_midnight(asked["until"] + timedelta(days=1)),
        mall_ids=None if sight.is_everything else sight.mall_ids,
    )
    languages = LANGUAGES if asked["language"] in ("", "both") else (asked["language"],)
    return Reading(statement=statement, languages=languages, first=asked["since"], last=asked["until"])


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), clock.HONG_KONG)


def _page(reading: Reading) -> dict[str, Any]:
    statement = reading.statement
    program = statement.account.program
    return {
        "labels": {name: _shown(_label(name), reading) for name in LABELS},
        "program": _shown(Words(program.name_en, program.name_zh), reading),
        "first": reading.first,
        "last": reading.last,
        "made": formats.exact(clock.now()),
        "opening": _figures(statement.opening),
        "closing": _figures(statement.closing),
        "lines": [_row(line, reading) for line in statement.lines],
        "lots": _lots(reading),
    }


def _figures(balance: Balance) -> tuple[str, str]:
    return formats.number(balance.points), formats.number(balance.held)


def _row(line: Line, reading: Reading) -> dict[str, object]:
    return {
        "at": _local(line.move.posted_at),
        "what": _shown(line.words, reading),
        "points": formats.signed(line.move.points) if line.move.points else formats.NOTHING,
        "balance": formats.number(line.after.points),
        "held": formats.signed(line.move.held) if line.move.held else formats.NOTHING,
        "held_balance": formats.number(line.after.held),
    }


def _lots(reading: Reading) -> list[tuple[object, str]]:
    """Spendable points by their last day, at the end of the period."""
    until = min(reading.statement.until - timedelta(microseconds=1), clock.now())
    sums: dict[str, int] = {}
    for then in lot_history.lots_at(reading.statement.account, until):
        if not then.is_held:
            day = _local(then.lot.expires_at)[:10] if then.lot.expires_at else ""
            sums[day] = sums.get(day, 0) + then.remaining
    return [(day or _shown(_label("never"), reading), formats.number(points)) for day, points in sums.items()]


def _csv(reading: Reading) -> HttpResponse:
    """With a byte order mark, without which spreadsheets misread Chinese."""
    response = HttpResponse("\ufeff", content_type="text/csv; charset=utf-8")
    name = f"statement-{reading.statement.account.pk}-{reading.first}-{reading.last}.csv"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    writer = csv.writer(response)
    statement = reading.statement
    writer.writerow([_said(_label(name), reading) for name in COLUMNS])
    opening, closing = statement.opening, statement.closing
    writer.writerow([reading.first, _said(_label("opening"), reading), "", opening.points, "", opening.held])
    for line in statement.lines:
        move, after = line.move, line.after
        said = _said(line.words, reading)
        writer.writerow([_local(move.posted_at), said, move.points, after.points, move.held, after.held])
    writer.writerow([reading.last, _said(_label("closing"), reading), "", closing.points, "", closing.held])
    return response


def _label(name: str) -> Words:
    texts = []
    for language in LANGUAGES:
        with override(language):
            texts.append(formats.word(LABELS[name]))
    return Words(*texts)


def _in_languages(words: Words, reading: Reading) -> list[tuple[str, str]]:
    by_language = dict(zip(LANGUAGES, words, strict=True))
    return [(LANGUAGE_TAGS[language], by_language[language]) for language in reading.languages]


def _shown(words: Words, reading: Reading) -> SafeString:
    return format_html_join(" ", '<span lang="{}">{}</span>', _in_languages(words, reading))


def _said(words: Words, reading: Reading) -> str:
    """For a cell of a spreadsheet, which must not take it for a formula."""
    text = " ".join(text for _tag, text in _in_languages(words, reading))
    return f"'{text}" if text.startswith(formats.FORMULA_SIGNS) else text


def _local(at: datetime) -> str:
    return f"{at.astimezone(clock.HONG_KONG):%Y-%m-%d %H:%M}"
