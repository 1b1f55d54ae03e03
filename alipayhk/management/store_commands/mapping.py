"""`stores map --mall TAG --pms-label L --store CODE`: leads what waits under a label to a store and awards it."""

import json
from argparse import ArgumentParser
from typing import Any

from alipayhk import mappings, passes
from alipayhk.mappings import LeadsElsewhere, MappingRefused
from alipayhk.models import MappingJob
from pms import clock
from pms.models import Mall, Store
from pms.operator_command import OperatorCommand

HELP = "map a label that no store has, or a merchant ID, to a store, and award the payments that wait"


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--mall", required=True, metavar="TAG")
    parser.add_argument(
        "--pms-label",
        required=True,
        metavar="LABEL",
        help="the label, or the merchant ID, as payments name it",
    )
    parser.add_argument(
        "--store", required=True, metavar="CODE", help="the store's code, or its own PMS label"
    )
    parser.add_argument("--json", action="store_true", dest="as_json", help="one line of JSON")


def handle(
    command: OperatorCommand, *, mall: str, pms_label: str, store: str, as_json: bool, **_: Any
) -> None:
    place = found_mall(command, mall)
    try:
        job = mappings.map_to(
            mall=place, name=pms_label, store=_store(command, place, store), by=None, now=clock.now()
        )
    except LeadsElsewhere as elsewhere:
        command.refuse(f"--pms-label: it leads to {elsewhere.store} already.", status=1)
    except MappingRefused as refusal:
        command.refuse(f"--store: {refusal}", status=1)
    finish(command, job, as_json=as_json)


def found_mall(command: OperatorCommand, tag: str) -> Mall:
    found = Mall.objects.filter(tag=tag).first()
    if found is None:
        command.refuse(f"--mall: there is no mall {tag}.")
    return found


def finish(command: OperatorCommand, job: MappingJob, *, as_json: bool) -> None:
    """Do the work here, unless a worker has begun it, and say what came of it."""
    mappings.work(job_id=job.pk, clock=clock.now)
    passes.notice_changes()
    job.refresh_from_db()
    told = {
        "mapping": job.mapping_id, "kind": job.kind, "state": job.state, "pms_label": job.label,
        "store": job.store.code or job.store.pms_label, "payments": job.payment_count, "judged": job.done_count,
        "points": job.points, "not_collected": job.missed,
    }  # fmt: skip
    if as_json:
        command.stdout.write(json.dumps(told, ensure_ascii=False))
        return
    done = "given" if job.kind == MappingJob.Kind.MAP else "taken back"
    command.stdout.write(
        f"{job.label} {job.get_kind_display()}: {job.store}. {job.done_count} of {job.payment_count} payments judged, "
        f"{job.points} points {done}."
    )


def _store(command: OperatorCommand, mall: Mall, code: str) -> Store:
    """By its code; codes may repeat within a group, so the mall's own comes first."""
    stores = Store.objects.filter(group=mall.group_id).select_related("mall")
    for found in (
        stores.filter(mall=mall, code=code),
        stores.filter(code=code),
        stores.filter(pms_label=code),
    ):
        named = list(found[:2])
        if len(named) == 1:
            return named[0]
        if named:
            command.refuse(f"--store: several stores have the code {code}. Name one by its own PMS label.")
    return command.refuse(f"--store: no store of {mall.group.name_en} has the code or the label {code}.")
