#!/usr/bin/env python
"""Django's command line, set up for KeyPortal."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "keyportal.settings")
    if sys.argv[1:2] == ["quickstart"]:
        # The one command that may run before there is any configuration: it writes it.
        from keyportal.first_run import write_env_file

        write_env_file()
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line

    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        sys.exit(f"KeyPortal can’t start: {error}")


if __name__ == "__main__":
    main()
