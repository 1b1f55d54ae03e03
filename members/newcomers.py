"""The front page's figure of new members."""

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _

from members.models import Member
from pms import formats, scoping, today
from pms.today import Day, Figure, Part


@today.source(20)
def new_members(request: HttpRequest, day: Day) -> Part:
    if not request.user.has_perm("members.view_member"):
        return Part()
    now, before = _joined(request, day), _joined(request, day.before)
    address = reverse("admin:members_member_changelist")
    note = today.compared(now, before, day)
    return Part(
        figures=[Figure(label=_("New members"), shown=formats.number(now), note=note, address=address)]
    )


def _joined(request: HttpRequest, day: Day) -> int:
    groups = scoping.sight_of(request).group_ids
    return Member.objects.filter(program__group__in=groups, joined_at__range=(day.start, day.now)).count()
