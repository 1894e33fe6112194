"""Fills the database that the environment names, and prints what the load needs to know as JSON: a process of its own."""

from __future__ import annotations

import json

import django
from django.conf import settings


def main() -> None:
    django.setup()  # models can be imported from here on
    from accounts.access import person
    from apikeys.secret import Kind, Secret
    from keyportal.v1.models import Variable
    from tests import factories
    from tests.sessions import browser_of

    cast = factories.make_cast()
    deleted, deleted_key = factories.user_key(cast.wendy)
    deleted.revoke(by=person(cast.wendy))
    Variable.objects.create(account=cast.acme, key="REGION", value="eu-central-1")
    user_key, service_key = factories.user_key(cast.wendy)[1], factories.service_key(cast.acme)[1]
    cookie = browser_of(cast.wendy).cookies[settings.SESSION_COOKIE_NAME].value
    facts = {
        "account": str(cast.acme.pk),
        "user": user_key,
        "service": service_key,
        "deleted": deleted_key,
        "unknown": Secret.generate(Kind.USER).reveal(),
        "wrong": factories.another_secret_of(user_key),
        "cookie": f"{settings.SESSION_COOKIE_NAME}={cookie}",
        "stranger": f"{settings.SESSION_COOKIE_NAME}={'x' * 32}",
    }
    print(json.dumps(facts))


if __name__ == "__main__":
    main()
