"""Keeping members' tokens: exchanged before they end, once; ended with a reason when AlipayHK takes them back."""

import itertools
from datetime import datetime, timedelta

import pytest

from alipayhk import sealed, wallet_tokens
from alipayhk.models import WalletToken
from alipayhk.simulator.authorizations import Life
from members.models import Consent
from pms import clock
from tests import factories
from tests.alipayhk import changes
from tests.alipayhk.gateway import Gateway
from tests.alipayhk.raw_gateway import RawGateway, result
from tests.alipayhk.visiting import Visitor, new_visitor

pytestmark = pytest.mark.django_db


@pytest.fixture
def visitor(gateway: Gateway) -> Visitor:
    made = new_visitor(gateway)
    made.signs_in()
    return made


def asked(visitor: Visitor, now: datetime | None = None) -> str:
    return wallet_tokens.access_token(
        wallet_pass=visitor.wallet_pass, credential=visitor.credential, now=now or clock.now()
    )


def refused(visitor: Visitor, token: str) -> str:
    return wallet_tokens.refresh_after_expiry(
        wallet_pass=visitor.wallet_pass, credential=visitor.credential, refused=token, now=clock.now()
    )


def near_its_end(visitor: Visitor) -> datetime:
    """A moment at which the token still holds, but not for long."""
    expires_at = visitor.token.access_expires_at
    assert expires_at
    return expires_at - timedelta(seconds=30)


def consent(visitor: Visitor) -> Consent:
    return Consent.objects.get(wallet_pass__user_id=visitor.user_id)


def set_token(visitor: Visitor, **values: object) -> None:
    WalletToken.objects.filter(pk=visitor.token.pk).update(**values)


def test_a_token_that_holds_is_given_out_without_a_call(visitor: Visitor) -> None:
    with changes.only():
        assert asked(visitor) == sealed.unseal(visitor.token.sealed_access_token)

    assert len(visitor.calls()) == 1


def test_a_token_near_its_end_is_exchanged_before_it_is_used(visitor: Visitor) -> None:
    old = asked(visitor)
    set_token(visitor, access_expires_at=clock.now() + timedelta(seconds=30))

    new = asked(visitor)

    assert new != old
    assert new == sealed.unseal(visitor.token.sealed_access_token) == asked(visitor)
    assert visitor.gateway.twin.authorizations.is_live(new, user_id=visitor.user_id)
    assert len(visitor.calls()) == 2


def test_a_token_without_a_said_end_is_used_until_it_is_refused(visitor: Visitor) -> None:
    set_token(visitor, access_expires_at=None, refresh_expires_at=None)
    old = asked(visitor)

    new = refused(visitor, old)

    assert new != old
    assert consent(visitor).ended_at is None


def test_whoever_comes_second_gets_what_the_first_one_got(visitor: Visitor) -> None:
    old = asked(visitor)

    first, second = refused(visitor, old), refused(visitor, old)

    assert first == second != old
    assert len(visitor.calls()) == 2


def test_an_authorization_that_was_taken_back_ends_token_and_consent_with_the_reason(
    visitor: Visitor,
) -> None:
    old = asked(visitor)
    visitor.gateway.twin.authorizations.revoke(visitor.user_id)

    with pytest.raises(wallet_tokens.AuthorizationEnded) as caught:
        refused(visitor, old)
    with changes.only(), pytest.raises(wallet_tokens.AuthorizationEnded) as again:
        asked(visitor)

    assert caught.value.code == again.value.code == "EXPIRED_CODE"
    token = visitor.token
    assert (token.state, token.sealed_access_token, token.sealed_refresh_token) == ("ENDED", "", "")
    assert token.ended_at is not None
    assert consent(visitor).ended_at is not None
    assert consent(visitor).ended_reason == "AUTHORIZATION_ENDED"


