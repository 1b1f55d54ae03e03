"""`partner_key`: a key is printed once, opens its own mall alone, and is over when it is revoked."""

import io

import pytest
from django.core.management import call_command

from loyalty.doors.models import PartnerKey
from tests import factories

pytestmark = pytest.mark.django_db


def ran(*options: str) -> tuple[int, str, str]:
    out, err, status = io.StringIO(), io.StringIO(), 0
    try:
        call_command("partner_key", *options, stdout=out, stderr=err)
    except SystemExit as end:
        status = int(str(end.code))
    return status, out.getvalue().strip(), err.getvalue()


def test_a_key_is_printed_once_and_kept_as_a_digest_alone() -> None:
    mall = factories.MallFactory.create()

    status, key, _ = ran("--mall", mall.tag, "--name", "Till 1")

    kept = PartnerKey.objects.get()
    assert (status, key.startswith("ltk_"), kept.mall, kept.name) == (0, True, mall, "Till 1")
    assert key not in str(vars(kept))


def test_a_name_has_one_key_in_use_and_another_after_it_is_revoked() -> None:
    options = ("--mall", factories.MallFactory.create().tag, "--name", "Till 1")
    _, first, _ = ran(*options)

    again = ran(*options)
    revoked = ran(*options, "--revoke")
    status, second, _ = ran(*options)

    assert again[0] == 2
    assert "--revoke" in again[2]
    assert (revoked[0], status, second != first) == (0, 0, True)
    assert PartnerKey.objects.filter(revoked_at=None).count() == 1


def test_an_unknown_mall_is_named_and_no_key_is_made() -> None:
    status, _, said = ran("--mall", "nowhere", "--name", "Till 1")

    assert (status, "nowhere" in said, PartnerKey.objects.exists()) == (2, True, False)
