"""Frozen in the database: rule versions, awards and refunds are inserted and never touched again."""

from importlib import import_module

from django.db import migrations

append_only = import_module("loyalty.ledger.migrations.0002_guards").append_only


class Migration(migrations.Migration):
    dependencies = [("earning", "0001_initial"), ("ledger", "0002_guards")]

    operations = [
        append_only("earning_ruleversion"),
        append_only("earning_award"),
        append_only("earning_refund"),
    ]
