"""Back-tests on the staff screens: who may ask, what the page shows while it runs and after, and cancelling."""

import json

import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from loyalty import celery  # tasks are published through its app
from loyalty.earning import tasks
from loyalty.earning.models import Award, BacktestRun, Rule, RuleVersion
from loyalty.ledger.models import PointEntry
from pms import clock
from pms.models import MallStaff, User
from tests import factories
from tests.loyalty.earning import programs
from tests.loyalty.earning.programs import Shopper

pytestmark = pytest.mark.django_db
ADD = "/admin/earning/backtestrun/add/"


@pytest.fixture
def shopper() -> Shopper:
    found = programs.shopper("pier8")
    found.pays(50000, at=clock.now())
    return found


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def manager_of_all(shopper: Shopper) -> Client:
    group = shopper.wallet_pass.mall.group
    staff = factories.MallStaffFactory.create(mall=None, group=group, role=MallStaff.Role.MANAGER)
    return signed_in(staff.user)


def base_of(shopper: Shopper) -> Rule:
    found: Rule = shopper.wallet_pass.program.rules.get(kind=Rule.Kind.BASE)
    return found


def ask(client: Client, shopper: Shopper, **fields: object) -> HttpResponse:
    answer = client.post(ADD, {"rule": base_of(shopper).pk, "days": 30} | fields)
    assert isinstance(answer, HttpResponse)
    return answer


def page(run: BacktestRun) -> str:
    return reverse("admin:earning_backtestrun_change", args=[run.pk])


def progress(run: BacktestRun) -> str:
    return reverse("admin:earning_backtestrun_progress", args=[run.pk])


def test_a_manager_of_the_whole_group_asks_and_is_led_to_the_run(shopper: Shopper) -> None:
    client = manager_of_all(shopper)

    form, answer = client.get(ADD), ask(client, shopper)

    run = BacktestRun.objects.get()
    assert form.status_code == 200
    assert (answer.status_code, answer.headers["Location"]) == (302, page(run))
    assert (run.state, run.days, run.rule_code) == ("WAITING", 30, base_of(shopper).code)
    assert run.asked_by is not None


def test_the_page_shows_a_bar_that_moves_by_itself_until_it_is_done(shopper: Shopper) -> None:
    client = manager_of_all(shopper)
    ask(client, shopper)
    run = BacktestRun.objects.get()

    shown = client.get(page(run)).content.decode()
    moved = json.loads(client.get(progress(run)).content)

    assert progress(run) in shown
    assert "<progress" in shown
    assert "staff/asked_work.js" in shown
    assert moved == {"judged": 0, "transactions": 0, "is_open": True, "said": "Waiting for a worker."}


def test_the_page_of_a_run_that_is_done_shows_points_then_and_now(shopper: Shopper) -> None:
    client = manager_of_all(shopper)
    ask(client, shopper)
    run = BacktestRun.objects.get()

    tasks.backtest(run_id=run.pk)

    shown = client.get(page(run)).content.decode()
    assert json.loads(client.get(progress(run)).content)["is_open"] is False
    for words in ("The answer", "Points then", "Points now", "By mall", "By tier", "Members better off"):
        assert words in shown
    assert 'id="backtest-series"' in shown
    assert "<progress" not in shown


def test_a_run_that_is_open_can_be_canceled_and_one_that_is_over_cannot(shopper: Shopper) -> None:
    client = manager_of_all(shopper)
    ask(client, shopper)
    run = BacktestRun.objects.get()
    address = reverse("admin:earning_backtestrun_deed", args=[run.pk, "cancel"])

    first, second = client.post(address), client.post(address)

    run.refresh_from_db()
    assert (first.status_code, second.status_code) == (302, 403)
    assert run.state == "CANCELED"


def test_a_draft_is_back_tested_from_the_form_it_is_written_in_and_not_published(shopper: Shopper) -> None:
    client = manager_of_all(shopper)
    address = reverse("admin:earning_rule_draft", args=[base_of(shopper).pk])
    form = client.get(address).context["form"]
    typed = {name: form[name].value() for name in form.fields if form[name].value() is not None}
    before = RuleVersion.objects.count()

    answer = client.post(address, typed | {"do": "backtest-90"})

    run = BacktestRun.objects.get()
    assert (answer.status_code, answer.headers["Location"]) == (302, page(run))
    assert run.days == 90
    assert RuleVersion.objects.count() == before


@pytest.mark.parametrize("fields", [{"days": 31}, {"rule": 0}, {"rule": ""}, {"days": "all"}])
def test_a_question_that_makes_no_sense_is_refused(shopper: Shopper, fields: dict[str, object]) -> None:
    client = manager_of_all(shopper)

    answer = ask(client, shopper, **fields)

    assert answer.status_code == 200
    assert "errorlist" in answer.content.decode()
    assert not BacktestRun.objects.exists()


def test_only_who_sees_every_mall_of_the_group_may_ask_or_look(shopper: Shopper) -> None:
    ask(manager_of_all(shopper), shopper)
    run = BacktestRun.objects.get()
    of_one_mall = factories.MallStaffFactory.create(
        mall=shopper.wallet_pass.mall, role=MallStaff.Role.MANAGER
    )
    client = signed_in(of_one_mall.user)

    answers = [client.get(page(run)), client.get(progress(run))]
    ask(client, shopper)

    assert [answer.status_code for answer in answers] == [404, 404]
    assert BacktestRun.objects.count() == 1


@pytest.mark.parametrize("role", ["COUNTER", "OPERATOR", "REVIEWER"])
def test_only_managers_ask(shopper: Shopper, role: str) -> None:
    group = shopper.wallet_pass.mall.group
    client = signed_in(factories.MallStaffFactory.create(mall=None, group=group, role=role).user)

    answers = client.get(ADD), ask(client, shopper)

    assert [answer.status_code for answer in answers] == [403, 403]
    assert not BacktestRun.objects.exists()


def test_asking_and_running_moves_no_points(shopper: Shopper) -> None:
    before = Award.objects.count(), PointEntry.objects.count(), shopper.balance

    ask(manager_of_all(shopper), shopper)
    tasks.backtest(run_id=BacktestRun.objects.get().pk)

    assert BacktestRun.objects.get().state == "DONE"
    assert (Award.objects.count(), PointEntry.objects.count(), shopper.balance) == before


def test_a_question_that_reaches_no_worker_says_so_and_is_over(
    shopper: Shopper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(celery.app.amqp, "_producer_pool", None)
    monkeypatch.setattr(celery.app.conf, "broker_write_url", "redis://127.0.0.1:1/0")
    client = manager_of_all(shopper)

    answer = ask(client, shopper)

    run = BacktestRun.objects.get()
    assert run.state == "FAILED"
    assert "Nothing was judged" in client.get(answer.headers["Location"]).content.decode()
