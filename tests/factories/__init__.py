"""One factory per model, for real rows that belong together. Use `.create()`, whose type is the model."""

from tests.factories.moment import MOMENT
from tests.factories.people import (
    ConsentFactory,
    ContactChangeFactory,
    MemberFactory,
    PassFactory,
    ProgramFactory,
)
from tests.factories.places import (
    PASSWORD,
    MallFactory,
    MallGroupFactory,
    MallStaffFactory,
    StoreFactory,
    UserFactory,
)
from tests.factories.points import (
    PointAccountFactory,
    PointEntryFactory,
    PointLotFactory,
    PostingFactory,
    ProgramAccountFactory,
)
from tests.factories.purchases import (
    AwardFactory,
    DuplicateCaseFactory,
    NumberClaimFactory,
    RefundFactory,
    RuleFactory,
    RuleVersionFactory,
    TransactionFactory,
)
from tests.factories.wire import (
    CardTemplateFactory,
    CircuitFactory,
    CredentialFactory,
    CredentialKeyFactory,
    NotificationFactory,
    PassCallFactory,
    PassUpdateFactory,
    SeenSignatureFactory,
    key_pair,
)

__all__ = [
    "MOMENT",
    "PASSWORD",
    "AwardFactory",
    "CardTemplateFactory",
    "CircuitFactory",
    "ConsentFactory",
    "ContactChangeFactory",
    "CredentialFactory",
    "CredentialKeyFactory",
    "DuplicateCaseFactory",
    "MallFactory",
    "MallGroupFactory",
    "MallStaffFactory",
    "MemberFactory",
    "NotificationFactory",
    "NumberClaimFactory",
    "PassCallFactory",
    "PassFactory",
    "PassUpdateFactory",
    "PointAccountFactory",
    "PointEntryFactory",
    "PointLotFactory",
    "PostingFactory",
    "ProgramAccountFactory",
    "ProgramFactory",
    "RefundFactory",
    "RuleFactory",
    "RuleVersionFactory",
    "SeenSignatureFactory",
    "StoreFactory",
    "TransactionFactory",
    "UserFactory",
    "key_pair",
]
