"""Points asked for by hand, on the staff screens: ask, and decide what somebody else has asked for."""

import re
import secrets
from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from loyalty.earning.models import Transaction
from loyalty.ledger import postings
from loyalty.review import adjustments, reconciliation, repairs
from loyalty.review.adjustments import AdjustmentRefused, AlreadyEnded, Wish
from loyalty.review.models import AdjustmentRequest
from loyalty.review.repairs import RepairRefused
from members import lookup
from members.models import Member
from pms import clock, formats, scoping, story
from pms.filters import OpenFilter, day_of
from pms.models import Mall
from pms.records import Deed, RecordAdmin, Refused, login_of, pill_by
from pms.story import Panel

CHANGE = "review.change_adjustmentrequest"
ADD = "review.add_adjustmentrequest"
TONES = {"PENDING": "wait", "APPROVED": "good", "REJECTED": "bad", "CANCELED": "quiet"}
POINTS = re.compile(r"[+-]?[0-9]{1,8}")
BUSY = _("Somebody else holds it right now. Nothing was changed; try again.")
WHY_NOT: dict[type[Exception], Promise] = {
    adjustments.NoReason: _("Say why: nobody can judge it later without a reason."),
    adjustments.PointsOutOfRange: _("The points are none, or more than anybody could mean."),
    adjustments.MembershipOver: _("The member has left; nothing moves on the account."),
    adjustments.OwnRequest: _("You asked for it, so somebody else decides."),
    adjustments.NotYours: _("Only whoever asked for it cancels it."),
    adjustments.TooFewPoints: _(
        "The member has fewer points, and the program lets no balance fall so low. Nothing was moved."
    ),
    adjustments.FormUsed: _(
        "This form was sent already, asking for something else. Nothing was added; open a new form."
    ),
    adjustments.AskedAlready: _("A repair has been asked for or decided already."),
    adjustments.Outdated: _(
        "The purchase has changed since: a refund, a decision or another repair came. Reject the request if one "
        "waits, and compare the file again."
    ),
    repairs.NoPass: _("The member has no card in the wallet, so the payment cannot be theirs."),
    repairs.KnownMeanwhile: _("The payment has been recorded meanwhile; reject the request."),
    repairs.StillWaits: _("The store is unknown or suspended. Say which store it was, or see to it first."),
    repairs.NothingToGive: _("The rules give nothing for the payment now; reject the request."),
    repairs.RefundRefused: _("The refund does not fit what is recorded of the purchase; reject the request."),
    reconciliation.MemberUnknown: _("The file does not name the payer. Say who paid."),
    reconciliation.MemberElsewhere: _("The member belongs to another mall group."),
    reconciliation.NothingToMove: _("No points would move, so there is nothing to ask for."),
    reconciliation.DecideElsewhere: _(
        "The purchase is recorded and waits for its store or a decision. See to that; it then earns by itself."
    ),
}


def said_no(refusal: Exception) -> str:
    """Who was faster is named, so that the second can ask."""
    if not isinstance(refusal, AlreadyEnded):
        return str(WHY_NOT[type(refusal)])
    return gettext("%(who)s has decided “%(answer)s” meanwhile. Nothing was changed.") % {
        "who": refusal.request.decided_by, "answer": refusal.request.get_state_display(),
    }  # fmt: skip


def tried(act: Callable[..., AdjustmentRequest], **options: Any) -> AdjustmentRequest:
    try:
        return act(now=clock.now(), **options)
    except (AdjustmentRefused, RepairRefused) as refusal:
        raise Refused(said_no(refusal)) from refusal
    except OperationalError as error:
        raise Refused(str(BUSY)) from error


def _approve(request: HttpRequest, asked: AdjustmentRequest) -> object:
    done = tried(adjustments.approve, request=asked, by=login_of(request))
    balance = done.account.balance or 0
    return gettext("Approved. The balance is %(points)s now.") % {"points": formats.points(balance)}


