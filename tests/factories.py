"""One factory per model, for real rows that belong together. Use `.create()`, whose type is the model.

Balances follow postings, not factories: a test about points posts them.
"""

import hashlib
import uuid
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import factory
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from factory.django import DjangoModelFactory

from alipayhk import sealed, signature
from alipayhk.models import CardTemplate, Credential, CredentialKey, Notification, PassCall, PassUpdate
from loyalty.earning.models import Award, DuplicateCase, NumberClaim, Refund, Rule, RuleVersion, Transaction
from loyalty.ledger.models import PointAccount, PointEntry, PointLot, Posting
from members.models import Consent, ContactChange, Member, Pass, Program
from pms.models import Mall, MallGroup, MallStaff, Store, User

# A Monday, 12:00 in Hong Kong.
MOMENT = datetime(2026, 5, 4, 4, 0, tzinfo=UTC)
PASSWORD = "correct-horse-battery-staple"


@cache
def key_pair(name: str) -> RSAPrivateKey:
    """An RSA-2048 pair, made once per run and name."""
    return generate_private_key(public_exponent=65537, key_size=2048)


class UserFactory(DjangoModelFactory[User]):
    class Meta:
        model = User

    username = factory.Sequence(lambda n: f"staff-{n}")
    password = factory.django.Password(PASSWORD)
    is_staff = True


class MallGroupFactory(DjangoModelFactory[MallGroup]):
    class Meta:
        model = MallGroup

    label = factory.Sequence(lambda n: f"{20230316 + n}")
    name_en = factory.Sequence(lambda n: f"Lumina {n}")
    name_zh = factory.Sequence(lambda n: f"朗曜{n}")


class MallFactory(DjangoModelFactory[Mall]):
    class Meta:
        model = Mall

    group = factory.SubFactory(MallGroupFactory)
    label = factory.Sequence(lambda n: f"{20230316001 + n}")
    tag = factory.Sequence(lambda n: f"lumina-{n}")
    name_en = factory.Sequence(lambda n: f"Lumina Plaza {n}")
    name_zh = factory.Sequence(lambda n: f"朗曜廣場{n}")


class StoreFactory(DjangoModelFactory[Store]):
    class Meta:
        model = Store

    mall = factory.SubFactory(MallFactory)
    group = factory.SelfAttribute("mall.group")
    pms_label = factory.Sequence(lambda n: f"PMS{n:04d}")
    partner_id = "20230324"
    merchant_id = factory.Sequence(lambda n: f"{21609876543945 + n}")
    store_id = factory.Sequence(lambda n: f"S{n}")
    code = factory.Sequence(lambda n: f"LP-{n}")
    name_en = factory.Sequence(lambda n: f"Harbour Noodles {n}")
    name_zh = factory.Sequence(lambda n: f"海港麵家{n}")
    category = "DINING"


class MallStaffFactory(DjangoModelFactory[MallStaff]):
    class Meta:
        model = MallStaff

    user = factory.SubFactory(UserFactory)
    mall = factory.SubFactory(MallFactory)
    group = factory.SelfAttribute("mall.group")
    role = MallStaff.Role.OPERATOR


class ProgramFactory(DjangoModelFactory[Program]):
    class Meta:
        model = Program
        django_get_or_create = ("group",)

    group = factory.SubFactory(MallGroupFactory)
    name_en = "Lumina Club"
    name_zh = "朗曜會"


class MemberFactory(DjangoModelFactory[Member]):
    class Meta:
        model = Member

    program = factory.SubFactory(ProgramFactory)
    card_number = factory.Sequence(lambda n: f"{8000000000000000 + n}")
    name = factory.Sequence(lambda n: f"Chan Siu Ming {n}")
    phone = factory.Sequence(lambda n: f"+8526{n:07d}")
    phone_raw = factory.SelfAttribute("phone")
    email = factory.Sequence(lambda n: f"member-{n}@example.com")
    joined_at = MOMENT - timedelta(days=30)


class PassFactory(DjangoModelFactory[Pass]):
    class Meta:
        model = Pass

    class Params:
        active = factory.Trait(
            state=Pass.State.ACTIVE,
            external_id=factory.Sequence(lambda n: f"2020091119027102160530200{n:06d}"),
        )

    member = factory.SubFactory(MemberFactory)
    program = factory.SelfAttribute("member.program")
    mall = factory.SubFactory(MallFactory, group=factory.SelfAttribute("..program.group"))
    wallet = "ALIPAYHK"
    user_id = factory.Sequence(lambda n: f"{2160120037000000 + n}")
    serial = factory.LazyFunction(lambda: uuid.uuid4().hex)
    joined_at = factory.SelfAttribute("member.joined_at")


class ConsentFactory(DjangoModelFactory[Consent]):
    class Meta:
        model = Consent

    wallet_pass = factory.SubFactory(PassFactory)
    member = factory.SelfAttribute("wallet_pass.member")
    began_at = factory.SelfAttribute("wallet_pass.joined_at")
    text_version = "2026-01"


