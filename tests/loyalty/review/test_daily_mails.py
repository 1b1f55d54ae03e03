"""The morning's mail to ops: once per mall, day and address, tried again after a failure, and in their language."""

import csv
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from email import message_from_bytes
from email.policy import default
from io import BytesIO, StringIO
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from django.core import mail
from django.db import connection
from openpyxl import load_workbook

from loyalty.earning.models import DuplicateCase, Transaction
from loyalty.review import daily_mails, tasks
from loyalty.review.daily_mails import Sent
from loyalty.review.models import DailyMail
from pms import clock
from pms.clock import HONG_KONG
from pms.models import Mall
from tests import factories
from tests.test_commands import call

NOON = datetime(2026, 5, 4, 12, 0, tzinfo=HONG_KONG)
MORNING = datetime(2026, 5, 5, 6, 0, tzinfo=HONG_KONG)
OPS = [("*", "ops@example.com", "en")]
SITE = "https://points.example.com"


@pytest.fixture
def mall() -> Mall:
    return made()


@pytest.fixture(autouse=True)
def staff_site(settings: Any) -> None:
    settings.STAFF_URL = SITE


def made(**names: str) -> Mall:
    return factories.MallFactory.create(
        **{"tag": "harbour/plaza", "name_en": "Harbour Plaza", "name_zh": "海港廣場"} | names
    )


def stopped(mall: Mall, **values: Any) -> DuplicateCase:
    """A receipt of a member with a phone, found by a person to be the wallet's payment."""
    place = factories.StoreFactory.create(mall=mall, name_en="Noodles", name_zh="麵家")
    later = factories.TransactionFactory.create(mall=mall, store=place, channel=Transaction.Channel.COUNTER)
    known = {
        "state": "SAME", "decided_at": NOON, "decided_by": factories.UserFactory.create(), "points_saved": 688,
        "cents_saved": 123450, "opened_at": NOON,
    }  # fmt: skip
    return factories.DuplicateCaseFactory.create(transaction=later, **known | values)


def run(now: datetime = MORNING, addressees: Any = OPS) -> Sent:
    return daily_mails.run(addressees=addressees, now=now)


@pytest.mark.django_db
def test_the_mail_tells_the_day_with_figures_age_and_a_link(mall: Mall) -> None:
    stopped(mall)
    stopped(mall, state="DIFFERENT", points_saved=0, cents_saved=0)
    stopped(mall, state="OPEN", decided_at=None, decided_by=None, points_saved=0, cents_saved=0,
            opened_at=MORNING - timedelta(days=3))  # fmt: skip

    assert run() == Sent(sent=1, failed=0)

    [sent] = mail.outbox
    assert sent.to == ["ops@example.com"]
    assert sent.subject == "Duplicates 4 May 2026, Harbour Plaza: 1 stopped, 1 open"
    for words in (
        "Duplicates at Harbour Plaza on 4 May 2026", "Cases that day: 2", "Stopped: 1", "Points saved: 688",
        "HK$ saved: HK$1,234.50", "False positives: 50.0% of 2 decided by people", "Open now: 1",
        "Oldest open: for 3 d, since 2026-05-02 06:00",
        f"{SITE}/admin/earning/duplicatecase/report/?since=2026-05-04&until=2026-05-04&mall={mall.pk}",
    ):  # fmt: skip
        assert words in str(sent.body), words


@pytest.mark.django_db
def test_the_day_is_attached_as_files_that_open_with_correct_chinese(mall: Mall) -> None:
    stopped(mall)
    run()

    whole = message_from_bytes(mail.outbox[0].message().as_bytes(), policy=default)

    files = {part.get_filename(): part.get_content() for part in whole.iter_attachments()}
    table, book = (
        files["duplicates-harbour-plaza-2026-05-04.csv"],
        files["duplicates-harbour-plaza-2026-05-04.xlsx"],
    )
    text = table.encode() if isinstance(table, str) else table
    rows = list(csv.reader(StringIO(text.decode("utf-8-sig"))))
    assert rows[1][:5] == ["By mall", "Harbour Plaza", "海港廣場", "1", "1"]
    assert load_workbook(BytesIO(book))["By store"]["B2"].value == "麵家 · 海港廣場"


