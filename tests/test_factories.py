"""Every factory makes a row that the database and the model's own rules accept."""

import inspect

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from django.db.models import Model
from factory.django import DjangoModelFactory

from tests import factories

FACTORIES = [
    member
    for _, member in inspect.getmembers(factories, inspect.isclass)
    if issubclass(member, DjangoModelFactory) and member is not DjangoModelFactory
]


@pytest.mark.django_db
@pytest.mark.parametrize("made_by", FACTORIES, ids=lambda made_by: made_by.__name__)
def test_a_factory_makes_rows_that_could_be_committed(made_by: type[DjangoModelFactory[Model]]) -> None:
    first, second = made_by.create(), made_by.create()

    for row in (first, second):
        try:
            row.full_clean()
        except ValidationError as error:
            pytest.fail(str(error))
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
