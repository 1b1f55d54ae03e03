"""The one JSON reader for what AlipayHK sends: bytes in, one object out, or Malformed.

Refuses what other readers guess at: names given twice, NaN, deep nesting, lone surrogates.
Numbers stay exact: whole ones are `int`, anything with a point or an exponent is `Decimal`.
"""

import json
import math
import re
from decimal import Decimal, InvalidOperation

DEEPEST = 20
LONGEST_NUMBER = 100

# GB2312 is read as its superset GBK: senders that say the former mean the latter.
_CODECS = {
    "utf-8": "utf-8",
    "utf8": "utf-8",
    "us-ascii": "ascii",
    "ascii": "ascii",
    "iso-8859-1": "latin-1",
    "gbk": "gbk",
    "gb2312": "gbk",
    "gb18030": "gb18030",
    "big5": "big5",
    "big5-hkscs": "big5hkscs",
}
# The closing quote is optional, so that an endless string is scanned once and not once a quote.
_BRACKET_OR_STRING = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[\[\]{}]', re.DOTALL)
_FORBIDDEN = re.compile("[\x00\ud800-\udfff]")


class Malformed(Exception):
    """The body is not one readable JSON object."""


def charset_of(content_type: str, *, encrypted: bool = False) -> str:
    """Return the charset a Content-Type names; UTF-8 if none. Other media types than JSON are refused.

    Encrypted bodies are base64 text, which gateways of this family send as text/plain.
    """
    media_type, *parameters = (part.strip() for part in content_type.lower().split(";"))
    if media_type not in ("application/json", "") and not (encrypted and media_type == "text/plain"):
        raise Malformed("the Content-Type is not application/json")
    named = {_charset(parameter) for parameter in parameters if parameter.startswith("charset")}
    if len(named) > 1:
        raise Malformed("the Content-Type names two charsets")
    charset = named.pop() if named else "utf-8"
    if charset not in _CODECS:
        raise Malformed("the charset is not one we read")
    return charset


def read(body: bytes, *, charset: str = "utf-8") -> dict[str, object]:
    """Read the one object in `body`; every refusal is a Malformed whose sentence says why."""
    text = _decode(body, charset)
    if not text.strip(" \t\r\n"):
        raise Malformed("the body is empty")
    _check_depth(text)
    try:
        found = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise Malformed(f"not JSON: {error.msg} at letter {error.pos + 1}") from error
    if not isinstance(found, dict):
        raise Malformed("the JSON is not an object")
    # A forbidden letter that is not escaped has stopped the decoding or the parser already.
    if "\\u" in text:
        _check_letters(found)
    return found


def _charset(parameter: str) -> str:
    name, _, value = parameter.partition("=")
    if name.strip() != "charset":
        raise Malformed("the Content-Type cannot be read")
    return value.strip().strip('"')


def _decode(body: bytes, charset: str) -> str:
    codec = _CODECS.get(charset.lower())
    if codec is None:
        raise Malformed("the charset is not one we read")
    try:
        text = body.decode(codec)
    except UnicodeDecodeError as error:
        raise Malformed(f"the body is not {charset} text") from error
    if codec != "utf-8" and _looks_like_utf8(body):
        raise Malformed(f"the body is declared as {charset} but is UTF-8")
    return text.removeprefix("\ufeff")


def _looks_like_utf8(body: bytes) -> bool:
    """Chinese in UTF-8 mostly decodes as GBK or Big5 too, into other Chinese; the reverse hardly happens.

    Pairs of bytes are left out: real GBK may look like two-byte UTF-8, not like three-byte.
    """
    if body.isascii():
        return False
    try:
        return max(body.decode()) >= "\u0800"
    except UnicodeDecodeError:
        return False


def _check_depth(text: str) -> None:
    if text.count("[") + text.count("{") <= DEEPEST:
        return
    depth = 0
    for match in _BRACKET_OR_STRING.finditer(text):
        mark = match[0]
        if mark in "[{":
            depth += 1
            if depth > DEEPEST:
                raise Malformed(f"nested deeper than {DEEPEST} levels")
        elif mark in "]}":
            depth -= 1


def _check_letters(value: object) -> None:
    if isinstance(value, str):
        if _FORBIDDEN.search(value):
            raise Malformed("a text holds a NUL or half a surrogate pair")
    elif isinstance(value, dict):
        for name, member in value.items():
            _check_letters(name)
            _check_letters(member)
    elif isinstance(value, list):
        for member in value:
            _check_letters(member)


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Malformed(f"the name {_twice(pairs)[:40]!a} is given twice")
    return found


def _twice(pairs: list[tuple[str, object]]) -> str:
    seen: set[str] = set()
    for name, _ in pairs:
        if name in seen:
            return name
        seen.add(name)
    return ""


def _whole(text: str) -> int | Decimal:
    if len(text) > LONGEST_NUMBER:
        raise Malformed(f"a number of more than {LONGEST_NUMBER} digits")
    return Decimal(text) if text == "-0" else int(text)


def _fraction(text: str) -> Decimal:
    if len(text) > LONGEST_NUMBER or math.isinf(float(text)):
        raise Malformed("a number out of range")
    try:
        return Decimal(text)
    except InvalidOperation as error:
        raise Malformed("a number out of range") from error


def _constant(text: str) -> object:
    raise Malformed(f"{text} is not JSON")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_whole, parse_float=_fraction, parse_constant=_constant
)
