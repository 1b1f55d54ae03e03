"""Spot checks: drawn once and the same again, put right by new entries, told with how sure their figures are."""

from datetime import timedelta

import pytest

from loyalty.earning.models import DuplicateCase, Transaction
from loyalty.review import cases, spot_checks
from loyalty.review.models import Decision, SpotCheck
from loyalty.review.spot_checks import AlreadyAnswered, NotAnswered, Precision
from members.models import Program
from pms.models import User
from tests import factories
from tests.loyalty.earning.programs import TUESDAY, Shopper, breaches, shopper
from tests.loyalty.earning.test_suspects import another_member
from tests.loyalty.review.doubles import LATER, SAME

pytestmark = pytest.mark.django_db

SINCE = TUESDAY - timedelta(days=1)


@pytest.fixture
def person() -> Shopper:
    found = shopper("lumina")
    set_percent(found, 100)
    return found


@pytest.fixture
def ken() -> User:
    return factories.UserFactory.create(username="ken")


def set_percent(person: Shopper, percent: int, **terms: object) -> None:
    program = Program.objects.filter(pk=person.wallet_pass.program.pk)
    program.update(spot_check_percent=percent, **terms)


def draw(person: Shopper) -> int:
    return spot_checks.draw(mall_ids=[person.wallet_pass.mall_id], since=SINCE, now=LATER)


def repeated(person: Shopper) -> SpotCheck:
    """The same number twice, drawn."""
    person.pays(68800, numbers={"PAYMENT": "B1", "ACQUIRER": "A1"})
    person.hands_in(68800, numbers={"ACQUIRER": "A1"}, at=TUESDAY + timedelta(minutes=3))
    draw(person)
    return SpotCheck.objects.get(kind="NUMBER")


def let_pass(person: Shopper) -> SpotCheck:
    """Twelve dollars more and five minutes later, at another store: 40 + 12 + 10 = 62, where 65 would be a flag."""
    person.pays(68800)
    person.hands_in(70000, at=TUESDAY + timedelta(minutes=5), store="088")
    draw(person)
    return SpotCheck.objects.get()


def answered(check: SpotCheck, answer: str, by: User) -> SpotCheck:
    spot_checks.answer(check=check, answer=answer, by=by, now=LATER, note="looked at the slip")
    return SpotCheck.objects.get(pk=check.pk)


def test_a_plain_repeat_is_drawn_with_its_evidence(person: Shopper) -> None:
    check = repeated(person)

    case = DuplicateCase.objects.get()
    assert (check.case, check.transaction, check.earlier) == (case, case.transaction, case.earlier)
    assert (check.kind, check.judged_at, check.answer) == ("NUMBER", case.opened_at, "")


def test_what_a_program_blocks_is_drawn(person: Shopper) -> None:
    set_percent(person, 100, duplicate_block_score=90)
    person.pays(68800)
    person.hands_in(68800, at=TUESDAY + timedelta(minutes=3))

    assert draw(person) == 1
    assert SpotCheck.objects.get().kind == "BLOCKED"


def test_what_passed_just_below_a_flag_is_drawn_and_what_is_far_from_it_is_not(person: Shopper) -> None:
    check = let_pass(person)
    person.hands_in(1000, at=TUESDAY + timedelta(hours=5), store="210")

    assert draw(person) == 0
    assert (check.kind, check.score, check.case) == ("PASSED", 62, None)
    assert [part["code"] for part in check.parts] == ["SAME_MEMBER", "NEAR_AMOUNT", "WITHIN_MINUTES"]


def test_what_waits_for_people_anyway_is_not_drawn(person: Shopper) -> None:
    person.pays(68800)
    person.hands_in(68800, at=TUESDAY + timedelta(minutes=3))

    assert DuplicateCase.objects.get().verdict == "HELD"
    assert draw(person) == 0


def test_a_second_draw_finds_the_same_and_adds_none(person: Shopper) -> None:
    set_percent(person, 30)
    cases_of(person, 60)

    first = draw(person)
    drawn = set(SpotCheck.objects.values_list("transaction_id", flat=True))
    again = draw(person)
    SpotCheck.objects.all().delete()
    anew = draw(person)

    assert (first, again, anew) == (len(drawn), 0, len(drawn))
    assert set(SpotCheck.objects.values_list("transaction_id", flat=True)) == drawn
    assert 6 <= first <= 32


