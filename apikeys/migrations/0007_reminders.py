import uuid

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("apikeys", "0006_suspension"),
    ]

    operations = [
        migrations.CreateModel(
            name="Reminder",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("due_on", models.DateField()),
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
                ("public_id", models.CharField(blank=True, max_length=32)),
                ("run", models.UUIDField(default=uuid.uuid4)),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("due_on", "kind", "public_id"), name="reminder_once")],
            },
        ),
        migrations.AddIndex(
            model_name="apikey",
            index=models.Index(
                condition=models.Q(("expires_at__isnull", False), ("revoked_at__isnull", True)),
                fields=["expires_at"],
                name="apikey_expiring",
            ),
        ),
    ]
