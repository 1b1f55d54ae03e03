"""Four hundred purchases, each through five doors at one instant: numbers dressed up, other amounts, other claimers."""

import io
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from queue import Empty, SimpleQueue
from random import Random
from typing import Any

import pytest
from django.conf import settings
from django.db import OperationalError, connection, connections
from django.test import Client

from alipayhk import payloads, uploads, waiting
from alipayhk.models import CardTemplate
from alipayhk.uploads import Order
from loyalty.doors import counter, partners, receipts, slips
from loyalty.doors.models import ImportRow, PartnerKey
from loyalty.doors.slips import Slip
from loyalty.earning import duplicates, recount
from loyalty.earning.models import Award, DuplicateCase, Transaction
from loyalty.ledger import proof
from loyalty.ledger.models import PointAccount, PointEntry
from members.models import Consent, Member, Pass
from pms import clock
from pms.clock import HONG_KONG
from pms.models import Store, User
from tests import factories
from tests.alipayhk import gateway as outbound
from tests.alipayhk import wallet
from tests.alipayhk.gateway import Gateway
from tests.alipayhk.picking import TOKEN, bill
from tests.alipayhk.wallet import Wallet
from tests.databases import Database
from tests.loyalty.doors import files

pytestmark = pytest.mark.timeout(300)

PURCHASES, AT_ONE_INSTANT, THREADS = 400, 8, 8
# So many purchases to one of which the shop knows only its till's number, so that nothing but likeness tells.
TILLS_OWN = 8
DOORS = ("WALLET", "UPLOAD", "COUNTER", "PARTNER", "IMPORT")
FULL_WIDTH = {ord(sign): ord(sign) + 0xFEE0 for sign in "0123456789ABCDEFGHKLMNOPQRSTUVWXYZ"}
Work = Callable[[], object]


@dataclass(frozen=True, kw_only=True)
class Story:
    """One purchase: its numbers, who paid, who else claims it, and by which doors other things are said of it."""

    number: str
    tills_number: str
    store: Store
    cents: int
    paid_at: datetime
    payer: Pass
    claimer: Pass
    other_amount_at: Collection[str]
    other_claimer_at: Collection[str]

    def cents_at(self, door: str) -> int:
        return self.cents + 12_300 if door in self.other_amount_at else self.cents

    def number_at(self, door: str) -> str:
        return self.number if door in ("WALLET", "UPLOAD") else self.tills_number or self.number

    def who_at(self, door: str) -> Pass:
        return self.claimer if door in self.other_claimer_at else self.payer


