"""`seed_demo`: the Lumina demo group with stores, staff and members, for trials; refused in production."""

import json
import os
import secrets
from argparse import ArgumentParser
from datetime import datetime

from django.conf import settings
from django.db.transaction import atomic

from alipayhk import demo_malls, registration
from loyalty.ledger import postings
from members import enrollment
from members.models import Member, Program
from pms import clock, staffing
from pms.models import Mall, MallGroup, MallStaff
from pms.operator_command import OperatorCommand

ADMIN = "demo-admin"
STAFF = {
    "demo-manager": (MallStaff.Role.MANAGER, None),
    "demo-reviewer": (MallStaff.Role.REVIEWER, None),
    "demo-operator": (MallStaff.Role.OPERATOR, "lumina-plaza"),
    "demo-counter": (MallStaff.Role.COUNTER, "lumina-plaza"),
}


class Command(OperatorCommand):
    help = "Load the Lumina demo group: three malls, 180 stores, staff and members. May be repeated."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--password", help="of all demo logins; else DEMO_PASSWORD, else one is made up and printed"
        )

    @atomic
    def handle(self, *_: object, password: str | None, **__: object) -> None:
        if settings.IS_PRODUCTION:
            self.refuse("seed_demo makes logins with a known password; it is refused in production.")
        password = password or os.environ.get("DEMO_PASSWORD") or secrets.token_urlsafe(9)
        now = clock.now()
        created = [
            name
            for mall in demo_malls.MALLS
            for name in registration.register(demo_malls.document(mall), now=now).created
        ]
        group = MallGroup.objects.get(label=demo_malls.GROUP["label"])
        _appoint(group, password)
        _enroll(group, now)
        logins = {"logins": [ADMIN, *STAFF], "password": password}
        self.stdout.write(json.dumps({"created": len(created), **logins}))


def _appoint(group: MallGroup, password: str) -> None:
    staffing.appoint_administrator(name=ADMIN, password=password)
    for name, (role, tag) in STAFF.items():
        mall = Mall.objects.get(tag=tag) if tag else None
        staffing.appoint(name=name, password=password, role=role, group=group, mall=mall)


def _enroll(group: MallGroup, now: datetime) -> None:
    program = Program.objects.get(group=group)
    for name, phone in demo_malls.PEOPLE:
        details = {
            "name": name,
            "phone_raw": phone,
            "card_number": enrollment.new_card_number(),
            "joined_at": now,
        }
        member, _ = Member.objects.get_or_create(program=program, phone=phone, defaults=details)
        postings.open_account(member=member, now=now)
