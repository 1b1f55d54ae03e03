"""Screens of the wire: messages that came, and cards that follow; its other screens are registered from here."""

from typing import Any

from django.contrib import admin, messages
from django.db import OperationalError
from django.db.models import Q, QuerySet
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from alipayhk import (
    collection_screens,  # noqa: F401  (registers its screens)
    credential_screens,  # noqa: F401  (registers its screens)
    deliveries_today,
    delivery_story,
    inbox,
    inquiry_notices,  # noqa: F401  (answers at the missing-points desk)
    mapping_screens,  # noqa: F401  (registers its screens)
    miniapp_screens,  # noqa: F401  (registers its screen)
    notice_story,
    passes,
    upload_screens,  # noqa: F401  (registers its screen)
    waiting,
)
from alipayhk.models import Notification, PassUpdate
from members import lookup
from members.models import Pass
from pms import clock, formats, scoping
from pms.filters import OpenFilter, day_of
from pms.records import Deed, RecordAdmin, Refused, login_of, pill_by

JUDGE = "alipayhk.change_notification"
SEND = "alipayhk.change_passupdate"
OPEN_SINCE = Coalesce("dead_at", "called_at", "due_at")


def _try_again(request: HttpRequest, notice: Notification) -> object:
    return _judged(waiting.try_again, request, notice)


def _confirm(request: HttpRequest, notice: Notification) -> object:
    return _judged(waiting.confirm, request, notice)


def _acknowledge(request: HttpRequest, notice: Notification) -> object:
    waiting.acknowledge(notification=notice, by=login_of(request))
    return _("Noted: the first message stands, and this one waits for nobody any more.")


def _judged(judge: Any, request: HttpRequest, notice: Notification) -> object:
    try:
        found = judge(notification=notice, by=login_of(request), now=clock.now())
    except OperationalError as error:
        raise Refused(_("Somebody else holds it right now. Nothing was changed; try again.")) from error
    if found.state == Notification.State.PROCESSED:
        return _("Judged: it is processed now.")
    return formats.sentence(
        str(_("Judged again; it still waits: %(reason)s")), reason=notice_story.why(found)
    )


