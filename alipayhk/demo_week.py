"""A week at every door of the demo malls: what came twice, who decided, a receipt file with faults, a partner's till.

Played through the very functions that the doors use, with the clock of its day. Everybody in it is invented; the
figures are those of the worked examples. Writes nothing a second time.
"""

from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from io import BytesIO
from typing import Any, NamedTuple

from alipayhk.demo_malls import LUMINA, PIER8, VERDANT
from loyalty.doors import counter, partners, receipts
from loyalty.doors.slips import Slip
from loyalty.earning import awards
from loyalty.earning.models import DuplicateCase, Transaction
from loyalty.earning.purchases import Purchase
from loyalty.ledger import postings
from loyalty.review import cases
from loyalty.review.models import Decision
from members import enrollment
from members.models import Member, Program
from pms.clock import HONG_KONG
from pms.models import Mall, Store, User

MEMBER_FOR = timedelta(days=90)
SAME, DIFFERENT = Decision.Answer.SAME, Decision.Answer.DIFFERENT
COUNTER, PARTNER, WALLET = (
    Transaction.Channel.COUNTER,
    Transaction.Channel.PARTNER,
    Transaction.Channel.WALLET,
)
REVIEWER, CLERK, OPERATOR, MANAGER = "demo-reviewer", "demo-counter", "demo-operator", "demo-manager"
# By group, name and phone; in `WEEK` they are called by their place here.
PEOPLE = {
    LUMINA.label: (
        ("Yip Sze Wan", "+85291230011"), ("Tam Pak Hei", "+85291230012"), ("Kwok Yuen Ting", "+85291230013"),
        ("Mak Ho Lam", "+85291230014"), ("Fung Tsz Kit", "+85291230015"), ("Leung Wai Yee", "+85291230016"),
    ),
    VERDANT.label: (("Siu Nga Man", "+85291230021"), ("Poon Chun Kit", "+85291230022")),
    PIER8.label: (("Tsang Lok Yiu", "+85291230031"), ("Hui Man Ching", "+85291230032")),
}  # fmt: skip


class Pair(NamedTuple):
    """A payment by wallet, what another door said of it some minutes later, what was decided and how long after."""

    days_ago: int
    at: str
    store: str
    who: int
    cents: int
    later_cents: int
    minutes: int
    door: str = COUNTER
    answer: str = ""
    waited: int = 0


WEEK = (
    Pair(6, "12:41", "LP-210", 0, 23_400, 23_400, 4, COUNTER, SAME, 38),
    Pair(6, "19:05", "LP-S12", 1, 128_000, 128_000, 2, PARTNER, SAME, 51),
    Pair(5, "13:12", "LP-404", 2, 31_850, 31_850, 25, COUNTER, DIFFERENT, 140),
    Pair(5, "18:48", "VP-088", 0, 64_200, 64_200, 3, COUNTER, SAME, 44),
    Pair(5, "20:02", "LP-S12", 3, 95_000, 93_000, 9, COUNTER, SAME, 66),
    Pair(4, "15:30", "LP-210", 4, 18_860, 18_860, 1, PARTNER, SAME, 20),
    Pair(4, "17:15", "P8-C03", 0, 8_750, 8_750, 4, COUNTER, SAME, 95),
    Pair(3, "12:55", "LP-210", 5, 42_000, 42_000, 5, COUNTER, SAME, 31),
    Pair(3, "16:20", "LP-S12", 0, 178_000, 176_800, 14),
    Pair(3, "19:33", "VP-402", 1, 26_600, 26_600, 2, COUNTER, DIFFERENT, 12),
    Pair(2, "13:40", "LP-406", 1, 15_900, 15_900, 3, PARTNER, SAME, 73),
    Pair(2, "18:10", "LP-S12", 2, 312_000, 312_000, 2, COUNTER, SAME, 25),
    Pair(1, "12:35", "LP-210", 3, 20_700, 20_700, 4, PARTNER, SAME, 41),
    Pair(1, "18:55", "P8-C03", 1, 56_000, 56_000, 4),
    Pair(1, "20:10", "LP-J01", 4, 880_000, 880_000, 180),
)  # fmt: skip
# What the clerks of Lumina Plaza had in a folder: sound rows, one that the counter was faster with, and faults.
FILE = """number,store,amount,paid_at,member,tender
A-2041,LP-210,188.00,{day} 12:20,+85291230012,ALIPAYHK
A-2042,LP-S12,1260.00,{day} 15:05,+85291230013,CARD
A-2043,LP-405,96.50,{day} 13:48,+85291230014,OCTOPUS
R-7703,LP-210,207.00,{day} 12:39,+85291230014,ALIPAYHK
A-2044,海港麵家,88.00,{day} 12:50,+85291230011,ALIPAYHK
A-2045,LG-401,320.00,{day} 19:00,+85291230011,ALIPAYHK
A-2046,LP-210,=SUM(C2:C4),{day} 19:02,+85291230015,ALIPAYHK
A-2047,LP-210,-45.00,{day} 19:10,+85291230015,ALIPAYHK
A-2048,LP-210,250.005,{day} 19:12,+85291230015,ALIPAYHK
A-2049,LP-S12,640.00,2026-02-30 14:00,+85291230016,CARD
A-2050,LP-S12,640.00,{day} 14:00,+85291239999,CARD
A-2041,LP-210,188.00,{day} 12:20,+85291230012,ALIPAYHK
"""
LAST_FILE = """number,store,amount,paid_at,member,tender
A-1987,LP-404,264.00,{day} 12:15,+85291230011,CARD
A-1988,LP-S12,899.00,{day} 16:40,+85291230015,CARD
A-1989,LP-210,143.00,{day} 19:25,+85291230016,OCTOPUS
"""


