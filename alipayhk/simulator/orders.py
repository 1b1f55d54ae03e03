"""Reads createPass and updatePass bodies as strictly as the pages describe them; wire §6.1, §6.2, §8.1."""

import re
from dataclasses import dataclass
from typing import Any

from alipayhk.simulator import cards
from alipayhk.simulator.cards import Faces, Order, PassRefused
from alipayhk.simulator.clients import Client

# AlipayHK users begin 2160, mainland ones 2088; a printed sample has 2188.
_USER = re.compile(r"(2160|2088|2188)[0-9]{8,28}")
_LENGTHS = {"merchantId": 64, "templateCode": 32, "bizSerialId": 128, "bizSerialType": 32, "passId": 32}
_DATES = ("startDate", "endDate", "bizCreate")
_STATUSES = ("UPDATE", "CLOSED", "USED", "REFUND")


@dataclass(frozen=True)
class Change:
    """An updatePass call: new values to show, or (without them) a final status."""

    pass_id: str
    status: str
    faces: Faces | None


def read_create(content: dict[str, Any], client: Client) -> Order:
    for name in ("merchantId", "templateCode", "bizSerialId", "bizSerialType"):
        _need_text(content, name)
    _check_merchant(content, client)
    _check_template(content, client)
    if content["bizSerialType"] != "OUT_PLAT_FORM":
        raise PassRefused("PARAM_ILLEGAL", "bizSerialType must be OUT_PLAT_FORM")
    _check_dates(content)
    user_id, open_id = _user(content)
    return Order(
        client_id=client.client_id,
        merchant_id=content["merchantId"],
        user_id=user_id,
        open_id=open_id,
        serial=content["bizSerialId"],
        faces=cards.read_faces(content.get("dataInfo"), client.template.shape),
        code_info=content.get("codeInfo"),
        end_date=content["endDate"],
    )


def read_update(content: dict[str, Any], client: Client) -> Change:
    if not content.get("passId"):
        raise PassRefused("PASS_IS_NULL", "passId is missing")
    for name in ("merchantId", "passId", "status"):
        _need_text(content, name)
    _check_merchant(content, client)
    if "templateCode" in content and content["templateCode"] != client.template.code:
        raise PassRefused("PARAM_ILLEGAL", "templateCode is not this client's")
    _user(content)
    return Change(pass_id=content["passId"], status=_status(content), faces=_new_faces(content, client))


def _status(content: dict[str, Any]) -> str:
    status = str(content["status"])
    if status not in _STATUSES:
        raise PassRefused("PARAM_ILLEGAL", f"status must be one of {', '.join(_STATUSES)}")
    return "CLOSED" if status == "REFUND" else status


def _new_faces(content: dict[str, Any], client: Client) -> Faces | None:
    if content["status"] != "UPDATE":
        return None
    if not isinstance(content.get("updateDetailType"), str) or not content["updateDetailType"]:
        raise PassRefused("PARAM_ILLEGAL", "updateDetailType is required with status UPDATE")
    return cards.read_faces(content.get("dataInfo"), client.template.shape)


def _need_text(content: dict[str, Any], name: str) -> None:
    value = content.get(name)
    if not isinstance(value, str) or not value:
        raise PassRefused("PARAM_ILLEGAL", f"{name} is required text")
    if len(value) > _LENGTHS.get(name, 32):
        raise PassRefused("PARAM_ILLEGAL", f"{name} is too long")


def _check_merchant(content: dict[str, Any], client: Client) -> None:
    if content["merchantId"] != client.merchant_id:
        raise PassRefused("PARAM_ILLEGAL", "merchantId is not this client's")


def _check_template(content: dict[str, Any], client: Client) -> None:
    template = client.template
    if content["templateCode"] != template.code:
        raise PassRefused("PASS_TEMPLATE_HAS_NOT_EXIT", "no such template")
    if content.get("type", template.type) != template.type:
        raise PassRefused("PASS_TYPE_NOT_MATCH", "type differs from the template's")
    if content.get("product", template.product) != template.product:
        raise PassRefused("PASS_PRODUCT_TYPE_NOT_MATCH", "product differs from the template's")


def _check_dates(content: dict[str, Any]) -> None:
    for name in _DATES:
        value = content.get(name)
        if not isinstance(value, int) or isinstance(value, bool) or value < 10**12:
            raise PassRefused("PARAM_ILLEGAL", f"{name} is required, in epoch milliseconds")
    if content["endDate"] <= content["startDate"]:
        raise PassRefused("PARAM_ILLEGAL", "endDate must be after startDate")


def _user(content: dict[str, Any]) -> tuple[str, str]:
    user_id, open_id = content.get("userId") or "", content.get("openId") or ""
    if not isinstance(user_id, str) or not isinstance(open_id, str) or not (user_id or open_id):
        raise PassRefused("PARAM_ILLEGAL", "one of userId and openId is required")
    if user_id and not _USER.fullmatch(user_id):
        raise PassRefused("USER_NOT_EXSITS", "no such user")
    return user_id, open_id