@dataclass
class Place:
    """A mall with all its doors."""

    mall: Wallet
    stores: list[Store]
    gateway: Gateway
    key: PartnerKey
    clerk: User
    random: Random = field(default_factory=lambda: Random(20261122))

    def notice(self, story: Story) -> None:
        """Signed, as AlipayHK sends it; a lock that is not had in 300 ms leaves it to the sweep."""
        answer = self.mall.send("BILL", self.mall.bill(
            userId=story.who_at("WALLET").user_id, billNo=story.number.swapcase(),
            orderAmount={"currency": "HKD", "value": story.cents_at("WALLET")},
            payTime=wallet.business_time(story.paid_at), pmsLabel=story.store.pms_label,
        ))  # fmt: skip
        if answer.body != payloads.SUCCESS:
            raise OperationalError

    def upload(self, story: Story) -> None:
        credential, who = self.mall.credential, story.who_at("UPLOAD")
        line = bill(
            story.number.lower(), story.cents_at("UPLOAD"), at=story.paid_at, pmsLabel=story.store.pms_label
        )
        batch = self.gateway.twin.make_batch({
            "client_id": credential.client_id, "user_id": who.user_id, "access_token": TOKEN,
            "app_id": credential.app_id, "bills": [line],
        })  # fmt: skip
        order = Order(wallet_pass=who, batch_number=batch.batch_no, access_token=TOKEN)
        uploads.upload(order=order, credential=credential, now=clock.now())

    def type_in(self, story: Story) -> None:
        """As the counter's form reads what was typed."""
        slip = Slip(
            store=story.store, member_id=story.who_at("COUNTER").member_id, channel="COUNTER",
            amount_cents=story.cents_at("COUNTER"), paid_at=story.paid_at,
            number=slips.read_number(self._dressed(story.number_at("COUNTER"))),
        )  # fmt: skip
        counter.save(slip=slip, token=story.number, by=self.clerk, now=clock.now())

    def post(self, story: Story) -> None:
        body = {
            "number": self._dressed(story.number_at("PARTNER")), "number_kind": self._kind(story),
            "store": story.store.code, "paid_at": story.paid_at.isoformat(),
            "amount_cents": story.cents_at("PARTNER"), "member": story.who_at("PARTNER").member.card_number,
        }  # fmt: skip
        partners.take(key=self.key, idempotency_key=story.number, body=body, now=clock.now())

    def file(self, stories: Collection[Story]) -> Work:
        """Checked before anything else of it came; its import is the work."""
        rows = [
            [self._dressed(story.number_at("IMPORT")), self._kind(story), story.store.code,
             f"{story.cents_at('IMPORT') / 100:.2f}", f"{story.paid_at.astimezone(HONG_KONG):%Y-%m-%d %H:%M:%S}",
             story.who_at("IMPORT").member.card_number]
            for story in stories
        ]  # fmt: skip
        columns = ("number", "number_kind", "store", "amount", "paid_at", "member")
        job, _is_new = receipts.accept(
            mall=self.mall.mall, file=io.BytesIO(files.as_csv(*rows, columns=columns)), name="till.csv", by=None,
            now=clock.now(),
        )  # fmt: skip
        receipts.check(job_id=job.pk, clock=clock.now)
        job.refresh_from_db()
        assert receipts.approve(job=job, now=clock.now()), job.refusal
        return partial(receipts.run, job_id=job.pk, clock=clock.now)

    def _kind(self, story: Story) -> str:
        return self.random.choice(
            ["RECEIPT", "receipt", ""] if story.tills_number else ["Payment", "RECEIPT", ""]
        )

    def _dressed(self, number: str) -> str:
        """What people and tills make of a number."""
        return self.random.choice([
            number, number.lower(), f"  {number} ", number.upper().translate(FULL_WIDTH), f" {number.title()}\t",
            f"{number[:4]}{number[4:].upper().translate(FULL_WIDTH)} ",
        ])  # fmt: skip


@pytest.fixture
def place(fresh_database: Database, gateway: Gateway) -> Iterator[Place]:
    """The timeouts of a web process, for every connection of every thread."""
    options = connections.databases["default"]["OPTIONS"]
    before = options["options"]
    connection.close()
    options["options"] = settings.TIMEOUTS
    mall = wallet.lumina()
    _serve(mall, gateway)
    key, _text = partners.make_key(mall=mall.mall, name="Till", by=None, now=clock.now())
    stores = [mall.store, *factories.StoreFactory.create_batch(7, mall=mall.mall)]
    yield Place(mall, stores, gateway, key, factories.UserFactory.create())
    connection.close()
    options["options"] = before


def _serve(mall: Wallet, gateway: Gateway) -> None:
    """Manual uploads are fetched from the twin, whose answers are signed with a second key of AlipayHK's."""
    mall.credential.gateway_url = gateway.url
    mall.credential.save()
    factories.CredentialKeyFactory.create(
        credential=mall.credential, version=2, pair=gateway.twin.keys.current
    )
    outbound.serve(gateway, mall.credential, CardTemplate.objects.get(credential=mall.credential))


