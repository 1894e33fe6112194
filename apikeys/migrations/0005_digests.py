import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("apikeys", "0004_rotation"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Digest",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("deleted", "Deleted"),
                            ("suspended", "Suspended"),
                            ("resumed", "Resumed"),
                            ("expiring", "Expiring"),
                            ("unused", "Unused"),
                            ("knocking", "Knocking"),
                        ],
                        max_length=10,
                    ),
                ),
                ("call", models.CharField(blank=True, max_length=36)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("facts", models.JSONField(default=dict)),
                ("public_ids", models.JSONField(default=list)),
                ("count", models.PositiveIntegerField(default=0)),
                (
                    "user",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("kind", "call", "user"), name="digest_once")],
            },
        ),
    ]
