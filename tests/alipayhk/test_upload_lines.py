"""How the answer of bill/query is read: where its payments stand, and which of them break a rule."""

from datetime import UTC, datetime
from typing import Any

import pytest

from alipayhk import upload_lines

NOW = datetime(2026, 5, 4, 4, 0, tzinfo=UTC)
USER = "2160120037098191"
LINE = {
    "billNo": "ab-1",
    "orderAmount": {"currency": "HKD", "value": "13890"},
    "payTime": "2026-05-04 10:49:51",
}


def read(fields: dict[str, Any], *, user_id: str = USER) -> list[upload_lines.Line]:
    return upload_lines.read(fields, user_id=user_id, now=NOW)


@pytest.mark.parametrize("fields", [{}, {"billList": None}, {"billList": {}}, {"billList": "[]"}])
def test_an_answer_without_a_list_is_unreadable(fields: dict[str, Any]) -> None:
    with pytest.raises(upload_lines.LinesUnreadable, match="LINES_MISSING"):
        read(fields)


def test_more_lines_than_anybody_picks_are_refused_before_one_is_read() -> None:
    assert len(read({"billList": [None] * upload_lines.MOST_LINES})) == upload_lines.MOST_LINES

    with pytest.raises(upload_lines.LinesUnreadable, match="TOO_MANY_LINES"):
        read({"billList": [None] * (upload_lines.MOST_LINES + 1)})


@pytest.mark.parametrize(("user_id", "provider"), [(USER, "ALIPAYHK"), ("2088012345678901", "ALIPAYCN")])
def test_whose_a_line_is_follows_from_the_token_unless_it_says_so(user_id: str, provider: str) -> None:
    silent, outspoken = read({"billList": [LINE, LINE | {"userId": "2160999999999999"}]}, user_id=user_id)

    assert silent.notice is not None
    assert (silent.notice.user_id, silent.notice.provider, silent.notice.doubt) == (user_id, provider, "")
    assert outspoken.notice is not None
    assert outspoken.notice.user_id == "2160999999999999"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"billNo": None}, "billNo"),
        ({"billNo": "1" * 129}, "billNo"),
        ({"billNo": {"a": 1}}, "billNo"),
        ({"orderAmount": None}, "orderAmount"),
        ({"orderAmount": {"currency": "HKD", "value": "-5"}}, "orderAmount.value"),
        ({"orderAmount": {"currency": "HKD", "value": "5.5"}}, "orderAmount.value"),
        ({"orderAmount": {"currency": "hkd", "value": 5}}, "orderAmount.currency"),
        ({"payTime": "2026-02-30 10:00:00"}, "payTime"),
        ({"payTime": True}, "payTime"),
        ({"pmsLabel": "a\nb"}, "pmsLabel"),
        ({"userId": 5}, "userId"),
    ],
)
def test_a_line_that_breaks_a_rule_names_its_place_and_field(changes: dict[str, Any], field: str) -> None:
    good, bad = read({"billList": [LINE, LINE | changes]})

    assert good.notice is not None
    assert (bad.index, bad.notice, bad.field) == (1, None, field)
    assert bad.detail


@pytest.mark.parametrize("line", [None, 5, "x", [LINE]])
def test_a_line_that_is_no_object_is_named_by_its_place(line: Any) -> None:
    (read_line,) = read({"billList": [line]})

    assert (read_line.index, read_line.notice, read_line.detail) == (0, None, "not an object")


def test_a_path_that_leads_through_something_else_leads_nowhere(settings: Any) -> None:
    settings.ALIPAYHK_UPLOAD_FIELDS = {"billNo": ["billNo.deeper", "orderAmount.value"]}

    (line,) = read({"billList": [LINE]})

    assert line.notice is not None
    assert line.notice.number == "13890"


def test_fields_that_no_payment_has_are_told(settings: Any) -> None:
    settings.ALIPAYHK_UPLOAD_FIELDS = {"billNo": ["a"], "bilNo": ["a"]}

    assert upload_lines.unknown_fields() == ["bilNo"]
