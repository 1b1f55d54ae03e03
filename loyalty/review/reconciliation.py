"""Compares a provider's file with the ledger and keeps what differs; a person asks for repairs, another approves.

Comparing moves no points. It may run again at any time: what nobody has decided is renewed, the rest stays.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from django.db import connection
from django.db.models import Count, Q, QuerySet, Sum
from django.db.transaction import atomic

from loyalty.earning import trials
from loyalty.earning.models import Transaction
from loyalty.earning.suspects import WALLET_CHANNELS
from loyalty.ledger import postings
from loyalty.review import adjustments, matching, mismatch_points, repairs
from loyalty.review.adjustments import AskedAlready, NoReason, Outdated, Wish
from loyalty.review.matching import Mismatch
from loyalty.review.mismatch_points import Worth
from loyalty.review.models import AdjustmentRequest, Finding, ProviderRow, Reconciliation
from loyalty.review.repairs import RepairRefused
from members.models import Member, Pass, Program
from pms.models import Store, User

Kind = Finding.Kind
State = Finding.State
# Of advisory locks: the first half of a mall's.
LOCK = 0x4EC0
# AlipayHK's last resend is about 24 h 22 min after the first try; until then a payment may still come by itself.
STILL_COMING = timedelta(hours=26)
# So far apart two files may say that the same thing happened.
A_DAY = timedelta(days=1)
DECIDED = (State.REQUESTED, State.REPAIRED, State.DISMISSED)
RENEWED = (
    "reconciliation", "line", "refund_number", "happened_at", "transaction", "member", "user_id", "store_label",
    "merchant_id", "file_cents", "ledger_cents", "cents", "currency", "points", "state",
)  # fmt: skip


class MemberUnknown(RepairRefused):
    """The file does not name the payer. Say who paid."""


class MemberElsewhere(RepairRefused):
    """The member belongs to another mall group than the payment."""


class NothingToMove(RepairRefused):
    """No points would move, so there is nothing to ask for."""


class DecideElsewhere(RepairRefused):
    """The purchase is recorded and waits for its store or a decision. See to that; it then earns by itself."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sums:
    """One class of differences."""

    kind: str
    count: int
    cents: int
    points: int


