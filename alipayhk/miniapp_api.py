"""The API of a mall's mini-app: sign-in by AlipayHK's auth code, then everything under our own short session.

The session's token goes in the header `Authorization: Bearer` alone; a stranger gets a 401 and leaves nothing behind.
"""

import logging
from typing import Any, cast

from django.conf import settings
from django.db import InterfaceError, OperationalError
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import APIException, AuthenticationFailed, NotFound, Throttled
from rest_framework.request import Request
from rest_framework.response import Response

from alipayhk import (
    bulkhead,
    miniapp,
    miniapp_account,
    miniapp_batches,
    miniapp_document,
    miniapp_forms,
    miniapp_sessions,
    miniapp_words,
    nudge,
)
from alipayhk.miniapp import SignInRefused
from alipayhk.miniapp_batches import BatchRefused
from alipayhk.miniapp_fields import FieldsRefused
from alipayhk.models import Credential, MiniAppSession
from loyalty.earning import member_account
from loyalty.earning.member_account import CursorUnreadable
from loyalty.ledger import redemption_words, redemptions
from loyalty.ledger.models import Redemption
from loyalty.ledger.redemptions import RedemptionRefused, Wish
from members import enrollment
from members.models import Member, Pass
from members.registering import RegistrationRefused
from pms import clock, request_rates, visitor
from pms.models import Mall
from pms.strict_api import RequestRefused, StrictView

alarm = logging.getLogger("loyalty.alarm")
LONGEST_CURSOR = 200
REGISTRATIONS_PER_MINUTE = 6
TOKEN_NAMES = {"token", "access_token", "session", "authorization", "bearer"}


class SessionAuthentication(BaseAuthentication):
    def authenticate(self, request: Request) -> tuple[Any, MiniAppSession]:
        word, _space, token = get_authorization_header(request).decode("latin-1").partition(" ")
        tag = request.parser_context["kwargs"]["tag"]
        is_bearer = word.lower() == "bearer"
        found = miniapp_sessions.holder_of(token.strip(), tag=tag, now=clock.now()) if is_bearer else None
        if found is None:
            raise AuthenticationFailed
        return None, found

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


class MiniAppView(StrictView):
    """What all addresses share: no token in an address, nothing kept by caches, each refusal in both languages."""

    authentication_classes: list[type[BaseAuthentication]] = []
    messages = miniapp_words.MESSAGES
    codes = {401: "SESSION_INVALID"}

    def dispatch(self, request: Any, *arguments: Any, **words: Any) -> Any:
        """The `my.request` of mini-apps is documented for GET and POST alone, so a DELETE may come in disguise."""
        if request.method == "POST" and request.headers.get("X-HTTP-Method-Override") == "DELETE":
            request.method = "DELETE"
        return super().dispatch(request, *arguments, **words)

    def initial(self, request: Request, *arguments: Any, **words: Any) -> None:
        if _has_token(request):
            raise RequestRefused("TOKEN_IN_URL", 400)
        super().initial(request, *arguments, **words)

    def finalize_response(self, request: Request, response: Any, *arguments: Any, **words: Any) -> Any:
        response = super().finalize_response(request, response, *arguments, **words)
        response.headers["Cache-Control"] = "no-store"
        return response

    def handle_exception(self, exc: Exception) -> Response:
        if isinstance(exc, FieldsRefused | RegistrationRefused):
            return Response(miniapp_forms.faulty(exc.faults), status=422)
        if isinstance(exc, RedemptionRefused):
            return Response(_refused_redemption(exc), status=404 if exc.code == UNKNOWN_CODE else 409)
        if isinstance(exc, SignInRefused | BatchRefused):
            return Response(self.error(exc.code), status=miniapp_words.STATUSES[exc.code])
        if isinstance(exc, bulkhead.Full):
            return Response(self.error("BUSY"), status=503)
        if isinstance(exc, APIException | OperationalError):
            return super().handle_exception(exc)
        alarm.error("the mini-app's API failed: %s", type(exc).__name__, exc_info=exc)
        if isinstance(exc, InterfaceError):
            return Response(self.error("BUSY"), status=503)
        return Response(self.error("FAILED"), status=500)

    def limit(self, what: str, who: str, *, per_minute: int) -> None:
        if request_rates.is_spent(f"miniapp-{what}", who, limit=per_minute, now=clock.now()):
            raise Throttled(wait=60)


