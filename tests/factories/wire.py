"""Rows of the wire: credentials and keys, templates, the inbox, card updates and calls."""

import hashlib
from datetime import timedelta
from functools import cache

import factory
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from factory.django import DjangoModelFactory

from alipayhk import sealed, signature
from alipayhk.models import (
    CardTemplate,
    Circuit,
    Credential,
    CredentialKey,
    MappingJob,
    MiniAppSession,
    Notification,
    PassCall,
    PassUpdate,
    SeenSignature,
    UploadBatch,
    WalletToken,
)
from tests.factories.moment import MOMENT
from tests.factories.people import PassFactory
from tests.factories.places import MallFactory, StoreMappingFactory


@cache
def key_pair(name: str) -> RSAPrivateKey:
    """An RSA-2048 pair, made once per run and name."""
    return generate_private_key(public_exponent=65537, key_size=2048)


class CredentialFactory(DjangoModelFactory[Credential]):
    class Meta:
        model = Credential

    mall = factory.SubFactory(MallFactory)
    client_id = factory.Sequence(lambda n: f"{2110200000000044 + n}")
    client_ids = factory.LazyFunction(list)
    merchant_id = factory.Sequence(lambda n: f"{2160120041113167 + n}")
    app_id = "2102020132609344"
    gateway_url = "http://127.0.0.1:9000"


class CredentialKeyFactory(DjangoModelFactory[CredentialKey]):
    """AlipayHK's key; with `ours=True` one of ours, the private half sealed. `pair` is the whole key."""

    class Meta:
        model = CredentialKey
        exclude = ("pair",)

    class Params:
        ours = factory.Trait(
            side=CredentialKey.Side.OURS,
            sealed_private_key=factory.LazyAttribute(
                lambda row: sealed.seal(signature.private_pem(row.pair))
            ),
        )

    credential = factory.SubFactory(CredentialFactory)
    side = CredentialKey.Side.ALIPAYHK
    version = 1
    pair = factory.LazyAttribute(lambda row: key_pair(f"{row.side} {row.version}"))
    public_key = factory.LazyAttribute(lambda row: signature.public_base64(row.pair.public_key()))
    fingerprint = factory.LazyAttribute(lambda row: signature.public_fingerprint(row.pair.public_key()))
    added_at = MOMENT - timedelta(days=60)


class CardTemplateFactory(DjangoModelFactory[CardTemplate]):
    class Meta:
        model = CardTemplate

    credential = factory.SubFactory(CredentialFactory)
    code = factory.Sequence(lambda n: f"22023041200135606000000000{n:06d}")
    shape = CardTemplate.Shape.NESTED
    placeholders = factory.LazyFunction(lambda: {"$points$": "balance", "$name$": "member_name"})


class NotificationFactory(DjangoModelFactory[Notification]):
    class Meta:
        model = Notification

    class Params:
        parked = factory.Trait(
            state=Notification.State.PARKED,
            reason="PARKED_NO_PASS",
            waits_for=factory.LazyAttribute(lambda row: f"USER:{row.user_id}"),
            judged_at=None,
        )

    mall = factory.SubFactory(MallFactory)
    group = factory.SelfAttribute("mall.group")
    credential = factory.SubFactory(CredentialFactory, mall=factory.SelfAttribute("..mall"))
    kind = Notification.Kind.BILL
    key = factory.Sequence(lambda n: f"20230420{n:020d}")
    content_hash = factory.LazyAttribute(lambda row: hashlib.sha256(row.raw_body).hexdigest())
    state = Notification.State.PROCESSED
    answer = Notification.Answer.SUCCESS
    raw_target = factory.LazyAttribute(lambda row: f"/{row.mall.tag}/points/bill/notify".encode())
    raw_body = factory.LazyAttribute(lambda row: b'{"billNo": "%b"}' % row.key.encode())
    headers = factory.LazyFunction(lambda: {"Client-Id": "2110200000000044"})
    user_id = factory.Sequence(lambda n: f"{2160120037000000 + n}")
    received_at = MOMENT
    judged_at = factory.SelfAttribute("received_at")


class PassUpdateFactory(DjangoModelFactory[PassUpdate]):
    class Meta:
        model = PassUpdate

    wallet_pass = factory.SubFactory(PassFactory, active=True)


class PassCallFactory(DjangoModelFactory[PassCall]):
    class Meta:
        model = PassCall

    update = factory.SubFactory(PassUpdateFactory)
    api = "updatePass"
    attempt = 1
    version = 1
    points = 138
    called_at = MOMENT
    duration_ms = 120
    outcome = PassCall.Outcome.DONE
    http_status = 200
    code = "SUCCESS"
    request_body = "{}"


class CircuitFactory(DjangoModelFactory[Circuit]):
    class Meta:
        model = Circuit

    credential = factory.SubFactory(CredentialFactory)


class SeenSignatureFactory(DjangoModelFactory[SeenSignature]):
    class Meta:
        model = SeenSignature

    digest = factory.Sequence(lambda n: hashlib.sha256(f"{n}".encode()).digest())
    seen_at = MOMENT


class UploadBatchFactory(DjangoModelFactory[UploadBatch]):
    class Meta:
        model = UploadBatch

    wallet_pass = factory.SubFactory(PassFactory)
    mall = factory.SelfAttribute("wallet_pass.mall")
    number = factory.Sequence(lambda n: f"2023032800090060001000000{n:06}")
    state = UploadBatch.State.DONE
    raw_answer = b"{}"
    fetched_at = MOMENT


class WalletTokenFactory(DjangoModelFactory[WalletToken]):
    class Meta:
        model = WalletToken

    wallet_pass = factory.SubFactory(PassFactory)
    credential = factory.SubFactory(CredentialFactory, mall=factory.SelfAttribute("..wallet_pass.mall"))
    sealed_access_token = factory.LazyFunction(lambda: sealed.seal("an access token"))
    sealed_refresh_token = factory.LazyFunction(lambda: sealed.seal("a refresh token"))
    has_bill_scope = True
    obtained_at = MOMENT


class MappingJobFactory(DjangoModelFactory[MappingJob]):
    class Meta:
        model = MappingJob

    mapping = factory.SubFactory(StoreMappingFactory)
    store = factory.SelfAttribute("mapping.store")
    group = factory.SelfAttribute("mapping.group")
    mall = factory.SelfAttribute("mapping.store.mall")
    label = factory.SelfAttribute("mapping.label")
    kind = MappingJob.Kind.MAP
    asked_at = MOMENT
    moved_at = MOMENT


class MiniAppSessionFactory(DjangoModelFactory[MiniAppSession]):
    class Meta:
        model = MiniAppSession

    wallet_pass = factory.SubFactory(PassFactory)
    credential = factory.SubFactory(CredentialFactory, mall=factory.SelfAttribute("..wallet_pass.mall"))
    token_hash = factory.Sequence(lambda n: hashlib.sha256(f"session {n}".encode()).hexdigest())
    began_at = MOMENT
    expires_at = MOMENT + timedelta(hours=1)
