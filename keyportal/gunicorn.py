"""How gunicorn serves KeyPortal: `gunicorn -c python:keyportal.gunicorn keyportal.wsgi`."""

import os
import resource
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "keyportal.settings")

from django.core.exceptions import ImproperlyConfigured

try:
    from keyportal import settings
except ImproperlyConfigured as error:
    raise SystemExit(f"KeyPortal can’t start: {error}") from None

bind = f"{settings.BIND}:{settings.PORT}"
workers = settings.WEB_WORKERS
worker_class = "keyportal.worker.Worker"
logger_class = "keyportal.worker.QuietLogger"
threads = settings.WEB_THREADS
# Connections of one worker, as far as the system lets it open files: for these, its databases and its logs.
worker_connections = min(1000, max(50, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 100))
keepalive = 75
timeout = 60
graceful_timeout = 20
# A heartbeat file on a disk can block; memory cannot. Nothing but its modification time is kept there.
worker_tmp_dir = "/dev/shm"  # nosec B108
# The longest that gunicorn offers: a list may be asked for by many tags.
limit_request_line = 8190
# The parser that the tests have tried, whatever else is installed.
http_parser = "python"
# A header with an underscore could pass for one with a hyphen.
header_map = "drop"
# The middleware counts proxies; gunicorn itself believes none.
forwarded_allow_ips = ""
# The server quotes malformed requests in its log: scrubbed like everything else.
logconfig_dict: dict[str, Any] = {
    **settings.LOGGING,
    "loggers": {"gunicorn.error": {"level": "WARNING", "handlers": ["console"], "propagate": False}},
}
# No access log here: a reverse proxy keeps one, and this one would know more than it should write.
accesslog = None
control_socket_disable = True


def on_starting(server: Any) -> None:
    """Refuse to serve where migrations or a place to count requests are missing, in one line that says what to do."""
    import django

    django.setup()
    from django.db import DatabaseError, connections

    from keyportal import limits
    from keyportal.health import pending_migrations

    try:
        pending = pending_migrations()
    except DatabaseError as error:
        raise SystemExit(f"KeyPortal can’t start: the database does not answer ({error}).") from None
    finally:
        connections.close_all()
    if pending:
        raise SystemExit(f"KeyPortal can’t start: {len(pending)} migrations are pending. Run: python manage.py migrate")
    try:
        limits.make_ready()
    except OSError as error:
        raise SystemExit(f"KeyPortal can’t start: requests can’t be counted ({error}). Set LIMITS_FILE or CACHE_URL.") from None
