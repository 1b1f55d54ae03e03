"""Documents that cannot be registered: the path is named, and nothing at all is written (B211, B212, B214-B216)."""

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from pytest_django import Settings

from alipayhk import environments, registration, signature
from alipayhk.registration_document import Faulty
from tests.alipayhk.documents import REMOVED, document, private_text, public_text
from tests.alipayhk.test_registration import everything
from tests.factories import MOMENT

pytestmark = pytest.mark.django_db

SMALL_KEY = signature.private_pem(generate_private_key(public_exponent=65537, key_size=1024))

FAULTS: list[tuple[str, dict[str, Any]]] = [
    # missing
    ("group", {"group": REMOVED}),
    ("group.label", {"group__label": REMOVED}),
    ("group.name_en", {"group__name_en": REMOVED}),
    ("mall.tag", {"mall__tag": REMOVED}),
    ("program", {"program": REMOVED}),
    ("alipayhk.client_id", {"alipayhk__client_id": REMOVED}),
    ("alipayhk.merchant_id", {"alipayhk__merchant_id": REMOVED}),
    ("alipayhk.gateway_url", {"alipayhk__gateway_url": REMOVED}),
    ("alipayhk.private_key", {"alipayhk__private_key": REMOVED}),
    ("alipayhk.public_keys", {"alipayhk__public_keys": REMOVED}),
    ("alipayhk.public_keys", {"alipayhk__public_keys": []}),
    ("alipayhk.public_keys[0].key", {"alipayhk__public_keys__0__key": REMOVED}),
    ("alipayhk.public_keys[0].version", {"alipayhk__public_keys__0__version": REMOVED}),
    ("alipayhk.card_template.shape", {"alipayhk__card_template__shape": REMOVED}),
    ("stores[0].pms_label", {"stores__0__pms_label": REMOVED}),
    ("stores[0].name_zh", {"stores__0__name_zh": REMOVED}),
    # unknown
    ("malls", {"malls": []}),
    ("mall.city", {"mall__city": "Hong Kong"}),
    ("program.points_per_usd", {"program__points_per_usd": "1"}),
    ("alipayhk.secret", {"alipayhk__secret": "x"}),
    ("stores[0].floor", {"stores__0__floor": 2}),
    # wrong
    ("mall.tag", {"mall__tag": "/lumina"}),
    ("mall.tag", {"mall__tag": "lumina plaza"}),
    ("mall.tag", {"mall__tag": "lumina//plaza"}),
    ("mall.tag", {"mall__tag": None}),
    ("mall.name_en", {"mall__name_en": ""}),
    ("mall.name_en", {"mall__name_en": "two\nlines"}),
    ("mall.name_en", {"mall__name_en": 5}),
    ("group.name_zh", {"group__name_zh": "x" * 129}),
    ("program.points_per_hkd", {"program__points_per_hkd": 1}),
    ("program.points_per_hkd", {"program__points_per_hkd": "0"}),
    ("program.points_per_hkd", {"program__points_per_hkd": "-1"}),
    ("program.points_per_hkd", {"program__points_per_hkd": "1e3"}),
    ("program.points_per_hkd", {"program__points_per_hkd": "1000001"}),
    ("program.points_per_hkd", {"program__points_per_hkd": "1000000000"}),
    ("program.points_per_hkd", {"program__points_per_hkd": "0.1234567"}),
    ("program.points_per_hkd", {"program__points_per_hkd": "999999.999999"}),
    ("program.points_per_hkd", {"program__points_per_hkd": "１"}),
    ("program.rounding", {"program__rounding": "CEILING"}),
    ("program.min_spend_cents", {"program__min_spend_cents": -1}),
    ("program.min_spend_cents", {"program__min_spend_cents": "100"}),
    ("program.max_spend_cents", {"program__max_spend_cents": 0}),
    ("program.min_spend_on_net", {"program__min_spend_on_net": 1}),
    ("program.joining_grace_days", {"program__joining_grace_days": True}),
    ("program.negative_balance", {"program__negative_balance": "NEVER"}),
    ("alipayhk.merchant_id", {"alipayhk__merchant_id": "2088120041113167"}),
    ("alipayhk.client_id", {"alipayhk__client_id": "two words"}),
    ("alipayhk.client_ids", {"alipayhk__client_ids": "2110200000000044"}),
    ("alipayhk.path_prefix", {"alipayhk__path_prefix": "merchant/api"}),
    ("alipayhk.path_prefix", {"alipayhk__path_prefix": "/merchant?x=1"}),
    ("alipayhk.encryption", {"alipayhk__encryption": "AES"}),
    ("alipayhk.environment", {"alipayhk__environment": "TEST"}),
    ("alipayhk.private_key", {"alipayhk__private_key": "rubbish"}),
    ("alipayhk.private_key", {"alipayhk__private_key": SMALL_KEY}),
    ("alipayhk.private_key", {"alipayhk__private_key": public_text()}),
    ("alipayhk.private_key_version", {"alipayhk__private_key_version": 0}),
    ("alipayhk.public_keys[0].key", {"alipayhk__public_keys__0__key": "rubbish"}),
    ("alipayhk.public_keys[0].key", {"alipayhk__public_keys__0__key": public_text("ours")}),
    ("alipayhk.public_keys[0].state", {"alipayhk__public_keys__0__state": "PREPARED"}),
    ("alipayhk.public_keys", {"alipayhk__public_keys": None}),
    ("alipayhk.card_template.shape", {"alipayhk__card_template__shape": "ROUND"}),
    ("alipayhk.card_template.placeholders", {"alipayhk__card_template__placeholders": {"$x$": "age"}}),
    ("alipayhk.card_template.valid_days", {"alipayhk__card_template__valid_days": 0}),
    ("alipayhk.collection.first_page", {"alipayhk__collection": {"first_page": 2}}),
    ("alipayhk.collection.page_size", {"alipayhk__collection": {"page_size": 501}}),
    ("alipayhk.collection.field_paths", {"alipayhk__collection": {"field_paths": {"shop": "name"}}}),
    ("alipayhk.collection.field_paths", {"alipayhk__collection": {"field_paths": "name"}}),
    ("stores", {"stores": {}}),
    ("stores[0]", {"stores__0": "PMS0001"}),
    ("stores[0].excluded", {"stores__0__excluded": "no"}),
    ("stores[1].pms_label", {"stores": [{"pms_label": "A", "name_en": "A", "name_zh": "A"}] * 2}),
]
GATEWAYS = (
    *("https://127.0.0.2", "http://169.254.169.254/latest", "file:///etc/passwd", "ftp://127.0.0.1"),
    *("http://open.alipay.hk", "https://evil.example", "https://127.0.0.1@evil.example", "127.0.0.1:9000"),
    *("http://127.0.0.1:9000/?x=1", "http://127.0.0.1:99999", "http://127.0.0.1\\@evil.example", ""),
)


