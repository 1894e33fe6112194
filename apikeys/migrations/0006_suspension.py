import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from apikeys.models import REFUSALS
from keyportal import triggers


class Migration(migrations.Migration):
    dependencies = [
        ("apikeys", "0005_digests"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = triggers.around(
        REFUSALS,
        migrations.AddField(
            model_name="apikey",
            name="suspended_by",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="apikey",
            name="suspended_by_name",
            field=models.CharField(blank=True, max_length=360),
        ),
        migrations.AddField(
            model_name="apikey",
            name="suspended_reason",
            field=models.CharField(blank=True, max_length=500),
        ),
    )
