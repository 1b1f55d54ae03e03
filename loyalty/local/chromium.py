"""Finds the Chromium that browser tests drive, or has Debian install it; never goes on without one."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from loyalty.local.processes import say

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MAC = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)
PACKAGES = ("chromium", "fonts-noto-cjk")


class NoChromium(Exception):
    """Browser tests need Chromium: install it (Debian: chromium fonts-noto-cjk) or name it in CHROMIUM."""


def find_or_install() -> str:
    found = _installed()
    if found is None and _may_install():
        _install()
        found = _installed()
    if found is None:
        raise NoChromium
    return found


def _installed() -> str | None:
    chosen = os.environ.get("CHROMIUM")
    if chosen:
        return shutil.which(chosen)
    by_name = next((path for path in map(shutil.which, NAMES) if path), None)
    return by_name or next((path for path in MAC if Path(path).exists()), None)


def _may_install() -> bool:
    return not os.environ.get("CHROMIUM") and os.geteuid() == 0 and shutil.which("apt-get") is not None


def _install() -> None:
    say("installing Chromium from Debian's packages …")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", *PACKAGES]):
        subprocess.run(["apt-get", *command], env=environment, stdout=sys.stderr, check=False)