@pytest.mark.parametrize(
    ("path", "changes"), FAULTS, ids=lambda value: value if isinstance(value, str) else ""
)
def test_b216_a_faulty_document_names_the_path_and_writes_nothing(path: str, changes: dict[str, Any]) -> None:
    with pytest.raises(Faulty) as caught:
        registration.register(document(**changes), now=MOMENT)

    assert caught.value.path == path
    assert caught.value.sentence.endswith(".")
    assert everything() == "[]" * 10


@pytest.mark.parametrize("url", GATEWAYS)
def test_b211_a_gateway_that_must_not_be_called_is_refused(url: str) -> None:
    with pytest.raises(Faulty) as caught:
        registration.register(document(alipayhk__gateway_url=url), now=MOMENT)

    assert caught.value.path == "alipayhk.gateway_url"
    assert everything() == "[]" * 10


def test_a_document_that_is_no_object_is_refused() -> None:
    with pytest.raises(Faulty) as caught:
        registration.register([], now=MOMENT)

    assert caught.value.path == "document"


@pytest.mark.parametrize(
    ("path", "changes"),
    [
        pytest.param("mall.tag", {"group__label": "other"}, id="tag of another group's mall"),
        pytest.param("mall.tag", {"mall__label": "20230316002"}, id="tag of another mall"),
        pytest.param("mall.label", {"mall__tag": "lumina-garden"}, id="label of another mall"),
        pytest.param(
            "alipayhk.client_id",
            {"group__label": "other", "mall__tag": "other", "stores": []},
            id="client of another program",
        ),
        pytest.param(
            "alipayhk.client_ids",
            {
                "group__label": "other",
                "mall__tag": "other",
                "alipayhk__client_id": "2110200000000045",
                "alipayhk__client_ids": ["2110200000000044"],
            },
            id="further client of another program",
        ),
        pytest.param("alipayhk.private_key", {"alipayhk__private_key": "new"}, id="our key overwritten"),
        pytest.param(
            "alipayhk.public_keys[0].key",
            {"alipayhk__public_keys__0__key": "new"},
            id="their key overwritten",
        ),
        pytest.param(
            "stores[0].pms_label",
            {"mall__tag": "lumina-garden", "mall__label": "", "alipayhk": REMOVED},
            id="store of another mall",
        ),
        pytest.param("stores[0]", {"stores__0__pms_label": "PMS0002"}, id="triple of another store"),
    ],
)
def test_b215_what_belongs_to_something_else_is_refused(path: str, changes: dict[str, Any]) -> None:
    registration.register(document(), now=MOMENT)
    before = everything()
    texts = {
        "alipayhk.private_key": private_text("other"),
        "alipayhk.public_keys[0].key": public_text("other"),
    }
    changes = {key: texts[path] if value == "new" else value for key, value in changes.items()}

    with pytest.raises(Faulty) as caught:
        registration.register(document(**changes), now=MOMENT)

    assert caught.value.path == path
    assert everything() == before


