"""The sidebar: what staff come to do, in the words of the trade, with how much waits. Names screens, knows no app."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from django.apps import apps
from django.contrib import admin
from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import Model
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from pms.scoping import ScopedModelAdmin

HIGHEST_COUNT = 99


@dataclass(frozen=True)
class Screen:
    """A list of one model. `is_queue`: its open rows are counted. `page` names a page of its own over the rows.

    `permission` is what the page asks for beyond seeing the rows.
    """

    label: object
    model: str
    is_queue: bool = False
    page: str = ""
    permission: str = ""


@dataclass(frozen=True)
class Job:
    label: object
    icon: str
    screens: tuple[Screen, ...] = field(default=())


JOBS = (
    Job(_("Members"), "members", (
        Screen(_("Members"), "members.member"),
        Screen(_("Redemptions"), "ledger.redemption"),
        Screen(_("Programs"), "members.program"),
    )),
    Job(_("Transactions"), "transactions", (
        Screen(_("Transactions"), "earning.transaction"),
        Screen(_("Missing points"), "earning.transaction", page="missing-points"),
        Screen(_("Refunds"), "earning.refund"),
        Screen(_("Counter"), "doors.counterentry"),
        Screen(_("Receipt files"), "doors.importjob"),
        Screen(_("Partner keys"), "doors.partnerkey"),
    )),
    Job(_("Duplicates"), "duplicates", (
        Screen(_("Duplicates"), "earning.duplicatecase", True),
        Screen(_("Spot checks"), "review.spotcheck", True),
        Screen(_("Decisions"), "review.decision"),
        Screen(_("Patterns"), "earning.duplicatecase", page="admin:earning_duplicatecase_patterns",
               permission="earning.change_duplicatecase"),
    )),
    Job(_("Reconciliation"), "reconciliation", (
        Screen(_("Differences"), "review.finding", True),
        Screen(_("Providers' files"), "review.reconciliation"),
        Screen(_("Adjustments"), "review.adjustmentrequest", True),
    )),
    Job(_("Waiting"), "waiting", (
        Screen(_("Messages"), "alipayhk.notification", True),
        Screen(_("Unknown stores"), "alipayhk.mappingjob", page="admin:alipayhk_unknown_stores"),
        Screen(_("Manual uploads"), "alipayhk.uploadbatch", True),
        Screen(_("Contact changes"), "members.contactchange", True),
        Screen(_("Mappings"), "alipayhk.mappingjob"),
    )),
    Job(_("Stores"), "stores", (
        Screen(_("Stores"), "pms.store"),
        Screen(_("Collection"), "alipayhk.storecollection"),
        Screen(_("Only at AlipayHK"), "alipayhk.listedstore"),
        Screen(_("Confirmations"), "alipayhk.confirmationrun"),
    )),
    Job(_("Rules"), "rules", (
        Screen(_("Rules"), "earning.rule"),
        Screen(_("Rule versions"), "earning.ruleversion"),
        Screen(_("Back-tests"), "earning.backtestrun"),
        Screen(_("Tiers"), "members.tier"),
    )),
    Job(_("Cards and deliveries"), "cards", (
        Screen(_("Cards and deliveries"), "alipayhk.passupdate", True),
        Screen(_("Mini-app sessions"), "alipayhk.miniappsession"),
    )),
    Job(_("Ledger"), "ledger", (
        Screen(_("Entries"), "ledger.pointentry"),
        Screen(_("Postings"), "ledger.posting"),
        Screen(_("Accounts"), "ledger.pointaccount"),
        Screen(_("Lots"), "ledger.pointlot"),
    )),
    Job(_("Reports"), "reports", (
        Screen(_("Duplicates"), "earning.duplicatecase", page="admin:earning_duplicatecase_report"),
        Screen(_("Daily mails"), "review.dailymail", True),
        Screen(_("Long reports"), "review.reportrun"),
    )),
    Job(_("Settings"), "settings", (
        Screen(_("Malls"), "pms.mall"),
        Screen(_("Mall groups"), "pms.mallgroup"),
        Screen(_("Columns of provider files"), "review.providercolumn"),
        Screen(_("Credentials"), "alipayhk.credential"),
        Screen(_("Keys"), "alipayhk.credentialkey"),
        Screen(_("Staff logins"), "pms.user"),
    )),
)  # fmt: skip


Counter = Callable[[HttpRequest, int], int]
_counters: dict[str, Counter] = {}


def counts(page: str) -> Callable[[Counter], Counter]:
    """Register what counts the work on a page of its own, no further than it is told."""

    def register(found: Counter) -> Counter:
        _counters[page] = found
        return found

    return register


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One line as it is shown to one login."""

    label: object
    address: str
    count: str
    is_current: bool
    icon: str = ""
    within: tuple["Entry", ...] = ()


