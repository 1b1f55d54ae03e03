"""While the request window is on, one signature serves once; kept for as long as the window could let it in again."""

import hashlib
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection

from alipayhk.models import SeenSignature

KEEP = """
INSERT INTO alipayhk_seensignature (digest, seen_at) VALUES (%s, %s) ON CONFLICT (digest) DO NOTHING RETURNING id
"""


def is_first_use(signature: bytes, *, now: datetime) -> bool:
    """`signature` is the decoded one: its spellings in the header are endless."""
    with connection.cursor() as cursor:
        cursor.execute(KEEP, [hashlib.sha256(signature).digest(), now])
        return cursor.fetchone() is not None


def forget(*, now: datetime) -> int:
    """Drop what lies outside the window by any clock it could have been signed on; returns how many."""
    window = timedelta(seconds=settings.ALIPAYHK_REQUEST_WINDOW)
    return SeenSignature.objects.filter(seen_at__lt=now - 2 * window).delete()[0]
