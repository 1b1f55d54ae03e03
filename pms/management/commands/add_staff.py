"""`add_staff NAME --role ROLE [--mall TAG] [--group LABEL] --password-stdin`: a staff login, made or renewed."""

import sys
from argparse import ArgumentParser

from django.conf import settings
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError

from pms import staffing
from pms.models import Mall, MallGroup, MallStaff
from pms.operator_command import OperatorCommand

ADMIN = "ADMIN"
ROLES = [*MallStaff.Role.values, ADMIN]


class Command(OperatorCommand):
    help = "Make a staff login, or renew its password and role."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name")
        parser.add_argument("--role", required=True, type=str.upper, choices=ROLES)
        parser.add_argument(
            "--mall", metavar="TAG", help="only this mall; without it, all malls of the group"
        )
        parser.add_argument(
            "--group", metavar="LABEL", help="needed if there are several groups and no --mall"
        )
        parser.add_argument(
            "--password-stdin",
            action="store_true",
            required=True,
            help="read the password from standard input",
        )

    def handle(
        self, *_: object, name: str, role: str, mall: str | None, group: str | None, **__: object
    ) -> None:
        try:
            password = self._password()
            if role == ADMIN:
                staffing.appoint_administrator(name=name, password=password)
            else:
                found, only = self._where(mall, group)
                staffing.appoint(name=name, password=password, role=role, group=found, mall=only)
        except ValidationError as error:
            self.refuse(f"{name}: {' '.join(error.messages)}")
        self.stdout.write(f"{name} is {role}.")

    def _password(self) -> str:
        """The first line of standard input. In trials any will do."""
        password = sys.stdin.readline().rstrip("\r\n")
        if not password:
            self.refuse("Standard input holds no password.")
        if settings.IS_PRODUCTION:
            validate_password(password)
        return password

    def _where(self, tag: str | None, label: str | None) -> tuple[MallGroup, Mall | None]:
        if tag:
            mall = Mall.objects.select_related("group").filter(tag=tag).first()
            if mall is None or (label and mall.group.label != label):
                self.refuse(f"--mall: there is no mall {tag}{f' in group {label}' if label else ''}.")
            return mall.group, mall
        groups = list(MallGroup.objects.filter(label=label) if label else MallGroup.objects.all()[:2])
        if not groups:
            self.refuse(f"--group: there is no group {label}." if label else "There is no mall group yet.")
        if len(groups) > 1:
            self.refuse("There are several groups; say which: --mall TAG or --group LABEL.")
        return groups[0], None
