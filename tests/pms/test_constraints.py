"""What the database refuses of malls, stores and staff, whoever asks."""

from datetime import date, timedelta

import pytest

from pms.models import Mall, Store, StoreMapping
from tests.constraints import Make, refused_by
from tests.factories import (
    MallFactory,
    MallGroupFactory,
    MallStaffFactory,
    StoreChangeFactory,
    StoreFactory,
    StoreMappingFactory,
    StoreMoveFactory,
)
from tests.factories.moment import MOMENT

pytestmark = pytest.mark.django_db


def same_label() -> object:
    mall = MallFactory.create()
    return MallFactory.create(group=mall.group, label=mall.label)


def same_pms_label() -> object:
    store = StoreFactory.create()
    return StoreFactory.create(mall=store.mall, pms_label=store.pms_label)


def same_triple() -> object:
    store = StoreFactory.create()
    return StoreFactory.create(mall=store.mall, merchant_id=store.merchant_id, store_id=store.store_id)


def same_mall() -> object:
    staff = MallStaffFactory.create()
    return MallStaffFactory.create(user=staff.user, mall=staff.mall, role="MANAGER")


def same_group() -> object:
    staff = MallStaffFactory.create(mall=None, group=MallGroupFactory.create())
    return MallStaffFactory.create(user=staff.user, mall=None, group=staff.group)


def mapped_twice() -> object:
    mapping = StoreMappingFactory.create()
    return StoreMappingFactory.create(group=mapping.group, label=mapping.label)


def mapped_backwards() -> object:
    return StoreMappingFactory.create(ended_at=MOMENT - timedelta(seconds=1))


def unmapped_without_a_time() -> object:
    return StoreMappingFactory.create(reason="wrong shop")


def a_label_of_a_store_mapped() -> object:
    store = StoreFactory.create()
    return StoreMappingFactory.create(store__mall__group=store.group, label=store.pms_label)


def a_mapped_label_given_to_a_store() -> object:
    mapping = StoreMappingFactory.create()
    return StoreFactory.create(mall__group=mapping.group, pms_label=mapping.label)


def a_mapping_led_to_a_label_of_a_store() -> object:
    store, mapping = StoreFactory.create(), StoreMappingFactory.create()
    moved = StoreMapping.objects.filter(pk=mapping.pk)
    return moved.update(group=store.group, label=store.pms_label)


def moved_twice_in_a_day() -> object:
    move = StoreMoveFactory.create()
    return StoreMoveFactory.create(store=move.store, from_mall=move.to_mall, moved_date=move.moved_date)


def moved_to_where_it_was() -> object:
    store = StoreFactory.create()
    return StoreMoveFactory.create(store=store, to_mall=store.mall)


def merged_into_itself() -> object:
    store = StoreFactory.create()
    return Store.objects.filter(pk=store.pk).update(merged_into=store.pk)


@pytest.mark.parametrize(
    ("constraint", "make"),
    [
        ("pms_mallgroup_label_not_empty", lambda: MallGroupFactory.create(label="")),
        ("pms_mall_one_per_label", same_label),
        ("pms_mall_tag_fits_a_path", lambda: MallFactory.create(tag="/lumina")),
        ("pms_mall_tag_fits_a_path", lambda: MallFactory.create(tag="a//b")),
        ("pms_mall_tag_fits_a_path", lambda: MallFactory.create(tag="lumina plaza")),
        ("pms_store_one_per_pms_label", same_pms_label),
        ("pms_store_one_per_pms_triple", same_triple),
        ("pms_store_pms_label_not_empty", lambda: StoreFactory.create(pms_label="")),
        (
            "pms_store_closed_after_opened",
            lambda: StoreFactory.create(opened_date=date(2026, 2, 2), closed_date=date(2026, 2, 1)),
        ),
        ("pms_store_not_merged_into_itself", merged_into_itself),
        ("pms_storemapping_one_per_label", mapped_twice),
        ("pms_storemapping_label_not_empty", lambda: StoreMappingFactory.create(label="")),
        ("pms_storemapping_ended_after_it_began", mapped_backwards),
        ("pms_storemapping_ended_after_it_began", unmapped_without_a_time),
        ("pms_label_leads_to_one_store", a_label_of_a_store_mapped),
        ("pms_label_leads_to_one_store", a_mapping_led_to_a_label_of_a_store),
        ("pms_label_leads_to_one_store", a_mapped_label_given_to_a_store),
        ("pms_storemove_one_per_day", moved_twice_in_a_day),
        ("pms_storemove_between_two_malls", moved_to_where_it_was),
        ("pms_storechange_changes_something", lambda: StoreChangeFactory.create(fields={})),
        ("pms_mallstaff_one_per_mall", same_mall),
        ("pms_mallstaff_one_per_group", same_group),
    ],
)
def test_the_database_refuses(constraint: str, make: Make) -> None:
    assert refused_by(make) == constraint


def test_two_malls_never_share_a_tag() -> None:
    MallFactory.create(tag="lumina-plaza")

    refused_by(lambda: MallFactory.create(tag="lumina-plaza"))

    assert Mall.objects.count() == 1


def test_a_tag_may_have_several_parts() -> None:
    assert MallFactory.create(tag="merchant/api/alipayhk").pk


def test_malls_without_a_label_and_stores_without_a_triple_may_be_many() -> None:
    group = MallGroupFactory.create()

    malls = MallFactory.create_batch(2, group=group, label="")
    StoreFactory.create_batch(2, mall=malls[0], merchant_id="", store_id="")

    assert Store.objects.count() == 2


def test_a_label_may_be_used_again_in_another_group() -> None:
    first = StoreFactory.create()

    second = StoreFactory.create(
        pms_label=first.pms_label, merchant_id=first.merchant_id, store_id=first.store_id
    )

    assert second.group_id != first.group_id
