"""`duplicates_report [--day DAY] [--mall TAG] [--folder DIR | --mail]`: a day's duplicates, told, as files, mailed."""

import json
from argparse import ArgumentParser
from datetime import date
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils.translation import override

from loyalty.review import daily_mails
from loyalty.review.daily_mails import Told
from loyalty.review.models import DailyMail
from pms import clock
from pms.models import Mall
from pms.operator_command import OperatorCommand

FAILED = 1


class Command(OperatorCommand):
    help = (
        "Tell what duplicates came to on a day, mall by mall; with --folder write the report as CSV and XLSX, with"
        " --mail mail it to whom DAILY_MAIL names and who has not had it. Ends with 1 if a mail could not be sent."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--day", metavar="YYYY-MM-DD", help="a day in Hong Kong; default yesterday")
        parser.add_argument("--mall", metavar="TAG", help="this mall alone")
        parser.add_argument("--language", choices=[code for code, _name in settings.LANGUAGES], default="en")
        parser.add_argument("--folder", metavar="DIR", help="write the files into this folder")
        parser.add_argument("--mail", action="store_true", help="mail it now")
        parser.add_argument("--json", action="store_true", help="one line of JSON")

    def handle(
        self, *_: object, day: str | None, mall: str | None, language: str, folder: str | None, mail: bool,
        json: bool, **__: object,
    ) -> None:  # fmt: skip
        now = clock.now()
        asked, malls = self._day(day) or daily_mails.yesterday(now=now), self._malls(mall)
        mails = self._mailed(malls, asked) if mail else []
        with override(language):
            told = [(one, daily_mails.tell(one, day=asked, now=now)) for one in malls]
        lines = [_line(one, said) | self._written(said, folder) for one, said in told]
        self._say({"day": f"{asked}", "malls": lines, "mails": [_mail(one) for one in mails]}, is_json=json)
        if any(one.sent_at is None for one in mails):
            self.refuse("A mail could not be sent; it is tried again by itself.", status=FAILED)

    def _day(self, text: str | None) -> date | None:
        try:
            return date.fromisoformat(text) if text else None
        except ValueError:
            self.refuse("--day: must be a day such as 2026-11-21.")

    def _malls(self, tag: str | None) -> list[Mall]:
        if tag is None:
            return daily_mails.active_malls()
        found = Mall.objects.filter(tag=tag).first()
        if found is None:
            self.refuse(f"--mall: there is no mall {tag}.")
        return [found]

    def _mailed(self, malls: list[Mall], day: date) -> list[DailyMail]:
        if not settings.DAILY_MAIL:
            self.refuse("--mail: DAILY_MAIL names no address; docs/runbook.md says how to set it.")
        now = clock.now()
        planned = daily_mails.plan(addressees=settings.DAILY_MAIL, malls=malls, day=day, now=now)
        daily_mails.send_due(now=now)
        return list(DailyMail.objects.filter(pk__in=[one.pk for one in planned]).select_related("mall"))

    def _written(self, told: Told, folder: str | None) -> dict[str, Any]:
        if folder is None:
            return {}
        try:
            Path(folder).mkdir(parents=True, exist_ok=True)
            for file in told.files:
                (Path(folder) / file.name).write_bytes(file.content)
        except OSError as error:
            self.refuse(f"--folder: {folder} cannot be used: {error.strerror}.")
        return {"files": [file.name for file in told.files]}

    def _say(self, told: dict[str, Any], *, is_json: bool) -> None:
        if is_json:
            self.stdout.write(json.dumps(told, ensure_ascii=False))
            return
        for line in told["malls"]:
            self.stdout.write(
                "{mall}  {cases} cases, {stopped} stopped, {open} open".format(**line)
                + "".join(f"\n  {name}" for name in line.get("files", []))
            )
        for mail in told["mails"]:
            self.stdout.write("{mall}  {address}  {state}".format(**mail))


def _line(mall: Mall, told: Told) -> dict[str, Any]:
    sums = told.sums
    return {
        "mall": mall.tag,
        "cases": sums.cases,
        "stopped": sums.stopped,
        "checked": sums.checked,
        "different": sums.different,
        "points_saved": sums.points_saved,
        "cents_saved": sums.cents_saved,
        "open": told.waiting,
        "oldest_open_at": told.oldest_at.isoformat() if told.oldest_at else None,
    }


def _mail(mail: DailyMail) -> dict[str, Any]:
    state = "sent" if mail.sent_at else "given up" if mail.is_given_up else "waits"
    return {"mall": mail.mall.tag, "address": mail.address, "state": state, "last_fault": mail.last_fault}
