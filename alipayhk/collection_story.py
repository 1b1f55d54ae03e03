"""What is told of a store at AlipayHK: where it stands, the difference in words, each attempt; and of each reading."""

import json
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from alipayhk import collection_setup, delivery_story, masking
from alipayhk.models import CollectionCall, ConfirmationRun, ListedStore, StoreCollection
from pms import formats, story
from pms.models import Store
from pms.story import Panel

LATEST = 30
TONES = {"NOT_SENT": "quiet", "SENT": "wait", "CONFIRMED": "good", "DIFFERS": "warn"}
LISTED_TONES = {"KNOWN": "good", "ONLY_AT_ALIPAYHK": "warn", "IGNORED": "quiet", "GONE": "quiet"}
RUN_TONES = {"WAITING": "wait", "RUNNING": "news", "DONE": "good", "BROKEN": "bad"}
OUTCOMES = {**delivery_story.OUTCOMES, "LISTED": "good", "UNLISTED": "news"}
FIELDS = {
    "partner_id": gettext_lazy("partner ID"),
    "merchant_id": gettext_lazy("merchant ID"),
    "store_id": gettext_lazy("store ID"),
    "store_name": gettext_lazy("name"),
    "mall_label": gettext_lazy("AlipayHK mall label"),
}
FAULTS = {
    **collection_setup.MISSING,
    "FEWER_THAN_CLAIMED": gettext_lazy(
        "AlipayHK claims more stores than its pages hold; nothing was said of the missing ones."
    ),
    "MORE_THAN_CLAIMED": gettext_lazy("AlipayHK lists more stores than it claims; all of them were read."),
    "REPEATED_PAGE": gettext_lazy(
        "AlipayHK answers different pages with the same stores; nothing was said of the missing ones."
    ),
    "EMPTY_NOW": gettext_lazy(
        "AlipayHK lists nothing where it listed stores before; nothing was said of the missing ones."
    ),
    "ENDLESS": gettext_lazy("AlipayHK's list does not end; nothing was said of the missing ones."),
    "COUNTS_FROM_ZERO": gettext_lazy(
        "AlipayHK counts pages from 0; set this up at the credential. All stores were read."
    ),
    "LIST_MISSING": gettext_lazy("The answer holds no list where one was looked for; see the credential."),
    "LINE_NOT_AN_OBJECT": gettext_lazy("A line of the list is no store."),
    "LINE_WITHOUT_IDS": gettext_lazy(
        "A line of the list has no IDs where they were looked for; see the credential."
    ),
    "ID_TOO_LONG": gettext_lazy("An ID in the list is longer than any that AlipayHK gives."),
}


def difference(one: dict[str, str]) -> str:
    """One difference as a sentence."""
    words = {"field": FIELDS[one["field"]], "ours": one["ours"], "theirs": one["theirs"]}
    if not one["ours"]:
        return _("AlipayHK's %(field)s is “%(theirs)s”; the registry has none.") % words
    return _("AlipayHK's %(field)s is “%(theirs)s”; the registry says “%(ours)s”.") % words


def differences(row: StoreCollection) -> str:
    return " ".join(difference(one) for one in row.differences)


def fault(code: str) -> str:
    return str(FAULTS.get(code, code))


def state_pill(row: StoreCollection) -> str:
    if row.dead_at:
        return formats.pill("bad", _("gave up"))
    if row.due_at:
        return formats.pill("wait", _("being looked for") if row.is_uncertain else _("on its way"))
    return formats.pill(TONES[row.state], row.get_state_display())


def next_step(row: StoreCollection) -> str:
    """What is odd about it, or what comes next, in a few words."""
    if row.differences:
        return differences(row)
    if row.dead_at:
        return _("Last answer: %(code)s") % {"code": row.last_code}
    if row.vanished_at:
        return formats.sentence(_("No longer listed since %(time)s"), time=formats.moment(row.vanished_at))
    if row.due_at:
        return formats.sentence(_("Next attempt %(time)s"), time=formats.due(row.due_at))
    if _is_missing(row):
        return formats.sentence(
            _("AlipayHK took it, but its list of %(time)s lacks it"), time=formats.moment(row.compared_at)
        )
    return ""


def _is_missing(row: StoreCollection) -> bool:
    """Taken by AlipayHK and not in a whole list that was read since."""
    return bool(
        row.state == StoreCollection.State.SENT
        and row.acknowledged_at
        and row.compared_at
        and row.compared_at > row.acknowledged_at
    )


@story.tells("alipayhk.storecollection", 10)
def standing(request: HttpRequest, row: StoreCollection) -> Panel:
    return _standing(request, row, is_short=False)


@story.tells("pms.store", 60)
def at_alipayhk(request: HttpRequest, store: Store) -> Panel | None:
    """On the store's own page: where it stands, with the way to its cure."""
    row = story.visible(request, StoreCollection).filter(store=store).first()
    return _standing(request, row, is_short=True) if row else None


@story.tells("alipayhk.storecollection", 20)
def attempts(request: HttpRequest, row: StoreCollection) -> Panel:
    calls = [_call(call) for call in row.calls.order_by("-called_at", "-pk")[:LATEST]]
    content = {"calls": calls, "empty": _("AlipayHK has not been called about this store yet.")}
    return Panel(title=_("Attempts, the latest first"), template="timeline", content=content, key="attempts")


