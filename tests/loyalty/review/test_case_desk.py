"""The duplicate desk: the queue, one screen per case, a key per answer, and each mall behind its own wall."""

from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse

from loyalty.earning.models import DuplicateCase
from loyalty.review import cases
from loyalty.review.models import Decision
from tests import factories
from tests.loyalty.earning.programs import TUESDAY, Shopper, shopper
from tests.loyalty.earning.test_suspects import another_member

pytestmark = pytest.mark.django_db

QUEUE = "admin:earning_duplicatecase_changelist"


@pytest.fixture
def person() -> Shopper:
    return shopper("lumina")


@pytest.fixture
def case(person: Shopper) -> DuplicateCase:
    person.pays(68800, at=TUESDAY + timedelta(minutes=89))
    return handed_in(person, 92)


@pytest.fixture
def reviewer(person: Shopper) -> Client:
    return client_of(person, "REVIEWER")


def client_of(person: Shopper, role: str) -> Client:
    staff = factories.MallStaffFactory.create(
        role=role,
        mall=person.wallet_pass.mall,
        group=person.wallet_pass.mall.group,
        user__username=role.lower(),
    )
    client = Client()
    client.force_login(staff.user)
    return client


def handed_in(person: Shopper, minutes: int, cents: int = 68800) -> DuplicateCase:
    receipt = person.hands_in(cents, at=TUESDAY + timedelta(minutes=minutes))
    return DuplicateCase.objects.get(transaction=receipt)


def page(case: DuplicateCase) -> str:
    return reverse("admin:earning_duplicatecase_change", args=[case.pk])


def deed(case: DuplicateCase, name: str) -> str:
    return reverse("admin:earning_duplicatecase_deed", args=[case.pk, name])


def test_the_queue_shows_what_waits_oldest_first_with_its_count(
    person: Shopper, case: DuplicateCase, reviewer: Client
) -> None:
    later = handed_in(person, 94)
    DuplicateCase.objects.filter(pk=later.pk).update(opened_at=case.opened_at + timedelta(hours=1))

    shown = reviewer.get(reverse(QUEUE)).content.decode()

    assert shown.index(page(case)) < shown.index(page(later))
    assert '<span class="count">2</span>' in shown
    assert "100" in shown and "688" in shown


def test_a_case_shows_both_records_the_evidence_and_what_each_answer_does(
    case: DuplicateCase, reviewer: Client
) -> None:
    shown = reviewer.get(page(case)).content.decode()

    for words in (
        "Side by side", "100 of 100", "Same member.", "Same amount, HK$688.00.", "Paid 3 min apart.", "14:29", "14:32",
        "This record: 0 → 0 points. Earlier record: 688 → 688 points.",
        "This record: 0 → 688 points. Earlier record: 688 → 688 points.",
    ):  # fmt: skip
        assert words in shown, words
    for name, key in (("same", "S"), ("different", "D"), ("ask", "A")):
        assert f'formaction="{deed(case, name)}" data-key="{key}"' in shown
    assert shown.count('<tr class="equal">') >= 4
    assert '<tr class="differs">' in shown


def test_the_desk_speaks_chinese(case: DuplicateCase, reviewer: Client) -> None:
    reviewer.cookies["django_language"] = "zh-hant"

    shown = reviewer.get(page(case)).content.decode()

    for words in ("同一會員。", "金額相同，HK$688.00。", "同一宗消費", "不同消費", "會員當日消費"):
        assert words in shown, words


@pytest.mark.parametrize(
    ("name", "state", "balance"), [("same", "SAME", 688), ("different", "DIFFERENT", 1376)]
)
def test_an_answer_decides_is_noted_and_can_be_undone(
    person: Shopper, case: DuplicateCase, reviewer: Client, name: str, state: str, balance: int
) -> None:
    answer = reviewer.post(deed(case, name), {"typed": "two receipts seen"}, follow=True)

    case.refresh_from_db()
    assert (case.state, person.balance) == (state, balance)
    assert Decision.objects.get().note == "two receipts seen"
    assert LogEntry.objects.filter(object_id=str(case.pk)).count() == 1
    shown = answer.content.decode()
    assert "Decided by reviewer" in shown and f'formaction="{deed(case, "reopen")}"' in shown
    reviewer.post(deed(case, "reopen"))
    case.refresh_from_db()
    assert (case.state, person.balance) == ("OPEN", 688)


def test_asking_takes_the_case_into_ones_hands(case: DuplicateCase, reviewer: Client) -> None:
    reviewer.post(deed(case, "ask"))

    case.refresh_from_db()
    assert (case.state, str(case.assignee)) == ("ASKED", "reviewer")
    assert "reviewer" in reviewer.get(reverse(QUEUE)).content.decode()


