"""Decisions, which are inserted and never touched again."""

from importlib import import_module

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

append_only = import_module("loyalty.ledger.migrations.0002_guards").append_only


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('earning', '0005_duplicate_cases_and_corrections'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Decision',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('answer', models.CharField(choices=[('SAME', 'same purchase'), ('DIFFERENT', 'different purchases'), ('ASK', 'ask'), ('REOPEN', 'reopened')], max_length=16, verbose_name='answer')),
                ('note', models.CharField(blank=True, max_length=255, verbose_name='note')),
                ('points_before', models.BigIntegerField(verbose_name='points before')),
                ('points_after', models.BigIntegerField(verbose_name='points after')),
                ('earlier_points_before', models.BigIntegerField(verbose_name='points of the earlier record before')),
                ('earlier_points_after', models.BigIntegerField(verbose_name='points of the earlier record after')),
                ('decided_at', models.DateTimeField(verbose_name='decided')),
                ('case', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='decisions', to='earning.duplicatecase', verbose_name='case')),
                ('decided_by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='decided by')),
            ],
            options={
                'verbose_name': 'decision',
                'verbose_name_plural': 'decisions',
                'indexes': [models.Index(fields=['decided_by', '-decided_at'], name='review_decision_by')],
                'constraints': [models.CheckConstraint(condition=models.Q(('points_before__gte', 0), ('points_after__gte', 0), ('earlier_points_before__gte', 0), ('earlier_points_after__gte', 0)), name='review_decision_points_not_negative')],
            },
        ),
        append_only("review_decision"),
    ]
