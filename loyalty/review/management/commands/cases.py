"""`cases list|decide`: the duplicate desk on the command line, by the same functions as the screen."""

import json
from argparse import ArgumentParser
from typing import Any, NoReturn

from loyalty.earning import likeness
from loyalty.earning.models import DuplicateCase, Transaction
from loyalty.review import case_desk, cases
from loyalty.review.cases import (
    AlreadyDecided,
    CaseRefused,
    EarlierIsOpen,
    KeptByAnother,
    MembershipOver,
    NotDecided,
    StoreUnknown,
)
from loyalty.review.models import Decision
from pms import clock, scoping
from pms.models import Mall, User
from pms.operator_command import OperatorCommand

REFUSED = 1
MOST, LONGEST_NOTE = 100, 255
WAITING, ALL = "waiting", "all"
STATES = [WAITING, ALL, *(state.lower() for state in DuplicateCase.State.values)]
KINDS = [kind.lower() for kind in DuplicateCase.Verdict.values]
ANSWERS = [answer.lower() for answer in Decision.Answer.values]
CODES: dict[type[CaseRefused], str] = {
    AlreadyDecided: "ALREADY_DECIDED",
    NotDecided: "NOT_DECIDED",
    EarlierIsOpen: "EARLIER_IS_OPEN",
    KeptByAnother: "KEPT_BY_ANOTHER",
    MembershipOver: "MEMBERSHIP_OVER",
    StoreUnknown: "STORE_UNKNOWN",
}
JOINED = (
    "mall", "assignee", "decided_by", "transaction__store", "transaction__member", "transaction__mall",
    "earlier__store", "earlier__member", "earlier__mall",
)  # fmt: skip


