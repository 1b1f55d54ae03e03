"""Unknown stores on the staff screens: the inbox, one click to map with its preview, taking back, and who may what."""

import io
import json
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from alipayhk import mappings, unknown_stores
from alipayhk.models import MappingJob, Notification
from loyalty.ledger.models import PointAccount
from pms import clock, store_files
from pms.models import Store, StoreMapping
from tests import factories
from tests.alipayhk import changes, wallet
from tests.alipayhk.mapping_steps import LABEL, balance, mapped, waits, work
from tests.alipayhk.wallet import Wallet
from tests.screens import page_of

pytestmark = pytest.mark.django_db
INBOX = "/admin/alipayhk/mappingjob/unknown/"


@pytest.fixture
def mall() -> Wallet:
    found = wallet.lumina()
    found.joined()
    Store.objects.update(name_en="Harbour Noodles", name_zh="海港麵家")
    waits(found, 3)
    return found


def staff(at: Wallet, role: str = "MANAGER", **seat: object) -> Client:
    user = factories.UserFactory.create()
    factories.MallStaffFactory.create(**{"user": user, "mall": at.mall, "role": role} | seat)
    client = Client()
    client.force_login(user)
    return client


def map_page(at: Wallet, store: Store | None = None, **asked: Any) -> str:
    named = {"mall": at.mall.pk, "name": LABEL} | ({"store": store.pk} if store else {}) | asked
    return reverse("admin:alipayhk_map_store", query=named)


def page(client: Client, address: str, language: str = "en") -> str:
    answer = client.get(address, headers={"accept-language": language})
    assert answer.status_code == 200
    return answer.content.decode()


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en", ("Unknown stores", "HK$416.70", ">414<", "Similar name", "Same mall +15", "Map…")),
        ("zh-hant", ("未知商戶", "HK$416.70", ">414<", "名稱相似", "同一商場 +15", "配對…")),
    ],
)
def test_the_inbox_says_who_waits_and_which_store_it_may_be(
    mall: Wallet, language: str, said: tuple[str, ...]
) -> None:
    shown = page(staff(mall), INBOX, language)

    assert LABEL in shown
    assert [words for words in said if words not in shown] == []


def test_the_sidebar_and_the_front_page_count_what_waits(mall: Wallet) -> None:
    shown = page(staff(mall), "/admin/")

    assert shown.count(INBOX) >= 1
    assert "Unknown stores" in shown


def test_one_click_shows_the_preview_and_one_more_maps(mall: Wallet) -> None:
    client = staff(mall, "OPERATOR")

    shown = page(client, map_page(mall, mall.store))
    answer = client.post(map_page(mall), {"store": mall.store.pk})

    job = MappingJob.objects.get()
    assert "414 points" in shown
    assert "Map and award" in shown
    assert answer["Location"] == page_of(job)
    assert (job.state, job.payment_count, job.asked_by is not None) == ("WAITING", 3, True)
    assert balance() == 0
    work(job)
    assert "414 points" in page(client, page_of(job))
    assert "Unmap…" not in page(client, page_of(job))


def test_the_progress_is_told_to_the_page_s_script(mall: Wallet) -> None:
    job = mapped(mall)
    client = staff(mall)
    address = reverse("admin:alipayhk_mappingjob_progress", args=[job.pk])

    before = client.get(address).json()
    work(job)
    after = client.get(address).json()

    assert (before["judged"], before["transactions"], before["is_open"]) == (0, 3, True)
    assert (after["judged"], after["is_open"]) == (3, False)


def test_the_second_of_two_is_told_where_it_leads(mall: Wallet) -> None:
    other = factories.StoreFactory.create(mall=mall.mall)
    mapped(mall)
    client = staff(mall)

    with changes.only():
        answer = client.post(map_page(mall), {"store": other.pk}, follow=True)

    assert "It leads to Harbour Noodles already" in answer.content.decode()


def test_a_search_finds_other_stores_and_a_new_one_is_made_from_it(mall: Wallet) -> None:
    other = factories.StoreFactory.create(mall=mall.mall, name_en="Golden Optics")

    shown = page(staff(mall), map_page(mall, q="optics"))

    assert f"store={other.pk}" in shown
    assert "Create a new store from this" in shown
    assert f"pms_label={LABEL}" in shown


def test_staff_of_a_mall_map_to_their_mall_alone_and_the_group_s_to_any(mall: Wallet) -> None:
    other = factories.StoreFactory.create(mall=factories.MallFactory.create(group=mall.mall.group))
    mine, group = staff(mall), staff(mall, mall=None, group=mall.mall.group)

    with changes.only():
        assert mine.post(map_page(mall), {"store": other.pk}).status_code == 403

    assert group.post(map_page(mall), {"store": other.pk}).status_code == 302
    assert StoreMapping.objects.get().store == other


