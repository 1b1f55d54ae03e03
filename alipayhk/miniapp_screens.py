"""The screen of mini-app sessions: who is signed in, where, until when; staff may end one, and see no token."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from alipayhk import miniapp_sessions
from alipayhk.models import MiniAppSession
from pms import clock, formats, scoping, story
from pms.filters import day_of
from pms.records import Deed, RecordAdmin, Refused
from pms.story import Panel


def _end(request: HttpRequest, session: MiniAppSession) -> object:
    if not miniapp_sessions.end(session=session, now=clock.now()):
        raise Refused(_("This session is over already."))
    return _("Ended: the mini-app has to sign in again.")


@admin.register(MiniAppSession)
class MiniAppSessionAdmin(RecordAdmin):
    mall_path = "credential__mall"
    screen_name = _("Mini-app sessions")
    list_display = ("member_name", "state_pill", "mall_name", "began", "good_until")
    list_select_related = ("credential__mall", "wallet_pass__member")
    list_filter = (day_of("began_at"), ("credential__mall", scoping.ScopedFilter))
    search_fields = ("=wallet_pass__user_id", "=wallet_pass__member__card_number")
    search_help_text = _("Wallet user ID or card number, in full")
    ordering = ("-began_at", "-pk")
    sortable_by = ()
    empty_words = _(
        "Nobody has signed in from a mini-app lately. Sessions that are over are removed every night."
    )
    deeds = (
        Deed(name="end", label=_("End session"), permission="alipayhk.change_miniappsession", do=_end,
             is_offered=lambda session: is_live(session),
             explanation=_("The mini-app on that phone has to sign in again; points and consent stay.")),
    )  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).defer("token_hash")

    @admin.display(description=_("member"))
    def member_name(self, session: MiniAppSession) -> str:
        member = session.wallet_pass.member
        return formats.two_lines(member.name or member.card_number, member.card_number if member.name else "")

    @admin.display(description=_("state"))
    def state_pill(self, session: MiniAppSession) -> str:
        return formats.pill("good", _("signed in")) if is_live(session) else formats.pill("quiet", _("over"))

    @admin.display(description=_("mall"))
    def mall_name(self, session: MiniAppSession) -> str:
        return formats.name_of(session.credential.mall)

    @admin.display(description=_("signed in"))
    def began(self, session: MiniAppSession) -> str:
        return formats.moment(session.began_at)

    @admin.display(description=_("good until"))
    def good_until(self, session: MiniAppSession) -> str:
        return formats.moment(session.ended_at or session.expires_at)

    def title_of(self, thing: MiniAppSession) -> object:
        member = thing.wallet_pass.member
        return _("Session of %(member)s") % {"member": member.name or member.card_number}

    def pill_of(self, thing: MiniAppSession) -> str:
        return self.state_pill(thing)


def is_live(session: MiniAppSession) -> bool:
    return session.ended_at is None and session.expires_at > clock.now()


@story.tells("alipayhk.miniappsession", 10)
def signed_in(request: HttpRequest, session: MiniAppSession) -> Panel:
    return story.facts(_("Sign-in"), [
        (_("Member"), story.link(request, session.wallet_pass.member)),
        (_("Mall"), formats.name_of(session.credential.mall)),
        (_("Mini-app ID"), formats.identifier(session.credential.app_id)),
        (_("Signed in"), formats.moment(session.began_at)),
        (_("Good until"), formats.moment(session.expires_at)),
        (_("Ended"), formats.moment(session.ended_at) if session.ended_at else formats.NOTHING),
    ])  # fmt: skip
