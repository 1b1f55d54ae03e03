"""The house rules about models, their admin, their factories and Celery's tasks, read from what is registered."""

import inspect
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.db import DatabaseError
from django.db.models import PROTECT, BooleanField, DateField, DateTimeField, Field, Model
from django.db.transaction import atomic
from django.test import RequestFactory
from factory.django import DjangoModelFactory

from alipayhk.models import (
    CardTemplate,
    Circuit,
    CollectionCall,
    CollectionSetup,
    ConfirmationRun,
    Credential,
    CredentialKey,
    ListedStore,
    MappingJob,
    MiniAppSession,
    Notification,
    PassCall,
    PassUpdate,
    SeenSignature,
    StoreCollection,
    UploadBatch,
    WalletToken,
)
from loyalty import celery, health
from loyalty.doors.models import CounterEntry, ImportChunk, ImportJob, ImportRow, PartnerKey, PartnerRequest
from loyalty.earning.models import (
    Award,
    BacktestRun,
    BudgetUse,
    CapUse,
    Correction,
    DuplicateCase,
    NumberClaim,
    Refund,
    Rule,
    RuleVersion,
    Transaction,
)
from loyalty.ledger.models import (
    ExpiryNotice,
    LedgerBlock,
    PointAccount,
    PointEntry,
    PointLot,
    Posting,
    ProofRun,
    Redemption,
    RedemptionPart,
)
from loyalty.review.models import (
    AdjustmentRequest,
    DailyMail,
    Decision,
    Finding,
    ProviderColumn,
    ProviderRow,
    Reconciliation,
    ReconciliationPiece,
    ReportRun,
    SpotCheck,
)
from members.models import (
    Consent,
    ContactChange,
    Member,
    MembershipClaim,
    MemberTier,
    Pass,
    Program,
    RegistrationField,
    Tier,
)
from pms.models import Mall, MallGroup, MallStaff, Store, StoreChange, StoreMapping, StoreMove, User
from tests import factories, source

# Written once and never changed in their meaning; a correction is a new row.
APPEND_ONLY = {
    *(Posting, PointEntry, LedgerBlock, ProofRun),
    *(RuleVersion, Award, Refund, Correction, Decision, Notification, PassCall),
    *(StoreChange, StoreMove, CollectionCall),
}
MUTABLE = {
    *(User, MallGroup, Mall, Store, StoreMapping, MallStaff),
    *(Program, RegistrationField, Tier, Member, MemberTier, Pass, Consent, ContactChange),
    MembershipClaim,
    *(PointAccount, PointLot, Redemption, RedemptionPart, ExpiryNotice),
    *(Rule, Transaction, NumberClaim, DuplicateCase, BacktestRun, CapUse, BudgetUse),
    *(SpotCheck, DailyMail, ReportRun),
    *(AdjustmentRequest, Finding, ProviderColumn, ProviderRow, Reconciliation, ReconciliationPiece),
    *(CounterEntry, PartnerKey, PartnerRequest, ImportJob, ImportChunk, ImportRow),
    *(CollectionSetup, StoreCollection, ConfirmationRun, ListedStore),
    *(Credential, CredentialKey, CardTemplate, PassUpdate, Circuit, SeenSignature, UploadBatch),
    *(MappingJob, WalletToken, MiniAppSession),
}
# Django's own names, inherited by the staff login.
INHERITED = {"last_login", "date_joined"}
RIGHTS = {"User.groups", "User.user_permissions"}

MODELS = [
    model
    for config in apps.get_app_configs()
    if config.name.startswith(source.PACKAGES)
    for model in config.get_models()
]
FACTORIES: dict[type[Model], type[DjangoModelFactory[Any]]] = {
    found._meta.model: found
    for _, found in inspect.getmembers(factories, inspect.isclass)
    if issubclass(found, DjangoModelFactory) and found is not DjangoModelFactory
}
FIELDS: "list[Field[Any, Any]]" = [
    field
    for model in MODELS
    for field in model._meta.get_fields()
    if isinstance(field, Field) and field.name not in INHERITED
]