def test_who_comes_second_sees_who_was_faster(person: Shopper, case: DuplicateCase, reviewer: Client) -> None:
    """The button was on the page already when somebody else pressed theirs."""
    ken = factories.UserFactory.create(username="ken")
    cases.decide(case=case, answer="SAME", by=ken, now=case.opened_at)

    answer = reviewer.post(deed(case, "different")).content.decode()

    assert "Ken has decided “same purchase” meanwhile. Nothing was changed." in answer
    assert (person.balance, Decision.objects.count()) == (688, 1)


def test_identical_cases_are_decided_together_and_others_are_not(
    person: Shopper, case: DuplicateCase, reviewer: Client
) -> None:
    twin, other = handed_in(person, 90), handed_in(person, 93, cents=70000)
    chosen = {"action": "same_together", "_selected_action": [case.pk, other.pk]}

    refused = reviewer.post(reverse(QUEUE), chosen, follow=True).content.decode()
    assert "These cases rest on different evidence" in refused
    assert Decision.objects.count() == 0

    reviewer.post(reverse(QUEUE), chosen | {"_selected_action": [case.pk, twin.pk]})
    assert set(Decision.objects.values_list("case", "answer")) == {(case.pk, "SAME"), (twin.pk, "SAME")}
    assert DuplicateCase.objects.get(pk=other.pk).state == "OPEN"


def test_together_says_what_was_decided_and_why_the_rest_was_not(
    person: Shopper, case: DuplicateCase, reviewer: Client
) -> None:
    twin = handed_in(person, 90)
    payment = person.pays(5000, at=TUESDAY + timedelta(days=3)).transaction
    ken = factories.UserFactory.create(username="ken")
    other = factories.DuplicateCaseFactory.create(
        transaction=payment, earlier=twin.transaction, state="SAME", decided_at=case.opened_at, decided_by=ken
    )
    chosen = {"action": "different_together", "_selected_action": [case.pk, twin.pk]}

    shown = reviewer.post(reverse(QUEUE), chosen, follow=True).content.decode()

    assert "1 decided" in shown
    assert f"1 not decided (#{twin.transaction_id}): Case #{other.pk} decided that this record" in shown
    assert list(Decision.objects.values_list("case", "answer")) == [(case.pk, "DIFFERENT")]
    assert LogEntry.objects.get().object_id == str(case.pk)


def test_who_may_only_look_is_offered_no_answer(person: Shopper, case: DuplicateCase) -> None:
    operator = client_of(person, "OPERATOR")

    shown = operator.get(page(case))

    assert shown.status_code == 200
    assert b"data-key" not in shown.content.replace(b'data-key="N"', b"")
    assert operator.post(deed(case, "same")).status_code == 403
    assert operator.post(
        reverse(QUEUE), {"action": "same_together", "_selected_action": [case.pk]}
    ).status_code in (200, 302)
    assert (Decision.objects.count(), person.balance) == (0, 688)


def test_another_mall_sees_nothing_of_a_case(person: Shopper, case: DuplicateCase) -> None:
    stranger = client_of(shopper("pier8"), "MANAGER")

    assert stranger.get(page(case)).status_code == 404
    assert stranger.post(deed(case, "same")).status_code == 404
    assert page(case) not in stranger.get(reverse(QUEUE)).content.decode()
    assert Decision.objects.count() == 0


def test_an_earlier_record_of_another_mall_is_not_told(
    person: Shopper, case: DuplicateCase, reviewer: Client
) -> None:
    elsewhere = factories.MallFactory.create(group=person.wallet_pass.mall.group)
    type(case.earlier).objects.filter(pk=case.earlier_id).update(mall=elsewhere, payment_number="SECRET77")

    shown = reviewer.get(page(case)).content.decode()

    assert "of another mall" in shown
    assert "SECRET77" not in shown and "Earlier record: 688" not in shown
    reviewer.post(deed(case, "same"))
    for address in (page(case), reverse("admin:review_decision_changelist")):
        decided = reviewer.get(address).content.decode()
        assert "f another mall" in decided and "688 → 688" not in decided


def test_a_transaction_leads_to_its_cases(case: DuplicateCase, reviewer: Client) -> None:
    shown = reviewer.get(
        reverse("admin:earning_transaction_change", args=[case.transaction_id])
    ).content.decode()

    assert page(case) in shown
    assert "The transaction keeps 0 points now." in shown


def test_points_of_two_members_are_told_apart(person: Shopper, reviewer: Client) -> None:
    claimer = another_member(person)
    claimer.hands_in(68800, numbers={"ACQUIRER": "A1"})
    person.pays(68800, numbers={"PAYMENT": "B1", "ACQUIRER": "A1"})

    shown = reviewer.get(page(DuplicateCase.objects.get())).content.decode()

    assert "Both carry the same number. Another member claims it.</p>" in shown
    assert "This record: 0 → 688 points. Earlier record: 3,688 → 0 points." in shown