class PublicView(MiniAppView):
    """For those who have not signed in yet; counted by mall and client address."""

    def credential(self, request: Request, tag: str, *, what: str) -> Credential:
        found = miniapp_account.credential_of(tag)
        if found is None:
            if miniapp_account.is_mall(tag):
                raise RequestRefused("MINI_APP_OFF", miniapp_words.STATUSES["MINI_APP_OFF"])
            raise NotFound
        address = visitor.address(request._request)
        limit = settings.MINIAPP_SIGN_INS_PER_MINUTE
        self.limit(what, f"{found.mall_id}:{address}", per_minute=limit)
        return found


class MemberView(MiniAppView):
    """For the member of a session; counted by session."""

    authentication_classes = [SessionAuthentication]

    def initial(self, request: Request, *arguments: Any, **words: Any) -> None:
        super().initial(request, *arguments, **words)
        self.limit("session", str(self.session.pk), per_minute=settings.MINIAPP_REQUESTS_PER_MINUTE)
        _check_state(self.session.wallet_pass)

    @property
    def session(self) -> MiniAppSession:
        """The row of the token that was shown."""
        return cast(MiniAppSession, self.request.auth)

    @property
    def member(self) -> Member:
        return self.session.wallet_pass.member

    @property
    def mall(self) -> Mall:
        return self.session.credential.mall

    def me(self) -> Response:
        return Response(miniapp_account.me(wallet_pass=self.session.wallet_pass, now=clock.now()))


class Setup(PublicView):
    def get(self, request: Request, tag: str) -> Response:
        return Response(miniapp_account.setup(self.credential(request, tag, what="setup")))


class SignIn(PublicView):
    def post(self, request: Request, tag: str) -> Response:
        credential = self.credential(request, tag, what="sign-in")
        asked = miniapp_forms.sign_in(_body(request))
        now = clock.now()
        with bulkhead.place():
            signed = miniapp.sign_in(
                credential=credential,
                auth_code=asked["auth_code"],
                scopes=asked["scopes"],
                text_version=asked["text_version"],
                now=now,
            )
        nudge.soon()
        card = signed.wallet_pass
        session, token = miniapp_sessions.begin(wallet_pass=card, credential=credential, now=now)
        return Response({
            "token": token,
            "expires_at": miniapp_account.moment(session.expires_at),
            "is_new": signed.is_new,
            "auto_earn": signed.auto_earn,
            "member": miniapp_account.me(wallet_pass=card, now=now),
        })  # fmt: skip


class Me(MemberView):
    def get(self, request: Request, tag: str) -> Response:
        return self.me()


class Register(MemberView):
    def post(self, request: Request, tag: str) -> Response:
        form = miniapp_forms.registration(_body(request))
        card = self.session.wallet_pass
        # By the card: sessions are had for the asking.
        self.limit("register", str(card.pk), per_minute=REGISTRATIONS_PER_MINUTE)
        miniapp.register(wallet_pass=card, form=form, now=clock.now())
        nudge.soon()
        # The card may be another member's now: one who was here before and had none.
        found = Pass.objects.select_related("program", "member__program").get(pk=card.pk)
        return Response(miniapp_account.me(wallet_pass=found, now=clock.now()))


class Transactions(MemberView):
    def get(self, request: Request, tag: str) -> Response:
        cursors = request.query_params.getlist("cursor") or [""]
        if len(cursors) > 1 or len(cursors[0]) > LONGEST_CURSOR or not cursors[0].isascii():
            raise RequestRefused("CURSOR_UNREADABLE", 400)
        try:
            told, following = member_account.history(member=self.member, after=cursors[0])
        except CursorUnreadable as error:
            raise RequestRefused("CURSOR_UNREADABLE", 400) from error
        return Response({"transactions": told, "next": following or None})