class Command(OperatorCommand):
    help = (
        "List possible duplicates, oldest first, or decide one. A refusal changes nothing, prints its code and ends"
        " with status 1; wrong arguments end with 2."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        deeds = parser.add_subparsers(dest="deed", required=True, metavar="list|decide")
        listing = deeds.add_parser("list", help="list cases, oldest first")
        listing.add_argument("--mall", metavar="TAG", help="of this mall alone")
        listing.add_argument("--state", choices=STATES, default=WAITING, help=f"default {WAITING}")
        listing.add_argument("--kind", choices=KINDS, help="what was done at once")
        listing.add_argument(
            "--limit", type=int, default=MOST, metavar="N", help=f"at most so many, default {MOST}"
        )
        listing.add_argument("--json", action="store_true", help="one line of JSON")
        deciding = deeds.add_parser("decide", help="decide one case, or undo that")
        deciding.add_argument("case", type=int, metavar="CASE_ID")
        deciding.add_argument("answer", choices=ANSWERS)
        deciding.add_argument("--by", required=True, metavar="USERNAME", help="the staff login that decides")
        deciding.add_argument("--note", default="", help="why, at most 255 letters")
        deciding.add_argument("--json", action="store_true", help="one line of JSON")

    def handle(self, *_: object, deed: str, json: bool, **options: Any) -> None:
        if deed == "list":
            self._list(is_json=json, **options)
        else:
            self._decide(is_json=json, **options)

    def _list(
        self, *, mall: str | None, state: str, kind: str | None, limit: int, is_json: bool, **_: object
    ) -> None:
        if limit < 1:
            self.refuse("--limit: must be 1 or more.")
        rows = DuplicateCase.objects.select_related(*JOINED).order_by("opened_at", "pk")
        if mall:
            rows = rows.filter(mall=self._mall(mall))
        if state != ALL:
            states = DuplicateCase.WAITING if state == WAITING else [state.upper()]
            rows = rows.filter(state__in=states)
        if kind:
            rows = rows.filter(verdict=kind.upper())
        told = [_told(case) for case in rows[:limit]]
        if is_json:
            self.stdout.write(json.dumps({"cases": told}, ensure_ascii=False))
        for line in () if is_json else told:
            self.stdout.write("{case}  {opened_at}  {mall}  {kind}  {score}  {state}".format(**line))

    def _decide(self, *, case: int, answer: str, by: str, note: str, is_json: bool, **_: object) -> None:
        found = DuplicateCase.objects.select_related("mall").filter(pk=case).first()
        if found is None:
            self.refuse(f"{case}: there is no such case; `cases list` tells those that wait.")
        if len(note) > LONGEST_NOTE:
            self.refuse(f"--note: at most {LONGEST_NOTE} letters.")
        login = self._login(by, found.mall)
        try:
            decision = _decided(found, answer.upper(), login, note)
        except CaseRefused as refusal:
            self._refused(refusal, found, is_json=is_json)
        found.refresh_from_db()
        told = _of(decision, found)
        self.stdout.write(
            json.dumps(told) if is_json else "\n".join(f"{name}: {value}" for name, value in told.items())
        )

    def _mall(self, tag: str) -> Mall:
        found = Mall.objects.filter(tag=tag).first()
        return found or self.refuse(f"--mall: there is no mall {tag}.")

    def _login(self, name: str, mall: Mall) -> User:
        """Whoever may decide this case on the desk."""
        login = User.objects.filter(username=name, is_active=True).first()
        if login is None:
            self.refuse(f"--by: there is no staff login {name}; `add_staff` makes one.")
        may = login.has_perm(case_desk.CHANGE) and scoping.malls_of(login).filter(pk=mall.pk).exists()
        if not may:
            self.refuse(f"--by: {name} may not decide cases of {mall.tag}; a reviewer or manager of it may.")
        return login

    def _refused(self, refusal: CaseRefused, case: DuplicateCase, *, is_json: bool) -> NoReturn:
        code, sentence = CODES[type(refusal)], case_desk.said_no(refusal)
        if is_json:
            self.stdout.write(json.dumps({"case": case.pk, "code": code, "sentence": sentence}))
        self.refuse(f"{code}: {sentence}", status=REFUSED)


def _decided(case: DuplicateCase, answer: str, login: User, note: str) -> Decision:
    if answer == Decision.Answer.REOPEN:
        return cases.reopen(case=case, by=login, now=clock.now(), note=note)
    return cases.decide(case=case, answer=answer, by=login, now=clock.now(), note=note)


def _told(case: DuplicateCase) -> dict[str, Any]:
    return {
        "case": case.pk,
        "mall": case.mall.tag,
        "state": case.state,
        "kind": case.verdict,
        "score": case.score,
        "evidence": [likeness.sentence(part, "en") for part in case.parts],
        "points_at_stake": case.points_at_stake,
        "points_saved": case.points_saved,
        "cents_saved": case.cents_saved,
        "opened_at": case.opened_at.isoformat(),
        "assignee": str(case.assignee) if case.assignee else None,
        "decided_at": case.decided_at.isoformat() if case.decided_at else None,
        "decided_by": str(case.decided_by) if case.decided_by else None,
        "transaction": _record(case.transaction),
        "earlier": _record(case.earlier),
    }


def _record(one: Transaction) -> dict[str, Any]:
    return {
        "id": one.pk,
        "number": one.payment_number or one.receipt_number or one.acquirer_number,
        "channel": one.channel,
        "state": one.state,
        "amount_cents": one.amount_cents,
        "currency": one.currency,
        "paid_at": one.paid_at.isoformat(),
        "mall": one.mall.tag,
        "store": (one.store.code or one.store.pms_label) if one.store else None,
        "member": one.member.card_number,
    }


def _of(decision: Decision, case: DuplicateCase) -> dict[str, Any]:
    return {
        "case": case.pk,
        "answer": decision.answer,
        "state": case.state,
        "points_before": decision.points_before,
        "points_after": decision.points_after,
        "earlier_points_before": decision.earlier_points_before,
        "earlier_points_after": decision.earlier_points_after,
        "points_saved": case.points_saved,
    }
