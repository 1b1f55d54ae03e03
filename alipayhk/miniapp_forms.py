"""The bodies that the mini-app sends, field by field, and how their faults are told."""

from collections.abc import Mapping, Sequence
from typing import Any

from alipayhk import miniapp_fields, miniapp_words
from alipayhk.miniapp_fields import Fault, Reader
from members.registering import RegistrationForm
from pms.strict_api import both, refusal

LONGEST_TEXT = 20_000
MOST_POINTS = 10**15
VISIBLE = "[!-~]"
SIGN_IN: dict[str, Reader] = {
    "auth_code": miniapp_fields.word(f"{VISIBLE}{{1,512}}"),
    "scopes": miniapp_fields.texts(most=10, longest=64),
    "text_version": miniapp_fields.text(32),
}
REGISTRATION: dict[str, Reader] = {
    "name": miniapp_fields.text(LONGEST_TEXT),
    "phone": miniapp_fields.text(64),
    "email": miniapp_fields.text(LONGEST_TEXT),
    "birth_month": miniapp_fields.whole(12),
    "card_number": miniapp_fields.text(64),
    "supplied": miniapp_fields.table,
}
CONSENT: dict[str, Reader] = {"text_version": miniapp_fields.text(32)}
BATCH: dict[str, Reader] = {"batch_no": miniapp_fields.word("[A-Za-z0-9_-]{1,128}")}
REDEMPTION: dict[str, Reader] = {
    "points": miniapp_fields.whole(MOST_POINTS),
    "request_key": miniapp_fields.word(f"{VISIBLE}{{0,64}}"),
}


def sign_in(body: Mapping[str, object]) -> dict[str, Any]:
    return miniapp_fields.read(body, SIGN_IN, required=("auth_code", "scopes"))


def registration(body: Mapping[str, object]) -> RegistrationForm:
    """Plain types alone are looked at here; what may stand in a field is the members' own matter."""
    found = miniapp_fields.read(body, REGISTRATION, required=())
    return RegistrationForm(
        name=found["name"] or "",
        phone=found["phone"] or "",
        email=found["email"] or "",
        birth_month=found["birth_month"],
        card_number=found["card_number"] or "",
        supplied=found["supplied"] or {},
    )


def consent(body: Mapping[str, object]) -> str:
    """The version of the text that the member has read."""
    return str(miniapp_fields.read(body, CONSENT, required=())["text_version"] or "")


def batch(body: Mapping[str, object]) -> str:
    return str(miniapp_fields.read(body, BATCH, required=("batch_no",))["batch_no"])


def redemption(body: Mapping[str, object]) -> dict[str, Any]:
    found = miniapp_fields.read(body, REDEMPTION, required=("points",))
    return {"points": found["points"], "request_key": found["request_key"] or ""}


def faulty(faults: Sequence[Fault]) -> dict[str, Any]:
    """The first fault leads; all stand under `fields`, but for those that nobody would read to the end."""
    messages = miniapp_words.MESSAGES
    told = faults[: miniapp_fields.MOST_FAULTS]
    fields = [
        {"field": name[: miniapp_fields.LONGEST_NAME], "code": code, **both(messages[code])}
        for name, code in told
    ]
    code = faults[0][1]
    return refusal(code, messages[code], fields=fields)
