"""Mall walls: nobody sees or changes a row of a mall that is not theirs, by whatever address they ask."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin.options import InlineModelAdmin
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import ImproperlyConfigured
from django.db.models import Model
from django.test import Client
from django.urls import NoReverseMatch, URLPattern, URLResolver, get_resolver, reverse

from alipayhk.models import CredentialKey, Notification, PassUpdate
from loyalty.earning.models import BacktestRun, Transaction
from loyalty.ledger.models import PointAccount, Redemption
from members.models import Member, Program, Tier
from pms import scoping
from pms.models import Mall, MallGroup, MallStaff, Store, User
from pms.scoping import Scoped, ScopedModelAdmin
from tests import walls
from tests.factories import MallFactory, MallGroupFactory, MallStaffFactory, UserFactory
from tests.walls import World

pytestmark = pytest.mark.django_db


@pytest.fixture
def ours() -> World:
    return walls.plant(walls.mall_with("OURMARK"), "OURMARK", "OURGROUP")


@pytest.fixture
def sibling(ours: World) -> World:
    """Another mall of our group: its members are ours to see, its purchases are not."""
    return walls.plant(walls.mall_with("SIBMARK", group=ours.mall.group), "SIBMARK", "SIBGROUP")


@pytest.fixture
def stranger() -> World:
    group = MallGroupFactory.create(name_en="FORGROUP", name_zh="FORGROUP", label="FORGROUP")
    return walls.plant(walls.mall_with("FORMARK", group=group), "FORMARK", "FORGROUP")


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def test_staff_of_a_mall_see_it_alone_and_its_group() -> None:
    mall = MallFactory.create()
    other = MallFactory.create(group=mall.group)

    user = walls.staff_of(mall)

    assert list(scoping.malls_of(user)) == [mall]
    assert list(scoping.groups_of(user)) == [mall.group]
    assert other not in scoping.malls_of(user)


def test_staff_of_a_group_see_all_its_malls() -> None:
    mall = MallFactory.create()
    other = MallFactory.create(group=mall.group)
    MallFactory.create()

    user = MallStaffFactory.create(mall=None, group=mall.group).user

    assert set(scoping.malls_of(user)) == {mall, other}
    assert list(scoping.groups_of(user)) == [mall.group]


def test_a_login_without_malls_sees_nothing_and_a_superuser_everything() -> None:
    mall = MallFactory.create()

    nobody, root = UserFactory.create(), UserFactory.create(is_superuser=True)

    assert not scoping.malls_of(nobody).exists()
    assert not scoping.groups_of(nobody).exists()
    assert not scoping.malls_of(AnonymousUser()).exists()
    assert list(scoping.malls_of(root)) == [mall]


def test_a_screen_without_a_scope_cannot_be_made() -> None:
    class Unscoped(ScopedModelAdmin):
        pass

    with pytest.raises(ImproperlyConfigured, match="Unscoped must name"):
        Unscoped(Store, admin.site)


def test_every_screen_and_every_part_of_one_has_a_scope() -> None:
    screens = list(admin.site._registry.values())
    parts: list[type[InlineModelAdmin[Any, Any]]] = [part for screen in screens for part in screen.inlines]

    unscoped = [screen for screen in screens if not isinstance(screen, Scoped)]

    assert unscoped == []
    assert [part for part in parts if not issubclass(part, Scoped)] == []


def patterns(resolver: Any = None) -> Iterator[URLPattern]:
    """Every address of the staff site."""
    found: Any = resolver or next(
        one for one in get_resolver().url_patterns if getattr(one, "namespace", "") == "admin"
    )
    for one in found.url_patterns:
        if isinstance(one, URLResolver):
            yield from patterns(one)
        else:
            yield one


# Pages of a screen whose address names a row of another one.
OF_ANOTHER = {"earning_rule_try": "members_program", "ledger_redemption_reserve": "members_member"}


def addresses(world: World) -> set[str]:
    """Every address that can be filled in with the rows of a world."""
    rows = {f"{row._meta.app_label}_{row._meta.model_name}": row for row in world.rows}
    found = set()
    for pattern in patterns():
        name = pattern.name or ""
        owner = rows.get(OF_ANOTHER.get(name, ""))
        row = owner or next((row for key, row in rows.items() if name.startswith(f"{key}_")), world.mall)
        found |= set(_filled(name, row))
    return found


def _filled(name: str, row: Model) -> Iterator[str]:
    deeds = [deed.name for deed in getattr(admin.site._registry.get(type(row)), "deeds", ())]
    for arguments in ((), (row.pk,), *((row.pk, deed) for deed in deeds)):
        try:
            yield reverse(f"admin:{name}", args=arguments)
        except NoReverseMatch:
            continue


# Leaving would end the walk; these two hold nothing of a mall.
SKIPPED = {"/admin/logout/", "/admin/login/"}


def test_no_address_shows_a_byte_of_another_group(ours: World, stranger: World) -> None:
    client = signed_in(walls.staff_of(ours.mall))

    shown = {address: client.get(address) for address in addresses(stranger) - SKIPPED}

    assert len(shown) > 80
    assert {a for a, r in shown.items() if b"FORMARK" in r.content or b"FORGROUP" in r.content} == set()
    assert {r.status_code for r in shown.values()} <= {200, 302, 403, 404, 405}


@pytest.mark.parametrize("role", [MallStaff.Role.COUNTER, MallStaff.Role.MANAGER])
def test_no_address_shows_a_byte_of_another_mall_of_the_group(ours: World, sibling: World, role: str) -> None:
    client = signed_in(walls.staff_of(ours.mall, role))

    shown = {address: client.get(address).content for address in addresses(sibling) - SKIPPED}

    assert {address for address, content in shown.items() if b"SIBMARK" in content} == set()


def test_members_of_the_group_are_seen_by_staff_of_any_of_its_malls(ours: World, sibling: World) -> None:
    client = signed_in(walls.staff_of(ours.mall))

    page = client.get(reverse("admin:members_member_change", args=[sibling.of(Member).pk]))

    assert page.status_code == 200
    assert b"SIBGROUP member" in page.content


def test_tiers_redemptions_back_tests_and_statements_are_behind_the_wall(
    ours: World, stranger: World
) -> None:
    client, root = signed_in(walls.staff_of(ours.mall)), signed_in(UserFactory.create(is_superuser=True))
    walked = {
        reverse("admin:members_tier_change", args=[stranger.of(Tier).pk]),
        reverse("admin:members_program_terms", args=[stranger.of(Program).pk]),
        reverse("admin:earning_rule_try", args=[stranger.of(Program).pk]),
        reverse("admin:earning_backtestrun_change", args=[stranger.of(BacktestRun).pk]),
        reverse("admin:ledger_redemption_change", args=[stranger.of(Redemption).pk]),
        reverse("admin:ledger_pointaccount_statement", args=[stranger.of(PointAccount).pk]),
        reverse("admin:ledger_pointaccount_statement_csv", args=[stranger.of(PointAccount).pk]),
    }

    refused, shown = ({address: one.get(address).status_code for address in walked} for one in (client, root))

    assert walked <= addresses(stranger)
    assert set(refused.values()) == {404}
    assert set(shown.values()) == {200}


def test_the_marks_do_show_to_those_who_may_see_them(stranger: World) -> None:
    """Otherwise the walk above would prove nothing."""
    client = signed_in(UserFactory.create(is_superuser=True))

    shown = [
        address for address in addresses(stranger) - SKIPPED if b"FORMARK" in client.get(address).content
    ]

    assert len(shown) > 15


@pytest.mark.parametrize("world", ["sibling", "stranger"])
def test_searching_by_another_malls_numbers_finds_nothing(
    ours: World, world: str, request: pytest.FixtureRequest
) -> None:
    other: World = request.getfixturevalue(world)
    purchase, notice = other.of(Transaction), other.of(Notification)
    client = signed_in(walls.staff_of(ours.mall))

    pages = [
        client.get(reverse(f"admin:{name}_changelist"), {"q": number, **more}).content.decode()
        for name, number, more in (
            ("earning_transaction", purchase.payment_number, {}),
            ("members_member", purchase.payment_number, {}),
            ("alipayhk_notification", notice.key, {"show": "all"}),
            ("earning_refund", purchase.payment_number, {}),
            ("pms_store", purchase.store.merchant_id, {}),
        )
    ]

    assert [page for page in pages if other.mark in page or "result_list" in page] == []


def test_autocomplete_and_filters_offer_own_malls_only(ours: World, sibling: World, stranger: World) -> None:
    client = signed_in(walls.staff_of(ours.mall))
    question = {"app_label": "pms", "model_name": "store", "field_name": "mall", "term": "mark"}

    offered = client.get(reverse("admin:autocomplete"), question).content.decode()
    filtered = client.get(
        reverse("admin:pms_store_changelist"), {"mall__id__exact": sibling.mall.pk}
    ).content.decode()

    assert "OURMARK" in offered
    assert "SIBMARK" not in offered + filtered
    assert "FORMARK" not in offered + filtered


def test_a_form_refuses_another_malls_id(ours: World, sibling: World) -> None:
    client = signed_in(walls.staff_of(ours.mall))
    store = {
        "mall": sibling.mall.pk,
        "pms_label": "SMUGGLED",
        "name_en": "x",
        "name_zh": "x",
        "state": "ACTIVE",
    }

    answer = client.post(reverse("admin:pms_store_add"), store)

    assert answer.status_code == 200
    assert not Store.objects.filter(pms_label="SMUGGLED").exists()


def test_a_bulk_action_touches_own_rows_only(ours: World, sibling: World) -> None:
    """B207: foreign ids, and everything at once."""
    theirs = sibling.of(Notification)
    before = Notification.objects.filter(pk=theirs.pk).values().get()
    client = signed_in(walls.staff_of(ours.mall))
    asked = {"action": "try_selected_again", "_selected_action": [theirs.pk, ours.of(Notification).pk]}

    client.post(reverse("admin:alipayhk_notification_changelist") + "?show=all", asked)
    client.post(
        reverse("admin:alipayhk_notification_changelist") + "?show=all", asked | {"select_across": "1"}
    )

    assert Notification.objects.filter(pk=theirs.pk).values().get() == before


@pytest.mark.parametrize("world", ["sibling", "stranger"])
def test_no_posted_form_or_deed_changes_another_malls_rows(
    ours: World, world: str, request: pytest.FixtureRequest
) -> None:
    other: World = request.getfixturevalue(world)
    watched = (Mall, Store, Transaction, Notification, CredentialKey, Redemption, BacktestRun)
    before = [list(model._default_manager.filter(pk=other.of(model).pk).values()) for model in watched]
    client = signed_in(walls.staff_of(ours.mall))
    typed = {"post": "yes", "typed": "123", "name_en": "taken", "state": "SUSPENDED", "_save": "1"}

    answers = {
        address: client.post(address, typed).status_code for address in sorted(addresses(other) - SKIPPED)
    }

    after = [list(model._default_manager.filter(pk=other.of(model).pk).values()) for model in watched]
    assert after == before
    assert {code for address, code in answers.items() if "/change/" in address} <= {200, 302, 403, 404}
    assert {code for address, code in answers.items() if "/delete/" in address} <= {403, 404}


def test_another_malls_row_is_not_there_rather_than_forbidden(ours: World, sibling: World) -> None:
    client = signed_in(walls.staff_of(ours.mall))

    answers = {
        model: client.get(
            reverse(
                f"admin:{model._meta.app_label}_{model._meta.model_name}_change", args=[sibling.of(model).pk]
            )
        ).status_code
        for model in (Mall, Store, Transaction, Notification, CredentialKey)
    }

    assert set(answers.values()) == {404}


def test_the_card_of_another_group_cannot_be_sent_again(ours: World, stranger: World) -> None:
    update = stranger.of(PassUpdate)
    before = PassUpdate.objects.filter(pk=update.pk).values().get()
    client = signed_in(walls.staff_of(ours.mall))

    answer = client.post(reverse("admin:alipayhk_passupdate_deed", args=[update.pk, "send-again"]))

    assert answer.status_code == 404
    assert PassUpdate.objects.filter(pk=update.pk).values().get() == before


def test_a_role_that_may_not_see_a_screen_is_refused_it(ours: World) -> None:
    client = signed_in(walls.staff_of(ours.mall, MallStaff.Role.COUNTER))

    codes = [
        client.get(reverse(f"admin:{name}_changelist")).status_code
        for name in ("alipayhk_credential", "alipayhk_notification", "pms_user", "ledger_posting")
    ]

    assert codes == [403, 403, 403, 403]


def test_only_superusers_see_staff_logins(ours: World) -> None:
    """A manager's role names the permission, the screen keeps it to those who may give rights."""
    manager, root = walls.staff_of(ours.mall), UserFactory.create(is_superuser=True)

    codes = [
        signed_in(user).get(reverse("admin:pms_user_changelist")).status_code for user in (manager, root)
    ]

    assert codes == [403, 200]


def test_the_group_and_the_program_are_those_of_the_malls(ours: World, stranger: World) -> None:
    client = signed_in(walls.staff_of(ours.mall))

    for model in (MallGroup, Program):
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}_change"
        assert client.get(reverse(name, args=[ours.of(model).pk])).status_code == 200
        assert client.get(reverse(name, args=[stranger.of(model).pk])).status_code == 404
