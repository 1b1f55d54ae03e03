"""Carries a notice into the core: a payment to earning, a refund to its claw-back, a joiner to enrollment.

The one function that judges, whether a webhook, the sweep or staff call it; must run in their atomic block.
"""

import logging
from datetime import datetime

from alipayhk import messages
from alipayhk.messages import Message
from alipayhk.models import CardTemplate
from alipayhk.payloads import BillNotice, CardRequest, RefundNotice
from loyalty.earning import awards, refunds
from loyalty.earning.models import Transaction
from loyalty.earning.outcomes import Outcome, Verdict
from loyalty.earning.purchases import Purchase
from loyalty.earning.refunds import GivenBack
from loyalty.ledger import postings
from members import enrollment
from members.enrollment import Applicant
from members.models import Member
from pms.models import Mall

alarm = logging.getLogger("loyalty.alarm")
# What the column holds; the notification keeps it whole.
LONGEST_RAW_PHONE = 64


def judge(
    notice: BillNotice | RefundNotice | CardRequest, *, message: Message, is_confirmed: bool, now: datetime
) -> Outcome:
    """`is_confirmed`: staff have looked at what made the notice doubtful, and stand by it."""
    if isinstance(notice, CardRequest):
        return _join(notice, message, now=now)
    if notice.doubt and not is_confirmed:
        return Outcome(verdict=Verdict.ASK, reason=notice.doubt)
    if notice.has_foreign_user:
        alarm.warning("the points provider and the user id name different wallets")
    if isinstance(notice, BillNotice):
        return awards.earn(purchase=_purchase(notice, message), now=now)
    return refunds.claw_back(given_back=_given_back(notice, message, is_confirmed=is_confirmed), now=now)


def awaited(notice: BillNotice | RefundNotice | CardRequest) -> str:
    """What other messages may be waiting for, now that this one is here; empty if nothing can."""
    if isinstance(notice, BillNotice):
        return f"PAYMENT:{notice.number}"
    return f"USER:{notice.user_id}" if isinstance(notice, CardRequest) else ""


def may_be_another(notice: BillNotice | RefundNotice | CardRequest) -> bool:
    """A refund without a number of its own cannot be told from a second one of the same second and amount (B133)."""
    return isinstance(notice, RefundNotice) and not notice.refund_number


def _purchase(notice: BillNotice, message: Message) -> Purchase:
    numbers = {
        "PAYMENT": notice.number_text,
        "MAINLAND": notice.mainland_number_text,
        "ACQUIRER": notice.acquirer_number_text,
    }
    return Purchase(
        group_id=message.group_id,
        mall_id=message.mall_id,
        channel=Transaction.Channel.WALLET,
        wallet=messages.WALLET,
        user_id=notice.user_id,
        amount_cents=notice.amount_cents,
        currency=notice.currency,
        paid_at=notice.paid_at,
        numbers={kind: number for kind, number in numbers.items() if number},
        store_label=notice.pms_label,
        merchant_id=notice.merchant_id,
        merchant_name=notice.merchant_name,
    )


def _given_back(notice: RefundNotice, message: Message, *, is_confirmed: bool) -> GivenBack:
    return GivenBack(
        group_id=message.group_id,
        wallet=messages.WALLET,
        user_id=notice.user_id,
        payment_number=notice.payment_number,
        mainland_number=notice.mainland_payment_number,
        number=notice.refund_number_text,
        key=notice.key,
        amount_cents=notice.amount_cents,
        currency=notice.currency,
        refunded_at=notice.refunded_at,
        is_confirmed=is_confirmed,
    )


def _join(notice: CardRequest, message: Message, *, now: datetime) -> Outcome:
    mall = Mall.objects.get(pk=message.mall_id)
    applicant = Applicant(
        wallet=messages.WALLET,
        user_id=notice.user_id,
        phone=notice.phone,
        phone_raw=notice.phone_raw[:LONGEST_RAW_PHONE],
        email=notice.email,
        name=notice.name,
    )
    wallet_pass = enrollment.join(
        mall=mall,
        applicant=applicant,
        evidence="membercard/create",
        asked_at=min(message.sent_at, now),
        now=now,
    )
    member = Member.objects.select_related("program").get(pk=wallet_pass.member_id)
    postings.open_account(member=member, now=now)
    if not CardTemplate.objects.filter(credential__mall=mall).exists():
        alarm.warning("mall %s has no card template; new cards wait", mall.tag)
    return Outcome(verdict=Verdict.RECORDED, member_id=member.pk)
