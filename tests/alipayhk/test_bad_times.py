"""B041–B051: the time of a message and its replay; the window is off unless a test switches it on."""

import logging
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from alipayhk import replays
from alipayhk.models import Notification, SeenSignature
from loyalty.earning.models import Award
from pms import clock
from tests.alipayhk import changes, wallet
from tests.alipayhk.wallet import STRANGER, SUCCESS, Wallet

pytestmark = pytest.mark.django_db


@pytest.fixture
def mall() -> Wallet:
    return wallet.lumina()


@pytest.fixture
def window(settings: Any) -> int:
    """Five minutes."""
    settings.ALIPAYHK_REQUEST_WINDOW = 300
    return 300


def from_now(**distance: float) -> str:
    return wallet.header_time(clock.now() + timedelta(**distance))


UNREADABLE = {
    "B041 empty": "",
    "B044 week date": "2026-W47-6T10:00:00Z",
    "B044 basic form": "20261121T100000Z",
    "B044 date only": "2026-11-21",
    "B044 comma fraction": "2026-11-21T10:00:00,5Z",
    "B044 blank for T": "2026-11-21 10:00:00Z",
    "B045 24:00": "2026-11-21T24:00:00Z",
    "B045 month 13": "2026-13-21T10:00:00Z",
    "B045 31 February": "2026-02-31T10:00:00Z",
    "B045 second 60": "2026-11-21T10:00:60Z",
    "eleven digits": "17637186170",
}


