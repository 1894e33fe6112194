"""The WSGI entry: the gateways' question is answered here, everything else by Django."""

import os
from typing import Any

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "keyportal.settings")


def _application() -> Any:
    django = get_wsgi_application()
    from apikeys.gateway import Gateway  # models can be imported from here on

    return Gateway(django)


application = _application()
