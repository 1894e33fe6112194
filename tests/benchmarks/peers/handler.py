"""Django's own WSGI handler a second time, with startproject's middleware and the peers' URLs.

A handler builds its chain of middleware when it is made, so the list is swapped for that moment; which URLs it
resolves is said by `request.urlconf`, Django's own way. All else (database, connections kept open, hashers, no
translations) is the product's, for the peers as for ourselves, and is no slower than startproject's defaults.
"""

from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler, WSGIRequest
from django.test import override_settings


class PeersRequest(WSGIRequest):
    urlconf = "tests.benchmarks.peers.urls"


class PeersHandler(WSGIHandler):
    request_class = PeersRequest


with override_settings(MIDDLEWARE=settings.STARTPROJECT_MIDDLEWARE):
    application = PeersHandler()