@admin.register(Notification)
class NotificationAdmin(RecordAdmin):
    mall_path = "mall"
    screen_name = _("Messages")
    list_display = ("number", "state_pill", "why", "mall_name", "received", "repeats_shown")
    list_select_related = ("mall",)
    list_filter = (OpenFilter, "state", "kind", day_of("received_at"), ("mall", scoping.ScopedFilter))
    search_fields = ("key__exact",)
    search_help_text = _("Bill number or wallet user ID, in full")
    ordering = ("-pk",)
    sortable_by = ()
    open_since = "received_at"
    actions = ("try_selected_again",)
    empty_words = _(
        "No message waits for a person. Messages from AlipayHK that cannot be judged by themselves appear here."
    )
    deeds = (
        Deed(name="try-again", label=_("Try again"), permission=JUDGE, do=_try_again,
             is_offered=lambda notice: notice.state in ("PARKED", "REJECTED"),
             explanation=_("Judges the stored message again, by the same rules.")),
        Deed(name="confirm", label=_("Confirm and judge"), permission=JUDGE, do=_confirm,
             is_offered=lambda notice: is_doubtful(notice),
             explanation=_("You have looked at what is unusual and stand by the message as it reads.")),
        Deed(name="acknowledge", label=_("Leave the first standing"), permission=JUDGE, do=_acknowledge,
             is_offered=lambda notice: notice.state == "CONFLICT" and not notice.is_confirmed,
             explanation=_("Same number, other content: the first message and its points stay as they are.")),
    )  # fmt: skip

    def open_rows(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        return rows.filter(deliveries_today.NEEDS_A_PERSON)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Lists never load the messages themselves."""
        return super().get_queryset(request).defer("raw_body", "raw_target", "headers")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        if not search_term or not scoping.is_searchable(search_term):
            return super().get_search_results(request, queryset, search_term)
        ids = notice_story.find(search_term.strip(), scoping.sight_of(request))
        return queryset.filter(pk__in=ids), False

    def has_judge_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(JUDGE)

    @admin.action(description=_("Try again"), permissions=["judge"])
    def try_selected_again(self, request: HttpRequest, queryset: QuerySet[Notification]) -> None:
        for notice in queryset[:100]:
            _try_again(request, notice)
            self.log_change(request, notice, str(_("Try again")))
        messages.success(request, _("The selected messages were judged again."))

    @admin.display(description=_("number"))
    def number(self, notice: Notification) -> str:
        return formats.two_lines(_short(notice.key), notice.get_kind_display())

    @admin.display(description=_("state"))
    def state_pill(self, notice: Notification) -> str:
        return pill_by(notice_story.TONES, notice)

    @admin.display(description=_("reason"))
    def why(self, notice: Notification) -> str:
        return formats.two_lines(
            notice_story.why(notice), notice_story.waits_for(notice) if notice.waits_for else ""
        )

    @admin.display(description=_("mall"))
    def mall_name(self, notice: Notification) -> str:
        return formats.name_of(notice.mall)

    @admin.display(description=_("received"))
    def received(self, notice: Notification) -> str:
        return formats.moment(notice.received_at) if notice.judged_at else formats.age(notice.received_at)

    @admin.display(description=_("repeats"))
    def repeats_shown(self, notice: Notification) -> str:
        return formats.column(formats.number(notice.repeats))

    def title_of(self, thing: Notification) -> object:
        return _("Message %(number)s") % {"number": _short(thing.key)}

    def pill_of(self, thing: Notification) -> str:
        return self.state_pill(thing)


def _short(key: str) -> str:
    """Keys made by digest are cut."""
    return key if len(key) <= 64 else f"{key[:40]}…"


def is_doubtful(notice: Notification) -> bool:
    """Parked for staff to look at, not for a missing half."""
    is_asking = notice.state == Notification.State.PARKED and not notice.waits_for
    return is_asking and notice.reason != inbox.NOT_JUDGED and not notice.is_confirmed


class CardFilter(OpenFilter):
    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("dead", str(_("Given up on"))), *super().lookups(request, model_admin)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() == "dead":
            return queryset.filter(dead_at__isnull=False).order_by("dead_at")
        return super().queryset(request, queryset)


def _send_again(request: HttpRequest, update: PassUpdate) -> object:
    try:
        passes.send_again(update=update, by=login_of(request))
    except passes.NotSendable as error:
        raise Refused(_("This card was closed; it cannot be sent again.")) from error
    return _("It goes out again within seconds, from the first attempt; earlier attempts stay below.")


def _enter_pass_id(request: HttpRequest, update: PassUpdate) -> object:
    try:
        passes.set_external_id(
            update=update, external_id=request.POST.get("typed", "").strip(), by=login_of(request)
        )
    except passes.ExternalIdRefused as error:
        raise Refused(
            _("The pass ID must be letters, digits, _ or -, at most 64, and belong to no other pass.")
        ) from error
    return _("The pass ID is kept; the card is updated from now on.")


@admin.register(PassUpdate)
class PassUpdateAdmin(RecordAdmin):
    group_path = "wallet_pass__program__group"
    screen_name = _("Cards and deliveries")
    list_display = (
        "card",
        "state_pill",
        "card_shows",
        "ledger_says",
        "attempts_shown",
        "next_attempt",
        "last_answer",
    )
    list_select_related = ("wallet_pass__member__account", "wallet_pass__mall", "wallet_pass__program")
    list_filter = (CardFilter, "wallet_pass__state")
    search_fields = ("wallet_pass__user_id__exact",)
    search_help_text = _("Pass ID, wallet user ID or card number, in full")
    ordering = ("-pk",)
    sortable_by = ()
    open_since = "open_at"
    actions = ("send_selected_again",)
    empty_words = _(
        "Every card shows what the ledger says. Cards whose delivery failed appear here, with the next attempt."
    )
    deeds = (
        Deed(name="enter-pass-id", label=_("Keep pass ID"), permission=SEND, do=_enter_pass_id,
             field_label=_("Pass ID"),
             is_offered=lambda update: update.wallet_pass.state == Pass.State.EXISTS_UNKNOWN,
             explanation=_("AlipayHK says the card exists but not under which ID. Ask AlipayHK, then enter it here.")),
        Deed(name="send-again", label=_("Send again"), permission=SEND, do=_send_again,
             is_main=lambda update: update.dead_at is not None,
             is_offered=lambda update: update.wallet_pass.state != Pass.State.CLOSED),
    )  # fmt: skip

    def open_rows(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        """Given up on, or failed at least once and due again."""
        return rows.filter(Q(dead_at__isnull=False) | Q(due_at__isnull=False, attempts__gt=0))

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request).annotate(open_at=OPEN_SINCE)
        return rows

    def queue_ordering(self) -> tuple[Any, ...]:
        return (OPEN_SINCE.asc(),)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        if not search_term or not scoping.is_searchable(search_term):
            return super().get_search_results(request, queryset, search_term)
        sight = scoping.sight_of(request)
        found = lookup.find(search_term, group_ids=sight.group_ids, mall_ids=sight.mall_ids)
        return queryset.filter(wallet_pass__member__in=found), False

    def has_send_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(SEND)

    @admin.action(description=_("Send again"), permissions=["send"])
    def send_selected_again(self, request: HttpRequest, queryset: QuerySet[PassUpdate]) -> None:
        chosen = PassUpdate.objects.filter(pk__in=list(queryset.order_by().values_list("pk", flat=True)))
        count = passes.replay_dead(updates=chosen, by=login_of(request))
        messages.success(request, _("%(count)s cards go out again.") % {"count": count})

    @admin.display(description=_("card"))
    def card(self, update: PassUpdate) -> str:
        one = update.wallet_pass
        return formats.two_lines(one.member.name or one.member.card_number, one.external_id or one.serial)

    @admin.display(description=_("state"))
    def state_pill(self, update: PassUpdate) -> str:
        return delivery_story.state_pill(update)

    @admin.display(description=_("the card shows"))
    def card_shows(self, update: PassUpdate) -> str:
        return formats.column(delivery_story.points_shown(update))

    @admin.display(description=_("the ledger says"))
    def ledger_says(self, update: PassUpdate) -> str:
        return formats.column(delivery_story.ledger_points(update))

    @admin.display(description=_("attempts"))
    def attempts_shown(self, update: PassUpdate) -> str:
        return formats.column(formats.number(update.attempts))

    @admin.display(description=_("next attempt"))
    def next_attempt(self, update: PassUpdate) -> str:
        return formats.due(update.due_at)

    @admin.display(description=_("last answer"))
    def last_answer(self, update: PassUpdate) -> str:
        return update.last_code or formats.NOTHING

    def title_of(self, thing: PassUpdate) -> object:
        return _("Card of %(member)s") % {
            "member": thing.wallet_pass.member.name or thing.wallet_pass.member.card_number
        }

    def pill_of(self, thing: PassUpdate) -> str:
        return self.state_pill(thing)
