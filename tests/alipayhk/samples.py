"""The sample messages of the wire page, with fields changed, as the wire reads them."""

from datetime import UTC, datetime
from pathlib import Path

from alipayhk import payloads, strict_json

SAMPLES = Path(__file__).parents[1] / "payloads"
NOW = datetime(2024, 5, 6, 4, 0, tzinfo=UTC)
LIMIT = 100_000_000


def sample(name: str) -> dict[str, object]:
    return strict_json.read((SAMPLES / f"{name}.json").read_bytes())


def bill(**changed: object) -> payloads.BillNotice:
    return payloads.read_bill(sample("bill_notify") | changed, now=NOW, amount_limit_cents=LIMIT)


def refund(**changed: object) -> payloads.RefundNotice:
    return payloads.read_refund(sample("refund_notify") | changed, now=NOW, amount_limit_cents=LIMIT)


def card(**changed: object) -> payloads.CardRequest:
    return payloads.read_card(sample("membercard_create") | changed)
