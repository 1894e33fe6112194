"""Every setting of the installation, read top to bottom.

Each environment variable is read in this file and nowhere else; `.env.example` explains them all.
"""

import base64
import hashlib
from pathlib import Path
from urllib.parse import urlsplit

import environ
from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured

BASE_DIR = Path(__file__).resolve().parent.parent
DATA_DIR = BASE_DIR / ".data"

env = environ.Env()
env.read_env(BASE_DIR / ".env")


def whole_number(name: str, default: int, *, least: int = 1, most: int | None = None) -> int:
    """An environment variable that is a whole number of at least `least`, and of at most `most` where that is given."""
    text = env.str(name, default=str(default))
    if not (text.isascii() and text.isdigit() and int(text) >= least):
        raise ImproperlyConfigured(f"{name} must be a whole number of at least {least}, not “{text}”.")
    if most is not None and int(text) > most:
        raise ImproperlyConfigured(f"{name} must be at most {most}, not “{text}”.")
    return int(text)


def whole_numbers(name: str, default: list[int], *, most: int) -> list[int]:
    """An environment variable that is a list of whole numbers from 1 to `most`, sorted; it may be empty."""
    texts = env.list(name, default=[str(number) for number in default])
    if not all(text.isascii() and text.isdigit() and 1 <= int(text) <= most for text in texts):
        raise ImproperlyConfigured(f"{name} must be whole numbers from 1 to {most}, separated by commas.")
    return sorted({int(text) for text in texts})


# Where this runs

# A local installation speaks plain http on loopback, may hold demo data and shows mails on the console.
LOCAL = env.bool("LOCAL", default=False)
DEBUG = env.bool("DEBUG", default=False)
if DEBUG and not LOCAL:
    raise ImproperlyConfigured("DEBUG=true is for local installations: set LOCAL=true beside it, or remove it.")

SECRET_KEY = env.str("SECRET_KEY", default="")
if len(SECRET_KEY) < 50 or len(set(SECRET_KEY)) < 5 or "change-me" in SECRET_KEY:
    raise ImproperlyConfigured(
        "SECRET_KEY is missing or a placeholder. Make one of 50 characters or more: "
        "python3 -c 'import secrets; print(secrets.token_urlsafe(50))'"
    )

BIND = env.str("BIND", default="127.0.0.1")
if LOCAL and BIND not in {"127.0.0.1", "localhost", "::1"}:
    raise ImproperlyConfigured("LOCAL=true serves loopback alone: remove it, or take BIND back to 127.0.0.1.")
PORT = whole_number("PORT", 8000, least=0)
PUBLIC_URL = env.str("PUBLIC_URL", default=f"http://127.0.0.1:{PORT}" if LOCAL else "").rstrip("/")
if urlsplit(PUBLIC_URL).scheme not in ({"http", "https"} if LOCAL else {"https"}):
    raise ImproperlyConfigured(
        "PUBLIC_URL is missing: set the https address that people open, such as https://keys.example.com"
    )
PUBLIC_HOST = urlsplit(PUBLIC_URL).hostname or ""
if LOCAL and PUBLIC_HOST not in {"127.0.0.1", "localhost", "::1"}:
    raise ImproperlyConfigured("LOCAL=true is for loopback addresses: remove it, or take PUBLIC_URL back to 127.0.0.1.")

ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=[]) or [PUBLIC_HOST]
if LOCAL:
    ALLOWED_HOSTS += ["127.0.0.1", "localhost", "[::1]"]
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]

# How many reverse proxies stand in front and append to X-Forwarded-For. None is believed unless counted here.
TRUSTED_PROXY_COUNT = whole_number("TRUSTED_PROXY_COUNT", 0, least=0)
if TRUSTED_PROXY_COUNT:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

WEB_WORKERS = whole_number("WEB_WORKERS", 2)
WEB_THREADS = whole_number("WEB_THREADS", 4)

# What it is made of

INSTALLED_APPS = [
    "accounts",
    "apikeys",
    "keyportal",
    "keyportal.v1",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "allauth",
    "allauth.account",
    "csp",
    "ninja",
]

