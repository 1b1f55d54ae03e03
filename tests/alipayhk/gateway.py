"""The simulated AlipayHK as the outbound tests need it: a mall that calls it, members with cards, faults."""

from dataclasses import dataclass
from typing import Any

from django.db import connection

from alipayhk import pass_queue, passes
from alipayhk.answers import Outcome, Verdict
from alipayhk.models import CardTemplate, Credential, CredentialKey, PassCall, PassUpdate
from alipayhk.pass_calls import Called, Heard
from alipayhk.simulator import clients, faults
from alipayhk.simulator.calls import Call
from alipayhk.simulator.cards import Card
from alipayhk.simulator.clients import Client
from alipayhk.simulator.keys import KeyRing
from alipayhk.simulator.twin import Twin
from loyalty.ledger.models import PointAccount
from members.models import Member, Pass
from pms.models import Mall
from tests import factories


@dataclass
class Gateway:
    """A running simulator."""

    url: str
    twin: Twin

    def fault(self, name: str, *, user_id: str | None = None, times: int | None = 1, **more: Any) -> None:
        """The next `times` calls, of this user or of anybody, meet this fault."""
        fields = {"fault": name, "user_id": user_id, "times": times, **more}
        self.twin.plan.add(faults.read_planned(fields))

    def card(self, wallet_pass: Pass) -> Card:
        """The one card of this pass."""
        found = self.cards(wallet_pass)
        assert len(found) == 1, f"{len(found)} cards"
        return found[0]

    def cards(self, wallet_pass: Pass) -> list[Card]:
        return self.twin.wallet.listing(user_id=wallet_pass.user_id)

    def calls(self, wallet_pass: Pass) -> list[Call]:
        """Calls about this pass, the oldest first."""
        return self.twin.ring.listing(direction="IN", user_id=wallet_pass.user_id)[::-1]


def mall(gateway: Gateway, **fields: Any) -> Credential:
    """A mall that the simulator serves, with keys on both sides and a card template."""
    made: Mall = factories.MallFactory.create()
    credential = factories.CredentialFactory.create(mall=made, **{"gateway_url": gateway.url, **fields})
    give_keys(credential, gateway.twin.keys)
    template = factories.CardTemplateFactory.create(credential=credential)
    serve(gateway, credential, template)
    return credential


def give_keys(credential: Credential, ring: KeyRing) -> None:
    """Ours, and AlipayHK's current, next and revoked ones."""
    make, state = factories.CredentialKeyFactory.create, CredentialKey.State
    make(credential=credential, ours=True, version=1, pair=ring.merchant)
    make(credential=credential, version=2, pair=ring.current)
    make(credential=credential, version=3, pair=ring.next)
    make(credential=credential, version=1, pair=ring.old, state=state.REVOKED, revoked_at=factories.MOMENT)


def serve(gateway: Gateway, credential: Credential, template: CardTemplate) -> None:
    """Tell the simulator of a mall."""
    gateway.twin.clients.add(
        Client(
            client_id=credential.client_id,
            tag=credential.mall.tag,
            mall_url="http://127.0.0.1:9",
            merchant_id=credential.merchant_id,
            public_keys=tuple(
                credential.keys.filter(side=CredentialKey.Side.OURS).values_list("public_key", flat=True)
            ),
            template=clients.Template(
                code=template.code, shape=template.shape, placeholders=dict(template.placeholders)
            ),
        )
    )


def member(credential: Credential, *, points: int = 0) -> Pass:
    """A member who just joined; no card yet. Points without postings: the ledger is not what is tried here."""
    program = factories.ProgramFactory.create(group=credential.mall.group)
    joined: Member = factories.MemberFactory.create(program=program)
    factories.PointAccountFactory.create(member=joined)
    wallet_pass: Pass = factories.PassFactory.create(member=joined, mall=credential.mall)
    if points:
        earn(wallet_pass, points, is_wanted=False)
    return wallet_pass


def earn(wallet_pass: Pass, points: int, *, is_wanted: bool = True) -> None:
    """Move the account as a posting does, and say so as the webhook does."""
    account = PointAccount.objects.get(member=wallet_pass.member_id)
    account.balance, account.version = (account.balance or 0) + points, account.version + 1
    account.save()
    if is_wanted:
        with connection.cursor() as cursor:
            passes.want(cursor=cursor, member_id=wallet_pass.member_id, version=account.version)


def carded(credential: Credential, *, points: int = 0) -> Pass:
    """A member whose card is made and shows the balance."""
    wallet_pass = member(credential, points=points)
    passes.notice_new()
    passes.drain()
    wallet_pass.refresh_from_db()
    assert wallet_pass.state == Pass.State.ACTIVE
    return wallet_pass


def update(wallet_pass: Pass) -> PassUpdate:
    return PassUpdate.objects.get(wallet_pass=wallet_pass)


def hurry(wallet_pass: Pass, seconds: float = 10_000) -> None:
    """Let that much time pass for this card."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE alipayhk_passupdate SET due_at = due_at - make_interval(secs => %(seconds)s),
                called_at = called_at - make_interval(secs => %(seconds)s),
                confirm_at = confirm_at - make_interval(secs => %(seconds)s),
                not_before_at = not_before_at - make_interval(secs => %(seconds)s),
                leased_until_at = leased_until_at - make_interval(secs => %(seconds)s)
            WHERE wallet_pass_id = %(id)s
            """,
            {"seconds": seconds, "id": wallet_pass.pk},
        )


def outcomes(wallet_pass: Pass) -> list[str]:
    """What the calls about this pass came to, the oldest first."""
    calls = PassCall.objects.filter(update__wallet_pass=wallet_pass).order_by("called_at", "pk")
    return [f"{call.outcome} {call.code}" for call in calls]


def waits(wallet_pass: Pass) -> float:
    """Seconds from the last call to the next attempt."""
    found = update(wallet_pass)
    assert found.due_at is not None
    assert found.called_at is not None
    return (found.due_at - found.called_at).total_seconds()


def fail(gateway: Gateway, wallet_pass: Pass, times: int) -> None:
    """That many calls in a row whose outcome nobody knows, each at its time."""
    for _ in range(times):
        gateway.fault("system_error_before", user_id=wallet_pass.user_id)
        hurry(wallet_pass)
        assert passes.drain() == 1


def called(claimed: pass_queue.Claimed, outcome: Outcome, code: str) -> Called:
    return Called(
        claimed=claimed,
        verdict=Verdict(outcome=outcome, code=code),
        api="updatePass",
        duration_ms=1,
        request_body="{}",
        heard=Heard(),
    )


def vars_of(update: PassUpdate) -> dict[str, Any]:
    return {field.attname: getattr(update, field.attname) for field in PassUpdate._meta.concrete_fields}
