"""`upload_batch` as an operator runs it."""

import io
import json
import sys
from dataclasses import dataclass

import pytest
from django.core.management import call_command

from alipayhk.simulator.batches import Batch
from tests.alipayhk import changes
from tests.alipayhk.picking import Picker, bill
from tests.alipayhk.visiting import Visitor

pytestmark = pytest.mark.django_db


@dataclass
class Ran:
    status: int
    out: str
    err: str


def command(picker: Picker, batch: Batch, monkeypatch: pytest.MonkeyPatch, **changed: str) -> Ran:
    """`upload_batch` as an operator runs it, with the token on its standard input."""
    token = changed.pop("token", batch.access_token)
    words = {
        "mall": picker.credential.mall.tag,
        "member": picker.wallet_pass.user_id,
        "batch": batch.batch_no,
    }
    options = [word for name, value in (words | changed).items() for word in (f"--{name}", value)]
    out, err, status = io.StringIO(), io.StringIO(), 0
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{token}\n"))
    try:
        call_command("upload_batch", *options, "--json", stdout=out, stderr=err)
    except SystemExit as end:
        status = int(str(end.code))
    return Ran(status, out.getvalue(), err.getvalue())


def test_the_command_tells_each_line_and_no_points_twice(
    picker: Picker, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = picker.batch(bill("UP-1"), bill("UP-2", 5))

    ran, again = command(picker, batch, monkeypatch), command(picker, batch, monkeypatch)

    told = json.loads(ran.out)
    assert (ran.status, told["batch"], told["points"]) == (0, batch.batch_no, 138)
    assert [line["verdict"] for line in told["lines"]] == ["ACCEPTED", "NO_POINTS"]
    assert json.loads(again.out)["points"] == 0
    assert picker.balance() == 138


def test_the_command_says_what_failed_and_changes_nothing(
    picker: Picker, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = picker.batch(bill("UP-1"))
    picker.gateway.fault("system_error_before", user_id=picker.wallet_pass.user_id)

    with changes.only():
        busy = command(picker, batch, monkeypatch)
        nowhere = command(picker, batch, monkeypatch, mall="no-such-mall")
        nobody = command(picker, batch, monkeypatch, member="2160000000000000")

    assert (busy.status, nowhere.status, nobody.status) == (1, 2, 2)
    assert busy.err.startswith("SYSTEM_ERROR: AlipayHK had an error of its own")
    assert "no-such-mall" in nowhere.err
    assert "2160000000000000" in nobody.err


def test_without_a_token_on_its_input_that_of_the_mini_apps_sign_in_is_used(
    picker: Picker, monkeypatch: pytest.MonkeyPatch
) -> None:
    visitor = Visitor(picker.gateway, picker.credential, user_id=picker.wallet_pass.user_id)
    batch = visitor.picks(bill("UP-1"))

    before = command(picker, batch, monkeypatch, token="")
    visitor.signs_in()
    ran = command(picker, batch, monkeypatch, token="")

    assert (before.status, ran.status) == (1, 0)
    assert before.err.startswith("NO_AUTHORIZATION: The member must sign in again")
    assert json.loads(ran.out)["points"] == 138
