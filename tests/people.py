"""People of the demo's week, and what the database says of what they did: for tests in a browser."""

from datetime import datetime, timedelta
from pathlib import Path

from pms.clock import HONG_KONG
from tests import callers, live

CASES = "earning/duplicatecase/"
YIP, KWOK, FUNG, SIU = "+85291230011", "+85291230013", "+85291230015", "+85291230021"
CASE_OF = """
    SELECT found.id FROM earning_duplicatecase found
    JOIN earning_transaction later ON later.id = found.transaction_id
    JOIN members_member member ON member.id = later.member_id
    WHERE member.phone = %s AND later.amount_cents = %s AND found.state = 'OPEN'
    ORDER BY found.id LIMIT 1"""


def entries(mall: live.Installation, cents: int) -> list[str]:
    question = (
        "SELECT state FROM earning_transaction WHERE channel = 'COUNTER' AND amount_cents = %s ORDER BY id"
    )
    return [state for (state,) in callers.rows(mall, question, cents)]


def case_of(mall: live.Installation, phone: str, cents: int) -> str:
    [(found,)] = callers.rows(mall, CASE_OF, phone, cents)
    return f"{CASES}{found}/change/"


def receipts(folder: Path, number: str) -> Path:
    day = f"{datetime.now(HONG_KONG) - timedelta(days=2):%Y-%m-%d}"
    cents = 10 if number.endswith("en") else 20
    rows = (
        ("LP-407", f"101.{cents}", FUNG), ("LP-408", f"102.{cents}", KWOK),
        ("XX-1", "103", KWOK), ("LP-408", "-5", KWOK),
    )  # fmt: skip
    lines = [
        f"{number}-{at},{store},{cents},{day} 11:0{at},{who}" for at, (store, cents, who) in enumerate(rows)
    ]
    file = folder / "收據.csv"
    file.write_text("\n".join(["number,store,amount,paid_at,member", *lines]), encoding="utf-8-sig")
    return file


def imported(mall: live.Installation, number: str) -> int:
    question = "SELECT count(*) FROM earning_transaction WHERE channel = 'IMPORT' AND receipt_number LIKE %s"
    [(count,)] = callers.rows(mall, question, f"{number}-%")
    return int(count)
