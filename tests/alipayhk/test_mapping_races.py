"""A thousand payments mapped at once, while new ones come and the sweep runs: each is awarded once."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

from django.db import connection

from alipayhk import mappings, waiting
from alipayhk.models import MappingJob, Notification
from loyalty.earning import awards, recount
from loyalty.earning.models import Award, Transaction
from loyalty.earning.purchases import Purchase
from loyalty.ledger import proof
from loyalty.ledger.models import PointAccount
from members.models import Pass
from pms import clock
from pms.models import Store, StoreMapping
from tests import factories
from tests.alipayhk import wallet
from tests.alipayhk.wallet import Wallet
from tests.databases import Database

LABEL = "KIOSK-7"
WAITING, NEW, MEMBERS = 1000, 40, 20


def closing(act: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    try:
        return act(*arguments, **options)
    finally:
        connection.close()


def many(mall: Wallet, passes: list[Pass]) -> None:
    """As webhooks left them: purchases without a store, and the messages that brought them."""
    now = clock.now()
    asked = [
        Purchase(
            group_id=mall.mall.group_id, mall_id=mall.mall.pk, channel="WALLET", wallet="ALIPAYHK",
            user_id=passes[number % MEMBERS].user_id, amount_cents=10_000 + number, currency="HKD",
            paid_at=now - timedelta(minutes=number + 1), numbers={"PAYMENT": f"OLD{number}"}, store_label=LABEL,
            merchant_id="1", merchant_name="Kiosk",
        )
        for number in range(WAITING)
    ]  # fmt: skip
    awards.earn_all(asked, now=now)
    messages = [
        factories.NotificationFactory.build(
            group=mall.mall.group, mall=mall.mall, credential=mall.credential, kind="BILL", key=f"OLD{number}",
            state="PARKED", reason="PARKED_UNKNOWN_STORE", waits_for=f"STORE:{LABEL}", transaction_id=pk,
            judged_at=None,
        )
        for number, pk in enumerate(Transaction.objects.order_by("pk").values_list("pk", flat=True))
    ]  # fmt: skip
    Notification.objects.bulk_create(messages)


def test_a_thousand_waiting_payments_mapped_at_once_while_new_ones_come_are_each_awarded_once(
    fresh_database: Database,
) -> None:
    mall = wallet.lumina()
    passes = [mall.joined(f"{2160120050000000 + number}") for number in range(MEMBERS)]
    many(mall, passes)
    bills = [mall.bill(pmsLabel=LABEL, userId=passes[number % MEMBERS].user_id) for number in range(NEW)]

    with ThreadPoolExecutor(4) as pool:
        new = [pool.submit(closing, mall.send, "BILL", bill) for bill in bills[: NEW // 2]]
        job = mappings.map_to(mall=mall.mall, name=LABEL, store=mall.store, by=None, now=clock.now())
        doing = [pool.submit(closing, mappings.work, job_id=job.pk, clock=clock.now) for _ in range(2)]
        new += [pool.submit(closing, mall.send, "BILL", bill) for bill in bills[NEW // 2 :]]
        new += [pool.submit(closing, waiting.sweep, now=clock.now(), limit=100)]
        for one in [*doing, *new]:
            one.result()
    waiting.sweep(now=clock.now())

    job.refresh_from_db()
    assert (job.state, job.done_count >= WAITING) == (MappingJob.State.DONE, True)
    assert not Transaction.objects.exclude(state="EARNED").exists()
    assert Award.objects.count() == WAITING + NEW
    expected = sum((10_000 + number) // 100 for number in range(WAITING)) + NEW * 138
    assert sum(one.balance or 0 for one in PointAccount.objects.filter(kind="MEMBER")) == expected
    assert [*proof.breaches(), *recount.breaches()] == []


def mapped_by(mall: Wallet, store: Store) -> str:
    try:
        mappings.map_to(mall=mall.mall, name=LABEL, store=store, by=None, now=clock.now())
    except mappings.LeadsElsewhere as told:
        return f"told of {told.store.pk}"
    return "mapped"


def test_of_many_who_map_one_wins_and_unmapping_leaves_none_behind_that_came_meanwhile(
    fresh_database: Database,
) -> None:
    mall = wallet.lumina()
    wallet_pass = mall.joined()
    stores = [mall.store, *(factories.StoreFactory.create(mall=mall.mall) for _ in range(3))]
    bills = [mall.bill(pmsLabel=LABEL, userId=wallet_pass.user_id) for _ in range(30)]

    begun_at = clock.now()
    with ThreadPoolExecutor(4) as pool:
        sent = [pool.submit(closing, mall.send, "BILL", bill) for bill in bills[:10]]
        said = [one.result() for one in [pool.submit(closing, mapped_by, mall, store) for store in stores]]
        mapping = StoreMapping.objects.get()
        # As a sweep and a webhook do that had begun before the name was mapped.
        sent.append(pool.submit(closing, waiting.sweep, now=begun_at))
        mappings.work(job_id=MappingJob.objects.get().pk, clock=lambda: begun_at)
        sent += [pool.submit(closing, mall.send, "BILL", bill) for bill in bills[10:]]
        undo = mappings.unmap(mapping=mapping, reason="wrong", by=None, now=clock.now())
        work = pool.submit(closing, mappings.work, job_id=undo.pk, clock=clock.now)
        for one in [work, *sent]:
            one.result()
    # It waits for what was still being judged when it came to it, and is taken up again.
    mappings.work(job_id=undo.pk, clock=lambda: clock.now() + 2 * mappings.LOST_AFTER)

    undo.refresh_from_db()
    assert sorted(said) == sorted(["mapped", *[f"told of {mapping.store_id}"] * 3])
    assert undo.state == MappingJob.State.DONE
    assert Transaction.objects.filter(state="PARKED", store__isnull=True).count() == 30
    assert [one.balance for one in PointAccount.objects.filter(kind="MEMBER")] == [0]
    assert [*proof.breaches(), *recount.breaches()] == []
