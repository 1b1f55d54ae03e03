"""The duplicate desk on the command line: what it lists, decides, refuses, and in whose name."""

import json
from typing import Any

import pytest

from loyalty.earning.models import DuplicateCase
from loyalty.review.models import Decision
from pms.models import User
from tests import factories
from tests.loyalty.earning.programs import Shopper, breaches, shopper
from tests.loyalty.review.doubles import held
from tests.test_commands import call, said

pytestmark = pytest.mark.django_db


@pytest.fixture
def person() -> Shopper:
    return shopper("lumina")


@pytest.fixture
def case(person: Shopper) -> DuplicateCase:
    person.pays(68800)
    return held(person)


@pytest.fixture
def ken(person: Shopper) -> User:
    return staff(person, "ken", "REVIEWER")


def staff(person: Shopper, name: str, role: str) -> User:
    mall = person.wallet_pass.mall
    return factories.MallStaffFactory.create(user__username=name, role=role, mall=mall, group=mall.group).user


def listed(*arguments: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = said(call("cases", "list", "--json", *arguments))["cases"]
    return found


def test_the_list_tells_both_records_and_the_evidence(person: Shopper, case: DuplicateCase) -> None:
    [line] = listed()

    assert (line["case"], line["mall"], line["state"], line["kind"], line["score"]) == (
        case.pk, "lumina-plaza", "OPEN", "HELD", 100,
    )  # fmt: skip
    assert "Same amount, HK$688.00." in line["evidence"]
    assert (line["transaction"]["channel"], line["earlier"]["channel"]) == ("COUNTER", "WALLET")
    assert line["transaction"]["store"] == "LP-S12"
    assert person.wallet_pass.member.phone not in json.dumps(line)


@pytest.mark.parametrize(
    ("arguments", "count"),
    [
        ((), 1), (("--mall", "lumina-plaza"), 1), (("--mall", "lumina-plaza-2"), 0), (("--state", "open"), 1),
        (("--state", "same"), 1), (("--state", "all"), 2), (("--kind", "held"), 1), (("--kind", "number"), 0),
        (("--state", "all", "--kind", "number"), 1), (("--state", "all", "--limit", "1"), 1),
    ],
)  # fmt: skip
def test_the_list_is_filtered(
    person: Shopper, case: DuplicateCase, arguments: tuple[str, ...], count: int
) -> None:
    factories.DuplicateCaseFactory.create(
        transaction__mall=person.wallet_pass.mall, verdict="NUMBER", state="SAME", decided_at=case.opened_at
    )

    assert len(listed(*arguments)) == count


def test_without_json_a_case_is_a_line(case: DuplicateCase) -> None:
    done = call("cases", "list")

    assert done.stdout.split() == [
        str(case.pk), case.opened_at.isoformat(), "lumina-plaza", "HELD", "100", "OPEN",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("answer", "state", "balance"), [("same", "SAME", 688), ("different", "DIFFERENT", 1376)]
)
def test_a_decision_is_that_of_the_desk(
    person: Shopper, case: DuplicateCase, ken: User, answer: str, state: str, balance: int
) -> None:
    told = said(call("cases", "decide", str(case.pk), answer, "--by", "ken", "--note", "two slips", "--json"))

    assert (told["case"], told["state"]) == (case.pk, state)
    assert told["points_after"] == balance - 688
    decision = Decision.objects.get()
    assert (decision.decided_by, decision.note) == (ken, "two slips")
    assert (person.balance, breaches()) == (balance, [])
    said(call("cases", "decide", str(case.pk), "reopen", "--by", "ken", "--json"))
    case.refresh_from_db()
    assert (case.state, person.balance, breaches()) == ("OPEN", 688, [])


def test_asking_leaves_it_open_in_ones_hands(case: DuplicateCase, ken: User) -> None:
    told = said(call("cases", "decide", str(case.pk), "ask", "--by", "ken", "--json"))

    assert (told["state"], listed()[0]["assignee"]) == ("ASKED", "ken")


def test_the_second_is_told_who_was_first(person: Shopper, case: DuplicateCase, ken: User) -> None:
    call("cases", "decide", str(case.pk), "same", "--by", "ken")

    late = call("cases", "decide", str(case.pk), "different", "--by", "ken", "--json")

    assert late.returncode == 1
    assert json.loads(late.stdout)["code"] == "ALREADY_DECIDED"
    assert late.stderr.startswith("ALREADY_DECIDED: ") and "has decided “same purchase”" in late.stderr
    assert (person.balance, Decision.objects.count()) == (688, 1)


def test_what_is_open_cannot_be_undone(case: DuplicateCase, ken: User) -> None:
    done = call("cases", "decide", str(case.pk), "reopen", "--by", "ken")

    assert (done.returncode, done.stderr.partition(":")[0]) == (1, "NOT_DECIDED")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("list", "--mall", "nowhere"), "--mall: there is no mall nowhere."),
        (("list", "--limit", "0"), "--limit: must be 1 or more."),
        (
            ("decide", "999999", "same", "--by", "ken"),
            "999999: there is no such case; `cases list` tells those that wait.",
        ),
    ],
)
def test_what_cannot_be_is_said(ken: User, arguments: tuple[str, ...], sentence: str) -> None:
    done = call("cases", *arguments)

    assert (done.returncode, done.stdout, done.stderr.strip()) == (2, "", sentence)


@pytest.mark.parametrize(
    "words", [("list", "--state", "lost"), ("decide", "1", "perhaps", "--by", "ken"), ("decide", "1", "same")]
)
def test_words_that_are_no_choice_end_with_2(words: tuple[str, ...]) -> None:
    assert call("cases", *words).returncode == 2


def test_only_who_may_decide_on_the_desk_decides_here(person: Shopper, case: DuplicateCase) -> None:
    staff(person, "clerk", "COUNTER")
    factories.MallStaffFactory.create(user__username="elsewhere", role="MANAGER")

    refused = [
        call("cases", "decide", str(case.pk), "same", "--by", name, "--note", note)
        for name, note in (("clerk", ""), ("elsewhere", ""), ("nobody", ""), ("clerk", "x" * 256))
    ]

    assert {done.returncode for done in refused} == {2}
    assert "clerk may not decide cases of lumina-plaza" in refused[0].stderr
    assert "there is no staff login nobody" in refused[2].stderr
    assert refused[3].stderr.strip() == "--note: at most 255 letters."
    assert (Decision.objects.count(), person.balance) == (0, 688)
