"""What the demo programs' mini-app asks of those who register, and the text they agree to. All invented."""

from collections.abc import Collection
from typing import Any

from members.models import Program, RegistrationField

TEXT_VERSION = "2026-11"
TEXT_EN = (
    "I let AlipayHK share my payments at the malls of {name} with {name}, so that I earn points without handing in "
    "receipts. I may withdraw at any time; what was earned before stays."
)
TEXT_ZH = (
    "本人同意 AlipayHK 向{name}提供本人在其商場的付款紀錄，以便自動賺取積分，無須遞交收據。"
    "本人可隨時撤回同意；之前所賺積分不受影響。"
)
FIELDS: tuple[dict[str, Any], ...] = (
    {
        "code": "interest",
        "label_en": "What do you come for most?",
        "label_zh": "您最常為甚麼而來？",
        "kind": RegistrationField.Kind.CHOICE,
        "choices": [
            {"code": "dining", "en": "Dining", "zh": "餐飲"},
            {"code": "fashion", "en": "Fashion", "zh": "時裝"},
            {"code": "family", "en": "Family", "zh": "親子"},
        ],
        "is_required": True,
    },
    {
        "code": "offers",
        "label_en": "Send me offers of the mall",
        "label_zh": "接收商場優惠資訊",
        "kind": RegistrationField.Kind.YES_NO,
    },
)


def ask(*, labels: Collection[str]) -> None:
    """Give the programs of these groups a text and fields; what staff have changed since stays changed."""
    for program in Program.objects.filter(group__label__in=labels, consent_text_version=""):
        program.consent_text_version = TEXT_VERSION
        program.consent_text_en = TEXT_EN.format(name=program.name_en)
        program.consent_text_zh = TEXT_ZH.format(name=program.name_zh)
        program.save()
        for position, fields in enumerate(FIELDS, 1):
            RegistrationField.objects.get_or_create(
                program=program, code=fields["code"], defaults={**fields, "position": position}
            )
