"""RSA key objects by row, parsed once per process: parsing costs 50 ms, using one 0.06 to 1 ms.

A key's material never changes, so its row number is all the cache needs; which keys may be used is asked each time.
"""

from functools import lru_cache

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

from alipayhk import sealed, signature
from alipayhk.models import CredentialKey


@lru_cache(maxsize=1024)
def public_key(key_id: int) -> RSAPublicKey:
    return signature.read_public_key(
        CredentialKey.objects.values_list("public_key", flat=True).get(pk=key_id)
    )


@lru_cache(maxsize=1024)
def private_key(key_id: int) -> RSAPrivateKey:
    text = CredentialKey.objects.values_list("sealed_private_key", flat=True).get(pk=key_id)
    return signature.read_private_key(sealed.unseal(text))
