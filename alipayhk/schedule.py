"""When a call whose outcome nobody knows is made again: AlipayHK's own table of waits (wire §8.2)."""

import random

from django.conf import settings

MOST_JITTER_SECONDS = 0.2


def is_last(attempts: int) -> bool:
    """Whether the call after `attempts` earlier ones was the last that is made."""
    return attempts + 1 >= len(settings.ALIPAYHK_RETRY_DELAYS)


def delay_after(attempts: int) -> float:
    """Seconds from the call after `attempts` earlier ones to the next."""
    delay: float = settings.ALIPAYHK_RETRY_DELAYS[attempts + 1]
    return delay + _jitter(delay)


def _jitter(delay: float) -> float:
    """Upwards only, and little: AlipayHK's own table of waits is followed to the second."""
    return random.random() * min(MOST_JITTER_SECONDS, delay / 20)  # noqa: S311 - no secret
