"""Registering a mall: what a document makes, what a repeated or a partial one changes."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.core import serializers
from django.db.models import Model
from pytest_django import Settings

from alipayhk import environments, registration, sealed, signature
from alipayhk.models import CardTemplate, CollectionSetup, Credential, CredentialKey
from loyalty.earning import rule_versions
from loyalty.earning.models import Rule, RuleVersion
from loyalty.ledger.models import PointAccount
from members.models import Program
from pms.models import Mall, MallGroup, Store
from tests.alipayhk.documents import REMOVED, document, private_text, public_text
from tests.factories import MOMENT, key_pair

pytestmark = pytest.mark.django_db

TABLES: tuple[type[Model], ...] = (
    *(MallGroup, Mall, Store, Program, PointAccount, Rule, RuleVersion),
    *(Credential, CredentialKey, CardTemplate),
)
LATER = MOMENT + timedelta(hours=1)


def everything() -> str:
    """All rows a registration can touch, as text."""
    return "".join(serializers.serialize("json", table._default_manager.order_by("pk")) for table in TABLES)


def register(**changes: Any) -> registration.Registered:
    return registration.register(document(**changes), now=MOMENT)


def test_a_new_mall_gets_everything_it_needs() -> None:
    done = register()

    assert done.mall_tag == "lumina-plaza"
    assert done.updated == []
    assert done.created == [
        "group 20230316",
        "mall lumina-plaza",
        "program Lumina Club",
        "rule version 1",
        "credential 2110200000000044",
        "key ours 1",
        "key AlipayHK 1",
        "card template 22023041200135606000000000297866",
        "store PMS0001",
    ]
    program = Program.objects.get()
    assert program.group.malls.get().stores.get().pms_label == "PMS0001"
    assert sorted(PointAccount.objects.filter(program=program).values_list("kind", flat=True)) == [
        "ADJUSTED",
        "EXPIRED",
        "ISSUED",
        "REDEEMED",
        "RESERVED",
    ]


def test_a_document_registered_twice_changes_nothing() -> None:
    register()
    before = everything()

    again = registration.register(document(), now=LATER)

    assert (again.created, again.updated) == ([], [])
    assert everything() == before


def test_what_is_absent_stays_as_it_is() -> None:
    register()
    before = everything()
    partial = {
        "group": {"label": "20230316"},
        "mall": {"tag": "lumina-plaza"},
        "program": {},
        "alipayhk": {"client_id": "2110200000000044", "public_keys": [{"version": 1}]},
        "stores": [{"pms_label": "PMS0001"}],
    }

    done = registration.register(partial, now=LATER)

    assert (done.created, done.updated) == ([], [])
    assert everything() == before


def test_null_clears_what_can_be_empty() -> None:
    register(
        alipayhk__path_prefix="/merchant/api", alipayhk__agent_token="secret", alipayhk__client_ids=["X"]
    )

    done = register(
        alipayhk__path_prefix=None,
        alipayhk__agent_token=None,
        alipayhk__client_ids=None,
        alipayhk__app_id=None,
        program__max_spend_cents=None,
        stores__0__category=None,
    )

    credential = Credential.objects.get()
    assert (credential.path_prefix, credential.sealed_agent_token, credential.client_ids) == ("", "", [])
    assert credential.app_id == ""
    assert Store.objects.get().category == ""
    assert RuleVersion.objects.latest("number").max_spend_cents is None
    assert done.created == ["rule version 2"]
    assert done.updated == ["credential 2110200000000044", "store PMS0001"]


def test_all_optional_fields_are_kept() -> None:
    register(
        alipayhk__client_ids=["4Q5Y8W0WSG45P907917"],
        alipayhk__path_prefix="/merchant/api",
        alipayhk__agent_token="agent-secret",
        alipayhk__encryption="BOTH",
        stores__0__code="LP-210",
        stores__0__excluded=True,
    )

    credential, store = Credential.objects.get(), Store.objects.get()
    assert credential.client_ids == ["4Q5Y8W0WSG45P907917"]
    assert (credential.path_prefix, credential.encryption) == ("/merchant/api", "BOTH")
    assert "agent-secret" not in credential.sealed_agent_token
    assert sealed.unseal(credential.sealed_agent_token) == "agent-secret"
    assert (store.code, store.is_excluded) == ("LP-210", True)


def test_an_unchanged_agent_token_is_not_sealed_anew() -> None:
    register(alipayhk__agent_token="agent-secret")
    before = everything()

    done = register(alipayhk__agent_token="agent-secret")

    assert done.updated == []
    assert everything() == before


def test_a_private_key_is_kept_sealed_and_in_one_form_only() -> None:
    register(alipayhk__private_key=private_text().replace("\n", "\r\n"))

    kept = CredentialKey.objects.get(side="OURS")
    assert "PRIVATE" not in kept.sealed_private_key
    assert sealed.unseal(kept.sealed_private_key) == private_text()
    assert kept.fingerprint == signature.public_fingerprint(key_pair("ours").public_key())


@pytest.mark.parametrize(
    "dress",
    [
        pytest.param(lambda text: "\n".join(text[i : i + 64] for i in range(0, len(text), 64)), id="lines"),
        pytest.param(lambda text: f"  {text[:50]} {text[50:]}\r\n", id="blanks"),
        pytest.param(
            lambda text: f"-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----\n", id="armour"
        ),
    ],
)
def test_b213_alipayhks_key_is_the_same_key_in_any_dress(dress: Any) -> None:
    register()

    done = register(alipayhk__public_keys__0__key=dress(public_text()))

    assert (done.created, done.updated) == ([], [])


def test_a_figure_that_differs_is_a_new_rule_version_in_force_at_once() -> None:
    register()

    done = registration.register(document(program__points_per_hkd="1.5"), now=LATER)

    first, second = RuleVersion.objects.order_by("number")
    assert done.created == ["rule version 2"]
    assert (first.points_numerator, first.points_denominator) == (1, 1)
    assert (second.points_numerator, second.points_denominator) == (3, 2)
    assert first.effective_at == rule_versions.BEGINNING
    assert second.effective_at == LATER


def test_a_rate_in_another_spelling_is_no_new_version() -> None:
    register()

    done = registration.register(document(program__points_per_hkd="1.000"), now=LATER)

    assert done.created == []


def test_keys_are_added_and_change_state() -> None:
    register()
    keys = [
        {"version": 1, "state": "RETIRING"},
        {"version": 2, "key": public_text("newer")},
    ]

    done = register(alipayhk__public_keys=keys)

    assert done.created == ["key AlipayHK 2"]
    assert done.updated == ["key AlipayHK 1"]
    states = dict(CredentialKey.objects.filter(side="ALIPAYHK").values_list("version", "state"))
    assert states == {1: "RETIRING", 2: "ACTIVE"}


def test_a_revoked_key_has_a_time_and_keeps_it() -> None:
    register(alipayhk__public_keys__0__state="REVOKED")

    done = registration.register(document(alipayhk__public_keys__0__state="REVOKED"), now=LATER)

    assert done.updated == []
    assert CredentialKey.objects.get(side="ALIPAYHK").revoked_at == MOMENT


def test_a_second_private_key_joins_the_first() -> None:
    register()

    done = register(alipayhk__private_key=private_text("next"), alipayhk__private_key_version=2)

    assert done.created == ["key ours 2"]
    assert CredentialKey.objects.filter(side="OURS").count() == 2


def test_a_mall_may_leave_its_key_to_be_made_here() -> None:
    register(alipayhk__private_key=None, alipayhk__private_key_version=REMOVED)

    assert not CredentialKey.objects.filter(side="OURS").exists()


def test_the_published_dev_environment_fills_what_is_absent(settings: Settings) -> None:
    settings.ALIPAYHK_GATEWAY_HOSTS = ["business.dl.alipaydev.com"]

    register(
        alipayhk__environment="DEV",
        alipayhk__gateway_url=REMOVED,
        alipayhk__public_keys=REMOVED,
        alipayhk__card_template__code=REMOVED,
    )

    credential = Credential.objects.get()
    assert credential.gateway_url == "https://business.dl.alipaydev.com"
    assert credential.card_template.code == "22023041200135606000000000297866"
    assert credential.keys.get(side="ALIPAYHK").fingerprint == environments.DEV_KEY_FINGERPRINT


def test_a_changed_card_template_is_no_longer_paused() -> None:
    register()
    CardTemplate.objects.update(paused_at=MOMENT, pause_code="PASS_TEMPLATE_NOT_EXIST")

    register(alipayhk__card_template__code="22023041200135606000000000297867")

    template = CardTemplate.objects.get()
    assert (template.paused_at, template.pause_code) == (None, "")


def test_how_stores_are_collected_is_registered_and_changed() -> None:
    words = {"is_on": True, "way_by_pms": "1", "first_page": 0, "field_paths": {"store_name": "shop.name"}}
    register(alipayhk__collection=words)

    register(alipayhk__collection={"way_by_number": "2", "page_size": None})

    setup = CollectionSetup.objects.get()
    assert (setup.is_on, setup.way_by_pms, setup.way_by_number) == (True, "1", "2")
    assert (setup.first_page, setup.page_size, setup.field_paths) == (0, 20, {"store_name": "shop.name"})


def test_a_second_mall_joins_the_group_and_its_program() -> None:
    register()

    done = register(
        mall__tag="lumina-garden",
        mall__label="20230316002",
        alipayhk__public_keys__0__key=public_text("garden"),
        alipayhk__private_key=private_text("garden ours"),
        stores__0__pms_label="PMS2001",
        stores__0__store_id="S2001",
    )

    assert "program Lumina Club" not in done.created
    assert set(MallGroup.objects.get().malls.values_list("tag", flat=True)) == {
        "lumina-plaza",
        "lumina-garden",
    }


def test_names_can_be_changed() -> None:
    register()

    done = register(
        group__name_en="Lumina Group", mall__name_zh="朗曜大廣場", program__name_en="Lumina Circle"
    )

    assert done.updated == ["group 20230316", "mall lumina-plaza", "program Lumina Circle"]


def test_a_document_can_be_read_from_a_file_as_written_by_the_simulator() -> None:
    text = json.dumps(document(alipayhk__path_prefix="", alipayhk__agent_token=""))

    done = registration.register(json.loads(text), now=MOMENT)

    assert done.mall_tag == "lumina-plaza"
