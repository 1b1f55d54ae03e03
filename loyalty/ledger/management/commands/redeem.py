"""`redeem reserve|confirm|release`: the counter's redemption, on the command line."""

import json
from argparse import ArgumentParser
from typing import Any, NoReturn

from loyalty.ledger import redemption_words, redemptions
from loyalty.ledger.models import Redemption
from loyalty.ledger.redemptions import RedemptionRefused, Wish
from members import lookup
from pms import clock
from pms.models import Mall
from pms.operator_command import OperatorCommand

REFUSED = 1


class Command(OperatorCommand):
    help = (
        "Set points of a member aside under a code (reserve), then spend them (confirm) or give them back (release)."
        " A refusal changes nothing, prints its code and ends with status 1; wrong arguments end with 2."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        deeds = parser.add_subparsers(dest="deed", required=True, metavar="reserve|confirm|release")
        reserve = deeds.add_parser("reserve", help="set points aside under a code of short life")
        reserve.add_argument("--mall", metavar="TAG", required=True, help="where the points are spent")
        reserve.add_argument(
            "--member", metavar="USER_ID", required=True, help="wallet user ID or card number"
        )
        reserve.add_argument("--points", metavar="N", type=int, required=True)
        reserve.add_argument("--payment", metavar="NUMBER", default="", help="the purchase they help to pay")
        reserve.add_argument("--key", default="", help="the same key and wish again is the same redemption")
        reserve.add_argument("--json", action="store_true", help="one line of JSON")
        for deed, words in (("confirm", "spend what was set aside"), ("release", "give it back")):
            ending = deeds.add_parser(deed, help=words)
            ending.add_argument("--code", required=True)
            ending.add_argument("--json", action="store_true", help="one line of JSON")

    def handle(self, *_: object, deed: str, json: bool, **options: Any) -> None:
        try:
            redemption = self._reserved(**options) if deed == "reserve" else _ended(deed, options["code"])
        except RedemptionRefused as refusal:
            self._refused(refusal, is_json=json)
        told = redemption_words.told(redemption)
        self.stdout.write(
            _line(told) if json else "\n".join(f"{name}: {value}" for name, value in told.items())
        )

    def _reserved(
        self, *, mall: str, member: str, points: int, payment: str, key: str, **_: object
    ) -> Redemption:
        place = Mall.objects.filter(tag=mall).first()
        if place is None:
            self.refuse(f"--mall {mall}: no mall has this tag.")
        holder = lookup.holder(member, group_id=place.group_id)
        if holder is None:
            self.refuse(f"--member {member}: no member of this mall's group has this user ID or card number.")
        wish = Wish(member=holder, mall=place, points=points, payment_number=payment, request_key=key)
        return redemptions.reserve(wish=wish, by=None, now=clock.now())

    def _refused(self, refusal: RedemptionRefused, *, is_json: bool) -> NoReturn:
        if is_json:
            self.stdout.write(_line(redemption_words.refused(refusal)))
        self.refuse(f"{refusal.code}: {refusal}", status=REFUSED)


def _ended(deed: str, code: str) -> Redemption:
    redemption = redemptions.by_code(code=code, malls=Mall.objects.all())
    act = redemptions.confirm if deed == "confirm" else redemptions.release
    return act(redemption=redemption, by=None, now=clock.now())


def _line(told: dict[str, object]) -> str:
    return json.dumps(told, ensure_ascii=False)
