"""Secrets at rest: unreadable without the keys of the environment, and readable across a change of them."""

import pytest
from cryptography.fernet import Fernet
from pytest_django import Settings

from alipayhk import sealed
from alipayhk.sealed import SealBroken

OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()


def test_what_was_sealed_is_read_again_and_shows_nothing() -> None:
    kept = sealed.seal("a private key")

    assert "private" not in kept
    assert sealed.unseal(kept) == "a private key"


def test_a_new_key_in_front_still_reads_what_the_old_one_sealed(settings: Settings) -> None:
    settings.LOYALTY_KEYS = [OLD]
    kept = sealed.seal("a private key")

    settings.LOYALTY_KEYS = [NEW, OLD]

    assert sealed.unseal(kept) == "a private key"


def test_without_its_key_a_secret_stays_shut(settings: Settings) -> None:
    settings.LOYALTY_KEYS = [OLD]
    kept = sealed.seal("a private key")

    settings.LOYALTY_KEYS = [NEW]

    with pytest.raises(SealBroken):
        sealed.unseal(kept)
