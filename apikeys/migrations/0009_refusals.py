from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("apikeys", "0008_allowlist"),
    ]

    operations = [
        migrations.CreateModel(
            name="LateKnock",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "public_id",
                        "minute",
                        "outcome",
                        "address",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("public_id", models.CharField(max_length=32)),
                ("minute", models.DateTimeField()),
                ("outcome", models.CharField(max_length=20)),
                ("address", models.CharField(blank=True, max_length=45)),
                ("client", models.CharField(blank=True, max_length=60)),
                (
                    "door",
                    models.CharField(
                        choices=[
                            ("api", "API"),
                            ("gateway.read", "Gateway, to read"),
                            ("gateway.run", "Gateway, to run"),
                            ("gateway.write", "Gateway, to write"),
                            ("gateway.admin", "Gateway, to administer"),
                            ("gateway", "Gateway, at a level that there is none of"),
                        ],
                        max_length=15,
                    ),
                ),
                ("account_id", models.UUIDField(null=True)),
            ],
            options={
                "verbose_name_plural": "late knocks",
            },
        ),
    ]
