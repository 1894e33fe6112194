"""The account's audit log, for its admins and its owner: the page, and the file."""

from __future__ import annotations

from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from accounts.access import PageRequest, as_member
from accounts.audit_export import export as exported
from accounts.audit_export import file_name
from accounts.audit_log import AuditLogForm, events_of, log_of
from accounts.models import Account
from keyportal import policy


@require_safe
@as_member
def audit_log(request: PageRequest, account: Account) -> HttpResponse:
    policy.require(policy.can_see_audit_log(request.actor))
    return _page(request, account, AuditLogForm(request.GET, account=account))


@require_POST
@as_member  # type: ignore[arg-type]  # which passes on whatever answer it gets
def export(request: PageRequest, account: Account) -> HttpResponseBase:
    """What the page's filter finds, all of it. A POST, since the export is itself recorded."""
    policy.require(policy.can_see_audit_log(request.actor))
    form = AuditLogForm(request.POST, account=account)
    if not form.is_valid():
        return _page(request, account, form)
    response = StreamingHttpResponse(exported(form, by=request.actor), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{file_name(account, timezone.now().date())}"'
    return response


def _page(request: PageRequest, account: Account, form: AuditLogForm) -> HttpResponse:
    url = reverse("audit_log", args=[account.pk])
    log = log_of(form, url)
    context = {
        "account": account,
        "form": form,
        "log": log,
        "filtered": bool(log.asked or form.errors),
        "any": bool(log.entries) or events_of(account).exists(),
        "url": url,
        "export_url": reverse("audit_log_export", args=[account.pk]),
    }
    return render(request, "accounts/audit_log.html", context, status=400 if form.errors else 200)
