"""What the database refuses: changing a store's past, and one label that leads to two stores of a group."""

from importlib import import_module

from django.db import migrations

append_only = import_module("loyalty.ledger.migrations.0002_guards").append_only

# A unique index cannot span two tables. The lock is the group's, since a file of stores would need one per label.
LABELS = """
CREATE FUNCTION pms_label_leads_to_one_store() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(4103, (NEW.group_id % 2147483647)::int);
    IF TG_TABLE_NAME = 'pms_store' AND EXISTS (
            SELECT FROM pms_storemapping
            WHERE group_id = NEW.group_id AND label = to_jsonb(NEW) ->> 'pms_label' AND ended_at IS NULL)
        OR TG_TABLE_NAME = 'pms_storemapping' AND EXISTS (
            SELECT FROM pms_store WHERE group_id = NEW.group_id AND pms_label = to_jsonb(NEW) ->> 'label')
    THEN
        RAISE unique_violation USING CONSTRAINT = 'pms_label_leads_to_one_store',
            MESSAGE = 'this PMS label leads to another store of the group already';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER pms_store_label_leads_to_one BEFORE INSERT OR UPDATE OF group_id, pms_label ON pms_store
    FOR EACH ROW EXECUTE FUNCTION pms_label_leads_to_one_store();
CREATE TRIGGER pms_storemapping_label_leads_to_one BEFORE INSERT ON pms_storemapping
    FOR EACH ROW EXECUTE FUNCTION pms_label_leads_to_one_store();
"""


class Migration(migrations.Migration):
    dependencies = [("pms", "0002_store_registry"), ("ledger", "0002_guards")]

    operations = [
        append_only("pms_storemove"),
        append_only("pms_storechange"),
        migrations.RunSQL(LABELS, "DROP FUNCTION pms_label_leads_to_one_store CASCADE"),
    ]