def test_a_label_that_waits_in_a_hidden_mall_too_is_the_group_s(mall: Wallet) -> None:
    hidden = factories.MallFactory.create(group=mall.mall.group)
    factories.TransactionFactory.create(
        group=mall.mall.group, mall=hidden, store=None, state="PARKED", store_label=LABEL
    )
    client = staff(mall)

    with changes.only():
        assert client.post(map_page(mall), {"store": mall.store.pk}).status_code == 403

    assert "Staff of the whole group can map it" in page(client, map_page(mall, mall.store))


@pytest.mark.parametrize("is_theirs", [True, False], ids=["another mall's merchant ID", "nothing waits"])
def test_a_name_that_is_not_theirs_is_not_mapped_by_a_mall_s_staff(mall: Wallet, is_theirs: bool) -> None:
    elsewhere = factories.MallFactory.create(group=mall.mall.group)
    if is_theirs:
        factories.StoreFactory.create(mall=elsewhere, merchant_id="2160777")
        factories.TransactionFactory.create(
            group=mall.mall.group,
            mall=mall.mall,
            store=None,
            state="PARKED",
            store_label="",
            merchant_id="2160777",
        )

    client = staff(mall)

    with changes.only():
        answer = client.post(map_page(mall, name="2160777"), {"store": mall.store.pk})

    assert answer.status_code == 403


@pytest.mark.parametrize("named", ["pms_label", "merchant_id"])
def test_a_store_that_payments_of_a_hidden_mall_wait_for_is_entered_by_the_group(
    mall: Wallet, named: str
) -> None:
    hidden = factories.MallFactory.create(group=mall.mall.group)
    waiting = {
        "pms_label": {"store_label": "HIDDEN-1"},
        "merchant_id": {"store_label": "", "merchant_id": "HIDDEN-1"},
    }
    factories.TransactionFactory.create(
        group=hidden.group, mall=hidden, store=None, state="PARKED", **waiting[named]
    )
    fields = {
        "mall": mall.mall.pk,
        "name_en": "Opal",
        "name_zh": "澳寶",
        "state": "ACTIVE",
        "pms_label": "PMS8000",
    }
    fields |= {named: "HIDDEN-1"}
    mine, group = staff(mall), staff(mall, mall=None, group=mall.mall.group)

    with changes.only():
        refused = mine.post("/admin/pms/store/add/", fields)

    assert "Payments of a mall that you do not see wait under this name" in refused.content.decode()
    assert group.post("/admin/pms/store/add/", fields).status_code == 302


def test_a_file_does_not_take_what_payments_of_a_hidden_mall_wait_for(mall: Wallet) -> None:
    hidden = factories.MallFactory.create(group=mall.mall.group)
    factories.TransactionFactory.create(
        group=hidden.group, mall=hidden, store=None, state="PARKED", store_label="HIDDEN-1"
    )
    seat = factories.MallStaffFactory.create(mall=mall.mall, role="MANAGER")
    file = io.BytesIO(b"pms_label,store_name\nHIDDEN-1,Opal\nPMS8000,Agate\n")

    by_staff = store_files.check(mall=mall.mall, file=file, by=seat.user)
    by_operator = store_files.check(mall=mall.mall, file=file, by=None)

    assert [[fault.code for fault in row.faults] for row in by_staff.rows] == [["WAITS_ELSEWHERE"], []]
    assert by_operator.faulty == []


def test_a_store_of_a_hidden_mall_is_likely_to_nobody_and_not_named(mall: Wallet) -> None:
    elsewhere = factories.MallFactory.create(group=mall.mall.group)
    hidden = factories.StoreFactory.create(mall=elsewhere, name_en="Harbor Noodles", code="HIDDEN-1")
    Store.objects.filter(pk=mall.store.pk).update(name_en="Sakura", name_zh="櫻花")
    mine, group = staff(mall), staff(mall, mall=None, group=mall.mall.group)
    assert "HIDDEN-1" in page(group, INBOX)
    assert "HIDDEN-1" in page(group, map_page(mall))

    shown = page(mine, INBOX) + page(mine, map_page(mall))
    mapped(mall, hidden)
    answer = mine.post(map_page(mall), {"store": mall.store.pk}, follow=True)

    shown += answer.content.decode() + page(mine, map_page(mall))
    assert "HIDDEN-1" not in shown
    assert "Harbor Noodles" not in shown.replace("HARBOR NOODLES LTD", "")
    assert "a store of another mall" in shown


