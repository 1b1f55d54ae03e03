"""A provider's daily file against the ledger: what differs, in money and points, and that reading moves nothing."""

from datetime import date, timedelta

import pytest

from loyalty.earning import awards
from loyalty.ledger.models import Posting
from loyalty.review import adjustments, reconciliation
from loyalty.review.adjustments import AskedAlready
from loyalty.review.models import Finding, ProviderRow, Reconciliation
from loyalty.review.reconciliation import DecideElsewhere, MemberUnknown
from loyalty.review.repairs import KnownMeanwhile
from tests import factories
from tests.loyalty.earning.programs import TUESDAY, Shopper, breaches, shopper
from tests.loyalty.review import daily
from tests.loyalty.review.daily import NEXT_DAY, as_file, asked, compared, line, mall_of, told

pytestmark = pytest.mark.django_db
State = Finding.State


@pytest.fixture
def person() -> Shopper:
    return shopper("lumina")


def test_a_file_that_says_what_the_ledger_says_finds_nothing(person: Shopper) -> None:
    award = person.pays(68800)
    person.is_refunded(award, 10000)

    file = compared(
        mall_of(person), as_file([line("B1", "688.00"), line("X9", "100.00", "REFUND", original="PB1")])
    )

    assert (file.state, file.business_date, told(file)) == ("DONE", date(2026, 3, 10), [])


def test_each_way_to_differ_is_a_class_with_its_money_and_points(person: Shopper) -> None:
    for cents in (10000, 20000, 30000, 40000):
        person.pays(cents)
    before = Posting.objects.count()

    file = compared(
        mall_of(person),
        as_file(
            [
                line("B1", "100.00"),
                line("B2", "250.00"),
                line("B3", "300.00"),
                line("R7", "120.00", "REFUND", original="PB3", at=TUESDAY + timedelta(hours=2)),
                line("NEVER-CAME", "500.00"),
            ]
        ),
    )

    assert told(file) == [
        ("AMOUNT_DIFFERS", "B2", 5000, 50),
        ("REFUNDED_NOT_CLAWED_BACK", "B3", 12000, -120),
        ("AWARDED_NOT_PAID", "B4", 40000, -400),
        ("PAID_NOT_AWARDED", "NEVER-CAME", 50000, 500),
    ]
    assert [(one.kind, one.count, one.cents) for one in reconciliation.sums(file)] == [
        ("PAID_NOT_AWARDED", 1, 50000),
        ("AWARDED_NOT_PAID", 1, 40000),
        ("REFUNDED_NOT_CLAWED_BACK", 1, 12000),
        ("AMOUNT_DIFFERS", 1, 5000),
    ]
    assert (Posting.objects.count(), person.balance) == (before, 1000)


def test_the_same_file_again_is_the_same_reconciliation_and_changes_nothing(person: Shopper) -> None:
    content = as_file([line("B9", "880.00")])
    first = compared(mall_of(person), content)
    person.pays(5000)

    second = compared(mall_of(person), content, name="again.csv", now=NEXT_DAY + timedelta(days=3))

    assert (second.pk, told(second)) == (first.pk, [("PAID_NOT_AWARDED", "B9", 88000, 880)])
    assert (Reconciliation.objects.count(), ProviderRow.objects.count()) == (1, 1)


def test_a_newer_file_of_the_day_renews_what_is_open_and_keeps_what_was_decided(person: Shopper) -> None:
    mei = daily.approver()
    older = compared(
        mall_of(person), as_file([line("B7", "70.00"), line("B8", "80.00"), line("B9", "90.00")])
    )
    reconciliation.dismiss(
        finding=Finding.objects.get(number="B7"), by=mei, now=NEXT_DAY, note="A test payment"
    )

    newer = compared(
        mall_of(person), as_file([line("B7", "70.00"), line("B8", "85.00"), line("B10", "5.00")])
    )

    older.refresh_from_db()
    states = dict(Finding.objects.filter(reconciliation=newer).values_list("number", "state"))
    assert older.state == "REPLACED"
    assert states == {"B7": State.DISMISSED, "B8": State.OPEN, "B9": State.GONE, "B10": State.OPEN}
    assert Finding.objects.get(number="B8").cents == 8500


