"""What the database refuses of credentials, keys, the inbox and the cards' progress, whoever asks."""

from typing import Any
from uuid import uuid4

import pytest
from django.db import DatabaseError, connection
from django.db.transaction import atomic

from alipayhk.models import Notification
from tests.constraints import Make, refused_by
from tests.factories import (
    MOMENT,
    CardTemplateFactory,
    CircuitFactory,
    CredentialFactory,
    CredentialKeyFactory,
    MappingJobFactory,
    NotificationFactory,
    PassCallFactory,
    PassUpdateFactory,
    StoreMappingFactory,
    UploadBatchFactory,
    WalletTokenFactory,
)

pytestmark = pytest.mark.django_db


def same_client() -> object:
    credential = CredentialFactory.create()
    return CredentialFactory.create(mall=credential.mall, client_id=credential.client_id)


def same_version() -> object:
    key = CredentialKeyFactory.create()
    return CredentialKeyFactory.create(credential=key.credential)


def same_key_twice(**fields: Any) -> object:
    first = NotificationFactory.create(**fields)
    return NotificationFactory.create(
        mall=first.mall, credential=first.credential, key=first.key, raw_body=first.raw_body, **fields
    )


def same_batch() -> object:
    batch = UploadBatchFactory.create()
    return UploadBatchFactory.create(wallet_pass=batch.wallet_pass, number=batch.number)


def same_token() -> object:
    token = WalletTokenFactory.create()
    return WalletTokenFactory.create(wallet_pass=token.wallet_pass, credential=token.credential)


def ended(**fields: Any) -> object:
    """A token that ended as it should, but for `fields`."""
    words = {"ended_at": MOMENT, "ended_reason": "X", "sealed_access_token": "", "sealed_refresh_token": ""}
    return WalletTokenFactory.create(**{"state": "ENDED"} | words | fields)


def same_mapping() -> object:
    return MappingJobFactory.create(mapping=MappingJobFactory.create().mapping)


def unmapped_at_once() -> object:
    first = MappingJobFactory.create(kind="UNMAP", reason="x", mapping__ended_at=MOMENT)
    other = StoreMappingFactory.create(store=first.store, label=first.label)
    return MappingJobFactory.create(kind="UNMAP", reason="x", mapping=other)


@pytest.mark.parametrize(
    ("constraint", "make"),
    [
        ("alipayhk_mappingjob_once_each_way", same_mapping),
        ("alipayhk_mappingjob_unmapped_once_at_a_time", unmapped_at_once),
        ("alipayhk_mappingjob_ended_when_done", lambda: MappingJobFactory.create(state="DONE")),
        ("alipayhk_mappingjob_ended_when_done", lambda: MappingJobFactory.create(ended_at=MOMENT)),
        ("alipayhk_mappingjob_unmapped_for_a_reason", lambda: MappingJobFactory.create(kind="UNMAP")),
        ("alipayhk_mappingjob_unmapped_for_a_reason", lambda: MappingJobFactory.create(reason="x")),
        ("alipayhk_credential_one_per_client", same_client),
        ("alipayhk_credential_prefix_is_a_path", lambda: CredentialFactory.create(path_prefix="merchant")),
        ("alipayhk_credential_prefix_is_a_path", lambda: CredentialFactory.create(path_prefix="/a?b")),
        ("alipayhk_credentialkey_one_per_version", same_version),
        ("alipayhk_credentialkey_private_half_is_ours", lambda: CredentialKeyFactory.create(side="OURS")),
        (
            "alipayhk_credentialkey_private_half_is_ours",
            lambda: CredentialKeyFactory.create(sealed_private_key="x"),
        ),
        ("alipayhk_credentialkey_revoked_has_a_time", lambda: CredentialKeyFactory.create(state="REVOKED")),
        ("alipayhk_credentialkey_revoked_has_a_time", lambda: CredentialKeyFactory.create(revoked_at=MOMENT)),
        ("alipayhk_cardtemplate_pause_has_a_reason", lambda: CardTemplateFactory.create(paused_at=MOMENT)),
        ("alipayhk_cardtemplate_pause_has_a_reason", lambda: CardTemplateFactory.create(pause_code="X")),
        ("alipayhk_notification_one_first_per_key", same_key_twice),
        (
            "alipayhk_notification_one_conflict_per_content",
            lambda: same_key_twice(is_first=False, state="CONFLICT"),
        ),
        ("alipayhk_notification_judged_has_a_time", lambda: NotificationFactory.create(judged_at=None)),
        (
            "alipayhk_notification_parked_has_a_reason",
            lambda: NotificationFactory.create(parked=True, reason=""),
        ),
        (
            "alipayhk_passupdate_acknowledged_within_wanted",
            lambda: PassUpdateFactory.create(wanted_version=1, acknowledged_version=2),
        ),
        ("alipayhk_passupdate_lease_has_an_end", lambda: PassUpdateFactory.create(lease=uuid4())),
        ("alipayhk_passupdate_lease_has_an_end", lambda: PassUpdateFactory.create(leased_until_at=MOMENT)),
        ("alipayhk_uploadbatch_once_per_card", same_batch),
        ("alipayhk_uploadbatch_state_is_known", lambda: UploadBatchFactory.create(state="LOST")),
        ("alipayhk_uploadbatch_seen_by_somebody", lambda: UploadBatchFactory.create(state="SEEN")),
        ("alipayhk_wallettoken_one_per_card_and_client", same_token),
        ("alipayhk_wallettoken_ended_keeps_no_token", lambda: ended(sealed_refresh_token="x")),
        ("alipayhk_wallettoken_ended_keeps_no_token", lambda: ended(ended_reason="")),
        ("alipayhk_wallettoken_ended_keeps_no_token", lambda: ended(state="ACTIVE")),
        ("alipayhk_circuit_open_is_probed", lambda: CircuitFactory.create(opened_at=MOMENT, probe_at=None)),
    ],
)
def test_the_database_refuses(constraint: str, make: Make) -> None:
    assert refused_by(make) == constraint


@pytest.mark.parametrize(
    "change",
    [
        {"raw_body": b"{}"},
        {"raw_target": b"/other/points/bill/notify"},
        {"headers": {}},
        {"key": "OTHER"},
        {"content_hash": "0" * 64},
        {"kind": "REFUND"},
        {"is_first": False},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_a_notification_says_is_kept(change: dict[str, Any]) -> None:
    notice = NotificationFactory.create()

    with pytest.raises(DatabaseError, match="keeps its message"), atomic():
        Notification.objects.filter(pk=notice.pk).update(**change)


def test_what_became_of_a_notification_may_change() -> None:
    notice = NotificationFactory.create(parked=True)

    changed = Notification.objects.filter(pk=notice.pk).update(
        state="PROCESSED", reason="", waits_for="", judged_at=MOMENT, repeats=1
    )

    assert changed == 1


@pytest.mark.parametrize("change", ["UPDATE {} SET code = ''", "DELETE FROM {}"])
def test_a_call_is_kept_as_it_went(change: str) -> None:
    PassCallFactory.create()

    with pytest.raises(DatabaseError), atomic(), connection.cursor() as cursor:
        cursor.execute(change.format("alipayhk_passcall"))
