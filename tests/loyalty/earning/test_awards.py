"""Giving points: once per number, over all channels; what waits for its store is completed, not given anew."""

from datetime import timedelta
from typing import Any

import pytest

from loyalty.earning import awards, purchases
from loyalty.earning.models import Award, NumberClaim, Transaction
from loyalty.earning.outcomes import Verdict
from loyalty.ledger.models import PointAccount, Posting
from tests import factories
from tests.loyalty.earning.plain import LUMINA, TUESDAY, Shopper, shopper

pytestmark = pytest.mark.django_db
NOW = TUESDAY + timedelta(minutes=1)


@pytest.fixture
def member() -> Shopper:
    return shopper(LUMINA)


def latest() -> Transaction:
    return Transaction.objects.order_by("-pk")[0]


def test_an_outcome_names_what_was_recorded_and_the_accounts_version(member: Shopper) -> None:
    outcome = member.pays(13890)

    assert (outcome.verdict, outcome.reason, outcome.waits_for) == (Verdict.RECORDED, "", "")
    assert (outcome.transaction_id, outcome.member_id) == (latest().pk, member.wallet_pass.member_id)
    assert outcome.version == 1


def test_an_award_names_its_posting_and_the_posting_its_purchase(member: Shopper) -> None:
    member.pays(13890)

    award = Award.objects.get()
    assert award.posting == Posting.objects.get()
    assert Posting.objects.get().source == f"transaction/{award.transaction_id}"


def test_without_points_there_is_no_posting_and_no_new_version(member: Shopper) -> None:
    outcome = member.pays(9999)

    assert (outcome.version, Award.objects.get().posting, Posting.objects.count()) == (None, None, 0)
    assert latest().state == "NOTHING"


CHANNELS = ["WALLET", "UPLOAD", "COUNTER", "IMPORT", "PARTNER"]


@pytest.mark.parametrize("second", CHANNELS)
@pytest.mark.parametrize("kind", ["PAYMENT", "MAINLAND", "ACQUIRER", "RECEIPT"])
def test_a_number_earns_once_whatever_channel_it_comes_by(member: Shopper, second: str, kind: str) -> None:
    member.pays(13890, channel="COUNTER", numbers={kind: "N-1"})

    outcome = member.pays(13890, channel=second, numbers={kind: " n-1 "})

    assert (outcome.verdict, outcome.version) == (Verdict.RECORDED, None)
    assert (latest().state, member.balance) == ("DUPLICATE", 138)
    assert NumberClaim.objects.get().number.rpartition("/")[2] == "N-1"


def test_a_receipt_number_counts_per_store_and_day_in_hong_kong(member: Shopper) -> None:
    other = factories.StoreFactory.create(mall=member.store.mall)
    member.pays(13890, numbers={"RECEIPT": "000123"}, paid_at=TUESDAY)

    member.pays(13890, numbers={"RECEIPT": "000123"}, paid_at=TUESDAY + timedelta(days=1))
    member.pays(13890, numbers={"RECEIPT": "000123"}, paid_at=TUESDAY, store_label=other.pms_label)

    claimed = sorted(NumberClaim.objects.values_list("number", flat=True))
    stores = (member.store.pk, other.pk)
    assert claimed == sorted(
        [f"{stores[0]}/2026-03-10/000123", f"{stores[0]}/2026-03-11/000123", f"{stores[1]}/2026-03-10/000123"]
    )
    assert member.balance == 3 * 138


@pytest.mark.parametrize("kind", ["PAYMENT", "MAINLAND", "ACQUIRER"])
def test_a_receipt_is_looked_up_among_the_other_kinds(member: Shopper, kind: str) -> None:
    member.pays(13890, numbers={kind: "T-77"})

    member.pays(13890, channel="COUNTER", numbers={"RECEIPT": "t-77"})

    assert (latest().state, member.balance) == ("DUPLICATE", 138)
    assert Award.objects.get(transaction=latest()).reasons[0]["values"]["channel"] == "WALLET"


def test_a_payment_number_that_came_as_a_receipt_is_not_paid_again_on_another_day(member: Shopper) -> None:
    number = "22023041200135606000000000297866"
    member.pays(13890, channel="COUNTER", numbers={"RECEIPT": number}, paid_at=TUESDAY)

    member.pays(13890, numbers={"PAYMENT": number}, paid_at=TUESDAY - timedelta(days=1))

    assert (latest().state, member.balance) == ("DUPLICATE", 138)


def test_a_member_without_a_wallet_earns_when_a_door_names_them(member: Shopper) -> None:
    person = factories.MemberFactory.create(program=member.wallet_pass.program, joined_at=TUESDAY)

    outcome = member.pays(
        13890, channel="COUNTER", wallet="", user_id="", member_id=person.pk, numbers={"RECEIPT": "R1"}
    )

    assert (outcome.member_id, latest().member_id, latest().wallet_pass_id) == (person.pk, person.pk, None)
    assert (latest().state, PointAccount.objects.get(member=person).balance) == ("EARNED", 138)
    conditions = {row["condition"]: row["found"] for row in Award.objects.get().conditions}
    assert conditions["CONSENT"] == "not needed"


