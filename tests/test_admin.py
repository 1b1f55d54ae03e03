"""Staff screens as a whole: cheap lists, frozen records, inert text, calm answers to crooked addresses."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection
from django.db.models import Model
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from alipayhk.models import Notification, PassUpdate
from loyalty.earning.models import Award, Transaction
from loyalty.ledger.models import PointEntry
from members.models import Member
from pms.models import Store, User
from pms.scoping import ScopedModelAdmin
from tests import factories, screens
from tests.factories import (
    AwardFactory,
    ConsentFactory,
    MemberFactory,
    NotificationFactory,
    PassCallFactory,
    PassUpdateFactory,
    StoreFactory,
    TransactionFactory,
    UserFactory,
)
from tests.screens import FACTORIES, FROZEN, SCREENS, name, page_of

pytestmark = pytest.mark.django_db

MOST_QUERIES = 25
HOSTILE = '<script>alert(1)</script>"><img onerror=alert(1) src=x>{{7*7}}'


@pytest.fixture
def root() -> Client:
    return screens.seen_all()


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
    """B208. What is asked for on a page of its own, such as a back-test, needs that page's answers."""
    row = FACTORIES[screen.model].create()
    before = list(screen.model._default_manager.filter(pk=row.pk).values())
    count = screen.model._default_manager.count()

    codes = [
        root.post(page_of(row), {"_save": "1"}).status_code,
        root.post(page_of(row, "delete"), {"post": "yes"}).status_code,
        root.post(reverse(f"admin:{name(screen)}_add"), {"_save": "1"}).status_code,
    ]

    assert codes == [403, 403, 200 if screen.is_addable else 403]
    assert screen.model._default_manager.count() == count
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
