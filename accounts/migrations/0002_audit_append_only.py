from django.db import migrations

from accounts.audit import REFUSALS
from keyportal import triggers


class Migration(migrations.Migration):
    dependencies = [("accounts", "0001_initial")]

    operations = [triggers.migration(REFUSALS)]