def test_each_purchase_is_paid_once_and_every_clash_is_a_task(place: Place) -> None:
    stories = [_story(place, number, *passes) for number, passes in enumerate(_people(place.mall))]
    calls = [
        call
        for at in range(0, PURCHASES, AT_ONE_INSTANT)
        for call in _calls(place, stories[at : at + AT_ONE_INSTANT])
    ]

    _at_once(calls)
    waiting.sweep(now=clock.now() + timedelta(minutes=1))

    found, due = _by_story(stories), Counter[str]()
    for story in stories:
        due += _assert_paid_once(story, found[story.number])
    assert {_winner(rows).channel for rows in found.values()} == set(DOORS)
    assert dict(Counter(DuplicateCase.objects.values_list("verdict", flat=True))) == dict(due)
    assert _shown_on_the_desk(place) == due["CONFLICT"] + due["HELD"]
    _assert_sums()


def _calls(place: Place, stories: list[Story]) -> list[Work]:
    """All doors of a few purchases, in any order."""
    doors = (place.notice, place.upload, place.type_in, place.post)
    calls: list[Work] = [partial(door, story) for story in stories for door in doors]
    calls.append(place.file(stories))
    place.random.shuffle(calls)
    return calls


def _at_once(calls: list[Work]) -> None:
    """By many callers without a pause; one that meets a lock comes again, as all of them do."""
    waiting_calls: SimpleQueue[Work] = SimpleQueue()
    for call in calls:
        waiting_calls.put(call)

    def caller() -> None:
        try:
            while True:
                _again_while_busy(waiting_calls.get_nowait())
        except Empty:
            return
        finally:
            connection.close()

    with ThreadPoolExecutor(THREADS) as pool:
        for done in [pool.submit(caller) for _ in range(THREADS)]:
            done.result()


def _again_while_busy(call: Work) -> None:
    for _ in range(20):
        try:
            call()
        except OperationalError:
            time.sleep(0.05)
        else:
            return
    call()


def _assert_paid_once(story: Story, rows: list[Transaction]) -> Counter[str]:
    """One record has the points of its own amount; each other one is a case about it. Returns the verdicts due."""
    winner, due = _winner(rows), Counter[str]()
    assert winner.award.points == winner.amount_cents // 100
    held = next((row for row in rows if row.state == "HELD"), winner)
    assert (held != winner) is bool(story.tills_number)
    for row in rows:
        if row != winner:
            due[_assert_is_task(row, winner, held)] += 1
    _assert_all_doors_told(story, rows)
    return due


def _assert_is_task(row: Transaction, winner: Transaction, held: Transaction) -> str:
    """Returns its verdict. What only looks alike is held; what shares a number is about who has that number."""
    case = row.duplicate_case
    first = winner if _known(row) & _known(winner) else held
    about = winner if row == held else first
    assert (_points(row), case.earlier_id) == (0, about.pk)
    if row == held:
        assert (case.verdict, case.state, case.score) == ("HELD", "OPEN", 100)
    elif (row.member_id, row.amount_cents) == (about.member_id, about.amount_cents):
        assert (row.state, case.verdict, case.state) == ("DUPLICATE", "NUMBER", "SAME")
    else:
        assert (row.state, case.verdict, case.state) == ("DUPLICATE", "CONFLICT", "OPEN")
    return case.verdict


def _assert_all_doors_told(story: Story, rows: list[Transaction]) -> None:
    """A row of a file that says what is known already leaves no record; every other door does, in its own words."""
    said = {row.channel: (row.amount_cents, row.member_id) for row in rows}
    expected = {door: (story.cents_at(door), story.who_at(door).member_id) for door in DOORS}
    assert len(said) == len(rows)
    if "IMPORT" not in said:
        row = ImportRow.objects.select_related("earlier").get(
            claim__endswith=story.number_at("IMPORT").upper()
        )
        assert row.earlier is not None
        assert (row.fate, row.earlier.state != "DUPLICATE") == ("KNOWN", True)
        assert (row.earlier.amount_cents, row.earlier.member_id) == expected.pop("IMPORT")
    assert said == expected