def test_a_higher_share_keeps_what_a_lower_one_drew(person: Shopper) -> None:
    cases_of(person, 60)
    drawn = []
    for percent in (0, 10, 50, 100):
        SpotCheck.objects.all().delete()
        set_percent(person, percent)
        draw(person)
        drawn.append(set(SpotCheck.objects.values_list("transaction_id", flat=True)))

    assert drawn[0] == set()
    assert drawn[0] <= drawn[1] <= drawn[2] <= drawn[3]
    assert len(drawn[3]) == 60


def test_another_salt_draws_others(person: Shopper) -> None:
    set_percent(person, 50)
    cases_of(person, 60)
    drawn = []
    for salt in ("00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002"):
        SpotCheck.objects.all().delete()
        Program.objects.update(spot_check_salt=salt)
        draw(person)
        drawn.append(set(SpotCheck.objects.values_list("transaction_id", flat=True)))

    assert drawn[0] != drawn[1]


def test_what_people_undid_meanwhile_is_drawn_all_the_same(person: Shopper, ken: User) -> None:
    """Else those that people found wrong would be missing, and the precision too good."""
    person.pays(68800, numbers={"ACQUIRER": "A1"})
    person.hands_in(68800, numbers={"ACQUIRER": "A1"}, at=TUESDAY + timedelta(minutes=3))
    cases.reopen(case=DuplicateCase.objects.get(), by=ken, now=LATER)

    assert draw(person) == 1


def test_another_malls_verdicts_are_not_drawn(person: Shopper) -> None:
    repeated(person)
    SpotCheck.objects.all().delete()

    other = factories.MallFactory.create()

    assert spot_checks.draw(mall_ids=[other.pk], since=SINCE, now=LATER) == 0


@pytest.mark.parametrize("answer", ["RIGHT", "UNCLEAR"])
def test_right_or_unclear_changes_nothing_but_the_figures(person: Shopper, ken: User, answer: str) -> None:
    check = answered(repeated(person), answer, ken)

    assert (check.answer, check.answered_by, check.note) == (answer, ken, "looked at the slip")
    assert (person.balance, Decision.objects.count()) == (688, 0)


def test_a_repeat_that_was_none_gets_its_points_by_new_entries(person: Shopper, ken: User) -> None:
    check = answered(repeated(person), "WRONG", ken)

    assert check.case is not None
    assert (check.case.state, check.case.decided_by, person.balance) == ("DIFFERENT", ken, 1376)
    assert list(Decision.objects.order_by("pk").values_list("answer", flat=True)) == ["REOPEN", "DIFFERENT"]
    assert breaches() == []


def test_what_was_blocked_wrongly_gets_its_points(person: Shopper, ken: User) -> None:
    set_percent(person, 100, duplicate_block_score=90)
    person.pays(68800)
    person.hands_in(68800, at=TUESDAY + timedelta(minutes=3))
    draw(person)

    answered(SpotCheck.objects.get(), "WRONG", ken)

    assert (person.balance, breaches()) == (1376, [])


def test_a_duplicate_that_passed_opens_a_case_and_loses_its_points(person: Shopper, ken: User) -> None:
    check = let_pass(person)
    assert person.balance == 1388

    check = answered(check, "WRONG", ken)

    assert check.case is not None
    assert (check.case.verdict, check.case.state, check.case.score) == ("FLAGGED", "SAME", 62)
    assert check.case.parts == check.parts
    assert (check.case.points_saved, person.balance, breaches()) == (700, 688, [])
    assert Transaction.objects.get(pk=check.transaction_id).state == "DUPLICATE"


@pytest.mark.parametrize("kind", ["NUMBER", "PASSED"])
def test_a_wrong_answer_taken_back_leaves_the_points_as_the_verdict_had_them(
    person: Shopper, ken: User, kind: str
) -> None:
    check = repeated(person) if kind == "NUMBER" else let_pass(person)
    before = person.balance
    check = answered(check, "WRONG", ken)

    spot_checks.take_back(check=check, by=ken, now=LATER)

    check.refresh_from_db()
    assert (check.answer, check.answered_by, check.answered_at) == ("", None, None)
    assert (person.balance, breaches()) == (before, [])
    assert answered(check, "WRONG", ken).answer == "WRONG"
    assert breaches() == []


def test_a_wrong_verdict_that_the_desk_put_right_already_moves_nothing(person: Shopper, ken: User) -> None:
    check = repeated(person)
    case = DuplicateCase.objects.get()
    cases.reopen(case=case, by=ken, now=LATER)
    cases.decide(case=case, answer="DIFFERENT", by=ken, now=LATER)

    answered(check, "WRONG", ken)

    assert (person.balance, Decision.objects.count()) == (1376, 2)


