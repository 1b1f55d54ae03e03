"""Columns made by us are read by PostgreSQL as what was put in, whatever stands in them."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection

from pms import columns

ODD = [
    "",
    "plain",
    'a","b',
    'with "quotes"',
    "back\\slash",
    "NULL",
    "{a,b}",
    "line\nend",
    "中文",
    "  ",
    "it's",
    "%s",
]


def read_back(literal: str, kind: str) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT %s::{kind}[]", [literal])
        return cursor.fetchone()[0]


@pytest.mark.django_db
def test_every_column_comes_back_as_it_was() -> None:
    moments = [datetime(2026, 11, 22, 5, 8, 20, 123456, tzinfo=UTC), None]

    assert read_back(columns.texts(ODD), "text") == ODD
    assert read_back(columns.numbers([1, -(2**62), None]), "bigint") == [1, -(2**62), None]
    assert read_back(columns.moments(moments), "timestamptz") == moments
    assert read_back(columns.flags([True, False]), "boolean") == [True, False]
    assert read_back(columns.texts([]), "text") == []
