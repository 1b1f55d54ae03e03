"""Staff screens: cheap lists, frozen records, masked people, sealed secrets, inert text, deeds that call the domain."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.db.models import Model
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from factory.django import DjangoModelFactory

from alipayhk import masking, sealed, signature
from alipayhk.models import CredentialKey, Notification, PassUpdate
from loyalty.earning.models import Award, Transaction
from loyalty.ledger.models import PointEntry
from members import lookup
from members.models import Member, Pass
from pms.models import Store, User
from pms.records import RecordAdmin
from pms.scoping import ScopedModelAdmin
from tests import factories, walls
from tests.factories import (
    AwardFactory,
    CardTemplateFactory,
    ConsentFactory,
    CredentialFactory,
    CredentialKeyFactory,
    MemberFactory,
    NotificationFactory,
    PassCallFactory,
    PassFactory,
    PassUpdateFactory,
    RefundFactory,
    StoreFactory,
    TransactionFactory,
    UserFactory,
    key_pair,
)

pytestmark = pytest.mark.django_db

MOST_QUERIES = 22
FACTORIES: dict[type[Model], Any] = {
    found._meta.model: found
    for found in vars(factories).values()
    if isinstance(found, type) and issubclass(found, DjangoModelFactory)
}
SCREENS = list(admin.site._registry.values())
FROZEN = [screen for screen in SCREENS if isinstance(screen, RecordAdmin)]
HOSTILE = '<script>alert(1)</script>"><img onerror=alert(1) src=x>{{7*7}}'


def name(screen: Any) -> str:
    return f"{screen.opts.app_label}_{screen.opts.model_name}"


def page_of(row: Model, kind: str = "change", *more: str) -> str:
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_{kind}", args=[row.pk, *more])


@pytest.fixture
def root(client: Client) -> Client:
    client.force_login(UserFactory.create(is_superuser=True, username="root"))
    return client


@pytest.fixture
def rows() -> Callable[[Any, int], list[Model]]:
    def make(screen: Any, count: int) -> list[Model]:
        if screen.model is User:  # hashing fifty passwords would take longer than everything else
            return User.objects.bulk_create(User(username=f"login-{count}-{n}") for n in range(count))  # type: ignore[return-value]
        return [FACTORIES[screen.model].create() for _ in range(count)]

    return make


@pytest.mark.parametrize("screen", SCREENS, ids=name)
def test_a_list_costs_the_same_few_queries_however_long_it_is(
    root: Client, screen: Any, rows: Callable[[Any, int], list[Model]]
) -> None:
    rows(screen, 2)
    address = reverse(f"admin:{name(screen)}_changelist") + ("?show=all" if screen.open_since else "")
    root.get(address)
    with CaptureQueriesContext(connection) as short:
        root.get(address)
    rows(screen, 48)

    with CaptureQueriesContext(connection) as long:
        page = root.get(address)

    assert page.status_code == 200
    assert page.content.count(b"<tr") >= 40
    assert len(long) <= len(short) + 1
    assert len(long) <= MOST_QUERIES


@pytest.mark.parametrize("screen", SCREENS, ids=name)
def test_a_screen_can_be_searched_and_never_counts_a_big_table(screen: Any) -> None:
    assert isinstance(screen, ScopedModelAdmin)
    assert screen.search_fields
    assert screen.show_full_result_count is False
    assert screen.empty_words


@pytest.mark.parametrize("screen", SCREENS, ids=name)
def test_an_empty_list_says_what_will_be_there(root: Client, screen: Any) -> None:
    page = root.get(reverse(f"admin:{name(screen)}_changelist"), {"q": "no-such-thing"})

    assert page.status_code == 200
    assert b'class="empty"' in page.content


@pytest.mark.parametrize("screen", FROZEN, ids=name)
def test_a_record_is_never_added_changed_or_deleted_by_form(root: Client, screen: Any) -> None:
    """B208."""
    row = FACTORIES[screen.model].create()
    before = list(screen.model._default_manager.filter(pk=row.pk).values())

    codes = [
        root.post(page_of(row), {"_save": "1"}).status_code,
        root.post(page_of(row, "delete"), {"post": "yes"}).status_code,
        root.post(reverse(f"admin:{name(screen)}_add"), {"_save": "1"}).status_code,
    ]

    assert codes == [403, 403, 403]
    assert list(screen.model._default_manager.filter(pk=row.pk).values()) == before


@pytest.mark.parametrize("screen", SCREENS, ids=name)
@pytest.mark.parametrize("pk", ["abc", "1" + "0" * 30, "1;", "%00"])
def test_an_unreadable_id_is_not_found(root: Client, screen: Any, pk: str) -> None:
    """B169."""
    page = root.get(reverse(f"admin:{name(screen)}_change", args=["1"]).replace("/1/", f"/{pk}/"))

    assert page.status_code == 404


@pytest.mark.parametrize("query", ["%", "_", "'", "\x00", "x" * 10_000, '"', "\\", "+852 6123 4567"])
@pytest.mark.parametrize(
    "screen", ["members_member", "earning_transaction", "alipayhk_notification", "pms_store"]
)
def test_a_search_takes_any_text(root: Client, screen: str, query: str) -> None:
    """B166."""
    page = root.get(reverse(f"admin:{screen}_changelist"), {"q": query})

    assert page.status_code in (200, 400)


@pytest.mark.parametrize(
    ("query", "codes"),
    [
        ("p=99999999", {200, 302}),
        ("o=-9", {200}),
        ("e=1", {200}),
        ("_to_field=x", {400}),
        ("member__user__password__startswith=p", {400}),
        ("member__phone__startswith=%2B8526", {400}),
        ("phone__startswith=%2B8526", {400}),
        ("state__exact=%00", {400}),
        ("day=2026-02-31", {200}),
        ("day=today", {200}),
        ("day=0001-01-01", {200}),
    ],
)
@pytest.mark.parametrize("screen", ["members_member", "earning_transaction"])
def test_a_crooked_address_is_answered_calmly(root: Client, screen: str, query: str, codes: set[int]) -> None:
    """B167, B168, B170."""
    if query.startswith("day=") and screen == "members_member":
        codes = {400}

    page = root.get(f"{reverse(f'admin:{screen}_changelist')}?{query}")

    assert page.status_code in codes


def test_a_day_that_is_none_is_said_and_filters_nothing(root: Client) -> None:
    """B170."""
    TransactionFactory.create(merchant_name="Still here")

    page = root.get(reverse("admin:earning_transaction_changelist"), {"day": "2026-02-31"})

    assert "“2026-02-31” is not a day" in page.content.decode()
    assert page.content.count(b"<tr") > 1


@pytest.mark.parametrize("next_page", ["//evil.example", "javascript:alert(1)", "https://evil.example/"])
def test_nobody_is_sent_elsewhere_after_logging_in(client: Client, next_page: str) -> None:
    """B198."""
    UserFactory.create(username="ada", is_superuser=True)
    address = reverse("admin:login") + f"?next={next_page}"

    answer = client.post(address, {"username": "ada", "password": factories.PASSWORD, "next": next_page})
    chosen = client.post(reverse("set_language"), {"language": "zh-hant", "next": next_page})

    assert "evil" not in answer["Location"] + chosen["Location"]
    assert "javascript" not in answer["Location"] + chosen["Location"]


def test_stored_text_is_inert_on_every_page(root: Client) -> None:
    """B165, B199, B200."""
    member = MemberFactory.create(name=HOSTILE)
    store = StoreFactory.create(name_en=HOSTILE, name_zh=HOSTILE, category="<b>")
    purchase = TransactionFactory.create(mall=store.mall, store=store, member=member, merchant_name=HOSTILE)
    notice = NotificationFactory.create(
        mall=store.mall, transaction=purchase, detail=HOSTILE, reason="X", raw_body=HOSTILE.encode(),
        headers={"Client-Id": HOSTILE}, tracer_id=HOSTILE,
    )  # fmt: skip
    update = PassUpdateFactory.create(wallet_pass__member=member, last_code=HOSTILE[:60])
    PassCallFactory.create(update=update, detail=HOSTILE, request_body=HOSTILE, answer_body=HOSTILE)

    pages = [root.get(page_of(row)) for row in (member, store, purchase, notice, update)]
    pages += [
        root.get(reverse(f"admin:{screen}_changelist")) for screen in ("pms_store", "earning_transaction")
    ]

    assert {page.status_code for page in pages} == {200}
    assert [
        page for page in pages if b"<script>alert" in page.content or b"<img onerror" in page.content
    ] == []
    assert [page for page in pages if b"{{7*7}}" not in page.content] == []
    assert {page["X-Frame-Options"] for page in pages} == {"DENY"}
    assert all("default-src 'self'" in page["Content-Security-Policy"] for page in pages)
    assert all("frame-ancestors 'none'" in page["Content-Security-Policy"] for page in pages)


@pytest.mark.parametrize("screen", SCREENS, ids=name)
def test_no_page_holds_inline_script_or_style(root: Client, screen: Any) -> None:
    row = FACTORIES[screen.model].create()
    kinds = ["change", "history"]

    pages = [root.get(page_of(row, kind)).content.decode() for kind in kinds]
    pages += [root.get(reverse(f"admin:{name(screen)}_changelist")).content.decode()]

    found = [page for page in pages for mark in ("<style", "style=", "<script>", "onclick=") if mark in page]
    assert found == []


def test_a_page_is_small(root: Client) -> None:
    award = AwardFactory.create()

    sizes = [
        len(root.get(address).content)
        for address in (
            reverse("admin:index"),
            page_of(award.transaction),
            reverse("admin:earning_transaction_changelist"),
        )
    ]

    assert max(sizes) < 200_000


def test_lists_do_not_load_messages(root: Client) -> None:
    """B165: bodies of 64 KB stay in the table."""
    NotificationFactory.create(raw_body=b"x" * 65_536)

    with CaptureQueriesContext(connection) as asked:
        root.get(reverse("admin:alipayhk_notification_changelist"), {"show": "all"})

    assert [query["sql"] for query in asked if "raw_body" in query["sql"]] == []


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


def _key_form(credential: Any, **fields: str) -> dict[str, str]:
    kept = {
        field: str(getattr(credential, field))
        for field in ("client_id", "merchant_id", "app_id", "environment", "gateway_url", "encryption")
    }
    counts = {
        f"{part}-{word}": "0"
        for part in ("keys", "card_template")
        for word in ("TOTAL_FORMS", "INITIAL_FORMS")
    }
    return {**kept, "client_ids": "[]", "path_prefix": "", **counts, **fields}


def _seen(root: Client, row: Model) -> str:
    page = root.get(page_of(row)).content.decode()
    return page.split('name="seen" value="')[1].split('"')[0]


def test_a_private_key_goes_in_sealed_and_never_comes_out(root: Client) -> None:
    credential = CredentialFactory.create()
    pair = key_pair("admin form")
    text = signature.private_pem(pair)
    fields = {
        "seen": _seen(root, credential), "keys-TOTAL_FORMS": "1", "keys-0-side": "OURS", "keys-0-version": "1",
        "keys-0-state": "ACTIVE", "keys-0-key": text,
    }  # fmt: skip

    saved = root.post(page_of(credential), _key_form(credential, **fields))

    key = CredentialKey.objects.get(credential=credential)
    page = root.get(page_of(credential)).content.decode() + root.get(page_of(key)).content.decode()
    assert saved.status_code == 302
    assert signature.private_pem(signature.read_private_key(sealed.unseal(key.sealed_private_key))) == text
    assert key.fingerprint in page
    assert [
        secret for secret in ("PRIVATE KEY", key.sealed_private_key, text.splitlines()[3]) if secret in page
    ] == []


@pytest.mark.parametrize("text", ["rubbish", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"])
def test_an_unreadable_key_is_refused_and_nothing_kept(root: Client, text: str) -> None:
    credential = CredentialFactory.create()
    fields = {
        "seen": _seen(root, credential), "keys-TOTAL_FORMS": "1", "keys-0-side": "ALIPAYHK", "keys-0-version": "1",
        "keys-0-state": "ACTIVE", "keys-0-key": text,
    }  # fmt: skip

    answer = root.post(page_of(credential), _key_form(credential, **fields))

    assert answer.status_code == 200
    assert b"not an RSA key" in answer.content
    assert not CredentialKey.objects.exists()


def test_a_gateway_off_the_list_is_refused(root: Client) -> None:
    credential = CredentialFactory.create()
    fields = {"seen": _seen(root, credential), "gateway_url": "https://evil.example"}

    answer = root.post(page_of(credential), _key_form(credential, **fields))

    credential.refresh_from_db()
    assert answer.status_code == 200
    assert b"ALIPAYHK_GATEWAY_HOSTS" in answer.content
    assert credential.gateway_url == "http://127.0.0.1:9000"


def test_an_agent_token_is_written_and_not_shown(root: Client) -> None:
    credential = CredentialFactory.create()
    fields = {"seen": _seen(root, credential), "agent_token": "TOKEN-4711"}

    saved = root.post(page_of(credential), _key_form(credential, **fields))

    credential.refresh_from_db()
    assert saved.status_code == 302
    assert sealed.unseal(credential.sealed_agent_token) == "TOKEN-4711"
    assert b"TOKEN-4711" not in root.get(page_of(credential)).content


def test_a_key_is_revoked_once_and_noted(root: Client) -> None:
    key = CredentialKeyFactory.create()

    root.post(page_of(key, "deed", "revoke"))
    again = root.post(page_of(key, "deed", "revoke"))

    key.refresh_from_db()
    assert key.state == CredentialKey.State.REVOKED
    assert key.revoked_at is not None
    assert again.status_code == 403
    assert LogEntry.objects.filter(object_id=str(key.pk)).count() == 1


def test_the_second_of_two_who_save_one_row_is_told(root: Client) -> None:
    """B171, on the rows that are edited by form."""
    store = StoreFactory.create(name_en="First")
    form = {
        "seen": _seen(root, store), "pms_label": store.pms_label, "name_zh": store.name_zh, "state": "ACTIVE",
        "code": store.code, "category": "", "partner_id": store.partner_id, "merchant_id": store.merchant_id,
        "store_id": store.store_id,
    }  # fmt: skip

    first = root.post(page_of(store), {**form, "name_en": "Second"})
    second = root.post(page_of(store), {**form, "name_en": "Third"})

    assert first.status_code == 302
    assert second.status_code == 200
    assert b"Somebody else saved this" in second.content
    assert b'value="Third"' in second.content
    assert Store.objects.get(pk=store.pk).name_en == "Second"


def test_a_new_store_belongs_to_the_group_of_its_mall(root: Client) -> None:
    mall = walls.mall_with("M")
    form = {"mall": mall.pk, "pms_label": "PMS77", "name_en": "New", "name_zh": "新", "state": "ACTIVE"}

    saved = root.post(reverse("admin:pms_store_add"), form)

    assert saved.status_code == 302
    assert Store.objects.get(pms_label="PMS77").group == mall.group


def test_a_second_store_with_the_same_label_is_refused_in_words(root: Client) -> None:
    store = StoreFactory.create()
    form = {
        "mall": store.mall_id,
        "pms_label": store.pms_label,
        "name_en": "New",
        "name_zh": "新",
        "state": "ACTIVE",
    }

    answer = root.post(reverse("admin:pms_store_add"), form)

    assert answer.status_code == 200
    assert b"Another store of this group has this PMS label." in answer.content
    assert Store.objects.count() == 1


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


def test_names_of_django_apps_never_show(root: Client) -> None:
    pages: Iterator[str] = (
        root.get(address).content.decode()
        for address in (reverse("admin:index"), reverse("admin:earning_transaction_changelist"))
    )

    assert [page for page in pages if "administration" in page or "Authentication and" in page] == []
    assert root.get("/admin/pms/").status_code == 404


def test_the_models_that_matter_have_screens() -> None:
    shown = {screen.model for screen in SCREENS}

    assert {Member, Transaction, PointEntry, Notification, PassUpdate, Store, User} <= shown
    assert Award not in shown
    assert ConsentFactory._meta.model not in shown
