"""The commands of ./run, each handed to the module of its name."""

import os
import sys
from importlib import import_module

from loyalty.local.demo import DemoFailed
from loyalty.local.environment import ROOT, EnvironmentFailed
from loyalty.local.installation import MigrationFailed
from loyalty.local.postgres import PostgresFailed
from loyalty.local.valkey import ValkeyFailed

COMMANDS = {
    "demo": "everything with demo data, a simulated AlipayHK and a story that plays; Ctrl-C ends it",
    "serve": "web, worker and beat in the foreground, no demo data  [--port N]",
    "simulator": "the twin of AlipayHK alone  --port N --home DIR",
    "test": "all tests on throw-away servers  [pytest arguments]",
    "check": "lint, format, types, layers, migrations, deployment settings, templates",
    "bench": "speed as ratios, non-zero when a floor is missed  [--quick] [--json FILE]",
    "manage": "Django's management commands: register_mall, state, prove, sweep, deadletters …",
    "lock": "make the requirements*.txt lock files anew from pyproject.toml",
}
FAILURES = (DemoFailed, EnvironmentFailed, MigrationFailed, PostgresFailed, ValkeyFailed)


def main(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("help", "-h", "--help"):
        print("\n".join(f"./run {name:<10} {purpose}" for name, purpose in COMMANDS.items()))
        return 0
    command, rest = arguments[0], arguments[1:]
    if command not in COMMANDS:
        print(f"run: there is no command {command!r}; ./run alone prints them.", file=sys.stderr)
        return 2
    try:
        status: int = import_module(f"loyalty.local.{command}").main(rest)
    except FAILURES as error:
        print(f"run: {str(error) or type(error).__doc__}", file=sys.stderr)
        return 1
    return status


if __name__ == "__main__":
    os.environ.setdefault("PYTHONPATH", str(ROOT))
    sys.exit(main(sys.argv[1:]))
