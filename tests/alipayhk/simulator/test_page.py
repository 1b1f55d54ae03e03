"""The simulator's page: what it shows, what its forms do, and that nothing a mall sends runs in a browser."""

import re

import pytest
import requests

from alipayhk.simulator import notices
from alipayhk.simulator.page import words
from tests.alipayhk.simulator.conftest import Simulator
from tests.alipayhk.simulator.fake_mall import FakeMall, faces
from tests.alipayhk.simulator.test_gateway import create_body


def read(simulator: Simulator, path: str = "/") -> str:
    return requests.get(f"{simulator.url}{path}", timeout=5).text


def post(simulator: Simulator, path: str, **fields: str) -> str:
    return requests.post(f"{simulator.url}{path}", data=fields, timeout=5).text


def test_a_card_stands_on_the_page_with_its_points(simulator: Simulator, mall: FakeMall) -> None:
    _, answer = mall.call("createPass", create_body(mall, dataInfo=faces(12_345)))

    page = read(simulator)

    assert answer["passId"] in page
    assert 'data-points="12,345"' in page
    assert "Harbour Square" in page


def test_the_page_speaks_traditional_chinese(simulator: Simulator, mall: FakeMall) -> None:
    page = read(simulator, "/?lang=zh-Hant")

    assert '<html lang="zh-Hant">' in page
    assert all(text in page for text in ("模擬器", "錢包內的會員卡", "發送通知", "海港坊"))


def test_every_word_has_both_languages() -> None:
    pairs = words.TABLE.values()

    assert all(english.strip() and chinese.strip() for english, chinese in pairs)


def test_what_a_mall_sends_is_shown_as_text(simulator: Simulator, mall: FakeMall) -> None:
    shown = {"$points$": "1", "$name$": '<img src=x onerror="alert(1)">'}
    mall.call("createPass", create_body(mall, dataInfo={"zh_HK": shown, "en_US": shown}))

    page = read(simulator)

    assert "<img" not in page
    assert "&lt;img src=x" in page


def test_the_page_forbids_everything_that_is_not_its_own(simulator: Simulator) -> None:
    answer = requests.get(simulator.url, timeout=5)

    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert re.findall(r"<script(?![^>]*src=)|<[^>]*\s(?:on\w+|style)=", answer.text) == []


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/simulator.css", "text/css"), ("/simulator.js", "text/javascript"), ("/favicon.svg", "image/svg+xml")],
)
def test_the_page_brings_its_own_files(simulator: Simulator, path: str, kind: str) -> None:
    answer = requests.get(f"{simulator.url}{path}", timeout=5)

    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith(kind)


def test_a_file_of_the_machine_is_not_served(simulator: Simulator) -> None:
    assert requests.get(f"{simulator.url}/../keys.py", timeout=5).status_code == 404


def test_the_form_sends_a_payment_and_says_how_it_went(simulator: Simulator, mall: FakeMall) -> None:
    user_id = notices.new_user()

    page = post(simulator, "/send", kind="bill", user_id=user_id, amount="138.90", pmsLabel="PMS0001")

    notice = simulator.control("GET", f"book?user_id={user_id}")["notices"][0]
    assert notice["body"]["orderAmount"] == {"currency": "HKD", "value": 13_890}
    assert 'class="banner good"' in page
    assert notice["reference"] in page


def test_the_form_sends_a_refund_of_a_payment(simulator: Simulator, mall: FakeMall) -> None:
    user_id, bill_number = notices.new_user(), notices.new_bill_number()

    post(simulator, "/send", kind="refund", user_id=user_id, amount="20", billNo=bill_number)

    notice = simulator.control("GET", f"book?user_id={user_id}")["notices"][0]
    assert (notice["kind"], notice["body"]["relateBillNo"]) == ("refund", bill_number)


@pytest.mark.parametrize("amount", ["", "1.234", "-5", "five", "1e3", "１"])
def test_an_unreadable_amount_sends_nothing(simulator: Simulator, mall: FakeMall, amount: str) -> None:
    user_id = notices.new_user()

    page = post(simulator, "/send", kind="bill", user_id=user_id, amount=amount)

    assert 'class="banner bad"' in page
    assert simulator.control("GET", f"book?user_id={user_id}")["notices"] == []


def test_the_form_plans_a_fault_and_takes_all_off(simulator: Simulator) -> None:
    post(simulator, "/faults", api="updatePass", fault="permanent", times="all", code="PASS_IS_NULL")
    planned = simulator.control("GET", "faults")["planned"]
    post(simulator, "/faults", clear="1")

    assert [(one["fault"]["code"], one["times"]) for one in planned] == [("PASS_IS_NULL", None)]
    assert simulator.control("GET", "faults")["planned"] == []


def test_the_page_sends_a_notice_of_the_book_again(simulator: Simulator, mall: FakeMall) -> None:
    user_id = notices.new_user()
    post(simulator, "/send", kind="bill", user_id=user_id, amount="150")
    number = simulator.control("GET", f"book?user_id={user_id}")["notices"][0]["number"]

    post(simulator, "/resend", number=str(number))

    assert len(simulator.control("GET", f"book/{number}")["attempts"]) == 2


@pytest.mark.parametrize(
    "headers",
    [{"Host": "evil.example"}, {"Origin": "https://evil.example"}, {"Host": "127.0.0.1.evil.example"}],
)
def test_another_web_site_cannot_steer_the_simulator(simulator: Simulator, headers: dict[str, str]) -> None:
    before = simulator.control("GET", "faults")["planned"]

    answer = requests.post(
        f"{simulator.url}/faults", data={"api": "*", "fault": "hang"}, headers=headers, timeout=5
    )

    assert answer.status_code == 421
    assert simulator.control("GET", "faults")["planned"] == before


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "nonsense", b"", 404),
        ("POST", "send", b"{", 400),
        ("POST", "send", b"[]", 400),
        ("GET", "cards/1", b"", 404),
        ("GET", "book/x", b"", 400),
        ("GET", "calls?limit=x", b"", 400),
        ("POST", "clients", b'{"client_id": "1"}', 400),
        ("POST", "clients", b'{"register": {}}', 400),
    ],
)
def test_the_control_api_says_what_is_wrong(
    simulator: Simulator, method: str, path: str, body: bytes, status: int
) -> None:
    answer = requests.request(method, f"{simulator.url}/control/{path}", data=body, timeout=5)

    assert answer.status_code == status
    assert answer.json()["error"]


def test_the_control_api_reads_json_whatever_its_content_type(simulator: Simulator) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    order = b'{"api": "updatePass", "fault": "hang", "user_id": "2160000000000001"}'

    answer = requests.post(f"{simulator.url}/control/faults", data=order, headers=headers, timeout=5)
    simulator.control("DELETE", "faults")

    assert answer.status_code == 200
