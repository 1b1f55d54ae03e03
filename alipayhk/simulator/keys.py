"""The key pairs that a simulator makes once in its home and keeps: its own three and the mall's test pair.

Nothing here is a secret of a real mall; the files are still readable by their owner alone.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key

from alipayhk import signature

OLD_VERSION, CURRENT_VERSION, NEXT_VERSION = 1, 2, 3


@dataclass(frozen=True)
class KeyRing:
    """AlipayHK's keys: `old` is revoked, `current` signs, `next` is announced; `merchant` is the mall's."""

    old: RSAPrivateKey
    current: RSAPrivateKey
    next: RSAPrivateKey
    merchant: RSAPrivateKey

    def public_keys(self) -> list[dict[str, object]]:
        """As `register_mall` reads them, the key that signs first."""
        return [
            {"version": CURRENT_VERSION, "key": _public(self.current), "state": "ACTIVE"},
            {"version": NEXT_VERSION, "key": _public(self.next), "state": "ACTIVE"},
            {"version": OLD_VERSION, "key": _public(self.old), "state": "REVOKED"},
        ]

    def opening(self) -> list[RSAPrivateKey]:
        """The private keys that open what malls encrypt for AlipayHK."""
        return [self.current, self.next]

    def signing(self, name: str) -> tuple[RSAPrivateKey, int]:
        """The private key called old, current or next, with its version."""
        return {
            "old": (self.old, OLD_VERSION),
            "current": (self.current, CURRENT_VERSION),
            "next": (self.next, NEXT_VERSION),
        }[name]


def open_ring(home: Path) -> KeyRing:
    """The keys of this home; missing ones are made and written, readable by the owner alone."""
    folder = home / "keys"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return KeyRing(**{name: _open(folder / f"{name}.pem") for name in ("old", "current", "next", "merchant")})


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    draft = path.with_name(path.name + ".new")
    with os.fdopen(
        os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8"
    ) as file:
        file.write(text)
    draft.replace(path)


def _open(path: Path) -> RSAPrivateKey:
    if not path.exists():
        key = generate_private_key(public_exponent=65537, key_size=2048)
        write_private(path, signature.private_pem(key))
    return signature.read_private_key(path.read_text(encoding="utf-8"))


def _public(key: RSAPrivateKey) -> str:
    return signature.public_base64(key.public_key())
