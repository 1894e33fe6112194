from django.urls import path

from accounts import views

urlpatterns = [
    path("", views.home, name="home"),
    path("settings/account/<slug:section>", views.account_section, name="account_section"),
    path("settings/accounts/<uuid:account_id>/general", views.general, name="account_general"),
]
