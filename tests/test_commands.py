"""The operator's commands as processes: what they print, how they end, and that a refusal changes nothing."""

import io
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db.transaction import atomic

from alipayhk import sealed
from alipayhk.models import CredentialKey, PassUpdate
from loyalty.ledger.models import PointAccount
from members.models import Member
from pms.models import Mall, MallStaff, Store, User
from tests import source, warm
from tests.alipayhk.documents import document, private_text
from tests.databases import Database
from tests.factories import (
    MOMENT,
    CredentialFactory,
    MallFactory,
    MallGroupFactory,
    NotificationFactory,
    PassUpdateFactory,
)
from tests.loyalty.earning.plain import LUMINA, Shopper, shopper

PATIENCE = 60
PRODUCTION = {
    "LOYALTY_ENV": "production",
    "ALLOWED_HOSTS": "points.example.com",
    "ALIPAYHK_GATEWAY_HOSTS": "open.alipay.hk",
}


@dataclass(frozen=True)
class Done:
    """How a command ended and what it said."""

    returncode: int
    stdout: str
    stderr: str


@lru_cache
def warmed() -> warm.Commands:
    return warm.Commands([sys.executable, str(source.ROOT / "manage.py")], os.environ)


def run(database: Database, *arguments: str, given: str = "", **variables: str) -> Done:
    """As the operator runs it, in a process of its own; with other `variables` it is started anew, which reads them."""
    done = (
        started(database, *arguments, given=given, **variables)
        if variables
        else warmed().run(arguments, given=given, database=database.name, seconds=PATIENCE)
    )
    # What is logged also goes to standard error.
    said = [line for line in done.stderr.splitlines(keepends=True) if " INFO " not in line]
    return Done(done.returncode, done.stdout, "".join(said))


def started(
    database: Database, *arguments: str, given: str, **variables: str
) -> subprocess.CompletedProcess[str]:
    urls = {"DATABASE_URL": database.url, "DATABASE_OWNER_URL": database.owner_url}
    return subprocess.run(
        [sys.executable, str(source.ROOT / "manage.py"), *arguments], env={**os.environ, **urls, **variables},
        input=given, capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip


def call(*arguments: str, given: str = "") -> Done:
    """The same within this process, which is faster."""
    out, err, before = io.StringIO(), io.StringIO(), sys.stdin
    sys.stdin = io.TextIOWrapper(io.BytesIO(given.encode()))
    try:
        call_command(*arguments, stdout=out, stderr=err)
    except SystemExit as end:
        return Done(int(str(end.code)), out.getvalue(), err.getvalue())
    except CommandError as error:
        # Arguments that cannot be read; a process ends with 2.
        return Done(2, out.getvalue(), str(error))
    finally:
        sys.stdin = before
    return Done(0, out.getvalue(), err.getvalue())


def said(done: Done) -> dict[str, Any]:
    """The one JSON line of a command that ended well."""
    assert (done.returncode, done.stderr) == (0, "")
    [line] = done.stdout.splitlines()
    found: dict[str, Any] = json.loads(line)
    return found


@atomic
def shopping() -> Shopper:
    member = shopper(LUMINA)
    member.pays(13890)
    return member


def test_register_mall_reads_a_file_and_then_standard_input(fresh_database: Database, tmp_path: Path) -> None:
    text = json.dumps(document())
    (tmp_path / "mall.json").write_text(text)

    first = said(run(fresh_database, "register_mall", str(tmp_path / "mall.json")))
    second = said(run(fresh_database, "register_mall", "-", given=text))

    assert first["mall"] == "lumina-plaza"
    assert first["created"][:2] == ["group 20230316", "mall lumina-plaza"]
    assert second == {"mall": "lumina-plaza", "created": [], "updated": []}


def test_two_registrations_at_once_make_one_mall(fresh_database: Database) -> None:
    text = json.dumps(document())

    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda _: said(run(fresh_database, "register_mall", "-", given=text)), range(2)))

    assert sorted(len(done["created"]) for done in both) == [0, 9]
    assert [done["updated"] for done in both] == [[], []]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ("{}", "group: is missing."),
        ("", "document: the body is empty."),
        ('{"group": 1, "group": 2}', "document: the name 'group' is given twice."),
        ("[", "document: not JSON"),
        (json.dumps(document(mall__tag="no tag")), "mall.tag: must look like lumina-plaza or a/b/c."),
        (json.dumps(document(stores__0__name_zh=None)), "stores[0].name_zh: must not be null."),
    ],
    # The documents hold a new key each time; two processes must name a test alike.
    ids=["without fields", "empty", "a name twice", "no JSON", "no tag", "a null name"],
)
def test_b216_a_faulty_document_ends_with_2_and_one_line(given: str, sentence: str) -> None:
    done = call("register_mall", "-", given=given)

    assert (done.returncode, done.stdout) == (2, "")
    [line] = done.stderr.splitlines()
    assert line.startswith(sentence)
    assert not Mall.objects.exists()


