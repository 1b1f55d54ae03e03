"""What AlipayHK's result codes mean for a card: the one table of wire §8.1. Pure.

Codes are compared literally, in the pages' own misspellings and as they should be.
"""

import re
from dataclasses import dataclass, replace
from enum import StrEnum

from alipayhk.payloads import PassAnswer


class Outcome(StrEnum):
    """What one call came to."""

    DONE = "DONE"
    EXISTS = "EXISTS"
    UNKNOWN = "UNKNOWN"
    PERMANENT_CARD = "PERMANENT_CARD"
    PERMANENT_TEMPLATE = "PERMANENT_TEMPLATE"


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """What to do about a card. `is_card_gone`: this card can never be updated again."""

    outcome: Outcome
    code: str
    is_alarming: bool = False
    is_card_gone: bool = False
    pass_id: str = ""


SUCCESS = "SUCCESS"
# Stands where a card's ID would, so that nobody misses one in the answer.
NO_CARD = "-"
CODES = {
    SUCCESS: Outcome.DONE,
    "PASS_HAS_EXIT": Outcome.EXISTS,
    "PASS_HAS_EXIST": Outcome.EXISTS,
    "SYSTEM_ERROR": Outcome.UNKNOWN,
    "UNKNOWN_EXCEPTION": Outcome.UNKNOWN,
    "REQUEST_TRAFFIC_EXCEED_LIMIT": Outcome.UNKNOWN,
    # Says something of our keys, nothing of the card.
    "SIGNATURE_INVALID": Outcome.UNKNOWN,
    "PARAM_ILLEGAL": Outcome.PERMANENT_CARD,
    "USER_NOT_EXSITS": Outcome.PERMANENT_CARD,
    "USER_NOT_EXISTS": Outcome.PERMANENT_CARD,
    "USER_NOT_EXIST": Outcome.PERMANENT_CARD,
    "PASS_IS_NULL": Outcome.PERMANENT_CARD,
    "PASS_HAS_NOT_EXIST": Outcome.PERMANENT_CARD,
    "PASS_USED_OCCUPIED": Outcome.PERMANENT_CARD,
    "PASS_UPDATE_FAIL": Outcome.PERMANENT_CARD,
    "PASS_TEMPLATE_HAS_NOT_EXIT": Outcome.PERMANENT_TEMPLATE,
    "PASS_TEMPLATE_HAS_NOT_EXIST": Outcome.PERMANENT_TEMPLATE,
    "PASS_TYPE_NOT_MATCH": Outcome.PERMANENT_TEMPLATE,
    "PASS_PRODUCT_TYPE_NOT_MATCH": Outcome.PERMANENT_TEMPLATE,
}
# Whatever else is permanent for a card may be put right and sent again.
GONE = frozenset(
    {
        "USER_NOT_EXSITS",
        "USER_NOT_EXISTS",
        "USER_NOT_EXIST",
        "PASS_IS_NULL",
        "PASS_HAS_NOT_EXIST",
        "PASS_USED_OCCUPIED",
        "PASS_UPDATE_FAIL",
    }
)
_EXPECTED = frozenset({"SYSTEM_ERROR", "UNKNOWN_EXCEPTION", "REQUEST_TRAFFIC_EXCEED_LIMIT"})
_CODE = re.compile(r"[A-Z][A-Z0-9_]{1,63}")
_PASS_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


def judge(answer: PassAnswer, *, pass_id: str) -> Verdict:
    """Judge a verified answer; `pass_id` is the card that was to be updated, empty when it was to be made."""
    if not _CODE.fullmatch(answer.code):
        return unknown("RESULT_UNREADABLE")
    if answer.status == "U":
        return unknown(answer.code, is_alarming=answer.code not in CODES)
    expected = CODES.get(answer.code)
    if answer.status == "S":
        return _succeeded(answer, pass_id) if expected in (Outcome.DONE, None) else unknown("CONTRADICTION")
    if expected is Outcome.DONE:
        return unknown("CONTRADICTION")
    if expected is None:
        return _unlisted(answer)
    return _failed(answer, expected, is_creation=not pass_id)


def judge_plain(answer: PassAnswer) -> Verdict:
    """Judge a verified answer to a call that concerns no card: done, unknown, or refused for good."""
    return judge(replace(answer, pass_id=""), pass_id=NO_CARD)


def unknown(code: str, *, is_alarming: bool = True) -> Verdict:
    return Verdict(outcome=Outcome.UNKNOWN, code=code, is_alarming=is_alarming)


def _succeeded(answer: PassAnswer, pass_id: str) -> Verdict:
    if answer.pass_id and not _PASS_ID.fullmatch(answer.pass_id):
        return unknown("PASS_ID_UNREADABLE")
    if pass_id and answer.pass_id not in ("", pass_id):
        return unknown("OTHER_PASS")
    if not pass_id and not answer.pass_id:
        return unknown("PASS_ID_MISSING")
    return Verdict(
        outcome=Outcome.DONE,
        code=answer.code,
        is_alarming=answer.code != SUCCESS,
        pass_id=answer.pass_id or pass_id,
    )


def _unlisted(answer: PassAnswer) -> Verdict:
    if answer.status != "F":
        return unknown(answer.code)
    return Verdict(outcome=Outcome.PERMANENT_CARD, code=answer.code, is_alarming=True)


def _failed(answer: PassAnswer, expected: Outcome, *, is_creation: bool) -> Verdict:
    if expected is Outcome.UNKNOWN:
        return unknown(answer.code, is_alarming=answer.code not in _EXPECTED)
    if expected is Outcome.EXISTS and not is_creation:
        expected = Outcome.PERMANENT_CARD
    is_named = expected is Outcome.EXISTS and _PASS_ID.fullmatch(answer.pass_id)
    return Verdict(
        outcome=expected,
        code=answer.code,
        is_alarming=not is_named,
        is_card_gone=answer.code in GONE,
        pass_id=answer.pass_id if is_named else "",
    )
