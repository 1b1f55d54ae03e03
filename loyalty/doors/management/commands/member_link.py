"""`member_link --mall TAG --member WHO`: makes a link to a member's own page and prints it; `--withdraw` ends all."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings

from loyalty.doors import page_links
from members import lookup
from members.models import Member
from pms import clock
from pms.models import Mall
from pms.operator_command import OperatorCommand


class Command(OperatorCommand):
    help = "Make a link to a member's own page of points and payments, or withdraw all links made for the member."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--mall", required=True, metavar="TAG")
        parser.add_argument(
            "--member", required=True, metavar="WHO", help="card number, phone or wallet user ID"
        )
        parser.add_argument(
            "--withdraw", action="store_true", help="withdraw all of the member's links instead"
        )

    def handle(self, *_: object, mall: str, member: str, withdraw: bool, **__: Any) -> None:
        place = Mall.objects.filter(tag=mall).first()
        if place is None:
            self.refuse(f"--mall {mall}: no mall has this tag.")
        holder = self._holder(member, place)
        if withdraw:
            page_links.withdraw_all(member=holder)
            self.stdout.write(f"No link made for {holder.card_number} until now opens the page any more.")
            return
        home = settings.MEMBER_URL or settings.STAFF_URL
        if not home:
            self.refuse("MEMBER_URL: must be set to the address under which members reach their pages.")
        try:
            self.stdout.write(page_links.make(member=holder, now=clock.now()).address(home))
        except page_links.MembershipClosed:
            self.refuse(f"--member {member}: the membership is closed.")

    def _holder(self, member: str, place: Mall) -> Member:
        found = lookup.holder(member, group_id=place.group_id) or _by_phone(member, place)
        if found is None:
            self.refuse(
                f"--member {member}: no member of this mall's group has this card number, phone or user ID."
            )
        return found


def _by_phone(text: str, place: Mall) -> Member | None:
    phone = lookup.phone_of(text)
    return Member.objects.filter(program__group=place.group_id, phone=phone).first() if phone else None
