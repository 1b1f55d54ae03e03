"""Forms of staff: secrets go in and never come out, gateways and keys are checked, two savers are told apart."""

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.db.models import Model
from django.test import Client
from django.urls import reverse

from alipayhk import sealed, signature
from alipayhk.models import CredentialKey
from pms.models import Store
from tests import screens, walls
from tests.factories import (
    MOMENT,
    CardTemplateFactory,
    CredentialFactory,
    CredentialKeyFactory,
    StoreFactory,
    key_pair,
)
from tests.screens import page_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def root() -> Client:
    return screens.seen_all()


def _key_form(credential: Any, **fields: str) -> dict[str, str]:
    kept = {
        field: str(getattr(credential, field))
        for field in ("client_id", "merchant_id", "app_id", "environment", "gateway_url", "encryption")
    }
    counts = {
        f"{part}-{word}": "0"
        for part in ("keys", "card_template", "collection")
        for word in ("TOTAL_FORMS", "INITIAL_FORMS")
    }
    return {**kept, "client_ids": "[]", "path_prefix": "", **counts, **fields}


def _seen(root: Client, row: Model) -> str:
    page = root.get(page_of(row)).content.decode()
    return page.split('name="seen" value="')[1].split('"')[0]


def test_a_private_key_goes_in_sealed_and_never_comes_out(root: Client) -> None:
    credential = CredentialFactory.create()
    pair = key_pair("admin form")
    text = signature.private_pem(pair)
    fields = {
        "seen": _seen(root, credential), "keys-TOTAL_FORMS": "1", "keys-0-side": "OURS", "keys-0-version": "1",
        "keys-0-state": "ACTIVE", "keys-0-key": text,
    }  # fmt: skip

    saved = root.post(page_of(credential), _key_form(credential, **fields))

    key = CredentialKey.objects.get(credential=credential)
    page = root.get(page_of(credential)).content.decode() + root.get(page_of(key)).content.decode()
    assert saved.status_code == 302
    assert signature.private_pem(signature.read_private_key(sealed.unseal(key.sealed_private_key))) == text
    assert key.fingerprint in page
    assert [
        secret for secret in ("PRIVATE KEY", key.sealed_private_key, text.splitlines()[3]) if secret in page
    ] == []


