"""Management commands as processes of their own, but forked from one that has Django loaded: the same end, no start.

Loading Django takes a core for a second or more, and the tests start hundreds of commands. Each still has a process,
arguments, standard streams, connections and an exit code of its own; only what happens at the imports is shared.
"""

import atexit
import json
import os
import runpy
import shutil
import socket
import socketserver
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
STREAMS = ("stdin", "stdout", "stderr")


class NotLoaded(Exception):
    """The process that commands are forked from did not come up."""


class _Server(socketserver.ForkingMixIn, socketserver.UnixStreamServer):
    max_children = 64


class _Command(socketserver.StreamRequestHandler):
    """In a process of its own: runs the command it reads, and answers with its exit code."""

    def handle(self) -> None:
        asked = json.loads(self.rfile.readline())
        child = os.fork()
        if not child:
            os._exit(_run(asked))
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        self.wfile.write(f"{code}\n".encode())


def serve(address: str) -> None:
    """Run by `manage shell`, in the environment that the commands are to have; ends with the tests."""
    from django.db import connections

    connections.close_all()
    with _Server(address, _Command) as server:
        server.timeout = 1
        while os.getppid() != 1:
            server.handle_request()


def _run(asked: dict[str, Any]) -> int:
    """As a fresh `python manage.py …`, to its exit code."""
    for number, (name, mode) in enumerate(zip(STREAMS, (os.O_RDONLY, os.O_WRONLY, os.O_WRONLY), strict=True)):
        os.dup2(os.open(Path(asked["folder"], name), mode), number)
    if asked["database"]:
        from django.db import connections

        connections.databases["default"]["NAME"] = asked["database"]
    sys.argv = ["manage.py", *asked["arguments"]]
    try:
        runpy.run_path(str(ROOT / "manage.py"), run_name="__main__")
        code = 0
    except SystemExit as end:
        code = _code(end)
    except BaseException:
        traceback.print_exc()
        code = 1
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    return code


def _code(end: SystemExit) -> int:
    """As the interpreter reads it: a sentence is printed, and means 1."""
    if end.code is None or isinstance(end.code, int):
        return end.code or 0
    print(end.code, file=sys.stderr)
    return 1


class Commands:
    """`command` is what starts `manage`, as `./run manage` or `python manage.py`, in `variables`."""

    def __init__(self, command: Sequence[str], variables: Mapping[str, str]) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="loyalty-warm-", dir="/tmp"))
        self.address = str(self.folder / "socket")
        code = f"from tests import warm; warm.serve({self.address!r})"
        with (self.folder / "log").open("wb") as log:
            self.process = subprocess.Popen(
                [*command, "shell", "--no-imports", "-v", "0", "-c", code], env=dict(variables), cwd=ROOT,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        atexit.register(self.end)
        self._wait()

    def run(
        self, arguments: Sequence[str], *, given: str = "", database: str = "", seconds: float = 120
    ) -> subprocess.CompletedProcess[str]:
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        for name in STREAMS:
            (folder / name).write_text(given if name == "stdin" else "")
        asked = {"arguments": arguments, "folder": str(folder), "database": database}
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(seconds)
            line.connect(self.address)
            line.sendall(json.dumps(asked).encode() + b"\n")
            code = int(line.makefile().readline())
        out, err = ((folder / name).read_text() for name in STREAMS[1:])
        return subprocess.CompletedProcess(list(arguments), code, out, err)

    def end(self) -> None:
        atexit.unregister(self.end)
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _wait(self) -> None:
        end = time.monotonic() + 120
        while not Path(self.address).exists():
            if self.process.poll() is not None or time.monotonic() > end:
                raise NotLoaded((self.folder / "log").read_text())
            time.sleep(0.02)
