"""Lists and look-ups of the desks end at an index, however much there is: told by PostgreSQL's own plans.

Whole scans are forbidden to it meanwhile, so a scan that is left, or an index read from end to end, means that no
index fits.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.db.transaction import atomic
from django.test import Client
from django.test.utils import CaptureQueriesContext

from loyalty.earning.models import DuplicateCase, NumberClaim, Transaction
from pms import clock
from pms.clock import HONG_KONG
from pms.models import Mall, MallStaff
from tests import factories

pytestmark = pytest.mark.usefixtures("unmeasured_database")

LARGE = {
    "earning_transaction",
    "earning_duplicatecase",
    "earning_numberclaim",
    "earning_award",
    "members_member",
}
LARGE |= {"members_pass", "review_decision"}
# Read in their order, and left when the page is full.
ORDERED = {"earning_case_oldest", "earning_case_newest", "review_decision_pkey"}
QUEUE, DESK, DECISIONS = "/admin/earning/duplicatecase/", "/admin/missing-points/", "/admin/review/decision/"


@pytest.fixture
def case() -> DuplicateCase:
    mall: Mall = factories.MallFactory.create()
    factories.MallFactory.create(group=mall.group)
    paid = clock.now().astimezone(HONG_KONG).replace(hour=0, minute=0, second=0, microsecond=0)
    store = factories.StoreFactory.create(mall=mall, name_en="Sakura Sushi")
    member = factories.MemberFactory.create(program__group=mall.group, phone="+85291234567")
    both: list[Transaction] = [
        factories.TransactionFactory.create(
            mall=mall, store=store, member=member, paid_at=paid, payment_number=f"20230421220014322{number}"
        )
        for number in range(2)
    ]
    NumberClaim.objects.create(
        group=mall.group, kind="PAYMENT", number=both[0].payment_number, transaction=both[0]
    )
    made: DuplicateCase = factories.DuplicateCaseFactory.create(transaction=both[1], earlier=both[0])
    factories.DecisionFactory.create(case=made)
    return made


@pytest.mark.parametrize("address", [QUEUE, f"{QUEUE}?show=all", f"{QUEUE}?q=202304212200143221", DECISIONS])
@pytest.mark.parametrize("sees", ["mall", "group"])
def test_a_page_of_the_desks_reads_large_tables_by_index_alone(
    case: DuplicateCase, address: str, sees: str
) -> None:
    client = reviewer(case, sees)

    with CaptureQueriesContext(connection) as asked:
        assert client.get(address).status_code == 200

    assert told_of(asked) == []


@pytest.mark.parametrize(
    "words",
    [
        "+85291234567", "202304212200143220", "8000000000000000", "Chan Siu Ming", "HK$688 today",
        "about HK$688 today at Sakura Sushi", "about HK$688 at Sakura", "91234567 today",
    ],
)  # fmt: skip
@pytest.mark.parametrize("sees", ["mall", "group"])
def test_what_a_customer_says_is_looked_up_by_index_alone(case: DuplicateCase, words: str, sees: str) -> None:
    client = reviewer(case, sees)

    with CaptureQueriesContext(connection) as asked:
        assert client.post(DESK, {"q": words}).status_code == 200

    assert told_of(asked) == []


def reviewer(case: DuplicateCase, sees: str) -> Client:
    client, mall = Client(), case.mall if sees == "mall" else None
    staff = factories.MallStaffFactory.create(mall=mall, group=case.mall.group, role=MallStaff.Role.REVIEWER)
    client.force_login(staff.user)
    return client


def told_of(asked: CaptureQueriesContext) -> list[tuple[str, str]]:
    """Whole scans of large tables among these statements, of which there must be some."""
    selects = [
        one["sql"]
        for one in asked
        if one["sql"].startswith("SELECT") and any(name in one["sql"] for name in LARGE)
    ]
    assert selects
    return [(scan, sql) for sql in selects for scan in whole_scans(sql)]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT id FROM earning_transaction WHERE tender = 'CASH'",
        "SELECT id FROM earning_duplicatecase WHERE score > 80 ORDER BY points_at_stake LIMIT 50",
        "SELECT count(*) FROM members_member WHERE email LIKE 'a%'",
    ],
)
def test_a_question_that_no_index_answers_is_told(sql: str) -> None:
    assert len(whole_scans(sql)) == 1


def whole_scans(sql: str) -> list[str]:
    """Large tables that this statement reads from end to end."""
    with atomic(), connection.cursor() as cursor:
        for kind in ("seqscan", "bitmapscan"):
            cursor.execute(f"SET LOCAL enable_{kind} = off")
        cursor.execute("EXPLAIN (FORMAT JSON) " + sql.replace("%", "%%"))
        [[document]] = cursor.fetchall()
    plan = json.loads(document) if isinstance(document, str) else document
    return [told for node in nodes(plan[0]["Plan"]) if (told := _whole_scan(node))]


def _whole_scan(node: dict[str, Any]) -> str:
    name = node.get("Relation Name")
    if (
        name not in LARGE
        or "Index Cond" in node
        or "Recheck Cond" in node
        or node.get("Index Name") in ORDERED
    ):
        return ""
    return f"{node['Node Type']} of {name}"


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for inner in plan.get("Plans", []):
        yield from nodes(inner)
