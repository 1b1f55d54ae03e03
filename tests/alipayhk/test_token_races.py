"""One member's token wanted by many at one instant, and one user who signs in many times at once."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.db import connection

from alipayhk import wallet_tokens
from alipayhk.models import WalletToken
from members.models import Consent, Member, Pass
from pms import clock
from tests.alipayhk.gateway import Gateway
from tests.alipayhk.test_upload_races import at_once
from tests.alipayhk.visiting import Visitor, new_visitor
from tests.databases import Database

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def visitor(fresh_database: Database, gateway: Gateway) -> Iterator[Visitor]:
    yield new_visitor(gateway)
    connection.close()


def test_a_token_refreshed_by_many_at_once_is_refreshed_once_and_a_user_signing_in_at_once_is_one_member(
    visitor: Visitor,
) -> None:
    signed_in = at_once([visitor.signs_in] * 4)

    assert {one.wallet_pass.pk for one in signed_in} == {Pass.objects.get().pk}
    assert (Member.objects.count(), Consent.objects.count(), WalletToken.objects.count()) == (1, 1, 1)
    assert sum(one.is_new for one in signed_in) == 1

    WalletToken.objects.update(access_expires_at=clock.now() + timedelta(seconds=10))
    before = len(visitor.calls())
    wallet_pass, now = visitor.wallet_pass, clock.now()

    tokens = at_once(
        [lambda: wallet_tokens.access_token(wallet_pass=wallet_pass, credential=visitor.credential, now=now)]
        * 6
    )

    assert len(set(tokens)) == 1
    assert len(visitor.calls()) == before + 1
    assert visitor.gateway.twin.authorizations.is_live(tokens[0], user_id=visitor.user_id)