def play(*, now: datetime) -> int:
    """The cases opened; 0 when the week was played before."""
    first = PEOPLE[LUMINA.label][0]
    if Member.objects.filter(program__group__label=LUMINA.label, phone=first[1]).exists():
        return 0
    before = DuplicateCase.objects.count()
    stage = _Stage(now=now, members=_enroll(now - MEMBER_FOR))
    for pair in WEEK:
        stage.play(pair)
    _play_today(stage)
    _play_numbers(stage)
    _play_files(stage)
    return DuplicateCase.objects.count() - before


def _enroll(joined_at: datetime) -> dict[tuple[str, int], Member]:
    found = {}
    for label, people in PEOPLE.items():
        program = Program.objects.get(group__label=label)
        for place, (name, phone) in enumerate(people):
            found[label, place] = member = Member.objects.create(
                program=program, name=name, phone=phone, phone_raw=phone,
                card_number=enrollment.new_card_number(), joined_at=joined_at,
            )  # fmt: skip
            postings.open_account(member=member, now=joined_at)
    return found


@dataclass
class _Stage:
    now: datetime
    members: dict[tuple[str, int], Member]
    bills: int = 0
    keys: dict[int, Any] = field(default_factory=dict)

    def play(self, pair: Pair) -> None:
        """The wallet's notice, the other door, and the decision where one was taken."""
        paid_at = self.moment(pair.days_ago, pair.at)
        again_at = paid_at + timedelta(minutes=pair.minutes)
        self.wallet(pair.store, pair.who, pair.cents, paid_at)
        bring = self.partner if pair.door == PARTNER else self.counter
        later = bring(pair.store, pair.who, pair.later_cents, again_at)
        if pair.answer:
            self.decide(later, pair.answer, again_at + timedelta(minutes=pair.waited))

    def moment(self, days_ago: int, at: str) -> datetime:
        day = self.now.astimezone(HONG_KONG).date() - timedelta(days=days_ago)
        return datetime.combine(day, time.fromisoformat(at), HONG_KONG)

    def member(self, store: Store, who: int) -> Member:
        return self.members[store.group.label, who]

    def wallet(self, code: str, who: int, cents: int, paid_at: datetime, **more: str) -> Transaction:
        """As a wallet's notice brings it; `more` are numbers beside its own, by kind."""
        store = _store(code)
        self.bills += 1
        bill = f"{paid_at.astimezone(HONG_KONG):%Y%m%d}2160{self.bills:016d}"
        purchase = Purchase(
            group_id=store.group_id, mall_id=store.mall_id, channel=WALLET, member_id=self.member(store, who).pk,
            amount_cents=cents, currency="HKD", paid_at=paid_at, numbers={"PAYMENT": bill, **more},
            store_label=store.pms_label, merchant_id=store.merchant_id, merchant_name=store.name_en,
        )  # fmt: skip
        outcome = awards.earn(purchase=purchase, now=min(self.now, paid_at + timedelta(seconds=1)))
        assert outcome.transaction_id is not None  # the week's people have cards and consents
        return Transaction.objects.get(pk=outcome.transaction_id)

    def counter(
        self,
        code: str,
        who: int,
        cents: int,
        paid_at: datetime,
        number: str = "",
        entered_at: datetime | None = None,
    ) -> Transaction:
        store, clerk = _store(code), _login(CLERK)
        slip = Slip(
            store=store, member_id=self.member(store, who).pk, channel=COUNTER, amount_cents=cents, paid_at=paid_at,
            number=number, by_id=clerk.pk,
        )  # fmt: skip
        token = f"demo-week-{cents}-{paid_at.timestamp():.0f}"
        return counter.save(
            slip=slip, token=token, by=clerk, now=min(self.now, entered_at or paid_at)
        ).transaction

    def partner(self, code: str, who: int, cents: int, paid_at: datetime) -> Transaction:
        """By the mall's till, whose own number the wallet does not know."""
        store = _store(code)
        key = self.keys.get(store.mall_id) or self._key(store.mall)
        number = f"T{paid_at.astimezone(HONG_KONG):%m%d%H%M}"
        body = {
            "number": number, "store": store.code, "amount_cents": cents, "paid_at": paid_at.isoformat(),
            "member": self.member(store, who).phone,
        }  # fmt: skip
        partners.take(key=key, idempotency_key=f"demo-{number}", body=body, now=min(self.now, paid_at))
        return Transaction.objects.get(receipt_number=number, mall=store.mall)

    def _key(self, mall: Mall) -> Any:
        made_at = self.now - MEMBER_FOR
        row, _key = partners.make_key(
            mall=mall, name="Harbour Noodles, till 1", by=_login(MANAGER), now=made_at
        )
        self.keys[mall.pk] = row
        return row

    def decide(self, later: Transaction, answer: str, at: datetime) -> None:
        case = DuplicateCase.objects.get(transaction=later)
        cases.decide(case=case, answer=answer, by=_login(REVIEWER), now=min(self.now, at))