def test_authorizing_again_brings_the_consent_back(visitor: Visitor) -> None:
    visitor.gateway.twin.authorizations.revoke(visitor.user_id)
    with pytest.raises(wallet_tokens.AuthorizationEnded):
        refused(visitor, asked(visitor))

    signed_in = visitor.signs_in()

    assert signed_in.auto_earn
    assert visitor.token.state == "ACTIVE"
    assert asked(visitor)


@pytest.mark.parametrize("why", ["used", "too old", "none"])
def test_a_refresh_token_that_ended_by_itself_asks_for_a_sign_in_and_leaves_the_consent(
    visitor: Visitor, why: str
) -> None:
    old = asked(visitor)
    if why == "used":
        visitor.fault("permanent", code="USED_REFRESH_TOKEN")
    elif why == "too old":
        set_token(visitor, refresh_expires_at=clock.now() - timedelta(seconds=1))
    else:
        set_token(visitor, sealed_refresh_token="")

    with pytest.raises(wallet_tokens.AuthorizationEnded) as caught:
        refused(visitor, old)

    assert caught.value.code == ("USED_REFRESH_TOKEN" if why == "used" else "AUTHORIZATION_EXPIRED")
    assert visitor.token.state == "ENDED"
    assert consent(visitor).ended_at is None


@pytest.mark.parametrize(("fault", "code"), [("system_error_before", ""), ("permanent", "PARAM_ILLEGAL")])
def test_while_no_token_can_be_had_the_one_that_still_holds_is_used(
    visitor: Visitor, fault: str, code: str
) -> None:
    old = asked(visitor)
    visitor.fault(fault, times=2, code=code)

    with changes.only():
        assert asked(visitor, near_its_end(visitor)) == old


def test_while_no_token_can_be_had_an_ended_one_is_not_used_and_nothing_changes(visitor: Visitor) -> None:
    old = asked(visitor)
    visitor.fault("reset_before", times=2)

    with changes.only(), pytest.raises(wallet_tokens.TokenUnavailable) as caught:
        refused(visitor, old)

    assert caught.value.code == "CONNECTION_LOST"
    assert refused(visitor, old) != old


def test_a_refresh_whose_answer_was_lost_is_repeated_and_gets_the_same_tokens(visitor: Visitor) -> None:
    old = asked(visitor)
    visitor.fault("reset_after")

    new = refused(visitor, old)

    assert visitor.gateway.twin.authorizations.is_live(new, user_id=visitor.user_id)
    assert [call.code for call in visitor.calls()] == ["SUCCESS", "", "SUCCESS"]


def test_at_night_what_would_lapse_is_renewed_and_what_was_taken_back_ends_the_consent(
    visitor: Visitor,
) -> None:
    lapsing, gone, holding = visitor, *(Visitor(visitor.gateway, visitor.credential) for _ in range(2))
    for one in (gone, holding):
        one.signs_in()
    for one in (lapsing, gone):
        set_token(one, refresh_expires_at=clock.now() + timedelta(days=3))
    visitor.gateway.twin.authorizations.revoke(gone.user_id)
    before = holding.token.sealed_access_token

    renewed = wallet_tokens.renew_ending(clock=clock.now)

    assert renewed == 1
    lapses_at = lapsing.token.refresh_expires_at
    assert lapses_at is not None
    assert lapses_at > clock.now() + timedelta(days=20)
    assert (consent(lapsing).ended_at, consent(gone).ended_reason) == (None, "AUTHORIZATION_ENDED")
    assert holding.token.sealed_access_token == before


def test_at_night_one_mall_that_cannot_be_asked_costs_no_other_its_turn_and_is_not_asked_on_and_on(
    visitor: Visitor,
) -> None:
    other = new_visitor(visitor.gateway)
    lapsing = [visitor, *(Visitor(visitor.gateway, visitor.credential) for _ in range(4)), other]
    for days, one in enumerate(lapsing, start=1):
        one.signs_in()
        set_token(one, refresh_expires_at=clock.now() + timedelta(days=days))
    for one in lapsing[:-1]:
        one.fault("permanent", times=None, code="INVALID_AUTH_CLIENT")
    before = [len(one.calls()) for one in lapsing]

    renewed = wallet_tokens.renew_ending(clock=clock.now)

    assert renewed == 1
    assert [len(one.calls()) - then for one, then in zip(lapsing, before, strict=True)] == [1, 1, 1, 0, 0, 1]
    assert {one.token.state for one in lapsing} == {"ACTIVE"}