def _reject(request: HttpRequest, asked: AdjustmentRequest) -> object:
    note = request.POST.get("typed", "")
    tried(adjustments.reject, request=asked, by=login_of(request), note=note)
    return gettext("Rejected. No point moved.")


def _cancel(request: HttpRequest, asked: AdjustmentRequest) -> object:
    tried(adjustments.cancel, request=asked, by=login_of(request))
    return gettext("Canceled. No point moved.")


def _is_waiting(asked: AdjustmentRequest) -> bool:
    return asked.is_waiting


class MallChoice(forms.ModelChoiceField):  # type: ignore[type-arg]  # Django's own class is not generic at runtime
    def label_from_instance(self, obj: Mall) -> str:
        return formats.name_of(obj)


class AskForm(forms.Form):
    """`token` makes a double click one request."""

    token = forms.CharField(widget=forms.HiddenInput, max_length=64)
    mall = MallChoice(label=_("Mall"), queryset=Mall.objects.none(), empty_label=None)
    member = forms.CharField(label=_("Member (phone, card number or user ID)"), max_length=128)
    points = forms.CharField(label=_("Points (below zero takes points)"), max_length=9)
    reason = forms.ChoiceField(label=_("Reason"), choices=AdjustmentRequest.Reason.choices)
    purchase = forms.CharField(
        label=_("Bill number, if it is about a purchase"), max_length=128, required=False
    )
    note = forms.CharField(label=_("What happened, and why"), max_length=adjustments.LONGEST_NOTE)

    def __init__(self, typed: Any = None, *, request: HttpRequest, **options: Any) -> None:
        super().__init__(typed, initial={"token": secrets.token_hex(16), **options})
        self.request = request
        field: Any = self.fields["mall"]
        field.queryset = scoping.malls_of(request.user).order_by("name_en")

    def clean_member(self) -> Member:
        mall = self.cleaned_data.get("mall")
        return found_member(
            self.request, self.cleaned_data["member"], group_id=mall.group_id if mall else None
        )

    def clean_points(self) -> int:
        typed = self.cleaned_data["points"].strip()
        if not POINTS.fullmatch(typed) or not int(typed):
            raise ValidationError(_("Whole points in digits, such as 250 or -250."))
        return int(typed)

    def clean_purchase(self) -> Transaction | None:
        number = self.cleaned_data["purchase"].strip()
        if not number:
            return None
        sight = scoping.sight_of(self.request)
        seen = Transaction.objects.filter(group__in=sight.group_ids, mall__in=sight.mall_ids)
        found = seen.filter(payment_number=number).first() or seen.filter(receipt_number=number).first()
        if found is None:
            raise ValidationError(_("No purchase of your malls has this number."))
        return found

    def clean(self) -> dict[str, Any]:
        cleaned = self.cleaned_data
        member, mall, purchase = cleaned.get("member"), cleaned.get("mall"), cleaned.get("purchase")
        if member and mall and member.program.group_id != mall.group_id:
            self.add_error("member", _("The member belongs to another mall group."))
        if member and purchase and purchase.member_id != member.pk:
            self.add_error("purchase", _("This purchase is another member's."))
        if mall and purchase and purchase.mall_id != mall.pk:
            self.add_error("purchase", _("This purchase was made in another mall."))
        return cleaned

    def wish(self) -> Wish:
        cleaned = self.cleaned_data
        return Wish(
            mall=cleaned["mall"],
            account=postings.open_account(member=cleaned["member"], now=clock.now()),
            points=cleaned["points"],
            reason=cleaned["reason"],
            note=cleaned["note"],
            transaction=cleaned["purchase"],
            request_key=cleaned["token"],
        )


def found_member(request: HttpRequest, typed: str, *, group_id: int | None) -> Member:
    """The one member that the login may see under what somebody read out; first of this group.

    People join several programs with the same phone. A member of another group alone is still found, and told of.
    """
    sight = scoping.sight_of(request)
    ids = lookup.find(typed, group_ids=sight.group_ids & {group_id}, mall_ids=sight.mall_ids)
    ids = ids or lookup.find(typed, group_ids=sight.group_ids, mall_ids=sight.mall_ids)
    if len(ids) != 1:
        raise ValidationError(
            _("Several members match this; use the card number.") if ids else _("No member is known by this.")
        )
    return Member.objects.select_related("program").get(pk=ids.pop())


