from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('members', '0006_registration'),
    ]

    operations = [
        migrations.AlterModelOptions(
            name='member',
            options={
                'permissions': [('link_member', "Can make and withdraw links to the member's own page")],
                'verbose_name': 'member',
                'verbose_name_plural': 'members',
            },
        ),
        migrations.AddField(
            model_name='member',
            name='link_revision',
            field=models.PositiveIntegerField(db_default=0, default=0, editable=False, verbose_name='revision of page links'),
        ),
    ]
