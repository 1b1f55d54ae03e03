"""Asks the database to refuse a row, and says by which of its constraints it did."""

from collections.abc import Callable

import psycopg
import pytest
from django.db import IntegrityError
from django.db.transaction import atomic

Make = Callable[[], object]


def refused_by(make: Make) -> str:
    """The name of the constraint that stopped `make`, whose rows are gone."""
    with pytest.raises(IntegrityError) as caught, atomic():
        make()
    cause = caught.value.__cause__
    assert isinstance(cause, psycopg.Error)
    return cause.diag.constraint_name or ""
