"""Members with points to spend, for tests of the ledger alone: no rules, no purchases."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count

from django.db import connection
from django.db.transaction import atomic

from loyalty.ledger import postings, proof, redemptions
from loyalty.ledger.models import PointAccount, PointEntry, PointLot, Posting, Redemption
from loyalty.ledger.postings import NewLot
from loyalty.ledger.redemptions import Wish
from members.models import Member
from pms.clock import HONG_KONG
from pms.models import Mall
from tests import factories

NOON = datetime(2026, 3, 10, 12, 0, tzinfo=HONG_KONG)
LATER = NOON + timedelta(seconds=5)
_numbers = count(1)


@dataclass
class Spender:
    """A member of a program in which 10 points are HK$1 and 10 are enough to redeem."""

    member: Member
    mall: Mall

    def gets(
        self, points: int, *, expires_at: datetime | None = None, held_until_at: datetime | None = None
    ) -> PointLot | None:
        """Points of one posting; their lot, or None if a deficit took them all."""
        issued = postings.open_program_accounts(program=self.member.program, now=NOON)["ISSUED"]
        with connection.cursor() as cursor:
            cursor.execute("SELECT nextval(pg_get_serial_sequence('ledger_posting', 'id'))")
            [posting_id] = cursor.fetchone()
        lot = NewLot(
            points=points,
            expires_at=expires_at,
            is_held=held_until_at is not None,
            held_until_at=held_until_at,
        )
        if held_until_at:
            postings.open_pending(account=self.account, now=NOON)
        with atomic():
            postings.earn(
                posting_id=posting_id,
                account_id=self.account.pk,
                issued_id=issued.pk,
                program_id=self.member.program_id,
                lots=[lot],
                source=f"spender/{next(_numbers)}",
                now=NOON,
            )
        return PointLot.objects.filter(posting_id=posting_id).first()

    def loses(self, points: int) -> None:
        """A claw-back, below zero if need be."""
        with atomic():
            postings.claw_back(
                account=postings.lock(member_id=self.member.pk),
                usable=points,
                held=0,
                award_posting_id=0,
                source=f"spender/{next(_numbers)}",
                now=NOON,
            )

    def wish(self, points: int, *, payment_number: str = "", request_key: str = "") -> Wish:
        return Wish(
            member=self.member,
            mall=self.mall,
            points=points,
            payment_number=payment_number,
            request_key=request_key,
        )

    def reserves(self, points: int, *, now: datetime = NOON, payment_number: str = "") -> Redemption:
        return redemptions.reserve(wish=self.wish(points, payment_number=payment_number), by=None, now=now)

    def redeems(self, points: int, *, now: datetime = NOON, payment_number: str = "") -> Redemption:
        reserved = self.reserves(points, now=now, payment_number=payment_number)
        return redemptions.confirm(redemption=reserved, by=None, now=now)

    @property
    def account(self) -> PointAccount:
        return PointAccount.objects.select_related("program").get(member=self.member)

    @property
    def balance(self) -> int:
        return self.account.balance or 0

    @property
    def lots(self) -> list[int]:
        """What is left of each lot, in the order they came."""
        return list(self.account.lots.order_by("pk").values_list("remaining", flat=True))

    @property
    def moves(self) -> list[tuple[str, int]]:
        entries = PointEntry.objects.filter(account=self.account).order_by("pk")
        return list(entries.values_list("posting__kind", "points"))

    def total_of(self, kind: str) -> int:
        """What the program's account of this kind holds."""
        entries = PointEntry.objects.filter(account__program=self.member.program, account__kind=kind)
        return sum(entries.values_list("points", flat=True))


def spender(**terms: object) -> Spender:
    program = factories.ProgramFactory.create(
        **{
            "redemption_points_per_hkd": 10,
            "redemption_min_points": 10,
            "redemption_seconds": 60,
            **terms,
        }
    )
    member = factories.MemberFactory.create(program=program)
    mall = factories.MallFactory.create(group=program.group)
    postings.open_account(member=member, now=NOON)
    return Spender(member, mall)


def end_of(year: int, month: int, day: int) -> datetime:
    return datetime(year, month, day, 23, 59, 59, tzinfo=HONG_KONG)


def untouched() -> tuple[int, int, int]:
    """Counts that a refusal must not move."""
    return Posting.objects.count(), PointEntry.objects.count(), Redemption.objects.count()


def breaches() -> list[str]:
    return [str(breach) for breach in proof.breaches()]