MIDDLEWARE = [
    "keyportal.middleware.request_id",
    "keyportal.middleware.probes",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "keyportal.middleware.security_headers",
    "keyportal.middleware.ContentSecurityPolicy",
    "keyportal.middleware.rate_limit",
    "keyportal.middleware.key_expiry",
    "keyportal.middleware.api_errors",
    "keyportal.v1.body.api_bodies",
    "keyportal.middleware.ErrorPages",
    "keyportal.middleware.hostile_paths",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
]

ROOT_URLCONF = "keyportal.urls"
APPEND_SLASH = False  # no path of the API ever redirects
WSGI_APPLICATION = "keyportal.wsgi.application"
CSRF_FAILURE_VIEW = "keyportal.errors.csrf_failure"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "accounts.access.chrome",
            ],
        },
    },
]

# The database: SQLite in .data/ unless DATABASE_URL names a PostgreSQL.

_database_url = env.str("DATABASE_URL", default="") or f"sqlite:///{DATA_DIR / 'keyportal.sqlite3'}"
DATABASES = {"default": env.db_url_config(_database_url)}
_database = DATABASES["default"]
if str(_database["NAME"]).startswith(f"{DATA_DIR}/"):
    DATA_DIR.mkdir(mode=0o700, exist_ok=True)
if _database["ENGINE"] == "django.db.backends.sqlite3":
    # WAL lets readers go on while one writes; pages are read from a mapping of the file (of its first 256 MiB) instead
    # of one call of the system each; IMMEDIATE takes the write lock at the start of a transaction, so that what a verb
    # reads under "lock" stays true until it has written.
    _database["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 5,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA mmap_size=268435456;",
    }
elif _database["ENGINE"] == "django.db.backends.postgresql":
    _database["OPTIONS"] = {
        **_database.get("OPTIONS", {}),
        # Who waits for a lock keeps a thread from all others: as patient as on SQLite.
        "options": "-c statement_timeout=30s -c lock_timeout=5s",
        "connect_timeout": 5,
        # Statements are prepared on their second use: the key check's join would be planned anew each time.
        "server_side_binding": True,
        "prepare_threshold": 1,
    }
else:
    raise ImproperlyConfigured("DATABASE_URL must name a PostgreSQL (postgres://…) or a SQLite file (sqlite:///…).")
_database["CONN_MAX_AGE"] = None
_database["CONN_HEALTH_CHECKS"] = True
_database["ATOMIC_REQUESTS"] = False
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Sign-in limits count in this cache, so it must be shared by all workers. A Redis here counts for the API as well.
CACHES = {
    "default": env.cache_url("CACHE_URL")
    if env.str("CACHE_URL", default="")
    else {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "keyportal_cache"}
}

# What is encrypted at rest: variables, checks, mails that hold links. The first key encrypts, all of them decrypt. The
# one from SECRET_KEY comes last, so that what was written before there was another can still be read.
_derived = hashlib.sha256(f"keyportal encryption {SECRET_KEY}".encode()).digest()
ENCRYPTION_KEYS = [*env.list("ENCRYPTION_KEYS", default=[]), base64.urlsafe_b64encode(_derived).decode()]
for _key in ENCRYPTION_KEYS:
    try:
        Fernet(_key)
    except ValueError:
        raise ImproperlyConfigured(
            "ENCRYPTION_KEYS holds something that is no key. Make one: "
            "python3 -c 'from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())'"
        ) from None

