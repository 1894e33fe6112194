"""From a request to the Actor who asks: decorators for views, makers for admin and commands, and the page's chrome."""

from __future__ import annotations

import getpass
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import wraps
from typing import Any, Concatenate, ParamSpec
from uuid import UUID

from allauth.account.internal.flows.login import get_authentication_records
from allauth.core.exceptions import ReauthenticationRequired
from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse

from accounts.models import Account, Membership, User
from keyportal import policy
from keyportal.client import client_address
from keyportal.policy import Actor

P = ParamSpec("P")

# The account that a person used last, for pages that are not about one.
LAST_ACCOUNT = "account_id"
# The hash of the token of the invitation that somebody opened who was not signed in.
INVITATION = "invitation"


class PageRequest(HttpRequest):
    """A request of somebody who is signed in, with the Actor that the decorators below have set."""

    user: User  # type: ignore[assignment]
    actor: Actor
    membership: Membership


def as_oneself(view: Callable[Concatenate[PageRequest, P], HttpResponse]) -> Callable[..., HttpResponse]:
    """For pages of the person: the actor has no account."""

    @wraps(view)
    def wrapped(request: PageRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        request.actor = person(request.user, request)
        return view(request, *args, **kwargs)

    return wrapped


def as_member(view: Callable[Concatenate[PageRequest, Account, P], HttpResponse]) -> Callable[..., HttpResponse]:
    """For pages of an account: the URL's `account_id` becomes the Account, and 404 for everybody outside."""

    @wraps(view)
    def wrapped(request: PageRequest, account_id: UUID, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        membership = Membership.objects.select_related("account").filter(account_id=account_id, user=request.user).first()
        if membership is None:
            raise Http404
        request.membership = membership
        request.actor = membership.account.seen_by(person(request.user, request), membership)
        if request.session.get(LAST_ACCOUNT) != str(account_id):
            request.session[LAST_ACCOUNT] = str(account_id)
        return view(request, membership.account, *args, **kwargs)

    return wrapped


def require_fresh(request: HttpRequest) -> None:
    """Go on, or keep the form that was sent, ask for the password, and then answer the form.

    Views ask this last, of somebody who may and of a form that is good.
    """
    if signed_in_lately(request):
        return
    # allauth keeps the query with the form, in `request.GET`, yet answers the form only where its address shows none.
    request.GET.lists()
    request.META["QUERY_STRING"] = ""
    raise ReauthenticationRequired


def signed_in_lately(request: HttpRequest) -> bool:
    """Whether this session's person has proven who they are within `FRESH_SIGN_IN_MINUTES`, by signing in or again since.

    allauth's own question counts only what came after the sign-in.
    """
    records = get_authentication_records(request, request.user)
    return any(time.time() - record["at"] < settings.FRESH_SIGN_IN_MINUTES * 60 for record in records)


def person(user: User, request: HttpRequest | None = None) -> Actor:
    """Somebody at the browser, speaking for themselves."""
    return Actor(
        via="session",
        user_id=user.pk,
        name=str(user),
        address=client_address(request) if request else None,
        request_id=getattr(request, "request_id", ""),
    )


def operator(request: HttpRequest) -> Actor:
    """An operator at the Django admin."""
    user = request.user
    if not (isinstance(user, User) and user.is_staff):
        raise PermissionDenied("Only operators can do this.")
    return replace(person(user, request), via="operator")


def operator_at_shell() -> Actor:
    """An operator at a management command, known by the name of their system account."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # a user ID without a name, as in many containers
        name = "unknown"
    return Actor(via="operator", name=f"{name} at the shell")


def membership_used_last(request: HttpRequest) -> Membership | None:
    """The membership whose account this person opened last, else their oldest, else None."""
    memberships = _memberships(request)
    last = request.session.get(LAST_ACCOUNT)
    return next((m for m in memberships if str(m.account_id) == last), memberships[0] if memberships else None)


@dataclass(frozen=True, slots=True)
class Chrome:
    """What surrounds every page: the account in use, the accounts to switch to, and the way round the settings."""

    account: Account | None
    accounts: list[dict[str, Any]]
    sections: list[dict[str, Any]]
    operator_url: str | None


def chrome(request: HttpRequest) -> dict[str, Any]:
    """Context processor: `chrome`, None for people who are not signed in."""
    user = getattr(request, "user", None)
    if not isinstance(user, User) or not hasattr(request, "session"):
        return {"chrome": None}
    current = membership_used_last(request)
    accounts = [
        {"name": m.account.name, "url": reverse("account_general", args=[m.account_id]), "current": m == current}
        for m in _memberships(request)
    ]
    own = [
        ("General", reverse("user_general"), "user"),
        ("API keys", reverse("user_keys"), "key"),
        ("Password", reverse("account_change_password"), "lock"),
    ]
    sections = [_section(request, "User settings", own)]
    if current:
        links = [
            ("General", reverse("account_general", args=[current.account_id]), "settings"),
            ("Members", reverse("members", args=[current.account_id]), "users"),
        ]
        actor = current.account.seen_by(person(user), current)
        if policy.can_see_service_keys(actor):
            links.append(("Service API keys", reverse("service_keys", args=[current.account_id]), "zap"))
        if policy.can_see_audit_log(actor):
            links.append(("Audit log", reverse("audit_log", args=[current.account_id]), "list"))
        sections.append(_section(request, "Account settings", links))
    operator_url = reverse("admin:index") if user.is_staff else None
    return {"chrome": Chrome(current.account if current else None, accounts, sections, operator_url)}


def _section(request: HttpRequest, title: str, links: list[tuple[str, str, str]]) -> dict[str, Any]:
    return {
        "title": title,
        "links": [
            {"label": label, "url": url, "icon": icon, "current": request.path.startswith(url)} for label, url, icon in links
        ],
    }


def _memberships(request: HttpRequest) -> list[Membership]:
    """This person's memberships, oldest first, read once a request."""
    if not hasattr(request, "_memberships"):
        rows = Membership.objects.filter(user=request.user).select_related("account").order_by("pk")  # type: ignore[misc]  # callers have asked for sign-in
        request._memberships = list(rows)  # type: ignore[attr-defined]
    return request._memberships  # type: ignore[attr-defined,no-any-return]
