"""Points for one payment, on ORM objects."""

from datetime import datetime

from django.utils import timezone

from alipayhk.models import Notification, PassUpdate
from loyalty.earning.models import Award, NumberClaim, RuleVersion, Transaction
from loyalty.ledger.models import PointAccount, PointEntry, PointLot, Posting
from members.models import Pass
from pms.models import Store
from tests.bench.plain.serializers import BillSerializer


def earn(notification: Notification, serializer: BillSerializer) -> None:
    """Record the payment, give what the base rule says, and mark the member's cards behind."""
    bill, now = serializer.validated_data, timezone.now()
    wallet_pass = Pass.objects.select_related("member", "program").get(
        program__group=notification.group, wallet="ALIPAYHK", user_id=bill["userId"]
    )
    store = Store.objects.get(group=notification.group, pms_label=bill["store_label"])
    version = RuleVersion.objects.filter(
        rule__program=wallet_pass.program, rule__kind="BASE", effective_at__lte=bill["paid_at"]
    ).latest("effective_at")
    points = _points(version, wallet_pass, bill["orderAmount"]["value"], bill["paid_at"])
    purchase = serializer.save(
        group=notification.group,
        mall=store.mall,
        store=store,
        member=wallet_pass.member,
        wallet_pass=wallet_pass,
        channel=Transaction.Channel.WALLET,
        state=Transaction.State.EARNED if points else Transaction.State.NOTHING,
        recorded_at=now,
    )
    numbers = [
        NumberClaim(group=purchase.group, kind=kind, number=text, transaction=purchase)
        for kind, text in purchase.numbers.items()
    ]
    NumberClaim.objects.bulk_create(numbers)
    posting = _post(wallet_pass, purchase, points, now) if points else None
    Award.objects.create(
        transaction=purchase,
        rule_version=version,
        posting=posting,
        points=points,
        counted_cents=purchase.amount_cents,
        reasons=[{"code": "EARNED_BASE", "values": {"points": points}}],
        conditions=[],
        awarded_at=now,
    )
    notification.state, notification.reason = Notification.State.PROCESSED, ""
    notification.judged_at = now
    notification.transaction = purchase
    notification.member = wallet_pass.member
    notification.save()


def _points(version: RuleVersion, wallet_pass: Pass, cents: int, paid_at: datetime) -> int:
    is_consented = wallet_pass.consents.filter(began_at__lte=paid_at, ended_at=None).exists()
    if not is_consented or cents < version.min_spend_cents:
        return 0
    return cents * version.points_numerator // (100 * version.points_denominator)


def _post(wallet_pass: Pass, purchase: Transaction, points: int, now: datetime) -> Posting:
    account = PointAccount.objects.select_for_update().get(member=wallet_pass.member)
    issued = PointAccount.objects.get(program=wallet_pass.program, kind=PointAccount.Kind.ISSUED)
    posting = Posting.objects.create(
        program=wallet_pass.program,
        kind=Posting.Kind.EARN,
        source=f"transaction/{purchase.pk}",
        posted_at=now,
    )
    PointEntry.objects.create(posting=posting, account=account, points=points)
    PointEntry.objects.create(posting=posting, account=issued, points=-points)
    PointLot.objects.create(account=account, posting=posting, points=points, remaining=points)
    account.balance = (account.balance or 0) + points
    account.version += 1
    account.changed_at = now
    account.save()
    for update in PassUpdate.objects.filter(wallet_pass__member=wallet_pass.member):
        update.wanted_version = account.version
        update.due_at = now
        update.save()
    return posting
