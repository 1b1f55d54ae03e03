import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('alipayhk', '0006_wallet_tokens'),
        ('members', '0006_registration'),
    ]

    operations = [
        migrations.CreateModel(
            name='MiniAppSession',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('token_hash', models.CharField(editable=False, max_length=64, unique=True, verbose_name='digest of the token')),
                ('began_at', models.DateTimeField(verbose_name='signed in')),
                ('expires_at', models.DateTimeField(verbose_name='good until')),
                ('ended_at', models.DateTimeField(blank=True, null=True, verbose_name='ended')),
                ('credential', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='alipayhk.credential', verbose_name='credential')),
                ('wallet_pass', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='sessions', to='members.pass', verbose_name='card')),
            ],
            options={
                'verbose_name': 'mini-app session',
                'verbose_name_plural': 'mini-app sessions',
                'indexes': [models.Index(fields=['expires_at'], name='alipayhk_session_expiry'), models.Index(fields=['credential', '-began_at'], name='alipayhk_session_recent')],
                'constraints': [models.CheckConstraint(condition=models.Q(('expires_at__gt', models.F('began_at'))), name='alipayhk_miniappsession_lives'), models.CheckConstraint(condition=models.Q(('ended_at', None), ('ended_at__gte', models.F('began_at')), _connector='OR'), name='alipayhk_miniappsession_ends_after_it_began')],
            },
        ),
    ]
