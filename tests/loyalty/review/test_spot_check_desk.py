"""The spot checks on staff screens: a key per answer, what it does said before, the precision, and each mall's wall."""

from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse

from loyalty.review import spot_checks, tasks
from loyalty.review.models import Decision, SpotCheck
from members.models import Program
from pms import clock
from tests import factories
from tests.loyalty.earning.programs import TUESDAY, Shopper, shopper
from tests.loyalty.review.doubles import LATER
from tests.loyalty.review.test_case_desk import client_of

pytestmark = pytest.mark.django_db

QUEUE = "admin:review_spotcheck_changelist"


@pytest.fixture
def person() -> Shopper:
    found = shopper("lumina")
    Program.objects.update(spot_check_percent=100)
    return found


@pytest.fixture
def check(person: Shopper) -> SpotCheck:
    """A repeat under the same number, that the rules refused."""
    person.pays(68800, numbers={"PAYMENT": "B1", "ACQUIRER": "A1"})
    person.hands_in(68800, numbers={"ACQUIRER": "A1"}, at=TUESDAY + timedelta(minutes=3))
    return drawn(person)


@pytest.fixture
def reviewer(person: Shopper) -> Client:
    return client_of(person, "REVIEWER")


def drawn(person: Shopper) -> SpotCheck:
    malls = [person.wallet_pass.mall_id]
    spot_checks.draw(mall_ids=malls, since=TUESDAY - timedelta(days=1), now=LATER)
    return SpotCheck.objects.latest("pk")


def page(check: SpotCheck) -> str:
    return reverse("admin:review_spotcheck_change", args=[check.pk])


def deed(check: SpotCheck, name: str) -> str:
    return reverse("admin:review_spotcheck_deed", args=[check.pk, name])


def test_the_queue_shows_what_is_to_be_checked_with_its_count_and_the_precision(
    check: SpotCheck, reviewer: Client
) -> None:
    shown = reviewer.get(reverse(QUEUE)).content.decode()

    assert page(check) in shown
    assert '<span class="count">1</span>' in shown
    assert "Precision of automatic verdicts" in shown and "Same number" in shown


def test_a_check_shows_both_records_the_verdict_and_what_each_answer_does(
    check: SpotCheck, reviewer: Client
) -> None:
    shown = reviewer.get(page(check)).content.decode()

    for words in (
        "Side by side", "Both carry the same number and say the same.",
        "The rules said: the same purchase, as the number is the same. No points.",
        "They are two purchases: the case says so, and this record gets its points.", "Precision of automatic verdicts",
    ):  # fmt: skip
        assert words in shown, words
    for name, key in (("right", "R"), ("wrong", "W"), ("unclear", "C")):
        assert f'formaction="{deed(check, name)}" data-key="{key}"' in shown


def test_what_was_let_pass_is_asked_the_other_way_round(person: Shopper, reviewer: Client) -> None:
    person.pays(68800)
    person.hands_in(70000, at=TUESDAY + timedelta(minutes=5), store="088")

    shown = reviewer.get(page(drawn(person))).content.decode()

    for words in (
        "62 of 100", "The amount differs by HK$12.00.",
        "The rules said: two purchases, as they are not alike enough. Both have points.",
        "They are one purchase: a case says so, and takes the points given twice.",
    ):  # fmt: skip
        assert words in shown, words


def test_the_desk_speaks_chinese(check: SpotCheck, reviewer: Client) -> None:
    reviewer.cookies["django_language"] = "zh-hant"

    shown = reviewer.get(page(check)).content.decode()

    for words in ("號碼相同，屬同一宗消費", "無法判斷", "自動判定準確率", "正確"):
        assert words in shown, words


@pytest.mark.parametrize(("name", "answer", "balance"), [("right", "RIGHT", 688), ("wrong", "WRONG", 1376)])
def test_an_answer_is_kept_noted_and_can_be_taken_back(
    person: Shopper, check: SpotCheck, reviewer: Client, name: str, answer: str, balance: int
) -> None:
    shown = reviewer.post(deed(check, name), {"typed": "asked the till"}, follow=True).content.decode()

    check.refresh_from_db()
    assert (check.answer, check.note, person.balance) == (answer, "asked the till", balance)
    assert f'formaction="{deed(check, "back")}" data-key="U"' in shown
    assert LogEntry.objects.filter(object_id=str(check.pk)).count() == 1
    reviewer.post(deed(check, "back"))
    check.refresh_from_db()
    assert (check.answer, person.balance) == ("", 688)


def test_who_comes_second_sees_who_was_faster(person: Shopper, check: SpotCheck, reviewer: Client) -> None:
    ken = factories.UserFactory.create(username="ken")
    spot_checks.answer(check=check, answer="RIGHT", by=ken, now=LATER)

    answer = reviewer.post(deed(check, "wrong")).content.decode()

    assert (
        "Ken has answered “right” meanwhile. Nothing was changed." in answer or "ken has answered" in answer
    )
    assert (person.balance, Decision.objects.count()) == (688, 0)


def test_who_may_only_look_is_offered_no_answer(person: Shopper, check: SpotCheck) -> None:
    operator = client_of(person, "OPERATOR")

    assert b"formaction" not in operator.get(page(check)).content
    assert operator.post(deed(check, "wrong")).status_code == 403
    assert (person.balance, SpotCheck.objects.get().answer) == (688, "")


def test_another_mall_sees_nothing_of_a_check(check: SpotCheck) -> None:
    stranger = client_of(shopper("pier8"), "MANAGER")

    assert stranger.get(page(check)).status_code == 404
    assert stranger.post(deed(check, "wrong")).status_code == 404
    shown = stranger.get(reverse(QUEUE)).content.decode()
    assert page(check) not in shown and "No verdict has been drawn yet" in shown


def test_the_report_tells_the_precision_of_its_days(check: SpotCheck, reviewer: Client) -> None:
    reviewer.post(deed(check, "right"))

    def told(day: str) -> str:
        asked = {"since": day, "until": day}
        return reviewer.get(reverse("admin:earning_duplicatecase_report"), asked).content.decode()

    assert "100.0%" in told("2026-03-10") and "20.7% – 100.0%" in told("2026-03-10")
    assert "No verdict has been drawn yet" in told("2026-03-11")


def test_the_hourly_task_draws_what_was_judged_in_the_last_days(person: Shopper) -> None:
    now = clock.now()
    for at in (now - timedelta(hours=1), now - timedelta(days=2), now - timedelta(days=4)):
        factories.DuplicateCaseFactory.create(
            transaction__mall=person.wallet_pass.mall,
            verdict="NUMBER",
            state="SAME",
            decided_at=at,
            opened_at=at,
        )

    tasks.draw_spot_checks()
    tasks.draw_spot_checks()

    assert SpotCheck.objects.filter(judged_at__gt=now - timedelta(days=3)).count() == 2
    assert SpotCheck.objects.count() == 2
