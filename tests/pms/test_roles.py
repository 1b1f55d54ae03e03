"""What each role may do, and logins that have it."""

import pytest
from django.contrib.auth.models import Permission
from django.core.exceptions import ValidationError

from pms import roles, staffing
from pms.models import MallStaff, User
from tests.factories import MallFactory, MallStaffFactory, UserFactory

pytestmark = pytest.mark.django_db


def may(user: User, permission: str) -> bool:
    """Asked anew, as in another request."""
    return User.objects.get(pk=user.pk).has_perm(permission)


def test_every_permission_of_the_table_exists() -> None:
    known = {
        f"{app}.{name}" for app, name in Permission.objects.values_list("content_type__app_label", "codename")
    }

    assert set(roles.PERMISSIONS) == set(MallStaff.Role.values)
    assert set().union(*roles.PERMISSIONS.values()) <= known


def test_nobody_may_delete_or_write_the_ledger() -> None:
    everything = set().union(*roles.PERMISSIONS.values())

    assert not [name for name in everything if ".delete_" in name]
    assert {name for name in everything if name.startswith("ledger.")} == {
        "ledger.view_pointaccount",
        "ledger.view_pointentry",
        "ledger.view_pointlot",
        "ledger.view_posting",
        # Setting points aside, and confirming or giving them back; never editing a row.
        "ledger.view_redemption",
        "ledger.add_redemption",
        "ledger.change_redemption",
    }


@pytest.mark.parametrize(
    ("role", "permission", "is_allowed"),
    [
        ("COUNTER", "members.view_member", True),
        ("COUNTER", "alipayhk.view_notification", False),
        ("COUNTER", "pms.change_store", False),
        ("OPERATOR", "alipayhk.change_passupdate", True),
        ("OPERATOR", "alipayhk.change_credential", False),
        ("REVIEWER", "earning.change_duplicatecase", True),
        ("REVIEWER", "alipayhk.change_passupdate", False),
        ("MANAGER", "alipayhk.add_credentialkey", True),
        ("MANAGER", "members.change_program", True),
        ("MANAGER", "pms.change_user", False),
    ],
)
def test_a_role_may_do_what_its_row_says(role: str, permission: str, is_allowed: bool) -> None:
    staff = MallStaffFactory.create(role=role)

    assert may(staff.user, permission) is is_allowed


def test_a_changed_role_counts_at_once() -> None:
    staff = MallStaffFactory.create(role="MANAGER")

    MallStaff.objects.filter(pk=staff.pk).update(role="COUNTER")

    assert not may(staff.user, "pms.change_store")


def test_a_login_without_a_mall_or_without_a_life_may_nothing() -> None:
    stranger, former = UserFactory.create(), MallStaffFactory.create(user__is_active=False).user

    assert not may(stranger, "members.view_member")
    assert not may(former, "members.view_member")


def test_an_appointment_renewed_changes_password_and_role() -> None:
    mall = MallFactory.create()
    staffing.appoint(name="mei", password="first", role="COUNTER", group=mall.group, mall=mall)

    user = staffing.appoint(name="mei", password="second", role="OPERATOR", group=mall.group, mall=mall)

    assert User.objects.get().check_password("second")
    assert [staff.role for staff in user.mall_staff.all()] == ["OPERATOR"]
    assert user.is_staff
    assert not user.is_superuser


def test_an_administrator_sees_everything_until_appointed_to_less() -> None:
    mall = MallFactory.create()
    user = staffing.appoint_administrator(name="mei", password="first")
    before = may(user, "pms.change_user")

    staffing.appoint(name="mei", password="first", role="COUNTER", group=mall.group)

    assert before
    assert not may(user, "pms.change_user")


def test_a_name_that_is_no_name_is_refused() -> None:
    with pytest.raises(ValidationError):
        staffing.appoint_administrator(name="two words", password="x")

    assert not User.objects.exists()
