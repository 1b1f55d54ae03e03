"""What the bench measures on: one mall with the rules of Lumina Club, and many members with pass, consent, account
and a card up to date.
"""

import base64
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from django.db import connection
from django.db.transaction import atomic
from psycopg import sql

from alipayhk import registration, signature
from loyalty.earning import program_files
from members.models import Program
from pms import clock
from tests.bench.notices import FIRST_USER, Sender

# The rules name Lumina's malls and categories, so that they all have to be judged.
TAG, CLIENT_ID = "lumina-plaza", "2110299900000044"
RULES = Path(program_files.__file__).parent / "programs" / "lumina.json"
CATEGORIES = ["DINING", "FASHION", "SERVICES", "BEAUTY", "ELECTRONICS", "SUPERMARKET", "JEWELLERY"]
STORES = tuple(f"PMS{number:04d}" for number in range(1, 101))

MEMBERS = """
INSERT INTO members_member (program_id, card_number, name, phone, phone_raw, email, state, joined_at)
SELECT program.id, (8000000000000000 + n)::text, 'Member ' || n, '+8526' || lpad(n::text, 7, '0'), '', '',
    'ACTIVE', now() - interval '30 days'
FROM members_program program, generate_series(0, %(count)s - 1) n ORDER BY n
"""
PASSES = """
INSERT INTO members_pass (program_id, member_id, mall_id, wallet, user_id, serial, external_id, state, joined_at)
SELECT m.program_id, m.id, mall.id, 'ALIPAYHK', (%(first_user)s + m.card_number::bigint - 8000000000000000)::text,
    md5(m.id::text), '2026112119027102' || lpad(m.id::text, 15, '0'), 'ACTIVE', m.joined_at
FROM members_member m, pms_mall mall ORDER BY m.id
"""
CONSENTS = """
INSERT INTO members_consent (wallet_pass_id, member_id, began_at, text_version, evidence)
SELECT id, member_id, joined_at, '', 'membercard/create' FROM members_pass ORDER BY id
"""
ACCOUNTS = """
INSERT INTO ledger_pointaccount (program_id, kind, member_id, balance, version, changed_at)
SELECT program_id, 'MEMBER', id, 0, 0, joined_at FROM members_member ORDER BY id
"""
# They have shopped before: all but newcomers have had their welcome gift.
WELCOMED = """
INSERT INTO earning_capuse (account_id, key, used)
SELECT account.id, rule.id || '/ever', 1 FROM ledger_pointaccount account, earning_rule rule
WHERE account.kind = 'MEMBER' AND rule.code = 'R4' ORDER BY account.id
"""
UPDATES = """
INSERT INTO alipayhk_passupdate (wallet_pass_id, credential_id, wanted_version, acknowledged_version,
    acknowledged_points, acknowledged_at, attempts, confirmations_due, last_code)
SELECT p.id, c.id, 0, 0, 0, p.joined_at, 0, 0, 'SUCCESS' FROM members_pass p, alipayhk_credential c ORDER BY p.id
"""
# What pgbench is told: where each table's rows begin, since they are numbered in one run.
FIRST_ROWS = """
SELECT (SELECT id FROM pms_mallgroup) AS mall_group, (SELECT id FROM pms_mall) AS mall,
    (SELECT id FROM alipayhk_credential) AS credential, (SELECT id FROM members_program) AS program,
    (SELECT id FROM ledger_pointaccount WHERE kind = 'ISSUED') AS issued, (SELECT min(id) FROM pms_store) AS store,
    (SELECT min(id) FROM members_member) AS member, (SELECT min(id) FROM members_pass) AS pass,
    (SELECT min(id) FROM ledger_pointaccount WHERE kind = 'MEMBER') AS account
"""


@dataclass(frozen=True, slots=True)
class World:
    """A filled database: who calls, with which keys, and where pgbench finds its rows."""

    sender: Sender
    alipayhk_public_key: str
    our_private_key: str
    members: int
    first_rows: dict[str, int]


