"""A mall that has its stores collected by the simulated AlipayHK, and what tests ask of it."""

import json
from dataclasses import dataclass, replace
from typing import Any

from django.db import connection

from alipayhk import confirmations, stores
from alipayhk.models import (
    CollectionCall,
    CollectionSetup,
    ConfirmationRun,
    Credential,
    ListedStore,
    StoreCollection,
)
from alipayhk.simulator.calls import Call
from alipayhk.simulator.circle_stores import CircleStore
from alipayhk.stores import Asked
from pms import clock
from pms.models import Mall, Store
from tests import factories
from tests.alipayhk import gateway as outbound
from tests.alipayhk.gateway import Gateway


@dataclass
class Collector:
    """One mall and its gateway."""

    gateway: Gateway
    credential: Credential
    setup: CollectionSetup

    @property
    def mall(self) -> Mall:
        return self.credential.mall

    def store(self, **fields: Any) -> Store:
        made: Store = factories.StoreFactory.create(mall=self.mall, **fields)
        return made

    def ask(self, *chosen: Store, trade_number: str = "") -> Asked:
        return stores.ask(stores=chosen, trade_number=trade_number, by=None, now=clock.now())

    def collect(self, *chosen: Store, trade_number: str = "") -> StoreCollection:
        """Ask and send at once; returns where the first of them is."""
        self.ask(*chosen, trade_number=trade_number)
        self.drain()
        return row(chosen[0])

    def drain(self) -> int:
        stores.notice_changes(now=clock.now())
        return stores.drain(clock=clock.now)

    def confirm(self) -> ConfirmationRun:
        run = confirmations.ask(mall=self.mall, by=None, now=clock.now())
        confirmations.work(run_id=run.pk, clock=clock.now)
        run.refresh_from_db()
        return run

    def held(self) -> list[CircleStore]:
        """What AlipayHK has of this mall."""
        return self.gateway.twin.stores.listing(client_id=self.credential.client_id)

    def put(self, **fields: Any) -> CircleStore:
        """Somebody else told AlipayHK of a store."""
        labels = {"group_label": self.mall.group.label, "mall_label": self.mall.label}
        order = {**labels, "partner_id": "20230324", **fields}
        client = self.gateway.twin.clients.need(self.credential.client_id)
        return self.gateway.twin.stores.put(order, client)

    def put_ours(self, store: Store, **fields: Any) -> CircleStore:
        """AlipayHK has this store of ours, as it is but for `fields`."""
        ids = {name: getattr(store, name) for name in ("partner_id", "merchant_id", "store_id")}
        return self.put(**{**ids, "store_name": store.name_en, **fields})

    def pay_in(self, shop: dict[str, Any]) -> str:
        """A payment that AlipayHK has on its book, in a shop it knows; returns its number."""
        twin = self.gateway.twin
        client = replace(twin.clients.need(self.credential.client_id), stores=(shop,))
        twin.clients.add(client)
        number = f"20230421220014322714{shop['store_id']}"
        twin.book.open(
            kind="bill", client_id=client.client_id, user_id="2160120037098191", reference=number,
            body={"pmsLabel": shop["pms_label"]}, fault="none",
        )  # fmt: skip
        return number

    def fault(self, name: str, api: str = "circleStore/save", **more: Any) -> None:
        self.gateway.fault(name, api=api, client_id=self.credential.client_id, **more)

    def calls(self, store: Store) -> list[Call]:
        """Calls of save about this store, the oldest first."""
        found = self.gateway.twin.ring.listing(direction="IN", user_id=store.store_id)
        return [call for call in found[::-1] if call.api == "circleStore/save"]

    def queries(self) -> list[dict[str, str]]:
        """The pages that were asked for, the oldest first."""
        found = self.gateway.twin.ring.listing(direction="IN")
        mine = [call for call in found[::-1] if call.client_id == self.credential.client_id]
        return [json.loads(call.request)["pageInfo"] for call in mine if call.api == "circleStore/queryPage"]

    def listed(self) -> dict[str, str]:
        """The state of each store that AlipayHK lists, by its store ID."""
        return dict(ListedStore.objects.filter(mall=self.mall).values_list("store_id", "state"))

    def states(self) -> dict[str, str]:
        rows = StoreCollection.objects.filter(store__mall=self.mall)
        return dict(rows.values_list("store__pms_label", "state"))


def new_collector(gateway: Gateway, **setup: Any) -> Collector:
    credential = outbound.mall(gateway)
    return Collector(
        gateway, credential, factories.CollectionSetupFactory.create(credential=credential, **setup)
    )


def row(store: Store) -> StoreCollection:
    return StoreCollection.objects.get(store=store)


def outcomes(store: Store) -> list[str]:
    """What calls and looks came to, the oldest first."""
    found = CollectionCall.objects.filter(collection__store=store).order_by("called_at", "pk")
    return [f"{call.outcome} {call.code}" for call in found]


def hurry(store: Store, seconds: float = 10_000) -> None:
    """Let that much time pass for this store."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE alipayhk_storecollection SET due_at = due_at - make_interval(secs => %(seconds)s),
                called_at = called_at - make_interval(secs => %(seconds)s),
                leased_until_at = leased_until_at - make_interval(secs => %(seconds)s)
            WHERE store_id = %(id)s
            """,
            {"seconds": seconds, "id": store.pk},
        )