# People and how they sign in

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["accounts.login.ConfirmedAddressBackend"]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 15}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "home"
ACCOUNT_ADAPTER = "accounts.adapter.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_FORMS = {
    "login": "accounts.login.EmailLoginForm",
    "signup": "accounts.login.EmailSignupForm",
    "reset_password": "accounts.login.EmailResetForm",
}
ACCOUNT_PASSWORD_RESET_TOKEN_GENERATOR = "accounts.links.PasswordTokens"
ACCOUNT_SIGNUP_FORM_CLASS = "accounts.forms.SignupForm"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
ACCOUNT_EMAIL_NOTIFICATIONS = True
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_CONFIRM_EMAIL_ON_GET = False
ACCOUNT_LOGIN_ON_EMAIL_CONFIRMATION = True  # in the browser that signed up; elsewhere the link signs nobody in
ACCOUNT_LOGOUT_ON_GET = False
ACCOUNT_LOGOUT_REDIRECT_URL = "account_login"
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_CHANGE_EMAIL = True  # one address a person; a new one counts once it is confirmed
ACCOUNT_REAUTHENTICATION_REQUIRED = True
# How long a sign-in is recent enough for acts that matter, such as creating a key.
FRESH_SIGN_IN_MINUTES = whole_number("FRESH_SIGN_IN_MINUTES", 10)
ACCOUNT_REAUTHENTICATION_TIMEOUT = FRESH_SIGN_IN_MINUTES * 60
SIGNUP_OPEN = env.bool("SIGNUP_OPEN", default=True)
DEMO_PASSWORD = env.str("DEMO_PASSWORD", default="")

# Keys

USER_KEY_PREFIXES = env.list("USER_KEY_PREFIXES", default=["cu"])
SERVICE_KEY_PREFIXES = env.list("SERVICE_KEY_PREFIXES", default=["sv"])
_prefixes = [*USER_KEY_PREFIXES, *SERVICE_KEY_PREFIXES]
if (
    not (USER_KEY_PREFIXES and SERVICE_KEY_PREFIXES)
    or len(set(_prefixes)) < len(_prefixes)
    or not all(prefix.isascii() and prefix.isalnum() and len(prefix) <= 16 for prefix in _prefixes)
):
    raise ImproperlyConfigured(
        "USER_KEY_PREFIXES and SERVICE_KEY_PREFIXES each need one prefix or more, of at most 16 letters and digits, all different."
    )
# Argon2id at the floor of RFC 9106: the secret has 256 random bits, so a higher cost protects nothing here.
KEY_HASH_MEMORY_KIB = whole_number("KEY_HASH_MEMORY_KIB", 8, least=8)
KEY_HASH_TIME = whole_number("KEY_HASH_TIME", 1)
KEY_HASH_PARALLELISM = whole_number("KEY_HASH_PARALLELISM", 1)
if KEY_HASH_MEMORY_KIB < 8 * KEY_HASH_PARALLELISM:
    raise ImproperlyConfigured("KEY_HASH_MEMORY_KIB must be at least 8 times KEY_HASH_PARALLELISM: Argon2 needs that much.")

# The use of keys is written by a thread of its own, a second after it.
USE_IN_BACKGROUND = True

# How many days before a key expires its people are reminded, and after how many without use a key counts as unused.
EXPIRY_REMINDER_DAYS = whole_numbers("EXPIRY_REMINDER_DAYS", [60, 30, 14, 7, 1], most=365)
UNUSED_AFTER_DAYS = whole_number("UNUSED_AFTER_DAYS", 90)
# How many days personal data is kept; `manage.py daily` applies it, and docs/privacy.md says what each of them is.

MOST_DAYS = 36_500
KEEP_USE_BY_HOUR_DAYS = whole_number("KEEP_USE_BY_HOUR_DAYS", 35, most=MOST_DAYS)
KEEP_USE_BY_DAY_DAYS = whole_number("KEEP_USE_BY_DAY_DAYS", 400, most=MOST_DAYS)
KEEP_ADDRESSES_DAYS = whole_number("KEEP_ADDRESSES_DAYS", 400, most=MOST_DAYS)
KEEP_REFUSALS_DAYS = whole_number("KEEP_REFUSALS_DAYS", 30, most=MOST_DAYS)
KEEP_MAILS_DAYS = whole_number("KEEP_MAILS_DAYS", 30, most=MOST_DAYS)

# What clients of the API may ask. 0 is no limit.

