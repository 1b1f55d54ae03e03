"""The counter's screen of redemptions: set points aside from the member's page, then confirm or release the code."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import OperationalError
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from loyalty.ledger import redemption_story, redemptions
from loyalty.ledger.models import Redemption
from loyalty.ledger.redemption_forms import ReserveForm
from loyalty.ledger.redemptions import RedemptionRefused
from members.models import Member
from pms import clock, formats, scoping, story
from pms.records import Deed, RecordAdmin, Refused, pill_by

CHANGE = "ledger.change_redemption"
BUSY = _("Somebody else holds it right now. Nothing was changed; try again.")


def _confirm(request: HttpRequest, redemption: Redemption) -> object:
    _ended(redemptions.confirm, request, redemption)
    return formats.sentence(gettext("%(points)s redeemed."), points=formats.points(redemption.points))


def _release(request: HttpRequest, redemption: Redemption) -> object:
    _ended(redemptions.release, request, redemption)
    return formats.sentence(
        gettext("%(points)s are back in the balance."), points=formats.points(redemption.points)
    )


def _ended(act: Callable[..., Redemption], request: HttpRequest, redemption: Redemption) -> None:
    try:
        act(redemption=redemption, by=request.user, now=clock.now())
    except RedemptionRefused as refusal:
        raise Refused(str(refusal)) from refusal
    except OperationalError as error:
        raise Refused(BUSY) from error


def _is_open(redemption: Redemption) -> bool:
    return redemption.state == Redemption.State.RESERVED


class RedemptionAdmin(RecordAdmin):
    mall_path = "mall"
    list_display = ("code_shown", "state_pill", "owner", "points_shown", "worth", "mall_name", "reserved")
    list_select_related = ("account__member__program", "mall")
    list_filter = ("state", ("mall", scoping.ScopedFilter))
    search_fields = ("=code", "=account__member__card_number", "=payment_number")
    search_help_text = _("Code, card number or bill number, in full")
    ordering = ("-pk",)
    sortable_by = ()
    empty_words = _("No points redeemed yet. The counter redeems from the member's page.")
    deeds = (
        Deed(name="confirm", label=_("Confirm redemption"), permission=CHANGE, do=_confirm, is_offered=_is_open,
             explanation=_("The points are spent.")),
        Deed(name="release", label=_("Release"), permission=CHANGE, do=_release, is_offered=_is_open,
             is_main=lambda _thing: False,
             explanation=_("The points go back to the member.")),
    )  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related("account__member__program", "mall")

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.reserve_view)
        return [path("reserve/<int:member_id>/", view, name="ledger_redemption_reserve"), *super().get_urls()]

    def reserve_view(self, request: HttpRequest, member_id: int) -> HttpResponse:
        """Set points aside; a refusal says why on the member's page, and nothing was changed."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not request.user.has_perm("ledger.add_redemption"):
            raise PermissionDenied
        member = story.visible(request, Member).select_related("program").filter(pk=member_id).first()
        if member is None:
            raise Http404
        try:
            redemption = self._reserved(request, member)
        except Refused as refusal:
            messages.error(request, str(refusal))
            return HttpResponseRedirect(reverse("admin:members_member_change", args=[member.pk]))
        messages.success(request, str(_("Set aside. Confirm before the code expires, or release it.")))
        return HttpResponseRedirect(self._address(redemption))

    def _reserved(self, request: HttpRequest, member: Member) -> Redemption:
        form = ReserveForm(request.POST, request=request, member=member)
        if not form.is_valid():
            raise Refused(" ".join(str(said) for errors in form.errors.values() for said in errors))
        try:
            redemption = redemptions.reserve(wish=form.wish(), by=request.user, now=clock.now())  # type: ignore[arg-type]
        except RedemptionRefused as refusal:
            raise Refused(str(refusal)) from refusal
        except OperationalError as error:
            raise Refused(BUSY) from error
        self.log_change(request, redemption, str(_("Points set aside")))
        return redemption

    @admin.display(description=_("code"))
    def code_shown(self, redemption: Redemption) -> str:
        return redemption.code

    @admin.display(description=_("state"))
    def state_pill(self, redemption: Redemption) -> str:
        return pill_by(redemption_story.TONES, redemption)

    @admin.display(description=_("member"))
    def owner(self, redemption: Redemption) -> str:
        return str(redemption.account.member)

    @admin.display(description=_("points"))
    def points_shown(self, redemption: Redemption) -> str:
        return formats.column(formats.number(redemption.points))

    @admin.display(description=_("worth"))
    def worth(self, redemption: Redemption) -> str:
        return formats.column(formats.money(redemption.value_cents))

    @admin.display(description=_("mall"))
    def mall_name(self, redemption: Redemption) -> str:
        return formats.name_of(redemption.mall)

    @admin.display(description=_("set aside"))
    def reserved(self, redemption: Redemption) -> str:
        return formats.moment(redemption.reserved_at)

    def title_of(self, thing: Redemption) -> object:
        return _("Redemption %(code)s") % {"code": thing.code}

    def pill_of(self, thing: Redemption) -> str:
        return self.state_pill(thing)
