"""`./run check`: every check that needs no test, all of them, however many fail, on servers of its own."""

import os
import secrets
import subprocess
import sys
import tempfile
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from pathlib import Path

from loyalty.local import processes
from loyalty.local.environment import ROOT
from loyalty.local.home import Home
from loyalty.local.installation import Installation, manage_command

Check = tuple[str, list[str], Mapping[str, str]]


def main(arguments: list[str]) -> int:
    """With names, only those checks: `./run check format types`."""
    processes.stop_on_signals()
    with tempfile.TemporaryDirectory(prefix="loyalty check ") as folder:
        home = Home(Path(folder))
        home.take()
        try:
            with Installation(home, "check", given=_without_ours()) as installation:
                return _run_all(_checks(installation.environment), arguments)
        except processes.StopRequested:
            return 130


def _run_all(checks: list[Check], names: list[str]) -> int:
    failed = []
    for name, command, environment in checks:
        if names and name not in names:
            continue
        print(f"== {name}", flush=True)
        if subprocess.run(command, cwd=ROOT, env=dict(environment), check=False).returncode != 0:
            failed.append(name)
    print(f"check: {', '.join(failed)} failed" if failed else "check: all is well", flush=True)
    return 1 if failed else 0


def _checks(environment: dict[str, str]) -> list[Check]:
    python, programs = [sys.executable, "-m"], Path(sys.executable).parent
    return [
        ("lint", [*python, "ruff", "check", "."], environment),
        ("format", [*python, "ruff", "format", "--check", "."], environment),
        ("types", [*python, "mypy"], environment),
        ("layers", [str(programs / "lint-imports"), "--no-cache"], environment),
        ("migrations", manage_command("makemigrations", "--check", "--dry-run"), environment),
        (
            "deployment",
            manage_command("check", "--deploy", "--fail-level", "WARNING"),
            _production(environment),
        ),
        (
            "templates",
            [str(programs / "djade"), "--target-version", "5.2", "--check", *_templates()],
            environment,
        ),
    ]


def _templates() -> list[str]:
    return [str(path.relative_to(ROOT)) for path in sorted((ROOT / "templates").rglob("*.html"))]


def _production(environment: dict[str, str]) -> dict[str, str]:
    """What compose sets, with secrets made for this one check."""
    return {
        **environment,
        "LOYALTY_ENV": "production",
        "SECRET_KEY": secrets.token_urlsafe(48),
        "LOYALTY_KEYS": urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        "ALLOWED_HOSTS": "loyalty.example.hk",
        "ALIPAYHK_GATEWAY_HOSTS": "open.alipay.hk",
    }


def _without_ours() -> dict[str, str]:
    ours = (
        "DATABASE_URL",
        "DATABASE_OWNER_URL",
        "REDIS_URL",
        "LOYALTY_ENV",
        "LOYALTY_HOME",
        "CLOCK_OFFSET_SECONDS",
    )
    return {name: text for name, text in os.environ.items() if name not in ours}
