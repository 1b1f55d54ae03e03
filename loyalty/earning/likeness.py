"""How much two records of purchases look like one purchase: evidence with its weights, in words of both languages.

Pure: no database, no clock. Decides nothing; a program's thresholds do (`suspects`).
"""

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

HONG_KONG = ZoneInfo("Asia/Hong_Kong")

# Two payments that a provider numbered differently are two payments (E14).
PROVIDER_KINDS = ("PAYMENT", "MAINLAND", "ACQUIRER")
CLOSE, NEAR = timedelta(minutes=5), timedelta(minutes=30)
MOMENT = timedelta(microseconds=1)
MOST_BY_COUPON_CENTS = 5000
HIGHEST = 100

WEIGHTS = {
    "SAME_MEMBER": 40,
    "SAME_USER": 25,
    "SAME_STORE": 25,
    "SAME_MERCHANT": 10,
    "SAME_AMOUNT": 25,
    "NEAR_AMOUNT": 12,
    "WITHIN_MINUTES": 10,
    "WITHIN_HALF_AN_HOUR": 6,
    "SAME_DAY": 2,
    "TENDER_FITS": 5,
    "TENDER_DIFFERS": -40,
}
SENTENCES = {
    "SAME_MEMBER": ("Same member.", "同一會員。"),
    "SAME_USER": ("Other member, same wallet user.", "不同會員，但屬同一電子錢包用戶。"),
    "SAME_STORE": ("Same store.", "同一商戶。"),
    "SAME_MERCHANT": ("Other store of the same merchant.", "同一商戶的另一分店。"),
    "SAME_AMOUNT": ("Same amount, HK${amount}.", "金額相同，HK${amount}。"),
    "NEAR_AMOUNT": ("The amount differs by HK${difference}.", "金額相差 HK${difference}。"),
    "WITHIN_MINUTES": ("Paid {minutes} min apart.", "付款時間相隔 {minutes} 分鐘。"),
    "WITHIN_HALF_AN_HOUR": ("Paid {minutes} min apart.", "付款時間相隔 {minutes} 分鐘。"),
    "SAME_DAY": ("Paid the same day, {minutes} min apart.", "同日付款，相隔 {minutes} 分鐘。"),
    "TENDER_FITS": ("Both say it was paid with {tender}.", "雙方均以 {tender} 付款。"),
    "TENDER_DIFFERS": (
        "One was paid with {tender}, the other with {other}.",
        "一方以 {tender} 付款，另一方以 {other}。",
    ),
}


@dataclass(kw_only=True, slots=True)
class Record:
    """One purchase as far as likeness goes. `wallet` is empty for what a person or a till wrote down: a receipt."""

    member_id: int
    store_id: int
    merchant_id: str
    amount_cents: int
    paid_at: datetime
    user_id: str = ""
    wallet: str = ""
    tender: str = ""
    kinds: frozenset[str] = field(default_factory=frozenset)

    @property
    def paid_with(self) -> str:
        return self.wallet or self.tender


@dataclass(frozen=True, slots=True)
class Part:
    """One piece of evidence and what it weighs."""

    code: str
    values: Mapping[str, object] = field(default_factory=dict)

    @property
    def points(self) -> int:
        return WEIGHTS[self.code]

    def as_json(self) -> dict[str, object]:
        return {"code": self.code, "points": self.points, "values": dict(self.values)}


def is_comparable(one: Record, other: Record) -> bool:
    """Never two payments with numbers of one provider kind; only one Hong Kong day, or half an hour over midnight."""
    if one.kinds & other.kinds & set(PROVIDER_KINDS):
        return False
    first, last = window(one.paid_at)
    return first <= other.paid_at < last or abs(one.paid_at - other.paid_at) <= NEAR


def window(paid_at: datetime) -> tuple[datetime, datetime]:
    """From when (inclusive) until when (exclusive) another payment may be the same one."""
    midnight, next_midnight = _day(paid_at.astimezone(HONG_KONG).date())
    return min(midnight, paid_at - NEAR), max(next_midnight, paid_at + NEAR + MOMENT)


