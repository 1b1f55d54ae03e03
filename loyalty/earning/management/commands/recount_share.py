"""Recounts one share of the members as a process of its own, in the snapshot of who started it: see `recount.beside`.

Prints one JSON object a line: each breach, then what campaigns gave. Writes nothing.
"""

import json
from typing import Any

from django.core.management.base import CommandParser
from django.db import connection
from django.db.transaction import atomic
from psycopg import sql

from loyalty.earning.entitlements import Recount
from pms import garbage
from pms.operator_command import OperatorCommand


class Command(OperatorCommand):
    help = "For `prove` alone: recounts every OF-th member from SHARE on, in an exported snapshot."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("snapshot")
        parser.add_argument("share", type=int)
        parser.add_argument("of", type=int)
        parser.add_argument("database")
        parser.add_argument("user")

    def handle(self, *, snapshot: str, share: int, of: int, database: str, user: str, **_: Any) -> None:
        garbage.sweep_rarely()
        connection.settings_dict.update(NAME=database, USER=user)
        with atomic(durable=True):
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
                cursor.execute(sql.SQL("SET TRANSACTION SNAPSHOT {}").format(sql.Literal(snapshot)))
            recount = Recount(share=share, of=of)
            for breach in recount.breaches():
                self.stdout.write(json.dumps({"breach": [breach.table, breach.row_id, breach.sentence]}))
            self.stdout.write(json.dumps({"budgets": recount.budgets}))
