"""The embedded PostgreSQL: no network, roles apart, a restart keeps its rows, and no folder's permissions change."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from loyalty.local.home import Home
from loyalty.local.installation import Installation
from tests import live

REDIS = {"REDIS_URL": "redis://127.0.0.1:1/0"}


@pytest.fixture
def private_folder() -> Iterator[Path]:
    """A folder that only its owner may pass through, as /root is, with a space in its name."""
    outer = Path(tempfile.mkdtemp(prefix="loyalty private "))
    outer.chmod(0o700)
    yield outer
    shutil.rmtree(outer)


def test_it_starts_below_a_private_folder_and_loosens_nothing(private_folder: Path) -> None:
    modes = {path: path.stat().st_mode for path in (private_folder, private_folder.parent)}

    with _installation(private_folder / "home") as installation:
        owner = _value(installation.environment["DATABASE_URL"], "SELECT current_user")

    assert owner == "loyalty_app"
    assert {path: path.stat().st_mode for path in modes} == modes


def test_it_listens_on_nothing_but_its_socket(private_folder: Path) -> None:
    with _installation(private_folder / "home") as installation:
        listens = _value(installation.environment["DATABASE_URL"], "SHOW listen_addresses")
        socket = Path(str(installation.environment["DATABASE_URL"]).partition("host=")[2])
        mode = socket.stat().st_mode & 0o777

    assert listens == ""
    assert mode == 0o700


def test_it_never_runs_as_root(private_folder: Path) -> None:
    with _installation(private_folder / "home") as installation:
        pid = installation.home.running()["pids"]["postgres"]
        account = Path(f"/proc/{pid}").stat().st_uid

    assert account != 0


def test_the_app_uses_what_the_owner_makes_and_owns_nothing(private_folder: Path) -> None:
    with _installation(private_folder / "home") as installation:
        urls = installation.environment
        with psycopg.connect(urls["DATABASE_OWNER_URL"]) as owner:
            owner.execute("CREATE TABLE shelf (id bigint GENERATED ALWAYS AS IDENTITY, name text)")
        with psycopg.connect(urls["DATABASE_URL"]) as app:
            app.execute("INSERT INTO shelf (name) VALUES ('one')")
        with (
            psycopg.connect(urls["DATABASE_URL"]) as app,
            pytest.raises(psycopg.errors.InsufficientPrivilege),
        ):
            app.execute("CREATE TABLE mine (id int)")


def test_rows_survive_a_restart_and_even_a_kill(private_folder: Path) -> None:
    with _installation(private_folder / "home") as installation:
        url = installation.environment["DATABASE_OWNER_URL"]
        with psycopg.connect(url) as owner:
            owner.execute("CREATE TABLE shelf AS SELECT 7 AS number")
        os.kill(installation.home.running()["pids"]["postgres"], 9)

    with _installation(private_folder / "home") as installation:
        kept = _value(installation.environment["DATABASE_OWNER_URL"], "SELECT number FROM shelf")

    assert kept == 7


def test_an_interrupted_first_start_is_put_aside(private_folder: Path) -> None:
    unfinished = private_folder / "home" / "postgres"
    unfinished.mkdir(parents=True)
    (unfinished / "PG_VERSION").write_text("18\n")

    with _installation(private_folder / "home") as installation:
        number = _value(installation.environment["DATABASE_URL"], "SELECT 1")

    assert number == 1
    assert len(list((private_folder / "home").glob("postgres.unfinished-*"))) == 1


def test_nothing_of_it_runs_or_lies_about_afterwards(private_folder: Path) -> None:
    with _installation(private_folder / "home") as installation:
        pids = live.descendants(os.getpid())
        runtime = installation.runtime

    assert live.gone_within({pid for pid in pids if "postgres" in _command(pid)}, 2)
    assert not runtime.exists()


def _installation(path: Path) -> Installation:
    home = Home(path)
    home.take()
    return Installation(home, "test", given={"PATH": os.environ["PATH"], **REDIS})


def _value(url: str, question: str) -> object:
    with psycopg.connect(url) as connection:
        row = connection.execute(question.encode()).fetchone()
    assert row is not None
    return row[0]


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""
