"""What a counter clerk reads aloud about a purchase, in English and Chinese, from what was judged and why."""

from collections.abc import Callable, Sequence
from datetime import datetime

from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, override

from loyalty.earning import reasons, settlement, standing, transaction_document, transaction_story
from loyalty.earning.models import DuplicateCase, Transaction
from loyalty.earning.reasons import REASONS
from loyalty.review.inquiries import Understood
from loyalty.review.inquiry_search import Found
from pms import formats
from pms.clock import HONG_KONG

State = Transaction.State
Both = tuple[str, str]


def both(said: Callable[[], str]) -> Both:
    with override("en"):
        english = said()
    with override("zh-hant"):
        return english, said()


def of_purchase(purchase: Transaction, *, now: datetime) -> Both:
    """`Paid HK$688.00 on 21 Nov at 14:29, Sakura: 688 points were given.`"""
    kept = _kept(purchase)
    return both(lambda: _opening(purchase, now) + _outcome(purchase, kept, now))


def of_case(case: DuplicateCase) -> Both | None:
    """Only a case that waits says anything: a decided one has had its effect on the points."""
    if not case.is_waiting:
        return None
    return both(lambda: _("Staff still check whether it is the same purchase as another one."))


def of_nothing(asked: Understood, found: Found) -> Both:
    return both(lambda: _nothing(asked, found))


def of_nearest() -> Both:
    return both(lambda: _("Nothing fits all of that. These are the member's latest purchases in your malls:"))


def of_too_little() -> Both:
    return both(lambda: _("Add something: a phone, a card or bill number, or two of amount, day and store."))


def of_unreadable() -> Both:
    return both(lambda: _("That is too long, or has signs that cannot be read. Type it anew in a few words."))


def of_many(shown: int) -> Both:
    return both(
        lambda: (
            _("More than %(count)s fit; these are the latest. Add a day, an amount or a store.")
            % {"count": shown}
        )
    )


def _day_and_time(at: datetime, now: datetime) -> tuple[str, str]:
    """`21 Nov` and `14:29`, with the year when it is another one."""
    local, is_other = (
        at.astimezone(HONG_KONG),
        at.astimezone(HONG_KONG).year != now.astimezone(HONG_KONG).year,
    )
    if formats.is_chinese():
        return date_format(local, "Y年n月j日" if is_other else "n月j日"), f"{local:%H:%M}"
    return date_format(local, "j M Y" if is_other else "j M"), f"{local:%H:%M}"


def _opening(purchase: Transaction, now: datetime) -> str:
    day, time = _day_and_time(purchase.paid_at, now)
    store = formats.name_of(purchase.store) if purchase.store else purchase.merchant_name
    return _("Paid %(amount)s on %(day)s at %(time)s, %(store)s: ") % {
        "amount": formats.money(purchase.amount_cents, purchase.currency),
        "day": day,
        "time": time,
        "store": store or purchase.store_label or _("a store not known yet"),
    }


def _outcome(purchase: Transaction, kept: int, now: datetime) -> str:
    if purchase.state == State.PARKED:
        return _("it waits for the store to be known; points follow by themselves.")
    if purchase.state == State.DUPLICATE:
        return _recorded_already(purchase, now)
    award = transaction_story.award_of(purchase)
    given = max(award.points if award else 0, kept)
    if purchase.state == State.HELD or not given:
        return _nothing_earned(purchase)
    return " ".join(filter(None, (_given(given), _held_back(purchase), _left(given, kept))))


def _given(points: int) -> str:
    words = ngettext("%(count)s point was given.", "%(count)s points were given.", points)
    return words % {"count": formats.number(points)}


def _held_back(purchase: Transaction) -> str:
    award = transaction_story.award_of(purchase)
    pending = award.pending_points if award else 0
    return (
        _("Of these, %(points)s cannot be used yet.") % {"points": formats.points(pending)} if pending else ""
    )


def _left(given: int, kept: int) -> str:
    if given == kept:
        return ""
    return _("After refunds %(points)s remain.") % {"points": formats.points(kept)}


def _nothing_earned(purchase: Transaction) -> str:
    stored = _stored(purchase)
    told = [entry for entry in stored if REASONS[str(entry["code"])].is_for_members] or stored
    why = " ".join(reasons.sentences(told, "zh-hant" if formats.is_chinese() else "en"))
    if purchase.state == State.HELD:
        return _("no points yet. %(why)s") % {"why": why}
    return _("it earned nothing. %(why)s") % {"why": why}


def _stored(purchase: Transaction) -> list[dict[str, object]]:
    judged = standing.judgement_of(purchase)
    if judged and purchase.state != State.HELD:
        return list(judged.reasons)
    return [reasons.reason(transaction_document.unjudged_code(purchase))]


def _recorded_already(purchase: Transaction, now: datetime) -> str:
    """Through which door, and when; the other purchase may be another mall's, so no more is said of it."""
    case: DuplicateCase | None = getattr(purchase, "duplicate_case", None)
    if case is None:
        return _nothing_earned(purchase)
    day, time = _day_and_time(case.earlier.recorded_at, now)
    return _("it was recorded already through %(channel)s on %(day)s at %(time)s; a purchase earns once.") % {
        "channel": case.earlier.get_channel_display(),
        "day": day,
        "time": time,
    }


def _kept(purchase: Transaction) -> int:
    """What is left of the points; asked of the ledger only where something was taken or given later."""
    if purchase.refunds.all() or purchase.corrections.all():
        return settlement.worth_now(purchase)
    award = transaction_story.award_of(purchase)
    return award.points if award else 0


def _nothing(asked: Understood, found: Found) -> str:
    if found.members:
        return _("The member is known, but no purchase of this member is recorded in your malls. ") + _ask()
    if asked.phones or asked.name:
        whom = _listed((*asked.phones, *filter(None, (asked.name,))))
        return _("We know no member and no purchase by %(words)s. Ask for the card number.") % {"words": whom}
    if asked.numbers:
        return _("We have no record of %(words)s. ") % {"words": _listed(asked.numbers)} + _ask()
    return _("We have no record of it. ") + _ask()


def _ask() -> str:
    return _("Ask for AlipayHK's receipt number, or enter the shop's receipt at the counter.")


def _listed(words: Sequence[str]) -> str:
    return ", ".join(words)
