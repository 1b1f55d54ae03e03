"""Signing in by a mini-app's code: who it is, what they agreed to, and every way in which it may fail."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.core.serializers.json import DjangoJSONEncoder

from alipayhk import miniapp, passes, sealed, uploads, wallet_tokens
from alipayhk.models import WalletToken
from loyalty.ledger.models import PointAccount
from members import enrollment
from members.models import Consent, Member, Pass, Program
from members.registering import RegistrationForm
from pms import clock
from tests import factories
from tests.alipayhk import changes
from tests.alipayhk import gateway as outbound
from tests.alipayhk.gateway import Gateway
from tests.alipayhk.picking import Picker, bill, verdicts
from tests.alipayhk.visiting import BASE, Visitor, new_visitor

pytestmark = pytest.mark.django_db


@pytest.fixture
def visitor(gateway: Gateway) -> Visitor:
    return new_visitor(gateway)


@contextmanager
def refuses(code: str) -> Iterator[None]:
    """The sign-in is refused so, and nothing at all has changed."""
    with changes.only(), pytest.raises(miniapp.SignInRefused) as caught:
        yield
    assert caught.value.code == code


def consents(visitor: Visitor) -> list[tuple[str, str, bool]]:
    found = Consent.objects.filter(wallet_pass__user_id=visitor.user_id).order_by("began_at", "pk")
    return [(one.text_version, one.ended_reason, one.ended_at is None) for one in found]


def test_somebody_new_becomes_a_member_with_consent_an_account_and_a_card(visitor: Visitor) -> None:
    signed_in = visitor.signs_in(text_version="2026-11")

    assert (signed_in.is_new, signed_in.auto_earn) == (True, True)
    assert signed_in.wallet_pass == visitor.wallet_pass
    assert consents(visitor) == [("2026-11", "", True)]
    assert PointAccount.objects.get(member=visitor.wallet_pass.member).balance == 0
    passes.notice_new()
    passes.drain()
    assert visitor.wallet_pass.state == Pass.State.ACTIVE
    assert visitor.gateway.card(visitor.wallet_pass).user_id == visitor.user_id


def test_the_tokens_are_kept_sealed_with_their_ends(visitor: Visitor) -> None:
    visitor.signs_in()

    token = visitor.token
    assert sealed.unseal(token.sealed_access_token).startswith("28")
    assert sealed.unseal(token.sealed_refresh_token).startswith("29")
    assert token.access_expires_at and token.refresh_expires_at
    assert timedelta(hours=1) < token.access_expires_at - clock.now() < timedelta(hours=3)
    assert (token.state, token.has_bill_scope) == ("ACTIVE", True)


def test_without_the_scope_of_payments_somebody_is_a_member_who_does_not_earn_by_themselves(
    visitor: Visitor,
) -> None:
    signed_in = visitor.signs_in([BASE])

    assert (signed_in.is_new, signed_in.auto_earn) == (True, False)
    assert consents(visitor) == []


def test_a_text_that_changed_since_it_was_shown_opens_no_consent_until_the_new_one_is_agreed_to(
    visitor: Visitor,
) -> None:
    signed_in = visitor.signs_in(text_version="2026-10")

    assert (signed_in.is_new, signed_in.auto_earn) == (True, False)
    assert consents(visitor) == []
    assert visitor.signs_in(text_version="2026-11").auto_earn
    assert consents(visitor) == [("2026-11", "", True)]


def test_a_sign_in_that_names_no_text_is_consent_by_alipayhks_authorization_to_no_text(
    visitor: Visitor,
) -> None:
    signed_in = visitor.signs_in()

    assert signed_in.auto_earn
    assert consents(visitor) == [("", "", True)]
    evidence = Consent.objects.get(wallet_pass=signed_in.wallet_pass).evidence
    assert evidence == "AlipayHK's authorization of SCOPE_USER_BILL, mini-app sign-in"


def test_a_program_without_a_text_takes_any_sign_in_with_the_scope_for_consent(visitor: Visitor) -> None:
    Program.objects.update(consent_text_version="", consent_text_en="", consent_text_zh="")

    assert visitor.signs_in(text_version="2026-10").auto_earn
    assert consents(visitor) == [("", "", True)]


def test_coming_back_by_single_sign_on_changes_neither_consent_nor_the_wider_token(visitor: Visitor) -> None:
    visitor.signs_in()
    wider = visitor.token

    with changes.only():
        again = visitor.signs_in([BASE])

    assert (again.is_new, again.auto_earn) == (False, True)
    assert visitor.token.sealed_access_token == wider.sealed_access_token


def test_a_sign_in_with_the_scope_renews_the_tokens_and_nothing_else(visitor: Visitor) -> None:
    visitor.signs_in()
    before = visitor.token.sealed_access_token

    with changes.only("alipayhk_wallettoken"):
        visitor.signs_in()

    assert visitor.token.sealed_access_token != before
    assert WalletToken.objects.filter(wallet_pass__user_id=visitor.user_id).count() == 1


@pytest.mark.parametrize(
    ("reason", "is_opened"), [("MEMBER", False), ("STAFF", False), ("AUTHORIZATION_ENDED", True)]
)
def test_what_a_person_withdrew_stays_withdrawn_though_the_wallet_remembers(
    visitor: Visitor, reason: str, is_opened: bool
) -> None:
    wallet_pass = visitor.signs_in().wallet_pass
    enrollment.withdraw(wallet_pass=wallet_pass, now=clock.now(), reason=reason)

    again = visitor.signs_in()

    assert again.auto_earn is is_opened
    assert len(consents(visitor)) == (2 if is_opened else 1)


def test_a_member_of_the_brand_channel_is_known_by_the_same_user(visitor: Visitor) -> None:
    known = factories.PassFactory.create(
        member__program=visitor.credential.mall.group.program,
        mall=visitor.credential.mall,
        user_id=visitor.user_id,
    )

    with changes.only("alipayhk_wallettoken", "members_consent"):
        signed_in = visitor.signs_in()

    assert (signed_in.wallet_pass, signed_in.is_new) == (known, False)


@pytest.mark.parametrize(
    ("model", "state"),
    [(Member, Member.State.CLOSED), (Member, Member.State.SUSPENDED), (Pass, Pass.State.CLOSED)],
)
def test_a_closed_or_suspended_member_is_not_signed_in_and_nothing_is_kept(
    visitor: Visitor, model: type[Member | Pass], state: str
) -> None:
    wallet_pass = visitor.signs_in([BASE]).wallet_pass
    pk = wallet_pass.member_id if model is Member else wallet_pass.pk
    model._default_manager.filter(pk=pk).update(state=state)

    with refuses("MEMBER_CLOSED"):
        visitor.signs_in()


@pytest.mark.parametrize("code", ["", "with blank", "x" * 600, "tab\t"])
def test_what_cannot_be_a_code_is_not_sent(visitor: Visitor, code: str) -> None:
    with refuses("AUTH_CODE_INVALID"):
        miniapp.sign_in(credential=visitor.credential, auth_code=code, scopes=[BASE], now=clock.now())

    assert visitor.calls() == []


def test_an_expired_code_a_used_one_and_another_mini_apps_sign_nobody_in(visitor: Visitor) -> None:
    used = visitor.code()
    visitor.signs_in(code=used)
    visitor.gateway.twin.authorizations._codes[used].used_at = clock.now() - timedelta(minutes=1)
    foreign = new_visitor(visitor.gateway)

    with refuses("AUTH_CODE_EXPIRED"):
        visitor.signs_in(code=visitor.code(seconds=-1))
    with refuses("AUTH_CODE_INVALID"):
        visitor.signs_in(code=used)
    with refuses("AUTH_CODE_INVALID"):
        visitor.signs_in(code=foreign.code())


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("USER_STATUS_ABNORMAL", "USER_REFUSED"),
        ("USER_NOT_EXIST", "USER_REFUSED"),
        ("PROCESS_FAIL", "ALIPAYHK_REFUSED"),
        ("INVALID_AUTH_CLIENT", "ALIPAYHK_REFUSED"),
        ("REQUEST_TRAFFIC_EXCEED_LIMIT", "ALIPAYHK_AWAY"),
    ],
)
def test_a_refusal_of_alipayhk_is_told_apart(visitor: Visitor, code: str, said: str) -> None:
    visitor.fault("permanent", code=code)

    with refuses(said):
        visitor.signs_in()

    assert len(visitor.calls()) == 1


@pytest.mark.parametrize(
    "fault", ["reset_before", "unsigned", "wrong_signature", "http_500", "not_json", "system_error_before"]
)
def test_while_alipayhk_is_away_nothing_is_half_made(visitor: Visitor, fault: str) -> None:
    visitor.fault(fault, times=2)

    with refuses("ALIPAYHK_AWAY"):
        visitor.signs_in()

    assert len(visitor.calls()) == 2


@pytest.mark.parametrize("fault", ["reset_before", "reset_after", "system_error_after"])
def test_a_call_without_an_answer_is_made_once_more_with_the_same_code(visitor: Visitor, fault: str) -> None:
    visitor.fault(fault)

    signed_in = visitor.signs_in()

    assert signed_in.is_new
    assert len(visitor.calls()) == 2


def test_a_mall_without_a_mini_app_or_without_keys_signs_nobody_in(visitor: Visitor) -> None:
    code = visitor.code()
    visitor.credential.app_id = ""
    with refuses("MINI_APP_OFF"):
        visitor.signs_in(code=code)

    visitor.credential.app_id = "2102020132609344"
    visitor.credential.gateway_url = "https://elsewhere.example"
    with refuses("MINI_APP_OFF"):
        visitor.signs_in(code=code)


def test_the_call_names_mini_app_merchant_and_customer_as_far_as_configured(
    visitor: Visitor, settings: Any
) -> None:
    visitor.signs_in()
    visitor.credential.auth_client_id = "2160010200871872"
    settings.ALIPAYHK_TOKEN_CUSTOMER = ""
    visitor.signs_in()

    first, second = (call.request for call in visitor.calls())
    assert f'"authClientId":"{visitor.credential.merchant_id}"' in first
    assert f'"appId":"{visitor.credential.app_id}"' in first
    assert '"customerBelongsTo":"ALIPAY_HK"' in first
    assert '"authClientId":"2160010200871872"' in second
    assert "customerBelongsTo" not in second


def test_a_picked_batch_earns_by_the_stored_token(picker: Picker) -> None:
    visitor = Visitor(picker.gateway, picker.credential, user_id=picker.wallet_pass.user_id)
    visitor.signs_in()
    batch = visitor.picks(bill("MA-1"), bill("MA-2", 20000))

    told = visitor.submits(batch)
    again = visitor.submits(batch)

    assert verdicts(told) == verdicts(again) == ["ACCEPTED", "ACCEPTED"]
    assert [one.is_repeat for one in again] == [True, True]
    assert picker.balance() == 338


def test_an_expired_token_is_exchanged_once_and_the_batch_fetched_again(picker: Picker) -> None:
    visitor = Visitor(picker.gateway, picker.credential, user_id=picker.wallet_pass.user_id)
    visitor.signs_in()
    visitor.gateway.twin.authorizations.expire(visitor.user_id)

    told = visitor.submits(visitor.picks(bill("MA-1")))

    assert verdicts(told) == ["ACCEPTED"]
    assert [call.code for call in visitor.calls("bill/query")] == ["EXPIRED_ACCESS_TOKEN", "SUCCESS"]
    assert len(visitor.calls()) == 2


def test_a_token_that_stays_refused_is_not_exchanged_again_and_again(picker: Picker) -> None:
    visitor = Visitor(picker.gateway, picker.credential, user_id=picker.wallet_pass.user_id)
    visitor.signs_in()
    visitor.fault("permanent", times=2, api="bill/query", code="EXPIRED_ACCESS_TOKEN")

    with pytest.raises(uploads.TokenExpired):
        visitor.submits(visitor.picks(bill("MA-1")))

    assert len(visitor.calls()) == 2
    assert picker.balance() == 0


def test_the_batch_of_another_member_is_refused_and_earns_nobody_anything(picker: Picker) -> None:
    visitor = Visitor(picker.gateway, picker.credential)
    visitor.signs_in()
    theirs = picker.batch(bill("MA-1"))

    with changes.only("alipayhk_wallettoken"), pytest.raises(uploads.TokenExpired):
        visitor.submits(theirs)

    assert picker.balance() == 0


def test_who_never_signed_in_must_do_so_before_a_batch(picker: Picker) -> None:
    visitor = Visitor(picker.gateway, picker.credential, user_id=picker.wallet_pass.user_id)

    with changes.only(), pytest.raises(wallet_tokens.AuthorizationEnded) as caught:
        visitor.submits(visitor.picks(bill("MA-1")))

    assert caught.value.code == "NO_AUTHORIZATION"


def test_the_card_is_pushed_anew_when_it_passes_to_an_earlier_membership(visitor: Visitor) -> None:
    visitor.signs_in()
    passes.notice_new()
    passes.drain()
    earlier = factories.MemberFactory.create(program=visitor.wallet_pass.program, phone="+85261234567")
    factories.PointAccountFactory.create(member=earlier, balance=500, version=3)
    form = RegistrationForm(name="Chan Mei", phone=earlier.phone, card_number=earlier.card_number)

    member = miniapp.register(wallet_pass=visitor.wallet_pass, form=form, now=clock.now())
    outbound.hurry(visitor.wallet_pass)
    passes.drain()

    assert member == earlier == visitor.wallet_pass.member
    assert "500" in str(visitor.gateway.card(visitor.wallet_pass).faces)


def test_codes_and_tokens_are_neither_logged_nor_told_nor_shown(
    visitor: Visitor, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    code = visitor.code()
    visitor.fault("unsigned")
    signed_in = visitor.signs_in(code=code)
    secrets = [code, *opened(visitor)]
    visitor.gateway.twin.authorizations.expire(visitor.user_id)
    wallet_tokens.refresh_after_expiry(
        wallet_pass=visitor.wallet_pass, credential=visitor.credential, refused=secrets[1], now=clock.now()
    )
    secrets += opened(visitor)
    visitor.gateway.twin.authorizations.revoke(visitor.user_id)
    with pytest.raises(wallet_tokens.AuthorizationEnded) as ended:
        wallet_tokens.refresh_after_expiry(
            wallet_pass=visitor.wallet_pass,
            credential=visitor.credential,
            refused=secrets[3],
            now=clock.now(),
        )

    texts = [
        caplog.text,
        repr(signed_in),
        repr(ended.value) + repr(ended.value.__cause__),
        *map(str, visitor.calls()),
        DjangoJSONEncoder().encode(list(WalletToken.objects.values())),
    ]
    assert len(set(secrets)) == 5
    assert not [text for text in texts for secret in secrets if secret in text]


def opened(visitor: Visitor) -> list[str]:
    return [
        sealed.unseal(visitor.token.sealed_access_token),
        sealed.unseal(visitor.token.sealed_refresh_token),
    ]