@atomic
def compare(*, file: Reconciliation, named_date: date | None, now: datetime) -> None:
    """Say what of the file and the ledger differs. `named_date` is the day that the file says it is of."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [LOCK, file.mall_id % 2147483647])
    matching.link(file)
    days = _days(file, named_date)
    if days:
        file.business_date, file.last_date = days
        found = list(_differences(file, now=now))
        _keep(file, found)
        _replace_older(file, now=now)
    file.state, file.ended_at, file.moved_at = Reconciliation.State.DONE, now, now
    file.save()


def again(*, file: Reconciliation, now: datetime) -> None:
    """Compare the same lines with what the ledger says by now."""
    compare(file=file, named_date=None, now=now)


def counts(file: Reconciliation) -> dict[str, int]:
    """Lines by what they are, and how many payments are in order."""
    rows = ProviderRow.objects.filter(reconciliation=file).order_by()
    by_kind = dict(rows.values_list("kind").annotate(Count("pk")))
    known = rows.filter(kind=ProviderRow.Kind.PAYMENT, transaction__isnull=False)
    states = Counter(dict(known.values_list("transaction__state").annotate(Count("pk"))))
    return {
        **{kind.lower(): by_kind.get(kind, 0) for kind in ProviderRow.Kind.values},
        "awarded": states["EARNED"] + states["FLAGGED"],
        "no_points_by_the_rules": states["NOTHING"] + states["DUPLICATE"],
        "not_in_the_ledger": by_kind.get("PAYMENT", 0) - states.total(),
    }


def sums(file: Reconciliation) -> list[Sums]:
    """The four classes, with those that have nothing too."""
    rows = Finding.objects.filter(reconciliation=file).exclude(state=State.GONE).order_by()
    found = {
        kind: Sums(kind=kind, count=count, cents=cents, points=points)
        for kind, count, cents, points in rows.values_list("kind").annotate(
            Count("pk"), Sum("cents"), Sum("points")
        )
    }
    return [found.get(kind, Sums(kind=kind, count=0, cents=0, points=0)) for kind in Kind.values]


def request_repair(
    *,
    finding: Finding,
    by: User,
    now: datetime,
    note: str,
    member: Member | None = None,
    store: Store | None = None,
) -> AdjustmentRequest:
    """Ask for the points that set it right; somebody else approves. Who paid, and where, may be said with it."""
    with atomic():
        found = Finding.objects.select_for_update(of=("self",), no_key=True).get(pk=finding.pk)
        if found.state != State.OPEN:
            raise AskedAlready
        _name(found, member, store)
        deed, payer = _deed(found), found.member
        if payer is None:
            raise MemberUnknown
        if deed == AdjustmentRequest.Deed.EARN:
            found.points = trials.try_purchase(repairs.purchase_of(found, payer)).judgement.points
        if not found.points:
            raise NothingToMove
        if mismatch_points.is_refunded_since(found, found.reconciliation.ended_at or found.found_at):
            raise Outdated
        found.save()
        wish = Wish(
            mall=found.mall,
            account=postings.open_account(member=payer, now=now),
            deed=deed,
            points=found.points,
            reason=AdjustmentRequest.Reason.RECONCILIATION,
            note=note,
            transaction=found.transaction,
            finding=found,
        )
        return adjustments.request(wish=wish, by=by, now=now)


def is_payer_given(finding: Finding) -> bool:
    """The purchase or the file says who paid; what a person said may be said otherwise the next time."""
    return finding.transaction_id is not None or bool(finding.user_id and finding.member_id)


@atomic
def dismiss(*, finding: Finding, by: User, now: datetime, note: str) -> Finding:
    """Leave it as it is, and say why; a newer file does not ask again."""
    if not note.strip():
        raise NoReason
    return _decide(finding, State.OPEN, State.DISMISSED, by=by, now=now, note=note.strip()[:255])


@atomic
def reopen(*, finding: Finding, by: User, now: datetime) -> Finding:
    return _decide(finding, State.DISMISSED, State.OPEN, by=by, now=now, note="")


def _days(file: Reconciliation, named_date: date | None) -> tuple[date, date] | None:
    """Those it had the first time; else the day that it names, if its payments are from then; else theirs."""
    if file.business_date and file.last_date:
        return file.business_date, file.last_date
    found = matching.days(file)
    if found and named_date and found[0] <= named_date <= found[1]:
        return named_date, named_date
    return found


def _decide(finding: Finding, before: State, after: State, *, by: User, now: datetime, note: str) -> Finding:
    found = Finding.objects.select_for_update(of=("self",), no_key=True).get(pk=finding.pk)
    if found.state != before:
        raise AskedAlready
    found.state, found.decided_by, found.decided_at, found.note = after, by, now, note
    found.save()
    return found


def _name(found: Finding, member: Member | None, store: Store | None) -> None:
    if member and not is_payer_given(found):
        if member.program.group_id != found.mall.group_id:
            raise MemberElsewhere
        found.member = member
    if store:
        found.store_label, found.merchant_id = store.pms_label, "" if store.pms_label else store.merchant_id


def _deed(found: Finding) -> AdjustmentRequest.Deed:
    purchase = found.transaction
    if found.kind == Kind.PAID_NOT_AWARDED:
        if purchase is not None:
            raise DecideElsewhere
        return AdjustmentRequest.Deed.EARN
    is_wallets = purchase is not None and purchase.channel in WALLET_CHANNELS
    is_refund = found.kind == Kind.REFUNDED_NOT_CLAWED_BACK
    return AdjustmentRequest.Deed.CLAW_BACK if is_refund and is_wallets else AdjustmentRequest.Deed.POINTS


def _differences(file: Reconciliation, *, now: datetime) -> Iterator[Finding]:
    program = Program.objects.get(group_id=file.mall.group_id)
    for kind in Kind:
        found = matching.mismatches(file, kind, program_id=program.pk)
        worth = Worth(program, found)
        payers = _payers(program, {one.user_id for one in found if one.user_id})
        for one in found:
            finding = _finding(file, kind, one, worth, payers, now=now)
            if finding:
                yield finding


def _finding(
    file: Reconciliation,
    kind: Kind,
    one: Mismatch,
    worth: Worth,
    payers: dict[str, Member],
    *,
    now: datetime,
) -> Finding | None:
    """None where it is settled: repaired by hand before, or nothing to earn by the rules."""
    assert file.business_date is not None  # as compare() sees to
    purchase = worth.purchases.get(one.transaction_id or 0)
    finding = Finding(
        reconciliation=file,
        mall=file.mall,
        business_date=file.business_date,
        kind=kind,
        number=one.number,
        line=one.line,
        refund_number=one.refund_number,
        happened_at=one.happened_at,
        transaction=purchase,
        member=purchase.member if purchase else payers.get(one.user_id),
        user_id=one.user_id,
        store_label=one.store_label,
        merchant_id=one.merchant_id,
        file_cents=one.file_cents,
        ledger_cents=one.ledger_cents,
        cents=one.cents,
        currency=one.currency,
        found_at=now,
    )
    finding.points = _points(finding, one, worth)
    is_settled = not finding.points and kind != Kind.PAID_NOT_AWARDED
    return None if is_settled or _earns_nothing(finding, purchase) else finding


def _points(finding: Finding, one: Mismatch, worth: Worth) -> int:
    """A payer whom the file names is judged as at the door; else the base rate has to do."""
    if finding.kind == Kind.PAID_NOT_AWARDED and finding.member and finding.transaction is None:
        purchase = replace(repairs.purchase_of(finding, finding.member), amount_cents=one.cents)
        return trials.try_purchase(purchase).judgement.points
    return worth.points(finding.kind, one)


def _earns_nothing(finding: Finding, purchase: Transaction | None) -> bool:
    is_named = finding.kind == Kind.PAID_NOT_AWARDED and finding.member is not None and purchase is None
    return is_named and not finding.points


def _payers(program: Program, user_ids: Collection[str]) -> dict[str, Member]:
    passes = Pass.objects.filter(program=program, user_id__in=user_ids).select_related("member__program")
    return {one.user_id: one.member for one in passes.order_by("-pk")}


def _keep(file: Reconciliation, found: Sequence[Finding]) -> None:
    """New ones are added, undecided ones renewed, decided ones left, and what no longer differs is gone."""
    assert file.business_date is not None  # as compare() sees to
    assert file.last_date is not None
    known = list(_known(file, found))
    own = {one.pk for one in known if _is_own(one, file)}
    days = (file.business_date, file.last_date)
    decided = {name for one in known if one.state in DECIDED for name in _names(one, days)}
    kept = [one for one in found if not decided.intersection(_names(one, days))]
    undecided = {name: one for one in known if one.state not in DECIDED for name in _names(one, days)}
    for one in kept:
        before = next((undecided[name] for name in _names(one, days) if name in undecided), None)
        if before and before.number == one.number:
            one.business_date = before.business_date
            own.discard(before.pk)
    gone = [one.pk for one in known if one.pk in own and one.state not in DECIDED]
    met = {name for one in found for name in _names(one, days)}
    moved = [
        one.pk for one in known if one.state in DECIDED and (one.pk in own or met & set(_names(one, days)))
    ]
    Finding.objects.filter(pk__in=gone).update(state=State.GONE, reconciliation=file)
    Finding.objects.filter(pk__in=moved).update(reconciliation=file)
    Finding.objects.bulk_create(
        kept,
        batch_size=2000,
        update_conflicts=True,
        unique_fields=["mall", "business_date", "kind", "number"],
        update_fields=RENEWED,
    )


def _known(file: Reconciliation, found: Sequence[Finding]) -> QuerySet[Finding]:
    """Findings of the file's days, and of its payments whichever file of the mall found them."""
    fits = Q(business_date__range=(file.business_date, file.last_date)) | Q(reconciliation=file)
    if found:
        times = [one.happened_at for one in found]
        fits |= Q(happened_at__range=(min(times) - A_DAY, max(times) + A_DAY))
    rows = Finding.objects.filter(fits, mall=file.mall).order_by("pk")
    return rows.select_related("reconciliation").only(
        "kind", "number", "transaction", "business_date", "happened_at", "file_cents", "state",
        "reconciliation__merchant_id",
    )  # fmt: skip


