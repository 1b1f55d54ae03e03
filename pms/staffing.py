"""Makes staff logins: who they are and in which role they see which malls."""

from django.db.transaction import atomic

from pms.models import Mall, MallGroup, MallStaff, User


@atomic
def appoint(*, name: str, password: str, role: str, group: MallGroup, mall: Mall | None = None) -> User:
    """Make or renew a login for one mall, or, without one, for every mall of the group."""
    user = _login(name, password, is_superuser=False)
    MallStaff.objects.update_or_create(user=user, group=group, mall=mall, defaults={"role": role})
    return user


@atomic
def appoint_administrator(*, name: str, password: str) -> User:
    """Make or renew a login that sees and may do everything."""
    return _login(name, password, is_superuser=True)


def _login(name: str, password: str, *, is_superuser: bool) -> User:
    user = User.objects.filter(username=name).first() or User(username=name)
    user.is_staff = user.is_active = True
    user.is_superuser = is_superuser
    user.set_password(password)
    user.full_clean()
    user.save()
    return user
