"""Checks become documents, with what lists filter by in columns beside them; groups and variables are new."""

from typing import Any

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models

import keyportal.encryption


def write_documents(apps: Any, schema_editor: Any) -> None:
    """What a check had in columns of its own stands in its document from now on."""
    for check in apps.get_model("v1", "Check").objects.iterator():
        check.document = {
            "name": check.name,
            "activated": check.activated,
            "muted": check.muted,
            "frequency": check.frequency,
            "locations": check.locations,
            "tags": check.tags,
            "runtimeId": None,
            "environmentVariables": [],
        }
        check.tag_lines = "\n" + "".join(f"{tag}\n" for tag in check.tags)
        check.save()


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0004_keys_manage_members"),
        ("v1", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="CheckGroup",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=255)),
                ("tag_lines", models.TextField(default="\n")),
                ("document", keyportal.encryption.EncryptedJSONField(default=dict)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("updated_at", models.DateTimeField(null=True)),
                (
                    "account",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="check_groups",
                        to="accounts.account",
                    ),
                ),
            ],
            options={
                "ordering": ["id"],
                "indexes": [models.Index(fields=["account", "id"], name="check_group_of_account")],
            },
        ),
        migrations.CreateModel(
            name="Variable",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("key", models.CharField(max_length=255)),
                ("value", keyportal.encryption.EncryptedTextField()),
                ("locked", models.BooleanField(default=False)),
                ("secret", models.BooleanField(default=False)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("updated_at", models.DateTimeField(null=True)),
                (
                    "account",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="variables",
                        to="accounts.account",
                    ),
                ),
            ],
            options={
                "ordering": ["key"],
                "constraints": [models.UniqueConstraint(fields=("account", "key"), name="variable_once")],
            },
        ),
        migrations.AddField("check", "document", keyportal.encryption.EncryptedJSONField(default=dict)),
        migrations.AddField("check", "tag_lines", models.TextField(default="\n")),
        migrations.AddField("check", "url", models.TextField(blank=True, default="")),
        migrations.AddField(
            "check",
            "group",
            models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="checks", to="v1.checkgroup"
            ),
        ),
        migrations.AlterField("check", "name", models.CharField(max_length=255)),
        migrations.RunPython(write_documents, migrations.RunPython.noop),
        migrations.RemoveField("check", "activated"),
        migrations.RemoveField("check", "frequency"),
        migrations.RemoveField("check", "locations"),
        migrations.RemoveField("check", "muted"),
        migrations.RemoveField("check", "tags"),
    ]
