"""Gives a recorded purchase its points, or leaves it without any, once somebody has decided what it was.

New entries only: what was posted stays posted. The caller's atomic block holds the locks of the transaction's row and
of the member's account. Refunds that came before or come after stay exact, as both are counted on the same net.
"""

from collections.abc import Iterable
from datetime import datetime

from django.db.models import Q

from loyalty.earning import awards, decisions, duplicates, limits, shares, standing, tiers
from loyalty.earning.decisions import Decision
from loyalty.earning.models import Award, Correction, NumberClaim, Refund, Transaction
from loyalty.earning.purchases import Found, Purchase
from loyalty.earning.reasons import reason
from loyalty.earning.standing import Basis, Standing
from loyalty.ledger import postings
from loyalty.ledger.models import PointAccount
from loyalty.ledger.postings import NewLot, Posted

# Between a number that two purchases really share and the row that came second with it.
TOLD_APART = "#"


class StoreUnknown(Exception):
    """The store is not known yet, so no rule can say what the purchase earns. Map the store first."""


class MembershipOver(Exception):
    """The member has left; nothing is given to an account that is closed."""


def withhold(*, transaction: Transaction, state: str, now: datetime) -> None:
    """It ends with nothing, in `state`: a duplicate, or held back again."""
    if transaction.state == Transaction.State.PARKED:
        return
    told = reason("CONFIRMED_DUPLICATE")
    award = Award.objects.filter(transaction=transaction).first()
    if award is None:
        if state == Transaction.State.DUPLICATE:
            Award.objects.create(
                transaction=transaction, points=0, reasons=[told], conditions=[], awarded_at=now
            )
    elif transaction.state not in (Transaction.State.DUPLICATE, Transaction.State.HELD):
        take(transaction, standing.of(transaction), told, now=now)
    become(transaction, state, now=now)


def grant(*, transaction: Transaction, state: str = "", now: datetime) -> None:
    """It has the points that its rules give for what is not refunded; one that has them keeps them as they are.

    `state` is what it becomes where that is more than having points or not.
    """
    if transaction.state == Transaction.State.PARKED:
        return
    if not Award.objects.filter(transaction=transaction).exists():
        awards.clear(transaction=transaction, now=now)
        return
    gives = transaction.state in (Transaction.State.DUPLICATE, Transaction.State.HELD)
    if gives:
        _give(transaction, standing.of(transaction), now=now)
    if gives or state or transaction.state == Transaction.State.FLAGGED:
        earned = standing.of(transaction).earned
        has_points = Transaction.State.EARNED if earned else Transaction.State.NOTHING
        become(transaction, (state if earned else "") or has_points, now=now)


def worth_now(transaction: Transaction) -> int:
    """Points that the transaction has now and a decision would take."""
    has_points = transaction.state in (Transaction.State.EARNED, Transaction.State.FLAGGED)
    if not has_points or not Award.objects.filter(transaction=transaction).exists():
        return 0
    return standing.of(transaction).takeable


def hold_numbers(*, transaction: Transaction, of: Transaction) -> None:
    """The transaction holds all its numbers: those that `of` held move, and what a third one holds is told apart."""
    mine = _free(transaction)
    for kind, number in mine:
        claim = NumberClaim.objects.filter(group_id=transaction.group_id, kind=kind, number=number).first()
        if claim and claim.transaction_id == of.pk:
            NumberClaim.objects.filter(pk=claim.pk).update(transaction=transaction)
        else:
            _claim(transaction, kind, _apart(transaction, number) if claim else number)


def tell_numbers_apart(*, transaction: Transaction) -> None:
    """Two purchases under one number: the first keeps it, this one holds it with its own row's mark."""
    for kind, number in _free(transaction):
        _claim(transaction, kind, _apart(transaction, number))


def let_go_of_numbers(*, transaction: Transaction, to: Transaction) -> None:
    """As before a decision: marked numbers are let go, and those that `to` is known by are its own again."""
    marked = Q(number__endswith=_apart(transaction, ""))
    NumberClaim.objects.filter(marked, transaction=transaction).delete()
    for kind, number in duplicates.claimed(to):
        NumberClaim.objects.filter(transaction=transaction, kind=kind, number=number).update(transaction=to)


def _free(transaction: Transaction) -> list[tuple[str, str]]:
    held = set(NumberClaim.objects.filter(transaction=transaction).values_list("kind", "number"))
    return [
        (kind, number)
        for kind, number in duplicates.claimed(transaction)
        if not {(kind, number), (kind, _apart(transaction, number))} & held
    ]


def _apart(transaction: Transaction, number: str) -> str:
    return f"{number}{TOLD_APART}{transaction.pk}"


def _claim(transaction: Transaction, kind: str, number: str) -> None:
    NumberClaim.objects.create(
        group_id=transaction.group_id, kind=kind, number=number, transaction=transaction
    )


def become(transaction: Transaction, state: str, *, now: datetime) -> None:
    """Net spend towards tiers follows the state. The caller holds the account's lock."""
    transaction.state = state
    transaction.save(update_fields=["state"])
    tiers.review(member_id=transaction.member_id, now=now)


