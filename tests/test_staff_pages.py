"""Pages of members, transactions, messages and cards: what they tell, what they mask, what their buttons do."""

import json
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from alipayhk import masking
from alipayhk.models import Notification
from members import lookup
from members.models import Pass
from tests import factories, screens, walls
from tests.factories import (
    AwardFactory,
    CardTemplateFactory,
    ContactChangeFactory,
    MemberFactory,
    NotificationFactory,
    PassFactory,
    PassUpdateFactory,
    RefundFactory,
    TransactionFactory,
)
from tests.screens import page_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def root() -> Client:
    return screens.seen_all()


def test_a_phone_is_masked_until_somebody_asks_and_that_is_noted(root: Client) -> None:
    member = MemberFactory.create(phone="+85261234567", email="mei@example.com")

    listed = root.get(reverse("admin:members_member_changelist"), {"q": "6123 4567"}).content.decode()
    before = root.get(page_of(member)).content.decode()
    root.post(page_of(member, "deed", "reveal"))
    asked = root.get(page_of(member)).content.decode()
    after = root.get(page_of(member)).content.decode()

    assert "+852 •••• 4567" in listed
    assert "61234567" not in listed.replace("6123 4567", "") + before + after
    assert "+85261234567" in asked
    assert "mei@example.com" in asked
    assert LogEntry.objects.filter(object_id=str(member.pk)).count() == 1


def test_contacts_and_secrets_in_raw_messages_are_masked(root: Client) -> None:
    """B165."""
    body = json.dumps(
        {"mobileNo": "852-98765432", "userEmail": "mei@example.com", "userId": "2160120037098191"}
    )
    head = {
        "Client-Id": "2110200000000044",
        "Signature": "algorithm=RSA256,keyVersion=1,signature=SECRETSIGN",
        "Agent-Token": "TOKEN",
    }
    notice = NotificationFactory.create(raw_body=body.encode(), headers=head)

    page = root.get(page_of(notice)).content.decode()

    assert [secret for secret in ("98765432", "mei@example", "SECRETSIGN", "TOKEN<") if secret in page] == []
    assert "2160120037098191" in page
    assert "keyVersion=1" in page


@pytest.mark.parametrize("raw", [b"\xff\xfe", b"", b"{", b"[" * 50_000, b"a" * 200_000, b'{"a": 1e999999}'])
def test_any_raw_message_can_be_shown(raw: bytes) -> None:
    assert len(masking.body(raw)) <= 4 * masking.LONGEST_SHOWN


@pytest.mark.parametrize("by", ["phone", "local phone", "email", "card", "user", "pass", "bill"])
def test_one_box_finds_a_member_by_whatever_is_read_out(root: Client, by: str) -> None:
    wallet_pass = PassFactory.create(
        active=True, member__phone="+85261234567", member__email="mei@example.com"
    )
    member = wallet_pass.member
    MemberFactory.create(program=member.program)
    purchase = TransactionFactory.create(mall__group=member.program.group, member=member)
    said = {
        "phone": "+852 6123 4567", "local phone": "61234567", "email": "Mei@Example.com".lower(),
        "card": member.card_number, "user": wallet_pass.user_id, "pass": wallet_pass.external_id,
        "bill": purchase.payment_number,
    }  # fmt: skip

    page = root.get(reverse("admin:members_member_changelist"), {"q": f" {said[by]} "}).content.decode()

    assert page_of(member) in page
    assert page.count('<tr><th class="field-card') + page.count("<tr><td") <= 1


def test_a_look_up_uses_an_index_each() -> None:
    member = MemberFactory.create()

    with CaptureQueriesContext(connection) as asked:
        lookup.find(member.card_number, group_ids=[member.program.group_id], mall_ids=[1])

    assert len(asked) == 7
    assert [query["sql"] for query in asked if "LIKE" in query["sql"].upper()] == []


