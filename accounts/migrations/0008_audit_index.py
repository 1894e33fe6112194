from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0007_policies")]

    operations = [
        # Words for people alone: SQLite does not rebuild the table for them, so its triggers stay.
        migrations.AlterField(
            model_name="auditevent",
            name="action",
            field=models.CharField(
                choices=[
                    ("account.opened", "Account opened"),
                    ("account.renamed", "Account renamed"),
                    ("account.transferred", "Ownership transferred"),
                    ("account.suspended", "Account suspended"),
                    ("account.resumed", "Account resumed"),
                    ("account.policy_changed", "Policy changed"),
                    ("account.deleted", "Account deleted"),
                    ("account.audit_log_exported", "Audit log exported"),
                    ("member.invited", "Member invited"),
                    ("invitation.resent", "Invitation sent again"),
                    ("invitation.withdrawn", "Invitation withdrawn"),
                    ("member.added", "Member added"),
                    ("member.role_changed", "Role changed"),
                    ("member.removed", "Member removed"),
                    ("user.created", "User created"),
                    ("user.deactivated", "User deactivated"),
                    ("user.reactivated", "User reactivated"),
                    ("user.deleted", "User deleted"),
                    ("key.created", "Created"),
                    ("key.renamed", "Renamed"),
                    ("key.rotated", "Rotated"),
                    ("key.suspended", "Suspended"),
                    ("key.resumed", "Resumed"),
                    ("key.addresses_changed", "Allowed addresses changed"),
                    ("key.revoked", "Deleted"),
                ],
                max_length=40,
            ),
        ),
        migrations.AddIndex(
            model_name="auditevent",
            index=models.Index(
                fields=["account_id", "actor_id", "-id"],
                condition=models.Q(account_id__isnull=False),
                name="audit_account_actor",
            ),
        ),
        migrations.AddIndex(
            model_name="auditevent",
            index=models.Index(
                fields=["account_id", "at"], condition=models.Q(account_id__isnull=False), name="audit_account_at"
            ),
        ),
    ]
