"""Sealed blocks and proofs are append-only too, and no redemption takes more than the balance."""

from importlib import import_module

from django.db import migrations

append_only = import_module("loyalty.ledger.migrations.0002_guards").append_only

# The lots' own CHECK keeps each point from being spent twice; this keeps a whole redemption within the balance.
CHECK_FLOOR = """
CREATE FUNCTION ledger_check_redemption() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (SELECT balance FROM ledger_pointaccount WHERE id = NEW.account_id) < 0 THEN
        RAISE EXCEPTION 'redemption % takes more than the balance', NEW.code USING ERRCODE = 'check_violation';
    END IF;
    IF (SELECT coalesce(sum(points), 0) FROM ledger_redemptionpart WHERE redemption_id = NEW.id) <> NEW.points THEN
        RAISE EXCEPTION 'redemption % differs from its parts', NEW.code USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER ledger_redemption_within_balance AFTER INSERT ON ledger_redemption
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION ledger_check_redemption();
ALTER TABLE ledger_redemption ENABLE ALWAYS TRIGGER ledger_redemption_within_balance;
"""


class Migration(migrations.Migration):
    dependencies = [("ledger", "0003_holds_redemptions_and_proofs")]

    operations = [
        append_only("ledger_ledgerblock"),
        append_only("ledger_proofrun"),
        migrations.RunSQL(CHECK_FLOOR, "DROP FUNCTION ledger_check_redemption CASCADE"),
    ]
