"""What a member's points were at any instant, and how they moved over a period. Reads only.

Spendable points and points on hold are counted apart. Each move is explained by the layer that knows its cause
(`@explains("EARN")`); a move nobody explains is told by its kind.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from django.db import connection
from django.utils.translation import override

from loyalty.ledger.models import PointAccount, PointEntry, Posting

LANGUAGES = ("en", "zh-hant")


class Words(NamedTuple):
    """One explanation in both languages."""

    english: str
    chinese: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Move:
    """One posting as a member's account saw it: spendable points, points on hold, or both."""

    posting_id: int
    kind: str
    source: str
    posted_at: datetime
    points: int
    held: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Balance:
    """Spendable points, and those on hold."""

    points: int
    held: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """A move, why, and what the balances were after it."""

    move: Move
    words: Words
    after: Balance


@dataclass(frozen=True, kw_only=True, slots=True)
class Statement:
    """A period `since` ≤ moves < `until`; opening and all moves make the closing balance."""

    account: PointAccount
    since: datetime
    until: datetime
    opening: Balance
    lines: Sequence[Line]
    closing: Balance


# By posting id, for the moves of one kind. `mall_ids` are the malls whose purchases the reader may know; None: all.
Explainer = Callable[[Sequence[Move], "frozenset[int] | None"], Mapping[int, Words]]
_explainers: dict[str, Explainer] = {}

SUMS = """
SELECT coalesce(sum(entry.points) FILTER (WHERE entry.account_id = %(account_id)s), 0)::bigint,
       coalesce(sum(entry.points) FILTER (WHERE entry.account_id <> %(account_id)s), 0)::bigint
FROM ledger_pointentry entry JOIN ledger_posting posting ON posting.id = entry.posting_id
WHERE entry.account_id = ANY(%(account_ids)s::bigint[]) AND (
    posting.posted_at < %(at)s OR (%(is_inclusive)s AND posting.posted_at = %(at)s))
"""


def explains(*kinds: str) -> Callable[[Explainer], Explainer]:
    """Register who can say why postings of these kinds were made."""

    def register(found: Explainer) -> Explainer:
        _explainers.update(dict.fromkeys(kinds, found))
        return found

    return register


def balance_at(account: PointAccount, at: datetime) -> Balance:
    """All that was posted up to and with this instant."""
    return _sum(account, at, is_inclusive=True)


def of(
    account: PointAccount, *, since: datetime, until: datetime, mall_ids: frozenset[int] | None = None
) -> Statement:
    opening = _sum(account, since, is_inclusive=False)
    moves = _moves(account, since, until)
    lines = _lines(opening, moves, _explained(moves, mall_ids))
    return Statement(
        account=account,
        since=since,
        until=until,
        opening=opening,
        lines=lines,
        closing=lines[-1].after if lines else opening,
    )


def account_ids(account: PointAccount) -> list[int]:
    """The member's account, and that of the points on hold for it."""
    return [account.pk, *PointAccount.objects.filter(spendable=account).values_list("pk", flat=True)]


def moves_of(entries: Iterable[PointEntry], account: PointAccount) -> list[Move]:
    """Entries of one posting become one move, in the order in which the postings are first met."""
    by_posting: dict[int, list[PointEntry]] = {}
    for entry in entries:
        by_posting.setdefault(entry.posting_id, []).append(entry)
    return [_move(own, account) for own in by_posting.values()]


def _move(entries: Sequence[PointEntry], account: PointAccount) -> Move:
    posting = entries[0].posting
    return Move(
        posting_id=posting.pk,
        kind=posting.kind,
        source=posting.source,
        posted_at=posting.posted_at,
        points=sum(entry.points for entry in entries if entry.account_id == account.pk),
        held=sum(entry.points for entry in entries if entry.account_id != account.pk),
    )


def kind_words(kind: str) -> Words:
    return Words(*(_in_language(kind, language) for language in LANGUAGES))


def _in_language(kind: str, language: str) -> str:
    with override(language):
        return str(Posting.Kind(kind).label).capitalize()


def _sum(account: PointAccount, at: datetime, *, is_inclusive: bool) -> Balance:
    values: dict[str, Any] = {
        "account_id": account.pk,
        "account_ids": account_ids(account),
        "at": at,
        "is_inclusive": is_inclusive,
    }
    with connection.cursor() as cursor:
        cursor.execute(SUMS, values)
        points, held = cursor.fetchone()
    return Balance(points=points, held=held)


def _moves(account: PointAccount, since: datetime, until: datetime) -> list[Move]:
    entries = PointEntry.objects.filter(
        account__in=account_ids(account), posting__posted_at__gte=since, posting__posted_at__lt=until
    )
    return moves_of(entries.select_related("posting").order_by("posting__posted_at", "pk"), account)


def _explained(moves: Sequence[Move], mall_ids: frozenset[int] | None) -> dict[int, Words]:
    """Each kind is asked about all its moves at once."""
    words: dict[int, Words] = {}
    for kind, explainer in _explainers.items():
        own = [move for move in moves if move.kind == kind]
        if own:
            words |= explainer(own, mall_ids)
    return words


def _lines(opening: Balance, moves: Iterable[Move], words: Mapping[int, Words]) -> list[Line]:
    lines, after = [], opening
    for move in moves:
        after = Balance(points=after.points + move.points, held=after.held + move.held)
        said = words.get(move.posting_id) or kind_words(move.kind)
        lines.append(Line(move=move, words=said, after=after))
    return lines
