"""Forms that ask which mall, of those that the login sees, and for a file about it."""

from typing import Any

from django import forms
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from pms import formats, scoping
from pms.models import Mall


class MallField(forms.ModelChoiceField):  # type: ignore[type-arg]
    def label_from_instance(self, obj: Any) -> str:
        return formats.name_of(obj)


class MallForm(forms.Form):
    mall = MallField(label=_("Mall"), queryset=Mall.objects.none(), empty_label=None)

    def __init__(self, *typed: Any, request: HttpRequest) -> None:
        super().__init__(*typed)
        field: Any = self.fields["mall"]
        field.queryset = scoping.malls_of(request.user).order_by("name_en")


class MallFileForm(MallForm):
    file = forms.FileField(label=_("File (CSV in UTF-8, or XLSX)"), allow_empty_file=True)

    def __init__(self, *typed: Any, request: HttpRequest) -> None:
        super().__init__(*typed, request=request)
        self.fields["file"].widget.attrs |= {"accept": ".csv,.xlsx"}
