"""Makes the virtual environments from the hashed lock files, once, whoever asks first.

Runs under the machine's own Python before anything is installed, so it is standard library only.
Progress goes to standard error: the commands' own output must stay clean.
"""

import fcntl
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parents[2]
MAIN = ROOT / ".venv"
SDK = ROOT / ".venv-sdk"
UV_LOCK = ROOT / "requirements-uv.txt"
STAMP = "stamp.json"


class EnvironmentFailed(Exception):
    """The Python environment could not be made."""


def hand_over(arguments: list[str]) -> NoReturn:
    """Replace this process by the same command inside .venv, so that signals reach it directly."""
    try:
        python = prepare_main()
    except (EnvironmentFailed, OSError) as error:
        sys.exit(f"run: {error}")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    os.execve(python, [str(python), "-m", "loyalty.local", *arguments], environment)


def prepare_main() -> Path:
    return _prepared(MAIN, ROOT / "requirements-dev.txt")


def prepare_sdk() -> Path:
    """The environment of the vendor's SDK, whose pins clash with ours."""
    prepare_main()
    return _prepared(SDK, ROOT / "requirements-sdk.txt")


def uv(folder: Path = MAIN) -> Path:
    return folder / "uv" / "bin" / "uv"


def _prepared(folder: Path, lock: Path) -> Path:
    python = folder / "bin" / "python"
    if _stamp_of(folder) == _wanted_stamp(lock) and python.exists():
        return python
    with _only_one(folder):
        if _stamp_of(folder) != _wanted_stamp(lock):
            _make(folder, lock)
    return python


def _make(folder: Path, lock: Path) -> None:
    wanted, stamp = _wanted_stamp(lock), _stamp_of(folder)
    python = folder / "bin" / "python"
    if not python.exists() or any(stamp.get(part) != wanted[part] for part in ("python", "uv", "place")):
        _say(f"making {folder.name} …")
        shutil.rmtree(folder, ignore_errors=True)
        _make_empty(folder)
    (folder / STAMP).unlink(missing_ok=True)
    _say(f"installing {lock.name} into {folder.name} …")
    _call(
        [uv(), "pip", "sync", "--quiet", "--python", python, "--require-hashes", lock], without="VIRTUAL_ENV"
    )
    # A stamp appears whole or not at all: a killed installation must not look finished.
    unfinished = folder / f"{STAMP}.new"
    unfinished.write_text(json.dumps(wanted))
    unfinished.rename(folder / STAMP)


def _make_empty(folder: Path) -> None:
    if folder != MAIN:
        _call([uv(), "venv", "--quiet", "--python", MAIN / "bin" / "python", folder], without="VIRTUAL_ENV")
        return
    if importlib.util.find_spec("ensurepip") is None:
        _install_debian_venv()
    _call([sys.executable, "-m", "venv", folder])
    pip: list[str | Path] = [
        folder / "bin" / "python",
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
    ]
    _call([*pip, "--require-hashes", "--requirement", UV_LOCK, "--target", folder / "uv"])


def _install_debian_venv() -> None:
    """Debian splits venv off its Python; root may fetch it, anybody else is told."""
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise EnvironmentFailed(
            "this Python has no venv module; install it (Debian: apt-get install python3-venv)."
        )
    _call(["apt-get", "update", "-qq"])
    _call(["apt-get", "install", "-y", "-qq", "python3-venv"])


def _stamp_of(folder: Path) -> dict[str, str]:
    try:
        stamp: dict[str, str] = json.loads((folder / STAMP).read_text())
    except (OSError, ValueError):
        return {}
    return stamp


def _wanted_stamp(lock: Path) -> dict[str, str]:
    # An environment remembers its path in every script, so a moved checkout makes a new one.
    python = ".".join(map(str, sys.version_info[:2]))
    return {"python": python, "place": str(ROOT), "uv": _hash(UV_LOCK), "lock": _hash(lock)}


def _hash(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


@contextmanager
def _only_one(folder: Path) -> Iterator[None]:
    with open(folder.with_name(f"{folder.name}.lock"), "w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        yield


def _call(command: list[str | Path], *, without: str = "") -> None:
    environment = {name: text for name, text in os.environ.items() if name != without}
    done = subprocess.run([str(part) for part in command], env=environment, stdout=sys.stderr, check=False)
    if done.returncode != 0:
        raise EnvironmentFailed(
            f"this command failed with exit code {done.returncode}: {' '.join(map(str, command))}"
        )


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)
