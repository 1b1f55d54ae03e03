"""What the database refuses of keys, requests and receipt files, whoever asks."""

from datetime import timedelta

import pytest

from tests.constraints import Make, refused_by
from tests.factories import (
    MOMENT,
    CounterEntryFactory,
    ImportChunkFactory,
    ImportJobFactory,
    ImportRowFactory,
    PartnerKeyFactory,
    PartnerRequestFactory,
)

pytestmark = pytest.mark.django_db


def same_name() -> object:
    key = PartnerKeyFactory.create()
    return PartnerKeyFactory.create(mall=key.mall, name=key.name, digest="1" * 64)


def same_request() -> object:
    request = PartnerRequestFactory.create()
    return PartnerRequestFactory.create(
        partner_key=request.partner_key, idempotency_key=request.idempotency_key
    )


def same_file() -> object:
    job = ImportJobFactory.create()
    return ImportJobFactory.create(mall=job.mall, digest=job.digest)


def same_piece() -> object:
    piece = ImportChunkFactory.create()
    return ImportChunkFactory.create(job=piece.job, number=piece.number)


def same_line() -> object:
    row = ImportRowFactory.create()
    return ImportRowFactory.create(job=row.job, line=row.line)


def recorded_nowhere() -> object:
    entry = CounterEntryFactory.create()
    purchase = entry.transaction
    return ImportRowFactory.create(
        fate="RECORDED", store=purchase.store, member=purchase.member, paid_at=MOMENT, amount_cents=1
    )


@pytest.mark.parametrize(
    ("constraint", "make"),
    [
        (
            "doors_partnerkey_revoked_after_made",
            lambda: PartnerKeyFactory.create(revoked_at=MOMENT - timedelta(days=1)),
        ),
        ("doors_partnerkey_one_in_use_per_name", same_name),
        ("doors_partnerrequest_answered_once", same_request),
        ("doors_importjob_one_per_file", same_file),
        ("doors_importjob_ended_when_over", lambda: ImportJobFactory.create(state="DONE")),
        ("doors_importchunk_once", same_piece),
        ("doors_importrow_one_per_line", same_line),
        ("doors_importrow_sound_unless_faulty", lambda: ImportRowFactory.create(fate="READY")),
        ("doors_importrow_recorded_is_somewhere", recorded_nowhere),
    ],
)
def test_the_database_refuses(constraint: str, make: Make) -> None:
    assert refused_by(make) == constraint
