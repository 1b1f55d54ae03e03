"""The bodies we send, the answers we read and the answers we give."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime

import pytest

from alipayhk import payloads
from tests.alipayhk.samples import NOW, sample


def test_create_pass_sends_the_documented_body() -> None:
    body = payloads.create_pass_body(
        merchant_id="2160120041113167",
        user_id="2160120037098191",
        template_code="22023041200135606000000000297866",
        serial="2023121819050111540150000000000108370001091127",
        starts_at=datetime(2021, 12, 31, 17, 1, 1, tzinfo=UTC),
        ends_at=datetime(2031, 12, 29, 17, 1, 1, tzinfo=UTC),
        created_at=datetime(2021, 12, 31, 17, 1, 1, tzinfo=UTC),
        pass_type="COUPON",
        product="GIFT_CARD",
        card_number="9123912839123712893",
        placeholders={"zh_HK": {"$points$": "1200"}, "en_US": {"$points$": "1200"}},
    )

    assert json.loads(body) == sample("create_pass")


def test_create_pass_leaves_out_what_is_empty() -> None:
    body = payloads.create_pass_body(
        merchant_id="1",
        user_id="2",
        template_code="3",
        serial="4",
        starts_at=NOW,
        ends_at=NOW,
        created_at=NOW,
        pass_type="",
        product="",
        card_number="",
        placeholders={},
    )

    assert not {"type", "product", "codeInfo", "dataInfo"} & json.loads(body).keys()


def test_update_pass_sends_the_documented_body() -> None:
    body = payloads.update_pass_body(
        merchant_id="2160120041113167",
        user_id="2160120037098191",
        template_code="22023041200135606000000000297866",
        pass_id="2024120219027102160229300021201",
        placeholders={"zh_HK": {"$points$": "1218"}, "en_US": {"$points$": "1218"}},
    )

    assert json.loads(body) == sample("update_pass")


PLACEHOLDERS = {"$points$": "balance", "$name$": "member_name", "tier": "tier"}
WORDS: dict[str, str | Mapping[str, str]] = {
    "balance": "1200",
    "member_name": "陳大文",
    "tier": {"zh_HK": "金卡", "en_US": "Gold"},
    "card_number": "7",
}


def test_placeholders_are_nested_by_locale() -> None:
    assert payloads.data_info(placeholders=PLACEHOLDERS, shape="NESTED", values=WORDS) == {
        "zh_HK": {"$points$": "1200", "$name$": "陳大文", "tier": "金卡"},
        "en_US": {"$points$": "1200", "$name$": "陳大文", "tier": "Gold"},
    }


def test_placeholders_are_flat_with_the_locale_inside_the_name() -> None:
    assert payloads.data_info(placeholders=PLACEHOLDERS, shape="FLAT", values=WORDS) == {
        "$points_zh_HK$": "1200",
        "$points_en_US$": "1200",
        "$name_zh_HK$": "陳大文",
        "$name_en_US$": "陳大文",
        "tier_zh_HK": "金卡",
        "tier_en_US": "Gold",
    }


def test_a_placeholder_for_a_word_that_no_card_has_is_refused() -> None:
    with pytest.raises(payloads.WordUnknown, match="shoe_size"):
        payloads.data_info(placeholders={"$x$": "shoe_size"}, shape="NESTED", values=WORDS)


def test_chinese_goes_out_as_utf8() -> None:
    body = payloads.update_pass_body(
        merchant_id="1", user_id="2", template_code="3", pass_id="4", placeholders={"$name$": "陳大文"}
    )

    assert "陳大文".encode() in body


def test_b172_the_answer_of_the_gateway_is_read_under_both_names() -> None:
    created = payloads.read_pass_answer(sample("create_pass_answer"))
    updated = payloads.read_pass_answer(sample("update_pass_answer"))

    assert created == payloads.PassAnswer(
        code="SUCCESS", status="S", message="success", pass_id="2020091119027102160530200000039"
    )
    assert updated == payloads.PassAnswer(code="SUCCESS", status="S", message="success", pass_id="")


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"result": None},
        {"result": "SUCCESS"},
        {"result": []},
        {"result": {"resultCode": 1}},
        {"passId": 7},
    ],
)
def test_an_answer_that_cannot_be_read_says_nothing_and_so_no_success(fields: dict[str, object]) -> None:
    assert payloads.read_pass_answer(fields) == payloads.PassAnswer(
        code="", status="", message="", pass_id=""
    )


def test_b191_a_code_is_handed_on_as_it_was_sent() -> None:
    assert payloads.read_pass_answer({"result": {"resultCode": " success "}}).code == " success "


@pytest.mark.parametrize(
    ("body", "code", "status"),
    [
        (payloads.SUCCESS, "SUCCESS", "S"),
        (payloads.PARAM_ILLEGAL, "PARAM_ILLEGAL", "F"),
        (payloads.SIGNATURE_INVALID, "SIGNATURE_INVALID", "F"),
        (payloads.SYSTEM_ERROR, "SYSTEM_ERROR", "U"),
    ],
)
def test_our_answers_are_constant(body: bytes, code: str, status: str) -> None:
    result = json.loads(body)["result"]

    assert (result["resultCode"], result["resultStatus"]) == (code, status)
    assert result.keys() == {"resultCode", "resultStatus", "resultMessage"}