def entries(request: HttpRequest, site: admin.AdminSite) -> list[Entry]:
    today = reverse("admin:index")
    first = Entry(label=_("Today"), address=today, count="", is_current=request.path == today, icon="today")
    return [first, *_jobs(request, site)]


def _jobs(request: HttpRequest, site: admin.AdminSite) -> Iterator[Entry]:
    queues = (_screen(request, screen, site) for job in JOBS for screen in job.screens if screen.is_queue)
    _count_all(request, [found for found in queues if found])
    for job in JOBS:
        counted = [
            _entry(request, screen, found)
            for screen in job.screens
            if (found := _screen(request, screen, site))
        ]
        if counted:
            within = tuple(entry for entry, _number in counted)
            is_current = any(entry.is_current for entry in within)
            yield Entry(
                label=job.label, address=_front(counted).address, icon=job.icon, is_current=is_current,
                count=words(sum(number for _entry, number in counted)),
                within=within if is_current and len(within) > 1 else (),
            )  # fmt: skip


def _front(counted: list[tuple[Entry, int]]) -> Entry:
    """The list a job opens on: the first with open work, else the first."""
    return next((entry for entry, number in counted if number), counted[0][0])


def _screen(request: HttpRequest, screen: Screen, site: admin.AdminSite) -> ScopedModelAdmin | None:
    model: type[Model] = apps.get_model(screen.model)
    found = site._registry.get(model)
    if screen.permission and not request.user.has_perm(screen.permission):
        return None
    return found if isinstance(found, ScopedModelAdmin) and found.has_view_permission(request) else None


def _entry(request: HttpRequest, screen: Screen, found: ScopedModelAdmin) -> tuple[Entry, int]:
    address = _address(screen)
    counter = _counters.get(screen.page)
    number = counter(request, HIGHEST_COUNT + 1) if counter else 0
    number = waiting(request, found) if screen.is_queue else number
    is_current = request.path.startswith(address) and not _is_page_within(request, screen)
    return Entry(label=screen.label, address=address, count=words(number), is_current=is_current), number


def _address(screen: Screen) -> str:
    return reverse(screen.page or f"admin:{screen.model.replace('.', '_')}_changelist")


def _is_page_within(request: HttpRequest, screen: Screen) -> bool:
    """Whether the request is for another entry's page, whose address goes on from this one's list."""
    others = [one for job in JOBS for one in job.screens if one.model == screen.model and one != screen]
    return any(bool(one.page) and request.path.startswith(_address(one)) for one in others)


def waiting(request: HttpRequest, found: ScopedModelAdmin) -> int:
    """Open rows of a queue, counted once a request and no further than the badge can show."""
    _count_all(request, [found])
    return _counted(request)[found.model]


def _counted(request: HttpRequest) -> dict[object, int]:
    counted: dict[object, int] = request.__dict__.setdefault("_waiting", {})
    return counted


def _count_all(request: HttpRequest, queues: Iterable[ScopedModelAdmin]) -> None:
    """In one question to the database: every page of the staff asks it."""
    counted = _counted(request)
    asked: dict[object, tuple[str, tuple[Any, ...]]] = {}
    for found in queues:
        rows = found.open_rows(found.get_queryset(request)).order_by()
        try:
            if found.model not in counted:
                asked[found.model] = rows.values("pk")[: HIGHEST_COUNT + 1].query.sql_with_params()
        except EmptyResultSet:
            counted[found.model] = 0
    if asked:
        counts = ", ".join(f"(SELECT count(*) FROM ({rows}) waiting)" for rows, _ in asked.values())  # noqa: S608
        # Django's own statements, put side by side.
        values = [value for _, given in asked.values() for value in given]
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT {counts}", values)
            counted.update(zip(asked, cursor.fetchone(), strict=True))


def words(number: int) -> str:
    """The badge: empty for nothing, `99+` for many."""
    return "" if not number else str(number) if number <= HIGHEST_COUNT else f"{HIGHEST_COUNT}+"
