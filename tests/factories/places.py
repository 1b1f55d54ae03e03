"""Rows of pms: staff logins, groups, malls, stores."""

from functools import lru_cache

import factory
from django.contrib.auth.hashers import make_password
from factory.django import DjangoModelFactory

from pms.models import Mall, MallGroup, MallStaff, Store, StoreChange, StoreMapping, StoreMove, User
from tests.factories.moment import MOMENT

PASSWORD = "correct-horse-battery-staple"


@lru_cache
def hashed(password: str) -> str:
    """The real hash, made once: it takes half a second, more than most tests of staff pages."""
    return make_password(password)


class UserFactory(DjangoModelFactory[User]):
    class Meta:
        model = User

    username = factory.Sequence(lambda n: f"staff-{n}")
    password = factory.Transformer(PASSWORD, transform=hashed)
    is_staff = True


class MallGroupFactory(DjangoModelFactory[MallGroup]):
    class Meta:
        model = MallGroup

    label = factory.Sequence(lambda n: f"{20230316 + n}")
    name_en = factory.Sequence(lambda n: f"Lumina {n}")
    name_zh = factory.Sequence(lambda n: f"朗曜{n}")


class MallFactory(DjangoModelFactory[Mall]):
    class Meta:
        model = Mall

    group = factory.SubFactory(MallGroupFactory)
    label = factory.Sequence(lambda n: f"{20230316001 + n}")
    tag = factory.Sequence(lambda n: f"lumina-{n}")
    name_en = factory.Sequence(lambda n: f"Lumina Plaza {n}")
    name_zh = factory.Sequence(lambda n: f"朗曜廣場{n}")


class StoreFactory(DjangoModelFactory[Store]):
    class Meta:
        model = Store

    mall = factory.SubFactory(MallFactory)
    group = factory.SelfAttribute("mall.group")
    pms_label = factory.Sequence(lambda n: f"PMS{n:04d}")
    partner_id = "20230324"
    merchant_id = factory.Sequence(lambda n: f"{21609876543945 + n}")
    store_id = factory.Sequence(lambda n: f"S{n}")
    code = factory.Sequence(lambda n: f"LP-{n}")
    name_en = factory.Sequence(lambda n: f"Harbour Noodles {n}")
    name_zh = factory.Sequence(lambda n: f"海港麵家{n}")
    category = "DINING"


class MallStaffFactory(DjangoModelFactory[MallStaff]):
    class Meta:
        model = MallStaff

    user = factory.SubFactory(UserFactory)
    mall = factory.SubFactory(MallFactory)
    group = factory.SelfAttribute("mall.group")
    role = MallStaff.Role.OPERATOR


class StoreMappingFactory(DjangoModelFactory[StoreMapping]):
    class Meta:
        model = StoreMapping

    store = factory.SubFactory(StoreFactory)
    group = factory.SelfAttribute("store.group")
    label = factory.Sequence(lambda n: f"PMSX{n:04d}")
    began_at = MOMENT


class StoreMoveFactory(DjangoModelFactory[StoreMove]):
    class Meta:
        model = StoreMove

    store = factory.SubFactory(StoreFactory)
    from_mall = factory.SelfAttribute("store.mall")
    to_mall = factory.SubFactory(MallFactory, group=factory.SelfAttribute("..store.group"))
    moved_date = MOMENT.date()
    recorded_at = MOMENT


class StoreChangeFactory(DjangoModelFactory[StoreChange]):
    class Meta:
        model = StoreChange

    store = factory.SubFactory(StoreFactory)
    source = StoreChange.Source.STAFF
    fields = {"floor": ["", "G"]}
    changed_at = MOMENT
