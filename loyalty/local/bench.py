"""`./run bench`: hands over to tests.bench on throw-away servers, with the SDK's environment made."""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from loyalty.local import environment, processes, test
from loyalty.local.environment import ROOT
from loyalty.local.home import Home
from loyalty.local.installation import Installation
from loyalty.local.postgres import binaries_for_clients


def main(arguments: list[str]) -> int:
    more = {
        "LOYALTY_SDK_PYTHON": str(environment.prepare_sdk()),
        "LOYALTY_PGBENCH": shutil.which("pgbench", path=str(binaries_for_clients())) or "",
    }
    processes.stop_on_signals()
    folder = Path(tempfile.mkdtemp(prefix="loyalty bench "))
    home = Home(folder)
    home.take()
    try:
        with Installation(home, "bench", given=test.given() | more) as installation:
            installation.migrate()
            return _run(_with_absolute_paths(arguments), installation.environment)
    except processes.StopRequested:
        return 130
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(arguments: list[str], variables: dict[str, str]) -> int:
    child = subprocess.Popen([sys.executable, "-m", "tests.bench", *arguments], cwd=ROOT, env=variables)
    try:
        return child.wait()
    except processes.StopRequested:
        child.terminate()
        child.wait()  # it has web processes, and perhaps a whole installation, to stop first
        raise


def _with_absolute_paths(arguments: list[str]) -> list[str]:
    """`--json FILE` means the caller's folder, not ours."""
    found = []
    for before, argument in zip(["", *arguments], arguments, strict=False):
        name, equals, path = argument.partition("=")
        if before == "--json":
            argument = str(Path(argument).absolute())
        elif name == "--json" and equals:
            argument = f"--json={Path(path).absolute()}"
        found.append(argument)
    return found
