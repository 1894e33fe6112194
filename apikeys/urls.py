from django.urls import path

from apikeys import policy_views, views
from apikeys.monitoring import metrics_page

ACCOUNT = "settings/accounts/<uuid:account_id>/api-keys"

urlpatterns = [
    path("settings/user/api-keys", views.user_keys, name="user_keys"),
    path("settings/user/api-keys/new", views.user_key_new, name="user_key_new"),
    path("settings/user/api-keys/<slug:public_id>", views.user_key, name="user_key"),
    path("settings/user/api-keys/<slug:public_id>/rename", views.user_key_rename, name="user_key_rename"),
    path("settings/user/api-keys/<slug:public_id>/rotate", views.user_key_rotate, name="user_key_rotate"),
    path("settings/user/api-keys/<slug:public_id>/delete", views.user_key_delete, name="user_key_delete"),
    path("settings/user/api-keys/<slug:public_id>/addresses", views.user_key_addresses, name="user_key_addresses"),
    path(ACCOUNT, views.service_keys, name="service_keys"),
    path(f"{ACCOUNT}/new", views.service_key_new, name="service_key_new"),
    path(f"{ACCOUNT}/<slug:public_id>", views.service_key, name="service_key"),
    path(f"{ACCOUNT}/<slug:public_id>/rename", views.service_key_rename, name="service_key_rename"),
    path(f"{ACCOUNT}/<slug:public_id>/rotate", views.service_key_rotate, name="service_key_rotate"),
    path(f"{ACCOUNT}/<slug:public_id>/delete", views.service_key_delete, name="service_key_delete"),
    path(f"{ACCOUNT}/<slug:public_id>/addresses", views.service_key_addresses, name="service_key_addresses"),
    path("settings/accounts/<uuid:account_id>/general/keys", policy_views.key_policies, name="account_key_policies"),
    path("metrics", metrics_page, name="metrics"),
]
