"""Keys are parsed once per process and row."""

import pytest

from alipayhk import keyring, signature
from alipayhk.models import CredentialKey
from tests import factories

pytestmark = pytest.mark.django_db


def test_our_key_is_unsealed_and_read_once() -> None:
    pair = factories.key_pair("OURS 1")
    row = factories.CredentialKeyFactory.create(ours=True, pair=pair)

    first, again = keyring.private_key(row.pk), keyring.private_key(row.pk)

    assert first is again
    assert signature.private_pem(first) == signature.private_pem(pair)
    assert signature.private_pem(pair) not in row.sealed_private_key


def test_alipayhks_key_is_read_once() -> None:
    pair = factories.key_pair("ALIPAYHK 1")
    row = factories.CredentialKeyFactory.create(pair=pair)

    first, again = keyring.public_key(row.pk), keyring.public_key(row.pk)

    assert first is again
    assert signature.public_fingerprint(first) == row.fingerprint


def test_a_key_that_is_not_there_is_an_error_and_not_remembered() -> None:
    with pytest.raises(CredentialKey.DoesNotExist):
        keyring.public_key(999_999)
    row = factories.CredentialKeyFactory.create(pk=999_999)

    assert signature.public_fingerprint(keyring.public_key(999_999)) == row.fingerprint
