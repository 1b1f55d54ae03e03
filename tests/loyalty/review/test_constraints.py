"""What the database refuses of decisions, checks, mails, reports, requests and reconciliations, whoever asks."""

from typing import Any

import pytest

from tests import factories
from tests.constraints import refused_by
from tests.factories import (
    MOMENT,
    AdjustmentRequestFactory,
    DailyMailFactory,
    DecisionFactory,
    FindingFactory,
    ProviderColumnFactory,
    ProviderRowFactory,
    ReconciliationFactory,
    ReconciliationPieceFactory,
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


@pytest.mark.parametrize(
    ("facts", "constraint"),
    [
        ({"points": 0}, "review_adjustmentrequest_points_not_zero"),
        ({"note": ""}, "review_adjustmentrequest_says_why"),
        ({"deed": "EARN"}, "review_adjustmentrequest_repair_has_its_finding"),
        ({"state": "REJECTED"}, "review_adjustmentrequest_decided_says_who_and_when"),
        ({"decided_at": MOMENT}, "review_adjustmentrequest_decided_says_who_and_when"),
    ],
)
def test_a_request_says_what_why_and_by_whom(facts: dict[str, Any], constraint: str) -> None:
    assert refused_by(lambda: AdjustmentRequestFactory.create(**facts)) == constraint


@pytest.mark.parametrize("state", ["APPROVED", "REJECTED"])
def test_whoever_asked_for_points_never_decides_on_them(state: str) -> None:
    mei = factories.UserFactory.create()
    posting = factories.PostingFactory.create() if state == "APPROVED" else None

    refusal = refused_by(
        lambda: AdjustmentRequestFactory.create(
            state=state, requested_by=mei, decided_by=mei, decided_at=MOMENT, posting=posting
        )
    )

    assert refusal == "review_adjustmentrequest_two_people"


def test_what_is_approved_was_posted_and_nothing_else_was() -> None:
    decided = {"decided_by": factories.UserFactory.create(), "decided_at": MOMENT}
    posting = factories.PostingFactory.create()

    unposted = refused_by(lambda: AdjustmentRequestFactory.create(state="APPROVED", **decided))
    posted = refused_by(lambda: AdjustmentRequestFactory.create(posting=posting))

    assert {unposted, posted} == {"review_adjustmentrequest_approved_is_posted"}


def test_a_finding_has_one_request_at_a_time_and_a_form_one() -> None:
    finding, mei = FindingFactory.create(), factories.UserFactory.create()
    AdjustmentRequestFactory.create(finding=finding, requested_by=mei, request_key="form-1")

    by_finding = refused_by(lambda: AdjustmentRequestFactory.create(finding=finding))
    by_form = refused_by(lambda: AdjustmentRequestFactory.create(requested_by=mei, request_key="form-1"))

    assert by_finding == "review_adjustmentrequest_one_per_finding"
    assert by_form == "review_adjustmentrequest_one_per_request"


def test_a_file_is_compared_once_and_one_a_day_is_in_force() -> None:
    done = {"state": "DONE", "ended_at": MOMENT}
    first = ReconciliationFactory.create(**done)
    same = {"mall": first.mall, "business_date": first.business_date, "last_date": first.last_date}

    again = refused_by(lambda: ReconciliationFactory.create(mall=first.mall, digest=first.digest))
    another = refused_by(lambda: ReconciliationFactory.create(**same, **done))
    unended = refused_by(lambda: ReconciliationFactory.create(state="DONE"))

    assert again == "review_reconciliation_one_per_file"
    assert another == "review_reconciliation_one_in_force_per_day"
    assert unended == "review_reconciliation_ended_when_over"


def test_a_piece_and_a_line_of_a_file_stand_in_it_once() -> None:
    piece, row = ReconciliationPieceFactory.create(), ProviderRowFactory.create()

    pieces = refused_by(
        lambda: ReconciliationPieceFactory.create(reconciliation=piece.reconciliation, number=piece.number)
    )
    lines = refused_by(lambda: ProviderRowFactory.create(reconciliation=row.reconciliation, line=row.line))

    assert (pieces, lines) == ("review_reconciliationpiece_once", "review_providerrow_one_per_line")


@pytest.mark.parametrize(
    "facts", [{"number": "", "payment": ""}, {"happened_at": None}, {"amount_cents": -1}]
)
def test_only_a_faulty_line_lacks_number_time_or_amount(facts: dict[str, Any]) -> None:
    assert refused_by(lambda: ProviderRowFactory.create(**facts)) == "review_providerrow_sound_unless_faulty"


def test_a_difference_is_kept_once_a_day_and_dismissed_with_a_reason() -> None:
    one = FindingFactory.create()
    same = {"reconciliation": one.reconciliation, "number": one.number}

    assert refused_by(lambda: FindingFactory.create(**same)) == "review_finding_once_a_day"
    assert refused_by(lambda: FindingFactory.create(cents=-1)) == "review_finding_cents_not_negative"
    assert refused_by(lambda: FindingFactory.create(state="DISMISSED")) == "review_finding_dismissed_says_why"


def test_a_heading_means_one_column_in_a_program() -> None:
    one = ProviderColumnFactory.create()

    doubled = refused_by(lambda: ProviderColumnFactory.create(program=one.program, heading=one.heading))
    empty = refused_by(lambda: ProviderColumnFactory.create(heading=""))

    assert doubled == "review_providercolumn_one_meaning_per_heading"
    assert empty == "review_providercolumn_has_a_heading"