def _winner(rows: list[Transaction]) -> Transaction:
    [winner] = [row for row in rows if _points(row)]
    return winner


def _points(row: Transaction) -> int:
    award: Award | None = getattr(row, "award", None)
    return award.points if award else 0


def _known(row: Transaction) -> set[str]:
    return {duplicates.canonical(number) for number in row.numbers.values()}


def _by_story(stories: list[Story]) -> dict[str, list[Transaction]]:
    """The records of each purchase, by its own number."""
    names = {
        name.upper(): story.number for story in stories for name in (story.number, story.tills_number) if name
    }
    found = defaultdict(list)
    for row in Transaction.objects.select_related("award", "duplicate_case").order_by("pk"):
        [number] = _known(row)
        found[names[number]].append(row)
    return found


def _shown_on_the_desk(place: Place) -> int:
    """Open cases in the queue of the mall's own staff."""
    staff = factories.MallStaffFactory.create(mall=place.mall.mall, group=place.mall.mall.group)
    client = Client()
    client.force_login(staff.user)
    page: Any = client.get("/admin/earning/duplicatecase/")
    return int(page.context_data["cl"].result_count)


def _assert_sums() -> None:
    """Every posting sums to zero, every balance is its entries', and nothing was paid but what the winners show."""
    assert [*proof.breaches(), *recount.breaches()] == []
    entries = PointEntry.objects.values_list("points", flat=True)
    assert (sum(entries), len(entries)) == (0, 2 * PURCHASES)
    balances = PointAccount.objects.filter(member__isnull=False).values_list("balance", flat=True)
    paid = Transaction.objects.filter(state="EARNED").values_list("amount_cents", flat=True)
    assert (len(paid), sum(cents // 100 for cents in paid)) == (PURCHASES, sum(filter(None, balances)))
    assert set(ImportRow.objects.values_list("fate", flat=True)) == {"RECORDED", "KNOWN"}


def _story(place: Place, number: int, payer: Pass, claimer: Pass) -> Story:
    """No two amounts are alike, so that only a purchase's own records are."""
    drawn, is_tills = place.random, number % TILLS_OWN == 0
    others = [[], []] if is_tills else [drawn.sample(DOORS, drawn.choice([0, 0, 1, 2])) for _ in range(2)]
    return Story(
        number=f"hk{number:04}2202304120013560000000ab", tills_number=f"r-{number:04}ab" if is_tills else "",
        store=drawn.choice(place.stores), cents=20_000 + 701 * number,
        paid_at=(clock.now() - timedelta(minutes=20 + number % 60)).replace(microsecond=0),
        payer=payer, claimer=claimer, other_amount_at=others[0], other_claimer_at=others[1],
    )  # fmt: skip


def _people(mall: Wallet) -> Iterator[tuple[Pass, Pass]]:
    """A payer and a claimer for each purchase, members of a month; everybody comes once."""
    program, since = mall.mall.group.program, clock.now() - timedelta(days=30)
    count = range(2 * PURCHASES)
    members = Member.objects.bulk_create(
        Member(program=program, card_number=f"{7000000000000000 + at}", joined_at=since) for at in count
    )
    passes = Pass.objects.bulk_create(
        Pass(program=program, member=member, mall=mall.mall, wallet="ALIPAYHK", user_id=f"{2160120100000000 + at}",
             serial=f"S{at}", external_id=f"E{at}", state=Pass.State.ACTIVE, joined_at=since)
        for at, member in enumerate(members)
    )  # fmt: skip
    Consent.objects.bulk_create(Consent(wallet_pass=one, member=one.member, began_at=since) for one in passes)
    PointAccount.objects.bulk_create(
        PointAccount(
            program=program, member=member, kind=PointAccount.Kind.MEMBER, balance=0, changed_at=since
        )
        for member in members
    )
    return zip(passes[::2], passes[1::2], strict=True)