def test_what_is_awarded_meanwhile_is_gone_when_compared_again(person: Shopper) -> None:
    file = compared(mall_of(person), as_file([line("B1", "688.00")]))
    person.pays(68800)

    reconciliation.again(file=file, now=NEXT_DAY)

    assert (told(file), Finding.objects.get().state) == ([], State.GONE)


def test_a_payment_that_the_rules_gave_nothing_for_is_in_order(person: Shopper) -> None:
    person.pays(50)

    file = compared(mall_of(person), as_file([line("B1", "0.50")]))

    assert told(file) == []
    assert reconciliation.counts(file)["no_points_by_the_rules"] == 1


def test_a_payment_that_was_canceled_the_same_day_needs_no_points(person: Shopper) -> None:
    file = compared(
        mall_of(person),
        as_file([line("B1", "688.00", partner="S1"), line("B2", "688.00", "CANCEL", partner="S1")]),
    )

    assert told(file) == []


def test_a_cancellation_of_an_awarded_payment_is_a_refund_of_all_of_it(person: Shopper) -> None:
    person.pays(68800)

    file = compared(
        mall_of(person),
        as_file([line("B1", "688.00", partner="S1"), line("B2", "688.00", "REVERSAL", partner="S1")]),
    )

    assert told(file) == [("REFUNDED_NOT_CLAWED_BACK", "B1", 68800, -688)]


def test_a_refund_names_a_payment_of_an_earlier_file(person: Shopper) -> None:
    person.pays(68800)
    compared(mall_of(person), as_file([line("B1", "688.00", partner="S1")]))

    file = compared(
        mall_of(person),
        as_file([line("B5", "88.00", "REFUND", partner="S9", original="S1", at=NEXT_DAY)]),
        now=NEXT_DAY + timedelta(days=1),
    )

    assert told(file) == [("REFUNDED_NOT_CLAWED_BACK", "B1", 8800, -88)]


def test_a_payment_is_known_by_the_number_on_the_slip_too(person: Shopper) -> None:
    person.hands_in(68800, numbers={"ACQUIRER": "A-1"})

    file = compared(mall_of(person), as_file([line("B1", "688.00", partner="A-1")]))

    assert told(file) == []


def test_a_purchase_that_waits_for_its_store_is_seen_to_where_it_waits(person: Shopper) -> None:
    awards.earn(purchase=person.purchase(68800, store_label="NOWHERE"), now=TUESDAY)

    file = compared(mall_of(person), as_file([line("B1", "688.00")]))

    assert told(file) == [("PAID_NOT_AWARDED", "B1", 68800, 688)]
    with pytest.raises(DecideElsewhere):
        asked(Finding.objects.get(), daily.approver())
    assert Finding.objects.get().state == State.OPEN


def test_a_payer_whom_the_file_names_and_nobody_knows_is_no_member(person: Shopper) -> None:
    heading = "transactionId,transactionType,transactionAmountValue,transactionCurrency,paymentTime,userId"
    known = person.wallet_pass.user_id

    file = compared(
        mall_of(person),
        as_file(
            [
                "B1,payment,68800,HKD,2026-03-10T13:00:00+08:00,2160999",
                f"B2,payment,50000,HKD,2026-03-10T13:00:00+08:00,{known}",
                "<END>",
            ],
            heading,
        ),
    )

    assert (file.row_count, told(file)) == (2, [("PAID_NOT_AWARDED", "B2", 50000, 500)])
    assert Finding.objects.get().member == person.wallet_pass.member


def test_only_the_days_of_the_file_are_asked_what_else_was_awarded(person: Shopper) -> None:
    person.pays(10000)
    person.pays(20000, at=TUESDAY + timedelta(days=1))

    file = compared(mall_of(person), as_file([line("B3", "30.00")]))

    assert [number for kind, number, *_rest in told(file) if kind == "AWARDED_NOT_PAID"] == ["B1"]