def test_a_transaction_tells_its_story(root: Client) -> None:
    award = AwardFactory.create(
        points=138,
        conditions=[
            {"condition": "MIN_SPEND", "is_met": True, "found": "138.90"},
            {"condition": "CONSENT", "is_met": False, "found": "none in force"},
        ],
    )
    purchase = award.transaction
    RefundFactory.create(transaction=purchase, number="R77", reasons=[{"code": "STILL_CAPPED", "values": {}}])
    NotificationFactory.create(mall=purchase.mall, transaction=purchase, key="NOTICE77")

    page = root.get(page_of(purchase)).content.decode()

    for words in (
        "HK$138.90", "138 points for spending HK$138.90.", "消費 HK$138.90，獲 138 分。", "Minimum spend", "✗",
        "none in force", "R77", "After the refund the spend still reaches the limit", "NOTICE77",
        purchase.payment_number,
    ):  # fmt: skip
        assert words in page, words


def test_a_message_is_judged_again_by_the_same_function(root: Client) -> None:
    notice = NotificationFactory.create(parked=True)

    answer = root.post(page_of(notice, "deed", "try-again"), follow=True)

    notice.refresh_from_db()
    assert answer.status_code == 200
    assert LogEntry.objects.filter(object_id=str(notice.pk)).exists()


def test_a_deed_that_is_not_offered_is_refused(root: Client) -> None:
    notice = NotificationFactory.create(state=Notification.State.PROCESSED)

    answer = root.post(page_of(notice, "deed", "confirm"))

    notice.refresh_from_db()
    assert answer.status_code == 403
    assert not notice.is_confirmed
    assert not LogEntry.objects.exists()


def test_a_deed_is_not_done_by_looking(root: Client) -> None:
    update = PassUpdateFactory.create(dead_at=factories.MOMENT)

    answer = root.get(page_of(update, "deed", "send-again"))

    update.refresh_from_db()
    assert answer.status_code == 405
    assert update.dead_at is not None


def test_a_dead_letter_is_sent_again(root: Client) -> None:
    update = PassUpdateFactory.create(dead_at=factories.MOMENT, attempts=6)
    CardTemplateFactory.create(credential__mall=update.wallet_pass.mall)

    root.post(page_of(update, "deed", "send-again"))

    update.refresh_from_db()
    assert update.dead_at is None
    assert update.due_at is not None
    assert update.attempts == 0


def test_the_pass_id_of_an_existing_card_is_entered(root: Client) -> None:
    update = PassUpdateFactory.create(wallet_pass__state=Pass.State.EXISTS_UNKNOWN, dead_at=factories.MOMENT)

    refused = root.post(page_of(update, "deed", "enter-pass-id"), {"typed": "not an id!"})
    still = Pass.objects.get(pk=update.wallet_pass_id)
    root.post(page_of(update, "deed", "enter-pass-id"), {"typed": "2020091119027102160530200000001"})

    kept = Pass.objects.get(pk=update.wallet_pass_id)
    assert 'value="not an id!"' in refused.content.decode()
    assert still.state == Pass.State.EXISTS_UNKNOWN
    assert kept.external_id == "2020091119027102160530200000001"
    assert kept.state == Pass.State.ACTIVE


def test_who_may_only_look_is_offered_no_deed(client: Client) -> None:
    mall = walls.mall_with("M")
    notice = NotificationFactory.create(parked=True, mall=mall)
    client.force_login(walls.staff_of(mall, "REVIEWER"))

    page = client.get(page_of(notice))
    posted = client.post(page_of(notice, "deed", "try-again"))

    assert page.status_code == 200
    assert b"/do/try-again/" not in page.content
    assert posted.status_code == 403


