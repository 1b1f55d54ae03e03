"""The life of an uploaded file: kept in pieces in the database, worked on by one worker at a time, and over.

The same file is kept once, however often it is sent. A file whose worker died is taken up by another one, but not for
ever. What the work is, each kind's own module says.
"""

import hashlib
import logging
import tempfile
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import IO, Any, Generic, TypeVar

from django.db import IntegrityError, OperationalError, connection
from django.db.models import F, Model, QuerySet
from django.db.transaction import atomic

from pms import table_files
from pms.models import Mall, User
from pms.table_files import FileRefused

log = logging.getLogger(__name__)

PIECE = 1024 * 1024
MOST_TAKE_UPS = 3
# Only then worth a look; whether its worker is dead, the file's lock tells.
LOST_AFTER = timedelta(seconds=5)
# As every kind calls them.
REFUSED = "REFUSED"
FAILED = "FAILED"

Kept = TypeVar("Kept", bound=Model)


class NotOurs(Exception):
    """Somebody else has the file, or it is over."""


@dataclass(frozen=True, kw_only=True)
class Kind(Generic[Kept]):
    """One kind of uploaded files.

    `owner` is what its pieces, and the `rows` that go when a file fails, call the file. A worker is at it in a `moving`
    state; one in a `gone` state may be sent anew. After a `passing` error, such as that the database is away, it stays
    as it is and is taken up again.
    """

    model: type[Kept]
    pieces: type[Model]
    rows: type[Model] | None = None
    owner: str
    moving: Collection[str]
    gone: Collection[str]
    passing: tuple[type[Exception], ...] = (OperationalError,)
    # Of advisory locks: the first half of a file's.
    lock: int

    def accept(
        self, *, mall: Mall, file: IO[bytes], name: str, by: User | None, now: datetime, **own: object
    ) -> tuple[Kept, bool]:
        """The file as it is kept, and whether it is a new one; `own` are fields of this kind alone."""
        digest, size = _measured(file)
        if size > table_files.LARGEST:
            raise FileRefused("TOO_LARGE")
        if not size:
            raise FileRefused("EMPTY")
        known = self._known(mall, digest)
        if known:
            return known, False
        values = {"file_name": shown(name), "asked_by": by, "asked_at": now, "moved_at": now, **own}
        try:
            return self._keep(file, mall=mall, digest=digest, **values), True
        except IntegrityError:
            # The same file was sent a moment earlier.
            known = self._known(mall, digest)
            if known is None:
                raise
            return known, False

    @contextmanager
    def taken(self, file_id: int, state: str) -> Iterator[Kept | None]:
        """The file, if it is in this state, for one worker at a time; else None."""
        with _locked(self.lock, file_id) as is_ours:
            found = self._rows(pk=file_id, state=state).select_related("mall__group")
            yield found.first() if is_ours else None

    @contextmanager
    def taken_up(self, file_id: int, state: str, clock: Callable[[], datetime]) -> Iterator[Kept | None]:
        """The same, counted; a file that was the end of a few workers fails instead of being given to the next."""
        with self.taken(file_id, state) as file:
            yield file if file and self._is_worth_a_try(file, now=clock()) else None

    @contextmanager
    def guarded(self, file: Kept, clock: Callable[[], datetime]) -> Iterator[None]:
        """A refused file is an answer, one that is not ours needs none, and anything else is an engineer's."""
        try:
            yield
        except NotOurs:
            return
        except FileRefused as refused:
            detail = refused.detail[:255]
            self._end(file, REFUSED, now=clock(), refusal=refused.code, refusal_detail=detail)
        except self.passing:
            raise
        except Exception:
            log.exception("%s %d failed", called(file), file.pk)
            self._end(file, FAILED, now=clock())

    def lost(self, *, now: datetime) -> list[tuple[int, str]]:
        """Those whose worker died, or that no worker was told of, with their states."""
        found = self._rows(state__in=self.moving, moved_at__lt=now - LOST_AFTER)
        return list(found.values_list("pk", "state"))

    def pieces_of(self, file: Kept) -> QuerySet[Any]:
        return self.pieces._default_manager.filter(**{self.owner: file})

    def _rows(self, **chosen: object) -> QuerySet[Any]:
        return self.model._default_manager.filter(**chosen)

    def _known(self, mall: Mall, digest: str) -> Kept | None:
        return self._rows(mall=mall, digest=digest).exclude(state__in=self.gone).first()

    @atomic
    def _keep(self, file: IO[bytes], **values: object) -> Kept:
        kept = self.model._default_manager.create(**values)
        for number, piece in _pieces(file):
            self.pieces._default_manager.create(**{self.owner: kept}, number=number, content=piece)
        return kept

    def _is_worth_a_try(self, file: Any, *, now: datetime) -> bool:
        """Counted before the work, for the dead."""
        if file.attempt_count >= MOST_TAKE_UPS:
            log.error("%s %d failed: taken up %d times", called(file), file.pk, file.attempt_count)
            self._end(file, FAILED, now=now)
            return False
        self._rows(pk=file.pk).update(attempt_count=F("attempt_count") + 1)
        file.attempt_count += 1
        return True

    def _end(self, file: Kept, state: str, *, now: datetime, **values: object) -> None:
        moving = self._rows(pk=file.pk, state__in=self.moving)
        if not moving.update(state=state, ended_at=now, moved_at=now, **values):
            return
        self.pieces_of(file).delete()
        if self.rows:
            self.rows._default_manager.filter(**{self.owner: file}).delete()


def called(file: Model) -> str:
    """What logs call this kind of file, in English whoever reads its page."""
    return file._meta.verbose_name_raw


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


def _measured(file: IO[bytes]) -> tuple[str, int]:
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


def _pieces(file: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    number = 0
    while piece := file.read(PIECE):
        yield number, piece
        number += 1


@contextmanager
def _locked(kind: int, file_id: int) -> Iterator[bool]:
    """Whether the file is this worker's now; PostgreSQL gives it free at once when a worker dies."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", [kind, file_id])
        if not cursor.fetchone()[0]:
            yield False
            return
        try:
            yield True
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [kind, file_id])
