"""`partner_key --mall TAG --name NAME`: makes a key for a partner's tills and prints it, once; `--revoke` ends one."""

from argparse import ArgumentParser
from typing import Any

from loyalty.doors import partners
from loyalty.doors.models import PartnerKey
from pms import clock
from pms.models import Mall
from pms.operator_command import OperatorCommand


class Command(OperatorCommand):
    help = "Make or revoke the key of a partner's tills."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--mall", required=True, metavar="TAG")
        parser.add_argument("--name", required=True, help="of the partner or till")
        parser.add_argument("--revoke", action="store_true", help="revoke the key of this name instead")

    def handle(self, *_: object, mall: str, name: str, revoke: bool, **__: Any) -> None:
        found = Mall.objects.filter(tag=mall).first()
        if found is None:
            self.refuse(f"--mall: there is no mall {mall}.")
        if not 0 < len(name) <= 64:
            self.refuse("--name: 1 to 64 letters.")
        in_use = PartnerKey.objects.filter(mall=found, name=name, revoked_at=None).first()
        if revoke:
            if in_use is None:
                self.refuse(f"{name} has no key in use.")
            partners.revoke(key=in_use, now=clock.now())
            self.stdout.write(f"{name}'s key is revoked.")
            return
        try:
            _row, key = partners.make_key(mall=found, name=name, by=None, now=clock.now())
        except partners.NameInUse:
            self.refuse(f"{name} has a key in use; --revoke it first.")
        self.stdout.write(key)
