"""Our own key pairs: kept sealed, made here if wanted, and put to use once AlipayHK holds the public half."""

from datetime import datetime

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from django.db.models import Max, QuerySet
from django.db.transaction import atomic

from alipayhk import sealed, signature
from alipayhk.models import Credential, CredentialKey

KEY_BITS = 2048
ACTIVE, PREPARED = CredentialKey.State.ACTIVE, CredentialKey.State.PREPARED


class NotUsable(Exception):
    """There is no such key of ours, or it was revoked."""


def ours(credential: Credential) -> QuerySet[CredentialKey]:
    return CredentialKey.objects.filter(credential=credential, side=CredentialKey.Side.OURS)


def add(
    *, credential: Credential, key: RSAPrivateKey, version: int, state: str, now: datetime
) -> CredentialKey:
    """Keep a pair under a version that is free, its private half sealed."""
    public = key.public_key()
    return CredentialKey.objects.create(
        credential=credential,
        side=CredentialKey.Side.OURS,
        version=version,
        state=state,
        public_key=signature.public_base64(public),
        sealed_private_key=sealed.seal(signature.private_pem(key)),
        fingerprint=signature.public_fingerprint(public),
        added_at=now,
    )


@atomic
def make(*, credential: Credential, now: datetime) -> CredentialKey:
    """Make the next pair. It signs nothing before `use`, unless there is no other that could."""
    Credential.objects.select_for_update(no_key=True).get(pk=credential.pk)
    highest = ours(credential).aggregate(highest=Max("version"))["highest"] or 0
    return add(
        credential=credential,
        key=generate_private_key(public_exponent=65537, key_size=KEY_BITS),
        version=highest + 1,
        state=PREPARED if ours(credential).filter(state=ACTIVE).exists() else ACTIVE,
        now=now,
    )


@atomic
def use(*, credential: Credential, version: int) -> CredentialKey:
    """From now on sign with this pair; those that signed so far retire."""
    Credential.objects.select_for_update(no_key=True).get(pk=credential.pk)
    key = ours(credential).exclude(state=CredentialKey.State.REVOKED).filter(version=version).first()
    if key is None:
        raise NotUsable(NotUsable.__doc__)
    others = ours(credential).filter(state=ACTIVE).exclude(pk=key.pk)
    others.update(state=CredentialKey.State.RETIRING)
    key.state = ACTIVE
    key.save(update_fields=["state"])
    return key
