"""A member's own page: what it tells in both languages, to whom it opens, and what it never gives away."""

import io
import logging
import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.core.management import call_command
from django.test import Client

from loyalty.doors import page_links
from loyalty.earning import member_account
from loyalty.log_lines import OneLineFormatter
from members.models import Member
from pms import clock
from tests import factories
from tests.loyalty.doors import desk
from tests.loyalty.doors.desk import Desk

pytestmark = pytest.mark.django_db

HOSTILE = '<script>alert(1)</script>"&{{7*7}}'


@pytest.fixture
def member() -> Member:
    """With a payment of HK$138.90 at Harbour Noodles."""
    found: Member = paid().transaction.member
    return found


def paid(**fields: Any) -> Any:
    store = {"name_en": "Harbour Noodles", "name_zh": "海港麵家"}
    named = {f"transaction__store__{name}": value for name, value in store.items()}
    return factories.AwardFactory.create(**named | {"transaction__paid_at": clock.now()} | fields)


def link(member: Member, **options: Any) -> str:
    return page_links.make(member=member, now=clock.now(), **options).address("")


def opened(address: str, **headers: str) -> tuple[int, str]:
    answer = Client().get(address, headers=headers)
    return answer.status_code, answer.content.decode()


def staff(member: Member, role: str = "OPERATOR", *, mall: Any = None) -> Client:
    client = Client()
    group = member.program.group
    client.force_login(factories.MallStaffFactory.create(mall=mall, group=group, role=role).user)
    return client


def press(client: Client, member: Member, deed: str) -> Any:
    return client.post(f"/admin/member-page/{member.pk}/{deed}/")


@pytest.mark.parametrize(
    ("accepts", "asked", "words"),
    [
        ("zh-HK,zh;q=0.9", "", ("海港麵家", "消費 HK$138.90，獲 138 分。", 'lang="zh-Hant-HK"')),
        ("zh-HK", "?lang=en", ("Harbour Noodles", "138 points for spending HK$138.90.", 'lang="en"')),
        ("fr", "?lang=zh", ("海港麵家", "消費 HK$138.90", 'href="?lang=en"')),
        ("fr", "", ("Harbour Noodles", "HK$138.90", 'href="?lang=zh"')),
    ],
)
def test_the_page_speaks_the_language_that_is_asked_for(
    member: Member, accepts: str, asked: str, words: tuple[str, ...]
) -> None:
    status, page = opened(link(member) + asked, **{"Accept-Language": accepts})

    assert status == 200
    assert [word for word in words if word not in page] == []


def test_the_page_shows_the_card_the_tier_what_lapses_and_refunds() -> None:
    award = paid(transaction__amount_cents=13890)
    member = award.transaction.member
    factories.TierFactory.create(program=member.program, name_en="Silver", min_spend_cents=0)
    factories.TierFactory.create(program=member.program, name_en="Gold", min_spend_cents=3_000_000)
    account = factories.PointAccountFactory.create(member=member, balance=1234)
    factories.PointLotFactory.create(account=account, points=77, expires_at=clock.now() + timedelta(days=3))
    factories.RefundFactory.create(transaction=award.transaction, amount_cents=1000)

    _status, page = opened(link(member))

    told = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))
    number = member.card_number
    card = f"{number[:4]} {number[4:8]} {number[8:12]} {number[12:]}"
    words = (card, "1,234", "77 points", "Gold after another HK$29,871.10", "Refund", "−HK$10.00")
    assert [word for word in words if word not in told] == []
    assert 'max="3000000" value="12890"' in page


def test_the_answer_forbids_scripts_frames_caches_and_robots_and_sets_no_cookie(member: Member) -> None:
    client = Client()

    answer = client.get(link(member))

    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script" not in policy
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert "noindex" in answer.headers["X-Robots-Tag"]
    assert not client.cookies
    assert not re.search(rb"<script|<style|style=|onclick=|https?://", answer.content)
    assert client.post(link(member)).status_code == 405


