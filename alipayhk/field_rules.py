"""What the values in AlipayHK's messages must look like, whatever their fields are called.

Pure. A value that breaks its rule is refused (FieldRefused); one that only staff can believe is doubted.
"""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import phonenumbers

from alipayhk import wire_time

Fields = Mapping[str, object]

# Reason codes of a doubt: read, stored, but parked until staff confirm.
AMOUNT_UNREADABLE = "AMOUNT_UNREADABLE"
CURRENCY_UNKNOWN = "CURRENCY_UNKNOWN"
TIME_IMPLAUSIBLE = "TIME_IMPLAUSIBLE"
PROVIDER_UNKNOWN = "PROVIDER_UNKNOWN"

OLDEST_PAYMENT = timedelta(days=5 * 365)
# A till's clock that runs ahead over midnight is no reason to ask staff.
CLOCK_TOLERANCE = timedelta(hours=1)
LONGEST_DISPLAY_NAME = 60
# What a name may take with its accents and joined emoji, in code points.
MOST_CODE_POINTS = 128
# Enough for Vietnamese, Thai and family emoji; stacked accents end here.
MOST_MARKS = 6

_CENTS = re.compile(r"0|[1-9][0-9]{0,14}")
_LARGEST_CENTS = 10**15 - 1
_CURRENCY = re.compile(r"[A-Z]{3}")
_COUNTRY_FIRST = re.compile(r"[0-9]{1,3}-")
_PHONE_LETTERS = re.compile(r"\+?[0-9 ()-]{1,40}")
# ISO 4217, national currencies in use.
_CURRENCIES = frozenset(
    """
    AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD
    CDF CHF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF
    GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK
    LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD
    OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN
    SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VED VES VND VUV WST XAF XCD XCG
    XOF XPF YER ZAR ZMW ZWG
    """.split()  # noqa: SIM905 - as a list it would take three screens
)
_WALLETS = {"ALIPAYHK": ("2160",), "ALIPAYCN": ("2088", "2188")}
_JOINER = "\u200d"
_SKIN_TONES = range(0x1F3FB, 0x1F400)


class FieldRefused(Exception):
    """A field of the message breaks its rule. `field` is AlipayHK's name for it, `sentence` says why."""

    def __init__(self, field: str, sentence: str) -> None:
        super().__init__(f"{field}: {sentence}")
        self.field = field
        self.sentence = sentence


@dataclass(frozen=True, slots=True)
class Rule:
    """What one kind of text may hold."""

    pattern: re.Pattern[str]
    longest: int
    sentence: str


@dataclass(frozen=True, slots=True)
class Amount:
    """Money in the smallest unit of its currency; `is_bare` if the currency was not given but assumed."""

    cents: int
    currency: str
    is_bare: bool


KEY = Rule(re.compile(r"[A-Za-z0-9_-]+"), 128, "only letters A to Z, digits, _ and - are allowed")
# The form of labels and merchant ids is not documented: any text on one line.
LABEL = Rule(
    re.compile("[^\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+"), 128, "control characters are not allowed"
)
TEXT = Rule(re.compile("[^\x00\ud800-\udfff]+"), 256, "NUL is not allowed")
EMAIL = Rule(re.compile(r"[^@\s\x00-\x1f\x7f-\x9f]+@[^@\s\x00-\x1f\x7f-\x9f]+"), 254, "not an e-mail address")


def required(fields: Fields, name: str, rule: Rule) -> str:
    """The text of a mandatory field, which keeps its rule."""
    value = fields.get(name)
    if not isinstance(value, str) or not value:
        raise FieldRefused(name, _absence(fields, name))
    return _kept(name, value, rule)


def optional(fields: Fields, name: str, rule: Rule) -> str:
    """The text of an optional field; absent, null and empty are all empty."""
    value = fields.get(name)
    if value is None or value == "":
        return ""
    if not isinstance(value, str):
        raise FieldRefused(name, "not a text")
    return _kept(name, value, rule)


