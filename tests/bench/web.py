"""The web processes under load: ours as `./run serve` starts it, and the plain build in the SDK's environment."""

import os
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from loyalty.local.environment import ROOT
from loyalty.local.processes import Service
from tests import live
from tests.bench.world import World

OURS = [sys.executable, "-m", "gunicorn", "-c", "python:loyalty.gunicorn"]
# The same server with the same processes and threads as ours, so that only the application differs.
PLAIN = [
    "-m",
    "gunicorn",
    "--worker-class",
    "gthread",
    "--workers",
    "2",
    "--threads",
    "8",
    "--keep-alive",
    "30",
]
PLAIN += ["--log-level", "warning", "tests.bench.plain.wsgi:application"]


class WebFailed(Exception):
    """A web process did not start, or ended in mid-load."""


@contextmanager
def ours(database_url: str) -> Iterator[int]:
    """The port that it serves."""
    port = live.free_port()
    variables = {name: text for name, text in os.environ.items() if name != "DATABASE_OWNER_URL"}
    with _running(OURS, variables | {"DATABASE_URL": database_url}, port, ready="/readyz"):
        yield port


@contextmanager
def plain(database_url: str, world: World) -> Iterator[int]:
    port = live.free_port()
    variables = {
        "PATH": os.environ.get("PATH", ""),
        "PYTHONPATH": str(ROOT),
        "DJANGO_SETTINGS_MODULE": "tests.bench.plain.settings",
        "DATABASE_URL": database_url,
        "SECRET_KEY": os.environ["SECRET_KEY"],
        "ALIPAYHK_PUBLIC_KEY": world.alipayhk_public_key,
        "PRIVATE_KEY": world.our_private_key,
    }
    command = [os.environ["LOYALTY_SDK_PYTHON"], *PLAIN, "--bind", f"127.0.0.1:{port}"]
    with _running(command, variables, port, ready="/"):
        yield port


@contextmanager
def _running(command: list[str], variables: Mapping[str, str], port: int, *, ready: str) -> Iterator[None]:
    with tempfile.TemporaryDirectory(prefix="loyalty bench ") as folder:
        log = Path(folder) / "web.log"
        web = Service(
            name="web", command=command, environment={**variables, "PORT": str(port)}, folder=ROOT, log=log
        )
        web.start()
        try:
            _wait_for(web, f"http://127.0.0.1:{port}{ready}")
            yield
        finally:
            web.kill()


def _wait_for(web: Service, address: str, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not _answers(address):
        if not web.is_running() or time.monotonic() > end:
            raise WebFailed(web.log.read_text()[-2000:] if web.log else "")
        time.sleep(0.1)


def _answers(address: str) -> bool:
    try:
        urllib.request.urlopen(address, timeout=5).close()
    except urllib.error.HTTPError as error:
        return error.code == 404
    except (TimeoutError, OSError):
        return False
    return True
