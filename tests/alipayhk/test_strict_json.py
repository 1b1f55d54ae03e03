"""One reader, one meaning: what two readers could understand differently is refused."""

import json
import time
from decimal import Decimal

import pytest

from alipayhk import strict_json


def test_whole_numbers_and_fractions_stay_apart() -> None:
    found = strict_json.read(b'{"a": 1800, "b": 1800.0, "c": 1.8e3, "d": "1800", "e": -0}')

    assert [type(value) for value in found.values()] == [int, Decimal, Decimal, str, Decimal]


def test_a_large_whole_number_keeps_all_its_digits() -> None:
    assert strict_json.read(b'{"n": 2023042122001432271433274247}') == {"n": 2023042122001432271433274247}


def test_b067_a_byte_order_mark_is_passed_over() -> None:
    assert strict_json.read(b'\xef\xbb\xbf{"a": 1}') == {"a": 1}


def test_escaped_letters_are_read() -> None:
    assert strict_json.read(rb'{"a": "\u6d77\u6e2f \ud83d\ude00 \\u0000"}') == {"a": "海港 😀 \\u0000"}


def test_brackets_in_a_text_are_no_nesting() -> None:
    text = json.dumps({"a": "[{" * 50 + '"'}).encode()

    assert strict_json.read(text) == {"a": "[{" * 50 + '"'}


def test_twenty_levels_are_read_and_twenty_one_are_not() -> None:
    assert strict_json.read(b'{"a":' + b"[" * 19 + b"]" * 19 + b"}")

    with pytest.raises(strict_json.Malformed, match="20 levels"):
        strict_json.read(b'{"a":' + b"[" * 20 + b"]" * 20 + b"}")


def test_many_shallow_objects_are_no_nesting() -> None:
    assert len(strict_json.read(json.dumps({str(n): {} for n in range(100)}).encode())) == 100


MALFORMED = {
    "B061 empty": (b"", "empty"),
    "B061 blanks only": (b" \r\n\t", "empty"),
    "B071 not JSON": (b"hello", "not JSON"),
    "B071 half JSON": (b'{"a": 1', "not JSON"),
    "B071 data after": (b'{"a": 1} {"b": 2}', "not JSON"),
    "B071 comma after the last": (b'{"a": 1,}', "not JSON"),
    "B071 array": (b'[{"a": 1}]', "not an object"),
    "B071 string": (b'"a"', "not an object"),
    "B071 number": (b"1", "not an object"),
    "B071 null": (b"null", "not an object"),
    "B072 name twice": (b'{"billNo": "1", "billNo": "2"}', "'billNo' is given twice"),
    "B072 name twice, equal": (b'{"billNo": "1", "billNo": "1"}', "'billNo' is given twice"),
    "B072 name twice, escaped": (rb'{"billNo": "1", "bill\u004eo": "2"}', "'billNo' is given twice"),
    "B072 nested": (b'{"a": {"value": 1, "value": 2}}', "'value' is given twice"),
    "B072 nested in an array": (b'{"a": [{"value": 1, "value": 2}]}', "'value' is given twice"),
    "B073 NaN": (b'{"a": NaN}', "NaN is not JSON"),
    "B073 Infinity": (b'{"a": Infinity}', "Infinity is not JSON"),
    "B073 -Infinity": (b'{"a": -Infinity}', "Infinity is not JSON"),
    "B073 1e400": (b'{"a": 1e400}', "out of range"),
    "B073 exponent beyond measure": (b'{"a": 1e-99999999999999999999}', "out of range"),
    "B073 5,000 digits": (b'{"a": ' + b"9" * 5000 + b"}", "more than 100 digits"),
    "B073 5,000 digits, negative": (b'{"a": -' + b"9" * 5000 + b"}", "more than 100 digits"),
    "B073 5,000 digits after the point": (b'{"a": 0.' + b"9" * 5000 + b"}", "out of range"),
    "B073 100,000 arrays": (b"[" * 100_000, "20 levels"),
    "B073 100,000 objects": (b'{"a":' * 100_000, "20 levels"),
    "B073 100,000 quotes": (b'{"a": "' + b'\\"[' * 100_000, "not JSON"),
    "B074 NUL escaped": (rb'{"a": "\u0000"}', "NUL"),
    "B074 NUL in a name": (rb'{"a\u0000": 1}', "NUL"),
    "B074 NUL deep inside": (rb'{"a": [{"b": ["\u0000"]}]}', "NUL"),
    "B074 NUL raw": (b'{"a": "\x00"}', "not JSON"),
    "B074 lone high surrogate": (rb'{"a": "\ud800"}', "surrogate"),
    "B074 lone low surrogate": (rb'{"a": "\udc00x"}', "surrogate"),
    "B074 surrogate in UTF-8": (b'{"a": "\xed\xa0\x80"}', "not utf-8 text"),
    "B074 invalid UTF-8": (b'{"a": "\xff"}', "not utf-8 text"),
    "B074 overlong UTF-8": (b'{"a": "\xc0\xaf"}', "not utf-8 text"),
    "B074 line end in a text": (b'{"a": "\n"}', "not JSON"),
}


