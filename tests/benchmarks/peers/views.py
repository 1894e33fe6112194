"""The contenders. All of them end in the same answer, which spares DRF's the cost of its renderer."""

import base64

from django.contrib.auth.hashers import check_password
from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from knox.auth import TokenAuthentication as KnoxAuthentication
from oauth2_provider.decorators import protected_resource
from rest_framework.authentication import TokenAuthentication
from rest_framework.permissions import IsAuthenticated
from rest_framework.views import APIView
from rest_framework_api_key.permissions import HasAPIKey

from apikeys.authentication import account_named, check_key
from apikeys.secret import Secret
from keyportal import policy
from keyportal.exceptions import InvalidCredential
from keyportal.policy import Level


def _good() -> HttpResponse:
    return JsonResponse({"ok": True})


def _refused() -> HttpResponse:
    return JsonResponse({"ok": False}, status=401)


def bare(request: HttpRequest) -> HttpResponse:
    return _good()


def select(request: HttpRequest) -> HttpResponse:
    """The yardstick: one row by one indexed column, of the very table that the check reads."""
    public_id = request.META["HTTP_AUTHORIZATION"].removeprefix("Bearer ").rpartition("_")[0]
    with connection.cursor() as cursor:
        cursor.execute("SELECT id, name, secret_hash FROM apikeys_apikey WHERE public_id = %s", [public_id])
        row = cursor.fetchone()
    return _good() if row else _refused()


def check(request: HttpRequest) -> HttpResponse:
    """The check as any view of a Django project would call it: who asks, and may they read?"""
    try:
        checked = check_key(Secret.from_header(request.META.get("HTTP_AUTHORIZATION")), account_named(request), request)
    except InvalidCredential:
        return _refused()
    return _good() if policy.can_call(checked.actor, Level.READ) is True else _refused()


class DrfToken(APIView):
    authentication_classes = (TokenAuthentication,)
    permission_classes = (IsAuthenticated,)

    def get(self, request: HttpRequest) -> HttpResponse:
        return _good()


class ApiKeyOfDrf(APIView):
    # As its guide says; without this line DRF would also look for a session.
    authentication_classes = ()
    permission_classes = (HasAPIKey,)

    def get(self, request: HttpRequest) -> HttpResponse:
        return _good()


class Knox(APIView):
    authentication_classes = (KnoxAuthentication,)
    permission_classes = (IsAuthenticated,)

    def get(self, request: HttpRequest) -> HttpResponse:
        return _good()


@protected_resource()
def oauth(request: HttpRequest) -> HttpResponse:
    return _good()


def password(request: HttpRequest) -> HttpResponse:
    """A password in each request, hashed at Django's default cost: what HTTP Basic would come to."""
    credentials = base64.b64decode(request.META["HTTP_AUTHORIZATION"].removeprefix("Basic ")).decode()
    email, _, text = credentials.partition(":")
    with connection.cursor() as cursor:
        cursor.execute("SELECT password FROM accounts_user WHERE email = %s", [email])
        row = cursor.fetchone()
    return _good() if row and check_password(text, row[0]) else _refused()
