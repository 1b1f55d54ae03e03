"""B061–B079: genuine messages whose body is not what it should be, and those that only look odd."""

import gzip
import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from alipayhk.models import Credential, Notification
from loyalty.earning.models import Transaction
from tests.alipayhk import changes, wallet
from tests.alipayhk.wallet import PARAM_ILLEGAL, SUCCESS, Wallet

pytestmark = pytest.mark.django_db
KINDS = ["BILL", "REFUND", "CARD"]
Fields = dict[str, Any]


@pytest.fixture
def mall() -> Wallet:
    return wallet.lumina()


def assert_rejected(
    mall: Wallet, kind: str, body: bytes, *, within: float = 3.0, **headers: str
) -> Notification:
    """Answered signed, kept raw with a reason, and nothing else touched."""
    with changes.only(changes.NOTIFICATION):
        answer = mall.send(kind, body, **headers)

    assert answer.verdict == PARAM_ILLEGAL
    assert answer.seconds < within
    kept = changes.latest()
    assert (kept.state, kept.answer, kept.waits_for) == ("REJECTED", "PARAM_ILLEGAL", "")
    assert kept.reason
    assert kept.detail
    assert bytes(kept.raw_body) == body
    return kept


@pytest.mark.parametrize("kind", KINDS)
def test_b061_an_empty_body_is_rejected(mall: Wallet, kind: str) -> None:
    kept = assert_rejected(mall, kind, b"")

    assert kept.detail == "the body is empty"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [1, 10_000], ids=["honest", "bomb"])
def test_b062_a_compressed_body_is_not_inflated(mall: Wallet, kind: str, size: int) -> None:
    body = gzip.compress(wallet.encoded(mall.genuine(kind)) + b" " * 1000 * size, mtime=0)

    kept = assert_rejected(mall, kind, body, Content_Encoding="gzip")

    assert kept.detail == "the body is compressed"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "media_type",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "text/json",
        "json",
    ],
)
def test_b063_only_json_is_a_media_type_here(mall: Wallet, kind: str, media_type: str) -> None:
    body = wallet.encoded(mall.genuine(kind))

    kept = assert_rejected(mall, kind, body, Content_Type=media_type)

    assert kept.detail == "the Content-Type is not application/json"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("content_type", ["", "application/json", "Application/JSON ; Charset=utf-8"])
def test_b064_without_a_charset_the_body_is_utf_8(mall: Wallet, kind: str, content_type: str) -> None:
    body = json.dumps(mall.genuine(kind) | {"name": "陳大文"}, ensure_ascii=False).encode()

    with changes.only(*changes.DONE[kind]):
        answer = mall.send(kind, body, Content_Type=content_type)

    assert answer.verdict == SUCCESS


@pytest.mark.parametrize("charset", ["GBK", "gb2312", "GB18030", "Big5", '"utf-8"'])
def test_b065_a_declared_charset_is_read(mall: Wallet, charset: str) -> None:
    bill = mall.genuine("BILL") | {"merchantName": "海港"}
    body = json.dumps(bill, ensure_ascii=False).encode(charset.strip('"'))

    with changes.only(*changes.DONE["BILL"]):
        answer = mall.send("BILL", body, Content_Type=f"application/json; charset={charset}")

    assert answer.verdict == SUCCESS
    assert Transaction.objects.get().merchant_name == "海港"


DISAGREEING = {
    "GBK bytes, UTF-8 declared": ("GBK", "utf-8"),
    "UTF-8 bytes, GBK declared": ("utf-8", "GBK"),
    "UTF-8 bytes, Big5 declared": ("utf-8", "Big5"),
    "charset unknown": ("utf-8", "klingon"),
    "utf-7": ("utf-7", "utf-7"),
    "utf-16": ("utf-16", "utf-16"),
    "two charsets": ("utf-8", "utf-8; charset=gbk"),
}


@pytest.mark.parametrize(("codec", "declared"), DISAGREEING.values(), ids=DISAGREEING.keys())
def test_b066_bytes_that_are_not_in_the_declared_charset_are_rejected(
    mall: Wallet, codec: str, declared: str
) -> None:
    bill = mall.genuine("BILL") | {"merchantName": "海港麵家"}
    body = json.dumps(bill, ensure_ascii=False).encode(codec, errors="ignore")

    kept = assert_rejected(mall, "BILL", body, Content_Type=f"application/json; charset={declared}")

    assert kept.detail.isascii()


@pytest.mark.parametrize("kind", KINDS)
def test_b067_a_byte_order_mark_is_passed_over(mall: Wallet, kind: str) -> None:
    body = b"\xef\xbb\xbf" + wallet.encoded(mall.genuine(kind))

    with changes.only(*changes.DONE[kind]):
        answer = mall.send(kind, body)

    assert answer.verdict == SUCCESS


