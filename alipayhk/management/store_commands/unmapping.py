"""`stores unmap --mall TAG --pms-label L --reason WORDS`: takes back what a wrong mapping gave."""

from argparse import ArgumentParser
from typing import Any

from alipayhk import mappings
from alipayhk.management.store_commands.mapping import finish, found_mall
from alipayhk.mappings import MappingRefused
from pms import clock
from pms.models import StoreMapping
from pms.operator_command import OperatorCommand

HELP = "end a mapping: points are taken back by new entries, and the payments wait again"


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--mall", required=True, metavar="TAG")
    parser.add_argument("--pms-label", required=True, metavar="LABEL")
    parser.add_argument("--reason", required=True, metavar="WORDS", help="kept with the mapping")
    parser.add_argument("--json", action="store_true", dest="as_json", help="one line of JSON")


def handle(
    command: OperatorCommand, *, mall: str, pms_label: str, reason: str, as_json: bool, **_: Any
) -> None:
    place = found_mall(command, mall)
    if not reason.strip():
        command.refuse("--reason: say why.")
    mapping = StoreMapping.objects.filter(group=place.group_id, label=pms_label, ended_at=None).first()
    if mapping is None:
        command.refuse(f"--pms-label: {pms_label} is mapped to no store.", status=1)
    try:
        job = mappings.unmap(mapping=mapping, reason=reason.strip()[:256], by=None, now=clock.now())
    except MappingRefused as refusal:
        command.refuse(f"--pms-label: {refusal}", status=1)
    finish(command, job, as_json=as_json)