@pytest.mark.django_db
def test_register_mall_never_says_a_secret() -> None:
    wrong = document(alipayhk__private_key=private_text()[:200], alipayhk__agent_token="hidden-token")

    done = call("register_mall", "-", given=json.dumps(wrong))

    assert done.returncode == 2
    assert private_text()[30:60] not in done.stdout + done.stderr
    assert "hidden-token" not in done.stdout + done.stderr


@pytest.mark.django_db
def test_a_file_that_is_not_there_is_said_in_one_line() -> None:
    done = call("register_mall", "nowhere.json")

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "document: nowhere.json cannot be read: No such file or directory.\n"


def test_state_shows_a_member_from_one_snapshot(fresh_database: Database) -> None:
    member = shopping()

    bare = said(run(fresh_database, "state", "--json"))
    found = said(run(fresh_database, "state", "--json", "--member", member.wallet_pass.user_id))

    assert set(bare) == {"at", "notifications", "queues"}
    assert found["members"][0]["balance"] == found["members"][0]["entries_sum"] == 138
    assert found["transactions"][0]["state"] == "EARNED"


def test_prove_ends_well_and_counts(fresh_database: Database) -> None:
    shopping()

    found = said(run(fresh_database, "prove"))

    assert found["breaches"] == found["sum"] == 0
    assert (found["postings"], found["entries"], found["transactions"]) == (1, 2, 1)


def test_prove_names_every_broken_row_and_ends_with_1(fresh_database: Database) -> None:
    member = shopping()
    PointAccount.objects.filter(member=member.wallet_pass.member).update(balance=140)
    account = member.wallet_pass.member.account

    done = run(fresh_database, "prove")

    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        f"ledger_pointaccount {account.pk}: its balance is 140, its entries sum to 138.",
        f"ledger_pointaccount {account.pk}: 138 points are left in its lots, its balance is 140.",
    ]
    assert done.stderr.startswith("promises are broken: ")


def test_a_sweep_judges_and_pushes_without_celery(fresh_database: Database) -> None:
    NotificationFactory.create(parked=True)

    found = said(run(fresh_database, "sweep", "--once"))

    assert found == {"judged": 0, "noticed": 0, "calls": 0, "stores": 0}


@pytest.mark.django_db
def test_new_key_prints_the_public_half_and_keeps_the_private_one() -> None:
    credential = CredentialFactory.create(mall__tag="lumina-plaza")

    done = call("new_key", "--mall", "lumina-plaza")

    key = CredentialKey.objects.get(credential=credential)
    assert done.returncode == 0
    assert done.stdout.splitlines() == [key.public_key, "version 1, active", f"SHA-256 {key.fingerprint}"]
    assert "PRIVATE" not in done.stdout + done.stderr
    assert sealed.unseal(key.sealed_private_key).startswith("-----BEGIN PRIVATE KEY-----")


@pytest.mark.django_db
def test_a_further_key_waits_for_use() -> None:
    CredentialFactory.create(mall__tag="lumina-plaza")
    call("new_key", "--mall", "lumina-plaza")

    made = call("new_key", "--mall", "lumina-plaza")
    used = call("new_key", "--mall", "lumina-plaza", "--use", "2")

    assert "version 2, prepared, not in use yet" in made.stdout
    assert used.stdout == "version 2, active\n"
    assert dict(CredentialKey.objects.values_list("version", "state")) == {1: "RETIRING", 2: "ACTIVE"}


@pytest.mark.django_db
def test_new_key_asks_which_credential_is_meant() -> None:
    mall = MallFactory.create(tag="lumina-plaza")
    CredentialFactory.create(mall=mall, client_id="A1")
    CredentialFactory.create(mall=mall, client_id="B2")

    unclear = call("new_key", "--mall", "lumina-plaza")
    clear = call("new_key", "--mall", "lumina-plaza", "--client-id", "B2")
    unknown = call("new_key", "--mall", "nowhere")

    assert (unclear.returncode, unclear.stdout) == (2, "")
    assert "A1, B2" in unclear.stderr
    assert clear.returncode == 0
    assert unknown.returncode == 2
    assert CredentialKey.objects.get().credential.client_id == "B2"


