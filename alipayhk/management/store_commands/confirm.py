"""`stores confirm --mall TAG [--json]`: reads AlipayHK's list of a mall and says of each store where it stands."""

import json
import time
from argparse import ArgumentParser
from typing import Any

from alipayhk import confirmations, stores
from alipayhk.models import ConfirmationRun
from alipayhk.stores import Standing
from pms import clock
from pms.models import Mall
from pms.operator_command import OperatorCommand

LOOK_AGAIN_SECONDS = 0.5
HELP = (
    "read which stores AlipayHK has, and say of each NOT_SENT, SENT, CONFIRMED, DIFFERS or ONLY_AT_ALIPAYHK"
)


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--mall", required=True, metavar="TAG")
    parser.add_argument("--json", action="store_true", dest="as_json", help="one line of JSON")


def handle(command: OperatorCommand, *, mall: str, as_json: bool, **_: Any) -> None:
    found = Mall.objects.filter(tag=mall).first()
    if found is None:
        command.refuse(f"--mall: there is no mall {mall}.")
    run = confirmations.ask(mall=found, by=None, now=clock.now())
    _read(run)
    told = _told(run, found)
    command.stdout.write(json.dumps(told, ensure_ascii=False) if as_json else _text(told))
    if run.state != ConfirmationRun.State.DONE:
        command.refuse(f"The list was not read to its end: {run.fault or run.state}.", status=1)


def _read(run: ConfirmationRun) -> None:
    """Until it is over; one that a worker reads already is waited for, and taken over if that worker dies."""
    while True:
        confirmations.work(run_id=run.pk, clock=clock.now)
        run.refresh_from_db()
        if not run.is_moving:
            return
        time.sleep(LOOK_AGAIN_SECONDS)


def _told(run: ConfirmationRun, mall: Mall) -> dict[str, Any]:
    covered = stores.coverage([mall], now=clock.now())
    return {
        "mall": mall.tag,
        "run": {
            "state": run.state, "fault": run.fault, "is_whole": run.is_whole, "pages": run.pages,
            "claimed": run.claimed_rows, "found": run.found_rows,
        },
        "coverage": {"stores": covered.total, "confirmed": covered.confirmed, "percent": covered.percent},
        "stores": [_store(one) for one in stores.standings(mall, now=clock.now())],
    }  # fmt: skip


def _store(one: Standing) -> dict[str, Any]:
    if one.store is None:
        listed = one.listed
        assert listed is not None  # one of the two is always there
        ids = {
            "partner_id": listed.partner_id,
            "merchant_id": listed.merchant_id,
            "store_id": listed.store_id,
        }
        return {"pms_label": None, "state": one.state, "name": listed.store_name, **ids, "differences": []}
    store = one.store
    ids = {"partner_id": store.partner_id, "merchant_id": store.merchant_id, "store_id": store.store_id}
    differences = one.collection.differences if one.collection else []
    return {
        "pms_label": store.pms_label, "state": one.state, "name": store.name_en, **ids, "differences": differences,
    }  # fmt: skip


def _text(told: dict[str, Any]) -> str:
    run, covered = told["run"], told["coverage"]
    lines = [
        f"{told['mall']}: {covered['confirmed']} of {covered['stores']} stores confirmed ({covered['percent']}%); "
        f"AlipayHK lists {run['found']} on {run['pages']} pages {run['fault']}".rstrip()
    ]
    for one in told["stores"]:
        differences = "; ".join(
            f"{found['field']} {found['ours']} / {found['theirs']}" for found in one["differences"]
        )
        lines.append(f"  {one['state']:17} {one['pms_label'] or '-'} {one['name']} {differences}".rstrip())
    return "\n".join(lines)
