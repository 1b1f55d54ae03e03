"""`./run lock`: the hashed lock files from pyproject.toml. They name packages and hashes, but no registry."""

import subprocess

from loyalty.local import environment
from loyalty.local.environment import ROOT, EnvironmentFailed

OPTIONS = ["--universal", "--generate-hashes", "--python-version", "3.11", "--quiet"]
OPTIONS += ["--no-header", "--no-annotate", "--no-emit-index-url"]
PLAN: dict[str, list[str]] = {
    "requirements.txt": ["pyproject.toml"],
    "requirements-dev.txt": ["pyproject.toml", "--group", "dev", "--constraints", "requirements.txt"],
    "requirements-sdk.txt": ["--group", "sdk"],
}


def main(arguments: list[str]) -> int:
    """Keeps the versions that still fit; `./run lock --upgrade` takes the newest."""
    for name, sources in PLAN.items():
        command = [
            str(environment.uv()),
            "pip",
            "compile",
            *sources,
            *OPTIONS,
            *arguments,
            "--output-file",
            name,
        ]
        if subprocess.run(command, cwd=ROOT, check=False, stdout=subprocess.DEVNULL).returncode != 0:
            raise EnvironmentFailed(f"{name} could not be made.")
        print(f"made {name}")
    return 0
