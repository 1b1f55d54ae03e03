"""Yesterday's duplicates, mailed to ops each morning: figures, the oldest open case, a link, and the report as files.

One row for each mall, day and address is claimed while its mail is sent, so two workers send it once; a failure is
tried again for a day. Tells no member and no secret.
"""

import hashlib
import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from smtplib import SMTPException, SMTPResponseException
from urllib.parse import urlencode

from django.conf import settings
from django.core.mail import EmailMessage
from django.db.transaction import atomic
from django.urls import reverse
from django.utils.dateformat import format as dated
from django.utils.translation import gettext as _
from django.utils.translation import override

from loyalty.earning.models import DuplicateCase
from loyalty.review import report_files, report_lines, reports
from loyalty.review.models import DailyMail
from loyalty.review.reports import Question, Sums
from pms import formats
from pms.clock import HONG_KONG
from pms.models import Mall

log = logging.getLogger(__name__)

# Mall tag (or *), address, language: as `settings.DAILY_MAIL` has them.
Addressee = tuple[str, str, str]
EVERY_MALL = "*"
# A day is told once its late notices are in and before ops come to work.
FIRST_HOUR = 6
WAITS = (
    *(timedelta(minutes=minutes) for minutes in (1, 5, 15)),
    *(timedelta(hours=hours) for hours in (1, 3, 6, 12)),
)
DAY = timedelta(days=1)
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
LONGEST_FAULT = 255


@dataclass(frozen=True, kw_only=True, slots=True)
class File:
    name: str
    content: bytes
    kind: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Told:
    """One mall's day: what came, what is open now whenever it came, and the report as files."""

    day: date
    sums: Sums
    waiting: int
    oldest_at: datetime | None
    files: Sequence[File]


@dataclass(frozen=True, kw_only=True, slots=True)
class Sent:
    sent: int
    failed: int


def yesterday(*, now: datetime) -> date:
    return now.astimezone(HONG_KONG).date() - DAY


def run(*, addressees: Collection[Addressee], now: datetime) -> Sent:
    """Without an address nothing is planned and nothing is sent."""
    if not addressees:
        return Sent(sent=0, failed=0)
    if now.astimezone(HONG_KONG).hour >= FIRST_HOUR:
        plan(addressees=addressees, malls=active_malls(), day=yesterday(now=now), now=now)
    return send_due(now=now)


def active_malls() -> list[Mall]:
    return list(Mall.objects.filter(state=Mall.State.ACTIVE).order_by("tag"))


def plan(
    *, addressees: Collection[Addressee], malls: Collection[Mall], day: date, now: datetime
) -> list[DailyMail]:
    """Rows for what is to be mailed of that day, once however often it is planned; returns all of them."""
    rows = [
        DailyMail(mall=mall, report_date=day, address=address, language=language, due_at=now)
        for mall in malls
        for tag, address, language in addressees
        if tag in (EVERY_MALL, mall.tag)
    ]
    DailyMail.objects.bulk_create(rows, ignore_conflicts=True)
    return list(DailyMail.objects.filter(mall__in=malls, report_date=day))


def send_due(*, now: datetime) -> Sent:
    """All that is due and that no other worker is sending."""
    results = []
    while (is_sent := _send_next(now=now)) is not None:
        results.append(is_sent)
    return Sent(sent=results.count(True), failed=results.count(False))


def send_again(*, mail: DailyMail, now: datetime) -> None:
    """What was given up is tried again from the start."""
    given_up = DailyMail.objects.filter(pk=mail.pk, sent_at=None)
    given_up.update(attempts=0, due_at=now)


@atomic
def _send_next(*, now: datetime) -> bool | None:
    """Whether the next one could be sent; None if none is due. Its row is locked until the server has the mail."""
    due = DailyMail.objects.select_for_update(skip_locked=True, of=("self",)).select_related("mall")
    mail = due.filter(due_at__lte=now).order_by("due_at", "pk").first()
    if mail is None:
        return None
    mail.attempts += 1
    try:
        message(mail, now=now).send()
    except (OSError, SMTPException, ValueError) as error:
        # A ValueError is an address that is none.
        _put_off(mail, error, now=now)
    else:
        mail.sent_at, mail.due_at, mail.last_fault = now, None, ""
    mail.save()
    return mail.sent_at is not None


def _put_off(mail: DailyMail, error: Exception, *, now: datetime) -> None:
    wait = WAITS[mail.attempts - 1] if mail.attempts <= len(WAITS) else None
    mail.due_at = now + wait if wait else None
    mail.last_fault = _fault(error)[:LONGEST_FAULT]
    log.warning("daily mail %s not sent, attempt %s: %s", mail.pk, mail.attempts, mail.last_fault)