@pytest.mark.parametrize("text", ["rubbish", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"])
def test_an_unreadable_key_is_refused_and_nothing_kept(root: Client, text: str) -> None:
    credential = CredentialFactory.create()
    fields = {
        "seen": _seen(root, credential), "keys-TOTAL_FORMS": "1", "keys-0-side": "ALIPAYHK", "keys-0-version": "1",
        "keys-0-state": "ACTIVE", "keys-0-key": text,
    }  # fmt: skip

    answer = root.post(page_of(credential), _key_form(credential, **fields))

    assert answer.status_code == 200
    assert b"not an RSA key" in answer.content
    assert not CredentialKey.objects.exists()


def test_a_gateway_off_the_list_is_refused(root: Client) -> None:
    credential = CredentialFactory.create()
    fields = {"seen": _seen(root, credential), "gateway_url": "https://evil.example"}

    answer = root.post(page_of(credential), _key_form(credential, **fields))

    credential.refresh_from_db()
    assert answer.status_code == 200
    assert b"ALIPAYHK_GATEWAY_HOSTS" in answer.content
    assert credential.gateway_url == "http://127.0.0.1:9000"


def test_an_agent_token_is_written_and_not_shown(root: Client) -> None:
    credential = CredentialFactory.create()
    fields = {"seen": _seen(root, credential), "agent_token": "TOKEN-4711"}

    saved = root.post(page_of(credential), _key_form(credential, **fields))

    credential.refresh_from_db()
    assert saved.status_code == 302
    assert sealed.unseal(credential.sealed_agent_token) == "TOKEN-4711"
    assert b"TOKEN-4711" not in root.get(page_of(credential)).content


def test_a_key_is_revoked_once_and_noted(root: Client) -> None:
    key = CredentialKeyFactory.create()

    root.post(page_of(key, "deed", "revoke"))
    again = root.post(page_of(key, "deed", "revoke"))

    key.refresh_from_db()
    assert key.state == CredentialKey.State.REVOKED
    assert key.revoked_at is not None
    assert again.status_code == 403
    assert LogEntry.objects.filter(object_id=str(key.pk)).count() == 1


def test_the_second_of_two_who_save_one_row_is_told(root: Client) -> None:
    """B171, on the rows that are edited by form."""
    store = StoreFactory.create(name_en="First")
    form = {
        "seen": _seen(root, store), "pms_label": store.pms_label, "name_zh": store.name_zh, "state": "ACTIVE",
        "code": store.code, "category": "", "partner_id": store.partner_id, "merchant_id": store.merchant_id,
        "store_id": store.store_id,
    }  # fmt: skip

    first = root.post(page_of(store), {**form, "name_en": "Second"})
    second = root.post(page_of(store), {**form, "name_en": "Third"})

    assert first.status_code == 302
    assert second.status_code == 200
    assert b"Somebody else saved this" in second.content
    assert b'value="Third"' in second.content
    assert Store.objects.get(pk=store.pk).name_en == "Second"


def test_a_new_store_belongs_to_the_group_of_its_mall(root: Client) -> None:
    mall = walls.mall_with("M")
    form = {"mall": mall.pk, "pms_label": "PMS77", "name_en": "New", "name_zh": "新", "state": "ACTIVE"}

    saved = root.post(reverse("admin:pms_store_add"), form)

    assert saved.status_code == 302
    assert Store.objects.get(pms_label="PMS77").group == mall.group


def test_a_second_store_with_the_same_label_is_refused_in_words(root: Client) -> None:
    store = StoreFactory.create()
    form = {
        "mall": store.mall_id,
        "pms_label": store.pms_label,
        "name_en": "New",
        "name_zh": "新",
        "state": "ACTIVE",
    }

    answer = root.post(reverse("admin:pms_store_add"), form)

    assert answer.status_code == 200
    assert b"Another store of this group has this PMS label." in answer.content
    assert Store.objects.count() == 1


@pytest.mark.parametrize("field", ["client_id", "client_ids"])
def test_a_client_id_of_another_program_is_refused(root: Client, field: str) -> None:
    other, credential = CredentialFactory.create(), CredentialFactory.create()
    taken = other.client_id if field == "client_id" else f'["{other.client_id}"]'
    fields = {"seen": _seen(root, credential), field: taken}

    answer = root.post(page_of(credential), _key_form(credential, **fields))

    before = (credential.client_id, credential.client_ids)
    credential.refresh_from_db()
    assert b"used by a mall of another program" in answer.content
    assert (credential.client_id, credential.client_ids) == before


def test_a_paused_template_goes_on_once_it_is_changed(root: Client) -> None:
    template = CardTemplateFactory.create(paused_at=MOMENT, pause_code="PASS_TYPE_NOT_MATCH")
    credential = template.credential
    part = {
        "TOTAL_FORMS": "1", "INITIAL_FORMS": "1", "0-id": str(template.pk), "0-credential": str(credential.pk),
        "0-code": "22023041200135606000000000999999", "0-type": "COUPON", "0-product": "GIFT_CARD", "0-shape": "NESTED",
        "0-placeholders": '{"$points$": "balance"}', "0-update_detail_type": "UPDATE_DATA_INFO", "0-valid_days": "3650",
    }  # fmt: skip
    fields = {f"card_template-{name}": text for name, text in part.items()}

    saved = root.post(page_of(credential), _key_form(credential, seen=_seen(root, credential), **fields))

    template.refresh_from_db()
    assert saved.status_code == 302
    assert template.code.endswith("999999")
    assert (template.paused_at, template.pause_code) == (None, "")
