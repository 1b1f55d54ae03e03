"""Providers' daily files of tests, in the published form, and what became of them."""

import io
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from loyalty.doors import provider_files
from loyalty.review import reconciliation
from loyalty.review.models import AdjustmentRequest, Finding, Reconciliation
from pms.clock import HONG_KONG
from pms.models import Mall, User
from tests import factories
from tests.loyalty.earning.programs import TUESDAY, Shopper

HEADING = (
    "Partner_transaction_id,Transaction_id,Amount,Fee,Settlement,Currency,Payment_time,Settlement_time,Issue,Product,"
    "Type,Status,Remarks,original_partner_transaction_ID"
)
NEXT_DAY = TUESDAY + timedelta(days=1)


def line(number: str, amount: str, kind: str = "PAYMENT", **facts: Any) -> str:
    at: datetime = facts.get("at", TUESDAY)
    said = f"{at.astimezone(HONG_KONG):%m/%d/%Y %H:%M:%S}"
    partner = facts.get("partner", f"P{number}")
    cells = (
        partner, number, amount, "0.00", "", facts.get("currency", "HKD"), said, "", "", "CASHIER_PAY", kind,
        facts.get("status", "SUCCESS"), "", facts.get("original", ""),
    )  # fmt: skip
    return ",".join(cells)


def as_file(lines: Iterable[str], heading: str = HEADING) -> bytes:
    return "\n".join([heading, *lines, ""]).encode()


def compared(
    mall: Mall, content: bytes, *, name: str = "daily.csv", now: datetime = NEXT_DAY
) -> Reconciliation:
    kept, _is_new = provider_files.accept(mall=mall, file=io.BytesIO(content), name=name, by=None, now=now)
    provider_files.work(job_id=kept.pk, clock=lambda: now)
    return Reconciliation.objects.get(pk=kept.pk)


def mall_of(person: Shopper) -> Mall:
    return person.stores["S12"].mall


def told(file: Reconciliation) -> list[tuple[str, str, int, int]]:
    """Class, number, cents and points of what differs, by number."""
    found = Finding.objects.filter(reconciliation=file).exclude(state=Finding.State.GONE)
    return list(found.order_by("number", "kind").values_list("kind", "number", "cents", "points"))


def approver() -> User:
    return factories.UserFactory.create()


def asked(finding: Finding, by: User, **options: Any) -> AdjustmentRequest:
    return reconciliation.request_repair(
        finding=finding, by=by, now=NEXT_DAY, note="As the provider's file says", **options
    )
