"""What tests of mapping unknown stores do in a line each."""

from typing import Any

from alipayhk import mappings, unknown_stores
from alipayhk.models import MappingJob
from loyalty.earning import recount
from loyalty.ledger import proof
from loyalty.ledger.models import PointAccount
from pms import clock
from pms.models import Store
from tests.alipayhk.wallet import Wallet

LABEL = "KIOSK-7"


def waits(mall: Wallet, number: int = 3, **fields: Any) -> None:
    named = {"pmsLabel": LABEL, "merchantId": "2160999", "merchantName": "HARBOR NOODLES LTD"} | fields
    for _ in range(number):
        mall.send("BILL", mall.bill(**named))


def mapped(mall: Wallet, store: Store | None = None, name: str = LABEL) -> MappingJob:
    return mappings.map_to(mall=mall.mall, name=name, store=store or mall.store, by=None, now=clock.now())


def unmapped(job: MappingJob) -> MappingJob:
    return mappings.unmap(mapping=job.mapping, reason="The kiosk moved", by=None, now=clock.now())


def work(job: MappingJob) -> MappingJob:
    mappings.work(job_id=job.pk, clock=clock.now)
    job.refresh_from_db()
    return job


def balance() -> int:
    return PointAccount.objects.get(member__isnull=False).balance or 0


def breaches() -> list[object]:
    return [*proof.breaches(), *recount.breaches()]


def inbox(mall: Wallet, name: str = "") -> list[unknown_stores.UnknownStore]:
    return unknown_stores.listed(group_ids=[mall.mall.group_id], mall_ids=[mall.mall.pk], name=name)
