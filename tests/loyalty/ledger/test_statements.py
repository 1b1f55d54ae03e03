"""Statements: balances at any instant, lots then, and a period whose moves lead from opening to closing."""

from datetime import date, datetime, timedelta

import pytest
from django.db import connection

from loyalty.earning import statement_words  # noqa: F401  (it explains)
from loyalty.ledger import expiry, lot_history, redemptions, statements
from loyalty.ledger.models import PointAccount, Redemption
from loyalty.ledger.redemptions import Wish
from loyalty.ledger.statements import Balance, Statement
from members.models import Program
from pms.clock import HONG_KONG
from tests.loyalty.earning import programs
from tests.loyalty.earning.programs import TUESDAY, Shopper

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


def everything(account: PointAccount, **options: object) -> Statement:
    since, until = TUESDAY - 30 * DAY, TUESDAY + 4000 * DAY
    return statements.of(account, since=since, until=until, **options)  # type: ignore[arg-type]


def account_of(shopper: Shopper) -> PointAccount:
    return PointAccount.objects.get(member=shopper.wallet_pass.member)


def lots_now(account: PointAccount) -> dict[int, tuple[int, bool]]:
    return {lot.pk: (lot.remaining, lot.is_held) for lot in account.lots.order_by("pk") if lot.remaining}


def lots_played(account: PointAccount, at: datetime) -> dict[int, tuple[int, bool]]:
    found = lot_history.lots_at(account, at)
    return dict(sorted((then.lot.pk, (then.remaining, then.is_held)) for then in found))


def spends(shopper: Shopper, points: int, at: datetime) -> Redemption:
    wish = Wish(member=shopper.wallet_pass.member, mall=shopper.wallet_pass.mall, points=points)
    return redemptions.reserve(wish=wish, by=None, now=at)


def test_opening_and_all_moves_make_the_closing_balance() -> None:
    shopper = programs.shopper("lumina")
    first = shopper.pays(50000)
    shopper.pays(80000, at=TUESDAY + DAY)
    shopper.is_refunded(first, 20000, at=TUESDAY + 2 * DAY)
    account = account_of(shopper)

    told = statements.of(account, since=TUESDAY + DAY, until=TUESDAY + 3 * DAY)

    assert told.opening == statements.balance_at(account, TUESDAY + timedelta(hours=1))
    assert told.opening.points + sum(line.move.points for line in told.lines) == told.closing.points
    assert told.opening.held + sum(line.move.held for line in told.lines) == told.closing.held
    assert told.closing == Balance(points=shopper.balance, held=shopper.pending)
    assert [line.after.points for line in told.lines][-1] == shopper.balance


def test_an_instant_counts_what_was_posted_at_it_and_nothing_later() -> None:
    shopper = programs.shopper("lumina")
    award = shopper.pays(50000, now=TUESDAY)
    account = account_of(shopper)

    before, at = (statements.balance_at(account, moment) for moment in (TUESDAY - DAY / 86400, TUESDAY))

    assert before == Balance(points=0, held=0)
    assert at.points + at.held == award.points


def test_the_end_of_a_period_belongs_to_the_next() -> None:
    shopper = programs.shopper("lumina")
    shopper.pays(50000, now=TUESDAY)
    account = account_of(shopper)

    ended = statements.of(account, since=TUESDAY - DAY, until=TUESDAY)
    begun = statements.of(account, since=TUESDAY, until=TUESDAY + DAY)

    assert (len(ended.lines), len(begun.lines)) == (0, 1)
    assert ended.closing == begun.opening


def test_each_move_is_told_by_the_reasons_that_were_kept_in_both_languages() -> None:
    shopper = programs.shopper("lumina")
    award = shopper.pays(50000)
    shopper.is_refunded(award, 50000, at=TUESDAY + DAY)

    earned, taken = everything(account_of(shopper)).lines

    assert "points for spending HK$500.00" in earned.words.english
    assert "消費 HK$500.00" in earned.words.chinese
    assert "after a refund of HK$500.00" in taken.words.english
    assert "退款 HK$500.00" in taken.words.chinese


def test_amounts_paid_in_malls_outside_the_readers_scope_are_not_told() -> None:
    shopper = programs.shopper("lumina")
    award = shopper.pays(50000)
    shopper.is_refunded(award, 50000, at=TUESDAY + DAY)

    told = everything(account_of(shopper), mall_ids=frozenset({shopper.wallet_pass.mall_id + 1}))

    assert ["500" in line.words.english + line.words.chinese for line in told.lines] == [False, False]
    assert told.closing.points == shopper.balance


def test_a_redemption_is_told_as_what_became_of_it() -> None:
    shopper = programs.shopper("lumina")
    shopper.pays(1000000)
    account = account_of(shopper)
    later = TUESDAY + 20 * DAY
    expiry.release(now=later)
    spent, given_up = spends(shopper, 2500, later), spends(shopper, 2500, later + DAY)
    redemptions.confirm(redemption=spent, by=None, now=later + timedelta(seconds=5))
    redemptions.release(redemption=given_up, by=None, now=later + DAY + timedelta(seconds=5))

    said = [
        line.words.english for line in everything(account).lines if line.move.posted_at >= later + DAY / 2
    ]
    first = [line.words.english for line in everything(account).lines if "redeemed" in line.words.english]

    assert first == ["2,500 points redeemed."]
    assert "2,500 points set aside until" in said[0]
    assert said[1] == "Redemption not completed; 2,500 points are back."


def test_points_that_expire_are_told_with_their_last_day() -> None:
    shopper = programs.shopper("lumina")
    Program.objects.filter(pk=shopper.wallet_pass.program_id).update(expiry="DAYS", expiry_count=10)
    shopper.pays(50000)
    expiry.release(now=TUESDAY + 30 * DAY)

    expiry.expire(now=TUESDAY + 30 * DAY)

    line = everything(account_of(shopper)).lines[-1]
    last = date(2026, 3, 10) + timedelta(days=10)
    assert line.words.english.endswith(f"points expired on {last}.")
    assert line.after.points == 0


def test_the_lots_of_now_played_again_are_the_lots_of_now() -> None:
    shopper = programs.shopper("lumina")
    Program.objects.filter(pk=shopper.wallet_pass.program_id).update(expiry="DAYS", expiry_count=40)
    one = shopper.pays(900000)
    shopper.pays(600000, at=TUESDAY + 9 * DAY)
    expiry.release(now=TUESDAY + 25 * DAY)
    kept = spends(shopper, 5000, TUESDAY + 26 * DAY)
    back = spends(shopper, 2500, TUESDAY + 26 * DAY)
    redemptions.confirm(redemption=kept, by=None, now=TUESDAY + 26 * DAY)
    redemptions.release(redemption=back, by=None, now=TUESDAY + 26 * DAY)
    shopper.is_refunded(one, 400000, at=TUESDAY + 27 * DAY)
    shopper.pays(300000, at=TUESDAY + 28 * DAY)
    expiry.expire(now=TUESDAY + 45 * DAY)
    account = account_of(shopper)

    played = lots_played(account, TUESDAY + 45 * DAY)

    assert played == lots_now(account)
    assert sum(points for points, is_held in played.values() if not is_held) == account.balance


def test_lots_of_an_earlier_day_sum_to_its_balance() -> None:
    shopper = programs.shopper("lumina")
    one = shopper.pays(900000)
    shopper.pays(600000, at=TUESDAY + 9 * DAY)
    account = account_of(shopper)
    then = lots_now(account)
    noted = TUESDAY + 10 * DAY
    expiry.release(now=TUESDAY + 25 * DAY)
    spends(shopper, 5000, TUESDAY + 26 * DAY)
    shopper.is_refunded(one, 900000, at=TUESDAY + 27 * DAY)

    played = lots_played(account, noted)

    balance = statements.balance_at(account, noted)
    assert played == then
    assert sum(points for points, is_held in played.values() if is_held) == balance.held
    assert sum(points for points, is_held in played.values() if not is_held) == balance.points


def test_a_balance_below_zero_has_no_lots() -> None:
    shopper = programs.shopper("verdant")
    account = account_of(shopper)
    program = account.program
    program.negative_balance = Program.NegativeBalance.ALLOW_NEGATIVE
    program.redemption_min_points, program.redemption_points_per_hkd = 1, 1
    program.save()
    award = shopper.pays(50000)
    expiry.release(now=TUESDAY + 60 * DAY)
    spends(shopper, shopper.balance, TUESDAY + 60 * DAY)
    connection.check_constraints()
    shopper.is_refunded(award, 50000, at=TUESDAY + 61 * DAY)

    account.refresh_from_db()
    assert (account.balance or 0) < 0
    assert lot_history.lots_at(account, datetime(2026, 12, 1, tzinfo=HONG_KONG)) == []
