"""`stores import FILE.csv --mall TAG`: a mall's store list from a file, written whole or not at all."""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from pms import clock, store_files, table_files
from pms.models import Mall, StoreChange
from pms.operator_command import OperatorCommand
from pms.store_files import Plan
from pms.table_files import FileRefused

HELP = "read a mall's stores from a CSV or XLSX file; one faulty row, and nothing is written"
MOST_TOLD = 50


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("file", type=Path)
    parser.add_argument("--mall", required=True, metavar="TAG")
    parser.add_argument("--dry-run", action="store_true", help="only say what it would do")
    parser.add_argument("--json", action="store_true", dest="as_json")


def handle(command: OperatorCommand, **options: Any) -> None:
    mall = Mall.objects.select_related("group").filter(tag=options["mall"]).first()
    if mall is None:
        command.refuse(f"{options['mall']} is not the tag of a mall.")
    try:
        plan = _plan(mall, options["file"], is_dry=options["dry_run"])
    except FileRefused as refused:
        words = f"{table_files.REFUSALS[refused.code]} {refused.detail}".strip()
        command.refuse(f"{options['file']}: {words}", status=1)
    except OSError as error:
        command.refuse(f"{options['file']}: {error.strerror or error}.")
    command.stdout.write(json.dumps(document(plan)) if options["as_json"] else _text(plan))
    if plan.faulty:
        raise SystemExit(1)


def _plan(mall: Mall, path: Path, *, is_dry: bool) -> Plan:
    with path.open("rb") as file:
        if is_dry:
            return store_files.check(mall=mall, file=file, by=None)
        return store_files.run(
            mall=mall, file=file, source=StoreChange.Source.COMMAND, by=None, now=clock.now()
        )


def document(plan: Plan) -> dict[str, object]:
    return {
        "mall": plan.mall.tag,
        "is_written": plan.is_done,
        **store_files.counts(plan),
        "faults": [
            {"line": row.number, "column": fault.column, "code": fault.code, "detail": fault.detail}
            for row in plan.faulty
            for fault in row.faults
        ],
    }


def _text(plan: Plan) -> str:
    count = store_files.counts(plan)
    told = ["{new} new, {changed} changed, {unchanged} as they are, {faulty} faulty.".format_map(count)]
    told += [f"  line {row.number}, {fault.column}: {fault}" for row in plan.faulty for fault in row.faults][
        :MOST_TOLD
    ]
    return "\n".join([*told, "Written." if plan.is_done else "Nothing was written."])
