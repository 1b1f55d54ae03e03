"""Consent text and questions of a program on staff screens: who may set them, what is refused, what members said."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from members.models import Program, RegistrationField
from pms.models import MallStaff
from tests.factories import (
    MOMENT,
    ConsentFactory,
    MallFactory,
    MallStaffFactory,
    MemberFactory,
    ProgramFactory,
    RegistrationFieldFactory,
)
from tests.screens import logged_in, manager_of, page_of

pytestmark = pytest.mark.django_db
TEXT = {"consent_text_version": "1", "consent_text_en": "I agree.", "consent_text_zh": "本人同意。"}
CHOICES = '[{"code": "food", "en": "Food", "zh": "美食"}]'


@pytest.fixture
def program() -> Program:
    made: Program = ProgramFactory.create(group=MallFactory.create().group, **TEXT)
    return made


@pytest.fixture
def manager(program: Program) -> Client:
    return manager_of(program.group)


def form_of(program: Program) -> str:
    return reverse("admin:members_program_registration", args=[program.pk])


def sent(client: Client, program: Program, *questions: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """What the form would send: its fields, and new questions after those there are."""
    context = client.get(form_of(program)).context
    form = context["adminform"].form
    words = {name: form[name].value() for name in form.fields} | changes
    prefix = "registration_fields"
    known = list(program.registration_fields.order_by("position", "pk"))
    words |= {f"{prefix}-INITIAL_FORMS": len(known), f"{prefix}-TOTAL_FORMS": len(known) + len(questions)}
    for place, one in enumerate(known):
        fields = {"id": one.pk, "position": one.position, "code": one.code, "label_en": one.label_en,
                  "label_zh": one.label_zh, "kind": one.kind, "choices": "[]"}  # fmt: skip
        words |= {f"{prefix}-{place}-{name}": value for name, value in fields.items()}
    for place, question in enumerate(questions, len(known)):
        fields = {
            "position": 1,
            "label_en": "Shop",
            "label_zh": "店舖",
            "kind": "TEXT",
            "choices": "[]",
        } | question
        words |= {f"{prefix}-{place}-{name}": value for name, value in fields.items()}
    return words


def test_a_manager_sets_text_and_questions_and_the_page_tells_them(program: Program, manager: Client) -> None:
    RegistrationFieldFactory.create(program=program, code="old", label_en="Old question")
    question = {"code": "shop", "kind": "CHOICE", "choices": CHOICES, "is_required": "on"}
    text = {"consent_text_version": "2", "consent_text_en": "I agree to more."}

    answer = manager.post(form_of(program), sent(manager, program, question, **text))

    program.refresh_from_db()
    assert answer.status_code == 302
    assert (program.consent_text_version, program.consent_text_en) == ("2", "I agree to more.")
    asked = RegistrationField.objects.get(program=program, code="shop")
    assert (asked.kind, asked.is_required, asked.choices[0]["zh"]) == ("CHOICE", True, "美食")
    told = manager.get(page_of(program)).content.decode()
    assert "I agree to more." in told and "Old question" in told and "店舖" in told


def test_a_question_can_be_taken_off(program: Program, manager: Client) -> None:
    RegistrationFieldFactory.create(program=program)

    manager.post(form_of(program), sent(manager, program) | {"registration_fields-0-DELETE": "on"})

    assert not RegistrationField.objects.exists()


@pytest.mark.parametrize(
    ("question", "changes"),
    [
        ({"code": "Shop!"}, {}),
        ({"code": "phone"}, {}),
        ({"code": "shop", "kind": "CHOICE"}, {}),
        ({"code": "shop", "choices": CHOICES}, {}),
        ({"code": "shop", "kind": "CHOICE", "choices": '["food"]'}, {}),
        ({"code": "shop", "kind": "CHOICE", "choices": "nonsense"}, {}),
        ({}, {"consent_text_en": "Something else."}),
        ({}, {"consent_text_version": "2", "consent_text_zh": ""}),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_changed(
    program: Program, manager: Client, question: dict[str, Any], changes: dict[str, Any]
) -> None:
    asked = [question] if question else []

    answer = manager.post(form_of(program), sent(manager, program, *asked, **changes))

    program.refresh_from_db()
    assert answer.status_code == 200
    assert (program.consent_text_version, program.consent_text_en) == ("1", "I agree.")
    assert not RegistrationField.objects.exists()


def test_who_does_not_see_all_of_the_group_changes_none_of_it(program: Program) -> None:
    mall = program.group.malls.get()
    MallFactory.create(group=program.group)
    of_mall = MallStaffFactory.create(mall=mall, group=program.group, role=MallStaff.Role.MANAGER)
    operator = MallStaffFactory.create(mall=None, group=program.group, role=MallStaff.Role.OPERATOR)

    for staff in (of_mall, operator):
        client = logged_in(staff.user)
        assert client.get(form_of(program)).status_code == 403
        assert form_of(program) not in client.get(page_of(program)).content.decode()


def test_the_members_page_tells_the_answers_and_why_a_consent_ended(
    program: Program, manager: Client
) -> None:
    RegistrationFieldFactory.create(
        program=program, code="shop", label_en="Best shop", kind="CHOICE",
        choices=[{"code": "food", "en": "Food hall", "zh": "美食"}],
    )  # fmt: skip
    supplied = {"shop": "food", "gone": "an old answer", "offers": True}
    member = MemberFactory.create(program=program, registered_at=MOMENT, supplied=supplied)
    ConsentFactory.create(wallet_pass__member=member, ended_at=MOMENT, ended_reason="AUTHORIZATION_ENDED")

    told = manager.get(page_of(member)).content.decode()

    assert "Best shop" in told and "Food hall" in told
    assert "an old answer" in told
    assert "Authorization ended in the wallet" in told
