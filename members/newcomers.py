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
    """Ids rise with time, so the day's first id bounds the look; `joined_at` has no index of its own."""
    last_before = (
        Member.objects.filter(joined_at__lt=day.start).order_by("-pk").values_list("pk", flat=True).first()
    )
    recent = Member.objects.filter(pk__gt=last_before or 0, joined_at__range=(day.start, day.now))
    return recent.filter(program__group__in=scoping.sight_of(request).group_ids).count()