def test_the_inbox_has_a_search_and_pages(mall: Wallet, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(unknown_stores.PAGE):
        factories.TransactionFactory.create(
            group=mall.mall.group, mall=mall.mall, store=None, state="PARKED", store_label=f"STALL-{number}"
        )
    client = staff(mall)

    first, second = page(client, INBOX), page(client, f"{INBOX}?p=2")

    assert ("Next page" in first, "Next page" in second, "Previous page" in second) == (True, False, True)
    assert (LABEL in first) != (LABEL in second)
    found = page(client, f"{INBOX}?q=kiosk")
    assert (LABEL in found, "STALL-" in found) == (True, False)
    assert "Nothing that waits is called so." in page(client, f"{INBOX}?q=nowhere&p=x")


def test_staff_of_another_mall_than_the_store_s_do_not_unmap_though_nothing_stands_there(
    mall: Wallet,
) -> None:
    other = factories.StoreFactory.create(mall=factories.MallFactory.create(group=mall.mall.group))
    job = mapped(mall, other)
    address = reverse("admin:alipayhk_mappingjob_unmap", args=[job.pk])

    assert staff(mall).get(address).status_code == 403


@pytest.mark.parametrize("asked", [{"mall": "0"}, {"name": ""}, {"mall": "x"}, {"name": "a\x00"}])
def test_an_address_that_names_nothing_is_not_found(mall: Wallet, asked: dict[str, Any]) -> None:
    assert staff(mall).get(map_page(mall, **asked)).status_code == 404


def test_another_mall_s_staff_find_nothing_and_the_counter_may_not_look(mall: Wallet) -> None:
    other = wallet.lumina()

    assert LABEL not in page(staff(other), INBOX)
    assert staff(other).get(map_page(mall)).status_code == 404
    assert staff(mall, "COUNTER").get(INBOX).status_code == 403
    assert staff(mall, "REVIEWER").post(map_page(mall), {"store": mall.store.pk}).status_code == 403


def test_unmapping_asks_for_a_reason_and_once_more(mall: Wallet) -> None:
    job = work(mapped(mall))
    PointAccount.objects.filter(member__isnull=False).update(changed_at=clock.now())
    client = staff(mall)
    address = reverse("admin:alipayhk_mappingjob_unmap", args=[job.pk])

    with changes.only():
        shown = page(client, address)
        nothing = client.post(address, {"reason": "  "})
        once = client.post(address, {"reason": "Another shop"})
    twice = client.post(address, {"reason": "Another shop", "is_sure": "on"})

    undo = MappingJob.objects.get(kind="UNMAP")
    assert "414 points" in shown
    assert "You will be asked once more" in nothing.content.decode()
    assert "Yes, take these points back" in once.content.decode()
    assert (twice["Location"], undo.reason, undo.payment_count) == (page_of(undo), "Another shop", 3)
    work(undo)
    assert balance() == 0
    assert client.get(address).status_code == 404
    assert "Another shop" in page(client, page_of(undo))


def test_an_operator_maps_but_does_not_unmap(mall: Wallet) -> None:
    job = work(mapped(mall))
    client = staff(mall, "OPERATOR")
    address = reverse("admin:alipayhk_mappingjob_unmap", args=[job.pk])

    with changes.only():
        assert client.post(address, {"reason": "x", "is_sure": "on"}).status_code == 403


def test_the_page_of_a_purchase_tells_what_unmapping_took(mall: Wallet) -> None:
    job = work(mapped(mall))
    work(mappings.unmap(mapping=job.mapping, reason="Wrong", by=None, now=clock.now()))
    notice = Notification.objects.earliest("pk")
    assert notice.transaction is not None

    shown = page(staff(mall), page_of(notice.transaction))

    assert "The store was recorded wrongly; its points were taken back." in shown
    assert "Waiting for the store to be confirmed." in shown
    assert "Map or add this store" in page(staff(mall), page_of(notice))


def test_the_command_maps_and_unmaps(mall: Wallet, capsys: pytest.CaptureFixture[str]) -> None:
    named = ["--mall", mall.mall.tag, "--pms-label", LABEL]

    call_command("stores", "map", *named, "--store", mall.store.code, "--json")
    given = json.loads(capsys.readouterr().out)
    call_command("stores", "map", *named, "--store", mall.store.code)
    again = capsys.readouterr().out
    call_command("stores", "unmap", *named, "--reason", "Another shop", "--json")
    taken = json.loads(capsys.readouterr().out)

    assert (given["state"], given["payments"], given["judged"], given["points"]) == ("DONE", 3, 3, 414)
    assert "3 of 3 payments judged, 414 points given" in again
    assert (taken["kind"], taken["points"], balance()) == ("UNMAP", 414, 0)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"--mall": "nowhere"}, "there is no mall nowhere"),
        ({"--store": "NONE"}, "has the code or the label NONE"),
        ({"--pms-label": "OWN"}, "it leads to"),
    ],
)
def test_the_command_refuses_in_one_sentence(
    mall: Wallet, capsys: pytest.CaptureFixture[str], changed: dict[str, str], said: str
) -> None:
    factories.StoreFactory.create(mall=mall.mall, pms_label="OWN")
    options = {"--mall": mall.mall.tag, "--pms-label": LABEL, "--store": mall.store.code} | changed

    with changes.only(), pytest.raises(SystemExit):
        call_command("stores", "map", *[word for pair in options.items() for word in pair])

    assert said in capsys.readouterr().err
