"""The screen of manual uploads: what members handed in, what became of each payment, what waits for a person."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from alipayhk import masking, upload_batches
from alipayhk.models import UploadBatch
from loyalty.earning import transaction_story
from loyalty.earning.models import Transaction
from pms import formats, scoping, story
from pms.filters import OpenFilter, day_of
from pms.records import Deed, RecordAdmin, Refused, login_of, pill_by
from pms.story import Panel

State = UploadBatch.State
OPEN = (State.FETCHED, State.UNREADABLE, State.OPEN)
TONES = {"FETCHED": "wait", "UNREADABLE": "bad", "OPEN": "warn", "SEEN": "quiet", "DONE": "good"}


def _see(request: HttpRequest, batch: UploadBatch) -> object:
    if not upload_batches.see(batch=batch, by=login_of(request)):
        raise Refused(_("Somebody else has seen to it already."))
    return _("Noted: this upload waits for nobody any more.")


@admin.register(UploadBatch)
class UploadBatchAdmin(RecordAdmin):
    mall_path = "mall"
    screen_name = _("Manual uploads")
    list_display = ("number_shown", "state_pill", "member_name", "mall_name", "payments", "points", "fetched")
    list_select_related = ("mall", "wallet_pass__member")
    list_filter = (OpenFilter, "state", day_of("fetched_at"), ("mall", scoping.ScopedFilter))
    search_fields = ("=number", "=wallet_pass__user_id", "=wallet_pass__member__card_number")
    search_help_text = _("Batch number, wallet user ID or card number, in full")
    ordering = ("-fetched_at", "-pk")
    sortable_by = ()
    open_since = "fetched_at"
    empty_words = _(
        "No upload needs a look. What members pick in AlipayHK and hand in is judged by itself, payment by payment."
    )
    deeds = (
        Deed(name="seen", label=_("I have seen to it"), permission="alipayhk.change_uploadbatch", do=_see,
             is_offered=lambda batch: batch.state in (State.OPEN, State.UNREADABLE),
             explanation=_("Nothing was recorded for the payments marked below; the member was told why.")),
    )  # fmt: skip

    def open_rows(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        return rows.filter(state__in=OPEN)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).defer("raw_answer")

    @admin.display(description=_("batch number"))
    def number_shown(self, batch: UploadBatch) -> str:
        return formats.two_lines(batch.number, batch.fault)

    @admin.display(description=_("state"))
    def state_pill(self, batch: UploadBatch) -> str:
        return pill_by(TONES, batch)

    @admin.display(description=_("member"))
    def member_name(self, batch: UploadBatch) -> str:
        member = batch.wallet_pass.member
        return formats.two_lines(member.name or member.card_number, member.card_number if member.name else "")

    @admin.display(description=_("mall"))
    def mall_name(self, batch: UploadBatch) -> str:
        return formats.name_of(batch.mall)

    @admin.display(description=_("payments"))
    def payments(self, batch: UploadBatch) -> str:
        return formats.column(formats.number(len(batch.lines)))

    @admin.display(description=_("points"))
    def points(self, batch: UploadBatch) -> str:
        given = sum(line["points"] for line in batch.lines if not line["is_repeat"])
        return formats.column(formats.signed(given) if given else formats.NOTHING)

    @admin.display(description=_("fetched"))
    def fetched(self, batch: UploadBatch) -> str:
        return formats.moment(batch.fetched_at)

    def title_of(self, thing: UploadBatch) -> object:
        return _("Upload %(number)s") % {"number": thing.number}

    def pill_of(self, thing: UploadBatch) -> str:
        return self.state_pill(thing)


@story.tells("alipayhk.uploadbatch", 10)
def handed_in(request: HttpRequest, batch: UploadBatch) -> Panel:
    return story.facts(_("What was handed in"), [
        (_("Member"), story.link(request, batch.wallet_pass.member)),
        (_("Mall"), formats.name_of(batch.mall)),
        (_("Fetched"), formats.moment(batch.fetched_at)),
        (_("Fetches"), formats.number(batch.fetches)),
        (_("Fault"), batch.fault),
        (_("Looked at by"), batch.seen_by or ""),
    ], is_short=True)  # fmt: skip


@story.tells("alipayhk.uploadbatch", 20)
def payments(request: HttpRequest, batch: UploadBatch) -> Panel:
    ids = [line["transaction"] for line in batch.lines if line["transaction"]]
    seen = {row.pk: row for row in story.visible(request, Transaction).filter(pk__in=ids)}
    headings = [
        (_("Line"), "number"),
        (_("Bill number"), ""),
        (_("State"), ""),
        (_("Why"), ""),
        (_("Points"), "number"),
    ]
    rows = [_row(request, line, seen.get(line["transaction"])) for line in batch.lines]
    empty = _("The answer held no payment, or could not be read; it stands below as it came.")
    return story.table(_("Payments"), headings, rows, empty=empty)


@story.tells("alipayhk.uploadbatch", 90)
def answer(request: HttpRequest, batch: UploadBatch) -> Panel:
    content = {"text": masking.body(bytes(batch.raw_answer))}
    return Panel(title=_("Answer as it came"), template="raw", content=content, is_folded=True, key="raw")


def _row(request: HttpRequest, line: dict[str, Any], purchase: Transaction | None) -> list[object]:
    number = line["number"] or formats.NOTHING
    words = line["message_zh" if formats.is_chinese() else "message_en"]
    return [
        formats.number(line["line"] + 1),
        story.link(request, purchase, number) if purchase else number,
        _verdict(line, purchase),
        f"{words} {line['field']} {line['detail']}".strip(),
        formats.signed(line["points"]) if line["points"] else formats.NOTHING,
    ]


def _verdict(line: dict[str, Any], purchase: Transaction | None) -> str:
    """What it is now, where something was recorded; else that nothing was."""
    if purchase:
        return formats.pill(transaction_story.TONES[purchase.state], purchase.get_state_display())
    is_recorded = bool(line["transaction"])
    return formats.pill("quiet", _("recorded")) if is_recorded else formats.pill("warn", _("not recorded"))
