"""What the database refuses of decisions, requests and reconciliations, whoever asks."""

from typing import Any

import pytest

from tests import factories
from tests.constraints import refused_by
from tests.factories import (
    MOMENT,
    AdjustmentRequestFactory,
    DecisionFactory,
    FindingFactory,
    ProviderColumnFactory,
    ProviderRowFactory,
    ReconciliationFactory,
    ReconciliationPieceFactory,
)

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "points", ["points_before", "points_after", "earlier_points_before", "earlier_points_after"]
)
def test_a_purchase_never_keeps_less_than_nothing(points: str) -> None:
    assert refused_by(lambda: DecisionFactory.create(**{points: -1})) == "review_decision_points_not_negative"


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
