"""Table of contents."""

from django.contrib import admin
from django.urls import include, path

from keyportal.v1 import api

urlpatterns = [
    path("", api.urls),  # first: machines ask more often than people
    path("", include("accounts.urls")),
    path("", include("apikeys.urls")),
    path("accounts/", include("allauth.urls")),
    path("admin/", admin.site.urls),
    path("gateway/", include("apikeys.gateway_urls")),
]

handler400 = "keyportal.errors.bad_request"
handler403 = "keyportal.errors.forbidden"
handler404 = "keyportal.errors.not_found"
handler500 = "keyportal.errors.server_error"
