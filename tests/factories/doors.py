"""Rows of the doors: counter entries, partners' keys and requests, receipt files."""

import hashlib

import factory
from factory.django import DjangoModelFactory

from loyalty.doors.models import CounterEntry, ImportChunk, ImportJob, ImportRow, PartnerKey, PartnerRequest
from tests.factories.moment import MOMENT
from tests.factories.places import MallFactory, UserFactory
from tests.factories.purchases import TransactionFactory


class CounterEntryFactory(DjangoModelFactory[CounterEntry]):
    class Meta:
        model = CounterEntry

    token = factory.Sequence(lambda n: f"form-{n}")
    transaction = factory.SubFactory(TransactionFactory, channel="COUNTER")
    entered_by = factory.SubFactory(UserFactory)
    entered_at = MOMENT


class PartnerKeyFactory(DjangoModelFactory[PartnerKey]):
    class Meta:
        model = PartnerKey

    mall = factory.SubFactory(MallFactory)
    name = factory.Sequence(lambda n: f"Till {n}")
    digest = factory.LazyAttribute(lambda row: hashlib.sha256(row.name.encode()).hexdigest())
    start = "lp_abc"
    created_at = MOMENT


class PartnerRequestFactory(DjangoModelFactory[PartnerRequest]):
    class Meta:
        model = PartnerRequest

    partner_key = factory.SubFactory(PartnerKeyFactory)
    idempotency_key = factory.Sequence(lambda n: f"request-{n}")
    digest = "0" * 64
    reference = factory.Sequence(lambda n: f"{n:032x}")
    transaction = factory.SubFactory(
        TransactionFactory, channel="PARTNER", mall=factory.SelfAttribute("..partner_key.mall")
    )
    answer = factory.LazyFunction(dict)
    answered_at = MOMENT


class ImportJobFactory(DjangoModelFactory[ImportJob]):
    class Meta:
        model = ImportJob

    mall = factory.SubFactory(MallFactory)
    file_name = "receipts.csv"
    digest = factory.Sequence(lambda n: f"{n:064x}")
    asked_at = MOMENT
    moved_at = MOMENT


class ImportChunkFactory(DjangoModelFactory[ImportChunk]):
    class Meta:
        model = ImportChunk

    job = factory.SubFactory(ImportJobFactory)
    number = factory.Sequence(lambda n: n)
    content = b"number,store,amount,paid_at,member\n"


class ImportRowFactory(DjangoModelFactory[ImportRow]):
    class Meta:
        model = ImportRow

    job = factory.SubFactory(ImportJobFactory)
    line = factory.Sequence(lambda n: n + 2)
    fate = ImportRow.Fate.FAULTY
    faults = factory.LazyFunction(lambda: [{"field": "store", "code": "STORE_UNKNOWN"}])
