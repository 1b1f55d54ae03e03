"""The morning's mail through a mail server: what arrives there, and what becomes of a mail that it refuses for now."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from io import BytesIO
from typing import Any, cast

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from openpyxl import load_workbook

from loyalty.review import daily_mails
from loyalty.review.daily_mails import Sent
from loyalty.review.models import DailyMail
from pms.models import Mall
from tests import live
from tests.loyalty.review import test_daily_mails
from tests.loyalty.review.test_daily_mails import MORNING, SITE

pytestmark = pytest.mark.django_db
GREYLISTED, TAKEN = "451 4.7.1 Come back later", "250 Taken"


class Postbox:
    """Answers mails with these words in turn, the last of them for good; keeps what it took."""

    def __init__(self, *answers: str) -> None:
        self._answers = list(answers)
        self.mails: list[tuple[list[str], EmailMessage]] = []

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if answer == TAKEN:
            content = cast(bytes, envelope.original_content)
            self.mails.append((envelope.rcpt_tos, message_from_bytes(content, policy=default)))
        return answer


@contextmanager
def serving(postbox: Postbox, settings: Any) -> Iterator[None]:
    server = Controller(postbox, hostname="127.0.0.1", port=live.free_port())
    server.start()
    try:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = server.hostname, server.port
        yield
    finally:
        server.stop()


@pytest.fixture
def mall(settings: Any) -> Mall:
    settings.STAFF_URL = SITE
    return test_daily_mails.made()


@pytest.mark.parametrize("language", ["en", "zh-hant"])
def test_a_mail_arrives_with_its_words_and_both_files_whole(mall: Mall, settings: Any, language: str) -> None:
    test_daily_mails.stopped(mall)
    postbox = Postbox(TAKEN)

    with serving(postbox, settings):
        sent = daily_mails.run(addressees=[("*", "ops@example.com", language)], now=MORNING)

    [(addresses, mail)] = postbox.mails
    files = {part.get_filename(): part.get_payload(decode=True) for part in mail.iter_attachments()}
    [table] = [cast(bytes, content) for name, content in files.items() if str(name).endswith(".csv")]
    [book] = [cast(bytes, content) for name, content in files.items() if str(name).endswith(".xlsx")]
    body = mail.get_body(("plain",))
    assert (sent, addresses) == (Sent(sent=1, failed=0), ["ops@example.com"])
    assert ("海港廣場" if language == "zh-hant" else "Harbour Plaza") in mail["subject"]
    assert body is not None
    assert SITE in body.get_content()
    assert "麵家" in table.decode("utf-8-sig")
    sheets = load_workbook(BytesIO(book)).worksheets
    assert any("麵家" in str(cell) for sheet in sheets for row in sheet.values for cell in row)


def test_a_mail_that_the_server_refuses_for_now_arrives_once_later(mall: Mall, settings: Any) -> None:
    postbox = Postbox(GREYLISTED, TAKEN)

    with serving(postbox, settings):
        first = daily_mails.run(addressees=[("*", "ops@example.com", "en")], now=MORNING)
        again = [daily_mails.send_due(now=MORNING + timedelta(minutes=minutes)) for minutes in (1, 2, 3)]

    assert (first, sum(one.sent for one in again)) == (Sent(sent=0, failed=1), 1)
    assert len(postbox.mails) == 1
    assert DailyMail.objects.get().attempts == 2