def _play_today(stage: _Stage) -> None:
    """Held, held with a coupon, flagged with a coupon, all of the last hour; and two coffees that are no case."""
    start = stage.now.replace(second=0, microsecond=0) - timedelta(minutes=50)
    stage.wallet("LP-S12", 0, 68_800, start)
    stage.counter("LP-S12", 0, 68_800, start + timedelta(minutes=3))
    stage.wallet("LP-S12", 1, 68_800, start + timedelta(minutes=6))
    stage.counter("LP-S12", 1, 70_000, start + timedelta(minutes=8))
    stage.wallet("LP-S12", 2, 68_800, start + timedelta(minutes=11))
    stage.counter("LP-S12", 2, 70_000, start + timedelta(minutes=31))
    stage.wallet("LP-210", 5, 24_600, start + timedelta(minutes=36))
    asked = stage.partner("LP-210", 5, 24_600, start + timedelta(minutes=40))
    reviewer = _login(REVIEWER)
    cases.ask(
        case=asked.duplicate_case, of=reviewer, by=reviewer, now=stage.now, note="Till 1 looks for the slip"
    )
    stage.wallet("P8-C03", 0, 4_200, stage.moment(1, "08:05"))
    stage.wallet("P8-C03", 0, 4_200, stage.moment(1, "08:07"))
    # For the missing-points desk: "about HK$688 yesterday at Thread Street".
    stage.wallet("LP-S12", 4, 68_800, stage.moment(1, "14:29"))


def _play_numbers(stage: _Stage) -> None:
    """The same number: of both of a payer's wallets, with other words for the amount, and by somebody else."""
    start = stage.now.replace(second=0, microsecond=0) - timedelta(minutes=35)
    stage.wallet("LP-210", 3, 52_000, start, ACQUIRER="80026112200520")
    stage.wallet("LP-210", 3, 52_000, start, ACQUIRER="80026112200520")
    bill = stage.wallet("LP-S12", 4, 128_000, start).payment_number
    stage.counter("LP-S12", 4, 182_000, start, bill, start + timedelta(minutes=12))
    bill = stage.wallet("LP-405", 5, 36_500, start + timedelta(minutes=2)).payment_number
    stage.counter("LP-405", 1, 36_500, start + timedelta(minutes=2), bill, start + timedelta(minutes=20))
    stage.counter("LP-210", 3, 20_700, stage.moment(1, "12:39"), "R-7703")


def _play_files(stage: _Stage) -> None:
    """A file of two days ago is in; that of yesterday was checked, and waits for somebody to say so."""
    mall = Mall.objects.get(tag="lumina-plaza")
    for name, text, days_ago, is_imported in (
        ("receipts-front-desk-1.csv", LAST_FILE, 2, True),
        ("收據-服務台.csv", FILE, 1, False),
    ):
        day = stage.moment(days_ago, "00:00")
        at = min(stage.now, day + timedelta(days=1, hours=9))
        file = BytesIO(text.format(day=f"{day:%Y-%m-%d}").encode())
        job, _is_new = receipts.accept(mall=mall, file=file, name=name, by=_login(OPERATOR), now=at)
        receipts.check(job_id=job.pk, clock=lambda at=at: at)  # type: ignore[misc]  # bound for the loop
        if is_imported:
            receipts.approve(job=job, now=at)
            receipts.run(job_id=job.pk, clock=lambda at=at: at)  # type: ignore[misc]


def _store(code: str) -> Store:
    return Store.objects.select_related("mall", "group").get(code=code, group__label__in=PEOPLE)


def _login(name: str) -> User:
    return User.objects.get(username=name)
