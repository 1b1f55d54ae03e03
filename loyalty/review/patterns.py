"""Who and what stands out in duplicates: members, staff, stores, and what the doors add, against their mall's median.

Purchases paid in the period are counted with those among them that came again. Reads only the malls it is told; one
statement a list, over the indexes of cases by day and of purchases by mall and day.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import Q

from members.models import Member
from pms.models import Store, User

MOST = 100
# So many times the median, and so many cases, stand out; fewer may be chance.
TIMES, LEAST = 3, 3
ORDERS = {
    "cases": "cases DESC, cents_saved DESC",
    "share": "cases::float / entries DESC, cases DESC",
    "saved": "cents_saved DESC, cases DESC",
}
# A purchase's case is opened when it is recorded, which is not before it was paid; clocks of tills run ahead a little.
FOUND = """
WITH again AS (
    SELECT entry.mall_id, {column} AS subject_id, count(*) AS cases,
        count(*) FILTER (WHERE told.state = 'SAME') AS stopped,
        count(*) FILTER (WHERE told.state = 'DIFFERENT') AS different,
        count(*) FILTER (WHERE told.state IN ('OPEN', 'ASKED')) AS waiting,
        sum(told.points_saved) AS points_saved, sum(told.cents_saved) AS cents_saved
    FROM earning_duplicatecase told
    JOIN earning_transaction entry ON entry.id = told.transaction_id {join}
    WHERE told.mall_id = ANY(%(mall_ids)s::bigint[]) AND entry.mall_id = ANY(%(mall_ids)s::bigint[])
        AND told.opened_at >= %(since)s - interval '1 day'
        AND entry.paid_at >= %(since)s AND entry.paid_at < %(until)s AND {column} IS NOT NULL
    GROUP BY 1, 2
), all_of_them AS (
    SELECT entry.mall_id, {column} AS subject_id, count(*) AS entries
    FROM earning_transaction entry {join}
    WHERE entry.mall_id = ANY(%(mall_ids)s::bigint[])
        AND entry.paid_at >= %(since)s AND entry.paid_at < %(until)s
        AND {column} IN (SELECT subject_id FROM again)
    GROUP BY 1, 2
), together AS (
    SELECT * FROM again JOIN all_of_them USING (mall_id, subject_id)
), usual AS (
    SELECT mall_id, percentile_cont(0.5) WITHIN GROUP (ORDER BY cases) AS usual_cases,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY cases::float / entries) AS usual_share
    FROM together GROUP BY 1
)
SELECT mall_id, subject_id, cases, stopped, different, waiting, entries, points_saved::bigint, cents_saved::bigint,
    usual_cases, usual_share
FROM together JOIN usual USING (mall_id)
ORDER BY {order}, mall_id, subject_id
LIMIT %(most)s
"""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """Whom purchases are counted by. `column` and `join` are SQL over `entry`; `of` finds one's cases.

    A join must not find one purchase twice.
    """

    name: str
    column: str
    join: str = ""
    fetch: Callable[[Collection[int]], dict[int, Any]]
    of: Callable[[int], Q]


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """Purchases paid from when until just before when, in which malls."""

    mall_ids: Collection[int]
    since: datetime
    until: datetime
    order: str = "cases"


@dataclass(frozen=True, slots=True)
class Pattern:
    """One subject in one mall; the usual figures are the medians of that mall's subjects that have a case."""

    mall_id: int
    subject_id: int
    cases: int
    stopped: int
    different: int
    waiting: int
    entries: int
    points_saved: int
    cents_saved: int
    usual_cases: float
    usual_share: float

    @property
    def share(self) -> float:
        return self.cases / self.entries

    @property
    def times(self) -> float:
        """How many times the median."""
        return self.cases / self.usual_cases

    @property
    def stands_out(self) -> bool:
        return self.cases >= LEAST and self.times >= TIMES


SUBJECTS = {
    "member": Subject(
        name="member",
        column="entry.member_id",
        fetch=Member.objects.in_bulk,
        of=lambda pk: Q(transaction__member=pk),
    ),
    "staff": Subject(
        name="staff",
        column="entry.entered_by_id",
        fetch=User.objects.in_bulk,
        of=lambda pk: Q(transaction__entered_by=pk),
    ),
    "store": Subject(
        name="store",
        column="entry.store_id",
        fetch=Store.objects.in_bulk,
        of=lambda pk: Q(transaction__store=pk),
    ),
}


def adds(subject: Subject) -> Subject:
    """Register another kind of subject, which a door knows."""
    SUBJECTS[subject.name] = subject
    return subject


def found(subject: Subject, question: Question) -> list[Pattern]:
    """Those with a case, by the question's order, at most `MOST`."""
    with connection.cursor() as cursor:
        cursor.execute(statement(subject, question), asked(question))
        return [Pattern(*row) for row in cursor.fetchall()]


def statement(subject: Subject, question: Question) -> str:
    return FOUND.format(column=subject.column, join=subject.join, order=ORDERS[question.order])


def asked(question: Question) -> dict[str, Any]:
    return {
        "mall_ids": sorted(question.mall_ids),
        "since": question.since,
        "until": question.until,
        "most": MOST,
    }


def cases_of(subject: Subject, subject_id: int, *, since: datetime, until: datetime) -> Q:
    """The cases that `found` counts for one subject."""
    paid = Q(transaction__paid_at__gte=since, transaction__paid_at__lt=until)
    return subject.of(subject_id) & paid
