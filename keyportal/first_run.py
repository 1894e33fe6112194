"""Write the `.env` of a local installation, once, with secrets of its own."""

import os
import secrets
from pathlib import Path

ENV_FILE = Path(__file__).resolve().parent.parent / ".env"

TEMPLATE = """\
# A local installation, written by `manage.py quickstart`. `.env.example` explains every variable.
LOCAL=true
SECRET_KEY={secret_key}
DEMO_PASSWORD={demo_password}
"""


def write_env_file(path: Path = ENV_FILE) -> bool:
    """Create `path`, readable by its owner alone, and tell whether it was missing.

    Nothing is written where the environment already brings a `SECRET_KEY`: such a machine is configured.
    """
    if "SECRET_KEY" in os.environ:
        return False
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return False
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(
            TEMPLATE.format(
                secret_key=secrets.token_urlsafe(50),
                demo_password=secrets.token_urlsafe(12),
            )
        )
    return True