class ContactChangeFactory(DjangoModelFactory[ContactChange]):
    class Meta:
        model = ContactChange

    member = factory.SubFactory(MemberFactory)
    phone = factory.Sequence(lambda n: f"+8529{n:07d}")
    noticed_at = MOMENT


class PointAccountFactory(DjangoModelFactory[PointAccount]):
    """A member's account; `ProgramAccountFactory` makes the other side."""

    class Meta:
        model = PointAccount
        django_get_or_create = ("member",)

    member = factory.SubFactory(MemberFactory)
    program = factory.SelfAttribute("member.program")
    kind = PointAccount.Kind.MEMBER
    balance = 0
    changed_at = MOMENT


class ProgramAccountFactory(DjangoModelFactory[PointAccount]):
    class Meta:
        model = PointAccount
        django_get_or_create = ("program", "kind", "member")

    program = factory.SubFactory(ProgramFactory)
    kind = PointAccount.Kind.ISSUED
    member = None
    changed_at = MOMENT


class PostingFactory(DjangoModelFactory[Posting]):
    class Meta:
        model = Posting

    program = factory.SubFactory(ProgramFactory)
    kind = Posting.Kind.EARN
    source = factory.Sequence(lambda n: f"factory/{n}")
    posted_at = MOMENT


class PointEntryFactory(DjangoModelFactory[PointEntry]):
    """One line on a member's account, and its counterpart: a lone line cannot be committed."""

    class Meta:
        model = PointEntry

    account = factory.SubFactory(PointAccountFactory)
    posting = factory.SubFactory(PostingFactory, program=factory.SelfAttribute("..account.program"))
    points = 100

    @classmethod
    def _create(cls, model_class: type[PointEntry], *args: Any, **fields: Any) -> PointEntry:
        entry: PointEntry = super()._create(model_class, *args, **fields)
        issued = ProgramAccountFactory.create(program=entry.posting.program)
        PointEntry.objects.create(posting=entry.posting, account=issued, points=-entry.points)
        return entry


class PointLotFactory(DjangoModelFactory[PointLot]):
    class Meta:
        model = PointLot

    account = factory.SubFactory(PointAccountFactory)
    posting = factory.SubFactory(PostingFactory, program=factory.SelfAttribute("..account.program"))
    points = 100
    remaining = factory.SelfAttribute("points")


class RuleFactory(DjangoModelFactory[Rule]):
    class Meta:
        model = Rule
        django_get_or_create = ("program", "kind")

    program = factory.SubFactory(ProgramFactory)
    kind = Rule.Kind.BASE
    name_en = "Base rate"
    name_zh = "基本積分"


class RuleVersionFactory(DjangoModelFactory[RuleVersion]):
    class Meta:
        model = RuleVersion

    rule = factory.SubFactory(RuleFactory)
    number = factory.Sequence(lambda n: n + 1)
    effective_at = factory.LazyAttribute(
        lambda row: datetime(2000, 1, 1, tzinfo=UTC) + timedelta(seconds=row.number)
    )
    published_at = MOMENT - timedelta(days=60)
    points_numerator = 1


class TransactionFactory(DjangoModelFactory[Transaction]):
    class Meta:
        model = Transaction

    mall = factory.SubFactory(MallFactory)
    group = factory.SelfAttribute("mall.group")
    store = factory.SubFactory(StoreFactory, mall=factory.SelfAttribute("..mall"))
    member = factory.SubFactory(MemberFactory, program__group=factory.SelfAttribute("...group"))
    channel = Transaction.Channel.WALLET
    state = Transaction.State.EARNED
    amount_cents = 13890
    currency = "HKD"
    paid_at = MOMENT
    recorded_at = factory.SelfAttribute("paid_at")
    payment_number = factory.Sequence(lambda n: f"20230420{n:020d}")
    store_label = factory.LazyAttribute(lambda row: row.store.pms_label if row.store else "PMS-UNKNOWN")
    merchant_name = "Harbour Noodles"


class NumberClaimFactory(DjangoModelFactory[NumberClaim]):
    class Meta:
        model = NumberClaim

    transaction = factory.SubFactory(TransactionFactory)
    group = factory.SelfAttribute("transaction.group")
    kind = NumberClaim.Kind.PAYMENT
    number = factory.SelfAttribute("transaction.payment_number")


class AwardFactory(DjangoModelFactory[Award]):
    class Meta:
        model = Award

    transaction = factory.SubFactory(TransactionFactory)
    rule_version = factory.SubFactory(
        RuleVersionFactory, rule__program=factory.SelfAttribute("...transaction.member.program")
    )
    posting = factory.SubFactory(
        PostingFactory, program=factory.SelfAttribute("..transaction.member.program")
    )
    points = 138
    counted_cents = factory.SelfAttribute("transaction.amount_cents")
    reasons = factory.LazyFunction(
        lambda: [{"code": "EARNED_BASE", "values": {"points": 138, "amount": "138.90"}}]
    )
    conditions = factory.LazyFunction(lambda: [{"condition": "MIN_SPEND", "is_met": True, "found": "138.90"}])
    awarded_at = MOMENT


