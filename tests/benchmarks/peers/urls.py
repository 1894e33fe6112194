"""One URL for each contender; the product's own endpoints stay where they are served."""

from django.urls import path
from oauth2_provider.views import IntrospectTokenView

from tests.benchmarks.peers import views

urlpatterns = [
    path("peers/bare", views.bare),
    path("peers/select", views.select),
    path("peers/check", views.check),
    path("peers/drf", views.DrfToken.as_view()),
    path("peers/api-key", views.ApiKeyOfDrf.as_view()),
    path("peers/knox", views.Knox.as_view()),
    path("peers/oauth", views.oauth),
    path("peers/introspect", IntrospectTokenView.as_view()),
    path("peers/password", views.password),
]