@pytest.mark.django_db
def test_each_address_is_written_to_in_its_language(mall: Mall) -> None:
    run(addressees=[*OPS, ("harbour/plaza", "desk@example.com", "zh-hant")])

    chinese = next(sent for sent in mail.outbox if sent.to == ["desk@example.com"])
    assert chinese.subject == "重複交易 2026年5月4日，海港廣場：已攔截 0 宗，待處理 0 宗"
    assert "海港廣場 2026年5月4日 的重複交易" in str(chinese.body)
    assert "Harbour" not in str(chinese.body).replace("harbour", "")


@pytest.mark.django_db
def test_a_mall_is_mailed_to_its_own_addresses_and_to_those_of_every_mall(mall: Mall) -> None:
    made(tag="other", name_en="Other Mall")

    run(addressees=[*OPS, ("other", "other@example.com", "en")])

    told = sorted((sent.to[0], sent.subject.partition(", ")[2].partition(":")[0]) for sent in mail.outbox)
    assert told == [
        ("ops@example.com", "Harbour Plaza"), ("ops@example.com", "Other Mall"), ("other@example.com", "Other Mall"),
    ]  # fmt: skip


@pytest.mark.django_db
def test_a_mail_tells_no_phone_no_name_and_no_secret(mall: Mall, settings: Any) -> None:
    case = stopped(mall)
    run()

    whole = mail.outbox[0].message().as_string()
    said = whole + str(mail.outbox[0].body) + "".join(str(file) for file in mail.outbox[0].attachments)
    member = case.transaction.member
    for secret in (member.phone, member.name, member.card_number, member.email, settings.SECRET_KEY):
        assert secret not in said


@pytest.mark.django_db
def test_without_an_address_nothing_is_planned_or_sent(mall: Mall) -> None:
    assert run(addressees=[]) == Sent(sent=0, failed=0)
    assert (len(mail.outbox), DailyMail.objects.count()) == (0, 0)


@pytest.mark.django_db
def test_a_day_is_told_when_its_late_notices_are_in(mall: Mall) -> None:
    run(now=MORNING - timedelta(minutes=1))

    assert mail.outbox == []


@pytest.mark.django_db
def test_a_day_is_mailed_once_however_often_it_runs(mall: Mall) -> None:
    for minutes in range(0, 600, 5):
        run(now=MORNING + timedelta(minutes=minutes))

    assert len(mail.outbox) == 1
    assert run(now=MORNING + timedelta(days=1)) == Sent(sent=1, failed=0)


@pytest.mark.django_db
def test_what_failed_is_tried_again_and_then_given_up(mall: Mall, settings: Any) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1

    assert run() == Sent(sent=0, failed=1)

    row = DailyMail.objects.get()
    assert (row.attempts, row.due_at, row.last_fault) == (
        1,
        MORNING + timedelta(minutes=1),
        "ConnectionRefusedError",
    )
    assert run() == Sent(sent=0, failed=0)
    tries = 1
    for minutes in range(1, 24 * 60):
        tries += daily_mails.send_due(now=MORNING + timedelta(minutes=minutes)).failed
    row.refresh_from_db()
    assert (tries, row.is_given_up) == (8, True)
    daily_mails.send_again(mail=row, now=MORNING + timedelta(days=2))
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    assert daily_mails.send_due(now=MORNING + timedelta(days=2)) == Sent(sent=1, failed=0)
    assert "4 May 2026" in mail.outbox[0].subject


@pytest.mark.django_db
def test_one_address_that_fails_does_not_keep_the_others_waiting(mall: Mall) -> None:
    DailyMail.objects.create(mall=mall, report_date=NOON.date(), address="no-such\n@host", language="en",
                             due_at=MORNING - timedelta(hours=1))  # fmt: skip

    run()

    assert [sent.to for sent in mail.outbox] == [["ops@example.com"]]
    assert DailyMail.objects.get(address="no-such\n@host").last_fault == "BadHeaderError"


