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
            command = [sys.executable, "-m", "tests.bench", *_with_absolute_paths(arguments)]
            return subprocess.run(command, cwd=ROOT, env=installation.environment, check=False).returncode
    except processes.StopRequested:
        return 130
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _with_absolute_paths(arguments: list[str]) -> list[str]:
    """`--json FILE` means the caller's folder, not ours."""
    return [
        str(Path(argument).absolute()) if before == "--json" else argument
        for before, argument in zip(["", *arguments], arguments, strict=False)
    ]
