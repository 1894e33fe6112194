"""What gateways and services ask. `keyportal.wsgi` answers `verify` before Django does; here it stands for other servers."""

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from apikeys.gateway import verify
from apikeys.introspection import introspect

app_name = "gateway"


@csrf_exempt
@login_not_required
def verify_any_path(request: HttpRequest, rest: str = "") -> HttpResponse:
    """Whatever follows in the path is `verify`'s to read."""
    return verify(request, request.path_info).as_response()


urlpatterns = [
    path("verify", verify_any_path, name="verify"),
    path("verify/", verify_any_path, name="verify_slash"),
    path("verify/<path:rest>", verify_any_path, name="verify_any"),
    path("introspect", introspect, name="introspect"),
]
