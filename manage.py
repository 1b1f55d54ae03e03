#!/usr/bin/env python3
"""Django's command line. Migrating is the owner's business, everything else the app's."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "loyalty.settings")
    owner = os.environ.get("DATABASE_OWNER_URL")
    if sys.argv[1:2] == ["migrate"] and owner:
        os.environ["DATABASE_URL"] = owner

    from django.core.management import (
        execute_from_command_line,
    )  # after the database is chosen: settings read it once

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
