from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0005_key_renamed_and_rotated"),
    ]

    operations = [
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
                    ("key.revoked", "Deleted"),
                ],
                max_length=40,
            ),
        ),
    ]
