"""Members are found by what a person or a file calls them, one or a thousand, through indexes alone."""

from typing import Any

import psycopg
import pytest
from django.db import connection

from loyalty.doors import slips
from members.models import Member
from tests import factories
from tests.databases import Database
from tests.factories import MemberFactory, PassFactory, ProgramFactory


@pytest.mark.django_db
def test_a_member_has_three_names_and_a_program_its_own_members() -> None:
    one = PassFactory.create(user_id="2160000001", member__phone="+85261234567")
    stranger = PassFactory.create(user_id="2160000002", member__phone="+85267654321")
    names = [one.user_id, "6123 4567", one.member.card_number.lower(), "nobody", " "]

    found = slips.members_named([*names, stranger.user_id], group_id=one.mall.group_id)

    only, nobody = {one.member_id}, set[int]()
    assert [found.get(name) for name in names] == [only, only, only, nobody, None]
    assert found[stranger.user_id] == nobody


@pytest.mark.django_db
def test_a_name_that_two_members_have_names_both() -> None:
    one = MemberFactory.create(phone="+85261234567")
    other = MemberFactory.create(program=one.program)
    factories.PassFactory.create(member=other, user_id="61234567")

    found = slips.members_named(["61234567"], group_id=one.program.group_id)

    assert found == {"61234567": {one.pk, other.pk}}


def test_names_are_looked_up_by_index_and_not_compared_with_every_member(fresh_database: Database) -> None:
    program = ProgramFactory.create()
    phones = [f"+852{number}" for number in range(60000000, 60001000)]
    Member.objects.bulk_create(MemberFactory.build(program=program, phone=phone) for phone in phones)
    names = "{" + ",".join(str(number) for number in range(1000)) + "}"
    asked: dict[str, Any] = {"group_id": program.group_id, "cards": names, "phones": names, "users": names}
    with psycopg.connect(fresh_database.owner_url, autocommit=True) as owner:
        owner.execute("ANALYZE members_member")
    with connection.cursor() as cursor:
        cursor.execute("EXPLAIN " + slips.NAMED, asked)
        plan = [row[0].strip() for row in cursor.fetchall()]

    found = [line for line in plan if line.startswith("Index Cond") and "= called" in line]
    assert len(found) == 3, "\n".join(plan)
