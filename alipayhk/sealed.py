"""Keeps the wire's secrets unreadable in the database, by the Fernet keys of LOYALTY_KEYS, newest first."""

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings


class SealBroken(Exception):
    """None of the LOYALTY_KEYS opens this secret: the key that sealed it is missing."""


def seal(text: str) -> str:
    """Encrypt with the newest key; a second call gives another text."""
    return _keys().encrypt(text.encode()).decode()


def unseal(sealed: str) -> str:
    """Decrypt with whichever key sealed it."""
    try:
        return _keys().decrypt(sealed.encode()).decode()
    except InvalidToken as error:
        raise SealBroken(SealBroken.__doc__) from error


def _keys() -> MultiFernet:
    return MultiFernet([Fernet(key) for key in settings.LOYALTY_KEYS])
