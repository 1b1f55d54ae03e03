"""The demo's week at every door: the worked examples' figures, once, and a ledger that adds up."""

from collections import Counter
from datetime import datetime
from io import StringIO

import pytest
from django.core.management import call_command

from alipayhk import demo_week
from loyalty.doors.models import CounterEntry, ImportJob, ImportRow, PartnerRequest
from loyalty.earning.models import DuplicateCase, Transaction
from loyalty.ledger import proof
from pms.clock import HONG_KONG

pytestmark = pytest.mark.django_db
Verdict, State = DuplicateCase.Verdict, DuplicateCase.State


@pytest.fixture
def seeded() -> None:
    call_command(
        "seed_demo", "--group", "all", "--password", "correct-horse-battery-staple", stdout=StringIO()
    )


@pytest.mark.usefixtures("seeded")
@pytest.mark.parametrize("hour", [0, 23])
def test_the_week_has_a_case_of_every_kind_at_any_hour(hour: int) -> None:
    now = datetime.now(HONG_KONG).replace(hour=hour, minute=20)

    opened = demo_week.play(now=now)

    found = DuplicateCase.objects.select_related("transaction")
    assert opened == found.count() == 23
    assert Counter(case.verdict for case in found if case.parts == []) == {
        Verdict.NUMBER: 1,
        Verdict.CONFLICT: 2,
    }
    waiting = {(case.verdict, case.score, case.transaction.amount_cents) for case in found if case.is_waiting}
    assert {(Verdict.HELD, 100, 68_800), (Verdict.HELD, 87, 70_000), (Verdict.FLAGGED, 83, 70_000)} <= waiting
    assert {case.state for case in found} == set(State)
    assert not found.filter(transaction__amount_cents=4_200).exists()
    assert list(proof.breaches()) == []


@pytest.mark.usefixtures("seeded")
def test_a_receipt_file_waits_with_faults_another_is_in_and_all_is_played_once() -> None:
    demo_week.play(now=datetime.now(HONG_KONG))
    before = Transaction.objects.count()
    again = demo_week.play(now=datetime.now(HONG_KONG))

    waiting, done = ImportJob.objects.get(state="CHECKED"), ImportJob.objects.get(state="DONE")
    fates = Counter(ImportRow.objects.filter(job=waiting).values_list("fate", flat=True))
    assert fates == {"FAULTY": 8, "READY": 3, "KNOWN": 1}
    assert set(done.rows.values_list("fate", flat=True)) == {"RECORDED"}
    assert PartnerRequest.objects.count() == 5
    assert CounterEntry.objects.count() == 17
    assert (again, Transaction.objects.count()) == (0, before)


def test_the_week_needs_all_groups(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        call_command("seed_demo", "--week")

    assert Transaction.objects.count() == 0
