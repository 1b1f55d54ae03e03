"""What the database refuses of collecting stores, whoever asks."""

from typing import Any
from uuid import uuid4

import pytest
from django.db import DatabaseError, connection
from django.db.transaction import atomic

from tests.constraints import Make, refused_by
from tests.factories import (
    MOMENT,
    CollectionCallFactory,
    CollectionSetupFactory,
    ConfirmationRunFactory,
    ListedStoreFactory,
    StoreCollectionFactory,
    StoreFactory,
)

pytestmark = pytest.mark.django_db
DIFFERENCE = [{"field": "store_name", "ours": "a", "theirs": "b"}]


def two_readings() -> object:
    return ConfirmationRunFactory.create(mall=ConfirmationRunFactory.create(state="RUNNING").mall)


def listed_twice() -> object:
    first = ListedStoreFactory.create()
    return ListedStoreFactory.create(mall=first.mall, merchant_id=first.merchant_id, store_id=first.store_id)


@pytest.mark.parametrize(
    ("constraint", "make"),
    [
        (
            "alipayhk_collectionsetup_first_page_is_0_or_1",
            lambda: CollectionSetupFactory.create(first_page=2),
        ),
        (
            "alipayhk_collectionsetup_page_size_is_bearable",
            lambda: CollectionSetupFactory.create(page_size=0),
        ),
        (
            "alipayhk_storecollection_lease_has_an_end",
            lambda: StoreCollectionFactory.create(lease=uuid4()),
        ),
        ("alipayhk_storecollection_due_was_asked_for", lambda: StoreCollectionFactory.create(due_at=MOMENT)),
        (
            "alipayhk_storecollection_dead_is_not_due",
            lambda: StoreCollectionFactory.create(
                due_at=MOMENT,
                dead_at=MOMENT,
                asked_at=MOMENT,
                credential=CollectionSetupFactory.create().credential,
            ),
        ),
        (
            "alipayhk_storecollection_differences_are_a_state",
            lambda: StoreCollectionFactory.create(differences=DIFFERENCE),
        ),
        ("alipayhk_confirmationrun_one_at_a_time", two_readings),
        ("alipayhk_confirmationrun_ended_when_over", lambda: ConfirmationRunFactory.create(state="DONE")),
        ("alipayhk_confirmationrun_whole_when_done", lambda: ConfirmationRunFactory.create(is_whole=True)),
        ("alipayhk_listedstore_one_per_triple", listed_twice),
        (
            "alipayhk_listedstore_known_is_ours",
            lambda: ListedStoreFactory.create(ours=StoreFactory.create()),
        ),
        (
            "alipayhk_listedstore_seen_in_order",
            lambda: ListedStoreFactory.create(seen_at=MOMENT.replace(year=2000)),
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_database_refuses(constraint: str, make: Make) -> None:
    assert refused_by(make) == constraint


@pytest.mark.parametrize("change", ["UPDATE {} SET code = ''", "DELETE FROM {}"])
def test_a_call_about_a_store_is_kept_as_it_went(change: str) -> None:
    kept: Any = CollectionCallFactory.create()

    with pytest.raises(DatabaseError), atomic(), connection.cursor() as cursor:
        cursor.execute(change.format("alipayhk_collectioncall"))

    kept.refresh_from_db()
    assert kept.code == "SUCCESS"