@pytest.mark.parametrize(("body", "sentence"), MALFORMED.values(), ids=MALFORMED.keys())
def test_a_malformed_body_is_refused_at_once_and_in_words(body: bytes, sentence: str) -> None:
    started = time.process_time()

    with pytest.raises(strict_json.Malformed, match=sentence):
        strict_json.read(body)

    assert time.process_time() - started < 0.1


def test_many_names_given_twice_take_no_longer() -> None:
    body = ("{" + ",".join(f'"{n}":1' for n in range(8000)) + ',"7999":1}').encode()
    started = time.process_time()

    with pytest.raises(strict_json.Malformed, match="'7999' is given twice"):
        strict_json.read(body)

    assert time.process_time() - started < 0.1


@pytest.mark.parametrize(
    ("charset", "codec"),
    [("gbk", "gbk"), ("GBK", "gbk"), ("gb2312", "gbk"), ("gb18030", "gb18030"), ("big5-hkscs", "big5hkscs")],
)
def test_b065_another_charset_is_read_into_unicode(charset: str, codec: str) -> None:
    body = '{"merchantName": "海港麵家"}'.encode(codec)

    assert strict_json.read(body, charset=charset) == {"merchantName": "海港麵家"}


def test_b065_a_backslash_inside_a_letter_of_gbk_is_no_escape() -> None:
    body = '{"a": "誠"}'.encode("gbk")

    assert b"\\" in body
    assert strict_json.read(body, charset="gbk") == {"a": "誠"}


LYING = {
    "GBK bytes as UTF-8": ('{"a": "海港"}'.encode("gbk"), "utf-8"),
    "UTF-8 bytes as GBK": ('{"a": "海港"}'.encode(), "gbk"),
    "UTF-8 bytes as Big5": ('{"a": "海港"}'.encode(), "big5"),
    "UTF-8 bytes as Latin-1": ('{"a": "海港"}'.encode(), "iso-8859-1"),
    "Latin-1 bytes as ASCII": ('{"a": "é"}'.encode("latin-1"), "us-ascii"),
    "unknown": (b"{}", "klingon"),
    "UTF-7": (b'{"a": "+AGE-"}', "utf-7"),
    "UTF-16": ('{"a": 1}'.encode("utf-16"), "utf-16"),
    "a Python codec": (b"{}", "rot13"),
}


@pytest.mark.parametrize(("body", "charset"), LYING.values(), ids=[f"B066 {name}" for name in LYING])
def test_a_charset_that_is_unknown_or_lies_is_refused(body: bytes, charset: str) -> None:
    with pytest.raises(strict_json.Malformed):
        strict_json.read(body, charset=charset)


CONTENT_TYPES = {
    "as documented": ("application/json; charset=UTF-8", "utf-8"),
    "B064 missing": ("", "utf-8"),
    "B064 no charset": ("application/json", "utf-8"),
    "B065 GBK": ("application/json;charset=GBK", "gbk"),
    "quoted": ('Application/JSON; Charset="utf-8"', "utf-8"),
    "another parameter": ("application/json; v=1; charset=utf-8;", "utf-8"),
}


@pytest.mark.parametrize(("text", "charset"), CONTENT_TYPES.values(), ids=CONTENT_TYPES.keys())
def test_the_content_type_names_the_charset(text: str, charset: str) -> None:
    assert strict_json.charset_of(text) == charset


REFUSED_TYPES = {
    "B063 text": "text/plain",
    "B063 form": "application/x-www-form-urlencoded",
    "B063 multipart": "multipart/form-data; boundary=x",
    "B063 look-alike": "application/jsonx; charset=utf-8",
    "B066 unknown charset": "application/json; charset=klingon",
    "B066 utf-7": "application/json; charset=utf-7",
    "B066 empty charset": "application/json; charset=",
    "B066 two charsets": "application/json; charset=utf-8; charset=gbk",
}


@pytest.mark.parametrize("text", REFUSED_TYPES.values(), ids=REFUSED_TYPES.keys())
def test_another_media_type_or_charset_is_refused(text: str) -> None:
    with pytest.raises(strict_json.Malformed):
        strict_json.charset_of(text)


def test_plain_text_is_allowed_for_an_encrypted_body_only() -> None:
    assert strict_json.charset_of("text/plain; charset=UTF-8", encrypted=True) == "utf-8"

    with pytest.raises(strict_json.Malformed):
        strict_json.charset_of("text/html", encrypted=True)