def take(transaction: Transaction, stands: Standing, told: dict[str, object], *, now: datetime) -> int:
    """Take back what is left, as far as the program's policy goes; returns how many points were taken."""
    account = postings.lock(member_id=transaction.member_id)
    share = (
        shares.NOTHING_TAKEN
        if shares.is_closed(transaction)
        else shares.share(account, stands.posting_id, stands.takeable)
    )
    posting_id = None
    if share.points:
        posting_id = postings.claw_back(
            account=account,
            usable=share.usable,
            held=share.held,
            award_posting_id=stands.posting_id or 0,
            source=_source(transaction),
            now=now,
        ).posting_id
    missed = stands.left - share.points
    _correct(
        transaction,
        Correction.Kind.TAKE,
        points=-share.points,
        uncollected=missed,
        posting_id=posting_id,
        reasons=[told, *([reason("UNCOLLECTED", points=missed)] if missed else [])],
        now=now,
    )
    return share.points


def _give(transaction: Transaction, stands: Standing, *, now: datetime) -> None:
    """By what was kept when it was judged; one that no judgement counts for is judged now, by the rules of its day."""
    purchase, found = awards.find_again(transaction, now=now)
    account = postings.lock(member_id=transaction.member_id)
    decision = None if stands.basis else _judged(transaction, purchase, found, now=now)
    give(transaction, stands, account, found, decision, reason("CLEARED_AS_SEPARATE"), now=now)


def give(
    transaction: Transaction,
    stands: Standing,
    account: PointAccount,
    found: Found,
    decision: Decision | None,
    told: dict[str, object],
    *,
    now: datetime,
) -> Posted | None:
    """What the net deserves, by a new `decision` or else by the judgement that counts, less what is owed."""
    basis = stands.basis or _basis(decision)
    if basis is None:
        raise StoreUnknown
    target = basis.judged(transaction.amount_cents - stands.refunded_cents)
    due = max(0, target.points - stands.left)
    settled = min(due, stands.owed)
    lots = decisions.new_lots(
        target, basis.facts, basis.ruleset, expires=(found.expiry, found.expiry_count), now=now
    )
    lots = _as_much(lots, due - settled)
    if lots and shares.is_closed(transaction):
        raise MembershipOver
    if decision and decision.points:
        limits.consume(limits.taken(account.pk, decision.judgement.uses))
    posted = _post(transaction, account, found, lots, now=now) if lots else None
    _correct(
        transaction,
        Correction.Kind.GIVE,
        points=due - settled,
        uncollected=-settled,
        posting_id=posted.posting_id if posted else None,
        reasons=[*(decision.judgement.reasons if decision else []), told],
        judged=decision,
        now=now,
    )
    return posted


def _judged(transaction: Transaction, purchase: Purchase, found: Found, *, now: datetime) -> Decision:
    if found.store_id is None:
        raise StoreUnknown
    if transaction.store_id is None:
        transaction.store_id, transaction.mall_id = found.store_id, found.store_mall_id or transaction.mall_id
        transaction.save(update_fields=["store_id", "mall_id"])
    return decisions.decide(purchase, found, now=now)


def _basis(decision: Decision | None) -> Basis | None:
    if decision is None or decision.facts is None:
        return None
    return Basis(facts=decision.facts, ruleset=decision.ruleset, rooms=decision.rooms)


def _as_much(lots: Iterable[NewLot], points: int) -> list[NewLot]:
    """The first lots, up to `points`."""
    kept: list[NewLot] = []
    for lot in lots:
        share = min(lot.points, points - sum(one.points for one in kept))
        if share > 0:
            kept.append(
                NewLot(
                    points=share,
                    expires_at=lot.expires_at,
                    is_held=lot.is_held,
                    held_until_at=lot.held_until_at,
                )
            )
    return kept


def _post(
    transaction: Transaction, account: PointAccount, found: Found, lots: list[NewLot], *, now: datetime
) -> Posted:
    assert found.issued_id is not None  # opened by find_again
    if any(lot.is_held for lot in lots):
        postings.open_pending(account=account, now=now)
    return postings.earn(
        posting_id=found.posting_id,
        account_id=account.pk,
        issued_id=found.issued_id,
        program_id=account.program_id,
        lots=lots,
        source=_source(transaction),
        now=now,
    )


def _source(transaction: Transaction) -> str:
    return f"transaction/{transaction.pk}/correction/{transaction.corrections.count() + 1}"


def _correct(
    transaction: Transaction,
    kind: str,
    *,
    points: int,
    uncollected: int,
    posting_id: int | None,
    reasons: list[dict[str, object]],
    now: datetime,
    judged: Decision | None = None,
) -> None:
    kept = decisions.kept(judged) if judged else {}
    last: Refund | None = transaction.refunds.order_by("-pk").first()
    Correction.objects.create(
        transaction=transaction,
        kind=kind,
        last_refund=last,
        posting_id=posting_id,
        points=points,
        uncollected=uncollected,
        reasons=reasons,
        corrected_at=now,
        **{name: kept[name] for name in ("facts", "versions", "rooms", "lines") if name in kept},
    )