class RefundFactory(DjangoModelFactory[Refund]):
    class Meta:
        model = Refund

    transaction = factory.SubFactory(TransactionFactory)
    key = factory.Sequence(lambda n: f"20230420{n:020d}:R{n}")
    number = factory.Sequence(lambda n: f"R{n}")
    amount_cents = 1000
    refunded_at = MOMENT + timedelta(hours=1)
    recorded_at = factory.SelfAttribute("refunded_at")
    points = 0
    reasons = factory.LazyFunction(lambda: [{"code": "REFUND_NO_CHANGE", "values": {}}])


class DuplicateCaseFactory(DjangoModelFactory[DuplicateCase]):
    class Meta:
        model = DuplicateCase

    transaction = factory.SubFactory(TransactionFactory)
    earlier = factory.SubFactory(TransactionFactory, mall=factory.SelfAttribute("..transaction.mall"))
    opened_at = MOMENT


class CredentialFactory(DjangoModelFactory[Credential]):
    class Meta:
        model = Credential

    mall = factory.SubFactory(MallFactory)
    client_id = factory.Sequence(lambda n: f"{2110200000000044 + n}")
    client_ids = factory.LazyFunction(list)
    merchant_id = factory.Sequence(lambda n: f"{2160120041113167 + n}")
    app_id = "2102020132609344"
    gateway_url = "http://127.0.0.1:9000"


class CredentialKeyFactory(DjangoModelFactory[CredentialKey]):
    """AlipayHK's key; with `ours=True` one of ours, the private half sealed. `pair` is the whole key."""

    class Meta:
        model = CredentialKey
        exclude = ("pair",)

    class Params:
        ours = factory.Trait(
            side=CredentialKey.Side.OURS,
            sealed_private_key=factory.LazyAttribute(
                lambda row: sealed.seal(signature.private_pem(row.pair))
            ),
        )

    credential = factory.SubFactory(CredentialFactory)
    side = CredentialKey.Side.ALIPAYHK
    version = 1
    pair = factory.LazyAttribute(lambda row: key_pair(f"{row.side} {row.version}"))
    public_key = factory.LazyAttribute(lambda row: signature.public_base64(row.pair.public_key()))
    fingerprint = factory.LazyAttribute(lambda row: signature.public_fingerprint(row.pair.public_key()))
    added_at = MOMENT - timedelta(days=60)


class CardTemplateFactory(DjangoModelFactory[CardTemplate]):
    class Meta:
        model = CardTemplate

    credential = factory.SubFactory(CredentialFactory)
    code = factory.Sequence(lambda n: f"22023041200135606000000000{n:06d}")
    shape = CardTemplate.Shape.NESTED
    placeholders = factory.LazyFunction(lambda: {"$points$": "balance", "$name$": "member_name"})


class NotificationFactory(DjangoModelFactory[Notification]):
    class Meta:
        model = Notification

    class Params:
        parked = factory.Trait(
            state=Notification.State.PARKED,
            reason="PARKED_NO_PASS",
            waits_for=factory.LazyAttribute(lambda row: f"USER:{row.user_id}"),
            judged_at=None,
        )

    mall = factory.SubFactory(MallFactory)
    group = factory.SelfAttribute("mall.group")
    credential = factory.SubFactory(CredentialFactory, mall=factory.SelfAttribute("..mall"))
    kind = Notification.Kind.BILL
    key = factory.Sequence(lambda n: f"20230420{n:020d}")
    content_hash = factory.LazyAttribute(lambda row: hashlib.sha256(row.raw_body).hexdigest())
    state = Notification.State.PROCESSED
    answer = Notification.Answer.SUCCESS
    raw_target = factory.LazyAttribute(lambda row: f"/{row.mall.tag}/points/bill/notify".encode())
    raw_body = factory.LazyAttribute(lambda row: b'{"billNo": "%b"}' % row.key.encode())
    headers = factory.LazyFunction(lambda: {"Client-Id": "2110200000000044"})
    user_id = factory.Sequence(lambda n: f"{2160120037000000 + n}")
    received_at = MOMENT
    judged_at = factory.SelfAttribute("received_at")


class PassUpdateFactory(DjangoModelFactory[PassUpdate]):
    class Meta:
        model = PassUpdate

    wallet_pass = factory.SubFactory(PassFactory, active=True)


class PassCallFactory(DjangoModelFactory[PassCall]):
    class Meta:
        model = PassCall

    update = factory.SubFactory(PassUpdateFactory)
    api = "updatePass"
    attempt = 1
    version = 1
    points = 138
    called_at = MOMENT
    duration_ms = 120
    outcome = PassCall.Outcome.DONE
    http_status = 200
    code = "SUCCESS"
    request_body = "{}"
