"""What the mini-app is told of its mall and of the member who is signed in. Writes nothing."""

from datetime import datetime

from django.conf import settings

from alipayhk.models import Credential
from loyalty.earning import member_account
from members.models import Pass, Program, RegistrationField
from pms import formats, scoping
from pms.clock import HONG_KONG
from pms.models import Mall

SCOPES = ["auth_base", "SCOPE_USER_BILL"]


def credential_of(tag: str) -> Credential | None:
    """The credential of the mall's mini-app; a mall that has none, no program, or is suspended is not open to it."""
    if not scoping.is_searchable(tag):
        return None
    found = Credential.objects.select_related("mall").exclude(app_id="").exclude(mall__group__program=None)
    return found.filter(mall__tag=tag, mall__state=Mall.State.ACTIVE).order_by("pk").first()


def is_mall(tag: str) -> bool:
    return scoping.is_searchable(tag) and Mall.objects.filter(tag=tag).exists()


def me(*, wallet_pass: Pass, now: datetime) -> dict[str, object]:
    """The member's own card; phone and e-mail are masked, since a phone may lie about.

    They are those that the member typed last: what was kept of them would tell whether somebody else has them.
    """
    member = wallet_pass.member
    consent = wallet_pass.consents.filter(ended_at=None).first()
    return {
        **member_account.summary(member=member, now=now),
        "name": member.name,
        "phone": formats.masked_phone(member.typed_phone or member.phone),
        "email": formats.masked_email(member.typed_email or member.email),
        "is_registered": member.registered_at is not None,
        "auto_earn": consent is not None,
        "consent": {
            "is_given": consent is not None,
            "text_version": consent.text_version if consent else "",
            "began_at": moment(consent.began_at) if consent else None,
        },
    }


def setup(credential: Credential) -> dict[str, object]:
    """What the mini-app needs before anybody has signed in; it says nothing about anybody."""
    mall, program = credential.mall, credential.mall.group.program
    return {
        "program": {"name_en": program.name_en, "name_zh": program.name_zh},
        "mall": {"tag": mall.tag, "name_en": mall.name_en, "name_zh": mall.name_zh},
        "auth": {"scopes": SCOPES, "auth_client_id": credential.auth_client_id or credential.merchant_id},
        "bill_page": _bill_page(mall),
        "batch_key": settings.MINIAPP_BATCH_KEY,
        "consent": {
            "text_version": program.consent_text_version,
            "text_en": program.consent_text_en,
            "text_zh": program.consent_text_zh,
        },
        "registration": _registration(program),
        "redemption": {
            "min_points": program.redemption_min_points,
            "points_per_hkd": program.redemption_points_per_hkd,
        },
    }


def moment(at: datetime) -> str:
    """In Hong Kong's time, as everywhere in this API."""
    return at.astimezone(HONG_KONG).isoformat(timespec="seconds")


def _bill_page(mall: Mall) -> dict[str, object] | None:
    """AlipayHK's page on which transactions are picked; which it is, AlipayHK tells each mall."""
    if not settings.MINIAPP_BILL_PAGE_APP_ID:
        return None
    return {
        "app_id": settings.MINIAPP_BILL_PAGE_APP_ID,
        "path": settings.MINIAPP_BILL_PAGE_PATH,
        "extra_data": {"mallGroupLabel": mall.group.label, "mallLabel": mall.label},
    }


def _registration(program: Program) -> list[dict[str, object]]:
    fields = RegistrationField.objects.filter(program=program).order_by("position", "pk")
    return [
        {
            "code": field.code,
            "label_en": field.label_en,
            "label_zh": field.label_zh,
            "kind": field.kind,
            "choices": field.choices,
            "is_required": field.is_required,
        }
        for field in fields
    ]
