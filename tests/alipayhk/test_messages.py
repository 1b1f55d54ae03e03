"""From raw bytes to a notice: keys, hashes, encryption, and refusals that say what is wrong."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from alipayhk import encryption, messages
from alipayhk.messages import Message, Unreadable
from alipayhk.models import Credential
from tests import factories
from tests.alipayhk import changes, wallet
from tests.alipayhk.samples import SAMPLES
from tests.alipayhk.wallet import OURS, PARAM_ILLEGAL, SUCCESS

NOW = datetime(2024, 5, 6, 4, 0, tzinfo=UTC)
FILES = {"BILL": "bill_notify", "REFUND": "refund_notify", "CARD": "membercard_create"}


def message(kind: str, **changed: Any) -> Message:
    fields = json.loads((SAMPLES / f"{FILES[kind]}.json").read_bytes()) | changed
    return Message(
        kind=kind,
        group_id=1,
        mall_id=1,
        credential_id=1,
        encryption="OFF",
        target=b"/x",
        body=json.dumps(fields).encode(),
        headers={"Content-Type": "application/json"},
    )


def test_a_payment_is_known_by_its_number_whatever_its_case() -> None:
    one = messages.read(message("BILL", billNo="abc-1"), now=NOW)
    other = messages.read(message("BILL", billNo="ABC-1"), now=NOW)

    assert one.key == other.key == "ABC-1"
    assert one.content_hash == other.content_hash


def test_a_refund_is_known_by_its_payment_and_its_own_number() -> None:
    assert messages.read(message("REFUND", refundOutBillNo="r1"), now=NOW).key == (
        "2023042122001432271433274247:R1"
    )


def test_a_refund_without_a_number_is_known_by_time_currency_and_amount() -> None:
    key = messages.read(message("REFUND", refundOutBillNo=""), now=NOW).key

    assert key == "2023042122001432271433274247::2024-05-06T02:49:51+00:00:HKD:1800"


def test_b153_a_card_request_with_other_details_is_another_message() -> None:
    one = messages.read(message("CARD", mobileNo="98765432"), now=NOW)
    same = messages.read(message("CARD", mobileNo="+852 9876 5432"), now=NOW)
    other = messages.read(message("CARD", mobileNo="61234567"), now=NOW)

    assert one.key == same.key != other.key
    assert one.key.startswith("2160120037098191:")


@pytest.mark.parametrize("kind", FILES)
def test_what_is_wrong_is_said_by_code_and_field(kind: str) -> None:
    with pytest.raises(Unreadable, match="userId: null") as refused:
        messages.read(message(kind, userId=None), now=NOW)

    assert refused.value.code == "MALFORMED"


@pytest.mark.django_db
def test_a_stored_notification_reads_as_it_came() -> None:
    mall = wallet.lumina()
    mall.joined()
    mall.send("BILL", mall.bill())
    kept = changes.latest()

    reading = messages.read(messages.of(kept), now=kept.received_at)

    assert (reading.key, reading.content_hash) == (kept.key, kept.content_hash)


@pytest.mark.django_db
@pytest.mark.parametrize("setting", [Credential.Encryption.IN, Credential.Encryption.BOTH])
def test_an_encrypted_payment_is_read_where_encryption_is_on(setting: str) -> None:
    mall = wallet.lumina()
    mall.joined()
    Credential.objects.filter(pk=mall.credential.pk).update(encryption=setting)
    sealed = encryption.encrypt(wallet.encoded(mall.bill()), key=OURS.public_key(), key_version=1)

    answer = mall.send("BILL", sealed.body, Encrypt=sealed.header, Content_Type="text/plain")

    assert answer.verdict == SUCCESS
    assert changes.balance() == 138


@pytest.mark.django_db
def test_what_none_of_our_keys_decrypts_is_rejected() -> None:
    mall = wallet.lumina()
    Credential.objects.filter(pk=mall.credential.pk).update(encryption="BOTH")
    stranger = factories.key_pair("OURS 9")
    sealed = encryption.encrypt(wallet.encoded(mall.bill()), key=stranger.public_key(), key_version=1)

    answer = mall.send("BILL", sealed.body, Encrypt=sealed.header)

    assert answer.verdict == PARAM_ILLEGAL
    assert changes.latest().reason == "MALFORMED"
