"""Why points were given or not: the reason codes with their sentences in English and Traditional Chinese."""

from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple


class Reason(NamedTuple):
    """One code. `is_for_members` is false where only staff may read the sentence."""

    english: str
    chinese: str
    is_for_members: bool


REASONS: dict[str, Reason] = {
    "EARNED_BASE": Reason(
        "{points} points for spending HK${amount}.", "消費 HK${amount}，獲 {points} 分。", True
    ),
    "EARNED_RATE": Reason(
        "Special rate of {rate} per HK$1 at {scope}.", "{scope} 特別積分：每 HK$1 獲 {rate} 分。", True
    ),
    "EARNED_TIER": Reason("{tier} members earn {factor} times.", "{tier} 會員可獲 {factor} 倍積分。", True),
    "EARNED_EXTRA": Reason("{rule}: {points} extra points.", "「{rule}」額外獲 {points} 分。", True),
    "EARNED_FLAT": Reason("{rule}: {points} bonus points.", "「{rule}」獎賞 {points} 分。", True),
    "EARNED_WELCOME": Reason("Welcome gift of {points} points.", "迎新獎賞 {points} 分。", True),
    "EARNED_BIRTHDAY": Reason("Birthday month: {points} extra points.", "生日月份額外獲 {points} 分。", True),
    "EARNED_PENDING": Reason(
        "{points} points can be used from {date}.", "{points} 分將於 {date} 起可用。", True
    ),
    "PENDING_RELEASED": Reason("{points} points can now be used.", "{points} 分現已可用。", True),
    "ROUNDS_TO_ZERO": Reason("The amount is too small to earn a point.", "消費金額不足以獲取 1 分。", True),
    "CAPPED_PER_TRANSACTION": Reason(
        "Points count on up to HK${limit} per transaction.", "每宗交易最多以 HK${limit} 計算積分。", True
    ),
    "CAPPED_PER_DAY": Reason("The daily limit of {limit} has been reached.", "已達每日上限 {limit}。", True),
    "CAPPED_PER_MONTH": Reason(
        "The monthly limit of {limit} has been reached.", "已達每月上限 {limit}。", True
    ),
    "CAPPED_PER_RULE": Reason(
        "{rule} counts up to HK${limit} per transaction.", "「{rule}」每宗交易最多計算 HK${limit}。", True
    ),
    "BUDGET_EXHAUSTED": Reason("{rule} has been fully given out.", "「{rule}」獎賞已派完。", True),
    "NOT_COMBINED": Reason(
        "{rule} cannot be combined; the better offer was applied.",
        "「{rule}」不可同時使用，已採用較佳優惠。",
        True,
    ),
    "ALREADY_USED": Reason(
        "{rule} has already been used for this period.", "「{rule}」於本期內已使用。", True
    ),
    "BELOW_MIN_SPEND": Reason(
        "Below the minimum spend of HK${minimum}.", "未達最低消費 HK${minimum}。", True
    ),
    "EXCLUDED_STORE": Reason("This store does not take part.", "此商戶並不參與積分計劃。", True),
    "STORE_NOT_OPEN": Reason(
        "The store was not in the mall on the day of payment.", "付款當日此商戶不在商場營業。", True
    ),
    "EXCLUDED_TENDER": Reason("This payment method does not earn points.", "此付款方式不可賺取積分。", True),
    "EXCLUDED_ITEM": Reason("This kind of purchase does not earn points.", "此類消費不可賺取積分。", True),
    "NO_CONSENT": Reason(
        "No consent to share payments when this was paid.", "付款時未有授權分享交易紀錄。", True
    ),
    "BEFORE_JOINING": Reason("Paid before the membership began.", "付款時尚未成為會員。", True),
    "MEMBER_CLOSED": Reason("The membership is closed or suspended.", "會籍已終止或暫停。", True),
    "NO_RULE": Reason("No earning rule was in force at payment time.", "付款時沒有生效的積分規則。", False),
    "TOO_LATE": Reason(
        "Submitted more than {days} days after payment.", "付款後超過 {days} 天才提交。", True
    ),
    "WRONG_MALL": Reason("The store is not in a mall of this program.", "此商戶不屬本計劃的商場。", True),
    "CURRENCY_NOT_SUPPORTED": Reason(
        "Only Hong Kong dollar amounts earn points.", "只有港元交易可賺取積分。", True
    ),
    "AMOUNT_UNREADABLE": Reason(
        "The amount is missing or unusual; staff must check it.", "金額缺失或異常，須由職員核實。", False
    ),
    "DUPLICATE_NUMBER": Reason(
        "Already recorded on {date} through {channel}.", "此交易已於 {date} 經 {channel} 登記。", True
    ),
    "CONFLICTING_CONTENT": Reason(
        "Same number, different content; the first record stands.",
        "編號相同但內容不同，以首次紀錄為準。",
        False,
    ),
    "HELD_AS_DUPLICATE": Reason(
        "Being checked; points follow if it is a separate purchase.",
        "正在核實；如屬另一宗消費將補發積分。",
        True,
    ),
    "FLAGGED_AS_DUPLICATE": Reason(
        "Points given; possible duplicate of {reference}.", "已發積分；可能與 {reference} 重複。", False
    ),
    "CONFIRMED_DUPLICATE": Reason(
        "The same purchase has already earned points.", "同一宗消費已獲發積分。", True
    ),
    "CLEARED_AS_SEPARATE": Reason("Confirmed as a separate purchase.", "已確認為另一宗消費。", True),
    "STORE_UNMAPPED": Reason(
        "The store was recorded wrongly; its points were taken back.", "商戶登記有誤，已扣回有關積分。", True
    ),
    "STORE_MAPPED": Reason("The store has been confirmed.", "商戶資料已確認。", True),
    "PARKED_NO_PASS": Reason("Waiting for the member's pass.", "等待會員卡建立。", False),
    "PARKED_UNKNOWN_STORE": Reason("Waiting for the store to be confirmed.", "等待確認商戶資料。", True),
    "PARKED_NO_TRANSACTION": Reason("Refund waits for its transaction.", "退款等待相應交易。", False),
    "PARKED_NOT_JUDGED": Reason("Stored; will be judged shortly.", "已收到，稍後處理。", False),
    "REFUND_CLAWED_BACK": Reason(
        "{points} points taken back after a refund of HK${amount}.",
        "退款 HK${amount}，扣回 {points} 分。",
        True,
    ),
    "REFUND_BELOW_MIN_SPEND": Reason(
        "After the refund the spend is below HK${minimum}; its points are taken back.",
        "退款後消費低於 HK${minimum}，扣回有關積分。",
        True,
    ),
    "REFUND_NO_CHANGE": Reason("The refund does not change the points.", "退款不影響積分。", True),
    "STILL_CAPPED": Reason(
        "After the refund the spend still reaches the limit; no points are taken.",
        "退款後消費仍達上限，毋須扣回積分。",
        True,
    ),
    "REFUND_OVER_TRANSACTION": Reason(
        "Refunds exceed the amount paid; staff must check.", "退款總額超過付款金額，須由職員核實。", False
    ),
    "UNCOLLECTED": Reason("{points} points could not be taken back.", "有 {points} 分未能扣回。", False),
    "DEFICIT_SETTLED": Reason(
        "{points} points settled a negative balance.", "{points} 分已用作抵銷負結餘。", True
    ),
    "REDEMPTION_RESERVED": Reason(
        "{points} points set aside until {time}.", "已預留 {points} 分至 {time}。", True
    ),
    "REDEEMED": Reason("{points} points redeemed.", "已兌換 {points} 分。", True),
    "REDEMPTION_RELEASED": Reason(
        "Redemption not completed; {points} points are back.", "兌換未完成，已退回 {points} 分。", True
    ),
    "REDEMPTION_RETURNED": Reason(
        "Purchase refunded; {points} redeemed points are back.",
        "消費已退款，退回已兌換的 {points} 分。",
        True,
    ),
    "REDEMPTION_CODE_EXPIRED": Reason(
        "The code has expired; please make a new one.", "兌換碼已過期，請重新產生。", True
    ),
    "INSUFFICIENT_POINTS": Reason("Not enough points.", "積分不足。", True),
    "BELOW_MIN_REDEMPTION": Reason(
        "Redeem at least {minimum} points at a time.", "每次最少兌換 {minimum} 分。", True
    ),
    "OUT_OF_STOCK": Reason("This reward is fully redeemed.", "此獎賞已換罄。", True),
    "EXPIRED": Reason("{points} points expired on {date}.", "{points} 分已於 {date} 到期。", True),
    "ADJUSTED_MISSING_POINTS": Reason("{points} missing points added.", "補回遺漏的 {points} 分。", True),
    "ADJUSTED_GOODWILL": Reason(
        "{points} points given by customer service.", "客戶服務送出 {points} 分。", True
    ),
    "ADJUSTED_ERROR": Reason("{points} points corrected.", "更正 {points} 分。", True),
    "ADJUSTED_COUNTER_EXCESS": Reason(
        "{points} points for spend above the automatic limit.",
        "超出自動計算上限的消費，補發 {points} 分。",
        True,
    ),
    "ADJUSTED_RECONCILIATION": Reason(
        "Corrected after reconciliation of {date}.", "按 {date} 對帳結果更正。", False
    ),
    "ADJUSTED_OPENING_BALANCE": Reason(
        "Balance brought from the former program.", "由舊計劃轉入的積分。", True
    ),
    "MERGED": Reason("Points moved from a merged membership.", "合併會籍轉入積分。", True),
    "UNMERGED": Reason("A merge was undone.", "已撤銷會籍合併。", True),
    "REVERSED": Reason("An earlier posting was reversed.", "已撤銷先前的紀錄。", True),
    "STORE_SUSPENDED": Reason("The store or its mall is suspended.", "商戶或商場已暫停。", False),
    "CURRENCY_UNKNOWN": Reason(
        "The currency is not known; staff must check it.", "貨幣不明，須由職員核實。", False
    ),
    "TIME_IMPLAUSIBLE": Reason(
        "The time of payment is far from today; staff must check it.",
        "付款時間與今日相距甚遠，須由職員核實。",
        False,
    ),
    "PROVIDER_UNKNOWN": Reason(
        "The points provider is not known; staff must check it.", "積分提供者不明，須由職員核實。", False
    ),
    "REFUND_DIFFERS": Reason(
        "The refund does not fit its transaction; staff must check it.",
        "退款與交易不符，須由職員核實。",
        False,
    ),
    "REFUND_LOOKS_KNOWN": Reason(
        "A refund like this one is already recorded; staff must check it.",
        "已有相似的退款紀錄，須由職員核實。",
        False,
    ),
    "REFUND_AFTER_REPAIR": Reason(
        "Staff took points of this transaction by hand already; staff must check it.",
        "職員已人手扣除此交易的積分，須由職員核實。",
        False,
    ),
    "REFUND_BEFORE_PAYMENT": Reason(
        "The refund is earlier than its payment; staff must check it.",
        "退款時間早於付款時間，須由職員核實。",
        False,
    ),
    "REFUND_BY_OTHER_NUMBER": Reason(
        "Only another number of the transaction fits; staff must check it.",
        "只有交易的其他編號相符，須由職員核實。",
        False,
    ),
    "REFUND_ELSEWHERE": Reason(
        "The transaction belongs to another mall group.", "交易屬於另一商場集團。", False
    ),
    "ENCRYPTION_OFF": Reason(
        "The message is encrypted, and encryption is switched off for this mall.",
        "訊息已加密，但此商場未啟用加密。",
        False,
    ),
    "OTHER_PAYER": Reason("Somebody else made this payment.", "此交易並非由此會員付款。", True),
    "ASK_STAFF": Reason(
        "Please ask the customer service desk about this payment.", "請就此交易向禮賓部查詢。", True
    ),
    "MALFORMED": Reason("The message cannot be read.", "訊息無法讀取。", False),
}