def test_at_night_each_call_has_the_time_at_which_it_is_made_and_none_is_made_when_the_time_is_over(
    visitor: Visitor,
) -> None:
    lapsing = [visitor, *(Visitor(visitor.gateway, visitor.credential) for _ in range(2))]
    for one in lapsing:
        one.signs_in()
        set_token(one, refresh_expires_at=clock.now() + timedelta(days=3))
    hurried = itertools.count()

    def ten_seconds_on() -> datetime:
        return clock.now() + timedelta(seconds=10 * next(hurried))

    renewed = wallet_tokens.renew_ending(clock=ten_seconds_on, longest=timedelta(seconds=45))

    assert renewed == 2
    obtained = [one.token.obtained_at for one in lapsing]
    assert obtained[1] - obtained[0] > timedelta(seconds=15)
    assert obtained[2] < obtained[0]


def test_tokens_of_a_sign_in_meanwhile_are_not_overwritten(visitor: Visitor) -> None:
    stale = visitor.token
    visitor.signs_in()
    newer = visitor.token.sealed_access_token

    wallet_tokens._end(stale, reason="EXPIRED_CODE", is_taken_back=True, now=clock.now())

    assert visitor.token.sealed_access_token == newer
    assert consent(visitor).ended_at is None


def test_the_simulators_tokens_live_as_long_as_it_is_told(visitor: Visitor) -> None:
    visitor.gateway.twin.authorizations.life = Life(access_seconds=1)
    visitor.signs_in()
    visitor.gateway.twin.authorizations.life = Life()
    short = sealed.unseal(visitor.token.sealed_access_token)

    assert asked(visitor) != short


@pytest.mark.parametrize(
    "fields",
    [
        {"refreshToken": "R-1", "customerId": "2160"},
        {"accessToken": "", "customerId": "2160"},
        {"accessToken": "with blank", "customerId": "2160"},
        {"accessToken": "A-1"},
        {"accessToken": "A-1", "customerId": "2160/../1"},
    ],
    ids=["no access token", "empty", "not a token", "no user", "not a user"],
)
def test_an_answer_that_lacks_token_or_user_signs_nobody_in(
    gateway: Gateway, raw_gateway: RawGateway, fields: dict[str, str]
) -> None:
    visitor = new_visitor(gateway)
    visitor.credential.gateway_url = raw_gateway.url
    raw_gateway.says(result("SUCCESS", **fields))

    with changes.only(), pytest.raises(Exception, match="ALIPAYHK_AWAY"):
        visitor.signs_in(code="A-CODE")


def test_an_end_that_cannot_be_read_counts_as_none_said(gateway: Gateway, raw_gateway: RawGateway) -> None:
    visitor = new_visitor(gateway)
    visitor.credential.gateway_url = raw_gateway.url
    words = {"accessToken": "A-1", "customerId": visitor.user_id, "accessTokenExpiryTime": "soon"}
    raw_gateway.says(result("SUCCESS", **words))

    visitor.signs_in(code="A-CODE")

    assert visitor.token.access_expires_at is None
    assert asked(visitor) == "A-1"


def test_a_token_sealed_by_a_key_that_is_gone_asks_for_a_sign_in_which_heals_it(visitor: Visitor) -> None:
    set_token(visitor, sealed_access_token="gAAAA-of-another-key")

    with changes.only(), pytest.raises(wallet_tokens.AuthorizationEnded) as caught:
        asked(visitor)
    visitor.signs_in()

    assert caught.value.code == "TOKEN_UNREADABLE"
    assert asked(visitor)


def test_a_token_tells_nothing_of_itself() -> None:
    token = factories.WalletTokenFactory.create()

    assert token.sealed_access_token not in f"{token}{token!r}"