@pytest.mark.parametrize("text", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_a_request_time_that_is_no_time_is_a_strangers(mall: Wallet, text: str) -> None:
    body, target = wallet.encoded(mall.genuine("BILL")), mall.path("BILL")
    headers = mall.sign(target, body, time=text or " ") | {"Request-Time": text}

    with changes.only():
        answer = mall.post(target, body, headers)

    assert answer.verdict == STRANGER


@pytest.mark.parametrize("times", [0, 2], ids=["missing", "twice"])
def test_b041_a_request_time_is_there_once(mall: Wallet, times: int) -> None:
    body, target = wallet.encoded(mall.genuine("BILL")), mall.path("BILL")
    headers = mall.sign(target, body)
    moment = headers.pop("Request-Time")

    with changes.only():
        answer = mall.post(target, body, [*headers.items(), *[("Request-Time", moment)] * times])

    assert answer.verdict == STRANGER


def spelled(form: str) -> str:
    moment = datetime.now(UTC).replace(microsecond=0)
    return {
        "B042 Z": f"{moment:%Y-%m-%dT%H:%M:%SZ}",
        "B042 zero offset": f"{moment:%Y-%m-%dT%H:%M:%S}+00:00",
        "B042 nine digits": f"{moment:%Y-%m-%dT%H:%M:%S}.123456789Z",
        "B042 India": f"{moment + timedelta(hours=5, minutes=30):%Y-%m-%dT%H:%M:%S}+05:30",
        "B042 minus zero": f"{moment:%Y-%m-%dT%H:%M:%S}-00:00",
        "B043 no zone": f"{moment + timedelta(hours=8):%Y-%m-%dT%H:%M:%S}",
        "B043 seconds": str(int(moment.timestamp())),
        "B043 milliseconds": f"{int(moment.timestamp())}123",
    }[form]


FORMS = ["Z", "zero offset", "nine digits", "India", "minus zero"]


@pytest.mark.parametrize(
    "form",
    [*(f"B042 {form}" for form in FORMS), "B043 no zone", "B043 seconds", "B043 milliseconds"],
)
def test_every_form_of_a_request_time_is_read_and_signed_as_it_stands(mall: Wallet, form: str) -> None:
    body, target = wallet.encoded(mall.genuine("BILL")), mall.path("BILL")

    with changes.only(*changes.DONE["BILL"]):
        answer = mall.post(target, body, mall.sign(target, body, time=(text := spelled(form))))

    assert answer.verdict == SUCCESS
    assert changes.latest().headers["Request-Time"] == text


OFF = {
    "30 min old": {"minutes": -30},
    "25 h old": {"hours": -25},
    "6 min in the future": {"minutes": 6},
}


@pytest.mark.parametrize("distance", OFF.values(), ids=OFF.keys())
def test_b046_a_wrong_clock_is_no_reason_to_refuse_but_for_an_alarm(
    mall: Wallet, distance: dict[str, float], caplog: pytest.LogCaptureFixture
) -> None:
    body, target = wallet.encoded(mall.genuine("BILL")), mall.path("BILL")

    with changes.only(*changes.DONE["BILL"]), caplog.at_level(logging.WARNING, "loyalty.alarm"):
        answer = mall.post(target, body, mall.sign(target, body, time=from_now(**distance)))

    assert answer.verdict == SUCCESS
    assert "from our clock" in caplog.text


@pytest.mark.parametrize(
    "text", ["9999-12-31T23:59:59Z", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00Z"]
)
def test_b046_a_year_at_the_end_of_the_calendar_is_a_wrong_clock_too(mall: Wallet, text: str) -> None:
    body, target = wallet.encoded(mall.genuine("BILL")), mall.path("BILL")

    with changes.only(*changes.DONE["BILL"]):
        answer = mall.post(target, body, mall.sign(target, body, time=text))

    assert answer.verdict == SUCCESS


def test_b046_a_strangers_clock_raises_no_alarm(mall: Wallet, caplog: pytest.LogCaptureFixture) -> None:
    body, target = wallet.encoded(mall.genuine("BILL")), mall.path("BILL")
    headers = mall.sign(target, body, key=wallet.OURS, time=from_now(days=-30))

    with caplog.at_level(logging.WARNING, "loyalty.alarm"):
        mall.post(target, body, headers)

    assert "from our clock" not in caplog.text


@pytest.mark.parametrize("distance", [{"minutes": -30}, {"minutes": 6}], ids=["30 min old", "6 min ahead"])
@pytest.mark.parametrize("is_known", [False, True], ids=["new", "known"])
def test_b047_outside_the_window_even_a_genuine_message_is_a_strangers(
    mall: Wallet,
    window: int,
    distance: dict[str, float],
    is_known: bool,
    caplog: pytest.LogCaptureFixture,
) -> None:
    body, target = wallet.encoded(mall.genuine("BILL")), mall.path("BILL")
    if is_known:
        assert mall.post(target, body, mall.sign(target, body)).verdict == SUCCESS

    with changes.only(), caplog.at_level(logging.WARNING, "loyalty.alarm"):
        answer = mall.post(target, body, mall.sign(target, body, time=from_now(**distance)))

    assert answer.verdict == STRANGER
    assert "outside the window" in caplog.text


def test_b047_within_the_window_a_signature_serves_once_in_whatever_spelling(
    mall: Wallet, window: int, caplog: pytest.LogCaptureFixture
) -> None:
    body, target = wallet.encoded(mall.genuine("BILL")), mall.path("BILL")
    headers = mall.sign(target, body, time=from_now(minutes=-4))
    assert mall.post(target, body, headers).verdict == SUCCESS
    respelled = headers | {"Signature": headers["Signature"].replace("%2B", "+").replace("%2F", "/")}

    with changes.only(), caplog.at_level(logging.WARNING, "loyalty.alarm"):
        answers = [mall.post(target, body, headers), mall.post(target, body, respelled)]

    assert [answer.verdict for answer in answers] == [STRANGER, STRANGER]
    assert "second time" in caplog.text


def test_b047_a_resend_signed_anew_passes_the_window_and_is_a_duplicate(mall: Wallet, window: int) -> None:
    bill = mall.genuine("BILL")
    assert mall.send("BILL", bill).verdict == SUCCESS

    with changes.only(changes.NOTIFICATION, "alipayhk_seensignature"):
        answer = mall.send("BILL", bill)

    assert answer.verdict == SUCCESS


def test_seen_signatures_are_forgotten_once_the_window_could_not_let_them_in(
    mall: Wallet, window: int
) -> None:
    mall.send("BILL", mall.genuine("BILL"))

    kept = replays.forget(now=clock.now() + timedelta(seconds=2 * window - 5))
    dropped = replays.forget(now=clock.now() + timedelta(seconds=2 * window + 5))

    assert (kept, dropped, SeenSignature.objects.count()) == (0, 1, 0)


def test_without_a_window_no_signature_is_kept(mall: Wallet) -> None:
    mall.send("BILL", mall.genuine("BILL"))

    assert SeenSignature.objects.count() == 0


@pytest.mark.parametrize("hours", [0, 26])
def test_b048_a_replay_byte_for_byte_gets_the_first_answer_again(
    mall: Wallet, hours: int, settings: Any
) -> None:
    body, target = wallet.encoded(mall.genuine("BILL")), mall.path("BILL")
    headers = mall.sign(target, body)
    first = mall.post(target, body, headers)
    settings.CLOCK_OFFSET_SECONDS = hours * 3600 + 1

    with changes.only(changes.NOTIFICATION):
        again = mall.post(target, body, headers)

    assert (first.verdict, again.verdict, first.body) == (SUCCESS, SUCCESS, again.body)
    assert again.headers["Response-Time"] > first.headers["Response-Time"]
    assert again.headers["Signature"] != first.headers["Signature"]
    assert changes.latest().repeats == 1
    assert Award.objects.count() == 1


DRESSES = {
    "B049 signed anew": lambda text: text,
    "B050 keys reordered": lambda text: wallet.encoded(dict(reversed(list(wallet.decoded(text).items())))),
    "B050 white space": lambda text: text.replace(b", ", b",\n\t  ").replace(b"{", b"{ "),
    "B050 escaped letters": lambda text: text.replace(b"Harbour", b"\\u0048arbour"),
    "B050 digits for a number": lambda text: text.replace(b"13890", b'"13890"'),
    "B108 unknown field": lambda text: text.replace(b"{", b'{"points": 9, ', 1),
}


@pytest.mark.parametrize("dress", DRESSES.values(), ids=DRESSES.keys())
def test_the_same_fields_in_another_dress_are_the_same_notice(mall: Wallet, dress: Any) -> None:
    body = wallet.encoded(mall.genuine("BILL"))
    assert mall.send("BILL", body).verdict == SUCCESS

    with changes.only(changes.NOTIFICATION):
        answer = mall.send("BILL", dress(body))

    assert answer.verdict == SUCCESS
    assert (Notification.objects.count(), changes.latest().repeats) == (1, 1)


def test_b051_a_replay_to_another_mall_is_a_strangers(mall: Wallet) -> None:
    other = wallet.lumina()
    body, target = wallet.encoded(mall.genuine("BILL")), mall.path("BILL")
    headers = mall.sign(target, body)
    mall.post(target, body, headers)

    with changes.only():
        answer = mall.post(other.path("BILL"), body, headers)

    assert answer.verdict == STRANGER