def reason(code: str, **values: object) -> dict[str, object]:
    """One entry of a stored `reasons` list."""
    return {"code": code, "values": values}


def sentence(code: str, values: Mapping[str, object], language: str) -> str:
    """The sentence of a stored reason; `language` is a Django code, anything Chinese reads Traditional Chinese."""
    texts = REASONS[code]
    if language.startswith("zh"):
        return texts.chinese.format_map(_Known(_grouped({**values, **_in_chinese(values)})))
    return texts.english.format_map(_Known(_grouped(values)))


def sentences(stored: list[dict[str, object]], language: str) -> list[str]:
    return [sentence(str(entry["code"]), _values(entry), language) for entry in stored]


def _values(entry: Mapping[str, object]) -> Mapping[str, object]:
    values = entry.get("values")
    return values if isinstance(values, Mapping) else {}


def _in_chinese(values: Mapping[str, object]) -> dict[str, object]:
    """`rule_zh` stands in the place of `rule` where it is known."""
    return {
        name.removesuffix("_zh"): value for name, value in values.items() if name.endswith("_zh") and value
    }


def _grouped(values: Mapping[str, object]) -> dict[str, object]:
    """Whole numbers as people read them: `30,000`."""
    return {name: f"{value:,}" if type(value) is int else value for name, value in values.items()}


class _Known(dict[str, object]):
    """Leaves a place without a value visible, so that an old row still reads."""

    def __missing__(self, key: str) -> str:
        return f"{{{key}}}"


@lru_cache(maxsize=1024)
def hong_kong_dollars(cents: int) -> str:
    """`123450` → `1,234.50`."""
    return f"{cents // 100:,}.{cents % 100:02d}"
