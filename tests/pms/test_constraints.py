"""What the database refuses of malls, stores and staff, whoever asks."""

import pytest

from pms.models import Mall, Store
from tests.constraints import Make, refused_by
from tests.factories import MallFactory, MallGroupFactory, MallStaffFactory, StoreFactory

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
