"""What the database refuses: changing a store's past, and one label that leads to two stores of a group."""

from django.db import migrations

# As the ledger's own: roles other than the owner may read and insert, nothing else; the owner migrates.
REFUSE_CHANGE = """
CREATE FUNCTION pms_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;
"""
APPEND_ONLY = """
CREATE TRIGGER {table}_no_change BEFORE UPDATE OR DELETE ON {table}
    FOR EACH ROW EXECUTE FUNCTION pms_refuse_change();
CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table}
    FOR EACH STATEMENT EXECUTE FUNCTION pms_refuse_change();
ALTER TABLE {table} ENABLE ALWAYS TRIGGER {table}_no_change;
ALTER TABLE {table} ENABLE ALWAYS TRIGGER {table}_no_truncate;
DO $$
DECLARE grantee name;
BEGIN
    FOR grantee IN SELECT DISTINCT g.grantee FROM information_schema.role_table_grants g
        WHERE g.table_name = '{table}' AND g.grantee NOT IN (current_user, 'PUBLIC')
    LOOP
        EXECUTE format('REVOKE UPDATE, DELETE, TRUNCATE ON {table} FROM %I', grantee);
    END LOOP;
END $$;
"""


def append_only(table: str) -> migrations.RunSQL:
    return migrations.RunSQL(APPEND_ONLY.format(table=table), migrations.RunSQL.noop)


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
CREATE TRIGGER pms_storemapping_label_leads_to_one
    BEFORE INSERT OR UPDATE OF group_id, label, ended_at ON pms_storemapping
    FOR EACH ROW WHEN (NEW.ended_at IS NULL) EXECUTE FUNCTION pms_label_leads_to_one_store();
"""


class Migration(migrations.Migration):
    dependencies = [("pms", "0002_store_registry")]

    operations = [
        migrations.RunSQL(REFUSE_CHANGE, "DROP FUNCTION pms_refuse_change CASCADE"),
        append_only("pms_storemove"),
        append_only("pms_storechange"),
        migrations.RunSQL(LABELS, "DROP FUNCTION pms_label_leads_to_one_store CASCADE"),
    ]
