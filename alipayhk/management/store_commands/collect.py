"""`stores collect --mall TAG [--trade-number NO --store PMS_LABEL] [--labels FILE] [--json]`: AlipayHK collects stores.

Does it at once and waits for it; what AlipayHK leaves open goes on in the background.
"""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from alipayhk import store_days, stores
from alipayhk.collection_setup import CannotCollect
from alipayhk.models import StoreCollection
from alipayhk.stores import NumberRefused
from pms import clock
from pms.models import Mall, Store
from pms.operator_command import OperatorCommand

HELP = (
    "have AlipayHK collect stores: all that it has not got, those of a list, or one by a payment made in it"
)


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--mall", required=True, metavar="TAG")
    parser.add_argument(
        "--trade-number", default="", metavar="NO", help="an AlipayHK payment made in --store"
    )
    parser.add_argument("--store", default="", metavar="PMS_LABEL", help="this store alone")
    parser.add_argument("--labels", default="", metavar="FILE", help="these stores: a PMS label on each line")
    parser.add_argument("--json", action="store_true", dest="as_json", help="one line of JSON")


def handle(command: OperatorCommand, *, mall: str, as_json: bool, **options: Any) -> None:
    found = Mall.objects.filter(tag=mall).first()
    if found is None:
        command.refuse(f"--mall: there is no mall {mall}.")
    chosen = _chosen(command, found, store=options["store"], labels=options["labels"])
    number = options["trade_number"]
    if number and not options["store"]:
        command.refuse("--trade-number: needs --store, the store in which the payment was made.")
    try:
        asked = stores.ask(stores=chosen, trade_number=number, by=None, now=clock.now())
    except (CannotCollect, NumberRefused) as error:
        command.refuse(str(error), status=1)
    while stores.drain(clock=clock.now):
        pass
    told = _told([store.pk for store in chosen]) | {"asked": asked.count, "left_out": asked.left_out}
    command.stdout.write(json.dumps(told, ensure_ascii=False) if as_json else _text(told))
    if told["refused"] or told["left_out"]:
        raise SystemExit(1)


def _chosen(command: OperatorCommand, mall: Mall, *, store: str, labels: str) -> list[Store]:
    if not store and not labels:
        return list(stores.unsent(mall, now=clock.now()).order_by("pms_label"))
    try:
        wanted = [store] if store else Path(labels).read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        command.refuse(f"--labels: {labels} cannot be read: {type(error).__name__}.")
    names = [label for label in dict.fromkeys(line.strip() for line in wanted) if label]
    of_mall = store_days.placed([mall], now=clock.now())
    found = of_mall.filter(pms_label__in=names).order_by("pms_label")
    missing = sorted(set(names) - {one.pms_label for one in found})
    if missing:
        command.refuse(f"{mall.tag} has no store {', '.join(missing[:10])}.")
    return list(found)


def _told(store_ids: list[int]) -> dict[str, Any]:
    rows = (
        StoreCollection.objects.select_related("store")
        .filter(store__in=store_ids)
        .order_by("store__pms_label")
    )
    failed = {row.store.pms_label: row.last_code for row in rows if row.dead_at}
    return {
        "sent": sum(row.state != StoreCollection.State.NOT_SENT and not row.due_at for row in rows),
        "waiting": sum(row.due_at is not None for row in rows),
        "refused": failed,
    }


def _text(told: dict[str, Any]) -> str:
    lines = [
        f"{told['asked']} stores asked for: {told['sent']} sent, {told['waiting']} wait for the next attempt."
    ]
    lines += [f"  {label}: given up, {code}" for label, code in told["refused"].items()]
    lines += [f"  {label}: left out, {code}" for label, code in told["left_out"].items()]
    return "\n".join(lines)