@admin.register(AdjustmentRequest)
class AdjustmentRequestAdmin(RecordAdmin):
    screen_name = _("Adjustments")
    mall_path = "mall"
    is_addable = True
    list_display = ("asked", "member_name", "points_shown", "why", "who", "state_pill")
    list_select_related = ("account__member", "requested_by", "decided_by", "mall")
    list_filter = (OpenFilter, "reason", day_of("requested_at"), ("mall", scoping.ScopedFilter))
    search_fields = ("=account__member__card_number", "=transaction__payment_number")
    search_help_text = _("Card number or bill number, in full")
    ordering = ("-requested_at",)
    sortable_by = ()
    open_since = "requested_at"
    empty_words = _(
        "No request waits. Points that somebody asks for by hand, and repairs of what reconciliation found, stand here "
        "until another person approves them."
    )
    deeds = (
        Deed(name="approve", label=_("Approve"), permission=CHANGE, do=_approve, is_offered=_is_waiting,
             explanation=_("The points move at once.")),
        Deed(name="reject", label=_("Reject"), permission=CHANGE, do=_reject, is_offered=_is_waiting,
             field_label=_("Why not"), is_main=lambda _asked: False),
        Deed(name="cancel", label=_("Take back"), permission=ADD, do=_cancel, is_offered=_is_waiting,
             is_main=lambda _asked: False),
    )  # fmt: skip

    def open_rows(self, rows: Any) -> Any:
        return rows.filter(state=AdjustmentRequest.State.PENDING)

    def _offered(self, request: HttpRequest, thing: Any) -> list[Deed]:
        """Whoever asked may take it back, and decides nothing."""
        is_own = thing.requested_by_id == request.user.pk
        return [deed for deed in super()._offered(request, thing) if (deed.name == "cancel") == is_own]

    def deed_view(self, request: HttpRequest, object_id: str, name: str) -> HttpResponse:
        """Who presses late, or on an own request, is told why it did nothing."""
        if request.method == "POST" and name in ("approve", "reject") and request.user.has_perm(CHANGE):
            asked: Any = self._visible_thing(request, object_id)
            is_own = asked.requested_by_id == request.user.pk
            if is_own or not asked.is_waiting:
                messages.error(
                    request,
                    said_no(AlreadyEnded(asked) if not asked.is_waiting else adjustments.OwnRequest()),
                )
                return self._page(request, asked, typed=request.POST.get("typed", ""))
        return super().deed_view(request, object_id, name)

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        is_sent = request.method == "POST"
        given = {name: request.GET.get(name, "")[:128] for name in ("member", "purchase")}
        form = AskForm(request.POST, request=request) if is_sent else AskForm(request=request, **given)
        asked = self._asked(request, form) if is_sent and form.is_valid() else None
        if asked:
            return HttpResponseRedirect(self._address(asked))
        context = {
            **self.admin_site.each_context(request), "opts": self.opts, "title": gettext("Ask for points"),
            "form": form, "button": gettext("Ask for approval"),
            "intro": [gettext("Nothing moves until somebody else approves it. Once asked, it cannot be edited.")],
        }  # fmt: skip
        return TemplateResponse(request, "admin/asking.html", context)

    def _asked(self, request: HttpRequest, form: AskForm) -> AdjustmentRequest | None:
        try:
            asked = tried(adjustments.request, wish=form.wish(), by=login_of(request))
        except Refused as refused:
            form.add_error(None, str(refused))
            return None
        self.log_addition(request, asked, gettext("Asked for"))
        messages.success(request, gettext("Asked for. It waits for somebody else to approve it."))
        return asked

    @admin.display(description=_("age"))
    def asked(self, asked: AdjustmentRequest) -> str:
        return formats.age(asked.requested_at)

    @admin.display(description=_("member"))
    def member_name(self, asked: AdjustmentRequest) -> str:
        member = asked.account.member
        if member is None:
            return formats.NOTHING
        return formats.two_lines(member.name or member.card_number, member.card_number if member.name else "")

    @admin.display(description=_("points"))
    def points_shown(self, asked: AdjustmentRequest) -> str:
        return formats.column(formats.signed(asked.points), is_minus=asked.points < 0)

    @admin.display(description=_("reason"))
    def why(self, asked: AdjustmentRequest) -> str:
        return formats.two_lines(formats.word(asked.get_reason_display()), asked.note)

    @admin.display(description=_("requested by"))
    def who(self, asked: AdjustmentRequest) -> str:
        return str(asked.requested_by)

    @admin.display(description=_("state"))
    def state_pill(self, asked: AdjustmentRequest) -> str:
        return pill_by(TONES, asked)

    def title_of(self, thing: AdjustmentRequest) -> object:
        return gettext("%(points)s points by hand") % {"points": formats.signed(thing.points)}

    def pill_of(self, thing: AdjustmentRequest) -> str:
        return self.state_pill(thing)