def name(model: Any) -> str:
    return str(model._meta.label)


def test_every_model_is_either_append_only_or_mutable() -> None:
    assert set(MODELS) == APPEND_ONLY | MUTABLE
    assert set() == APPEND_ONLY & MUTABLE


def test_readiness_asks_for_the_guards_of_every_append_only_table() -> None:
    assert set(health.GUARDED_TABLES) == {model._meta.db_table for model in APPEND_ONLY}


@pytest.mark.django_db
@pytest.mark.parametrize("model", sorted(APPEND_ONLY, key=name), ids=name)
def test_what_is_append_only_cannot_be_deleted_even_in_the_database(model: type[Model]) -> None:
    row = FACTORIES[model].create()

    with pytest.raises(DatabaseError), atomic():
        model._base_manager.filter(pk=row.pk)._raw_delete(using="default")

    assert model._base_manager.filter(pk=row.pk).exists()


@pytest.mark.django_db
def test_the_admin_agrees_that_what_is_append_only_stays_as_it_is() -> None:
    request = RequestFactory().get("/admin/")
    request.user = User.objects.create_superuser("root")
    pages = [page for model, page in admin.site._registry.items() if model in APPEND_ONLY]
    parts = [
        inline
        for page in admin.site._registry.values()
        for inline in page.get_inline_instances(request)
        if inline.model in APPEND_ONLY
    ]

    open_doors = [
        f"{type(page).__name__}: {door}"
        for page in (*pages, *parts)
        for door in ("add", "change", "delete")
        if _is_allowed(page, door, request)
    ]

    assert open_doors == []


@pytest.mark.django_db
@pytest.mark.parametrize("model", MODELS, ids=name)
def test_two_rows_of_a_model_are_never_called_the_same(model: type[Model]) -> None:
    made_by = FACTORIES[model]

    first, second = made_by.create(), made_by.create()

    assert str(first) != str(second)
    assert "object (" not in str(first)


def test_a_datetime_ends_in_at_and_a_date_in_date() -> None:
    wrong = [
        f"{field.model.__name__}.{field.name}"
        for field in FIELDS
        if isinstance(field, DateField)
        and not field.name.endswith("_at" if isinstance(field, DateTimeField) else "_date")
    ]

    assert wrong == []


def test_a_boolean_is_a_question() -> None:
    wrong = [
        f"{field.model.__name__}.{field.name}"
        for field in FIELDS
        if isinstance(field, BooleanField)
        and not field.name.startswith(("is_", "has_", "takes_", "returns_"))
    ]

    assert wrong == []


def test_nothing_that_was_recorded_disappears_with_what_it_hangs_on() -> None:
    """Rights may: a login's malls and groups go with the login."""
    cascading = {
        f"{field.model.__name__}.{field.name}"
        for field in FIELDS
        if field.remote_field and getattr(field.remote_field, "on_delete", PROTECT) is not PROTECT
    }

    assert cascading == {"MallStaff.user"} | RIGHTS


def test_every_constraint_is_shown_by_a_test() -> None:
    tests = "\n".join(module.text for module in source.modules() if module.is_in("tests"))

    unshown = [
        constraint.name
        for model in MODELS
        for constraint in model._meta.constraints
        if constraint.name not in tests
    ]

    assert unshown == []


def test_every_celery_task_takes_its_words_by_name() -> None:
    celery.app.loader.import_default_modules()
    ours = {name: task for name, task in celery.app.tasks.items() if not name.startswith("celery.")}

    positional = [
        f"{name}({parameter})"
        for name, task in ours.items()
        for parameter in inspect.signature(task.run).parameters.values()
        if parameter.kind is not parameter.KEYWORD_ONLY
    ]

    assert {task for task, _ in celery.TIMETABLE.values()} <= set(ours)
    assert positional == []


def _is_allowed(page: Any, door: str, request: Any) -> bool:
    ask = getattr(page, f"has_{door}_permission")
    if door == "add" and not isinstance(page, admin.ModelAdmin):
        return bool(ask(request, None))
    return bool(ask(request))