def test_a_receipt_from_before_the_membership_earns_nothing(member: Shopper) -> None:
    joined = TUESDAY + timedelta(days=3)
    person = factories.MemberFactory.create(program=member.wallet_pass.program, joined_at=joined)

    member.pays(
        13890, channel="COUNTER", wallet="", user_id="", member_id=person.pk, numbers={"RECEIPT": "R1"}
    )

    assert Award.objects.get().reasons[0]["code"] == "BEFORE_JOINING"


def test_a_member_of_another_program_is_nobody_here(member: Shopper) -> None:
    stranger = factories.MemberFactory.create()

    outcome = member.pays(13890, wallet="", user_id="", member_id=stranger.pk, numbers={"RECEIPT": "R1"})

    assert (outcome.verdict, Transaction.objects.count()) == (Verdict.WAITING, 0)


def test_a_loser_holds_no_award_of_its_own_and_keeps_its_numbers_as_text(member: Shopper) -> None:
    member.pays(13890, numbers={"ACQUIRER": "A1", "PAYMENT": "P1"})

    member.pays(13890, numbers={"ACQUIRER": "a1", "PAYMENT": "P2"})

    assert latest().numbers == {"PAYMENT": "P2", "ACQUIRER": "a1"}
    assert Award.objects.get(transaction=latest()).points == 0


def test_a_purchase_without_any_number_is_recorded(member: Shopper) -> None:
    outcome = member.pays(13890, channel="COUNTER", numbers={})

    assert (outcome.verdict, member.balance) == (Verdict.RECORDED, 138)


def parked(member: Shopper, **facts: Any) -> Transaction:
    outcome = member.pays(13890, store_label="PMS-NEW", **facts)
    assert (outcome.verdict, outcome.reason, outcome.waits_for) == (
        Verdict.WAITING, "PARKED_UNKNOWN_STORE", "STORE:PMS-NEW",
    )  # fmt: skip
    return latest()


def test_an_unknown_store_parks_the_purchase_with_its_numbers_claimed(member: Shopper) -> None:
    purchase = parked(member, numbers={"PAYMENT": "P1"})

    assert (purchase.state, purchase.store, hasattr(purchase, "award")) == ("PARKED", None, False)
    assert NumberClaim.objects.get().transaction == purchase
    assert member.pays(13890, numbers={"PAYMENT": "P1"}).version is None
    assert member.balance == 0


def test_completing_it_gives_the_points_to_the_same_purchase(member: Shopper) -> None:
    purchase = parked(member)
    store = factories.StoreFactory.create(mall=member.store.mall, pms_label="PMS-NEW")

    outcome = awards.complete(transaction=purchase, now=NOW)

    purchase.refresh_from_db()
    assert (outcome.verdict, outcome.version, outcome.transaction_id) == (Verdict.RECORDED, 1, purchase.pk)
    assert (purchase.store, purchase.state, purchase.award.points) == (store, "EARNED", 138)
    assert member.balance == 138


def test_completing_it_moves_it_to_the_mall_of_its_store(member: Shopper) -> None:
    purchase = parked(member)
    sister = factories.MallFactory.create(group=member.store.group)
    factories.StoreFactory.create(mall=sister, pms_label="PMS-NEW")

    awards.complete(transaction=purchase, now=NOW)

    purchase.refresh_from_db()
    assert purchase.mall == sister


@pytest.mark.parametrize("what", ["nothing", "suspended store", "suspended mall"])
def test_completing_it_too_early_leaves_it_parked(member: Shopper, what: str) -> None:
    purchase = parked(member)
    if what != "nothing":
        store = factories.StoreFactory.create(mall=member.store.mall, pms_label="PMS-NEW")
        place = store if what == "suspended store" else store.mall
        place.state = "SUSPENDED"
        place.save()

    outcome = awards.complete(transaction=purchase, now=NOW)

    assert (outcome.verdict, outcome.waits_for) == (Verdict.WAITING, "STORE:PMS-NEW")
    purchase.refresh_from_db()
    assert (purchase.state, Award.objects.count(), member.balance) == ("PARKED", 0, 0)


def test_completing_it_when_the_store_takes_no_part_says_so(member: Shopper) -> None:
    purchase = parked(member)
    factories.StoreFactory.create(mall=member.store.mall, pms_label="PMS-NEW", is_excluded=True)

    awards.complete(transaction=purchase, now=NOW)

    purchase.refresh_from_db()
    assert (purchase.state, purchase.award.points) == ("NOTHING", 0)
    assert purchase.award.reasons == [{"code": "EXCLUDED_STORE", "values": {}}]


def test_a_program_before_its_first_points_gets_its_accounts(member: Shopper) -> None:
    PointAccount.objects.filter(member=None).delete()

    member.pays(13890)

    kinds = PointAccount.objects.filter(member=None).values_list("kind", flat=True)
    assert sorted(kinds) == ["ADJUSTED", "EXPIRED", "ISSUED", "REDEEMED", "RESERVED"]


def test_judging_leaves_the_purchase_as_it_was_reported(member: Shopper) -> None:
    member.pays(13890, numbers={"PAYMENT": "p-1"}, merchant_id="M1", merchant_name="Corner <b>")

    purchase = latest()
    assert (purchase.payment_number, purchase.merchant_id, purchase.merchant_name) == (
        "p-1",
        "M1",
        "Corner <b>",
    )
    assert (purchase.amount_cents, purchase.currency, purchase.paid_at) == (13890, "HKD", TUESDAY)
    assert (purchase.recorded_at, purchases.of(purchase).numbers) == (NOW, {"PAYMENT": "p-1"})