def amount(fields: Fields, name: str) -> Amount:
    """`{currency, value}` with whole cents, as a number or as digits; a bare number is taken for HKD."""
    value = fields.get(name)
    if isinstance(value, dict):
        currency = value.get("currency")
        if not isinstance(currency, str) or not _CURRENCY.fullmatch(currency):
            raise FieldRefused(f"{name}.currency", "not three capital letters")
        return Amount(_cents(f"{name}.value", value.get("value")), currency, is_bare=False)
    if isinstance(value, int):
        return Amount(_cents(name, value), "HKD", is_bare=True)
    raise FieldRefused(name, _absence(fields, name, kind="an object of currency and value"))


def moment(name: str, text: str) -> datetime:
    """A time of business, in UTC."""
    try:
        return wire_time.read_business_time(text)
    except wire_time.TimeUnreadable as error:
        raise FieldRefused(name, str(error)) from error


def doubt(*, amount: Amount, limit_cents: int, at: datetime, now: datetime, provider: str) -> str:
    """The first reason why staff must confirm before this is believed, or an empty text."""
    if amount.is_bare or (amount.currency == "HKD" and amount.cents > limit_cents):
        return AMOUNT_UNREADABLE
    if amount.currency not in _CURRENCIES:
        return CURRENCY_UNKNOWN
    if _is_implausible(at, now):
        return TIME_IMPLAUSIBLE
    return "" if provider in _WALLETS else PROVIDER_UNKNOWN


def is_foreign(provider: str, user_id: str) -> bool:
    """Whether the prefix of the user id is that of a wallet which is not the provider's."""
    own = _WALLETS.get(provider, ())
    others = tuple(prefix for name, prefixes in _WALLETS.items() if name != provider for prefix in prefixes)
    return bool(own) and user_id.startswith(others)


def phone(raw: str) -> str:
    """E.164 for what is surely a telephone number (8 digits are Hong Kong's), else an empty text."""
    text = unicodedata.normalize("NFKC", raw).strip()
    if not _PHONE_LETTERS.fullmatch(text):
        return ""
    if _COUNTRY_FIRST.match(text):
        text = f"+{text}"
    try:
        number = phonenumbers.parse(text, "HK")
    except phonenumbers.NumberParseException:
        return ""
    if not phonenumbers.is_valid_number(number):
        return ""
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def display_name(value: object) -> str:
    """A name fit to show: no control characters, cut after whole letters, accents not stacked.

    Never refuses: this field is not documented, and nobody is turned away for it.
    """
    if not isinstance(value, str):
        return ""
    kept: list[str] = []
    letters = marks = 0
    for letter in " ".join(value.split()):
        if unicodedata.category(letter) in ("Cc", "Cf", "Cs") and letter != _JOINER:
            continue
        if kept and _continues(letter, kept[-1]):
            marks += 1
        else:
            letters, marks = letters + 1, 0
            if letters > LONGEST_DISPLAY_NAME or len(kept) + MOST_MARKS >= MOST_CODE_POINTS:
                break
        if marks <= MOST_MARKS:
            kept.append(letter)
    return "".join(kept)


def _continues(letter: str, before: str) -> bool:
    """Whether the letter belongs to the one before: an accent, a joined emoji, a skin tone."""
    return (
        unicodedata.category(letter) in ("Mn", "Mc", "Me")
        or _JOINER in (letter, before)
        or ord(letter) in _SKIN_TONES
    )


def _absence(fields: Fields, name: str, *, kind: str = "a text") -> str:
    if name not in fields:
        return "missing"
    value = fields[name]
    if value is None:
        return "null"
    return "empty" if value == "" else f"not {kind}"


def _kept(name: str, value: str, rule: Rule) -> str:
    if len(value) > rule.longest:
        raise FieldRefused(name, f"longer than {rule.longest} letters")
    if not rule.pattern.fullmatch(value):
        raise FieldRefused(name, rule.sentence)
    return value


def _cents(name: str, value: object) -> int:
    if isinstance(value, str) and _CENTS.fullmatch(value):
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _LARGEST_CENTS:
        return value
    raise FieldRefused(name, "not a whole number of cents from 0 to 999999999999999")


def _is_implausible(at: datetime, now: datetime) -> bool:
    today = (
        (now + CLOCK_TOLERANCE)
        .astimezone(wire_time.HONG_KONG)
        .replace(hour=0, minute=0, second=0, microsecond=0)
    )
    return not now - OLDEST_PAYMENT <= at < today + timedelta(days=1)
