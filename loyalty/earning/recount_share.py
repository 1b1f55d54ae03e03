"""Recounts one share of the members as a process of its own, in the snapshot of who started it: see `recount.beside`.

Prints one JSON object a line: each breach, then what campaigns gave. Writes nothing.
"""

import gc
import json
import os
import sys


def main(snapshot: str, share: str, of: str, database: str, user: str) -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "loyalty.settings")
    import django

    django.setup()

    from django.db import connection
    from django.db.transaction import atomic

    from loyalty.earning.entitlements import Recount

    # Judging makes much garbage and no cycles; looking for them takes a tenth of the time.
    gc.freeze()
    gc.set_threshold(1_000_000)
    connection.settings_dict.update(NAME=database, USER=user)
    with atomic(durable=True):
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            cursor.execute(f"SET TRANSACTION SNAPSHOT '{snapshot}'")
        recount = Recount(share=int(share), of=int(of))
        for breach in recount.breaches():
            print(json.dumps({"breach": [breach.table, breach.row_id, breach.sentence]}))
        print(json.dumps({"budgets": recount.budgets}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
