"""One repeatable-read, read-only view of the database for reports whose parts must agree with each other."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection
from django.db.transaction import atomic


@contextmanager
def one_snapshot() -> Iterator[None]:
    """All queries inside see the same moment, and none may write. Must be the outermost block."""
    with atomic(durable=True):
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield
