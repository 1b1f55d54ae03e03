"""Back-tests: past transactions judged again under a draft, in memory; nothing is written but the run's own row."""

import time
from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import connection

from loyalty.earning import backtest, backtest_runs, drafts
from loyalty.earning.backtest import Question, Tally
from loyalty.earning.drafts import Draft
from loyalty.earning.models import BacktestRun, RuleVersion
from loyalty.earning.rule_versions import Naming
from pms import clock
from tests import factories
from tests.loyalty.earning import crowd, programs
from tests.loyalty.earning.programs import TUESDAY, Shopper

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)
PAYMENTS = 4000
SINCE, UNTIL = TUESDAY - DAY, TUESDAY + 60 * DAY


def published(shopper: Shopper, code: str) -> RuleVersion:
    versions = RuleVersion.objects.filter(rule__program=shopper.wallet_pass.program, rule__code=code)
    return versions.select_related("rule").latest("number")


def question(shopper: Shopper, code: str, **changes: object) -> Question:
    """The rule as it is published, but for `changes`."""
    version = published(shopper, code)
    return about(
        shopper,
        Naming(code=code, kind=version.rule.kind, name_en=version.rule.name_en, name_zh="規則"),
        replace(drafts.of(version), **changes),  # type: ignore[arg-type]
    )


def about(shopper: Shopper, naming: Naming, draft: Draft) -> Question:
    program = shopper.wallet_pass.program
    return Question(program=program, naming=naming, draft=draft, since=SINCE, until=UNTIL)


def codes(shopper: Shopper) -> list[str]:
    return list(shopper.wallet_pass.program.rules.order_by("pk").values_list("code", flat=True))


def goes_shopping(shopper: Shopper) -> None:
    """Payments that meet rates, extras, ceilings and limits, and refunds that take points back."""
    shopper.pays(50000)
    shopper.pays(2000000, store="210")
    kept = shopper.pays(300000, at=TUESDAY + 4 * DAY, store="J01")
    shopper.pays(1500000, at=TUESDAY + 4 * DAY, store="E01")
    shopper.pays(9900, at=TUESDAY + 5 * DAY, store="M01")
    gone = shopper.pays(777700, at=TUESDAY + 6 * DAY)
    shopper.is_refunded(kept, 123400, at=TUESDAY + 7 * DAY)
    shopper.is_refunded(gone, 777700, at=TUESDAY + 8 * DAY)
    shopper.pays(120000, at=TUESDAY + 9 * DAY, store="210")


def tables() -> dict[str, int]:
    """Rows by table, of everything but back-tests."""
    names = [name for name in connection.introspection.table_names() if name != "earning_backtestrun"]
    with connection.cursor() as cursor:
        return {name: cursor.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in names}


@pytest.mark.parametrize("program", ["lumina", "verdant", "pier8"])
@pytest.mark.parametrize("is_welcomed", [True, False], ids=["welcomed", "new"])
def test_a_draft_that_says_what_is_published_changes_nothing(program: str, is_welcomed: bool) -> None:
    shopper = programs.shopper(program, is_welcomed=is_welcomed)
    goes_shopping(shopper)

    tallies = {code: backtest.compare(question(shopper, code)) for code in codes(shopper)}

    balance = shopper.balance + shopper.pending
    assert {code: (tally.all.then, tally.all.now) for code, tally in tallies.items()} == {
        code: (balance, balance) for code in tallies
    }
    assert {tally.changed for tally in tallies.values()} == {0}


def test_a_notice_that_came_late_keeps_the_gift_where_it_was_given() -> None:
    shopper = programs.shopper("lumina", is_welcomed=False)
    shopper.pays(50000, at=TUESDAY + 4 * DAY)
    shopper.pays(50000, at=TUESDAY + DAY, now=TUESDAY + 5 * DAY)

    found = backtest.compare(question(shopper, "R1")).all

    assert found.then == found.now == 4000


