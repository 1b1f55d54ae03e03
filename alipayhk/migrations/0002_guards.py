"""Kept as it came: what a notification says may not change, only what became of it; calls are never touched again."""

from importlib import import_module

from django.db import migrations

append_only = import_module("loyalty.ledger.migrations.0002_guards").append_only

KEEP_MESSAGE = """
CREATE FUNCTION alipayhk_keep_message() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a notification keeps its message' USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER alipayhk_notification_keep BEFORE UPDATE ON alipayhk_notification FOR EACH ROW
    WHEN ((OLD.group_id, OLD.mall_id, OLD.credential_id, OLD.kind, OLD.key, OLD.content_hash, OLD.is_first,
           OLD.raw_target, OLD.raw_body, OLD.headers, OLD.received_at)
          IS DISTINCT FROM
          (NEW.group_id, NEW.mall_id, NEW.credential_id, NEW.kind, NEW.key, NEW.content_hash, NEW.is_first,
           NEW.raw_target, NEW.raw_body, NEW.headers, NEW.received_at))
    EXECUTE FUNCTION alipayhk_keep_message();
CREATE TRIGGER alipayhk_notification_no_delete BEFORE DELETE ON alipayhk_notification
    FOR EACH ROW EXECUTE FUNCTION ledger_refuse_change();
CREATE TRIGGER alipayhk_notification_no_truncate BEFORE TRUNCATE ON alipayhk_notification
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change();
ALTER TABLE alipayhk_notification ENABLE ALWAYS TRIGGER alipayhk_notification_keep;
ALTER TABLE alipayhk_notification ENABLE ALWAYS TRIGGER alipayhk_notification_no_delete;
ALTER TABLE alipayhk_notification ENABLE ALWAYS TRIGGER alipayhk_notification_no_truncate;
"""


class Migration(migrations.Migration):
    dependencies = [("alipayhk", "0001_initial"), ("ledger", "0002_guards")]

    operations = [
        migrations.RunSQL(KEEP_MESSAGE, "DROP FUNCTION alipayhk_keep_message CASCADE"),
        append_only("alipayhk_passcall"),
    ]
