"""`import_receipts FILE --mall TAG [--dry-run] [--json]`: checks a receipt file, and imports its good rows."""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.utils.translation import override

from loyalty.doors import receipts, slips
from loyalty.doors.models import ImportJob, ImportRow
from pms import clock, table_files
from pms.clock import HONG_KONG
from pms.models import Mall
from pms.operator_command import OperatorCommand
from pms.table_files import FileRefused

State = ImportJob.State


class Command(OperatorCommand):
    help = "Check a receipt file, and import its good rows; the same file again changes nothing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--mall", required=True, metavar="TAG")
        parser.add_argument("--dry-run", action="store_true", help="check only; no purchase is recorded")
        parser.add_argument("--json", action="store_true", dest="as_json")

    def handle(self, *_: object, file: Path, mall: str, dry_run: bool, as_json: bool, **__: Any) -> None:
        found = Mall.objects.filter(tag=mall).first()
        if found is None:
            self.refuse(f"--mall: there is no mall {mall}.")
        job, is_new = self._accepted(file, found)
        self._work(job, dry_run=dry_run)
        job.refresh_from_db()
        document = _document(job, is_repeat=not is_new)
        self.stdout.write(json.dumps(document, ensure_ascii=False) if as_json else _text(document))
        if job.state in (State.REFUSED, State.FAILED):
            raise SystemExit(1)

    def _accepted(self, file: Path, mall: Mall) -> tuple[ImportJob, bool]:
        try:
            if file.stat().st_size > table_files.LARGEST:
                raise FileRefused("TOO_LARGE")
            with file.open("rb") as content:
                return receipts.accept(mall=mall, file=content, name=file.name, by=None, now=clock.now())
        except OSError as error:
            self.refuse(f"{file}: {error.strerror}.")
        except FileRefused as refused:
            self.refuse(f"{file}: {table_files.REFUSALS[refused.code]}", status=1)

    def _work(self, job: ImportJob, *, dry_run: bool) -> None:
        receipts.check(job_id=job.pk, clock=clock.now)
        if not dry_run:
            receipts.approve(job=job, now=clock.now())
            receipts.run(job_id=job.pk, clock=clock.now)


def _document(job: ImportJob, *, is_repeat: bool) -> dict[str, Any]:
    counted = receipts.counts(job)
    fates = {fate.lower(): counted.get(fate, 0) for fate in ImportRow.Fate.values}
    states = {name.removeprefix("RECORDED_"): count for name, count in counted.items() if "RECORDED_" in name}
    rows = ImportRow.objects.filter(job=job).select_related("earlier").order_by("line")
    return {
        "job": job.pk,
        "state": job.state,
        "is_repeat": is_repeat,
        "refusal": {"code": job.refusal, "detail": job.refusal_detail} if job.refusal else None,
        "rows": job.row_count,
        **fates,
        "recorded_states": states,
        "points": counted["points"],
        "points_foreseen": counted["points_foreseen"],
        "faults": [fault for row in rows.filter(fate=ImportRow.Fate.FAULTY) for fault in _faults(row)],
        "known_rows": [_known(row) for row in rows.filter(earlier__isnull=False)],
    }


def _faults(row: ImportRow) -> list[dict[str, Any]]:
    return [
        {"line": row.line, "field": one["field"], "code": one["code"], **_both(one["code"])}
        for one in row.faults
    ]


def _known(row: ImportRow) -> dict[str, Any]:
    assert row.earlier is not None  # filtered
    recorded_at = row.earlier.recorded_at.astimezone(HONG_KONG).isoformat(timespec="seconds")
    return {"line": row.line, "fate": row.fate, "door": row.earlier.channel, "recorded_at": recorded_at}


def _both(code: str) -> dict[str, str]:
    said = {}
    for name, language in (("message_en", "en"), ("message_zh", "zh-hant")):
        with override(language):
            said[name] = str(slips.FAULTS[code])
    return said


def _text(document: dict[str, Any]) -> str:
    words = [f"{document['state']}: {document['rows']} rows"]
    words += [
        f"  {name}: {document[name]}"
        for name in ("ready", "conflict", "known", "faulty", "recorded", "points", "points_foreseen")
    ]
    words += [f"  line {one['line']}, {one['field']}: {one['message_en']}" for one in document["faults"]]
    if document["refusal"]:
        words.append(
            f"  refused: {table_files.REFUSALS[document['refusal']['code']]} {document['refusal']['detail']}"
        )
    return "\n".join(words)
