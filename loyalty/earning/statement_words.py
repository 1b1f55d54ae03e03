"""Why points moved, in the sentences members read: by the reasons kept with the points, else by the move."""

from collections.abc import Mapping, Sequence
from typing import Any

from loyalty.earning import reasons
from loyalty.earning.models import Award, Correction, Refund
from loyalty.ledger import statements
from loyalty.ledger.models import Posting, Redemption
from loyalty.ledger.statements import Move, Words
from pms.clock import HONG_KONG

Malls = frozenset[int] | None
# Purchases in malls that the reader's login does not see are told without their amount.
ELSEWHERE = {
    Posting.Kind.EARN: Words(
        "Points for a purchase in another mall of the group.", "集團另一商場消費所得積分。"
    ),
    Posting.Kind.CLAW_BACK: Words(
        "Points taken back after a refund in another mall of the group.", "集團另一商場退款，扣回積分。"
    ),
}


@statements.explains(Posting.Kind.EARN)
def earned(moves: Sequence[Move], mall_ids: Malls) -> Mapping[int, Words]:
    awards = Award.objects.filter(posting__in=[move.posting_id for move in moves])
    rows = [*awards.values_list("posting_id", "reasons", "transaction__mall_id"), *_corrected(moves)]
    return {
        posting_id: _seen(Posting.Kind.EARN, kept, mall_id, mall_ids) for posting_id, kept, mall_id in rows
    }


@statements.explains(Posting.Kind.CLAW_BACK)
def taken_back(moves: Sequence[Move], mall_ids: Malls) -> Mapping[int, Words]:
    refunds = Refund.objects.filter(posting__in=[move.posting_id for move in moves])
    rows = [*refunds.values_list("posting_id", "reasons", "transaction__mall_id"), *_corrected(moves)]
    return {
        posting_id: _seen(Posting.Kind.CLAW_BACK, kept, mall_id, mall_ids)
        for posting_id, kept, mall_id in rows
    }


@statements.explains(Posting.Kind.RESERVE)
def set_aside(moves: Sequence[Move], _mall_ids: Malls) -> Mapping[int, Words]:
    """A redemption that was confirmed is told as such; its points left when they were set aside."""
    found = Redemption.objects.filter(reserve_posting__in=[move.posting_id for move in moves])
    return {one.reserve_posting_id: _redemption(one) for one in found}


@statements.explains(Posting.Kind.UNRESERVE)
def released(moves: Sequence[Move], _mall_ids: Malls) -> Mapping[int, Words]:
    return {move.posting_id: _words("REDEMPTION_RELEASED", points=_number(move.points)) for move in moves}


@statements.explains(Posting.Kind.RETURN)
def returned(moves: Sequence[Move], _mall_ids: Malls) -> Mapping[int, Words]:
    return {move.posting_id: _words("REDEMPTION_RETURNED", points=_number(move.points)) for move in moves}


@statements.explains(Posting.Kind.RELEASE)
def freed(moves: Sequence[Move], _mall_ids: Malls) -> Mapping[int, Words]:
    return {move.posting_id: _words("PENDING_RELEASED", points=_number(move.points)) for move in moves}


@statements.explains(Posting.Kind.EXPIRE)
def expired(moves: Sequence[Move], _mall_ids: Malls) -> Mapping[int, Words]:
    """`lot/12/2026-03-31` names the last day; an older posting is told by its own."""
    return {
        move.posting_id: _words("EXPIRED", points=_number(-move.points), date=_last_day(move))
        for move in moves
    }


def _corrected(moves: Sequence[Move]) -> list[tuple[int, list[dict[str, Any]], int]]:
    """What staff's decisions on possible duplicates moved."""
    corrections = Correction.objects.filter(posting__in=[move.posting_id for move in moves])
    return list(corrections.values_list("posting_id", "reasons", "transaction__mall_id"))


def _seen(kind: Posting.Kind, kept: list[dict[str, Any]], mall_id: int, mall_ids: Malls) -> Words:
    if mall_ids is not None and mall_id not in mall_ids:
        return ELSEWHERE[kind]
    for_members = [entry for entry in kept if reasons.REASONS[entry["code"]].is_for_members]
    if not for_members:
        return statements.kind_words(kind)
    return Words(*(" ".join(reasons.sentences(for_members, language)) for language in statements.LANGUAGES))


def _redemption(one: Redemption) -> Words:
    is_spent = one.state in (Redemption.State.CONFIRMED, Redemption.State.RETURNED)
    until = one.expires_at.astimezone(HONG_KONG)
    return (
        _words("REDEEMED", points=_number(one.points))
        if is_spent
        else _words("REDEMPTION_RESERVED", points=_number(one.points), time=f"{until:%Y-%m-%d %H:%M}")
    )


def _words(code: str, **values: object) -> Words:
    return Words(*(reasons.sentence(code, values, language) for language in statements.LANGUAGES))


def _last_day(move: Move) -> str:
    parts = move.source.split("/")
    return parts[2] if len(parts) > 2 else f"{move.posted_at.astimezone(HONG_KONG):%Y-%m-%d}"


def _number(points: int) -> str:
    return f"{points:,}"
