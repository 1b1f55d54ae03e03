"""The phone's page: what is served under /phone, what its state says, and that nothing strange runs in it."""

import json
import re
from html import unescape
from typing import Any

import pytest
import requests

from alipayhk.simulator import notices
from alipayhk.simulator.journal import Journal
from alipayhk.simulator.phone import phrases
from alipayhk.simulator.phone.people import People
from tests.alipayhk.simulator.conftest import Simulator
from tests.alipayhk.simulator.fake_mall import FakeMall, faces
from tests.alipayhk.simulator.test_gateway import create_body

FILES = ("frame.css", "phone.css", "kit.js", "mini.js", "my.js", "paying.js", "phone.js", "wallet.js")


def read(simulator: Simulator, path: str = "") -> requests.Response:
    return requests.get(f"{simulator.url}/phone{path}", timeout=5)


def tap(simulator: Simulator, button: str, **order: Any) -> dict[str, Any]:
    """What the page posts for a button, and what it is told."""
    answer = requests.post(f"{simulator.url}/phone/{button}", json=order, timeout=10)
    content: dict[str, Any] = answer.json()
    return content | {"http": answer.status_code}


def make(simulator: Simulator, name: str = "Chan Mei Ling") -> str:
    """A new person's user ID."""
    user_id: str = tap(simulator, "people", name=name, phone=notices.new_mobile())["user_id"]
    return user_id


def state(simulator: Simulator, user_id: str) -> dict[str, Any]:
    content: dict[str, Any] = read(simulator, f"/state?user={user_id}").json()
    return content


def setup_of(page: str) -> dict[str, Any]:
    """What the page's script starts from."""
    found = re.search(r'data-setup="([^"]*)"', page)
    assert found is not None
    content: dict[str, Any] = json.loads(unescape(found[1]))
    return content


def test_the_phone_names_malls_stores_and_people(simulator: Simulator, mall: FakeMall) -> None:
    user_id = make(simulator, "Lee 小明")

    setup = setup_of(read(simulator).text)

    [first, *_] = setup["malls"]
    assert (first["name"], first["program"]) == ("Harbour Square", "Harbour Club")
    assert {"label": "PMS0001", "name": "Harbour Noodles"} in first["stores"]
    assert setup["people"][0]["name"] == "Lee 小明"
    assert (setup["people"][0]["user_id"], setup["user_id"]) == (user_id, "")


def test_the_phone_speaks_traditional_chinese(simulator: Simulator, mall: FakeMall) -> None:
    page = read(simulator, f"?lang=zh-hant&user={make(simulator)}").text

    setup = setup_of(page)
    assert '<html lang="zh-Hant">' in page
    assert (setup["words"]["scan"], setup["malls"][0]["name"]) == ("掃碼付款", "海港坊")
    assert "試試看" in page


def test_every_sentence_has_both_languages_with_the_same_places() -> None:
    gaps = [
        key
        for key, pair in phrases.TABLE.items()
        if not all(pair) or len({tuple(sorted(re.findall(r"{\w+}", text))) for text in pair}) > 1
    ]

    assert gaps == []


def test_the_scripts_say_nothing_that_the_table_lacks(simulator: Simulator) -> None:
    scripts = "".join(read(simulator, f"/{name}").text for name in FILES if name.endswith(".js"))

    said = set(re.findall(r'\bsay\("(\w+)"', scripts))

    assert said - set(phrases.TABLE) == set()


@pytest.mark.parametrize("name", FILES)
def test_the_phone_brings_its_own_files(simulator: Simulator, name: str) -> None:
    answer = read(simulator, f"/{name}")

    kind = {"css": "text/css", "js": "text/javascript"}[name.partition(".")[2]]
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, f"{kind}; charset=UTF-8")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_the_phone_forbids_everything_that_is_not_its_own(simulator: Simulator) -> None:
    answer = read(simulator)

    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert re.findall(r"<script(?![^>]*src=)|<[^>]*\s(?:on\w+|style)=", answer.text) == []
    assert re.findall(r'(?:src|href)="(?!/)', answer.text) == []


