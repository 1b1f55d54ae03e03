"""What a member does by the mini-app's API: fills in the form, sets points aside, hands in a batch."""

import pytest

from alipayhk import miniapp_sessions
from members.models import Member, Pass
from pms import clock
from tests import factories
from tests.alipayhk import changes, mini_app
from tests.alipayhk.mini_app import MiniApp, code_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def app() -> MiniApp:
    return mini_app.signed_in()


def test_the_form_is_kept_and_told_back_masked(app: MiniApp) -> None:
    answer = app.post("register", {"name": "Chan Tai Man", "phone": "91234567", "birth_month": 5})

    told = answer.json()
    assert (answer.status_code, told["name"], told["is_registered"]) == (200, "Chan Tai Man", True)
    assert Member.objects.get(pk=app.member.pk).birth_month == 5


def test_the_answer_is_the_same_whether_or_not_somebody_else_has_the_phone_and_the_e_mail(
    app: MiniApp,
) -> None:
    Member.objects.filter(pk=app.member.pk).update(phone="", email="")
    other = factories.MemberFactory.create(
        program=app.member.program, phone="+85291234567", email="held@example.com"
    )

    held = app.post("register", {"name": "Chan", "phone": "91234567", "email": "held@example.com"}).json()
    read = app.get("me").json()
    Member.objects.filter(pk=other.pk).update(phone="", email="")
    free = app.post("register", {"name": "Chan", "phone": "91234567", "email": "held@example.com"}).json()

    assert held == read == free
    assert held["phone"].endswith("4567") and held["email"]


def test_the_form_that_proves_an_earlier_membership_shows_that_one(app: MiniApp) -> None:
    program = app.card.program
    earlier = factories.MemberFactory.create(program=program, phone="+85291234567", card_number="8" * 16)
    blank = factories.MemberFactory.create(program=program, name="", phone="", email="")
    Pass.objects.filter(pk=app.card.pk).update(member=blank)
    form = {"name": earlier.name, "phone": "9123 4567", "card_number": earlier.card_number}

    told = app.post("register", form).json()

    assert told["card_number"] == earlier.card_number
    assert app.get("me").json()["card_number"] == earlier.card_number
    assert Pass.objects.get(pk=app.card.pk).member == earlier


def test_each_fault_of_the_form_names_its_field_in_both_languages(app: MiniApp) -> None:
    factories.RegistrationFieldFactory.create(program=app.card.program, code="car", is_required=True)

    with changes.only():
        answer = app.post("register", {"name": "", "phone": "12", "email": "x", "supplied": {"dog": "y"}})

    said = answer.json()["error"]
    assert code_of(answer)[0] == 422
    assert {one["field"] for one in said["fields"]} == {
        "name",
        "phone",
        "email",
        "supplied.dog",
        "supplied.car",
    }
    assert all(one["message_en"] != one["message_zh"] for one in said["fields"])


def test_fields_of_the_wrong_kind_are_all_named_at_once(app: MiniApp) -> None:
    answer = app.post("register", {"name": 1, "phone": [], "birth_month": "5", "supplied": [], "x": 1})

    fields = {one["field"]: one["code"] for one in answer.json()["error"]["fields"]}
    assert fields == {
        "x": "UNKNOWN_FIELD",
        "name": "NOT_TEXT",
        "phone": "NOT_TEXT",
        "birth_month": "NOT_WHOLE",
        "supplied": "NOT_AN_OBJECT",
    }


def test_points_are_set_aside_under_a_code_and_given_back(app: MiniApp) -> None:
    app.shopper.pays(300000)

    made = app.post("redemptions", {"points": 2500, "request_key": "k1"})
    again = app.post("redemptions", {"points": 2500, "request_key": "k1"})
    code = made.json()["code"]
    after = app.balance()
    released = app.delete(f"redemptions/{code}")

    assert (made.status_code, made.json()["value_cents"]) == (201, 1000)
    assert (again.json()["code"], after, released.json()["state"]) == (code, 500, "RELEASED")
    assert app.get(f"redemptions/{code.lower()}").json()["state"] == "RELEASED"
    assert code_of(app.delete(f"redemptions/{code}")) == (409, "REDEMPTION_ENDED")
    assert app.balance() == 3000


@pytest.mark.parametrize(
    ("points", "code"),
    [(2500, "INSUFFICIENT_POINTS"), (1, "BELOW_MIN_REDEMPTION"), (-5, "BELOW_MIN_REDEMPTION")],
)
def test_points_that_cannot_be_had_are_refused(app: MiniApp, points: int, code: str) -> None:
    app.shopper.pays(10000)

    with changes.only():
        answer = app.post("redemptions", {"points": points})

    assert code_of(answer) == (409, code)


def test_another_members_redemption_is_not_known(app: MiniApp) -> None:
    app.shopper.pays(300000)
    code = app.post("redemptions", {"points": 2500}).json()["code"]
    wallet_pass = factories.PassFactory.create(
        member=factories.MemberFactory.create(program=app.card.program), mall=app.card.mall
    )
    token = miniapp_sessions.begin(wallet_pass=wallet_pass, credential=app.credential, now=clock.now())[1]

    with changes.only():
        answers = [
            app.get(f"redemptions/{code}", token=token),
            app.delete(f"redemptions/{code}", token=token),
        ]

    assert {code_of(answer) for answer in answers} == {(404, "REDEMPTION_CODE_UNKNOWN")}


def test_a_batch_without_an_authorization_asks_to_sign_in_again(app: MiniApp) -> None:
    with changes.only():
        answer = app.post("batches", {"batch_no": "B-1"})

    assert code_of(answer) == (409, "AUTHORIZATION_ENDED")


def test_what_nobody_foresaw_is_told_calmly_and_alarms_staff(
    app: MiniApp, caplog: pytest.LogCaptureFixture
) -> None:
    purchase = factories.TransactionFactory.create(member=app.member)
    unknown = [{"code": "NOT_IN_ANY_LIST", "values": {}}]
    version = app.shopper.pays(100).rule_version
    factories.AwardFactory.create(
        transaction=purchase, rule_version=version, points=0, posting=None, reasons=unknown
    )

    answer = app.get("me/transactions")

    assert code_of(answer) == (500, "FAILED")
    assert "the mini-app's API failed: KeyError" in caplog.text
    assert app.token not in caplog.text
