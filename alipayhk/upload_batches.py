"""Keeps each manual upload that was fetched: its answer first, then its verdicts, so that none is lost half-way."""

from collections.abc import Sequence
from datetime import datetime

from django.db.models import F
from django.db.transaction import atomic

from alipayhk.models import UploadBatch
from members.models import Pass
from pms.models import Mall, User

State = UploadBatch.State
# Nothing was recorded for these, so nobody but a person can see to them.
UNTAKEN = frozenset({"DOUBTED", "OTHER_PAYER", "MALFORMED", "PARKED"})


@atomic
def fetched(*, mall: Mall, wallet_pass: Pass, number: str, answer: bytes, now: datetime) -> UploadBatch:
    """An answer came; whatever happens next, it is kept."""
    batch, is_new = UploadBatch.objects.get_or_create(
        mall=mall,
        wallet_pass=wallet_pass,
        number=number,
        defaults={"raw_answer": answer, "fetched_at": now},
    )
    if not is_new:
        UploadBatch.objects.filter(pk=batch.pk).update(
            raw_answer=answer, fetched_at=now, fetches=F("fetches") + 1
        )
    return batch


def unreadable(*, batch: UploadBatch, fault: str) -> None:
    """The settings do not say where its payments are; the answer itself shows where."""
    UploadBatch.objects.filter(pk=batch.pk).update(
        state=State.UNREADABLE, fault=fault[:255], lines=[], seen_by=None
    )


@atomic
def judged(*, batch: UploadBatch, lines: Sequence[dict[str, object]]) -> None:
    """Lines that nothing was recorded for wait for a person, unless one has looked at the very same already."""
    known = UploadBatch.objects.select_for_update(no_key=True).get(pk=batch.pk)
    waiting = _waiting(lines)
    if not (known.state == State.SEEN and waiting == _waiting(known.lines)):
        known.state, known.seen_by = (State.OPEN if waiting else State.DONE), None
    known.lines, known.fault = list(lines), ""
    known.save(update_fields=["state", "seen_by", "lines", "fault"])


@atomic
def see(*, batch: UploadBatch, by: User) -> bool:
    """A person has seen to what could not be taken. False: somebody else was faster."""
    open_ones = UploadBatch.objects.filter(pk=batch.pk, state__in=[State.OPEN, State.UNREADABLE])
    return bool(open_ones.update(state=State.SEEN, seen_by=by))


def _waiting(lines: Sequence[dict[str, object]]) -> list[tuple[object, object]]:
    return [
        (line["line"], line["verdict"])
        for line in lines
        if line["verdict"] in UNTAKEN and not line["transaction"]
    ]