@story.tells("review.adjustmentrequest", 10)
def what(request: HttpRequest, asked: AdjustmentRequest) -> Panel:
    member = asked.account.member
    balance = asked.account.balance or 0
    rows: list[tuple[object, object]] = [
        (gettext("Points"), formats.big(formats.signed(asked.points))),
        (gettext("What it does"), formats.word(asked.get_deed_display())),
        (gettext("Member"), story.link(request, member)),
        (gettext("Balance now"), formats.points(balance)),
    ]
    if asked.is_waiting:
        rows.append((gettext("Balance after it"), formats.points(balance + asked.points)))
    rows += [
        (gettext("Reason"), formats.word(asked.get_reason_display())),
        (gettext("What happened, and why"), asked.note),
        (gettext("Mall"), formats.name_of(asked.mall)),
        (gettext("Purchase"), _purchase(request, asked.recorded or asked.transaction)),
        (gettext("Finding"), story.link(request, asked.finding)),
    ]
    return story.facts(gettext("What is asked for"), rows, is_short=True)


@story.tells("review.adjustmentrequest", 20)
def people(request: HttpRequest, asked: AdjustmentRequest) -> Panel:
    return story.facts(gettext("Who and when"), [
        (gettext("Requested by"), asked.requested_by),
        (gettext("Requested"), formats.moment(asked.requested_at)),
        (gettext("Decided by"), asked.decided_by or formats.NOTHING),
        (gettext("Decided"), formats.moment(asked.decided_at)),
        (gettext("Reason of the decision"), asked.decision_note),
        (gettext("Posting"), story.link(request, asked.posting)),
    ], is_short=True)  # fmt: skip


def _purchase(request: HttpRequest, purchase: Transaction | None) -> str:
    """A purchase of another mall is not shown."""
    seen = story.visible(request, Transaction).filter(pk=purchase.pk).first() if purchase else None
    return story.link(request, seen)


@story.tells("earning.transaction", 45)
def by_hand(request: HttpRequest, purchase: Transaction) -> Panel | None:
    """What people moved for a purchase by hand, on its own page."""
    asked = list(purchase.adjustments.select_related("requested_by", "decided_by").order_by("pk"))
    rows = [
        (formats.moment(one.requested_at), formats.signed(one.points), pill_by(TONES, one), str(one.requested_by),
         str(one.decided_by or "–"))
        for one in asked
    ]  # fmt: skip
    headings = [
        (gettext("Requested"), ""), (gettext("Points"), "number"), (gettext("State"), ""),
        (gettext("Requested by"), ""), (gettext("Decided by"), ""),
    ]  # fmt: skip
    return story.table(gettext("Points by hand"), headings, rows, empty="") if rows else None
