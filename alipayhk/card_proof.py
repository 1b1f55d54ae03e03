"""Compares what AlipayHK acknowledged of each card with the account behind it. Writes nothing."""

from collections.abc import Iterator, Mapping

from alipayhk.models import PassUpdate
from loyalty.ledger import proof
from loyalty.ledger.proof import Breach, Promise

PROMISES = (
    Promise(
        "alipayhk_passupdate",
        "version {} is acknowledged, version {} is wanted, the account is at {}.",
        """SELECT state.id, state.acknowledged_version, state.wanted_version, account.version
        FROM alipayhk_passupdate state
        JOIN members_pass card ON card.id = state.wallet_pass_id
        JOIN ledger_pointaccount account ON account.member_id = card.member_id
        WHERE state.acknowledged_version > state.wanted_version OR state.wanted_version > account.version""",
    ),
    Promise(
        "alipayhk_passupdate",
        "the newest version is acknowledged with {} points, the balance is {}.",
        """SELECT state.id, state.acknowledged_points, account.balance
        FROM alipayhk_passupdate state
        JOIN members_pass card ON card.id = state.wallet_pass_id
        JOIN ledger_pointaccount account ON account.member_id = card.member_id
        WHERE state.acknowledged_version = account.version AND state.acknowledged_points <> account.balance""",
    ),
)


def breaches() -> Iterator[Breach]:
    """Every card whose acknowledged state cannot be."""
    for promise in PROMISES:
        yield from proof.broken(promise)


def counts() -> Mapping[str, int]:
    return {"cards": PassUpdate.objects.count()}