@pytest.mark.parametrize("kind", KINDS)
def test_b068_encrypt_without_a_symmetric_key_means_plain(mall: Wallet, kind: str) -> None:
    fields = mall.genuine(kind)

    with changes.only(*changes.DONE[kind]):
        answer = mall.send(kind, fields, Encrypt="algorithm=rsa, keyVersion=2")

    assert answer.verdict == SUCCESS


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("encryption", ["OFF", "OUT"])
def test_b069_an_encrypted_message_is_rejected_while_encryption_is_off(
    mall: Wallet, kind: str, encryption: str
) -> None:
    Credential.objects.filter(pk=mall.credential.pk).update(encryption=encryption)
    body = wallet.encoded(mall.genuine(kind))

    kept = assert_rejected(
        mall,
        kind,
        body,
        Encrypt="algorithm=RSA_AES,keyVersion=1,symmetricKey=bqS8HSmdaRrpKSuPy7CqUlyd8lJurG93",
    )

    assert kept.reason == "ENCRYPTION_OFF"


NOT_ONE_OBJECT = {
    "B071 not JSON": b"hello",
    "B071 half": b'{"userId": "21601234567890", "bill',
    "B071 more behind it": b'{"userId": "21601234567890"} {"more": 1}',
    "B071 array": b"[1, 2]",
    "B071 text": b'"text"',
    "B071 number": b"12",
    "B071 null": b"null",
    "B071 true": b"true",
    "B072 one name twice": b'{"billNo": "1", "billNo": "2"}',
    "B072 one name twice, escaped": b'{"billNo": "1", "bill\\u004eo": "2"}',
    "B072 nested": b'{"orderAmount": {"currency": "HKD", "value": 1, "value": 2}}',
    "B073 NaN": b'{"value": NaN}',
    "B073 Infinity": b'{"value": -Infinity}',
    "B073 1e400": b'{"value": 1e400}',
    "B073 5,000 digits": b'{"value": ' + b"9" * 5000 + b"}",
    "B073 60,000 nested arrays": b'{"value": ' + b"[" * 60_000,
    "B073 30,000 nested objects": b'{"a":' * 10_000,
    "B074 NUL": b'{"userId": "2160\\u0000"}',
    "B074 raw NUL": b'{"userId": "2160\x00"}',
    "B074 lone surrogate": b'{"userId": "2160\\ud800"}',
    "B074 surrogate in a name": b'{"\\udfff": "2160"}',
    "B074 invalid UTF-8": b'{"userId": "2160\xff"}',
    "B074 overlong UTF-8": b'{"userId": "2160\xc0\xaf"}',
    "B074 surrogate in UTF-8": b'{"userId": "2160\xed\xa0\x80"}',
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("body", NOT_ONE_OBJECT.values(), ids=NOT_ONE_OBJECT.keys())
def test_a_body_that_is_not_one_clean_object_is_rejected_at_once(
    mall: Wallet, kind: str, body: bytes
) -> None:
    begun = time.thread_time()

    kept = assert_rejected(mall, kind, body)

    # Nearly all of it goes into the comparison of all tables; a reader that can be slowed down takes seconds.
    assert time.thread_time() - begun < 0.5
    assert kept.reason == "MALFORMED"


def test_a_rejected_message_is_kept_once_however_often_it_comes(mall: Wallet) -> None:
    assert mall.send("BILL", b"hello").verdict == PARAM_ILLEGAL

    with changes.only(changes.NOTIFICATION):
        answer = mall.send("BILL", b"hello")

    assert answer.verdict == PARAM_ILLEGAL
    assert (Notification.objects.count(), changes.latest().repeats) == (1, 1)


MANDATORY = {
    "BILL": ["userId", "billNo", "orderAmount", "payTime", "pointsProvider"],
    "REFUND": ["userId", "relateBillNo", "refundAmount", "refundTime", "pointsProvider"],
    "CARD": ["userId"],
}
MUSTS = [(kind, name) for kind, names in MANDATORY.items() for name in names]
Flaw = Callable[[Fields, str], Fields]
FLAWS: dict[str, Flaw] = {
    "B075 missing": lambda fields, name: {key: fields[key] for key in fields if key != name},
    "B075 null": lambda fields, name: fields | {name: None},
    "B075 empty": lambda fields, name: fields | {name: ""},
    "B075 other case": lambda fields, name: renamed(fields, name, name.upper()),
    "B075 blank in its name": lambda fields, name: renamed(fields, name, f"{name} "),
    "B076 bool": lambda fields, name: fields | {name: True},
    "B076 array": lambda fields, name: fields | {name: [fields[name]]},
    "B076 object": lambda fields, name: fields | {name: {"value": fields[name]}},
}


def renamed(fields: Fields, name: str, other: str) -> Fields:
    return {other if key == name else key: value for key, value in fields.items()}


@pytest.mark.parametrize(("kind", "name"), MUSTS)
@pytest.mark.parametrize("flaw", FLAWS.values(), ids=FLAWS.keys())
def test_a_mandatory_field_that_is_not_there_is_named_in_the_reason(
    mall: Wallet, kind: str, name: str, flaw: Flaw
) -> None:
    kept = assert_rejected(mall, kind, wallet.encoded(flaw(mall.genuine(kind), name)))

    assert kept.detail.startswith(name)


@pytest.mark.parametrize(("kind", "name"), [must for must in MUSTS if "Amount" not in must[1]])
@pytest.mark.parametrize("value", [1, 2023042122001432271433274247, 1.5], ids=["1", "28 digits", "1.5"])
def test_b076_b098_a_text_sent_as_a_number_may_have_lost_digits(
    mall: Wallet, kind: str, name: str, value: float
) -> None:
    kept = assert_rejected(mall, kind, wallet.encoded(mall.genuine(kind) | {name: value}))

    assert kept.detail == f"{name}: not a text"


@pytest.mark.parametrize("kind", KINDS)
def test_b077_fields_we_do_not_know_are_kept_raw_and_change_nothing(mall: Wallet, kind: str) -> None:
    more = {
        "points": 1_000_000,
        "mallId": 1,
        "memberId": 1,
        "is_staff": True,
        "version": 99,
        "state": "EARNED",
        "deep": {"a": [{"b": None}]},
    }
    fields = mall.genuine(kind) | more

    with changes.only(*changes.DONE[kind]):
        answer = mall.send(kind, fields)

    assert answer.verdict == SUCCESS
    assert wallet.decoded(bytes(changes.latest().raw_body)) == fields
    assert kind == "CARD" or changes.balance() == (138 if kind == "BILL" else 0)


OPTIONAL = {
    "BILL": ["cnBillNo", "merchantId", "merchantName", "outBillNo"],
    "REFUND": ["merchantId", "merchantName", "pmsLabel", "cnRelateBillNo", "refundOutBillNo"],
    "CARD": ["mobileNo", "userEmail", "createCardChannel", "name"],
}


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind in KINDS for name in OPTIONAL[kind]])
@pytest.mark.parametrize("value", [None, "", ...], ids=["null", "empty", "absent"])
def test_b078_an_optional_field_may_say_nothing(mall: Wallet, kind: str, name: str, value: Any) -> None:
    fields = mall.genuine(kind) | {name: value}
    if value is ...:
        del fields[name]

    with changes.only(*changes.DONE[kind]):
        answer = mall.send(kind, fields)

    assert answer.verdict == SUCCESS


