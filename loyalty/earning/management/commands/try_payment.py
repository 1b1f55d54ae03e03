"""`try_payment`: what a payment would earn, by the rules in force when it would be paid. Writes nothing."""

import json
from argparse import ArgumentParser, ArgumentTypeError
from datetime import datetime
from typing import Any

from loyalty.earning import reasons, trials
from loyalty.earning.trials import Payment, Trial, TrialRefused
from pms import clock, store_labels
from pms.models import Mall, Store
from pms.operator_command import OperatorCommand

HIGHEST_CENTS = 10**15 - 1


class Command(OperatorCommand):
    help = "Say what one payment would earn, and why; writes nothing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--mall", required=True, metavar="TAG")
        parser.add_argument("--amount-cents", required=True, type=_cents, metavar="N")
        place = parser.add_mutually_exclusive_group(required=True)
        place.add_argument("--store", default="", metavar="PMS_LABEL")
        place.add_argument("--category", default="", metavar="CODE")
        parser.add_argument(
            "--at", type=_moment, metavar="TIME", help='"2026-11-17 19:10", Hong Kong time; now'
        )
        who = parser.add_mutually_exclusive_group()
        who.add_argument("--member", default="", metavar="USER_ID", help="the member's wallet user ID")
        who.add_argument("--tier", default="", metavar="CODE", help="of an invented member; the lowest")
        parser.add_argument("--spent-today-cents", type=_cents, metavar="N")
        parser.add_argument("--birthday", action="store_true", help="paid in the member's month of birth")
        parser.add_argument("--json", action="store_true", dest="as_json")

    def handle(self, *_: object, as_json: bool, **options: Any) -> None:
        try:
            trial = trials.try_payment(_payment(options))
        except TrialRefused as refused:
            self.refuse(str(refused))
        self.stdout.write(json.dumps(_document(trial)) if as_json else _text(trial))


def _payment(options: dict[str, Any]) -> Payment:
    mall = Mall.objects.filter(tag=options["mall"]).first()
    if mall is None:
        raise TrialRefused(f"{options['mall']} is not the tag of a mall.")
    stores = Store.objects.filter(group_id=mall.group_id).select_related("mall")
    store = store_labels.named(group_id=mall.group_id, label=options["store"] or "")
    if options["store"] and store is None:
        raise TrialRefused(f"{options['store']} is not the PMS label of a store of this group.")
    if options["category"] and not stores.filter(category=options["category"]).exists():
        known = ", ".join(sorted(set(stores.values_list("category", flat=True)) - {""}))
        raise TrialRefused(
            f"{options['category']} is not a category of this group; it has {known or 'none'}."
        )
    return Payment(
        mall=mall,
        store=store,
        category=options["category"],
        amount_cents=options["amount_cents"],
        at=options["at"] or clock.now(),
        user_id=options["member"],
        tier=options["tier"],
        spent_today_cents=options["spent_today_cents"],
        is_birthday=options["birthday"],
    )


def _document(trial: Trial) -> dict[str, object]:
    return {
        "points": trial.points,
        "pending": trial.pending,
        "reasons": [entry["code"] for entry in trial.judgement.reasons],
        "rules": [
            {"rule": line.terms.code, "version": line.terms.version, "points": line.points}
            for line in trial.judgement.lines
        ],
    }


def _text(trial: Trial) -> str:
    told = [f"{trial.points} points at once, {trial.pending} on hold."]
    told += [
        f"  {line.terms.code} version {line.terms.version}: {line.points}" for line in trial.judgement.lines
    ]
    told += [f"  {sentence}" for sentence in reasons.sentences(trial.judgement.reasons, "en")]
    return "\n".join(told)


def _cents(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) <= HIGHEST_CENTS):
        raise ArgumentTypeError(f"{text} is not a whole number of cents from 0 to {HIGHEST_CENTS}")
    return int(text)


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f'{text} is not a time such as "2026-11-17 19:10"') from None
    return moment if moment.tzinfo else moment.replace(tzinfo=clock.HONG_KONG)
