"""What a message changed: every table of ours is compared, so that "nothing else" means nothing at all."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.apps import apps
from django.db import connection

from alipayhk.models import Notification
from loyalty.earning.models import Award
from loyalty.ledger.models import PointAccount, PointEntry

OUR_APPS = ("pms", "members", "ledger", "earning", "alipayhk")
NOTIFICATION = "alipayhk_notification"
PURCHASE = {"earning_transaction", "earning_numberclaim", "earning_award"}
POINTS = {"ledger_pointaccount", "ledger_posting", "ledger_pointentry", "ledger_pointlot"}
# Which tables a message of each kind changes when it is done as it should be.
DONE = {
    "BILL": {NOTIFICATION, "alipayhk_passupdate"} | PURCHASE | POINTS,
    "REFUND": {NOTIFICATION, "alipayhk_passupdate", "earning_refund"} | POINTS,
    "CARD": {NOTIFICATION, "members_member", "members_pass", "members_consent", "ledger_pointaccount"},
}


def contents() -> dict[str, str]:
    """A digest of all rows, by table."""
    tables = [model._meta.db_table for model in apps.get_models() if model._meta.app_label in OUR_APPS]
    with connection.cursor() as cursor:
        cursor.execute(
            " UNION ALL ".join(
                f"SELECT '{table}', md5(coalesce(string_agg(r::text, ';' ORDER BY r.id), '')) FROM {table} r"
                for table in tables
            )
        )
        return dict(cursor.fetchall())


@contextmanager
def only(*tables: str) -> Iterator[None]:
    """Exactly these tables change meanwhile."""
    before = contents()
    yield
    after = contents()
    changed = {name for name in after if after[name] != before.get(name)}
    assert changed == set(tables), f"changed {sorted(changed)}, expected {sorted(tables)}"


def latest() -> Notification:
    found = Notification.objects.order_by("-pk").first()
    assert found is not None
    return found


def balance(user_id: str = "2160120037098191") -> int:
    account = PointAccount.objects.get(member__passes__user_id=user_id)
    entries = sum(PointEntry.objects.filter(account=account).values_list("points", flat=True))
    assert account.balance == entries
    return entries


def codes(award: Award | None = None) -> list[str]:
    """The reason codes of the latest award."""
    award = award or Award.objects.order_by("-pk")[0]
    return [entry["code"] for entry in award.reasons]
