"""Leads a name that waits to a store, and leads it away again: the record at once, the judging by a worker.

`pms.StoreMapping` says where a name leads; from its commit on, new payments follow it. A job judges what waited, or
takes back what was given, each payment in a block of its own, so it may be killed anywhere and taken up again.
"""

import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, connection
from django.db.models import Exists, OuterRef, Q, QuerySet, Sum
from django.db.models.functions import Greatest
from django.db.transaction import atomic

from alipayhk import inbox, unknown_stores, waiting
from alipayhk.models import MappingJob, Notification, UploadBatch
from loyalty.earning import places
from loyalty.earning.duplicate_models import UNPLACED
from loyalty.earning.models import Award, Correction, Transaction
from loyalty.earning.outcomes import waiting as still_waits
from loyalty.earning.suspects import WALLET_CHANNELS
from pms import registry, store_labels
from pms.models import Mall, Store, StoreMapping, User

log = logging.getLogger(__name__)
alarm = logging.getLogger("loyalty.alarm")

Kind, State = MappingJob.Kind, MappingJob.State
# Longer than one batch ever takes: a job without progress for so long has lost its worker.
LOST_AFTER = timedelta(seconds=30)
BATCH = 25
LONGEST_LOOK_SECONDS = 2.0
BETWEEN_LOOKS_SECONDS = 0.02


class MappingRefused(Exception):
    """The name cannot be mapped, or unmapped, so. Nothing was changed."""


class LeadsElsewhere(MappingRefused):
    """Somebody else has mapped the name to another store, or it is another store's own."""

    def __init__(self, store: Store, by: User | None) -> None:
        super().__init__(f"it leads to {store} already")
        self.store, self.by = store, by


class NotYetUnmapped(MappingRefused):
    """The name is still being led away from another store. Wait until that is done."""


class StoreNotUsable(MappingRefused):
    """The store is suspended, merged into another one, or of another group."""


class EndedAlready(MappingRefused):
    """Somebody else has unmapped it meanwhile."""


def map_to(*, mall: Mall, name: str, store: Store, by: User | None, now: datetime) -> MappingJob:
    """Twice the same changes nothing: the first job comes back."""
    if store.group_id != mall.group_id or store.state != Store.State.ACTIVE or store.merged_into_id:
        raise StoreNotUsable(str(StoreNotUsable.__doc__))
    try:
        return _map_to(mall, name, store, by, now=now)
    except IntegrityError as error:
        # The trigger knows of a store's own label, the index of a mapping that came first.
        found = store_labels.named(group_id=mall.group_id, label=name)
        if found is None:
            raise
        raise LeadsElsewhere(found, None) from error


@atomic
def _map_to(mall: Mall, name: str, store: Store, by: User | None, *, now: datetime) -> MappingJob:
    registry.lock_group(mall.group)
    if MappingJob.objects.filter(group=mall.group_id, label=name, kind=Kind.UNMAP, state__in=MappingJob.OPEN):
        raise NotYetUnmapped(str(NotYetUnmapped.__doc__))
    known = StoreMapping.objects.filter(group=mall.group_id, label=name, ended_at=None).first()
    if known and known.store_id != store.pk:
        raise LeadsElsewhere(known.store, known.began_by)
    job = MappingJob.objects.filter(mapping=known, kind=Kind.MAP).first() if known else None
    if job:
        return job
    mapping = known or StoreMapping.objects.create(
        group_id=mall.group_id, store=store, label=name, began_at=now, began_by=by
    )
    count = unknown_stores.waiting(group_id=mall.group_id, name=name).count()
    return _ask(mapping, mall, Kind.MAP, count, by, now=now)


def unmap(*, mapping: StoreMapping, reason: str, by: User | None, now: datetime) -> MappingJob:
    """End a mapping: what it gave is taken back, and its payments wait again."""
    with atomic():
        registry.lock_group(mapping.group)
        ended = StoreMapping.objects.filter(pk=mapping.pk, ended_at=None).update(
            ended_at=Greatest("began_at", now), ended_by=by, reason=reason
        )
        if not ended:
            raise EndedAlready(str(EndedAlready.__doc__))
        mall = _mall_of(mapping)
        job = _ask(mapping, mall, Kind.UNMAP, under(mapping).count(), by, now=now, reason=reason)
        # The judging that was still to do has nothing left to do.
        undone = MappingJob.objects.filter(mapping=mapping, kind=Kind.MAP, state__in=MappingJob.OPEN)
        undone.update(state=State.DONE, ended_at=now)
    return job


