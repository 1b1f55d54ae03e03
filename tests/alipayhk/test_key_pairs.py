"""Our own key pairs: made here, prepared until AlipayHK holds the public half, then put to use."""

import pytest

from alipayhk import key_pairs, sealed, signature
from alipayhk.key_pairs import NotUsable
from alipayhk.models import CredentialKey
from tests.factories import MOMENT, CredentialFactory, CredentialKeyFactory

pytestmark = pytest.mark.django_db


def test_the_first_pair_is_in_use_at_once() -> None:
    credential = CredentialFactory.create()

    key = key_pairs.make(credential=credential, now=MOMENT)

    private = signature.read_private_key(sealed.unseal(key.sealed_private_key))
    assert (key.version, key.state) == (1, "ACTIVE")
    assert private.key_size == 2048
    assert signature.public_base64(private.public_key()) == key.public_key
    assert signature.public_fingerprint(private.public_key()) == key.fingerprint


def test_a_further_pair_waits_until_alipayhk_holds_it() -> None:
    first = CredentialKeyFactory.create(ours=True)

    key = key_pairs.make(credential=first.credential, now=MOMENT)

    first.refresh_from_db()
    assert (key.version, key.state) == (2, "PREPARED")
    assert first.state == "ACTIVE"


def test_a_pair_put_to_use_retires_the_others() -> None:
    first = CredentialKeyFactory.create(ours=True)
    theirs = CredentialKeyFactory.create(credential=first.credential)
    key = key_pairs.make(credential=first.credential, now=MOMENT)

    key_pairs.use(credential=first.credential, version=2)

    states = dict(CredentialKey.objects.values_list("pk", "state"))
    assert states == {first.pk: "RETIRING", theirs.pk: "ACTIVE", key.pk: "ACTIVE"}


@pytest.mark.parametrize("version", [1, 7])
def test_a_revoked_or_unknown_pair_cannot_be_used(version: int) -> None:
    revoked = CredentialKeyFactory.create(ours=True, state="REVOKED", revoked_at=MOMENT)

    with pytest.raises(NotUsable):
        key_pairs.use(credential=revoked.credential, version=version)

    revoked.refresh_from_db()
    assert revoked.state == "REVOKED"