def _is_own(one: Finding, file: Reconciliation) -> bool:
    """Only a file that speaks for it can say that it is gone."""
    if one.reconciliation_id == file.pk:
        return True
    is_in_days = (
        (file.business_date or one.business_date)
        <= one.business_date
        <= (file.last_date or one.business_date)
    )
    return is_in_days and one.reconciliation.merchant_id == file.merchant_id


def _names(one: Finding, days: tuple[date, date]) -> list[tuple[object, ...]]:
    """What makes it the same difference. A purchase is refunded several times, so a refund of other days is the same
    only if nothing differs.
    """
    name = (one.kind, one.number)
    if one.kind == Kind.REFUNDED_NOT_CLAWED_BACK:
        alike = (*name, one.happened_at, one.file_cents)
        return [name, alike] if days[0] <= one.business_date <= days[1] else [alike]
    return [name, (one.kind, "", one.transaction_id)] if one.transaction_id else [name]


def _replace_older(file: Reconciliation, *, now: datetime) -> None:
    older = Reconciliation.objects.filter(
        mall=file.mall,
        merchant_id=file.merchant_id,
        business_date=file.business_date,
        last_date=file.last_date,
        state=Reconciliation.State.DONE,
    )
    older.exclude(pk=file.pk).update(state=Reconciliation.State.REPLACED, moved_at=now)
