"""B122–B124: what happens when judging fails, when PostgreSQL is not there, and when Valkey is not."""

import os
import signal
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
import redis
from django.db import connection, connections
from psycopg import sql

from alipayhk import nudge, waiting
from alipayhk.models import Notification
from loyalty.earning.models import Award, Transaction
from pms import clock
from tests import live
from tests.alipayhk import wallet, web
from tests.alipayhk.wallet import SIGNED_TROUBLE, SUCCESS, TROUBLE, Wallet
from tests.databases import Database

BREAK = """
CREATE FUNCTION breaks() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''broken''; END';
CREATE TRIGGER breaks BEFORE INSERT ON earning_transaction FOR EACH ROW WHEN (NEW.payment_number = 'POISON')
    EXECUTE FUNCTION breaks();
"""
MEND = "DROP TRIGGER breaks ON earning_transaction; DROP FUNCTION breaks();"


@pytest.fixture
def mall(fresh_database: Database) -> Wallet:
    found = wallet.lumina()
    found.joined()
    return found


def as_owner(database: Database, statement: str) -> None:
    with psycopg.connect(database.owner_url, autocommit=True) as owner:
        owner.execute(statement)


def alter(database: Database, change: str) -> None:
    """From outside, since the database itself may let nobody in."""
    with psycopg.connect(os.environ["DATABASE_OWNER_URL"], autocommit=True) as owner:
        owner.execute(sql.SQL("ALTER DATABASE {} " + change).format(sql.Identifier(database.name)))


def test_b122_a_message_whose_judging_fails_is_kept_answered_and_judged_later(
    mall: Wallet, fresh_database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    as_owner(fresh_database, BREAK)
    bill = mall.bill(billNo="POISON")

    answer = mall.send("BILL", bill)

    kept = Notification.objects.get()
    assert answer.verdict == SUCCESS
    assert (kept.state, kept.reason, kept.tries) == ("PARKED", "PARKED_NOT_JUDGED", 0)
    assert (Transaction.objects.count(), Award.objects.count()) == (0, 0)
    assert "message stored without being judged" in caplog.text

    assert waiting.sweep(now=clock.now() + timedelta(seconds=6)) == 0
    kept.refresh_from_db()
    assert (kept.state, kept.tries) == ("PARKED", 1)
    assert "could not be judged" in caplog.text
    assert waiting.sweep(now=clock.now() + timedelta(seconds=6)) == 0

    as_owner(fresh_database, MEND)
    assert waiting.sweep(now=clock.now() + timedelta(minutes=1)) == 1
    assert Award.objects.get().points == 138


def test_b122_one_that_fails_holds_up_no_other(mall: Wallet, fresh_database: Database) -> None:
    as_owner(fresh_database, BREAK)
    for number in ("POISON", "HARMLESS"):
        mall.send("BILL", mall.bill(billNo=number, userId="2160120037000001"))
    mall.joined("2160120037000001")

    judged = waiting.sweep(now=clock.now())

    assert judged == 1
    assert Award.objects.get().transaction.payment_number == "HARMLESS"


@pytest.fixture
def nowhere(mall: Wallet, tmp_path: Path) -> Iterator[None]:
    """PostgreSQL's socket is not there."""
    database = connections.databases["default"]
    before = database["HOST"]
    connection.close()
    database["HOST"] = connection.settings_dict["HOST"] = str(tmp_path)
    yield
    connection.close()
    database["HOST"] = connection.settings_dict["HOST"] = before


def test_b123_without_postgresql_nothing_is_acknowledged(mall: Wallet, nowhere: None) -> None:
    body, target = wallet.encoded(mall.bill()), mall.path("BILL")

    answer = mall.post(target, body, mall.sign(target, body))

    assert (answer.verdict, answer.status) == (TROUBLE, 503)
    assert answer.seconds < 2.5


def test_b123_while_postgresql_is_read_only_nothing_is_acknowledged(
    mall: Wallet, fresh_database: Database
) -> None:
    bill = mall.bill()
    alter(fresh_database, "SET default_transaction_read_only = on")
    connection.close()

    answer = mall.send("BILL", bill)

    alter(fresh_database, "RESET default_transaction_read_only")
    connection.close()
    assert answer.verdict == SIGNED_TROUBLE
    assert Notification.objects.count() == 0
    assert mall.send("BILL", bill).verdict == SUCCESS
    assert Award.objects.get().points == 138


def test_b123_while_postgresql_takes_no_more_connections_nothing_is_acknowledged(
    mall: Wallet, fresh_database: Database
) -> None:
    bill = mall.bill()
    alter(fresh_database, "CONNECTION LIMIT 0")
    connection.close()

    answer = mall.send("BILL", bill)

    alter(fresh_database, "CONNECTION LIMIT -1")
    assert (answer.verdict, answer.status) == (TROUBLE, 503)
    assert mall.send("BILL", bill).verdict == SUCCESS


def test_b123_a_connection_that_was_cut_is_replaced_without_anybody_noticing(
    mall: Wallet, fresh_database: Database
) -> None:
    assert mall.send("BILL", mall.bill()).verdict == SUCCESS
    with psycopg.connect(fresh_database.url, autocommit=True) as same_role:
        same_role.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )

    answer = mall.send("BILL", mall.bill())

    assert answer.verdict == SUCCESS
    assert Award.objects.count() == 2


def test_b124_a_nudge_never_waits_for_the_broker() -> None:
    begun = time.monotonic()

    for _ in range(100):
        nudge.soon()

    assert time.monotonic() - begun < 0.5


def test_b124_without_valkey_payments_are_answered_as_before(own_installation: live.Installation) -> None:
    site = web.opened(own_installation)
    valkey = own_installation.pid("valkey")

    for state in ("well", "hung", "full", "dead"):
        {
            "well": lambda: None,
            "hung": lambda: os.kill(valkey, signal.SIGSTOP),
            "full": lambda: fill(own_installation, valkey),
            "dead": lambda: os.kill(valkey, signal.SIGKILL),
        }[state]()
        before = site.notices()

        for _ in range(5):
            body = site.bill()
            answer = site.send(web.request(site.alipayhk.path("BILL"), body, site.signed(body)))
            assert answer.verdict == SUCCESS, state
            assert answer.seconds < 3, state

        assert site.notices() == before + 5


def fill(installation: live.Installation, pid: int) -> None:
    """It refuses every write from now on."""
    os.kill(pid, signal.SIGCONT)
    with redis.Redis.from_url(installation.running()["environment"]["REDIS_URL"]) as client:
        client.config_set("maxmemory-policy", "noeviction")
        client.config_set("maxmemory", "1")
