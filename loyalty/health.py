"""Whether this installation may be trusted: the process lives, and PostgreSQL is as the ledger needs it."""

from django.db import Error, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, JsonResponse

# Without these a commit that was answered can be lost (promises R12).
REQUIRED_SETTINGS = {"fsync": "on", "full_page_writes": "on"}
# Append-only tables and how many always-enabled triggers guard each (promises R9).
GUARDED_TABLES = {
    "ledger_posting": 2,
    "ledger_pointentry": 3,
    "ledger_ledgerblock": 2,
    "ledger_proofrun": 2,
    "earning_ruleversion": 2,
    "earning_award": 2,
    "earning_refund": 2,
    "earning_correction": 2,
    "review_decision": 2,
    "alipayhk_notification": 3,
    "alipayhk_passcall": 2,
    "alipayhk_collectioncall": 2,
    "pms_storemove": 2,
    "pms_storechange": 2,
}
GUARDS = """
    SELECT tgrelid::regclass::text, count(*) FROM pg_trigger
    WHERE NOT tgisinternal AND tgenabled = 'A' AND tgrelid::regclass::text = ANY(%s) GROUP BY 1
"""


def healthz(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"alive": True})


def readyz(request: HttpRequest) -> JsonResponse:
    try:
        faults = database_faults()
    except Error as error:
        faults = [f"database: {type(error).__name__}"]
    return JsonResponse({"ready": not faults, "faults": faults}, status=503 if faults else 200)


def database_faults() -> list[str]:
    """One sentence for each way in which the database is not fit to hold points."""
    return [*_setting_faults(), *_migration_faults(), *_trigger_faults()]


def _setting_faults() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT name, setting FROM pg_settings WHERE name IN ('fsync', 'full_page_writes')")
        found = dict(cursor.fetchall())
        cursor.execute("SHOW synchronous_commit")
        synchronous = cursor.fetchone()[0]
    faults = [
        f"{name} is {found[name]}, not {value}"
        for name, value in REQUIRED_SETTINGS.items()
        if found[name] != value
    ]
    return faults + ([f"synchronous_commit is {synchronous}"] if synchronous in ("off", "local") else [])


def _migration_faults() -> list[str]:
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return [f"{len(plan)} migrations are pending"] if plan else []


def _trigger_faults() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(GUARDS, [list(GUARDED_TABLES)])
        found = dict(cursor.fetchall())
    return [
        f"{table} has {found.get(table, 0)} of {count} guarding triggers"
        for table, count in GUARDED_TABLES.items()
        if found.get(table, 0) < count
    ]
