"""`./run manage expire --on DATE`: holds, expiry and warnings as of the end of a day; twice changes nothing."""

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command

from loyalty.ledger.models import ExpiryNotice
from pms import clock
from tests.loyalty.ledger.spenders import breaches, end_of, spender, untouched

pytestmark = pytest.mark.django_db

SOON = end_of(2027, 4, 30)


def expire(on: str) -> dict[str, Any]:
    said = StringIO()
    call_command("expire", "--on", on, "--json", stdout=said)
    found: dict[str, Any] = json.loads(said.getvalue())
    return found


def test_points_lapse_at_the_end_of_their_last_day_and_not_before() -> None:
    person = spender()
    person.gets(100, expires_at=SOON)
    person.gets(50)

    day_before = expire("2027-04-29")
    last_day = expire("2027-04-30")

    assert (day_before["lots_expired"], day_before["warnings"]) == (0, 1)
    assert last_day == {
        "on": "2027-04-30", "codes_released": 0, "holds_released": 0, "lots_expired": 1, "warnings": 0,
    }  # fmt: skip
    assert (person.balance, breaches()) == (50, [])
    assert ExpiryNotice.objects.get().days_ahead == 1


def test_a_second_run_changes_nothing() -> None:
    person = spender()
    person.gets(100, expires_at=SOON, held_until_at=end_of(2027, 4, 1))
    person.gets(50, expires_at=end_of(2027, 5, 2))
    first = expire("2027-04-30")
    before = untouched(), person.account.version, ExpiryNotice.objects.count()

    second = expire("2027-04-30")

    assert (first["holds_released"], first["lots_expired"], first["warnings"]) == (1, 1, 1)
    assert (second["holds_released"], second["lots_expired"], second["warnings"]) == (0, 0, 0)
    assert (untouched(), person.account.version, ExpiryNotice.objects.count()) == before


def test_codes_that_nobody_confirmed_are_released_first() -> None:
    person = spender()
    person.gets(100, expires_at=SOON)
    person.reserves(80)

    done = expire("2027-04-30")

    assert (done["codes_released"], done["lots_expired"]) == (1, 1)
    assert (person.balance, person.total_of("RESERVED"), person.total_of("EXPIRED")) == (0, 0, 100)


def test_the_card_can_follow_since_the_change_is_dated_now() -> None:
    person = spender()
    person.gets(100, expires_at=SOON)

    expire("2027-04-30")

    assert abs((person.account.changed_at - clock.now()).total_seconds()) < 60


@pytest.mark.parametrize("on", ["tomorrow", "2027-02-30", ""])
def test_a_day_that_is_none_is_refused(on: str, capsys: pytest.CaptureFixture[str]) -> None:
    person = spender()
    person.gets(100, expires_at=SOON)
    said = StringIO()

    with pytest.raises(SystemExit) as end:
        call_command("expire", "--on", on, stderr=said)

    assert end.value.code == 2
    assert "must be a day" in said.getvalue()
    assert person.balance == 100
