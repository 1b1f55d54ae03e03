"""Uploaded files on their way to a worker: measured, kept in pieces in the database, and worked on by one at a time."""

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

from django.db import connection
from django.db.models import QuerySet

from pms import table_files

PIECE = 1024 * 1024


def measured(file: IO[bytes]) -> tuple[str, int]:
    """Digest and size; what is too large is read no further."""
    digest, size = hashlib.sha256(), 0
    file.seek(0)
    while piece := file.read(PIECE):
        digest.update(piece)
        size += len(piece)
        if size > table_files.LARGEST:
            break
    file.seek(0)
    return digest.hexdigest(), size


def pieces(file: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    number = 0
    while piece := file.read(PIECE):
        yield number, piece
        number += 1


def shown(name: str) -> str:
    """A file's name is only ever shown; control and direction marks are left out."""
    return "".join(letter for letter in name if letter.isprintable())[-255:] or "-"


@contextmanager
def content(kept: QuerySet[Any]) -> Iterator[IO[bytes]]:
    """The file, on this machine's disk for as long as it is read."""
    with tempfile.TemporaryFile() as file:
        for pk in kept.order_by("number").values_list("pk", flat=True):
            file.write(kept.model._default_manager.values_list("content", flat=True).get(pk=pk))
        file.seek(0)
        yield file


@contextmanager
def taken(kind: int, job_id: int) -> Iterator[bool]:
    """Whether the job is this worker's now; PostgreSQL gives it free at once when a worker dies."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", [kind, job_id])
        if not cursor.fetchone()[0]:
            yield False
            return
        try:
            yield True
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [kind, job_id])