def under(mapping: StoreMapping) -> QuerySet[Transaction]:
    """Payments that stand at the store because of the mapping: judged since, and named so by the wallet.

    Judged since is told by what was kept, as many are judged by a clock that was read before the mapping began. One
    that had lost a store before has found this one since, though it may have got nothing.
    """
    survivor = mapping.store.merged_into_id or mapping.store_id
    rows = Transaction.objects.filter(
        unknown_stores.reported_as(mapping.label),
        Q(store=survivor) | Q(store__merged_into=survivor),
        group=mapping.group_id,
        channel__in=WALLET_CHANNELS,
    )
    begun = MappingJob.objects.filter(mapping=mapping, kind=Kind.MAP).first()
    judged = Q(award=None) | Q(award__gt=begun.last_award_id if begun else 0)
    own = Correction.objects.filter(transaction=OuterRef("pk"))
    again = Q(Exists(_given_after(begun).filter(transaction=OuterRef("pk"))))
    lost_before = Q(Exists(own.filter(reasons__contains=[{"code": UNPLACED}])))
    return rows.filter(judged | again | lost_before).order_by("pk")


def _given_after(job: MappingJob | None) -> QuerySet[Correction]:
    later = Correction.objects.filter(pk__gt=job.last_correction_id if job else 0)
    return later.filter(kind=Correction.Kind.GIVE)


def work(*, job_id: int, clock: Callable[[], datetime]) -> None:
    """Do the job, unless another worker does, or did. The message may come any number of times."""
    job = _take(job_id, now=clock())
    if job is None:
        return
    if job.kind == Kind.MAP:
        _judge(job, clock)
    else:
        _unplace(job, clock)


def lost(*, now: datetime) -> list[int]:
    """Jobs whose worker died, or that no worker was told of."""
    moving = MappingJob.objects.filter(state__in=MappingJob.OPEN, moved_at__lt=now - LOST_AFTER)
    return list(moving.values_list("pk", flat=True))


def _mall_of(mapping: StoreMapping) -> Mall:
    """Where it was mapped, so that the same people see both."""
    job = MappingJob.objects.filter(mapping=mapping, kind=Kind.MAP).select_related("mall").first()
    return job.mall if job else mapping.store.mall


def _ask(
    mapping: StoreMapping, mall: Mall, kind: str, count: int, by: User | None, *, now: datetime, reason: str = ""
) -> MappingJob:  # fmt: skip
    return MappingJob.objects.create(
        group_id=mapping.group_id, mall=mall, mapping=mapping, store_id=mapping.store_id, label=mapping.label,
        kind=kind, reason=reason, payment_count=count, asked_by=by, asked_at=now, moved_at=now,
        last_award_id=_newest(Award.objects.all()), last_correction_id=_newest(Correction.objects.all()),
    )  # fmt: skip


def _newest(rows: QuerySet[Any]) -> int:
    """Whoever sees what the block that asks this writes, numbers what it writes itself higher."""
    return rows.order_by("-pk").values_list("pk", flat=True).first() or 0


def _take(job_id: int, *, now: datetime) -> MappingJob | None:
    free = Q(state=State.WAITING) | Q(state=State.RUNNING, moved_at__lt=now - LOST_AFTER)
    taken = MappingJob.objects.filter(free, pk=job_id).update(
        state=State.RUNNING, moved_at=now, bound=_number("pg_current_xact_id()")
    )
    return MappingJob.objects.select_related("mapping__store").get(pk=job_id) if taken else None


def _number(what: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {what}::text::bigint")
        return int(cursor.fetchone()[0])


def _judge(job: MappingJob, clock: Callable[[], datetime]) -> None:
    """Each once; what cannot be judged now is left to the sweep, which tries it again."""
    rows = unknown_stores.waiting(group_id=job.group_id, name=job.label)
    ids = list(rows.values_list("pk", flat=True))
    for start in range(0, len(ids), BATCH):
        for transaction_id in ids[start : start + BATCH]:
            waiting.judge_purchase(transaction_id, now=clock())
        if not _move(job, len(ids) - start - BATCH, clock):
            return
    _end(job, rows.count(), _given(job), 0, now=clock())


def _unplace(job: MappingJob, clock: Callable[[], datetime]) -> None:
    """Until none stands at the store: also those whose judging had begun before the mapping ended.

    What cannot be taken back keeps the job open, for the next worker to try again, and nothing else waiting.
    """
    failed: set[int] = set()
    gives_up_at = time.monotonic() + LONGEST_LOOK_SECONDS
    while time.monotonic() < gives_up_at:
        ids = list(under(job.mapping).exclude(pk__in=failed).values_list("pk", flat=True)[:BATCH])
        failed |= {
            transaction_id for transaction_id in ids if not _unplaced(job.mapping, transaction_id, clock)
        }
        if ids:
            gives_up_at = time.monotonic() + LONGEST_LOOK_SECONDS
            _move(job, under(job.mapping).count(), clock)
        elif _is_past(job.bound):
            break
        else:
            time.sleep(BETWEEN_LOOKS_SECONDS)
    else:
        log.warning("mapping job %d waits for a payment that is still being judged", job.pk)
        return
    if not failed:
        _end(job, 0, *_taken_back(job), now=clock())


def _unplaced(mapping: StoreMapping, transaction_id: int, clock: Callable[[], datetime]) -> bool:
    try:
        _unplace_one(mapping, transaction_id, now=clock())
    except Exception as error:
        alarm.exception("purchase %d could not be unmapped: %s", transaction_id, type(error).__name__)
        return False
    return True


def _is_past(bound: int) -> bool:
    """Whether every block that had begun to write before that moment has ended; our own began later, or is it.

    One that has not written yet takes its number later, but reads what is known only after that, and so finds the name
    unmapped: whoever judges locks or inserts its message, or locks the purchase, first.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT xmin > %s OR xmin = pg_current_xact_id_if_assigned()::text::bigint"
            " FROM (SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS xmin) oldest",
            [bound],
        )
        return bool(cursor.fetchone()[0])


@atomic
def _unplace_one(mapping: StoreMapping, transaction_id: int, *, now: datetime) -> None:
    """Message, case, purchase, account: the order in which they are judged. It may have left the store meanwhile."""
    messages = Notification.objects.select_for_update(of=("self",), no_key=True)
    message = messages.filter(transaction=transaction_id, kind=Notification.Kind.BILL).order_by("pk").first()
    transaction = places.locked(transaction_id)
    if not under(mapping).filter(pk=transaction_id).exists():
        return
    places.unplace(transaction=transaction, mall_id=_reported_to(transaction, message), now=now)
    if message and transaction.state == Transaction.State.PARKED:
        name = transaction.store_label or transaction.merchant_id
        outcome = still_waits("STORE", name, "PARKED_UNKNOWN_STORE", transaction_id=transaction_id)
        inbox.finish(message.pk, outcome, is_first_answer=False, now=now)


def _reported_to(transaction: Transaction, message: Notification | None) -> int:
    """The mall whose webhook, or whose member's upload, brought it."""
    if message:
        return message.mall_id
    uploads = UploadBatch.objects.filter(wallet_pass=transaction.wallet_pass_id)
    held = uploads.filter(lines__contains=[{"transaction": transaction.pk}]).first()
    return held.mall_id if held else transaction.mall_id


def _move(job: MappingJob, left: int, clock: Callable[[], datetime]) -> bool:
    """False once somebody has ended the job."""
    done = min(job.payment_count, max(0, job.payment_count - max(0, left)))
    running = MappingJob.objects.filter(pk=job.pk, state=State.RUNNING)
    return bool(running.update(done_count=done, moved_at=clock()))


def _end(job: MappingJob, left: int, points: int, missed: int, *, now: datetime) -> None:
    MappingJob.objects.filter(pk=job.pk, state=State.RUNNING).update(
        state=State.DONE, ended_at=now, moved_at=now, points=points, missed=missed,
        done_count=max(0, job.payment_count - left),
    )  # fmt: skip


def _given(job: MappingJob) -> int:
    """Counted from what was written, so that a job taken up again counts the same."""
    rows = under(job.mapping).order_by()
    first = rows.filter(award__gt=job.last_award_id).aggregate(points=Sum("award__points", default=0))
    again = _given_after(job).filter(transaction__in=rows).aggregate(points=Sum("points", default=0))
    points: int = first["points"] + again["points"]
    return points


def _taken_back(job: MappingJob) -> tuple[int, int]:
    named = Transaction.objects.filter(unknown_stores.reported_as(job.label), group=job.group_id)
    taken = Correction.objects.filter(
        transaction__in=named, pk__gt=job.last_correction_id, reasons__contains=[{"code": UNPLACED}]
    )
    sums = taken.aggregate(points=Sum("points", default=0), missed=Sum("uncollected", default=0))
    return -sums["points"], sums["missed"]