API_REQUESTS_PER_MINUTE = whole_number("API_REQUESTS_PER_MINUTE", 600, least=0)
API_FAILURES_PER_MINUTE = whole_number("API_FAILURES_PER_MINUTE", 60, least=0)
# Where that is counted without a Redis. The database's cache would be too slow, and loses counts between processes.
LIMITS_FILE = Path(env.str("LIMITS_FILE", default="") or DATA_DIR / "limits")

# What a monitoring system reads at /metrics, with this token. Without one there is no such page, and nothing is counted.

METRICS_TOKEN = env.str("METRICS_TOKEN", default="")
if METRICS_TOKEN and len(METRICS_TOKEN) < 20:
    raise ImproperlyConfigured("METRICS_TOKEN must have 20 characters or more.")
METRICS_DIR = Path(env.str("METRICS_DIR", default="") or DATA_DIR / "metrics")

# Mail: to the console until EMAIL_URL names a server, such as smtp+tls://user:password@mail.example.com:587

EMAIL_CONFIG = env.email_url("EMAIL_URL", default="consolemail://")
vars().update(EMAIL_CONFIG)
# Mails are kept in the transaction that asks for them, and sent by this transport when it is committed.
MAIL_TRANSPORT = EMAIL_CONFIG["EMAIL_BACKEND"]
EMAIL_BACKEND = "accounts.outbox.OutboxBackend"
MAIL_IN_BACKGROUND = True
INVITATIONS_PER_DAY = whole_number("INVITATIONS_PER_DAY", 50)
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default=f"KeyPortal <keyportal@{PUBLIC_HOST}>")
SERVER_EMAIL = DEFAULT_FROM_EMAIL

# What browsers are told

SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = not LOCAL
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_AGE = 14 * 24 * 3600
SESSION_COOKIE_NAME = "keyportal_session" if LOCAL else "__Host-keyportal_session"
CSRF_COOKIE_NAME = "keyportal_csrf" if LOCAL else "__Host-keyportal_csrf"
SECURE_SSL_REDIRECT = not LOCAL
# Clients of the API follow no redirects and would lose their body.
SECURE_REDIRECT_EXEMPT = [r"^v1/", r"^v2/", r"^next/", r"^gateway/"]
SECURE_HSTS_SECONDS = 0 if LOCAL else whole_number("HSTS_SECONDS", 365 * 24 * 3600, least=0)
SECURE_HSTS_INCLUDE_SUBDOMAINS = not LOCAL
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SILENCED_SYSTEM_CHECKS = ["security.W021"]  # HSTS preloading is for the owner of the whole domain to decide.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'"],
        "font-src": ["'self'"],
        "connect-src": ["'self'"],
        "form-action": ["'self'"],
        "base-uri": ["'none'"],
        "frame-ancestors": ["'none'"],
    },
}
DATA_UPLOAD_MAX_MEMORY_SIZE = 256 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 6000  # the admin's "Revoke selected" posts one field a key

# Words, times, files

LANGUAGE_CODE = "en"
USE_I18N = False
USE_TZ = True
TIME_ZONE = "UTC"
STATIC_URL = "/static/"
STATIC_ROOT = env.str("STATIC_ROOT", default="") or DATA_DIR / "static"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        # Compressing takes most of a minute, which a local first run would only wait for.
        "BACKEND": "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"
        if LOCAL
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}

# Logs: one line an event on standard error, scrubbed of everything that is shaped like a key.

DEFAULT_EXCEPTION_REPORTER = "keyportal.redaction.ScrubbingReporter"
DEFAULT_EXCEPTION_REPORTER_FILTER = "keyportal.redaction.ScrubbingReporterFilter"
LOG_LEVEL = env.str("LOG_LEVEL", default="INFO")
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {
            "()": "keyportal.redaction.ScrubbingFormatter",
            "format": "{asctime} {levelname} {name} {message}",
            "style": "{",
        },
    },
    "filters": {"unsampled": {"()": "keyportal.refusals.Unsampled"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": LOG_LEVEL},
    "loggers": {
        "django": {"handlers": [], "level": LOG_LEVEL, "propagate": True},
        "django.request": {"filters": ["unsampled"]},
        "django.server": {"handlers": [], "level": "WARNING", "propagate": True},
    },
}
