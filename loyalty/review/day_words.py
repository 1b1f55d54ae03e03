"""The day somebody names in English or Chinese: today, 昨日, last Tuesday, 星期三, 21 Nov, 21/11, 11月21日.

Pure. A day without a year is the latest such day; a day that does not exist is no day.
"""

import re
from collections.abc import Callable
from datetime import date, timedelta
from typing import Protocol

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
CHINESE_WEEKDAYS = {"一": 0, "二": 1, "三": 2, "四": 3, "五": 4, "六": 5, "日": 6, "天": 6}
ENDINGS = ("uary", "ruary", "ch", "il", "", "e", "y", "ust", "t(?:ember)?", "ober", "ember", "ember")
MONTH = "|".join(f"{month}(?:{ending})?" for month, ending in zip(MONTHS, ENDINGS, strict=True))
DAYS_BACK = (
    (re.compile(r"(?<![A-Za-z])(?:the )?day before yesterday(?![A-Za-z])|前日|前天", re.IGNORECASE), 2),
    (re.compile(r"(?<![A-Za-z])(?:yesterday|last night)(?![A-Za-z])|昨日|昨天|昨晚|尋日|琴日|噚日", re.IGNORECASE), 1),
    (re.compile(r"(?<![A-Za-z])(?:today|tonight)(?![A-Za-z])|今日|今天|今晚|今朝", re.IGNORECASE), 0),
)  # fmt: skip
ENGLISH_WEEKDAY = re.compile(
    rf"(?<![A-Za-z])(?P<last>last )?(?P<weekday>{'|'.join(WEEKDAYS)})(?![A-Za-z])", re.IGNORECASE
)
CHINESE_WEEKDAY = re.compile(r"(?P<last>上(?:個)?)?(?:星期|週|周|禮拜)(?P<weekday>[一二三四五六日天])")
ISO = re.compile(r"(?<![\w/-])(?P<year>20\d\d)[-/](?P<month>\d{1,2})[-/](?P<day>\d{1,2})(?![\w/-])")
SLASHED = re.compile(
    r"(?<![A-Za-z0-9/.-])(?P<day>\d{1,2})/(?P<month>\d{1,2})(?:/(?P<year>20\d\d))?(?![A-Za-z0-9/])"
)
DAY_MONTH = re.compile(
    rf"(?<![A-Za-z0-9.])(?P<day>\d{{1,2}})(?:st|nd|rd|th)?\s*(?P<month>{MONTH})(?![A-Za-z])\.?(?:,?\s*(?P<year>20\d\d)(?!\d))?",
    re.IGNORECASE,
)
MONTH_DAY = re.compile(
    rf"(?<![A-Za-z])(?P<month>{MONTH})\.?\s*(?P<day>\d{{1,2}})(?:st|nd|rd|th)?(?![\w.])(?:,?\s*(?P<year>20\d\d)(?!\d))?",
    re.IGNORECASE,
)
CHINESE_DATE = re.compile(r"(?:(?P<year>20\d\d)年)?(?P<month>\d{1,2})月(?P<day>\d{1,2})[日號号]?")
DATES = (ISO, CHINESE_DATE, SLASHED, DAY_MONTH, MONTH_DAY)


class Rest(Protocol):
    """Words that nobody has understood yet."""

    text: str

    def take(self, pattern: re.Pattern[str]) -> re.Match[str] | None: ...


def take(rest: Rest, *, today: date) -> date | None:
    """The first day found; its words are taken out of the rest."""
    for pattern in DATES:
        found = _exact(rest, pattern, today)
        if found:
            return found
    for pattern, back in DAYS_BACK:
        if rest.take(pattern):
            return today - timedelta(days=back)
    return _weekday(rest, ENGLISH_WEEKDAY, _english, today) or _weekday(
        rest, CHINESE_WEEKDAY, _chinese, today
    )


def _exact(rest: Rest, pattern: re.Pattern[str], today: date) -> date | None:
    found = pattern.search(rest.text)
    day = _date(found, today) if found else None
    if day:
        rest.take(pattern)
    return day


def _date(found: re.Match[str], today: date) -> date | None:
    month = found["month"].lower()
    number = int(month) if month.isdecimal() else MONTHS.index(month[:3]) + 1
    if found["year"]:
        return _existing(int(found["year"]), number, int(found["day"]))
    # Four years back, since a 29th of February may be that long ago.
    for year in range(today.year, today.year - 5, -1):
        day = _existing(year, number, int(found["day"]))
        if day and day <= today:
            return day
    return None


def _existing(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _weekday(
    rest: Rest, pattern: re.Pattern[str], read: Callable[[re.Match[str], date], date], today: date
) -> date | None:
    found = rest.take(pattern)
    return read(found, today) if found else None


def _english(found: re.Match[str], today: date) -> date:
    """`last Monday` on a Monday is a week ago; `Monday` is today."""
    back = (today.weekday() - WEEKDAYS.index(found["weekday"].lower())) % 7
    return today - timedelta(days=7 if found["last"] and not back else back)


def _chinese(found: re.Match[str], today: date) -> date:
    """上星期三 is Wednesday of the week before this one; 星期三 the latest Wednesday."""
    wanted = CHINESE_WEEKDAYS[found["weekday"]]
    if found["last"]:
        return today - timedelta(days=today.weekday() + 7 - wanted)
    return today - timedelta(days=(today.weekday() - wanted) % 7)
