"""Patterns: members, staff, stores and partner keys against their mall's median, and the way to their cases."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from loyalty.earning.models import DuplicateCase, Transaction
from loyalty.review import patterns
from loyalty.review.patterns import MOST, Pattern, Question
from members.models import Member
from pms.clock import HONG_KONG
from pms.models import Mall
from tests import factories

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 5, 4, 12, 0, tzinfo=HONG_KONG)
MIDNIGHT = NOON.replace(hour=0)
DAY = timedelta(days=1)
PAGE = "admin:earning_duplicatecase_patterns"
QUEUE = "admin:earning_duplicatecase_changelist"
MAY = {"since": "2026-05-04", "until": "2026-05-04"}


@pytest.fixture
def mall() -> Mall:
    return factories.MallFactory.create(name_en="Harbour Plaza", name_zh="海港廣場")


@pytest.fixture
def reviewer(mall: Mall) -> Client:
    return client_of(mall, "REVIEWER")


def client_of(mall: Mall, role: str) -> Client:
    client = Client()
    client.force_login(factories.MallStaffFactory.create(role=role, mall=mall, group=mall.group).user)
    return client


def member_of(mall: Mall, **values: Any) -> Member:
    return factories.MemberFactory.create(program__group=mall.group, **values)


def entry(mall: Mall, *, at: datetime = NOON, **values: Any) -> Transaction:
    """One that came once."""
    return factories.TransactionFactory.create(mall=mall, paid_at=at, **values)


def again(mall: Mall, *, at: datetime = NOON, case: Any = None, **values: Any) -> DuplicateCase:
    """One that came again."""
    known = {"state": "SAME", "decided_at": at, "points_saved": 10, "cents_saved": 500, "opened_at": at}
    return factories.DuplicateCaseFactory.create(
        transaction=entry(mall, at=at, **values),
        earlier=entry(mall, at=at - 9 * DAY),
        **known | (case or {}),
    )


def found(name: str, *malls: Mall, **asked: Any) -> list[Pattern]:
    period = {"since": MIDNIGHT, "until": MIDNIGHT + DAY}
    return patterns.found(
        patterns.SUBJECTS[name], Question(mall_ids=[mall.pk for mall in malls], **period | asked)
    )


def test_a_member_is_counted_with_cases_entries_and_what_was_saved(mall: Mall) -> None:
    lee = member_of(mall)
    again(mall, member=lee)
    again(mall, member=lee, case={"state": "DIFFERENT", "points_saved": 0, "cents_saved": 0})
    again(mall, member=lee, case={"state": "OPEN", "decided_at": None, "points_saved": 0, "cents_saved": 0})
    entry(mall, member=lee)
    entry(mall)

    assert found("member", mall) == [Pattern(mall.pk, lee.pk, 3, 1, 1, 1, 4, 10, 500, 3.0, 0.75)]


def test_the_median_is_that_of_the_mall_and_tells_who_stands_out(mall: Mall) -> None:
    other = factories.MallFactory.create(group=mall.group)
    for count in (1, 1, 6):
        member = member_of(mall)
        for _ in range(count):
            again(mall, member=member)
    busy = member_of(other)
    for _ in range(9):
        again(other, member=busy)

    rows = found("member", mall, other)

    assert [(row.mall_id, row.cases, row.usual_cases, row.stands_out) for row in rows] == [
        (other.pk, 9, 9.0, False), (mall.pk, 6, 1.0, True), (mall.pk, 1, 1.0, False), (mall.pk, 1, 1.0, False),
    ]  # fmt: skip


def test_two_cases_may_be_chance(mall: Mall) -> None:
    usual = Pattern(1, 1, 2, 2, 0, 0, 2, 0, 0, 0.5, 0.1)

    assert (usual.times, usual.stands_out) == (4.0, False)


@pytest.mark.parametrize(("order", "first"), [("cases", 3), ("share", 1), ("saved", 2)])
def test_the_order_is_as_asked(mall: Mall, order: str, first: int) -> None:
    for count, others, cents in ((3, 7, 100), (1, 0, 100), (2, 2, 9000)):
        member = member_of(mall)
        for _ in range(count):
            again(mall, member=member, case={"cents_saved": cents})
        for _ in range(others):
            entry(mall, member=member)

    assert found("member", mall, order=order)[0].cases == first


def test_days_are_those_of_payment_with_the_last_included(mall: Mall) -> None:
    for at in (
        MIDNIGHT - timedelta(seconds=1),
        MIDNIGHT,
        MIDNIGHT + DAY - timedelta(seconds=1),
        MIDNIGHT + DAY,
    ):
        again(mall, at=at, store=factories.StoreFactory.create(mall=mall))

    assert len(found("store", mall)) == 2


def test_a_receipt_of_the_day_handed_in_later_counts(mall: Mall) -> None:
    again(mall, case={"opened_at": NOON + 20 * DAY, "decided_at": NOON + 20 * DAY})

    assert len(found("member", mall)) == 1


def test_staff_are_counted_by_what_they_entered(mall: Mall) -> None:
    mei = factories.UserFactory.create()
    again(mall, channel="COUNTER", entered_by=mei)
    entry(mall, channel="COUNTER", entered_by=mei)
    again(mall)

    assert [(row.subject_id, row.cases, row.entries) for row in found("staff", mall)] == [(mei.pk, 1, 2)]


def test_a_partner_key_is_counted_once_a_purchase(mall: Mall) -> None:
    key = factories.PartnerKeyFactory.create(mall=mall)
    case, other = again(mall, channel="PARTNER"), entry(mall, channel="PARTNER")
    for number, one in enumerate((case.transaction, case.transaction, other)):
        factories.PartnerRequestFactory.create(partner_key=key, transaction=one, idempotency_key=f"k{number}")
    again(mall, channel="COUNTER")

    rows = found("partner", mall)

    assert [(row.subject_id, row.cases, row.entries) for row in rows] == [(key.pk, 1, 2)]
    subject = patterns.SUBJECTS["partner"]
    assert subject.fetch([key.pk]) == {key.pk: key}
    assert list(DuplicateCase.objects.filter(subject.of(key.pk))) == [case]


def test_a_store_not_known_yet_is_nobody(mall: Mall) -> None:
    again(mall, store=None, state="PARKED")

    assert found("store", mall) == []


def test_another_mall_is_not_counted(mall: Mall) -> None:
    other = factories.MallFactory.create(group=mall.group)
    lee = member_of(mall)
    again(mall, member=lee)
    again(other, member=lee)

    assert [(row.mall_id, row.cases, row.entries) for row in found("member", mall)] == [(mall.pk, 1, 1)]


def test_each_list_is_one_statement_and_no_longer_than_anybody_reads(
    mall: Mall, django_assert_num_queries: Any
) -> None:
    store, program = (
        factories.StoreFactory.create(mall=mall),
        factories.ProgramFactory.create(group=mall.group),
    )
    for _ in range(MOST + 1):
        again(mall, store=store, member=factories.MemberFactory.create(program=program))

    for name in patterns.SUBJECTS:
        with django_assert_num_queries(1):
            rows = found(name, mall)
        assert len(rows) <= MOST


def test_the_page_tells_who_with_a_way_to_their_cases(mall: Mall, reviewer: Client) -> None:
    lee, chan = member_of(mall, name="Lee Ka Yan"), member_of(mall, name="Chan Tai Man")
    case = again(mall, member=lee)
    other = again(mall, member=chan)

    shown = reviewer.get(reverse(PAGE), MAY).content.decode()

    for words in (
        "Lee Ka Yan",
        "100.0%",
        "HK$5.00",
        "Median at Harbour Plaza, of those with a case – cases: 1, share: 100.0%.",
    ):
        assert words in shown, words
    chosen = f"member.{lee.pk}.2026-05-04.2026-05-04"
    asked = {"show": "all", "of": chosen, "mall__id__exact": f"{mall.pk}"}
    listed = reviewer.get(reverse(QUEUE), asked).content.decode()
    assert reverse("admin:earning_duplicatecase_change", args=[case.pk]) in listed
    assert reverse("admin:earning_duplicatecase_change", args=[other.pk]) not in listed
    assert f"Lee Ka Yan {lee.card_number}, 2026-05-04 – 2026-05-04" in listed


def test_the_page_speaks_chinese(mall: Mall, reviewer: Client) -> None:
    again(mall, store=factories.StoreFactory.create(mall=mall, name_zh="麵家"))
    reviewer.cookies["django_language"] = "zh-hant"

    shown = reviewer.get(reverse(PAGE), MAY | {"by": "store"}).content.decode()

    for words in ("重複規律", "麵家", "海港廣場", "中位數"):
        assert words in shown, words


def test_days_without_a_duplicate_say_so(reviewer: Client) -> None:
    assert "No duplicate came in these days." in reviewer.get(reverse(PAGE), MAY).content.decode()


@pytest.mark.parametrize(
    "asked",
    [{"by": "cat"}, {"order": "; DROP"}, {"since": "soon"}, {"until": "2020-01-01"}, {"mall": "99999"}],
)
def test_what_cannot_be_asked_is_said_beside_the_form(reviewer: Client, asked: dict[str, str]) -> None:
    page = reviewer.get(reverse(PAGE), MAY | asked)

    assert (page.status_code, "errorlist" in page.content.decode()) == (400, True)


@pytest.mark.parametrize(
    "value",
    ["cat.1.2026-05-04.2026-05-04", "member.x.2026-05-04.2026-05-04", "member.1", "member.1.a.b", "."],
)
def test_an_address_that_names_nobody_is_told(mall: Mall, reviewer: Client, value: str) -> None:
    case = again(mall)

    page = reviewer.get(reverse(QUEUE), {"show": "all", "of": value}).content.decode()

    assert "The address names nobody; all cases are shown." in page
    assert reverse("admin:earning_duplicatecase_change", args=[case.pk]) in page


def test_nobody_of_another_group_is_named(mall: Mall, reviewer: Client) -> None:
    stranger = factories.MemberFactory.create(name="Hidden Person")
    again(factories.MallFactory.create(group=stranger.program.group), member=stranger)

    page = reviewer.get(reverse(QUEUE), {"show": "all", "of": f"member.{stranger.pk}.2026-05-04.2026-05-04"})

    assert "Hidden Person" not in page.content.decode()
    assert "Hidden Person" not in reviewer.get(reverse(PAGE), MAY).content.decode()


def test_only_who_decides_cases_sees_patterns(mall: Mall) -> None:
    """They tell of colleagues."""
    again(mall)

    for role, status in (("COUNTER", 403), ("OPERATOR", 403), ("REVIEWER", 200), ("MANAGER", 200)):
        client = client_of(mall, role)
        assert client.get(reverse(PAGE), MAY).status_code == status
        if role != "COUNTER":
            assert (reverse(PAGE) in client.get(reverse(QUEUE)).content.decode()) == (status == 200)


def test_patterns_are_only_read(reviewer: Client) -> None:
    assert reviewer.post(reverse(PAGE), MAY).status_code == 403