TOO_LONG = [
    ("BILL", "billNo", "9" * 60_000),
    ("BILL", "userId", "2" * 129),
    ("BILL", "cnBillNo", "9" * 129),
    ("BILL", "outBillNo", "9" * 129),
    ("BILL", "merchantId", "9" * 129),
    ("BILL", "merchantName", "x" * 257),
    ("BILL", "pmsLabel", "P" * 129),
    ("BILL", "pointsProvider", "A" * 129),
    ("BILL", "payTime", "2" * 129),
    ("REFUND", "relateBillNo", "9" * 129),
    ("REFUND", "cnRelateBillNo", "9" * 129),
    ("REFUND", "refundOutBillNo", "9" * 129),
    ("REFUND", "refundTime", "2" * 129),
    ("CARD", "userId", "2" * 129),
    ("CARD", "userEmail", "x" * 300 + "@example.com"),
    ("CARD", "mobileNo", "9" * 257),
    ("CARD", "createCardChannel", "x" * 129),
]


@pytest.mark.parametrize(("kind", "name", "value"), TOO_LONG, ids=[f"{row[0]}-{row[1]}" for row in TOO_LONG])
def test_b079_a_text_longer_than_its_rule_is_rejected(mall: Wallet, kind: str, name: str, value: str) -> None:
    kept = assert_rejected(mall, kind, wallet.encoded(mall.genuine(kind) | {name: value}))

    assert kept.detail.startswith(f"{name}: longer than")


def test_texts_as_long_as_their_rules_are_judged(mall: Wallet) -> None:
    mall.joined(user_id="2" * 128)
    bill = mall.bill(
        userId="2" * 128,
        billNo="9" * 128,
        cnBillNo="8" * 128,
        outBillNo="7" * 128,
        merchantId="6" * 128,
        merchantName="x" * 256,
    )
    refund = mall.refund(bill, refundOutBillNo="5" * 128, cnRelateBillNo="8" * 128, pmsLabel="P" * 128)

    answers = [mall.send("BILL", bill), mall.send("REFUND", refund)]

    assert [answer.verdict for answer in answers] == [SUCCESS, SUCCESS]
    assert set(Notification.objects.values_list("state", flat=True)) == {"PROCESSED"}


def test_the_longest_labels_can_wait_for_their_store(mall: Wallet) -> None:
    mall.joined()

    answer = mall.send("BILL", mall.bill(pmsLabel="P" * 128))

    assert answer.verdict == SUCCESS
    assert changes.latest().reason == "PARKED_UNKNOWN_STORE"
