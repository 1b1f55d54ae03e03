"""What the page of a card tells: what it shows against the ledger, each attempt, and what comes next."""

import json
from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext as _

from alipayhk import masking
from alipayhk.models import PassCall, PassUpdate
from loyalty.earning.models import Transaction
from members import member_story
from members.models import Pass
from pms import formats, story
from pms.story import Panel

LATEST = 30
OUTCOMES = {"DONE": "good", "UNKNOWN": "warn", "PERMANENT": "bad"}


@story.tells("alipayhk.passupdate", 10)
def shown(request: HttpRequest, update: PassUpdate) -> Panel:
    return story.facts(_("The card and the ledger"), [
        (_("The card shows"), formats.big(points_shown(update))),
        (_("The ledger says"), formats.big(ledger_points(update))),
        (_("Member"), story.link(request, update.wallet_pass.member)),
        (_("Pass"), member_story.pass_pill(update.wallet_pass)),
        (_("Wanted version"), formats.number(update.wanted_version)),
        (_("Acknowledged"), formats.moment(update.acknowledged_at)),
    ])  # fmt: skip


@story.tells("alipayhk.passupdate", 20)
def coming(request: HttpRequest, update: PassUpdate) -> Panel | None:
    rows = [
        (_("Gave up"), update.dead_at and formats.age(update.dead_at)),
        (_("Next attempt"), update.due_at and formats.due(update.due_at)),
        (_("Attempts so far"), update.attempts and formats.number(update.attempts)),
        (_("Confirming push"), update.confirm_at and formats.due(update.confirm_at)),
        (_("Last answer"), update.last_code),
    ]
    known = [(label, shown) for label, shown in rows if shown]
    return story.facts(_("What comes next"), known) if len(known) > 1 else None


@story.tells("alipayhk.passupdate", 30)
def timeline(request: HttpRequest, update: PassUpdate) -> Panel:
    calls = [_call(call) for call in update.calls.order_by("-called_at")[:LATEST]]
    content = {"calls": calls, "empty": _("AlipayHK has not been called about this card yet.")}
    return Panel(title=_("Attempts, the latest first"), template="timeline", content=content, key="attempts")


@story.tells("alipayhk.passupdate", 40)
def identity(request: HttpRequest, update: PassUpdate) -> Panel:
    one = update.wallet_pass
    return story.facts(_("The card"), [
        (_("Wallet"), one.wallet),
        (_("Wallet user ID"), formats.identifier(one.user_id)),
        (_("Pass ID"), formats.identifier(one.external_id)),
        (_("Serial"), formats.identifier(one.serial)),
        (_("Joined at"), member_story.joined_at(request, one)),
        (_("Joined"), formats.moment(one.joined_at)),
    ])  # fmt: skip


@story.tells("members.member", 45)
def cards_of_member(request: HttpRequest, member: Any) -> Panel:
    updates = story.visible(request, PassUpdate).filter(wallet_pass__member=member).order_by("pk")
    headings = [(_("Card"), ""), (_("State"), ""), (_("The card shows"), "number"), (_("The ledger says"), "number"),
                (_("Acknowledged"), "")]  # fmt: skip
    rows = [
        [story.link(request, one, one.wallet_pass.external_id or one.wallet_pass.serial), state_pill(one),
         points_shown(one), ledger_points(one), formats.moment(one.acknowledged_at)] for one in updates
    ]  # fmt: skip
    return story.table(
        _("Cards against the ledger"), headings, rows, empty=_("No card is being kept up to date yet.")
    )


@story.tells("earning.transaction", 70)
def after_transaction(request: HttpRequest, purchase: Transaction) -> Panel | None:
    """The first calls about the payer's card after the points moved."""
    if purchase.wallet_pass_id is None:
        return None
    since = purchase.award.awarded_at if hasattr(purchase, "award") else purchase.recorded_at
    update = story.visible(request, PassUpdate).filter(wallet_pass=purchase.wallet_pass_id).first()
    calls = update.calls.filter(called_at__gte=since).order_by("called_at")[:5] if update else []
    content = {"calls": [_call(call) for call in calls], "empty": _("The card has not been updated since.")}
    return Panel(title=_("The card update that followed"), template="timeline", content=content)


def state_pill(update: PassUpdate) -> str:
    if update.wallet_pass.state == Pass.State.CLOSED:
        return formats.pill("quiet", _("card closed"))
    if update.wallet_pass.state == Pass.State.EXISTS_UNKNOWN:
        return formats.pill("warn", _("exists, ID unknown"))
    if update.dead_at:
        return formats.pill("bad", _("gave up"))
    if is_behind(update):
        return formats.pill("wait", _("retrying") if update.attempts else _("behind"))
    return formats.pill("good", _("up to date"))


def is_behind(update: PassUpdate) -> bool:
    return update.acknowledged_version is None or update.acknowledged_version < _version(update)


def points_shown(update: PassUpdate) -> str:
    return (
        formats.NOTHING if update.acknowledged_points is None else formats.number(update.acknowledged_points)
    )


def ledger_points(update: PassUpdate) -> str:
    account = getattr(update.wallet_pass.member, "account", None)
    return formats.number(account.balance or 0) if account else formats.NOTHING


def _version(update: PassUpdate) -> int:
    account = getattr(update.wallet_pass.member, "account", None)
    return max(account.version if account else 0, update.wanted_version)


def _call(call: PassCall) -> dict[str, object]:
    status = f"HTTP {call.http_status}" if call.http_status else _("no HTTP status")
    return {
        "tone": OUTCOMES[call.outcome],
        "pill": formats.pill(OUTCOMES[call.outcome], call.get_outcome_display()),
        "title": f"{call.api} · {formats.points(call.points)}",
        "answer": f"{status} · {call.code or formats.NOTHING}",
        "duration": f"{call.duration_ms:,} ms",
        "at": formats.moment(call.called_at),
        "detail": call.detail,
        "request_text": masking.body(_kept(call.request_body)),
        "answer_text": masking.body(_kept(call.answer_body)) or formats.NOTHING,
    }


def _kept(body: object) -> str:
    return body if isinstance(body, str) else json.dumps(body, ensure_ascii=False)
