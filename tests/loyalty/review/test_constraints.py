"""What the database refuses of decisions, spot checks, mails and long reports, whoever asks."""

import pytest

from tests.constraints import refused_by
from tests.factories import (
    MOMENT,
    DailyMailFactory,
    DecisionFactory,
    ReportRunFactory,
    SpotCheckFactory,
    UserFactory,
)

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "points", ["points_before", "points_after", "earlier_points_before", "earlier_points_after"]
)
def test_a_purchase_never_keeps_less_than_nothing(points: str) -> None:
    assert refused_by(lambda: DecisionFactory.create(**{points: -1})) == "review_decision_points_not_negative"


def test_a_verdict_is_drawn_once() -> None:
    check = SpotCheckFactory.create()

    refused = refused_by(lambda: SpotCheckFactory.create(case=None, kind="PASSED", mall=check.mall,
                                                         transaction=check.transaction, earlier=check.earlier,
                                                         judged_at=MOMENT))  # fmt: skip

    assert refused == "review_spotcheck_transaction_id_key"


@pytest.mark.parametrize(
    "half", [{"answer": "RIGHT"}, {"answered_at": MOMENT}, {"answer": "WRONG", "answered_at": MOMENT}]
)
def test_an_answer_says_who_gave_it_and_when(half: dict[str, object]) -> None:
    assert refused_by(lambda: SpotCheckFactory.create(**half)) == "review_spotcheck_answered_says_who"


def test_nobody_answers_without_an_answer() -> None:
    who = UserFactory.create()

    assert (
        refused_by(lambda: SpotCheckFactory.create(answered_by=who)) == "review_spotcheck_answered_says_who"
    )


def test_a_refused_purchase_is_checked_with_its_case() -> None:
    check = SpotCheckFactory.create(kind="BLOCKED")

    def without() -> None:
        type(check).objects.filter(pk=check.pk).update(case=None)

    assert refused_by(without) == "review_spotcheck_refused_has_a_case"


def test_a_check_compares_two_records() -> None:
    check = SpotCheckFactory.create()

    def alone() -> None:
        type(check).objects.filter(pk=check.pk).update(earlier=check.transaction)

    assert refused_by(alone) == "review_spotcheck_two_transactions"


def test_a_check_has_no_score_above_100() -> None:
    assert refused_by(lambda: SpotCheckFactory.create(score=101)) == "review_spotcheck_score_to_100"


def test_a_mall_mails_a_day_to_an_address_once() -> None:
    mail = DailyMailFactory.create()

    assert refused_by(lambda: DailyMailFactory.create(mall=mail.mall, address=mail.address)) == (
        "review_dailymail_once_a_day"
    )


def test_what_was_mailed_is_not_due_again() -> None:
    assert refused_by(lambda: DailyMailFactory.create(sent_at=MOMENT)) == "review_dailymail_sent_is_over"


def test_a_long_report_ends_after_it_begins() -> None:
    assert refused_by(lambda: ReportRunFactory.create(since_at=MOMENT, until_at=MOMENT)) == (
        "review_reportrun_period_has_time"
    )


@pytest.mark.parametrize("values", [{"state": "DONE"}, {"state": "RUNNING", "ended_at": MOMENT}])
def test_a_long_report_says_when_it_was_over(values: dict[str, object]) -> None:
    assert refused_by(lambda: ReportRunFactory.create(**values)) == "review_reportrun_ended_when_over"