def test_today_counts_what_happened_and_compares_it(root: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pms.clock.now", lambda: factories.MOMENT)
    AwardFactory.create(points=138)
    NotificationFactory.create(parked=True)
    PassUpdateFactory.create(dead_at=factories.MOMENT, last_code="PARAM_ILLEGAL")

    with CaptureQueriesContext(connection) as asked:
        page = root.get(reverse("admin:index")).content.decode()
    chart = root.get(reverse("admin:today")).json()["chart"]

    assert "none last Monday by now" in page
    assert "1 given up on" in page
    assert chart["payments"][12] == 1
    assert chart["points"][12] == 138
    assert chart["payments"][13] is None
    assert len(asked) <= 40


def test_the_front_page_looks_at_days_by_index(root: Client) -> None:
    """On millions of rows a filter without an index would be seen at once."""
    TransactionFactory.create()

    with connection.cursor() as cursor, CaptureQueriesContext(connection) as asked:
        root.get(reverse("admin:index"))
        cursor.execute("SET LOCAL enable_seqscan = off")
        plans = [
            _plan(cursor, query["sql"]) for query in asked if 'FROM "earning_transaction"' in query["sql"]
        ]

    assert plans
    assert [plan for plan in plans if "Seq Scan on earning_transaction" in plan] == []


def _plan(cursor: Any, statement: str) -> str:
    cursor.execute("EXPLAIN " + statement.replace("%", "%%") if "%" in statement else "EXPLAIN " + statement)
    return "\n".join(row[0] for row in cursor.fetchall())


def test_a_message_is_found_by_number_and_by_user(root: Client) -> None:
    waiting = NotificationFactory.create(parked=True)
    wallet_pass = PassFactory.create()
    judged = NotificationFactory.create(member=wallet_pass.member)
    asked = [waiting.key, waiting.user_id, judged.key, wallet_pass.user_id, "nobody"]

    address = reverse("admin:alipayhk_notification_changelist")
    found = [root.get(address, {"q": text}).content.decode() for text in asked]

    assert [page_of(waiting) in page for page in found] == [True, True, False, False, False]
    assert [page_of(judged) in page for page in found] == [False, False, True, True, False]


def test_a_message_that_waits_for_a_store_leads_to_the_form_that_adds_it(root: Client) -> None:
    notice = NotificationFactory.create(parked=True, waits_for="STORE:PMS0999", reason="PARKED_UNKNOWN_STORE")

    page = root.get(page_of(notice)).content.decode()
    mapping = root.get(
        reverse("admin:alipayhk_map_store"), {"mall": str(notice.mall_id), "name": "PMS0999"}
    ).content.decode()
    form = root.get(
        reverse("admin:pms_store_add"), {"mall": str(notice.mall_id), "pms_label": "PMS0999"}
    ).content.decode()

    assert "name=PMS0999" in page
    assert "pms_label=PMS0999" in mapping
    assert 'value="PMS0999"' in form


def test_a_queue_opens_on_what_is_open_oldest_first(root: Client) -> None:
    late = NotificationFactory.create(parked=True, received_at=factories.MOMENT.replace(hour=9))
    early = NotificationFactory.create(parked=True, received_at=factories.MOMENT.replace(hour=1))
    done = NotificationFactory.create()

    page = root.get(reverse("admin:alipayhk_notification_changelist")).content.decode()

    assert page.index(page_of(early)) < page.index(page_of(late))
    assert page_of(done) not in page


def test_the_sidebar_counts_what_waits(root: Client) -> None:
    NotificationFactory.create(parked=True)
    NotificationFactory.create(state=Notification.State.CONFLICT, reason="CONFLICTING_CONTENT")

    page = root.get(reverse("admin:members_member_changelist")).content.decode()

    assert '<span class="word">Waiting</span><span class="count">2</span>' in page


def test_a_conflict_that_was_seen_leaves_the_queue(root: Client) -> None:
    notice = NotificationFactory.create(state=Notification.State.CONFLICT, reason="CONFLICTING_CONTENT")
    address = reverse("admin:alipayhk_notification_changelist")
    before = root.get(address).content.decode()

    root.post(page_of(notice, "deed", "acknowledge"))

    notice.refresh_from_db()
    assert page_of(notice) in before
    assert page_of(notice) not in root.get(address).content.decode()
    assert notice.state == Notification.State.CONFLICT


def test_a_contact_change_is_taken_over_from_its_page(root: Client) -> None:
    change = ContactChangeFactory.create(phone="+85261234567")
    holder = MemberFactory.create(program=change.member.program, phone="+85261234567")

    refused = root.post(page_of(change, "deed", "take-over")).content.decode()
    holder.phone = "+85290000000"
    holder.save()
    root.post(page_of(change, "deed", "take-over"))

    change.member.refresh_from_db()
    assert "Another member has this phone number" in refused
    assert change.member.phone == "+85261234567"
