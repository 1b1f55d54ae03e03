"""Who calls: the peer's address, or the one our own proxy tells."""

from django.conf import settings
from django.http import HttpRequest


def address(request: HttpRequest) -> str:
    """The header is believed only where one is configured, since anybody can send it."""
    header = settings.ALIPAYHK_CLIENT_ADDRESS_HEADER
    proxied = request.headers.get(header, "") if header else ""
    return str(proxied or request.META.get("REMOTE_ADDR", ""))
