"""The counter's form for setting points aside."""

import uuid
from typing import TYPE_CHECKING, Any

from django import forms
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from loyalty.ledger.redemptions import Wish
from members.models import Member
from pms import formats, scoping
from pms.models import Mall

if TYPE_CHECKING:
    BaseChoice = forms.ModelChoiceField[Mall]
else:
    BaseChoice = forms.ModelChoiceField


class MallChoice(BaseChoice):
    def label_from_instance(self, obj: Mall) -> str:
        return formats.name_of(obj)


class ReserveForm(forms.Form):
    """Offers the malls of the member's group that the login sees. Sent twice, it asks once."""

    points = forms.IntegerField(label=_("Points"), min_value=1, max_value=10**15)
    mall = MallChoice(label=_("Mall"), queryset=Mall.objects.none(), empty_label=None)
    payment_number = forms.CharField(
        label=_("Pays for (bill number, if known)"), max_length=128, required=False
    )
    request_key = forms.CharField(max_length=64, widget=forms.HiddenInput)

    def __init__(self, typed: Any = None, *, request: HttpRequest, member: Member) -> None:
        super().__init__(typed, auto_id=False)
        self.member = member
        self.fields["request_key"].initial = uuid.uuid4().hex
        malls = scoping.malls_of(request.user).filter(group=member.program.group_id).order_by("pk")
        self.fields["mall"].queryset = malls  # type: ignore[attr-defined]
        self.fields["points"].widget.attrs |= {
            "step": member.program.redemption_points_per_hkd,
            "min": member.program.redemption_min_points,
            "autocomplete": "off",
        }

    def wish(self) -> Wish:
        return Wish(member=self.member, **self.cleaned_data)