def test_the_repair_of_a_payment_that_never_came_is_judged_like_its_notice(person: Shopper) -> None:
    mei, ken = daily.approver(), daily.approver()
    compared(mall_of(person), as_file([line("B1", "688.00")]))
    finding = Finding.objects.get()
    request = asked(finding, mei, member=person.wallet_pass.member, store=person.stores["S12"])

    done = adjustments.approve(request=request, by=ken, now=NEXT_DAY)

    finding.refresh_from_db()
    assert done.recorded is not None
    assert (finding.state, person.balance, breaches()) == (State.REPAIRED, 688, [])
    assert (done.recorded.payment_number, done.recorded.channel, done.posting) == (
        "B1",
        "WALLET",
        done.recorded.award.posting,
    )


def test_a_notice_that_comes_after_its_repair_earns_nothing_more(person: Shopper) -> None:
    compared(mall_of(person), as_file([line("B1", "688.00")]))
    request = asked(
        Finding.objects.get(),
        daily.approver(),
        member=person.wallet_pass.member,
        store=person.stores["S12"],
    )
    adjustments.approve(request=request, by=daily.approver(), now=NEXT_DAY)

    person.pays(68800)

    assert (person.balance, breaches()) == (688, [])


def test_a_notice_that_comes_before_the_approval_leaves_nothing_to_approve(person: Shopper) -> None:
    compared(mall_of(person), as_file([line("B1", "688.00")]))
    request = asked(
        Finding.objects.get(),
        daily.approver(),
        member=person.wallet_pass.member,
        store=person.stores["S12"],
    )
    person.pays(68800)

    with pytest.raises(KnownMeanwhile):
        adjustments.approve(request=request, by=daily.approver(), now=NEXT_DAY)

    request.refresh_from_db()
    assert (request.state, person.balance, breaches()) == ("PENDING", 688, [])


def test_who_paid_must_be_said_where_the_file_does_not(person: Shopper) -> None:
    compared(mall_of(person), as_file([line("B1", "688.00")]))

    with pytest.raises(MemberUnknown):
        asked(Finding.objects.get(), daily.approver())

    assert Finding.objects.get().state == State.OPEN


def test_the_repair_of_a_refund_takes_back_what_the_rest_no_longer_deserves(person: Shopper) -> None:
    person.pays(68800)
    compared(mall_of(person), as_file([line("B1", "688.00"), line("R1", "333.33", "REFUND", original="PB1")]))
    request = asked(Finding.objects.get(), daily.approver())

    done = adjustments.approve(request=request, by=daily.approver(), now=NEXT_DAY)

    assert done.refund is not None
    assert (request.points, person.balance, done.posting, breaches()) == (-334, 354, done.refund.posting, [])


def test_the_repair_of_what_was_never_paid_takes_all_of_its_points(person: Shopper) -> None:
    person.pays(68800)
    file = compared(mall_of(person), as_file([line("B2", "1.00")]))
    finding = Finding.objects.get(kind="AWARDED_NOT_PAID")
    adjustments.approve(request=asked(finding, daily.approver()), by=daily.approver(), now=NEXT_DAY)

    reconciliation.again(file=file, now=NEXT_DAY)

    finding.refresh_from_db()
    assert (finding.state, person.balance, breaches()) == (State.REPAIRED, 0, [])


def test_a_finding_is_asked_for_once_and_again_after_a_rejection(person: Shopper) -> None:
    person.pays(68800)
    compared(mall_of(person), as_file([line("B1", "600.00")]))
    finding, mei = Finding.objects.get(), daily.approver()
    request = asked(finding, mei)

    with pytest.raises(AskedAlready):
        asked(finding, mei)
    adjustments.reject(request=request, by=daily.approver(), now=NEXT_DAY, note="The shop corrected it")
    again = asked(finding, mei)

    assert (request.points, again.points, again.state, person.balance) == (-88, -88, "PENDING", 688)


def test_a_file_of_one_merchant_says_nothing_about_the_others(person: Shopper) -> None:
    shop = factories.StoreFactory.create(mall=mall_of(person), merchant_id="2160120041113167")
    person.pays(10000, store_label=shop.pms_label)
    person.pays(20000)

    file = compared(
        mall_of(person), as_file([line("B9", "9.00")]), name="2160120041113167_fptrade_20260310.csv"
    )

    assert [number for kind, number, *_rest in told(file) if kind == "AWARDED_NOT_PAID"] == ["B1"]
