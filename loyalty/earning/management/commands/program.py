"""`program export|import FILE.json --group LABEL`: a program's terms, tiers and rules as one file (`-`: the stream)."""

import json
import sys
from argparse import ArgumentParser
from pathlib import Path

from loyalty.earning import program_files
from loyalty.earning.program_files import FileRefused
from members.models import Program
from pms import clock
from pms.operator_command import OperatorCommand


class Command(OperatorCommand):
    help = "Write a program into a file, or make it say what a file says; faults are listed with their path."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("action", choices=["export", "import"])
        parser.add_argument("file", metavar="FILE.json", help="- is standard output, or standard input")
        parser.add_argument("--group", required=True, metavar="LABEL", help="the mall group's label")

    def handle(self, *_: object, action: str, file: str, group: str, **__: object) -> None:
        program = Program.objects.filter(group__label=group).first()
        if program is None:
            self.refuse(f"{group} is not the label of a mall group with a program.")
        try:
            if action == "export":
                self._export(program, file)
            else:
                self._import(program, file)
        except FileRefused as refused:
            self.refuse("\n".join(refused.faults))
        except OSError as error:
            self.refuse(f"file: {file} cannot be used: {error.strerror}.")

    def _export(self, program: Program, file: str) -> None:
        text = json.dumps(program_files.export(program), ensure_ascii=False, indent=2)
        if file == "-":
            self.stdout.write(text)
        else:
            Path(file).write_text(text + "\n", encoding="utf-8")

    def _import(self, program: Program, file: str) -> None:
        content = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        document = program_files.read(content)
        changed = program_files.load(document=document, program=program, now=clock.now())
        self.stdout.write(json.dumps({"group": program.group.label, "changed": changed}, ensure_ascii=False))