def test_b214_our_own_public_key_is_not_taken_for_alipayhks_by_a_later_document() -> None:
    registration.register(document(), now=MOMENT)
    before = everything()
    keys = [{"version": 2, "key": public_text("ours")}]

    with pytest.raises(Faulty, match="our own public key"):
        registration.register(document(alipayhk__public_keys=keys), now=MOMENT)

    assert everything() == before


def test_a_private_key_whose_public_half_is_alipayhks_is_refused() -> None:
    registration.register(document(), now=MOMENT)

    with pytest.raises(Faulty, match="kept as AlipayHK's"):
        registration.register(
            document(alipayhk__private_key=private_text("theirs"), alipayhk__private_key_version=2),
            now=MOMENT,
        )


@pytest.mark.parametrize("is_production", [True, False])
def test_b214_the_published_dev_key_is_refused_for_production(
    settings: Settings, is_production: bool
) -> None:
    settings.IS_PRODUCTION = is_production
    settings.ALIPAYHK_GATEWAY_HOSTS = ["open.alipay.hk"]
    changes = {
        "alipayhk__environment": "CUSTOM" if is_production else "PROD",
        "alipayhk__gateway_url": "https://open.alipay.hk",
        "alipayhk__public_keys__0__key": environments.DEV_PUBLIC_KEY,
    }

    with pytest.raises(Faulty, match="published DEV key"):
        registration.register(document(**changes), now=MOMENT)

    assert everything() == "[]" * 10


def test_the_dev_preset_is_refused_while_its_host_may_not_be_called() -> None:
    with pytest.raises(Faulty, match="ALIPAYHK_GATEWAY_HOSTS"):
        registration.register(
            document(alipayhk__environment="DEV", alipayhk__gateway_url=REMOVED), now=MOMENT
        )


def test_production_refuses_a_gateway_on_this_machine(settings: Settings) -> None:
    settings.IS_PRODUCTION = True
    settings.ALIPAYHK_GATEWAY_HOSTS = ["localhost"]

    with pytest.raises(Faulty, match="must not be this machine"):
        registration.register(document(alipayhk__gateway_url="https://localhost"), now=MOMENT)
