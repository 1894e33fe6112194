"""The installation's own settings, on a database of their own and with cheap passwords."""

import os

os.environ.setdefault("LOCAL", "true")
os.environ.setdefault("SECRET_KEY", "only-for-tests-" + "0123456789" * 5)

from keyportal.settings import *  # noqa: F403
from keyportal.settings import DATABASES

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
# The tests' own limits would stop the tests: a minute holds hundreds of sign-ins here.
CACHES = {"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}
API_REQUESTS_PER_MINUTE = API_FAILURES_PER_MINUTE = 0
DATABASES["default"]["CONN_MAX_AGE"] = 0
MAIL_IN_BACKGROUND = USE_IN_BACKGROUND = False
# Each test client would read the whole folder of collected files again.
WHITENOISE_AUTOREFRESH = True