def test_a_doubled_rate_doubles_what_it_gave_by_mall_and_tier() -> None:
    shopper = programs.shopper("pier8")
    award = shopper.pays(50000)
    base = published(shopper, codes(shopper)[0])

    tally = backtest.compare(
        question(shopper, base.rule.code, points_numerator=2 * base.points_numerator, max_spend_cents=None)
    )

    mall = shopper.wallet_pass.mall.tag
    assert tally.all.then == award.points
    assert tally.malls[mall].now == 2 * award.points
    assert [sums.now for sums in tally.tiers.values()] == [2 * award.points]
    assert tally.members == {shopper.wallet_pass.member_id: award.points}


def test_a_rule_that_is_switched_off_gives_nothing_now() -> None:
    shopper = programs.shopper("lumina")
    shopper.pays(50000)

    tally = backtest.compare(question(shopper, codes(shopper)[0], is_off=True))

    assert tally.all.then > 0
    assert tally.all.now == 0


def test_a_new_bonus_is_limited_by_its_own_period_and_budget() -> None:
    shopper = programs.shopper("pier8")
    for hour in range(3):
        shopper.pays(50000, at=TUESDAY + timedelta(hours=hour))
    shopper.pays(50000, at=TUESDAY + DAY)
    naming = Naming(code="NEW", kind="FLAT", name_en="New", name_zh="新")
    bonus = Draft(points_numerator=100, limit_amount=2, limit_unit="TIMES", limit_period="DAY")

    limited = backtest.compare(about(shopper, naming, bonus))
    budgeted = backtest.compare(about(shopper, naming, replace(bonus, budget_points=250)))

    assert limited.all.now - limited.all.then == 300
    assert budgeted.all.now - budgeted.all.then == 250


def test_a_welcome_gift_given_before_the_period_is_not_given_again() -> None:
    shopper = programs.shopper("lumina", is_welcomed=True)
    shopper.pays(50000)
    welcome = published(shopper, "R4")

    tally = backtest.compare(question(shopper, "R4", points_numerator=10 * welcome.points_numerator))

    assert tally.all.now == tally.all.then


def test_refunds_are_counted_on_the_net() -> None:
    shopper = programs.shopper("pier8")
    award = shopper.pays(50000)
    shopper.is_refunded(award, 50000)
    base = codes(shopper)[0]

    tally = backtest.compare(question(shopper, base, points_numerator=5))

    assert (tally.all.then, tally.all.now) == (0, 0)


def test_a_back_test_says_how_far_it_is_and_stops_when_told() -> None:
    shopper = programs.shopper("pier8")
    shopper.pays(50000)
    heard: list[int] = []

    def goes_on(judged: int) -> bool:
        heard.append(judged)
        return False

    with pytest.raises(backtest.Canceled):
        backtest.compare(question(shopper, codes(shopper)[0]), goes_on=goes_on)

    assert heard == [0]


def asked(shopper: Shopper, **changes: object) -> BacktestRun:
    found = question(shopper, codes(shopper)[0], **changes)
    return backtest_runs.ask(
        program=found.program,
        naming=found.naming,
        draft=found.draft,
        days=30,
        by=None,
        now=TUESDAY + 10 * DAY,
    )


def test_a_run_keeps_its_answer_and_writes_nothing_else() -> None:
    shopper = programs.shopper("pier8")
    goes_shopping(shopper)
    run = asked(shopper, points_numerator=3)
    before = tables(), shopper.balance

    backtest_runs.work(run_id=run.pk, clock=clock.now)

    run.refresh_from_db()
    assert run.state == "DONE"
    assert run.judged_count == run.transaction_count == run.result["all"]["transactions"] > 0
    assert run.result["better"] == 1
    assert run.result["liability_points"] == run.result["all"]["now"] - run.result["all"]["then"] > 0
    assert (tables(), shopper.balance) == before


