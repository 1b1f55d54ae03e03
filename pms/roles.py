"""What each role may do, as one table; a login has the permissions of all its `MallStaff` rows, changed at once.

Names permissions of every app as text and knows none of them. Which rows are seen is `scoping`'s affair.
"""

from itertools import chain

from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import AnonymousUser
from django.db.models import Model

from pms.models import MallStaff, User

COUNTER, OPERATOR, REVIEWER, MANAGER = MallStaff.Role


def _may(deed: str, *models: str) -> frozenset[str]:
    """`deed` is one of Django's four, or a model's own; models are `app.model`."""
    return frozenset(f"{app}.{deed}_{model}" for app, model in (name.split(".") for name in models))


AT_THE_COUNTER = _may(
    "view",
    "pms.mall", "pms.store",
    "members.program", "members.member", "members.pass", "members.consent",
    "ledger.pointaccount", "ledger.pointentry", "ledger.redemption",
    "earning.transaction", "earning.award", "earning.refund", "doors.counterentry",
) | _may("add", "ledger.redemption", "doors.counterentry") | _may("change", "ledger.redemption")  # fmt: skip
EVERYTHING_BUT_KEYS = AT_THE_COUNTER | _may(
    "view",
    "pms.mallgroup", "members.contactchange", "members.tier",
    "ledger.posting", "ledger.pointlot",
    "earning.rule", "earning.ruleversion", "earning.numberclaim", "earning.duplicatecase", "review.decision",
    "review.spotcheck", "review.dailymail", "review.reportrun",
    "review.adjustmentrequest", "review.finding", "review.reconciliation",
    "alipayhk.notification", "alipayhk.passupdate", "alipayhk.passcall", "alipayhk.circuit",
    "alipayhk.credential", "alipayhk.cardtemplate", "alipayhk.uploadbatch", "alipayhk.mappingjob",
    "alipayhk.miniappsession",
    "alipayhk.collectionsetup", "alipayhk.storecollection", "alipayhk.listedstore", "alipayhk.confirmationrun",
) | _may("add", "review.reportrun")  # fmt: skip
# Changing these means the screens' own actions: judge again, send again, name a pass, take over a phone.
OPERATIONS = (
    _may(
        "change",
        "alipayhk.notification",
        "alipayhk.passupdate",
        "alipayhk.uploadbatch",
        "alipayhk.miniappsession",
        "alipayhk.storecollection",
        "alipayhk.listedstore",
        "members.pass",
        "members.contactchange",
        "pms.store",
        "doors.importjob",
        "review.finding",
        "review.reconciliation",
    )
    | _may(
        "add",
        "alipayhk.confirmationrun",
        "pms.store",
        "doors.importjob",
        "review.reconciliation",
        "review.adjustmentrequest",
        "alipayhk.mappingjob",
    )
    | _may("view", "doors.importjob")
    | _may("link", "members.member")
)
MANAGEMENT = _may(
    "change",
    "pms.mall", "members.program", "members.tier", "members.member",
    "earning.rule",
    "alipayhk.credential", "alipayhk.credentialkey", "alipayhk.cardtemplate", "doors.partnerkey",
    "review.providercolumn", "review.dailymail", "alipayhk.mappingjob", "alipayhk.collectionsetup",
) | _may(
    "add",
    "doors.partnerkey", "review.providercolumn",
    "members.tier", "earning.backtestrun",
    "alipayhk.credential", "alipayhk.credentialkey", "alipayhk.cardtemplate", "alipayhk.collectionsetup",
) | _may(
    "view",
    "doors.partnerkey", "review.providercolumn", "earning.backtestrun",
    "alipayhk.credentialkey", "pms.user", "pms.mallstaff",
)  # fmt: skip

# Whoever approves may ask as well, but never approves what they asked for.
REVIEW = _may("change", "earning.duplicatecase", "review.spotcheck", "review.adjustmentrequest") | _may(
    "add", "review.adjustmentrequest"
)

PERMISSIONS: dict[str, frozenset[str]] = {
    COUNTER: AT_THE_COUNTER,
    OPERATOR: EVERYTHING_BUT_KEYS | OPERATIONS,
    REVIEWER: EVERYTHING_BUT_KEYS | REVIEW | _may("change", "members.contactchange"),
    MANAGER: EVERYTHING_BUT_KEYS | OPERATIONS | MANAGEMENT | REVIEW,
}


class RoleBackend(ModelBackend):
    """Django's own log-in, with the roles' permissions on top of those granted one by one."""

    def get_group_permissions(self, user_obj: User | AnonymousUser, obj: Model | None = None) -> set[str]:
        granted = super().get_group_permissions(user_obj, obj)
        if not user_obj.is_active or user_obj.is_anonymous or obj is not None:
            return granted
        roles = MallStaff.objects.filter(user_id=user_obj.pk).values_list("role", flat=True)
        return granted | set(chain.from_iterable(PERMISSIONS[role] for role in set(roles)))
