"""Pages of keys: a person's own, and an account's service keys.

The two kinds share their templates and the functions at the end; each view says only what differs.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, wraps
from typing import Any, Concatenate, ParamSpec

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_http_methods, require_safe

from accounts.access import PageRequest, as_member, as_oneself, membership_used_last, require_fresh
from accounts.audit import AuditEvent
from accounts.models import Account
from apikeys.allowlist import Mode
from apikeys.causes import explained
from apikeys.chart import chart_of
from apikeys.forms import AddressesForm, DeleteKeyForm, RenameKeyForm, RotateKeyForm, ServiceKeyForm, UserKeyForm
from apikeys.knocks import latest
from apikeys.listing import list_keys
from apikeys.models import AlreadyShown, ApiKey, ApiKeyQuerySet, KeyStandsStill
from apikeys.rotation import rotations_of
from apikeys.secret import Secret
from apikeys.usage import Outcome, networks_of
from keyportal import policy
from keyportal.http import see_other

P = ParamSpec("P")
Context = dict[str, Any]

# User keys: each view starts from what the person owns.


@require_safe
@as_oneself
def user_keys(request: PageRequest) -> HttpResponse:
    return render(request, "apikeys/user_keys.html", _user_list(request) | {"form": UserKeyForm()})


@require_http_methods(["GET", "HEAD", "POST"])
@as_oneself
def user_key_new(request: PageRequest) -> HttpResponse:
    form = UserKeyForm(request.POST if request.method == "POST" else None)
    issue = partial(ApiKey.objects.issue_user_key, by=request.actor)
    return _create(request, form, issue, "apikeys/user_keys.html", lambda: _user_list(request))


@require_safe
@as_oneself
def user_key(request: PageRequest, public_id: str) -> HttpResponse:
    return render(request, "apikeys/user_key.html", _key_page(request, _own_key(request, public_id)))


@require_http_methods(["GET", "HEAD", "POST"])
@as_oneself
def user_key_rename(request: PageRequest, public_id: str) -> HttpResponse:
    return _rename(request, _own_key(request, public_id), "apikeys/user_key.html")


@require_http_methods(["GET", "HEAD", "POST"])
@as_oneself
def user_key_rotate(request: PageRequest, public_id: str) -> HttpResponse:
    return _rotate(request, _own_key(request, public_id), "apikeys/user_key.html")


@require_http_methods(["GET", "HEAD", "POST"])
@as_oneself
def user_key_delete(request: PageRequest, public_id: str) -> HttpResponse:
    key = _own_key(request, public_id)
    return _delete(request, key, "apikeys/user_keys.html", lambda: _user_list(request) | {"form": UserKeyForm()})


@require_http_methods(["GET", "HEAD", "POST"])
@as_oneself
def user_key_addresses(request: PageRequest, public_id: str) -> HttpResponse:
    return _addresses(request, _own_key(request, public_id), "apikeys/user_key.html")


def _own_key(request: PageRequest, public_id: str) -> ApiKey:
    return get_object_or_404(_details(request.user.api_keys), public_id=public_id)


def _user_list(request: PageRequest) -> Context:
    keys = _with_its_rotation(request.user.api_keys)
    return {
        "listing": list_keys(keys, request.GET, url=reverse("user_keys"), new_url=reverse("user_key_new")),
        "can_create": policy.can_create_user_key(request.actor),
    }


# Service keys: admins and owners only; everybody else in the account reads why.


def _service_keys_visible(
    view: Callable[Concatenate[PageRequest, Account, P], HttpResponse],
) -> Callable[Concatenate[PageRequest, Account, P], HttpResponse]:
    @wraps(view)
    def wrapped(request: PageRequest, account: Account, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        policy.require(policy.can_see_service_keys(request.actor))
        return view(request, account, *args, **kwargs)

    return wrapped  # type: ignore[return-value]


@require_safe
@as_member
@_service_keys_visible
def service_keys(request: PageRequest, account: Account) -> HttpResponse:
    return render(request, "apikeys/service_keys.html", _service_list(request, account) | {"form": ServiceKeyForm()})


@require_http_methods(["GET", "HEAD", "POST"])
@as_member
@_service_keys_visible
def service_key_new(request: PageRequest, account: Account) -> HttpResponse:
    policy.require(policy.can_create_service_key(request.actor))
    form = ServiceKeyForm(request.POST if request.method == "POST" else None)
    issue = partial(ApiKey.objects.issue_service_key, by=request.actor, account=account)
    return _create(request, form, issue, "apikeys/service_keys.html", lambda: _service_list(request, account))


@require_safe
@as_member
@_service_keys_visible
def service_key(request: PageRequest, account: Account, public_id: str) -> HttpResponse:
    context = _key_page(request, _service_key(account, public_id))
    return render(request, "apikeys/service_key.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@as_member
@_service_keys_visible
def service_key_rename(request: PageRequest, account: Account, public_id: str) -> HttpResponse:
    return _rename(request, _service_key(account, public_id), "apikeys/service_key.html")


@require_http_methods(["GET", "HEAD", "POST"])
@as_member
@_service_keys_visible
def service_key_rotate(request: PageRequest, account: Account, public_id: str) -> HttpResponse:
    return _rotate(request, _service_key(account, public_id), "apikeys/service_key.html")


@require_http_methods(["GET", "HEAD", "POST"])
@as_member
@_service_keys_visible
def service_key_delete(request: PageRequest, account: Account, public_id: str) -> HttpResponse:
    key = _service_key(account, public_id)
    list_context = lambda: _service_list(request, account) | {"form": ServiceKeyForm()}  # noqa: E731
    return _delete(request, key, "apikeys/service_keys.html", list_context)


@require_http_methods(["GET", "HEAD", "POST"])
@as_member
@_service_keys_visible
def service_key_addresses(request: PageRequest, account: Account, public_id: str) -> HttpResponse:
    return _addresses(request, _service_key(account, public_id), "apikeys/service_key.html")


def _service_key(account: Account, public_id: str) -> ApiKey:
    return get_object_or_404(_details(account.service_keys).with_maker_role(), public_id=public_id)


def _service_list(request: PageRequest, account: Account) -> Context:
    keys = _with_its_rotation(account.service_keys).with_maker_role().select_related("created_by")
    new_url = reverse("service_key_new", args=[account.pk])
    return {
        "listing": list_keys(keys, request.GET, url=reverse("service_keys", args=[account.pk]), new_url=new_url),
        "can_create": policy.can_create_service_key(request.actor),
        "account": account,
    }


# What both kinds share


def _details(keys: Any) -> ApiKeyQuerySet:
    return _with_its_rotation(keys).select_related("user", "account", "created_by")


def _with_its_rotation(keys: Any) -> ApiKeyQuerySet:
    """With the key that each replaces, and the one that replaced it."""
    return keys.select_related("replaces", "replaced_by")  # type: ignore[no-any-return]


def _create(
    request: PageRequest,
    form: UserKeyForm,
    issue: Callable[..., tuple[ApiKey, Secret]],
    template: str,
    list_context: Callable[[], Context],
) -> HttpResponse:
    """The empty form on GET; on POST the new key, shown once, or the form again with what is wrong."""
    if request.method == "POST" and form.is_valid():
        require_fresh(request)
        try:
            key, secret = issue(**form.as_arguments())
        except AlreadyShown as shown:
            return _already_shown(request, shown.key)
        except ValidationError as error:
            form.add_error(None, error)
        else:
            return _reveal(request, key, secret)
    context = list_context() | {"form": form, "dialog": "create"}
    return render(request, template, context, status=400 if form.errors else 200)


@sensitive_variables()
def _reveal(request: PageRequest, key: ApiKey, secret: Secret) -> HttpResponse:
    """The one page that ever shows the key: the answer to the POST that made it."""
    membership = membership_used_last(request)
    account = key.account or (membership.account if membership else None)
    if key.account:
        facts = [("Acts in", key.account.name), ("Role", key.role_label)]
    else:
        facts = [("Acts as", request.user.display_name)]
        if membership:
            facts.append((f"Role in {membership.account.name}", membership.role.label))
    context = {
        "key": key,
        "old": ApiKey.objects.get(pk=key.replaces_id) if key.replaces_id else None,
        "facts": facts,
        "curl": curl_example(account),
        "address": request.actor.address,
        "list_url": key.list_url,
        "refusals": key.refusals(),
        "plaintext": secret.reveal(),
    }
    response = render(request, "apikeys/key_created.html", context, status=201)
    response["Referrer-Policy"] = "no-referrer"
    return response


def curl_example(account: Account | None) -> str:
    """A line to paste, with the key in the environment, so that it stays out of the shell's history."""
    lines = [f"curl {settings.PUBLIC_URL}/v1/accounts", '-H "Authorization: Bearer $CHECKLY_API_KEY"']
    if account:
        lines[0] = f"curl {settings.PUBLIC_URL}/v1/checks"
        lines.append(f'-H "X-Checkly-Account: {account.pk}"')
    return " \\\n  ".join(lines)