@story.tells("alipayhk.storecollection", 30)
def theirs(request: HttpRequest, row: StoreCollection) -> Panel | None:
    listed = (
        ListedStore.objects.filter(ours=row.store_id, mall=row.store.mall_id).order_by("-seen_at").first()
    )
    return _listed(_("As AlipayHK lists it"), listed) if listed else None


@story.tells("alipayhk.listedstore", 10)
def listed_store(request: HttpRequest, listed: ListedStore) -> Panel:
    return _listed(_("As AlipayHK lists it"), listed)


@story.tells("alipayhk.listedstore", 20)
def raw(request: HttpRequest, listed: ListedStore) -> Panel:
    content = {"text": masking.body(json.dumps(listed.raw, ensure_ascii=False))}
    return Panel(title=_("As it came"), template="raw", content=content, is_folded=True, key="raw")


@story.tells("alipayhk.confirmationrun", 10)
def progress(request: HttpRequest, run: ConfirmationRun) -> Panel | None:
    if not run.is_moving:
        return None
    bar = {"transaction_count": run.claimed_rows, "judged_count": min(run.found_rows, run.claimed_rows)}
    address = reverse("admin:alipayhk_confirmationrun_progress", args=[run.pk])
    return Panel(
        title=_("Progress"), template="progress", content={"run": bar, "address": address, "said": said(run)}
    )


@story.tells("alipayhk.confirmationrun", 20)
def reading(request: HttpRequest, run: ConfirmationRun) -> Panel:
    return story.facts(_("The reading"), [
        (_("Mall"), formats.name_of(run.mall)),
        (_("Stores listed"), formats.big(formats.number(run.found_rows))),
        (_("Stores claimed"), formats.number(run.claimed_rows) if run.claimed_rows else ""),
        (_("Pages"), formats.number(run.pages)),
        (_("Odd"), fault(run.fault)),
        (_("The whole list"), _("yes") if run.is_whole else _("no: nothing was said of stores it did not see")),
        (_("Asked for"), formats.two_lines(formats.moment(run.asked_at), run.asked_by or "")),
        (_("Ended"), formats.moment(run.ended_at)),
    ], is_short=True)  # fmt: skip


def said(run: ConfirmationRun) -> str:
    counted = {"found": formats.number(run.found_rows), "claimed": formats.number(run.claimed_rows)}
    if not run.claimed_rows:
        return _("%(found)s stores read") % counted
    return _("%(found)s of %(claimed)s stores read") % counted


def _standing(request: HttpRequest, row: StoreCollection, *, is_short: bool) -> Panel:
    rows: list[tuple[object, object]] = [
        (_("State"), state_pill(row)),
        (_("How it differs"), differences(row)),
        (_("Store"), "" if is_short else story.link(request, row.store)),
        (_("Gave up"), row.dead_at and formats.age(row.dead_at)),
        (_("Next attempt"), row.due_at and formats.due(row.due_at)),
        (_("Attempts so far"), row.attempts and formats.number(row.attempts)),
        (_("Last answer"), row.last_code),
        (_("Collected by payment"), row.trade_number and formats.identifier(row.trade_number)),
        (_("Taken by AlipayHK"), formats.moment(row.acknowledged_at)),
        (_("What is odd"), "" if row.vanished_at or not _is_missing(row) else next_step(row)),
        (_("No longer listed since"), row.vanished_at and formats.moment(row.vanished_at)),
        (_("Compared with the list"), formats.moment(row.compared_at)),
        (_("Asked for by"), row.asked_by or ""),
        (_("What to do"), story.link(request, row, _("Open its collection")) if is_short else ""),
    ]
    return story.facts(_("At AlipayHK"), [(label, shown or "") for label, shown in rows], is_short=True)


def _listed(title: object, listed: ListedStore) -> Panel:
    return story.facts(title, [
        (_("Store name"), listed.store_name),
        (_("Merchant name"), listed.merchant_name),
        (_("Partner ID"), formats.identifier(listed.partner_id)),
        (_("Merchant ID"), formats.identifier(listed.merchant_id)),
        (_("Store ID"), formats.identifier(listed.store_id)),
        (_("AlipayHK mall label"), listed.mall_label),
        (_("First seen"), formats.moment(listed.first_seen_at)),
        (_("Last seen"), formats.moment(listed.seen_at)),
    ], is_short=True)  # fmt: skip


def _call(call: CollectionCall) -> dict[str, Any]:
    status = f"HTTP {call.http_status}" if call.http_status else _("no HTTP status")
    is_look = call.outcome in ("LISTED", "UNLISTED") or not call.request_body
    return {
        "tone": OUTCOMES[call.outcome],
        "pill": formats.pill(OUTCOMES[call.outcome], call.get_outcome_display()),
        "title": call.api,
        "answer": call.code if is_look else f"{status} · {call.code or formats.NOTHING}",
        "duration": f"{call.duration_ms:,} ms",
        "at": formats.moment(call.called_at),
        "detail": _("Looked for in AlipayHK's list before anything is sent again.")
        if is_look
        else call.detail,
        "request_text": masking.body(call.request_body) or formats.NOTHING,
        "answer_text": masking.body(call.answer_body) or formats.NOTHING,
    }