def make(members: int) -> World:
    """Fill the database that Django is connected to, and leave it."""
    alipayhk, ours = (generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2))
    registration.register(_document(alipayhk, ours), now=clock.now())
    program_files.load(document=json.loads(RULES.read_text()), program=Program.objects.get(), now=clock.now())
    _fill(members)
    world = World(
        sender=Sender(TAG, CLIENT_ID, signature.private_pem(alipayhk), STORES),
        alipayhk_public_key=signature.public_base64(alipayhk.public_key()),
        our_private_key=_for_the_sdk(ours),
        members=members,
        first_rows=_first_rows(),
    )
    connection.close()
    return world


def _fill(members: int) -> None:
    with atomic(), connection.cursor() as cursor:
        for statement in (MEMBERS, PASSES, CONSENTS, ACCOUNTS, WELCOMED, UPDATES):
            cursor.execute(statement, {"count": members, "first_user": FIRST_USER, "categories": CATEGORIES})
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def _first_rows() -> dict[str, int]:
    with connection.cursor() as cursor:
        cursor.execute(FIRST_ROWS)
        names = [column.name for column in cursor.description]
        return dict(zip(names, cursor.fetchone(), strict=True))


def _document(alipayhk: RSAPrivateKey, ours: RSAPrivateKey) -> dict[str, object]:
    return {
        "group": {"label": "29990316", "name_en": "Bench", "name_zh": "測速"},
        "mall": {"label": "29990316001", "tag": TAG, "name_en": "Bench Plaza", "name_zh": "測速廣場"},
        "program": {
            "name_en": "Bench Club",
            "name_zh": "測速會",
            "points_per_hkd": "1",
            "min_spend_cents": 10000,
        },
        "alipayhk": {
            "gateway_url": "http://127.0.0.1:9",
            "client_id": CLIENT_ID,
            "merchant_id": "2160120041113167",
            "app_id": "2102020132609344",
            "private_key": signature.private_pem(ours),
            "private_key_version": 1,
            "public_keys": [{"version": 1, "key": signature.public_base64(alipayhk.public_key())}],
            "card_template": {
                "code": "22023041200135606000000000297866",
                "type": "COUPON",
                "product": "GIFT_CARD",
                "shape": "NESTED",
                "placeholders": {"$points$": "balance"},
            },
        },
        "stores": [
            {"pms_label": label, "name_en": f"Shop {label}", "name_zh": f"店{label}", "category": category}
            for label, category in zip(STORES, cycle(CATEGORIES))
        ],
    }


def _for_the_sdk(key: RSAPrivateKey) -> str:
    """Bare base64 PKCS#1, the form that the vendor's SDK reads."""
    return base64.b64encode(
        key.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    ).decode()


def copy(owner_url: str, name: str) -> None:
    """A database of its own for each rival, alike in every page; nobody may be connected to the first one."""
    template = urlsplit(owner_url).path.removeprefix("/")
    with psycopg.connect(named(owner_url, "postgres"), autocommit=True) as admin:
        admin.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
        )


@contextmanager
def copies(owner_url: str, *names: str) -> Iterator[None]:
    for name in names:
        copy(owner_url, name)
    try:
        yield
    finally:
        for name in names:
            _drop(owner_url, name)


def _drop(owner_url: str, name: str, seconds: float = 5) -> None:
    """Backends of processes that were killed take a moment to notice, and only a superuser may hurry them."""
    end = time.monotonic() + seconds
    with psycopg.connect(named(owner_url, "postgres"), autocommit=True) as admin:
        while time.monotonic() < end:
            try:
                admin.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(name)))
            except psycopg.errors.ObjectInUse:
                time.sleep(0.2)
            else:
                return


def named(url: str, database: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{database}"))


def count(url: str, statement: str) -> int:
    with psycopg.connect(url) as reader:
        row = reader.execute(statement).fetchone()
    return int(row[0]) if row else 0