def test_names_are_written_as_text() -> None:
    award = paid(transaction__store__name_en=HOSTILE, transaction__member__name=HOSTILE)

    _status, page = opened(link(award.transaction.member))

    assert "<script" not in page
    assert page.count("&lt;script&gt;") >= 2
    assert "{{7*7}}" in page


def test_no_word_for_staff_alone_and_nobody_elses_payment_is_shown() -> None:
    reasons = [{"code": "FLAGGED_AS_DUPLICATE", "values": {"reference": "B-SECRET"}}]
    mine = paid(reasons=reasons, transaction__store__name_en="Mine")
    other = paid(transaction__store__name_en="Theirs", transaction__mall=mine.transaction.mall)

    _status, page = opened(link(mine.transaction.member))

    assert ("Mine" in page, "Theirs" in page, "B-SECRET" in page, "duplicate" in page) == (
        True,
        False,
        False,
        False,
    )
    assert other.transaction.payment_number not in page
    assert "customer service desk" in page


def test_earlier_payments_follow_by_a_link_and_another_members_cursor_opens_nothing(member: Member) -> None:
    for _ in range(20):
        factories.TransactionFactory.create(member=member, mall__group=member.program.group)
    first = opened(link(member))[1]
    [older] = re.findall(r'href="(\?lang=en&amp;after=[^"]+)"', first)[-1:]
    other = factories.TransactionFactory.create()
    factories.TransactionFactory.create(member=other.member, mall=other.mall)
    _page, foreign = member_account.history(member=other.member, after="", size=1)

    second = opened(link(member) + older.replace("&amp;", "&"))[1]

    assert (first.count('class="payment"'), second.count('class="payment"')) == (20, 1)
    assert "Latest payments" in second
    assert [opened(f"{link(member)}?after={text}")[0] for text in (foreign, "x", "%00")] == [404] * 3


def test_a_link_that_opens_nothing_looks_alike_whatever_the_cause(member: Member, settings: Any) -> None:
    good = link(member)
    other = "B" if good[-3] == "A" else "A"
    forged = [good[:-2] + "/", f"{good[:-3]}{other}{good[-2:]}", "/m/x/", "/m/%00/", "/m/" + "a" * 3000 + "/"]
    settings.MEMBER_LINK_DAYS = 1
    old = page_links.make(member=member, now=clock.now() - timedelta(days=1, seconds=2)).address("")
    withdrawn = link(member)
    page_links.withdraw_all(member=member)
    closed = link(factories.MemberFactory.create())
    Member.objects.exclude(pk=member.pk).update(state="CLOSED")

    answers = [opened(address) for address in (*forged, old, withdrawn, closed)]

    assert [status for status, _ in answers] == [404] * 5 + [410] * 3
    assert len({page for _, page in answers}) == 1
    assert "此連結無法使用" in answers[0][1]
    assert "This link does not work" in answers[0][1]
    member.refresh_from_db()
    assert opened(link(member))[0] == 200


def test_a_link_without_its_last_stroke_opens_the_page_too(member: Member) -> None:
    assert opened(link(member)[:-1])[0] == 200


def test_an_address_that_asks_too_often_waits(member: Member, settings: Any) -> None:
    settings.MEMBER_PAGES_PER_MINUTE = 2
    address = link(member)

    answers = [Client(REMOTE_ADDR="203.0.113.7").get(address) for _ in range(5)]

    # The minute may turn in between.
    assert 429 in {answer.status_code for answer in answers}
    assert Client(REMOTE_ADDR="203.0.113.8").get(address).status_code == 200


def test_no_log_line_holds_a_link_that_opens_a_page(member: Member, caplog: pytest.LogCaptureFixture) -> None:
    withdrawn = link(member)
    page_links.withdraw_all(member=member)

    with caplog.at_level(logging.DEBUG):
        opened(withdrawn)
    lines = [OneLineFormatter().format(record) for record in caplog.records]

    assert [line for line in lines if "/m/…" in line]
    assert [line for line in lines if withdrawn.strip("/m") in line] == []