def test_a_case_open_again_is_decided_by_the_check(person: Shopper, ken: User) -> None:
    check = repeated(person)
    cases.reopen(case=DuplicateCase.objects.get(), by=ken, now=LATER)

    answered(check, "WRONG", ken)

    assert DuplicateCase.objects.get().state == "DIFFERENT"
    assert person.balance == 1376


def test_the_second_to_answer_is_told_who_was_first(person: Shopper, ken: User) -> None:
    check = repeated(person)
    answered(check, "RIGHT", ken)

    with pytest.raises(AlreadyAnswered) as late:
        spot_checks.answer(check=check, answer="WRONG", by=factories.UserFactory.create(), now=LATER)

    assert late.value.check.answered_by == ken
    assert (person.balance, SpotCheck.objects.get().answer) == (688, "RIGHT")


def test_what_nobody_answered_cannot_be_taken_back(person: Shopper, ken: User) -> None:
    check = repeated(person)

    with pytest.raises(NotAnswered):
        spot_checks.take_back(check=check, by=ken, now=LATER)

    assert Decision.objects.count() == 0


def test_a_refused_case_leaves_the_check_unanswered(person: Shopper, ken: User) -> None:
    """The earlier record of a passed one waits at the desk itself; the payer is the later one."""
    claimer = another_member(person)
    receipt = claimer.hands_in(68800, store="088")
    factories.DuplicateCaseFactory.create(transaction=receipt, mall=receipt.mall, group=receipt.group)
    payment = person.pays(70000, at=TUESDAY + timedelta(minutes=5)).transaction
    check = factories.SpotCheckFactory.create(
        case=None, kind="PASSED", mall=payment.mall, transaction=payment, earlier=receipt, judged_at=LATER
    )

    with pytest.raises(cases.EarlierIsOpen):
        spot_checks.answer(check=check, answer="WRONG", by=ken, now=LATER)

    check.refresh_from_db()
    assert (check.answer, check.case) == ("", None)
    assert not DuplicateCase.objects.filter(transaction=payment).exists()
    assert person.balance == 700


def test_precision_counts_what_people_could_tell(ken: User) -> None:
    check = factories.SpotCheckFactory.create
    mall = factories.MallFactory.create()
    told = {"answered_by": ken, "answered_at": LATER}
    for answer in ("RIGHT", "RIGHT", "RIGHT", "WRONG", "UNCLEAR"):
        check(case__transaction__mall=mall, answer=answer, **told)
    check(case__transaction__mall=mall)
    check(answer="WRONG", **told)

    found = spot_checks.precision(mall_ids=[mall.pk])

    assert found[0] == Precision(kind="NUMBER", drawn=6, right=3, wrong=1, unclear=1)
    assert (found[0].checked, found[0].share) == (4, 0.75)
    assert [(one.kind, one.drawn, one.share) for one in found[1:]] == [
        ("BLOCKED", 0, None),
        ("PASSED", 0, None),
    ]


def test_precision_of_a_period_and_a_channel(ken: User) -> None:
    check = factories.SpotCheckFactory.create(case__transaction__channel="COUNTER")
    malls, day = [check.mall_id], timedelta(days=1)

    def drawn(**asked: object) -> int:
        return spot_checks.precision(mall_ids=malls, **asked)[0].drawn  # type: ignore[arg-type]

    assert drawn(since=check.judged_at, until=check.judged_at + day) == 1
    assert drawn(until=check.judged_at) == drawn(since=check.judged_at + day) == 0
    assert (drawn(channel="COUNTER"), drawn(channel="WALLET"), drawn(channel="IMPORT")) == (1, 1, 0)


@pytest.mark.parametrize(
    ("right", "checked", "low", "high"),
    [(10, 10, 0.722, 1.0), (0, 10, 0.0, 0.278), (95, 100, 0.888, 0.978), (1, 1, 0.207, 1.0)],
)
def test_the_interval_is_wilsons(right: int, checked: int, low: float, high: float) -> None:

    assert spot_checks.wilson(right, checked) == pytest.approx((low, high), abs=0.001)


def cases_of(person: Shopper, count: int) -> None:
    """So many plain repeats, as rows alone."""
    mall = person.wallet_pass.mall
    for _ in range(count):
        factories.DuplicateCaseFactory.create(
            transaction__mall=mall,
            transaction__store=person.stores["S12"],
            transaction__member=person.wallet_pass.member,
            transaction__state="DUPLICATE",
            earlier=factories.TransactionFactory.create(
                mall=mall, store=person.stores["S12"], member=person.wallet_pass.member, state="PARKED"
            ),
            verdict="NUMBER",
            state=SAME,
            decided_at=TUESDAY,
            opened_at=TUESDAY,
        )
