"""Forms that notice when somebody else saved the same row in between."""

import hashlib
import json
from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.serializers.json import DjangoJSONEncoder
from django.forms.models import model_to_dict
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    BaseForm = forms.ModelForm[Any]
else:
    BaseForm = forms.ModelForm


class SteadyForm(BaseForm):
    """Carries a digest of the row as it was shown; another digest on saving is a conflict."""

    seen = forms.CharField(widget=forms.HiddenInput, required=False)

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.digest = digest(self.instance) if self.instance.pk else ""
        self.fields["seen"].initial = self.digest

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        if self.instance.pk and self.cleaned_data.get("seen") != self.digest:
            raise ValidationError(
                _(
                    "Somebody else saved this while you had it open. "
                    "Nothing was saved; open it again to see their change."
                )
            )
        return cleaned


def digest(row: Any) -> str:
    values = json.dumps(model_to_dict(row), cls=DjangoJSONEncoder, sort_keys=True, default=str)
    return hashlib.sha256(values.encode()).hexdigest()
