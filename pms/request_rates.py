"""Counts requests by the minute in Valkey, for all web processes together.

Valkey may be erased or away: then nobody is counted, and the log says so; the ledger needs no rate to be right.
"""

import logging
from datetime import datetime
from functools import cache

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

log = logging.getLogger(__name__)


@cache
def _valkey() -> "redis.Redis":
    return redis.Redis.from_url(
        settings.REDIS_URL,
        socket_timeout=0.2,
        socket_connect_timeout=0.2,
        retry=Retry(NoBackoff(), 0),
    )


def is_spent(what: str, who: str, *, limit: int, now: datetime) -> bool:
    """Counts this request, and says whether `who` has had more than `limit` in this minute; 0 means no limit."""
    if not limit:
        return False
    database = settings.DATABASES["default"]["NAME"]
    name = f"{what}-rate:{database}:{who}:{int(now.timestamp()) // 60}"
    try:
        with _valkey().pipeline() as commands:
            commands.incr(name)
            commands.expire(name, 120)
            count, _life = commands.execute()
    except redis.RedisError as error:
        log.warning("%s requests are not counted: %s", what, error)
        return False
    return int(count) > limit