@pytest.mark.django_db
def test_attempts_at_one_mail_carry_one_id(mall: Mall) -> None:
    run()
    row = DailyMail.objects.get()

    again = daily_mails.message(row, now=MORNING + timedelta(hours=1))

    assert again.extra_headers["Message-ID"] == mail.outbox[0].extra_headers["Message-ID"]
    assert again.extra_headers["Message-ID"].count("@") == 1


def test_workers_at_one_instant_send_each_mail_once(fresh_database: Any) -> None:
    for number in range(6):
        made(tag=f"mall-{number}")
    barrier = Barrier(4)

    def work(_number: int) -> int:
        try:
            connection.ensure_connection()
            barrier.wait(timeout=30)
            return run().sent
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        sent = list(pool.map(work, range(4)))

    assert (sum(sent), len(mail.outbox)) == (6, 6)
    assert DailyMail.objects.exclude(sent_at=None).count() == 6


@pytest.mark.django_db
def test_the_task_mails_to_whom_the_settings_name(mall: Mall, settings: Any) -> None:
    settings.DAILY_MAIL = OPS
    # Whatever the hour of the test, it is after six somewhere.
    hour = clock.now().astimezone(HONG_KONG).hour
    settings.CLOCK_OFFSET_SECONDS = 0 if hour >= daily_mails.FIRST_HOUR else 6 * 3600

    tasks.mail_duplicates()

    assert len(mail.outbox) == 1


@pytest.mark.django_db
def test_the_command_tells_a_day_and_writes_it_as_files(mall: Mall, tmp_path: Path) -> None:
    stopped(mall)

    done = call("duplicates_report", "--day", "2026-05-04", "--folder", str(tmp_path / "out"), "--json")

    assert (done.returncode, done.stderr) == (0, "")
    [line] = json.loads(done.stdout)["malls"]
    assert (line["mall"], line["cases"], line["stopped"], line["cents_saved"]) == (
        "harbour/plaza",
        1,
        1,
        123450,
    )
    assert line["files"] == [
        "duplicates-harbour-plaza-2026-05-04.csv",
        "duplicates-harbour-plaza-2026-05-04.xlsx",
    ]
    assert (tmp_path / "out" / line["files"][0]).read_bytes().startswith(b"\xef\xbb\xbf")
    assert mail.outbox == []


@pytest.mark.django_db
def test_the_command_mails_what_was_not_mailed_yet(mall: Mall, settings: Any) -> None:
    settings.DAILY_MAIL = OPS
    asked = ("duplicates_report", "--day", "2026-05-04", "--mail", "--json")

    first, second = call(*asked), call(*asked)

    assert [json.loads(done.stdout)["mails"][0]["state"] for done in (first, second)] == ["sent", "sent"]
    assert len(mail.outbox) == 1


@pytest.mark.django_db
def test_the_command_ends_with_1_when_the_server_takes_no_mail(mall: Mall, settings: Any) -> None:
    settings.DAILY_MAIL = OPS
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1

    done = call("duplicates_report", "--day", "2026-05-04", "--mail", "--json")

    assert done.returncode == 1
    assert json.loads(done.stdout)["mails"][0]["last_fault"] == "ConnectionRefusedError"
    assert "tried again" in done.stderr


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--day", "yesterday"), "--day: must be a day such as 2026-11-21."),
        (("--mall", "nowhere"), "--mall: there is no mall nowhere."),
        (("--mail",), "--mail: DAILY_MAIL names no address; docs/runbook.md says how to set it."),
        (("--folder", "/dev/null/x"), "--folder: /dev/null/x cannot be used: Not a directory."),
    ],
)
def test_what_the_command_cannot_do_it_says(mall: Mall, arguments: tuple[str, ...], sentence: str) -> None:
    done = call("duplicates_report", *arguments)

    assert (done.returncode, done.stderr.strip()) == (2, sentence)
    assert DailyMail.objects.count() == 0
