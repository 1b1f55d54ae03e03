"""Collection of stores through AlipayHK, and its confirmation; calls are kept as they went."""

from importlib import import_module

import django.core.validators
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

append_only = import_module("loyalty.ledger.migrations.0002_guards").append_only


class Migration(migrations.Migration):

    dependencies = [
        ('alipayhk', '0003_upload_batches'),
        ('ledger', '0002_guards'),
        ('pms', '0003_store_guards'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='ConfirmationRun',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('state', models.CharField(choices=[('WAITING', 'waiting'), ('RUNNING', 'reading'), ('DONE', 'done'), ('BROKEN', 'broke off')], default='WAITING', max_length=16, verbose_name='state')),
                ('fault', models.CharField(blank=True, max_length=64, verbose_name='fault')),
                ('is_whole', models.BooleanField(default=False, verbose_name='the whole list')),
                ('pages', models.PositiveIntegerField(default=0, verbose_name='pages')),
                ('claimed_pages', models.PositiveIntegerField(default=0, verbose_name='pages claimed')),
                ('claimed_rows', models.PositiveIntegerField(default=0, verbose_name='stores claimed')),
                ('found_rows', models.PositiveIntegerField(default=0, verbose_name='stores found')),
                ('asked_at', models.DateTimeField(verbose_name='asked for')),
                ('started_at', models.DateTimeField(blank=True, null=True, verbose_name='started')),
                ('moved_at', models.DateTimeField(verbose_name='last progress')),
                ('ended_at', models.DateTimeField(blank=True, null=True, verbose_name='ended')),
                ('asked_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='asked for by')),
                ('mall', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='pms.mall', verbose_name='mall')),
            ],
            options={
                'verbose_name': 'confirmation',
                'verbose_name_plural': 'confirmations',
            },
        ),
        migrations.CreateModel(
            name='ListedStore',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('partner_id', models.CharField(blank=True, max_length=128, verbose_name='partner ID')),
                ('merchant_id', models.CharField(blank=True, max_length=128, verbose_name='merchant ID')),
                ('merchant_name', models.CharField(blank=True, max_length=256, verbose_name='merchant name')),
                ('store_id', models.CharField(blank=True, max_length=128, verbose_name='store ID')),
                ('store_name', models.CharField(blank=True, max_length=256, verbose_name='store name')),
                ('mall_label', models.CharField(blank=True, max_length=64, verbose_name='AlipayHK mall label')),
                ('raw', models.JSONField(blank=True, default=dict, verbose_name='as it came')),
                ('state', models.CharField(choices=[('KNOWN', 'in the registry'), ('ONLY_AT_ALIPAYHK', 'only at AlipayHK'), ('IGNORED', 'ignored'), ('GONE', 'no longer listed')], default='ONLY_AT_ALIPAYHK', max_length=24, verbose_name='state')),
                ('first_seen_at', models.DateTimeField(verbose_name='first seen')),
                ('seen_at', models.DateTimeField(verbose_name='last seen')),
                ('mall', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='pms.mall', verbose_name='mall')),
                ('ours', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='listings', to='pms.store', verbose_name='store')),
                ('seen_run', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='alipayhk.confirmationrun', verbose_name='last seen by')),
            ],
            options={
                'verbose_name': 'store listed by AlipayHK',
                'verbose_name_plural': 'stores listed by AlipayHK',
            },
        ),
        migrations.CreateModel(
            name='StoreCollection',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('state', models.CharField(choices=[('NOT_SENT', 'not sent'), ('SENT', 'sent'), ('CONFIRMED', 'confirmed'), ('DIFFERS', 'differs')], default='NOT_SENT', max_length=16, verbose_name='state')),
                ('trade_number', models.CharField(blank=True, help_text='A payment made in the store, by which AlipayHK finds it.', max_length=128, verbose_name='AlipayHK trade number')),
                ('wanted_mark', models.CharField(blank=True, max_length=64, verbose_name='mark of what is wanted')),
                ('acknowledged_mark', models.CharField(blank=True, max_length=64, verbose_name='mark of what was taken')),
                ('acknowledged_at', models.DateTimeField(blank=True, null=True, verbose_name='acknowledged')),
                ('asked_at', models.DateTimeField(blank=True, null=True, verbose_name='asked for')),
                ('due_at', models.DateTimeField(blank=True, null=True, verbose_name='next attempt')),
                ('attempts', models.PositiveSmallIntegerField(default=0, verbose_name='attempts')),
                ('is_uncertain', models.BooleanField(default=False, verbose_name='outcome uncertain')),
                ('leased_until_at', models.DateTimeField(blank=True, null=True, verbose_name='leased until')),
                ('lease', models.UUIDField(blank=True, null=True, verbose_name='lease')),
                ('called_at', models.DateTimeField(blank=True, null=True, verbose_name='last call')),
                ('dead_at', models.DateTimeField(blank=True, null=True, verbose_name='gave up')),
                ('last_code', models.CharField(blank=True, max_length=64, verbose_name='last answer')),
                ('compared_at', models.DateTimeField(blank=True, null=True, verbose_name='compared with the list')),
                ('vanished_at', models.DateTimeField(blank=True, null=True, verbose_name='vanished from the list')),
                ('differences', models.JSONField(blank=True, default=list, verbose_name='differences')),
                ('asked_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='asked for by')),
                ('credential', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='alipayhk.credential', verbose_name='credential')),
                ('store', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='collection', to='pms.store', verbose_name='store')),
            ],
            options={
                'verbose_name': 'collected store',
                'verbose_name_plural': 'collected stores',
            },
        ),
        migrations.CreateModel(
            name='CollectionCall',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('api', models.CharField(max_length=32, verbose_name='call')),
                ('attempt', models.PositiveSmallIntegerField(verbose_name='attempt')),
                ('mark', models.CharField(max_length=64, verbose_name='mark of what was sent')),
                ('called_at', models.DateTimeField(verbose_name='called')),
                ('duration_ms', models.PositiveIntegerField(verbose_name='duration (ms)')),
                ('outcome', models.CharField(choices=[('DONE', 'taken by AlipayHK'), ('UNKNOWN', 'unknown'), ('PERMANENT', 'refused'), ('LISTED', 'found in the list'), ('UNLISTED', 'not in the list')], max_length=16, verbose_name='outcome')),
                ('http_status', models.PositiveSmallIntegerField(blank=True, null=True, verbose_name='HTTP status')),
                ('code', models.CharField(blank=True, max_length=64, verbose_name='code')),
                ('detail', models.CharField(blank=True, max_length=255, verbose_name='detail')),
                ('tracer_id', models.CharField(blank=True, max_length=128, verbose_name='Tracer-Id')),
                ('request_body', models.TextField(blank=True, verbose_name='request')),
                ('answer_body', models.TextField(blank=True, verbose_name='answer')),
                ('collection', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='calls', to='alipayhk.storecollection', verbose_name='collected store')),
            ],
            options={
                'verbose_name': 'call about a store',
                'verbose_name_plural': 'calls about stores',
            },
        ),
        migrations.CreateModel(
            name='CollectionSetup',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('is_on', models.BooleanField(default=False, help_text='AlipayHK must have opened these calls for the mall.', verbose_name='collects stores')),
                ('way_by_pms', models.CharField(blank=True, help_text='Not published: ask AlipayHK.', max_length=64, verbose_name='saveWayType for a PMS')),
                ('way_by_number', models.CharField(blank=True, help_text='Not published: ask AlipayHK.', max_length=64, verbose_name='saveWayType for a trade number')),
                ('names', models.CharField(choices=[('ENGLISH', 'English'), ('CHINESE', 'Chinese')], default='ENGLISH', max_length=8, verbose_name='names sent')),
                ('first_page', models.PositiveSmallIntegerField(default=1, validators=[django.core.validators.MaxValueValidator(1)], verbose_name='number of the first page')),
                ('page_size', models.PositiveSmallIntegerField(default=20, validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(500)], verbose_name='rows of a page')),
                ('list_path', models.CharField(blank=True, help_text='Where the answer of queryPage holds its stores, such as page.stores; several with |. Empty: the likely ones.', max_length=255, verbose_name='place of the list')),
                ('field_paths', models.JSONField(blank=True, default=dict, help_text='Where the likely places are wrong, such as {"store_name": "pms.shopName"}.', verbose_name='places of the fields')),
                ('unknowns_in_row', models.PositiveIntegerField(default=0, verbose_name='unknown outcomes in a row')),
                ('held_until_at', models.DateTimeField(blank=True, null=True, verbose_name='spared until')),
                ('credential', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='collection', to='alipayhk.credential', verbose_name='credential')),
            ],
            options={
                'verbose_name': 'collection of stores',
                'verbose_name_plural': 'collection of stores',
                'constraints': [models.CheckConstraint(condition=models.Q(('first_page__lte', 1)), name='alipayhk_collectionsetup_first_page_is_0_or_1'), models.CheckConstraint(condition=models.Q(('page_size__gte', 1), ('page_size__lte', 500)), name='alipayhk_collectionsetup_page_size_is_bearable')],
            },
        ),
        migrations.AddIndex(
            model_name='confirmationrun',
            index=models.Index(fields=['mall', '-asked_at'], name='alipayhk_confirmation_recent'),
        ),
        migrations.AddConstraint(
            model_name='confirmationrun',
            constraint=models.UniqueConstraint(condition=models.Q(('state__in', ['WAITING', 'RUNNING'])), fields=('mall',), name='alipayhk_confirmationrun_one_at_a_time'),
        ),
        migrations.AddConstraint(
            model_name='confirmationrun',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('ended_at', None), ('state__in', ['WAITING', 'RUNNING'])), models.Q(models.Q(('state__in', ['WAITING', 'RUNNING']), _negated=True), ('ended_at__isnull', False)), _connector='OR'), name='alipayhk_confirmationrun_ended_when_over'),
        ),
        migrations.AddConstraint(
            model_name='confirmationrun',
            constraint=models.CheckConstraint(condition=models.Q(('is_whole', False), ('state', 'DONE'), _connector='OR'), name='alipayhk_confirmationrun_whole_when_done'),
        ),
        migrations.AddIndex(
            model_name='listedstore',
            index=models.Index(fields=['mall', 'state'], name='alipayhk_listed_state'),
        ),
        migrations.AddConstraint(
            model_name='listedstore',
            constraint=models.UniqueConstraint(fields=('mall', 'partner_id', 'merchant_id', 'store_id'), name='alipayhk_listedstore_one_per_triple'),
        ),
        migrations.AddConstraint(
            model_name='listedstore',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('ours__isnull', False), ('state', 'KNOWN')), models.Q(models.Q(('state', 'KNOWN'), _negated=True), ('ours', None)), _connector='OR'), name='alipayhk_listedstore_known_is_ours'),
        ),
        migrations.AddConstraint(
            model_name='listedstore',
            constraint=models.CheckConstraint(condition=models.Q(('seen_at__gte', models.F('first_seen_at'))), name='alipayhk_listedstore_seen_in_order'),
        ),
        migrations.AddIndex(
            model_name='storecollection',
            index=models.Index(condition=models.Q(('due_at__isnull', False)), fields=['due_at'], name='alipayhk_collection_due'),
        ),
        migrations.AddIndex(
            model_name='storecollection',
            index=models.Index(condition=models.Q(('dead_at__isnull', False)), fields=['dead_at'], name='alipayhk_collection_dead'),
        ),
        migrations.AddConstraint(
            model_name='storecollection',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('lease', None), ('leased_until_at', None)), models.Q(('lease__isnull', False), ('leased_until_at__isnull', False)), _connector='OR'), name='alipayhk_storecollection_lease_has_an_end'),
        ),
        migrations.AddConstraint(
            model_name='storecollection',
            constraint=models.CheckConstraint(condition=models.Q(('due_at', None), models.Q(('asked_at__isnull', False), ('credential__isnull', False)), _connector='OR'), name='alipayhk_storecollection_due_was_asked_for'),
        ),
        migrations.AddConstraint(
            model_name='storecollection',
            constraint=models.CheckConstraint(condition=models.Q(('due_at', None), ('dead_at', None), _connector='OR'), name='alipayhk_storecollection_dead_is_not_due'),
        ),
        migrations.AddConstraint(
            model_name='storecollection',
            constraint=models.CheckConstraint(condition=models.Q(('state', 'DIFFERS'), ('differences', []), _connector='OR'), name='alipayhk_storecollection_differences_are_a_state'),
        ),
        migrations.AddIndex(
            model_name='collectioncall',
            index=models.Index(fields=['collection', '-called_at'], name='alipayhk_collcall_recent'),
        ),
        append_only("alipayhk_collectioncall"),
    ]
