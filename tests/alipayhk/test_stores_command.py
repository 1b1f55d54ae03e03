"""`stores collect` and `stores confirm` as an operator runs them, and the tasks that do the same by the clock."""

import io
import json
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from django.core.management import call_command

from alipayhk import confirmations, tasks
from alipayhk.models import CollectionSetup, ConfirmationRun, StoreCollection
from loyalty.celery import TIMETABLE
from pms import clock
from pms.clock import HONG_KONG
from tests import factories
from tests.alipayhk import collecting
from tests.alipayhk.collecting import Collector

pytestmark = pytest.mark.django_db


@dataclass
class Ran:
    status: int
    out: str
    err: str


def stores(*words: str) -> Ran:
    out, err, status = io.StringIO(), io.StringIO(), 0
    try:
        call_command("stores", *words, stdout=out, stderr=err)
    except SystemExit as end:
        status = int(str(end.code))
    return Ran(status, out.getvalue(), err.getvalue())


def test_collect_hands_over_what_alipayhk_has_not_got(collector: Collector) -> None:
    chosen = [collector.store() for _ in range(3)]
    collector.collect(chosen[0])

    ran = stores("collect", "--mall", collector.mall.tag, "--json")
    again = stores("collect", "--mall", collector.mall.tag)

    assert ran.status == 0
    assert json.loads(ran.out) == {"asked": 2, "left_out": {}, "refused": {}, "sent": 2, "waiting": 0}
    assert again.out.startswith("0 stores asked for")
    assert len(collector.held()) == 3


def test_collect_takes_one_store_by_a_payment(collector: Collector) -> None:
    store, other = collector.store(), collector.store()
    shop = {"pms_label": store.pms_label, "merchant_id": "2160", "store_id": "S-9", "name_en": "Echo"}
    number = collector.pay_in(shop)

    ran = stores(
        "collect",
        "--mall",
        collector.mall.tag,
        "--trade-number",
        number,
        "--store",
        store.pms_label,
        "--json",
    )

    assert (ran.status, json.loads(ran.out)["sent"]) == (0, 1)
    assert [one.store_id for one in collector.held()] == ["S-9"]
    assert not StoreCollection.objects.filter(store=other, state="SENT").exists()


def test_collect_takes_a_file_of_labels_and_tells_what_was_refused(
    collector: Collector, tmp_path: Path
) -> None:
    chosen = [collector.store() for _ in range(3)]
    bare = collector.store(store_id="")
    listed = tmp_path / "labels.txt"
    listed.write_text("\n".join([*(one.pms_label for one in chosen[:2]), bare.pms_label, ""]))
    collector.fault("permanent", code="PARAM_ILLEGAL", user_id=chosen[1].store_id)

    ran = stores("collect", "--mall", collector.mall.tag, "--labels", str(listed))

    assert ran.status == 1
    assert f"{chosen[1].pms_label}: given up, PARAM_ILLEGAL" in ran.out
    assert f"{bare.pms_label}: left out, NO_TRIPLE" in ran.out
    assert [one.store_id for one in collector.held()] == [chosen[0].store_id]


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (("--mall", "nowhere"), 2, "there is no mall nowhere"),
        (("--store", "PMS-NONE"), 2, "has no store PMS-NONE"),
        (("--trade-number", "2023"), 2, "needs --store"),
        (("--labels", "nothing/here"), 2, "cannot be read"),
    ],
)
def test_collect_refuses_what_it_cannot_mean(
    collector: Collector, words: tuple[str, ...], status: int, said: str
) -> None:
    mall = () if "--mall" in words else ("--mall", collector.mall.tag)

    ran = stores("collect", *mall, *words)

    assert (ran.status, said in ran.err) == (status, True), ran.err
    assert StoreCollection.objects.count() == 0


def test_collect_says_what_the_setup_lacks(collector: Collector) -> None:
    CollectionSetup.objects.update(way_by_pms="")
    collector.store()

    ran = stores("collect", "--mall", collector.mall.tag)

    assert ran.status == 1
    assert "saveWayType" in ran.err


