from django.urls import path

from accounts import account_views, audit_views, invitation_views, member_views, user_views, views

ACCOUNT = "settings/accounts/<uuid:account_id>"

urlpatterns = [
    path("", views.home, name="home"),
    path("settings/account/<slug:section>", views.account_section, name="account_section"),
    path("settings/accounts/new", views.open_account, name="account_new"),
    path("settings/user/general", user_views.general, name="user_general"),
    path("settings/user/delete", user_views.delete, name="user_delete"),
    path(f"{ACCOUNT}/general", account_views.general, name="account_general"),
    path(f"{ACCOUNT}/policies", account_views.policies, name="account_policies"),
    path(f"{ACCOUNT}/transfer", account_views.transfer, name="account_transfer"),
    path(f"{ACCOUNT}/leave", account_views.leave, name="account_leave"),
    path(f"{ACCOUNT}/delete", account_views.delete, name="account_delete"),
    path(f"{ACCOUNT}/members", member_views.members, name="members"),
    path(f"{ACCOUNT}/members/invite", member_views.invite, name="member_invite"),
    path(f"{ACCOUNT}/members/<uuid:user_id>/role", member_views.change_role, name="member_role"),
    path(f"{ACCOUNT}/members/<uuid:user_id>/remove", member_views.remove, name="member_remove"),
    path(f"{ACCOUNT}/invitations/<uuid:invitation_id>/resend", member_views.resend, name="invitation_resend"),
    path(f"{ACCOUNT}/invitations/<uuid:invitation_id>/withdraw", member_views.withdraw, name="invitation_withdraw"),
    path(f"{ACCOUNT}/audit-log", audit_views.audit_log, name="audit_log"),
    path(f"{ACCOUNT}/audit-log/export", audit_views.export, name="audit_log_export"),
    path("invitations/<slug:token>", invitation_views.invitation, name="invitation"),
    path("invitations/<slug:token>/accept", invitation_views.accept, name="invitation_accept"),
]
