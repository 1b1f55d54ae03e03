"""Cases learn their evidence and their end; corrections keep what decisions moved, and are never changed."""

from importlib import import_module

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

append_only = import_module("loyalty.ledger.migrations.0002_guards").append_only

# Cases from before have a transaction that knows where it was; nobody has decided one yet.
NAME_THEIR_MALL = """
UPDATE earning_duplicatecase one SET group_id = purchase.group_id, mall_id = purchase.mall_id,
    state = CASE one.state WHEN 'DECIDED' THEN 'OPEN' ELSE one.state END
FROM earning_transaction purchase WHERE purchase.id = one.transaction_id;
SET CONSTRAINTS ALL IMMEDIATE;
"""


class Migration(migrations.Migration):

    dependencies = [
        ('earning', '0004_facts_of_earlier_awards'),
        ('ledger', '0004_guards_of_redemptions_and_proofs'),
        ('members', '0003_duplicate_scores'),
        ('pms', '0001_initial'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Correction',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('TAKE', 'taken back'), ('GIVE', 'given')], max_length=8, verbose_name='kind')),
                ('points', models.BigIntegerField(verbose_name='points')),
                ('uncollected', models.BigIntegerField(default=0, verbose_name='points not collected')),
                ('facts', models.JSONField(blank=True, default=dict, verbose_name='facts')),
                ('versions', models.JSONField(blank=True, default=list, verbose_name='rule versions in force')),
                ('rooms', models.JSONField(blank=True, default=dict, verbose_name='room found in limits')),
                ('lines', models.JSONField(blank=True, default=list, verbose_name='lines')),
                ('reasons', models.JSONField(verbose_name='reasons')),
                ('corrected_at', models.DateTimeField(verbose_name='corrected')),
            ],
            options={
                'verbose_name': 'correction',
                'verbose_name_plural': 'corrections',
            },
        ),
        migrations.AddField(
            model_name='duplicatecase',
            name='assignee',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='assigned to'),
        ),
        migrations.AddField(
            model_name='duplicatecase',
            name='cents_saved',
            field=models.BigIntegerField(default=0, verbose_name='value of points saved (cents)'),
        ),
        migrations.AddField(
            model_name='duplicatecase',
            name='decided_at',
            field=models.DateTimeField(blank=True, null=True, verbose_name='decided'),
        ),
        migrations.AddField(
            model_name='duplicatecase',
            name='decided_by',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='decided by'),
        ),
        migrations.AddField(
            model_name='duplicatecase',
            name='group',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='pms.mallgroup', verbose_name='group'),
        ),
        migrations.AddField(
            model_name='duplicatecase',
            name='mall',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='pms.mall', verbose_name='mall'),
        ),
        migrations.AddField(
            model_name='duplicatecase',
            name='parts',
            field=models.JSONField(blank=True, default=list, verbose_name='evidence'),
        ),
        migrations.AddField(
            model_name='duplicatecase',
            name='points_at_stake',
            field=models.BigIntegerField(default=0, verbose_name='points at stake'),
        ),
        migrations.AddField(
            model_name='duplicatecase',
            name='points_saved',
            field=models.BigIntegerField(default=0, verbose_name='points saved'),
        ),
        migrations.AddField(
            model_name='duplicatecase',
            name='score',
            field=models.PositiveSmallIntegerField(default=100, verbose_name='score'),
        ),
        migrations.AddField(
            model_name='duplicatecase',
            name='verdict',
            field=models.CharField(choices=[('HELD', 'held back'), ('FLAGGED', 'points given, to be checked'), ('BLOCKED', 'no points, too alike'), ('NUMBER', 'same number'), ('CONFLICT', 'same number, other content')], default='CONFLICT', max_length=16, verbose_name='what was done at once'),
        ),
        migrations.RunSQL(NAME_THEIR_MALL, migrations.RunSQL.noop),
        migrations.AlterField(
            model_name='duplicatecase',
            name='group',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='pms.mallgroup', verbose_name='group'),
        ),
        migrations.AlterField(
            model_name='duplicatecase',
            name='mall',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='pms.mall', verbose_name='mall'),
        ),
        migrations.AlterField(
            model_name='duplicatecase',
            name='state',
            field=models.CharField(choices=[('OPEN', 'open'), ('ASKED', 'asked'), ('SAME', 'same purchase'), ('DIFFERENT', 'different purchases')], default='OPEN', max_length=16, verbose_name='state'),
        ),
        migrations.AddIndex(
            model_name='duplicatecase',
            index=models.Index(condition=models.Q(('state__in', ['OPEN', 'ASKED'])), fields=['mall', 'opened_at'], name='earning_case_waiting'),
        ),
        migrations.AddIndex(
            model_name='duplicatecase',
            index=models.Index(fields=['mall', '-opened_at'], name='earning_case_opened'),
        ),
        migrations.AddIndex(
            model_name='transaction',
            index=models.Index(fields=['store', 'amount_cents', 'paid_at'], name='earning_tx_alike'),
        ),
        migrations.AddConstraint(
            model_name='duplicatecase',
            constraint=models.CheckConstraint(condition=models.Q(('score__lte', 100)), name='earning_duplicatecase_score_to_100'),
        ),
        migrations.AddConstraint(
            model_name='duplicatecase',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('decided_at', None), ('decided_by', None), ('state__in', ['OPEN', 'ASKED'])), models.Q(('decided_at__isnull', False), ('state__in', ['SAME', 'DIFFERENT'])), _connector='OR'), name='earning_duplicatecase_decided_says_when'),
        ),
        migrations.AddConstraint(
            model_name='duplicatecase',
            constraint=models.CheckConstraint(condition=models.Q(('cents_saved__gte', 0), ('points_at_stake__gte', 0), ('points_saved__gte', 0)), name='earning_duplicatecase_nothing_negative'),
        ),
        migrations.AddField(
            model_name='correction',
            name='last_refund',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='earning.refund', verbose_name='last refund before it'),
        ),
        migrations.AddField(
            model_name='correction',
            name='posting',
            field=models.OneToOneField(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='correction', to='ledger.posting', verbose_name='posting'),
        ),
        migrations.AddField(
            model_name='correction',
            name='transaction',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='corrections', to='earning.transaction', verbose_name='transaction'),
        ),
        migrations.AddConstraint(
            model_name='correction',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('kind', 'TAKE'), ('points__lte', 0), ('uncollected__gte', 0)), models.Q(('kind', 'GIVE'), ('points__gte', 0), ('uncollected__lte', 0)), _connector='OR'), name='earning_correction_signs_fit_its_kind'),
        ),
        migrations.AddConstraint(
            model_name='correction',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('points', 0), ('posting', None)), models.Q(models.Q(('points', 0), _negated=True), ('posting__isnull', False)), _connector='OR'), name='earning_correction_points_have_a_posting'),
        ),
        migrations.AddConstraint(
            model_name='correction',
            constraint=models.CheckConstraint(condition=models.Q(('reasons', []), _negated=True), name='earning_correction_has_a_reason'),
        ),
        append_only("earning_correction"),
    ]
