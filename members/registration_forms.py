"""Forms of what a program's mini-app asks: the consent text and the further fields of its registration."""

import re
from typing import Any, ClassVar

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from members.models import Program, RegistrationField
from members.terms import TermsForm
from pms.steady_forms import BaseForm

CONSENT = ("consent_text_version", "consent_text_en", "consent_text_zh")
HELP = {
    "consent_text_version": _("Such as 2026-11. Each consent names the version that was agreed to."),
    "consent_text_en": _("What a member agrees to before payments are shared. A changed text needs a new version."),
}  # fmt: skip
MOST_CHOICES = 50
OWN_FIELDS = frozenset({"name", "phone", "email", "birth_month", "card_number", "supplied"})
_CODE = re.compile(r"[a-z][a-z0-9_]{0,31}")


class ConsentTextForm(TermsForm):
    class Meta:
        model = Program
        fields = CONSENT
        help_texts = HELP
        widgets: ClassVar = {name: forms.Textarea(attrs={"rows": 5}) for name in CONSENT[1:]}

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        version, *texts = (self.cleaned_data.get(name) or "" for name in CONSENT)
        if any((version, *texts)) and not all((version, *texts)):
            for name in CONSENT:
                if not self.cleaned_data.get(name):
                    self.add_error(name, _("Version and text in both languages belong together."))
        if self.before and version and version == self.before.consent_text_version:
            known = [self.before.consent_text_en, self.before.consent_text_zh]
            if texts != known:
                self.add_error(
                    "consent_text_version", _("The text has changed: members agreed to another one.")
                )
        return cleaned


class RegistrationFieldForm(BaseForm):
    class Meta:
        model = RegistrationField
        fields = ("position", "code", "label_en", "label_zh", "kind", "choices", "is_required")
        widgets: ClassVar = {"choices": forms.Textarea(attrs={"rows": 2})}

    def clean_code(self) -> str:
        code = str(self.cleaned_data["code"])
        if not _CODE.fullmatch(code):
            raise ValidationError(_("Small letters, digits and _ only, such as favorite_shop."))
        if code in OWN_FIELDS:
            raise ValidationError(_("The form asks for this already; choose another code."))
        return code

    def clean_choices(self) -> list[dict[str, str]]:
        found = self.cleaned_data["choices"] or []
        is_fit = isinstance(found, list) and len(found) <= MOST_CHOICES and all(map(_is_choice, found))
        if not is_fit or len({one["code"] for one in found}) < len(found):
            raise ValidationError(
                _('Write a list such as [{"code": "food", "en": "Food", "zh": "美食"}], each code once.')
            )
        return found

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        is_choice = self.cleaned_data.get("kind") == RegistrationField.Kind.CHOICE
        if "choices" in self.cleaned_data and is_choice != bool(self.cleaned_data["choices"]):
            self.add_error("choices", _("One of a list needs its choices, and the others have none."))
        return cleaned


def _is_choice(one: object) -> bool:
    return (
        isinstance(one, dict)
        and set(one) == {"code", "en", "zh"}
        and all(isinstance(text, str) and 0 < len(text) <= 128 for text in one.values())
    )