def test_staff_make_a_link_that_is_shown_once_and_noted_without_it(member: Member) -> None:
    client = staff(member)

    made = press(client, member, "make")

    [address] = set(re.findall(r"http://testserver(/m/[^<\"]+)", made.content.decode()))
    assert ("no-store" in made.headers["Cache-Control"], opened(address)[0]) == (True, 200)
    assert "Link to the member" in LogEntry.objects.get().change_message
    assert address not in str(LogEntry.objects.values_list())
    assert address.encode() not in client.get(f"/admin/members/member/{member.pk}/change/").content


def test_staff_withdraw_all_links_at_once(member: Member) -> None:
    addresses = [link(member), link(member)]

    press(staff(member), member, "withdraw")

    assert [opened(address)[0] for address in addresses] == [410, 410]


def test_a_login_makes_links_only_for_members_whose_every_payment_it_may_see(member: Member) -> None:
    one, _other = (factories.MallFactory.create(group=member.program.group) for _ in range(2))
    stranger = factories.MemberFactory.create()
    of_one_mall = staff(member, mall=one)
    panel = of_one_mall.get(f"/admin/members/member/{member.pk}/change/").content.decode()

    made = press(of_one_mall, member, "make")
    elsewhere = [press(staff(stranger), member, deed) for deed in ("make", "withdraw")]
    clerk = [press(staff(member, "COUNTER"), member, deed) for deed in ("make", "withdraw")]
    read = staff(member).get(f"/admin/member-page/{member.pk}/make/")

    assert ("only a login that sees all of them" in panel, "/make/" in panel) == (True, False)
    assert [answer.status_code for answer in (made, *elsewhere, *clerk)] == [403, 404, 404, 403, 403]
    assert (read.status_code, press(staff(member), member, "sell").status_code) == (405, 404)
    member.refresh_from_db()
    assert (member.link_revision, LogEntry.objects.exists()) == (0, False)


def test_a_closed_membership_gets_no_link(member: Member) -> None:
    Member.objects.update(state="CLOSED")

    answer = press(staff(member), member, "make")

    assert (answer.status_code, LogEntry.objects.exists()) == (302, False)


@pytest.fixture
def till() -> Desk:
    return desk.lumina()


def ran(*options: str) -> tuple[int, str, str]:
    out, err, status = io.StringIO(), io.StringIO(), 0
    try:
        call_command("member_link", *options, stdout=out, stderr=err)
    except SystemExit as end:
        status = int(str(end.code))
    return status, out.getvalue().strip(), err.getvalue()


def test_the_command_makes_a_link_by_card_phone_or_user_id_and_withdraws_all(till: Desk) -> None:
    holder = till.shopper.wallet_pass
    names = (till.member.card_number, "9123 4567", holder.user_id)

    made = [
        ran("--mall", till.mall.tag, "--member", name)[1].removeprefix("http://127.0.0.1:8000")
        for name in names
    ]
    before = [opened(address)[0] for address in made]
    ran("--mall", till.mall.tag, "--member", names[0], "--withdraw")
    after = [opened(address)[0] for address in made]

    assert (before, after) == ([200] * 3, [410, 410, 200])


def test_the_command_says_what_it_cannot_find(till: Desk, settings: Any) -> None:
    unknown = [ran("--mall", "nowhere", "--member", "1"), ran("--mall", till.mall.tag, "--member", "1")]
    settings.STAFF_URL = ""
    homeless = ran("--mall", till.mall.tag, "--member", till.member.card_number)
    settings.MEMBER_URL = "https://points.example.com"
    Member.objects.update(state="CLOSED")
    closed = ran("--mall", till.mall.tag, "--member", till.member.card_number)

    assert [(status, out) for status, out, _ in (*unknown, homeless, closed)] == [(2, "")] * 4
    said = [err for _, _, err in (*unknown, homeless, closed)]
    assert all(
        word in err for word, err in zip(("nowhere", "--member 1", "MEMBER_URL", "closed"), said, strict=True)
    )
