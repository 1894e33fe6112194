"""Write the `.env` of a local installation, once, with secrets of its own."""

import os
import secrets
from pathlib import Path
from tempfile import NamedTemporaryFile

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
    text = TEMPLATE.format(secret_key=secrets.token_urlsafe(50), demo_password=secrets.token_urlsafe(12))
    # Written aside and linked into place: whoever is interrupted leaves no half a file, and two at once agree on one.
    with NamedTemporaryFile("w", dir=path.parent, prefix=".env-", encoding="utf-8") as aside:
        aside.write(text)
        aside.flush()
        try:
            os.link(aside.name, path)
        except FileExistsError:
            return False
    return True
