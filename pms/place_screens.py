"""What the screens of groups, malls and stores share."""

from typing import Any

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from pms import formats
from pms.records import pill_by
from pms.scoping import ScopedModelAdmin
from pms.steady_forms import SteadyForm

TONES = {"ACTIVE": "good", "SUSPENDED": "warn"}


class PlaceAdmin(ScopedModelAdmin):
    """Groups, malls and stores: edited by those whose role allows it."""

    form = SteadyForm
    is_addable = is_changeable = True

    @admin.display(description=_("name"))
    def named(self, place: Any) -> str:
        first, second = (
            (place.name_zh, place.name_en) if formats.is_chinese() else (place.name_en, place.name_zh)
        )
        return formats.two_lines(first, second)

    @admin.display(description=_("state"))
    def state_pill(self, place: Any) -> str:
        return pill_by(TONES, place)
