"""The product's own settings with the peers' tables beside its own, so that one process serves all of them."""

from keyportal.settings import *  # noqa: F403
from keyportal.settings import INSTALLED_APPS as OURS

INSTALLED_APPS = [*OURS, "rest_framework", "rest_framework.authtoken", "rest_framework_api_key", "knox", "oauth2_provider"]

# As `django-admin startproject` of Django 5.2 writes it.
STARTPROJECT_MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
