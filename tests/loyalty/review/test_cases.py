"""Decisions on possible duplicates: who has the points before, after, and after the decision is undone."""

from datetime import timedelta

import pytest

from loyalty.earning import awards
from loyalty.earning.models import Correction, DuplicateCase, NumberClaim, Transaction
from loyalty.ledger.models import PointEntry, Posting
from loyalty.review import cases
from loyalty.review.cases import (
    AlreadyDecided,
    EarlierIsOpen,
    NotDecided,
    NotIdentical,
    Points,
    StoreUnknown,
    TooMany,
)
from loyalty.review.models import Decision
from members.models import Program
from pms.models import User
from tests import factories
from tests.loyalty.earning.programs import TUESDAY, breaches, codes, shopper
from tests.loyalty.review.doubles import (
    ASK,
    DIFFERENT,
    LATER,
    SAME,
    claimed_by_another,
    decide,
    flagged,
    held,
    reopen,
    states,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def by() -> User:
    return factories.UserFactory.create()


# --- held ---


def test_a_held_receipt_that_is_the_same_purchase_ends_with_nothing(by: User) -> None:
    person = shopper("lumina")
    person.pays(68800)
    entries = PointEntry.objects.count

    before, case = entries(), held(person)
    case = decide(case, SAME, by)

    assert (states(case), case.state, person.balance) == (("DUPLICATE", "EARNED"), "SAME", 688)
    assert codes(case.transaction.award.reasons) == ["CONFIRMED_DUPLICATE"]
    assert (case.points_saved, case.cents_saved, case.decided_by, case.decided_at) == (688, 275, by, LATER)
    assert (entries(), breaches()) == (before, [])


def test_a_held_receipt_that_is_another_purchase_earns_by_the_rules_of_its_day(by: User) -> None:
    person = shopper("lumina")
    person.pays(68800)

    case = decide(held(person), DIFFERENT, by)

    assert (states(case), case.state, person.balance) == (("EARNED", "EARNED"), "DIFFERENT", 1376)
    assert codes(case.transaction.award.reasons) == ["EARNED_BASE", "CLEARED_AS_SEPARATE"]
    assert (case.points_saved, breaches()) == (0, [])


@pytest.mark.parametrize(
    "answers", [(SAME, DIFFERENT), (DIFFERENT, SAME), (SAME, SAME), (DIFFERENT, DIFFERENT)]
)
def test_a_decision_is_undone_and_taken_again_by_new_entries(by: User, answers: tuple[str, str]) -> None:
    person = shopper("lumina")
    person.pays(68800)
    case = held(person)
    entries = set(PointEntry.objects.values_list("pk", flat=True))
    balances = {SAME: 688, DIFFERENT: 1376}

    for answer in answers:
        case = decide(case, answer, by)
        assert (person.balance, breaches()) == (balances[Decision.Answer(answer)], [])
        case = reopen(case, by)
        assert (states(case), case.state, person.balance) == (("HELD", "EARNED"), "OPEN", 688)
        assert breaches() == []
    case = decide(case, answers[0], by)

    assert (person.balance, breaches()) == (balances[Decision.Answer(answers[0])], [])
    assert entries <= set(PointEntry.objects.values_list("pk", flat=True))
    assert case.decisions.count() == 5


# --- flagged ---


def test_a_flagged_receipt_that_is_the_same_purchase_gives_its_points_back(by: User) -> None:
    person = shopper("lumina")
    case = flagged(person)

    case = decide(case, SAME, by)

    taken = Posting.objects.get(kind="CLAW_BACK")
    assert (states(case), person.balance) == (("DUPLICATE", "EARNED"), 688)
    assert taken.source == f"transaction/{case.transaction_id}/correction/1"
    assert (case.points_saved, breaches()) == (700, [])


def test_a_flagged_receipt_that_is_another_purchase_keeps_them_and_nothing_moves(by: User) -> None:
    person = shopper("lumina")
    case = flagged(person)
    postings = Posting.objects.count()

    case = decide(case, DIFFERENT, by)

    assert (states(case), person.balance) == (("EARNED", "EARNED"), 1388)
    assert (Posting.objects.count(), Correction.objects.count(), breaches()) == (postings, 0, [])


@pytest.mark.parametrize("answer", [SAME, DIFFERENT])
def test_a_flagged_receipt_is_flagged_again_with_its_points(by: User, answer: str) -> None:
    person = shopper("lumina")

    case = reopen(decide(flagged(person), answer, by), by)

    assert (states(case), case.state, person.balance) == (("FLAGGED", "EARNED"), "OPEN", 1388)
    assert (case.points_saved, case.decided_by, breaches()) == (0, None, [])


@pytest.mark.parametrize(("program", "balance", "missed"), [("lumina", -700, 0), ("verdant", 0, 700)])
def test_what_was_spent_follows_the_policy_and_is_settled_when_given_again(
    by: User, program: str, balance: int, missed: int
) -> None:
    person = shopper(program)
    case = flagged(person)
    account = person.wallet_pass.member.account
    factories.PointEntryFactory.create(account=account, points=-1388)
    type(account).objects.filter(pk=account.pk).update(balance=0)

    case = decide(case, SAME, by)
    taken = Correction.objects.get()

    assert (person.balance, taken.points, taken.uncollected) == (balance, missed - 700, missed)
    assert "UNCOLLECTED" in codes(taken.reasons) or not missed
    reopen(case, by)
    given = Correction.objects.get(kind="GIVE")
    assert (person.balance, given.points, given.uncollected) == (0, 700 - missed, -missed)


def test_points_on_hold_are_taken_and_come_back_on_hold(by: User) -> None:
    person = shopper("pier8")
    case = flagged(person)
    assert (person.balance, person.pending) == (0, 1388)

    case = decide(case, SAME, by)

    assert (person.balance, person.pending, breaches()) == (0, 688, [])
    reopen(case, by)
    assert (person.balance, person.pending, breaches()) == (0, 1388, [])


# --- numbers ---


def test_two_purchases_under_one_number_are_told_apart_and_the_first_keeps_it(by: User) -> None:
    person = shopper("lumina")
    first = person.hands_in(50000, numbers={"RECEIPT": "000123"})
    person.hands_in(68800, numbers={"RECEIPT": "000123"}, at=TUESDAY + timedelta(hours=2))
    case = DuplicateCase.objects.get()

    case = decide(case, DIFFERENT, by)

    assert (case.verdict, states(case), person.balance) == ("CONFLICT", ("EARNED", "EARNED"), 1188)
    number = f"{first.store_id}/2026-03-10/000123"
    assert NumberClaim.objects.get(number=number).transaction == first
    assert case.transaction.claims.get().number == f"{number}#{case.transaction_id}"
    reopen(case, by)
    assert (case.transaction.claims.count(), person.balance, breaches()) == (0, 500, [])


def test_a_plain_repeat_that_decided_itself_can_be_reopened(by: User) -> None:
    person = shopper("lumina")
    person.hands_in(68800, numbers={"ACQUIRER": "A1"})
    person.pays(68800, numbers={"PAYMENT": "B1", "ACQUIRER": "A1"})
    case = DuplicateCase.objects.get()

    case = decide(reopen(case, by), DIFFERENT, by)

    assert (case.verdict, case.state, person.balance, breaches()) == ("NUMBER", "DIFFERENT", 1376, [])


# --- refused ---


def test_who_comes_second_is_told_who_decided(by: User) -> None:
    person = shopper("lumina")
    person.pays(68800)
    case = held(person)
    decide(case, SAME, by)
    second = factories.UserFactory.create()

    with pytest.raises(AlreadyDecided) as refused:
        cases.decide(case=case, answer=DIFFERENT, by=second, now=LATER)

    assert (refused.value.case.decided_by, refused.value.case.state) == (by, "SAME")
    assert (person.balance, Decision.objects.count()) == (688, 1)


def test_an_open_case_cannot_be_reopened(by: User) -> None:
    person = shopper("lumina")
    person.pays(68800)

    with pytest.raises(NotDecided):
        cases.reopen(case=held(person), by=by, now=LATER)

    assert (person.balance, Decision.objects.count()) == (688, 0)


def test_a_claim_with_an_open_case_of_its_own_is_decided_first(by: User) -> None:
    person = shopper("lumina")
    Program.objects.update(duplicate_hold_score=101)
    person.hands_in(68800)
    person.hands_in(68800, at=TUESDAY + timedelta(minutes=1))
    person.pays(68800, at=TUESDAY + timedelta(minutes=2))
    case = DuplicateCase.objects.order_by("-pk")[0]
    DuplicateCase.objects.filter(pk=case.pk).update(earlier=Transaction.objects.order_by("pk")[1])
    case.refresh_from_db()

    with pytest.raises(EarlierIsOpen):
        cases.decide(case=case, answer=SAME, by=by, now=LATER)

    assert (person.balance, Decision.objects.count(), breaches()) == (3 * 688, 0, [])


def test_a_purchase_whose_store_nobody_knows_cannot_earn_yet(by: User) -> None:
    person = shopper("lumina")
    person.hands_in(50000, numbers={"ACQUIRER": "A1"})
    awards.earn(
        purchase=person.purchase(
            68800, numbers={"PAYMENT": "B1", "ACQUIRER": "A1"}, store_label="PMS-NOWHERE"
        ),
        now=LATER,
    )
    case = DuplicateCase.objects.get()

    with pytest.raises(StoreUnknown):
        cases.decide(case=case, answer=DIFFERENT, by=by, now=LATER)

    case.refresh_from_db()
    assert (case.state, person.balance, breaches()) == ("OPEN", 500, [])


# --- asking, many at once, before it is pressed ---


def test_asking_leaves_the_case_open_in_somebodys_hands(by: User) -> None:
    person = shopper("lumina")
    person.pays(68800)

    case = decide(held(person), ASK, by)

    assert (case.state, case.assignee, case.is_waiting, person.balance) == ("ASKED", by, True, 688)
    assert decide(case, SAME, by).state == "SAME"


def test_identical_cases_are_decided_together(by: User) -> None:
    person = shopper("lumina")
    person.pays(68800)
    found = [held(person), held(person, at=TUESDAY + timedelta(minutes=4))]

    together = cases.decide_all(cases=found, answer=SAME, by=by, now=LATER)

    assert (together.decided, together.refused, person.balance, breaches()) == (found, [], 688, [])
    assert set(DuplicateCase.objects.values_list("state", flat=True)) == {"SAME"}


def test_no_more_than_five_hundred_are_decided_together(by: User) -> None:
    person = shopper("lumina")
    person.pays(68800)

    with pytest.raises(TooMany):
        cases.decide_all(cases=[held(person)] * 501, answer=SAME, by=by, now=LATER)

    assert Decision.objects.count() == 0


def test_cases_on_other_evidence_are_not_decided_together(by: User) -> None:
    person = shopper("lumina")
    person.pays(68800)
    found = [held(person), held(person, at=TUESDAY + timedelta(minutes=20))]

    with pytest.raises(NotIdentical):
        cases.decide_all(cases=found, answer=SAME, by=by, now=LATER)

    assert Decision.objects.count() == 0


@pytest.mark.parametrize("answer", [SAME, DIFFERENT])
@pytest.mark.parametrize("kind", ["held", "flagged", "claimed"])
def test_what_is_shown_before_is_what_happens(by: User, answer: str, kind: str) -> None:
    if kind == "claimed":
        case = claimed_by_another()[2]
    else:
        person = shopper("lumina")
        if kind == "held":
            person.pays(68800)
        case = held(person) if kind == "held" else flagged(person)
    shown = cases.preview(case, answer)

    decision = cases.decide(case=case, answer=answer, by=by, now=LATER)

    assert shown == Points(ours=decision.points_after, earlier=decision.earlier_points_after)