def days(paid_at: datetime) -> tuple[int, int]:
    """Two numbers, mostly equal: any other payment that may be the same one has one of them too.

    They are the Hong Kong days it was a quarter of an hour before, and will be a quarter of an hour after.
    """
    local = paid_at.astimezone(HONG_KONG)
    return (local - NEAR / 2).toordinal(), (local + NEAR / 2).toordinal()


@lru_cache(maxsize=512)
def _day(date: date) -> tuple[datetime, datetime]:
    """Its first instant and that of the next one, as stored moments come: two in one zone are compared at once."""
    midnight = datetime.combine(date, time(), HONG_KONG)
    return midnight.astimezone(UTC), (midnight + timedelta(days=1)).astimezone(UTC)


def compare(one: Record, other: Record) -> list[Part]:
    return [
        *_who(one, other),
        *_where(one, other),
        *_amount(one, other),
        *_when(one, other),
        *_how(one, other),
    ]


def score(parts: Sequence[Part]) -> int:
    return max(0, min(HIGHEST, sum(part.points for part in parts)))


def reach(flag_score: int) -> timedelta:
    """How far apart receipts of different members may have been paid to come to this score; below zero: never so."""
    at_best = WEIGHTS["SAME_STORE"] + WEIGHTS["SAME_AMOUNT"] + WEIGHTS["TENDER_FITS"]
    spans = (("SAME_DAY", timedelta(days=1)), ("WITHIN_HALF_AN_HOUR", NEAR), ("WITHIN_MINUTES", CLOSE))
    return next((span for code, span in spans if at_best + WEIGHTS[code] >= flag_score), -CLOSE)


def sentence(part: Mapping[str, object], language: str) -> str:
    """The words of a stored part; anything Chinese reads Traditional Chinese."""
    english, chinese = SENTENCES[str(part["code"])]
    values = part.get("values")
    words = chinese if language.startswith("zh") else english
    return words.format_map(values) if isinstance(values, dict) else words


def _who(one: Record, other: Record) -> Iterator[Part]:
    if one.member_id == other.member_id:
        yield Part("SAME_MEMBER")
    elif one.user_id and one.user_id == other.user_id:
        yield Part("SAME_USER")


def _where(one: Record, other: Record) -> Iterator[Part]:
    if one.store_id == other.store_id:
        yield Part("SAME_STORE")
    elif one.merchant_id and one.merchant_id == other.merchant_id:
        yield Part("SAME_MERCHANT")


def _amount(one: Record, other: Record) -> Iterator[Part]:
    difference = abs(one.amount_cents - other.amount_cents)
    if not difference:
        yield Part("SAME_AMOUNT", {"amount": _dollars(one.amount_cents)})
    elif difference * 50 <= max(one.amount_cents, other.amount_cents) or _is_coupon(one, other):
        yield Part("NEAR_AMOUNT", {"difference": _dollars(difference)})


def _is_coupon(one: Record, other: Record) -> bool:
    """The receipt is above what the wallet took by whole dollars, as a coupon of the wallet leaves it."""
    receipt, paid = (one, other) if other.wallet else (other, one)
    if receipt.wallet or not paid.wallet:
        return False
    above = receipt.amount_cents - paid.amount_cents
    return 0 < above <= MOST_BY_COUPON_CENTS and above % 100 == 0


def _when(one: Record, other: Record) -> Iterator[Part]:
    apart = abs(one.paid_at - other.paid_at)
    values = {"minutes": int(apart.total_seconds() // 60)}
    if apart <= CLOSE:
        yield Part("WITHIN_MINUTES", values)
    elif apart <= NEAR:
        yield Part("WITHIN_HALF_AN_HOUR", values)
    else:
        yield Part("SAME_DAY", values)


def _how(one: Record, other: Record) -> Iterator[Part]:
    """Only where both say how it was paid; a wallet's own record says so by itself."""
    if not (one.paid_with and other.paid_with):
        return
    values = {"tender": one.paid_with, "other": other.paid_with}
    yield Part(
        "TENDER_FITS" if _plain(one.paid_with) == _plain(other.paid_with) else "TENDER_DIFFERS", values
    )


def _plain(name: str) -> str:
    """`Alipay HK` and `ALIPAYHK` are one tender."""
    return "".join(sign for sign in unicodedata.normalize("NFKC", name).upper() if sign.isalnum())


def _dollars(cents: int) -> str:
    return f"{cents // 100:,}.{cents % 100:02d}"