def dead_letter(**fields: Any) -> PassUpdate:
    return PassUpdateFactory.create(
        attempts=6, dead_at=MOMENT - timedelta(days=1), last_code="SYSTEM_ERROR", **fields
    )


@pytest.mark.django_db
def test_dead_letters_are_listed_and_replayed() -> None:
    first, second = dead_letter(), dead_letter()

    listed = said(call("deadletters", "list", "--json"))["dead_letters"]
    one = said(call("deadletters", "replay", "--pass", first.wallet_pass.serial, "--json"))
    rest = said(call("deadletters", "replay", "--all", "--json"))

    assert [line["serial"] for line in listed] == [first.wallet_pass.serial, second.wallet_pass.serial]
    assert listed[0]["last_code"] == "SYSTEM_ERROR"
    assert (one, rest) == ({"replayed": 1}, {"replayed": 1})
    assert not PassUpdate.objects.filter(dead_at__isnull=False).exists()


@pytest.mark.django_db
@pytest.mark.parametrize("which", [(), ("--pass", "unknown"), ("--all", "--pass", "unknown")])
def test_a_replay_of_nothing_in_particular_is_refused(which: tuple[str, ...]) -> None:
    dead_letter()

    done = call("deadletters", "replay", *which)

    assert (done.returncode, done.stdout) == (2, "")
    assert PassUpdate.objects.filter(dead_at__isnull=False).count() == 1


@pytest.mark.django_db
def test_add_staff_makes_a_login_for_one_mall_or_the_only_group() -> None:
    mall = MallFactory.create(tag="lumina-plaza")

    stdin = "--password-stdin"
    one = call("add_staff", "mei", "--role", "counter", "--mall", mall.tag, stdin, given="pw\n")
    group = call("add_staff", "wing", "--role", "MANAGER", stdin, given="pw")
    admin = call("add_staff", "root", "--role", "ADMIN", stdin, given="pw")

    assert (one.returncode, group.returncode, admin.returncode) == (0, 0, 0)
    rows = set(MallStaff.objects.values_list("user__username", "mall__tag", "role"))
    assert rows == {("mei", "lumina-plaza", "COUNTER"), ("wing", None, "MANAGER")}
    assert User.objects.get(username="mei").check_password("pw")
    assert User.objects.get(username="root").is_superuser
    assert "pw" not in one.stdout


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("arguments", "given"),
    [
        (("mei", "--role", "MANAGER"), ""),
        (("mei", "--role", "MANAGER"), "pw"),
        (("mei", "--role", "MANAGER", "--mall", "nowhere"), "pw"),
        (("mei", "--role", "MANAGER", "--group", "nowhere"), "pw"),
        (("mei", "--role", "CHIEF", "--group", "1"), "pw"),
        (("two words", "--role", "MANAGER", "--group", "1"), "pw"),
    ],
    ids=["no password", "several groups", "no mall", "no group", "no role", "no name"],
)
def test_a_login_that_cannot_be_made_is_refused_with_a_sentence(
    arguments: tuple[str, ...], given: str
) -> None:
    MallGroupFactory.create(label="1")
    MallGroupFactory.create(label="2")

    done = call("add_staff", *arguments, "--password-stdin", given=given)

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr
    assert not User.objects.exists()


@pytest.mark.django_db
def test_seed_demo_loads_lumina_once_and_agrees_with_what_a_simulator_registers() -> None:
    first = said(call("seed_demo", "--password", "demo"))
    second = said(call("seed_demo", "--password", "demo2"))
    registered = said(call("register_mall", "-", given=json.dumps(document())))

    assert first["created"] > 180
    assert second["created"] == 0
    assert registered["updated"] == []
    assert "rule version 2" not in registered["created"]
    assert (Mall.objects.count(), Member.objects.count()) == (3, 6)
    assert Store.objects.filter(is_excluded=True).count() == 12
    assert User.objects.get(username="demo-manager").check_password("demo2")


def test_seed_demo_is_refused_in_production(fresh_database: Database) -> None:
    done = run(
        fresh_database,
        "seed_demo",
        **PRODUCTION,
    )

    assert (done.returncode, done.stdout) == (2, "")
    assert "production" in done.stderr
    assert not Mall.objects.exists()


def test_production_asks_for_a_password_worth_its_name(fresh_database: Database) -> None:
    MallFactory.create()

    done = run(
        fresh_database,
        *("add_staff", "mei", "--role", "MANAGER", "--password-stdin"),
        given="password",
        **PRODUCTION,
    )

    assert done.returncode == 2
    assert "too common" in done.stderr
    assert not User.objects.exists()
