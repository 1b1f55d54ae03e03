"""Rows of collecting stores: a mall's setup, how far a store has come, calls, readings, and what AlipayHK lists."""

import factory
from factory.django import DjangoModelFactory

from alipayhk.models import CollectionCall, CollectionSetup, ConfirmationRun, ListedStore, StoreCollection
from tests.factories.moment import MOMENT
from tests.factories.places import MallFactory, StoreFactory
from tests.factories.wire import CredentialFactory


class CollectionSetupFactory(DjangoModelFactory[CollectionSetup]):
    """On, with the words of the simulator."""

    class Meta:
        model = CollectionSetup

    credential = factory.SubFactory(CredentialFactory)
    is_on = True
    way_by_pms = "PMS"
    way_by_number = "TRADE_NO"


class StoreCollectionFactory(DjangoModelFactory[StoreCollection]):
    class Meta:
        model = StoreCollection

    store = factory.SubFactory(StoreFactory)


class CollectionCallFactory(DjangoModelFactory[CollectionCall]):
    class Meta:
        model = CollectionCall

    collection = factory.SubFactory(StoreCollectionFactory)
    api = "circleStore/save"
    attempt = 1
    mark = "a" * 64
    called_at = MOMENT
    duration_ms = 120
    outcome = CollectionCall.Outcome.DONE
    http_status = 200
    code = "SUCCESS"
    request_body = "{}"


class ConfirmationRunFactory(DjangoModelFactory[ConfirmationRun]):
    class Meta:
        model = ConfirmationRun

    mall = factory.SubFactory(MallFactory)
    asked_at = MOMENT
    moved_at = MOMENT


class ListedStoreFactory(DjangoModelFactory[ListedStore]):
    class Meta:
        model = ListedStore

    mall = factory.SubFactory(MallFactory)
    partner_id = "20230324"
    merchant_id = factory.Sequence(lambda n: f"{21601234567890 + n}")
    store_id = factory.Sequence(lambda n: f"L{n}")
    store_name = factory.Sequence(lambda n: f"Pier Books {n}")
    mall_label = factory.SelfAttribute("mall.label")
    seen_run = factory.SubFactory(
        ConfirmationRunFactory, mall=factory.SelfAttribute("..mall"), state="DONE", ended_at=MOMENT
    )
    first_seen_at = MOMENT
    seen_at = MOMENT