@pytest.mark.parametrize(
    "path", ["/people.py", "/../server.py", "/miniapp/", "/nothing", "/state", "/state?user=x"]
)
def test_what_is_not_there_is_not_served(simulator: Simulator, path: str) -> None:
    assert read(simulator, path).status_code == 404


def test_only_what_begins_with_the_phone_s_address_is_the_phone(simulator: Simulator) -> None:
    assert requests.get(f"{simulator.url}/phones", timeout=5).text == "<p>404</p>"


def test_other_sites_and_hosts_do_not_reach_the_phone(simulator: Simulator) -> None:
    strange = {"Origin": "http://evil.example"}
    posted = requests.post(f"{simulator.url}/phone/people", json={}, headers=strange, timeout=5)
    asked = requests.get(f"{simulator.url}/phone", headers={"Host": "evil.example"}, timeout=5)

    assert (posted.status_code, asked.status_code) == (421, 421)


def test_a_form_of_another_page_makes_nobody(simulator: Simulator) -> None:
    body = '{"name": "A", "phone": "61234567"}'
    before = setup_of(read(simulator).text)["people"]

    answer = requests.post(
        f"{simulator.url}/phone/people", body, headers={"Content-Type": "text/plain"}, timeout=5
    )

    assert answer.status_code == 415
    assert setup_of(read(simulator).text)["people"] == before


def test_a_name_is_text_and_not_markup(simulator: Simulator) -> None:
    user_id = make(simulator, '"><img src=x>')

    page = read(simulator, f"?user={user_id}").text

    assert "<img" not in page
    assert state(simulator, user_id)["person"]["name"] == '"><img src=x>'


@pytest.mark.parametrize("phone", ["61234567", "6123 4567", "+852 6123 4567", "852-61234567"])
def test_a_person_has_a_number_of_hong_kong(simulator: Simulator, phone: str) -> None:
    made = tap(simulator, "people", name="Wong  Ka Wing ", phone=phone)

    person = state(simulator, made["user_id"])["person"]
    assert (person["name"], person["phone"]) == ("Wong Ka Wing", "6123 4567")
    assert re.fullmatch(r"2160\d{12}", made["user_id"])


@pytest.mark.parametrize(
    "order",
    [
        {"name": "A", "phone": "12345678"},
        {"name": "A", "phone": "612345678"},
        {"name": " ", "phone": "61234567"},
        {"name": "A" * 41, "phone": "61234567"},
        {"name": "A\x07", "phone": "61234567"},
        {"name": 5, "phone": "61234567"},
        {"name": "A"},
    ],
)
def test_a_person_without_name_or_number_is_not_made(simulator: Simulator, order: dict[str, Any]) -> None:
    before = setup_of(read(simulator).text)["people"]

    answer = tap(simulator, "people", **order)

    assert answer["http"] == 400
    assert setup_of(read(simulator).text)["people"] == before


def test_people_and_what_they_allowed_outlive_a_restart(simulator: Simulator, mall: FakeMall) -> None:
    user_id, client_id = make(simulator, "Ho Yuk"), mall.wire["client_id"]
    tap(simulator, "join", user_id=user_id, client_id=client_id)
    tap(simulator, "withdraw", user_id=user_id, client_id=client_id)

    again = People(
        Journal(simulator.home / "journal.jsonl"), book=simulator.twin.book, wallet=simulator.twin.wallet
    )

    person = again.need(user_id)
    assert person.name == "Ho Yuk"
    assert not again.permits(person, client_id)


def test_a_card_holder_whom_nobody_made_has_a_phone_too(simulator: Simulator, mall: FakeMall) -> None:
    user_id = notices.new_user()
    mall.call("createPass", create_body(mall, userId=user_id, dataInfo=faces(77)))

    shown = state(simulator, user_id)

    assert [card["points"] for card in shown["cards"]] == [77]
    assert shown["cards"][0]["names"] == ["Chan T M", "Chan T M"]
    assert [(one["event"], one["change"]) for one in shown["notices"]] == [("CREATED", 77)]


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'"text"'])
def test_a_tap_that_is_no_object_is_refused(simulator: Simulator, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}

    answer = requests.post(f"{simulator.url}/phone/pay", body, headers=headers, timeout=5)

    assert answer.status_code == 400
    assert "body" in answer.json()["error"]
