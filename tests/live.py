"""Whole installations, started as an operator would: `./run serve` and `./run simulator` as processes of their own."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from loyalty.local.test import PREPARED, copy_cluster
from tests import warm

ROOT = Path(__file__).resolve().parents[1]
Json = dict[str, Any]
# The waits of a real outage, scaled so that a test may see them all.
BRISK = {"ALIPAYHK_RETRY_DELAYS": "0,0.5,0.5,0.5,3,6", "ALIPAYHK_SETTLE_SECONDS": "2"}
# What the test run itself was given must not reach a fresh installation.
OURS = ("DATABASE_URL", "DATABASE_OWNER_URL", "REDIS_URL", "SECRET_KEY", "LOYALTY_KEYS", "LOYALTY_ENV")


class NotStarted(Exception):
    """A process of the test did not become ready."""


class CommandFailed(Exception):
    """A management command ended otherwise than well; the text is what it said."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def run_command(*arguments: str, root: Path = ROOT) -> list[str]:
    """`./run …`, by the Python of this test run."""
    return [sys.executable, str(root / "run"), *arguments]


def environment(home: Path, **more: str) -> dict[str, str]:
    kept = {name: text for name, text in os.environ.items() if name not in OURS}
    return {**kept, "LOYALTY_HOME": str(home), **more}


def prepare(home: Path) -> None:
    """Spare a new home its `initdb` and its migrations: half a minute of a core."""
    if os.environ.get(PREPARED):
        home.mkdir(parents=True)
        copy_cluster(Path(os.environ[PREPARED]), home)


class Background:
    """A command in the background that says `ready` when it is; its output goes to a file."""

    def __init__(self, command: list[str], variables: dict[str, str], *, log: Path, **options: Any) -> None:
        self.log = log
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                command, env=variables, stdout=output, stderr=output, stdin=subprocess.DEVNULL, **options
            )

    def wait_until_ready(self, seconds: float = 120) -> None:
        end = time.monotonic() + seconds
        while not any(line.startswith("ready ") for line in self.output().splitlines()):
            if self.process.poll() is not None or time.monotonic() > end:
                self.stop()
                raise NotStarted(self.output())
            time.sleep(0.05)

    def output(self) -> str:
        return self.log.read_text(errors="replace")

    def stop(self, number: signal.Signals = signal.SIGTERM, seconds: float = 15) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise


class Simulator:
    """The twin of AlipayHK, pointed at one installation."""

    def __init__(self, folder: Path, *, mall_url: str) -> None:
        self.folder = folder
        self.url = f"http://127.0.0.1:{(port := free_port())}"
        command = run_command("simulator", "--port", str(port), "--home", str(folder), "--mall-url", mall_url)
        folder.mkdir(parents=True, exist_ok=True)
        self._process = Background(command, dict(os.environ), log=folder / "simulator.log")
        self._process.wait_until_ready()

    @property
    def offer(self) -> Path:
        """The document for register_mall."""
        return self.folder / "register_mall.json"

    def control(self, method: str, path: str, content: Json | None = None) -> Json:
        body = None if content is None else json.dumps(content).encode()
        request = urllib.request.Request(f"{self.url}/control/{path}", data=body, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            found: Json = json.load(answer)
            return found

    def stop(self) -> None:
        self._process.stop()


class Installation:
    """`./run serve` on a home of its own."""

    def __init__(self, **variables: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="loyalty live "))
        self.home = self.folder / "home"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.variables = environment(self.home, **variables)
        prepare(self.home)
        self.commands: warm.Commands | None = None
        self.lock = threading.Lock()
        try:
            self.start()
        except NotStarted:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise

    def start(self) -> None:
        self._forget_commands()  # the servers will have new addresses
        command = run_command("serve", "--port", str(self.port))
        self.serve = Background(command, self.variables, log=self.folder / "serve.log")
        self.serve.wait_until_ready()

    def running(self) -> Json:
        record: Json = json.loads((self.home / "running.json").read_text())
        return record

    def pid(self, name: str) -> int:
        """Of web, worker, beat, postgres or valkey; the last two only where they are embedded."""
        return int(self.running()["pids"][name])

    def kill(self, name: str) -> None:
        os.kill(self.pid(name), signal.SIGKILL)

    def manage(
        self, *arguments: str, given: str = "", check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        with self.lock:
            self.commands = self.commands or warm.Commands(run_command("manage"), self.variables)
        done = self.commands.run(arguments, given=given)
        if check and done.returncode:
            raise CommandFailed(f"{' '.join(arguments)}: {done.stderr or done.stdout}")
        return done

    def manage_as_typed(self, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
        """`./run manage …` from its first line, where `manage` starts in the middle."""
        return subprocess.run(
            run_command("manage", *arguments), env=self.variables, input=given, text=True,
            capture_output=True, timeout=120, check=True,
        )  # fmt: skip

    def state(self, *arguments: str) -> Json:
        found: Json = json.loads(self.manage("state", "--json", *arguments).stdout)
        return found

    def get(self, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"{self.url}{path}", timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def with_simulator(self) -> Simulator:
        """A simulator of its own, and its demo mall registered here."""
        simulator = Simulator(self.folder / "simulator", mall_url=self.url)
        try:
            self.manage("register_mall", str(simulator.offer))
        except BaseException:
            simulator.stop()
            raise
        return simulator

    def stop(self) -> None:
        self._forget_commands()
        self.serve.stop()

    def _forget_commands(self) -> None:
        if self.commands:
            self.commands.end()
        self.commands = None

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def descendants(pid: int) -> set[int]:
    """All processes below this one, by /proc."""
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, IndexError):
            continue
    found: set[int] = set()
    while more := {child for child, parent in parents.items() if parent in found | {pid}} - found:
        found |= more
    return found


def alive(pids: set[int]) -> set[int]:
    """Those that still run; a zombie waits for its parent and runs no more."""
    return {pid for pid in pids if _state(pid) not in ("", "Z", "X")}


def names(pids: set[int]) -> list[str]:
    """What those that still run were started as: for assertions that should find none."""
    return [Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ") for pid in sorted(alive(pids))]


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


def gone_within(pids: set[int], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while alive(pids):
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True
