"""Raw messages as staff may read them: pretty-printed plain text, personal contacts masked, signatures left out."""

import json
import re
from collections.abc import Mapping
from typing import Any

from pms import formats

LONGEST_SHOWN = 64 * 1024
SECRET_HEADERS = frozenset({"signature", "agent-token", "authorization", "cookie", "encrypt"})
_CONTACT = re.compile(
    r'("[^"]*(?:mobile|phone|mail)[^"]*"\s*:\s*)("(?:[^"\\]|\\.)*"|[0-9+][^,}\s]*)', re.IGNORECASE
)


def body(raw: bytes | str) -> str:
    """Indented when it is JSON, as it came otherwise; unreadable bytes are spelled out."""
    text = (
        raw if isinstance(raw, str) else bytes(raw[:LONGEST_SHOWN]).decode("utf-8", errors="backslashreplace")
    )
    return _CONTACT.sub(_masked, _indented(text[:LONGEST_SHOWN]))


def headers(kept: Mapping[str, Any]) -> str:
    return "\n".join(f"{name}: {_shown(name, str(value))}" for name, value in sorted(kept.items()))


def _indented(text: str) -> str:
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return text


def _masked(found: re.Match[str]) -> str:
    name, value = found.groups()
    contact = value.strip('"')
    shown = formats.masked_email(contact) if "@" in contact else formats.masked_phone(contact)
    return f'{name}"{shown}"'


def _shown(name: str, value: str) -> str:
    if name.lower() == "signature":
        return re.sub(r"(signature=).*", r"\1•••", value, flags=re.IGNORECASE | re.DOTALL)
    return "•••" if name.lower() in SECRET_HEADERS else value