def test_confirm_tells_the_state_of_every_store(collector: Collector) -> None:
    confirmed, sent, differs, unsent = (collector.store() for _ in range(4))
    collector.collect(confirmed, sent, differs)
    collector.gateway.twin.stores.remove(client_id=collector.credential.client_id, store_id=sent.store_id)
    collector.put_ours(differs, store_name="Echo")
    collector.put(merchant_id="2160", store_id="X-1", store_name="Echo Two")

    ran = stores("confirm", "--mall", collector.mall.tag, "--json")
    text = stores("confirm", "--mall", collector.mall.tag)

    told = json.loads(ran.out)
    states = {one["pms_label"]: one["state"] for one in told["stores"]}
    assert states == {
        confirmed.pms_label: "CONFIRMED", sent.pms_label: "SENT", differs.pms_label: "DIFFERS",
        unsent.pms_label: "NOT_SENT", None: "ONLY_AT_ALIPAYHK",
    }  # fmt: skip
    assert told["coverage"] == {"stores": 4, "confirmed": 1, "percent": 25}
    assert told["run"] == {
        "state": "DONE", "fault": "", "is_whole": True, "pages": 1, "claimed": 3, "found": 3,
    }  # fmt: skip
    assert "1 of 4 stores confirmed (25%)" in text.out
    assert (ran.status, text.status) == (0, 0)


def test_confirm_fails_when_the_list_was_not_read(collector: Collector) -> None:
    CollectionSetup.objects.update(is_on=False)

    ran = stores("confirm", "--mall", collector.mall.tag, "--json")

    assert ran.status == 1
    assert json.loads(ran.out)["run"]["fault"] == "OFF"
    assert "OFF" in ran.err


def test_the_night_reads_every_mall_that_collects(collector: Collector) -> None:
    store = collector.store()
    tasks.collect_stores()
    collector.ask(store)
    off = factories.CollectionSetupFactory.create(is_on=False)

    tasks.collect_stores()
    for _ in range(2):
        tasks.confirm_every_mall()
        tasks.confirm_stores()

    assert collecting.row(store).state == "CONFIRMED"
    assert list(ConfirmationRun.objects.values_list("mall", "state")) == [(collector.mall.pk, "DONE")]
    assert not ConfirmationRun.objects.filter(mall=off.credential.mall).exists()


def test_the_night_asks_once_however_often_it_is_told(collector: Collector) -> None:
    night = datetime(2026, 11, 22, 2, 11, tzinfo=HONG_KONG)
    asked = []

    for now in (night, night + timedelta(hours=9), night + timedelta(hours=23), night + timedelta(days=1)):
        confirmations.ask_of_the_night(mall=collector.mall, now=now)
        asked.append(ConfirmationRun.objects.count())
        ConfirmationRun.objects.update(state="DONE", ended_at=now)

    assert asked == [1, 1, 1, 2]
    every_night = TIMETABLE["confirm the stores of every mall"][1]
    assert (every_night.hour, every_night.minute) == (
        {confirmations.NIGHTLY.hour},
        {confirmations.NIGHTLY.minute},
    )


def test_confirm_waits_for_the_worker_that_reads_already(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = factories.ConfirmationRunFactory.create(
        mall=collector.mall, state="RUNNING", moved_at=clock.now(), found_rows=7
    )
    rows = ConfirmationRun.objects.filter(pk=run.pk)
    monkeypatch.setattr(time, "sleep", lambda _: rows.update(state="DONE", ended_at=clock.now()))

    ran = stores("confirm", "--mall", collector.mall.tag, "--json")

    told = json.loads(ran.out)["run"]
    assert (ran.status, told["state"], told["found"]) == (0, "DONE", 7)
    assert collector.queries() == []


def test_new_stores_of_a_mall_that_is_set_up_appear_by_themselves(collector: Collector) -> None:
    store = collector.store()
    foreign = factories.StoreFactory.create()

    tasks.collect_stores()

    found = collecting.row(store)
    assert (found.state, found.due_at, len(found.wanted_mark)) == ("NOT_SENT", None, 64)
    assert not StoreCollection.objects.filter(store=foreign).exists()
