"""Links to members' own pages on the staff screens: made and shown once, or all withdrawn.

A link shows the member's payments in every mall of the group, so only who sees all of them makes one.
"""

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.core.exceptions import PermissionDenied
from django.db.transaction import atomic
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from loyalty.doors import page_links
from members.models import Member
from pms import clock, formats, scoping, story
from pms.records import login_of
from pms.story import Panel

LINK = "members.link_member"


@story.tells("members.member", 28)
def link(request: HttpRequest, member: Member) -> Panel | None:
    if not request.user.has_perm(LINK) or member.state == Member.State.CLOSED:
        return None
    content = {
        "make": _address(member, "make") if _sees_all(request, member) else "",
        "withdraw": _address(member, "withdraw"),
        "days": settings.MEMBER_LINK_DAYS,
    }
    return Panel(title=_("Page of the member"), template="page_link", content=content, key="page-link")


@require_POST
def deed(request: HttpRequest, member_id: int, deed: str) -> HttpResponse:
    """Make a link, or withdraw all; noted in the member's history without the link itself."""
    if not request.user.has_perm(LINK):
        raise PermissionDenied
    member = story.visible(request, Member).select_related("program").filter(pk=member_id).first()
    act = {"make": _make, "withdraw": _withdraw}.get(deed)
    if member is None or act is None:
        raise Http404
    return act(request, member)


def _make(request: HttpRequest, member: Member) -> HttpResponse:
    """The link stands in the answer to this press and nowhere else, so it is not redirected."""
    if not _sees_all(request, member):
        raise PermissionDenied
    try:
        made = page_links.make(member=member, now=clock.now())
    except page_links.MembershipClosed:
        messages.error(request, _("The membership is closed, so it has no page. Nothing was made."))
        return HttpResponseRedirect(_page(member))
    _note(request, member, _("Link to the member's page"))
    context = {
        **admin.site.each_context(request),
        "title": _("Link for the member"),
        "member": member,
        "link": formats.identifier(made.address(_home(request))),
        "ends": formats.moment(made.ends_at),
        "page": _page(member),
    }
    return TemplateResponse(request, "admin/page_link.html", context)


@atomic
def _withdraw(request: HttpRequest, member: Member) -> HttpResponse:
    page_links.withdraw_all(member=member)
    _note(request, member, _("All links to the member's page withdrawn"))
    messages.success(request, _("No link made for this member until now opens the page any more."))
    return HttpResponseRedirect(_page(member))


def _sees_all(request: HttpRequest, member: Member) -> bool:
    return member.program.group_id in scoping.whole_groups(request)


def _note(request: HttpRequest, member: Member, words: str) -> None:
    LogEntry.objects.log_actions(login_of(request).pk, [member], CHANGE, words, single_object=True)


def _home(request: HttpRequest) -> str:
    return settings.MEMBER_URL or f"{request.scheme}://{request.get_host()}"


def _address(member: Member, deed: str) -> str:
    return reverse("member-page-deed", args=[member.pk, deed])


def _page(member: Member) -> str:
    return reverse("admin:members_member_change", args=[member.pk])