def test_a_run_is_done_once_however_often_its_message_comes() -> None:
    shopper = programs.shopper("pier8")
    run = asked(shopper)
    backtest_runs.work(run_id=run.pk, clock=clock.now)
    run.refresh_from_db()
    ended_at = run.ended_at

    backtest_runs.work(run_id=run.pk, clock=clock.now)

    run.refresh_from_db()
    assert run.ended_at == ended_at


def test_a_run_whose_worker_died_is_taken_up_again_and_a_live_one_is_left_alone() -> None:
    shopper = programs.shopper("pier8")
    now = clock.now()
    alive, lost = asked(shopper), asked(shopper)
    BacktestRun.objects.filter(pk=alive.pk).update(state="RUNNING", moved_at=now)
    BacktestRun.objects.filter(pk=lost.pk).update(state="RUNNING", moved_at=now - timedelta(minutes=2))

    for run in (alive, lost):
        backtest_runs.work(run_id=run.pk, clock=clock.now)

    assert BacktestRun.objects.get(pk=alive.pk).state == "RUNNING"
    assert BacktestRun.objects.get(pk=lost.pk).state == "DONE"


def test_a_run_that_was_canceled_stays_without_an_answer() -> None:
    shopper = programs.shopper("pier8")
    shopper.pays(50000)
    run = asked(shopper)

    is_canceled = backtest_runs.cancel(run=run, now=clock.now())
    backtest_runs.work(run_id=run.pk, clock=clock.now)

    run.refresh_from_db()
    assert is_canceled
    assert (run.state, run.result) == ("CANCELED", {})
    assert not backtest_runs.cancel(run=run, now=clock.now())


def test_a_run_that_is_canceled_on_its_way_stops() -> None:
    shopper = programs.shopper("pier8")
    shopper.pays(50000)
    run = asked(shopper)
    moments = iter(range(100))

    def clock_that_cancels() -> object:
        if next(moments) == 1:
            backtest_runs.cancel(run=run, now=clock.now())
        return clock.now()

    backtest_runs.work(run_id=run.pk, clock=clock_that_cancels)  # type: ignore[arg-type]

    run.refresh_from_db()
    assert (run.state, run.result) == ("CANCELED", {})


def test_a_run_that_breaks_is_marked_as_failed() -> None:
    run = factories.BacktestRunFactory.create(draft={"nonsense": 1})

    backtest_runs.work(run_id=run.pk, clock=clock.now)

    run.refresh_from_db()
    assert (run.state, run.result) == ("FAILED", {})


def test_a_draft_survives_being_kept_as_json() -> None:
    shopper = programs.shopper("lumina")
    versions = RuleVersion.objects.filter(rule__program=shopper.wallet_pass.program)

    kept = [backtest.draft_from_json(backtest.draft_as_json(drafts.of(version))) for version in versions]

    assert kept == [drafts.of(version) for version in versions]


def test_the_ten_most_changed_members_are_named_both_ways() -> None:
    program = factories.ProgramFactory.create()
    tally = Tally()
    tally.members |= {1: 5, 2: -7, 3: 0}

    told = backtest_runs.told(tally, program)

    assert (told["better"], told["worse"], told["same"]) == (1, 1, 1)
    assert (told["largest_gains"], told["largest_losses"]) == ([(1, 5)], [(2, -7)])


def test_a_hundred_thousand_transactions_cost_less_than_thirty_seconds_of_a_processor() -> None:
    """Shown on a few thousand: the cost of one does not depend on how many there are."""
    shopper = programs.shopper("lumina")
    award = shopper.pays(50000)
    crowd.gather(shopper, award, payments=PAYMENTS, members=PAYMENTS // 20)
    began = time.process_time()

    tally = backtest.compare(question(shopper, codes(shopper)[0], points_numerator=2))

    seconds = time.process_time() - began
    assert tally.all.transactions == PAYMENTS + 1
    assert seconds * 100_000 / PAYMENTS < 30
