from django.db import migrations

from apikeys.models import REFUSALS
from keyportal import triggers


class Migration(migrations.Migration):
    dependencies = [("apikeys", "0001_initial")]

    operations = [triggers.migration(REFUSALS)]
