"""Browsers in which somebody is signed in, with the record of when: guarded pages ask for it."""

from __future__ import annotations

import time
from datetime import timedelta

from allauth.account.internal.flows.login import record_authentication
from django.contrib.sessions.backends.base import SessionBase
from django.http import HttpRequest
from django.test import Client

from accounts.models import User


def browser_of(user: User, ago: timedelta = timedelta(0)) -> Client:
    """A browser in which `user` signed in with the password, `ago` before now."""
    client = Client()
    client.force_login(user)
    request = HttpRequest()
    request.session = session = client.session
    record_authentication(request, user, method="password", email=user.email)
    _shift(session, ago)
    session.save()
    return client


def _shift(session: SessionBase, ago: timedelta) -> None:
    (record,) = session["account_authentication_methods"]
    session["account_authentication_methods"] = [record | {"at": time.time() - ago.total_seconds()}]