def _fault(error: Exception) -> str:
    """A server's words may hold addresses, so its number alone is kept."""
    kind = type(error).__name__
    return f"{kind} {error.smtp_code}" if isinstance(error, SMTPResponseException) else kind


def message(mail: DailyMail, *, now: datetime) -> EmailMessage:
    with override(mail.language):
        told = tell(mail.mall, day=mail.report_date, now=now)
        made = EmailMessage(
            subject=_subject(mail.mall, told),
            body=_body(mail.mall, told, now=now),
            to=[mail.address],
            headers={"Message-ID": _message_id(mail)},
        )
    for file in told.files:
        made.attach(file.name, file.content, file.kind)
    return made


def tell(mall: Mall, *, day: date, now: datetime) -> Told:
    """In the language in force."""
    start = datetime.combine(day, time(), HONG_KONG)
    report = reports.duplicates(Question(mall_ids=[mall.pk], since=start, until=start + DAY))
    ages = reports.open_ages(mall_ids=[mall.pk], channel="", now=now)
    lines, name = report_lines.breakdowns(report), f"duplicates-{mall.tag.replace('/', '-')}-{day}"
    waiting = DuplicateCase.objects.filter(mall=mall, state__in=DuplicateCase.WAITING)
    return Told(
        day=day,
        sums=report.total,
        waiting=sum(age.cases for age in ages),
        oldest_at=waiting.order_by("opened_at").values_list("opened_at", flat=True).first(),
        files=[
            File(name=f"{name}.csv", content=report_files.as_csv(lines), kind="text/csv"),
            File(name=f"{name}.xlsx", content=report_files.as_xlsx(lines), kind=XLSX),
        ],
    )


def _subject(mall: Mall, told: Told) -> str:
    return _("Duplicates %(day)s, %(mall)s: %(stopped)s stopped, %(open)s open") % {
        "mall": formats.name_of(mall), "day": _day(told.day), "stopped": formats.number(told.sums.stopped),
        "open": formats.number(told.waiting),
    }  # fmt: skip


def _body(mall: Mall, told: Told, *, now: datetime) -> str:
    sums = told.sums
    figures = [
        (_("Cases that day"), formats.number(sums.cases)),
        (_("Stopped"), formats.number(sums.stopped)),
        (_("Points saved"), formats.number(sums.points_saved)),
        (_("HK$ saved"), formats.money(sums.cents_saved)),
        (_("False positives"), _false_positives(sums)),
        (_("Open now"), formats.number(told.waiting)),
        (_("Oldest open"), _oldest(told, now=now)),
    ]
    title = _("Duplicates at %(mall)s on %(day)s") % {"mall": formats.name_of(mall), "day": _day(told.day)}
    lines = [_("%(label)s: %(figure)s") % {"label": label, "figure": figure} for label, figure in figures]
    links = [f"{_('The report')}:\n{_report(mall, told.day)}", f"{_('What is open')}:\n{_desk()}"]
    files = _("The day by channels and stores is attached, as CSV and as XLSX.")
    return "\n\n".join([title, "\n".join(lines), *links, files]) + "\n"


def _false_positives(sums: Sums) -> str:
    if sums.false_positives is None:
        return _("people have decided none yet")
    return _("%(share)s of %(checked)s decided by people") % {
        "share": f"{sums.false_positives:.1%}", "checked": formats.number(sums.checked),
    }  # fmt: skip


def _oldest(told: Told, *, now: datetime) -> str:
    if told.oldest_at is None:
        return _("none")
    return _("for %(age)s, since %(when)s") % {
        "age": formats.span(now - told.oldest_at),
        "when": f"{told.oldest_at.astimezone(HONG_KONG):%Y-%m-%d %H:%M}",
    }


def _day(day: date) -> str:
    return dated(day, "Y年n月j日" if formats.is_chinese() else "j M Y")


def _report(mall: Mall, day: date) -> str:
    asked = urlencode({"since": f"{day}", "until": f"{day}", "mall": mall.pk})
    return f"{settings.STAFF_URL}{reverse('admin:earning_duplicatecase_report')}?{asked}"


def _desk() -> str:
    return f"{settings.STAFF_URL}{reverse('admin:earning_duplicatecase_changelist')}"


def _message_id(mail: DailyMail) -> str:
    """The same at each attempt, so that mail programs show one that came twice once."""
    told = f"{mail.mall.tag}/{mail.report_date}/{mail.address}"
    return f"<{hashlib.sha256(told.encode()).hexdigest()[:32]}@duplicates.loyalty>"
