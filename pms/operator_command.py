"""The base of the operator's commands: a refusal is one plain sentence on standard error and an exit status."""

from typing import NoReturn

from django.core.management.base import BaseCommand


class OperatorCommand(BaseCommand):
    """Starts without the checks of the whole project: they are `./run check`'s, and slow."""

    requires_system_checks: list[str] = []

    def refuse(self, sentence: str, *, status: int = 2) -> NoReturn:
        self.stderr.write(sentence)
        raise SystemExit(status)
