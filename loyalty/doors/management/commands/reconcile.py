"""`reconcile FILE --mall TAG [--json]`: compares a payment provider's file with the ledger; moves no points."""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.utils.translation import override

from loyalty.doors import provider_columns, provider_files
from loyalty.review import reconciliation
from loyalty.review.models import Finding, ProviderRow, Reconciliation
from pms import clock, formats, table_files
from pms.clock import HONG_KONG
from pms.models import Mall
from pms.operator_command import OperatorCommand
from pms.table_files import FileRefused

State = Reconciliation.State


class Command(OperatorCommand):
    help = "Compare a payment provider's daily file with the ledger; the same file again changes nothing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--mall", required=True, metavar="TAG")
        parser.add_argument("--json", action="store_true", dest="as_json")

    def handle(self, *_: object, file: Path, mall: str, as_json: bool, **__: Any) -> None:
        found = Mall.objects.filter(tag=mall).first()
        if found is None:
            self.refuse(f"--mall: there is no mall {mall}.")
        kept = self._accepted(file, found)
        provider_files.work(job_id=kept.pk, clock=clock.now)
        kept.refresh_from_db()
        document = _document(kept)
        self.stdout.write(json.dumps(document, ensure_ascii=False) if as_json else _text(document))
        if kept.state in (State.REFUSED, State.FAILED):
            raise SystemExit(1)

    def _accepted(self, file: Path, mall: Mall) -> Reconciliation:
        try:
            if file.stat().st_size > table_files.LARGEST:
                raise FileRefused("TOO_LARGE")
            with file.open("rb") as content:
                kept, _is_new = provider_files.accept(
                    mall=mall, file=content, name=file.name, by=None, now=clock.now()
                )
                return kept
        except OSError as error:
            self.refuse(f"{file}: {error.strerror}.")
        except FileRefused as refused:
            self.refuse(f"{file}: {table_files.REFUSALS[refused.code]}", status=1)


def _document(file: Reconciliation) -> dict[str, Any]:
    faulty = ProviderRow.objects.filter(reconciliation=file, kind=ProviderRow.Kind.FAULTY).order_by("line")
    findings = Finding.objects.filter(reconciliation=file).exclude(state=Finding.State.GONE)
    shown = findings.select_related("member", "transaction").order_by("kind", "happened_at", "number")
    return {
        "reconciliation": file.pk,
        "state": file.state,
        "refusal": {"code": file.refusal, "detail": file.refusal_detail} if file.refusal else None,
        "days": [f"{day}" for day in (file.business_date, file.last_date) if day],
        "rows": file.row_count,
        "lines": reconciliation.counts(file),
        "classes": {
            one.kind: {
                "count": one.count,
                "hkd": _dollars(one.cents),
                "cents": one.cents,
                "points": one.points,
            }
            for one in reconciliation.sums(file)
        },
        "findings": [_finding(one) for one in shown],
        "faults": [{"line": row.line, **_fault(fault)} for row in faulty for fault in row.faults],
    }


def _finding(one: Finding) -> dict[str, Any]:
    return {
        "class": one.kind,
        "state": one.state,
        "line": one.line,
        "number": one.number,
        "time": one.happened_at.astimezone(HONG_KONG).isoformat(timespec="seconds"),
        "hkd": _dollars(one.cents),
        "file_cents": one.file_cents,
        "ledger_cents": one.ledger_cents,
        "cents": one.cents,
        "currency": one.currency,
        "points": one.points,
        "member": one.member.card_number if one.member else None,
        "purchase_state": one.transaction.state if one.transaction else None,
    }


def _dollars(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02d}"


def _fault(fault: dict[str, Any]) -> dict[str, Any]:
    said = {}
    for name, language in (("message_en", "en"), ("message_zh", "zh-hant")):
        with override(language):
            said[name] = str(provider_columns.FAULTS[fault["code"]])
    return {"field": fault["field"], "code": fault["code"], **said}


def _text(document: dict[str, Any]) -> str:
    days = " – ".join(dict.fromkeys(document["days"]))
    words = [f"{document['state']}: {document['rows']} rows {days}".rstrip()]
    words += [
        f"  {kind}: {one['count']}, {formats.money(one['cents'])}, {one['points']} points"
        for kind, one in document["classes"].items()
    ]
    words += [f"  line {one['line']}, {one['field']}: {one['message_en']}" for one in document["faults"]]
    if document["refusal"]:
        refusal = document["refusal"]
        words.append(f"  refused: {table_files.REFUSALS[refusal['code']]} {refusal['detail']}")
    return "\n".join(words)
