"""`seed_demo`: the demo groups with programs, stores, staff and members, for trials; refused in production."""

import json
import os
import secrets
from argparse import ArgumentParser
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db.transaction import atomic

from alipayhk import demo_malls, demo_registration, demo_week, registration
from alipayhk.demo_malls import DemoGroup
from loyalty.earning import program_files
from loyalty.ledger import postings
from members import enrollment
from members.models import Member, Program
from pms import clock, registry, staffing
from pms.models import Mall, MallGroup, MallStaff, Store, StoreChange
from pms.operator_command import OperatorCommand

ADMIN = "demo-admin"
# Name, role, and whether the login is for one mall of each group only.
STAFF = (
    ("demo-manager", MallStaff.Role.MANAGER, False),
    ("demo-reviewer", MallStaff.Role.REVIEWER, False),
    ("demo-operator", MallStaff.Role.OPERATOR, True),
    ("demo-counter", MallStaff.Role.COUNTER, True),
)
ALL = "all"


class Command(OperatorCommand):
    help = "Load demo groups: programs with their rules, malls, 60 stores a mall, staff, members. May be repeated."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--group", choices=[*demo_malls.GROUPS, ALL], default=demo_malls.LUMINA.name)
        parser.add_argument(
            "--password", help="of all demo logins; else DEMO_PASSWORD, else one is made up and printed"
        )
        parser.add_argument(
            "--week", action="store_true", help="with --group all: also a week of purchases that came twice"
        )

    @atomic
    def handle(self, *_: object, group: str, password: str | None, week: bool, **__: object) -> None:
        if settings.IS_PRODUCTION:
            self.refuse("seed_demo makes logins with a known password; it is refused in production.")
        if week and group != ALL:
            self.refuse("--week needs --group all: it plays in all demo groups.")
        password = password or os.environ.get("DEMO_PASSWORD") or secrets.token_urlsafe(9)
        now = clock.now()
        wanted = [demo for name, demo in demo_malls.GROUPS.items() if group in (name, ALL)]
        created = [name for demo in wanted for name in _load(demo, now=now)]
        labels = [*(demo.label for demo in wanted), demo_malls.SIMULATED_GROUP]
        demo_registration.ask(labels=labels)
        staffing.appoint_administrator(name=ADMIN, password=password)
        groups = list(MallGroup.objects.filter(label__in=labels).order_by("pk"))
        for name, role, is_of_mall in STAFF:
            _appoint(groups, name, role, password, is_of_mall=is_of_mall)
        names = [ADMIN, *(name for name, _role, _is_of_mall in STAFF)]
        if week:
            demo_week.play(now=now)
        self.stdout.write(json.dumps({"created": len(created), "logins": names, "password": password}))


def _load(demo: DemoGroup, *, now: datetime) -> list[str]:
    """The base rule first, as the first version; then the malls; then the rules that name malls and stores."""
    document = _document(demo)
    group, _ = MallGroup.objects.get_or_create(
        label=demo.label, defaults={"name_en": demo.name_en, "name_zh": demo.name_zh}
    )
    names = {"name_en": demo.program_en, "name_zh": demo.program_zh}
    program, _ = Program.objects.get_or_create(group=group, defaults=names)
    # What staff have changed since stays changed.
    is_loaded = {rule["code"] for rule in document["rules"]} <= set(
        program.rules.values_list("code", flat=True)
    )
    created = []
    if not is_loaded:
        base = [rule for rule in document["rules"] if rule["kind"] == "BASE"]
        created += program_files.load(document=document | {"rules": base}, program=program, now=now)
    for mall in demo_malls.MALLS:
        if mall.group == demo:
            created += _register(demo_malls.document(mall), now=now)
    _give_past(demo, now)
    if not is_loaded:
        created += program_files.load(document=document, program=program, now=now)
    _enroll(program, now)
    return created


def _register(document: dict[str, Any], *, now: datetime) -> list[str]:
    """Stores all at once: a document registers them one by one, which takes a minute on a busy machine."""
    done = registration.register({key: part for key, part in document.items() if key != "stores"}, now=now)
    mall = Mall.objects.get(tag=done.mall_tag)
    known = set(Store.objects.filter(group=mall.group_id).values_list("pms_label", flat=True))
    new = [store for store in document["stores"] if store["pms_label"] not in known]
    rows = [{"is_excluded" if key == "excluded" else key: value for key, value in one.items()} for one in new]
    Store.objects.bulk_create(Store(group_id=mall.group_id, mall=mall, **row) for row in rows)
    return [*done.created, *(f"store {store['pms_label']}" for store in new)]


def _give_past(demo: DemoGroup, now: datetime) -> None:
    """One store has closed, one takes no vouchers and, where there is a second mall, one has moved there."""
    malls = list(Mall.objects.filter(group__label=demo.label).order_by("pk"))
    closing, plain, moving = malls[0].stores.filter(category="FASHION").order_by("pk")[:3]
    today = now.astimezone(clock.HONG_KONG).date()
    if moving.changes.exists() or closing.changes.exists():
        return
    kept: dict[str, Any] = {"source": StoreChange.Source.COMMAND, "by": None, "now": now}
    registry.change(store=plain, fields={"excluded_tenders": ["VOUCHER"]}, **kept)
    registry.close(store=closing, last_date=today - timedelta(days=20), **kept)
    if len(malls) > 1:
        registry.move(store=moving, to_mall=malls[1], moved_date=today - timedelta(days=10), by=None, now=now)


def _document(demo: DemoGroup) -> dict[str, Any]:
    file = Path(program_files.__file__).parent / "programs" / f"{demo.name}.json"
    document: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return document


def _appoint(groups: list[MallGroup], name: str, role: str, password: str, *, is_of_mall: bool) -> None:
    """One login for all groups: hashing its password takes longest."""
    malls = [group.malls.order_by("pk").first() if is_of_mall else None for group in groups]
    user = staffing.appoint(name=name, password=password, role=role, group=groups[0], mall=malls[0])
    for group, mall in zip(groups[1:], malls[1:], strict=True):
        MallStaff.objects.update_or_create(user=user, group=group, mall=mall, defaults={"role": role})


def _enroll(program: Program, now: datetime) -> None:
    for name, phone in demo_malls.PEOPLE:
        details = {
            "name": name,
            "phone_raw": phone,
            "card_number": enrollment.new_card_number(),
            "joined_at": now,
        }
        member, _ = Member.objects.get_or_create(program=program, phone=phone, defaults=details)
        postings.open_account(member=member, now=now)