def _already_shown(request: PageRequest, key: ApiKey) -> HttpResponse:
    context = {"key": key, "delete_url": key.delete_url, "list_url": key.list_url}
    return render(request, "apikeys/key_already_shown.html", context, status=409)


def _stands_still(request: PageRequest, error: KeyStandsStill) -> HttpResponse:
    return render(request, "409.html", {"message": str(error), "way_on": error.way_on}, status=409)


def _key_page(request: PageRequest, key: ApiKey) -> Context:
    history = AuditEvent.objects.filter(target_type="key", target_id=key.public_id)[:50]
    use = key.use_of_late()
    return {
        "key": key,
        "account": key.account,
        "use": use,
        "chart": chart_of(use),
        "knocks": explained(key, latest(key.public_id)),
        "knocks_days": settings.KEEP_REFUSALS_DAYS,
        "events": [
            {
                "at": e.at,
                "what": e.get_action_display(),
                "was": e.details.get("was") if e.action == AuditEvent.Action.KEY_RENAMED else None,
                "who": e.actor_name,
                "address": None if e.via == "operator" else e.address,
            }
            for e in history
        ],
        "rotations": rotations_of(key),
        "can_rename": key.revoked_at is None and policy.can_rename_key(request.actor, key),
        "rename_form": RenameKeyForm(initial={"name": key.name}),
        "can_rotate": key.is_rotatable and policy.can_rotate_key(request.actor, key),
        "rotate_form": RotateKeyForm(key=key),
        "refusals": key.refusals() if key.is_usable else [],
        "can_choose_addresses": not key.revoked_at and policy.can_choose_addresses(request.actor, key),
        "addresses_form": AddressesForm(key=key),
        "observed": key.observed() if key.allow_mode == Mode.OBSERVE else None,
        "refused_networks": networks_of(key.public_id, Outcome.ADDRESS) if key.is_restricted else None,
        "can_revoke": policy.can_revoke_key(request.actor, key),
        "delete_form": None if key.revoked_at else DeleteKeyForm(key=key),
        "delete_url": key.delete_url,
        "list_url": key.list_url,
    }