class Consent(MemberView):
    def post(self, request: Request, tag: str) -> Response:
        """Given for the text that is in force; one that was read before it changed is no consent to it."""
        version = miniapp_forms.consent(_body(request))
        card = self.session.wallet_pass
        if version != card.program.consent_text_version:
            raise RequestRefused("CONSENT_TEXT_OLD", 409)
        evidence = f"mini-app session {self.session.pk}"
        enrollment.give_consent(wallet_pass=card, text_version=version, evidence=evidence, now=clock.now())
        return self.me()

    def delete(self, request: Request, tag: str) -> Response:
        enrollment.withdraw(wallet_pass=self.session.wallet_pass, now=clock.now())
        return self.me()


class Batches(MemberView):
    def post(self, request: Request, tag: str) -> Response:
        number = miniapp_forms.batch(_body(request))
        with bulkhead.place():
            told = miniapp_batches.submit(session=self.session, number=number, now=clock.now())
        nudge.soon()
        return Response(told)


UNKNOWN_CODE = "REDEMPTION_CODE_UNKNOWN"


class Redemptions(MemberView):
    def post(self, request: Request, tag: str) -> Response:
        """The member acts for herself, so no staff login set the points aside."""
        wish = Wish(member=self.member, mall=self.mall, **miniapp_forms.redemption(_body(request)))
        redemption = redemptions.reserve(wish=wish, by=None, now=clock.now())
        return Response(redemption_words.told(redemption), status=201)


class OneRedemption(MemberView):
    def get(self, request: Request, tag: str, code: str) -> Response:
        return Response(redemption_words.told(self.found(code)))

    def delete(self, request: Request, tag: str, code: str) -> Response:
        released = redemptions.release(redemption=self.found(code), by=None, now=clock.now())
        return Response(redemption_words.told(released))

    def found(self, code: str) -> Redemption:
        """The member's own in this mall; another's is not known."""
        found = redemptions.by_code(code=code, malls=Mall.objects.filter(pk=self.mall.pk))
        if found.account.member_id != self.member.pk:
            raise RedemptionRefused(UNKNOWN_CODE)
        return found


class Description(StrictView):
    """The API in the words of OpenAPI; for everybody, since it says nothing about anybody."""

    authentication_classes: list[type[BaseAuthentication]] = []

    def get(self, request: Request) -> Response:
        return Response(miniapp_document.openapi())


class Nothing(MiniAppView):
    """Any other address."""

    def dispatch(self, request: Any, *arguments: Any, **words: Any) -> Any:
        self.http_method_names = []
        return super().dispatch(request, *arguments, **words)

    def http_method_not_allowed(self, request: Any, *arguments: Any, **words: Any) -> Any:
        raise NotFound


def _body(request: Request) -> dict[str, Any]:
    """What the strict parser read, which is always an object."""
    return cast(dict[str, Any], request.data)


def _check_state(card: Pass) -> None:
    if card.member.state != Member.State.ACTIVE or card.state == Pass.State.CLOSED:
        raise RequestRefused("MEMBER_CLOSED", miniapp_words.STATUSES["MEMBER_CLOSED"])


def _has_token(request: Request) -> bool:
    """By its name or by its look, wherever it stands in the address: addresses are kept in logs."""
    named = any(name.lower() in TOKEN_NAMES for name in request.query_params)
    return named or miniapp_sessions.LOOK.search(request._request.get_full_path()) is not None


def _refused_redemption(refused: RedemptionRefused) -> dict[str, Any]:
    said = {
        name: redemption_words.in_language(refused, language)
        for name, language in (("message_en", "en"), ("message_zh", "zh-hant"))
    }
    return {"error": {"code": refused.code, **said}}
