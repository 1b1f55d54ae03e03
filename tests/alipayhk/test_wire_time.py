"""The two grammars of time, and the one form we write."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from alipayhk import wire_time

HEADER_TIMES = {
    "B042 whole seconds, Z": ("2023-12-18T02:33:31Z", datetime(2023, 12, 18, 2, 33, 31, tzinfo=UTC)),
    "B042 +00:00": ("2023-12-18T02:33:31+00:00", datetime(2023, 12, 18, 2, 33, 31, tzinfo=UTC)),
    "B042 nine digits": (
        "2023-12-18T02:33:31.123456789Z",
        datetime(2023, 12, 18, 2, 33, 31, 123456, tzinfo=UTC),
    ),
    "B042 one digit": ("2023-12-18T02:33:31.5Z", datetime(2023, 12, 18, 2, 33, 31, 500000, tzinfo=UTC)),
    "B042 +05:30": ("2019-04-04T12:08:56.253+05:30", datetime(2019, 4, 4, 6, 38, 56, 253000, tzinfo=UTC)),
    "B042 -00:00": ("2023-12-18T02:33:31-00:00", datetime(2023, 12, 18, 2, 33, 31, tzinfo=UTC)),
    "B043 no zone": ("2023-12-18T10:33:31", datetime(2023, 12, 18, 2, 33, 31, tzinfo=UTC)),
    "B043 10 digits": ("1702866811", datetime(2023, 12, 18, 2, 33, 31, tzinfo=UTC)),
    "B043 13 digits": ("1702866811250", datetime(2023, 12, 18, 2, 33, 31, 250000, tzinfo=UTC)),
    "B046 year 9999": ("9999-12-31T23:59:59Z", datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
}


@pytest.mark.parametrize(("text", "moment"), HEADER_TIMES.values(), ids=HEADER_TIMES.keys())
def test_a_header_time_is_read(text: str, moment: datetime) -> None:
    assert wire_time.check_header_time(text) == moment


NO_HEADER_TIMES = {
    "B041 empty": "",
    "B044 week date": "2026-W47-6T10:00:00Z",
    "B044 ordinal date": "2026-325T10:00:00Z",
    "B044 basic form": "20261121T100000Z",
    "B044 date only": "2026-11-21",
    "B044 comma fraction": "2026-11-21T10:00:00,5Z",
    "B044 blank for T": "2026-11-21 10:00:00Z",
    "B044 no seconds": "2026-11-21T10:00Z",
    "B044 ten fraction digits": "2026-11-21T10:00:00.1234567890Z",
    "B044 point without digits": "2026-11-21T10:00:00.Z",
    "B044 offset without colon": "2026-11-21T10:00:00+0800",
    "B044 offset with seconds": "2026-11-21T10:00:00+08:00:00",
    "B044 blank before": " 2026-11-21T10:00:00Z",
    "B044 line end after": "2026-11-21T10:00:00Z\n",
    "B044 full-width digits": "\uff12026-11-21T10:00:00Z",
    "B044 eleven digits": "17028668110",
    "B044 negative epoch": "-170286681",
    "B045 24:00": "2026-11-21T24:00:00Z",
    "B045 month 13": "2026-13-21T10:00:00Z",
    "B045 31 February": "2026-02-31T10:00:00Z",
    "B045 29 February of a common year": "2026-02-29T10:00:00Z",
    "B045 second 60": "2026-12-31T23:59:60Z",
    "B045 offset of a day": "2026-11-21T10:00:00+24:00",
    "B045 year 0": "0000-11-21T10:00:00Z",
}


@pytest.mark.parametrize("text", NO_HEADER_TIMES.values(), ids=NO_HEADER_TIMES.keys())
def test_what_other_readers_guess_at_is_no_header_time(text: str) -> None:
    with pytest.raises(wire_time.TimeUnreadable):
        wire_time.check_header_time(text)


def test_our_header_time_has_milliseconds_and_the_zone_of_hong_kong() -> None:
    now = datetime(2026, 11, 21, 20, 30, 17, 42999, tzinfo=UTC)

    text = wire_time.format_header_time(now)

    assert text == "2026-11-22T04:30:17.042+08:00"
    assert wire_time.check_header_time(text) == now.replace(microsecond=42000)


def test_our_header_time_keeps_its_milliseconds_when_they_are_zero() -> None:
    assert wire_time.format_header_time(datetime(2026, 1, 1, tzinfo=UTC)) == "2026-01-01T08:00:00.000+08:00"


BUSINESS_TIMES = {
    "B092 the sample": ("2024-05-06 10:49:51", datetime(2024, 5, 6, 2, 49, 51, tzinfo=UTC)),
    "B092 ISO with zone": (
        "2024-05-06T10:49:51+05:30",
        datetime(2024, 5, 6, 10, 49, 51, tzinfo=timezone(timedelta(hours=5, minutes=30))),
    ),
    "B092 ISO without zone": ("2024-05-06T10:49:51", datetime(2024, 5, 6, 2, 49, 51, tzinfo=UTC)),
    "B092 13 digits": ("1714963791000", datetime(2024, 5, 6, 2, 49, 51, tzinfo=UTC)),
    "B092 10 digits": ("1714963791", datetime(2024, 5, 6, 2, 49, 51, tzinfo=UTC)),
    "B095 last second of a day": ("2024-05-06 23:59:59", datetime(2024, 5, 6, 15, 59, 59, tzinfo=UTC)),
}


@pytest.mark.parametrize(("text", "moment"), BUSINESS_TIMES.values(), ids=BUSINESS_TIMES.keys())
def test_a_time_of_business_is_read_into_utc(text: str, moment: datetime) -> None:
    found = wire_time.read_business_time(text)

    assert found == moment
    assert found.tzinfo is UTC


NO_BUSINESS_TIMES = {
    "B093 day first": "06/05/2024",
    "B093 31 February": "2024-02-31 10:49:51",
    "B093 empty": "",
    "B093 now": "now",
    "B093 date only": "2024-05-06",
    "B093 two blanks": "2024-05-06  10:49:51",
    "B093 blank after": "2024-05-06 10:49:51 ",
    "B093 before the calendar": "0001-01-01T00:00:00+23:00",
    "B093 after the calendar": "9999-12-31T23:59:59-12:00",
    "B093 after the calendar in Hong Kong": "9999-12-31T23:59:59Z",
}


@pytest.mark.parametrize("text", NO_BUSINESS_TIMES.values(), ids=NO_BUSINESS_TIMES.keys())
def test_anything_else_is_no_time_of_business(text: str) -> None:
    with pytest.raises(wire_time.TimeUnreadable):
        wire_time.read_business_time(text)