def _rename(request: PageRequest, key: ApiKey, template: str) -> HttpResponse:
    """The key's page with the dialog open on GET, the new name on POST."""
    policy.require(policy.can_rename_key(request.actor, key))
    form = RenameKeyForm(request.POST if request.method == "POST" else None, initial={"name": key.name})
    try:
        if request.method == "POST" and form.is_valid():
            if key.rename(by=request.actor, name=form.cleaned_data["name"]):
                messages.success(request, f"The key is now called “{key.name}”. Its secret is the same.")
            return see_other(key.get_absolute_url())
        key.require_renamable()
    except KeyStandsStill as error:
        return _stands_still(request, error)
    context = _key_page(request, key) | {"dialog": "rename", "rename_form": form}
    return render(request, template, context, status=400 if form.errors else 200)


def _rotate(request: PageRequest, key: ApiKey, template: str) -> HttpResponse:
    """The key's page with the dialog open on GET; on POST its successor, shown once."""
    policy.require(policy.can_rotate_key(request.actor, key))
    form = RotateKeyForm(request.POST if request.method == "POST" else None, key=key)
    try:
        if request.method == "POST" and form.is_valid():
            require_fresh(request)
            return _reveal(request, *key.rotate(by=request.actor, **form.as_arguments()))
        key.require_rotatable()
    except AlreadyShown as shown:
        return _already_shown(request, shown.key)
    except ValidationError as error:  # the account asks of keys what this one has not
        form.add_error(None, error)
    except KeyStandsStill as error:
        return _stands_still(request, error)
    context = _key_page(request, key) | {"dialog": "rotate", "rotate_form": form}
    return render(request, template, context, status=400 if form.errors else 200)


def _addresses(request: PageRequest, key: ApiKey, template: str) -> HttpResponse:
    """The form on GET; on POST the choice, or the form again, also with what was asked to be suggested.

    Who lets more addresses pass has signed in lately; who lets fewer may be in a hurry.
    """
    policy.require(policy.can_choose_addresses(request.actor, key))
    key.require_changeable()
    form = AddressesForm(request.POST if request.method == "POST" else None, key=key)
    if "suggest" in request.POST:
        form = form.suggest()
    elif request.method == "POST" and form.is_valid():
        if key.would_open(**form.cleaned_data):
            require_fresh(request)
        changed = key.allow_from(by=request.actor, **form.cleaned_data)
        messages.success(request, "Saved. It holds from the next request on." if changed else "Nothing has changed.")
        return see_other(key.get_absolute_url())
    context = _key_page(request, key) | {"dialog": "addresses", "addresses_form": form}
    return render(request, template, context, status=400 if form.errors else 200)


def _delete(request: PageRequest, key: ApiKey, template: str, list_context: Callable[[], Context]) -> HttpResponse:
    """Ask on GET, revoke on POST. What is deleted already is said so, and is no error."""
    policy.require(policy.can_revoke_key(request.actor, key))
    form = DeleteKeyForm(request.POST if request.method == "POST" else None, key=key)
    if request.method == "POST" and (key.revoked_at or form.is_valid()):
        if key.revoke(by=request.actor):
            messages.success(request, f"“{key.name}” was deleted. Requests with it fail from now on.")
        else:
            messages.info(request, f"“{key.name}” was already deleted.")
        return see_other(key.new_url if request.POST.get("then") == "create" else key.list_url)
    if key.revoked_at:
        return see_other(key.get_absolute_url())
    context = list_context() | {"dialog": "delete", "target": key, "delete_form": form, "delete_url": key.delete_url}
    return render(request, template, context, status=400 if form.errors else 200)
