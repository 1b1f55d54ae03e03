"""Awards from before facts were kept get theirs, from what they say of themselves, so that they can be recounted.

What an award gave is left as it is. Duplicates were not judged and keep no facts.
"""

from django.db import migrations

KEEP_FACTS = """
ALTER TABLE earning_award DISABLE TRIGGER earning_award_no_change;
UPDATE earning_award award SET
    versions = CASE WHEN award.rule_version_id IS NULL THEN '[]' ELSE jsonb_build_array(award.rule_version_id) END,
    lines = CASE WHEN award.points = 0 THEN '[]' ELSE jsonb_build_array(jsonb_build_object(
        'rule', rule.code, 'version', version.number, 'points', award.points)) END,
    facts = jsonb_build_object(
        'amount_cents', purchase.amount_cents, 'currency', purchase.currency, 'paid_at', purchase.paid_at,
        'is_member_open', award.conditions @> '[{"condition": "MEMBER_OPEN", "is_met": true}]',
        'is_consented', award.conditions @> '[{"condition": "CONSENT", "found": "in force"}]',
        'first_consent_at', (SELECT min(consent.began_at) FROM members_consent consent
            JOIN members_pass held ON held.id = consent.wallet_pass_id WHERE held.member_id = purchase.member_id),
        'joining_grace_days', program.joining_grace_days,
        'is_store_excluded', award.conditions @> '[{"condition": "STORE_TAKES_PART", "is_met": false}]',
        'store', coalesce(nullif(store.code, ''), store.pms_label, ''),
        'category', coalesce(store.category, ''), 'mall', mall.tag)
FROM earning_transaction purchase
JOIN pms_mall mall ON mall.id = purchase.mall_id
JOIN members_program program ON program.group_id = purchase.group_id
LEFT JOIN pms_store store ON store.id = purchase.store_id
LEFT JOIN earning_ruleversion version
    JOIN earning_rule rule ON rule.id = version.rule_id
    ON version.id = (SELECT one.rule_version_id FROM earning_award one WHERE one.transaction_id = purchase.id)
WHERE purchase.id = award.transaction_id AND award.facts = '{}' AND award.conditions <> '[]';
ALTER TABLE earning_award ENABLE ALWAYS TRIGGER earning_award_no_change;
"""


class Migration(migrations.Migration):
    dependencies = [("earning", "0003_rules_limits_and_backtests"), ("ledger", "0004_guards_of_redemptions_and_proofs")]

    operations = [migrations.RunSQL(KEEP_FACTS, migrations.RunSQL.noop)]
