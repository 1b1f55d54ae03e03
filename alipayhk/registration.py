"""Registers one mall as its operator describes it: group, program, credential, keys, card template, stores.

All or nothing, and repeatable: what is already so is left alone. No key is ever overwritten.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from fractions import Fraction

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from django.core.exceptions import ValidationError
from django.db import connection
from django.db.models import Model, Q
from django.db.transaction import atomic

from alipayhk import environments, key_pairs, passes, registration_document, sealed, signature
from alipayhk.models import CardTemplate, CollectionSetup, Credential, CredentialKey
from alipayhk.registration_document import Document, Entries, Faulty, Given, Wire
from loyalty.earning import rule_versions
from loyalty.earning.rule_versions import Figures
from loyalty.ledger import postings
from members.models import Program
from pms import registry
from pms.models import Mall, MallGroup, Store, StoreChange

OURS, ALIPAYHK = CredentialKey.Side.OURS, CredentialKey.Side.ALIPAYHK
LOCK = 0x6D616C6C
NEVER_OVERWRITTEN = (
    "is another key than the one kept as version {}; a key is never overwritten, give it a new version."
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Registered:
    """What a registration did; both lists are empty when all was so already."""

    mall_tag: str
    created: list[str]
    updated: list[str]


@dataclass(frozen=True, slots=True)
class _Run:
    """One registration under way."""

    now: datetime
    created: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)

    def keep(self, row: Model, given: Given, *, path: str, name: str, entries: Entries | None = None) -> None:
        """Make the row, or change what differs. `entries` say what a new row must not lack."""
        is_new = row._state.adding
        if is_new and entries:
            registration_document.missing(path, given, entries)
        changed = [field for field, value in given.items() if is_new or getattr(row, field) != value]
        if not (is_new or changed):
            return
        for key in changed:
            setattr(row, key, given[key])
        _validate(row, path)
        row.save()
        (self.created if is_new else self.updated).append(name)


@atomic
def register(document: object, *, now: datetime) -> Registered:
    """Register a parsed JSON document. Faulty names the path of what is wrong, and nothing is written."""
    given = registration_document.read(document)
    # One at a time: two documents that share a group or a Client-Id must see each other.
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
    run = _Run(now)
    group = _keep_group(run, given)
    mall = _keep_mall(run, given, group)
    _keep_program(run, given, group)
    if given.wire:
        _keep_wire(run, given.wire, mall)
    _keep_stores(run, given.stores, mall)
    return Registered(mall_tag=mall.tag, created=run.created, updated=run.updated)


def _validate(row: Model, path: str) -> None:
    try:
        row.validate_constraints()
    except ValidationError as error:
        raise Faulty(path, " ".join(error.messages)) from error


def _keep_group(run: _Run, given: Document) -> MallGroup:
    label = given.group["label"]
    group = MallGroup.objects.filter(label=label).first() or MallGroup()
    run.keep(group, given.group, path="group", name=f"group {label}", entries=registration_document.GROUP)
    return group


def _keep_mall(run: _Run, given: Document, group: MallGroup) -> Mall:
    tag, label = given.mall["tag"], given.mall.get("label")
    mall = Mall.objects.filter(tag=tag).first() or Mall(group=group)
    if mall.group_id != group.pk:
        raise Faulty("mall.tag", f"{tag} is the tag of a mall of another group.")
    if label and mall.label and mall.label != label:
        raise Faulty(
            "mall.tag", f"{tag} is the tag of mall {mall.label}; clear its label first if it is the same."
        )
    if label and Mall.objects.filter(group=group, label=label).exclude(tag=tag).exists():
        raise Faulty("mall.label", f"{label} is the label of another mall of this group.")
    run.keep(mall, given.mall, path="mall", name=f"mall {tag}", entries=registration_document.MALL)
    return mall


def _keep_program(run: _Run, given: Document, group: MallGroup) -> None:
    program = Program.objects.filter(group=group).first()
    if given.program is None:
        if program is None:
            raise Faulty("program", "is missing.")
        return
    program = program or Program(group=group)
    run.keep(
        program,
        given.program,
        path="program",
        name=f"program {given.program.get('name_en', program.name_en)}",
        entries=registration_document.PROGRAM,
    )
    postings.open_program_accounts(program=program, now=run.now)
    _publish(run, program, given.figures)


def _publish(run: _Run, program: Program, given: Given) -> None:
    """Figures not given stay as they are in force."""
    latest = rule_versions.latest_base(program)
    figures = rule_versions.figures_of(latest) if latest else Figures()
    changes = dict(given)
    rate = changes.pop("points_per_hkd", None)
    if rate is not None and rate != Fraction(figures.points_numerator, figures.points_denominator):
        changes |= {"points_numerator": rate.numerator, "points_denominator": rate.denominator}
    try:
        version = rule_versions.publish_base(
            program=program, figures=replace(figures, **changes), now=run.now
        )
    except rule_versions.FiguresRefused as error:
        key = "points_per_hkd" if error.figure == "points_numerator" else error.figure
        raise Faulty(f"program.{key}", error.sentence) from error
    if version:
        run.created.append(f"rule version {version.number}")


def _keep_wire(run: _Run, given: Wire, mall: Mall) -> None:
    client_id = given.credential["client_id"]
    credential = Credential.objects.filter(mall=mall, client_id=client_id).first() or Credential(mall=mall)
    wire = _with_preset(given) if credential._state.adding else given
    _refuse_foreign_client_id(wire.credential, mall)
    token = wire.keys.get("agent_token")
    if token is not None and token != _agent_token(credential):
        wire.credential["sealed_agent_token"] = sealed.seal(token) if token else ""
    run.keep(
        credential,
        wire.credential,
        path="alipayhk",
        name=f"credential {client_id}",
        entries=registration_document.CREDENTIAL,
    )
    _keep_private_key(run, wire.keys, credential)
    for place, key in enumerate(wire.public_keys):
        _keep_public_key(run, key, credential, f"alipayhk.public_keys[{place}]")
    _refuse_dev_key(credential)
    _keep_card_template(run, wire.card_template, credential)
    if wire.collection is not None:
        setup = CollectionSetup.objects.filter(credential=credential).first()
        run.keep(
            setup or CollectionSetup(credential=credential),
            wire.collection,
            path="alipayhk.collection",
            name="collection of stores",
        )


def _with_preset(given: Wire) -> Wire:
    """A new credential of a published environment, filled up; then checked for what has no default."""
    preset = environments.PRESETS.get(given.credential.get("environment", ""))
    wire = given
    if preset:
        wire = replace(
            given,
            credential={"gateway_url": _checked(preset.gateway_url, given), **given.credential},
            public_keys=given.public_keys or _preset_keys(preset),
            card_template={"code": preset.template_code, **given.card_template}
            if preset.template_code and given.card_template is not None
            else given.card_template,
        )
    if not wire.public_keys:
        raise Faulty("alipayhk.public_keys", "is missing.")
    if "private_key" not in wire.keys:
        raise Faulty("alipayhk.private_key", "is missing; null leaves it to be made by new_key.")
    return wire


def _checked(gateway_url: str, given: Wire) -> str:
    """The preset's gateway must be allowed as well, unless the document names another."""
    if "gateway_url" not in given.credential:
        try:
            environments.check_gateway(gateway_url)
        except environments.GatewayRefused as error:
            raise Faulty("alipayhk.gateway_url", str(error)) from error
    return gateway_url


def _preset_keys(preset: environments.Preset) -> list[Given]:
    return [{"version": 1, "key": signature.read_public_key(preset.public_key)}] if preset.public_key else []


def _refuse_foreign_client_id(given: Given, mall: Mall) -> None:
    for key, ids in (("client_id", [given["client_id"]]), ("client_ids", given.get("client_ids", []))):
        others = Credential.objects.exclude(mall__group_id=mall.group_id)
        for client_id in ids:
            if others.filter(Q(client_id=client_id) | Q(client_ids__contains=[client_id])).exists():
                raise Faulty(f"alipayhk.{key}", f"{client_id} is used by a mall of another program.")


def _agent_token(credential: Credential) -> str:
    return sealed.unseal(credential.sealed_agent_token) if credential.sealed_agent_token else ""


def _keep_private_key(run: _Run, given: Given, credential: Credential) -> None:
    key: RSAPrivateKey | None = given.get("private_key")
    if key is None:
        return
    public = key.public_key()
    fingerprint = signature.public_fingerprint(public)
    if CredentialKey.objects.filter(side=ALIPAYHK, fingerprint=fingerprint).exists():
        raise Faulty("alipayhk.private_key", "belongs to a public key that is kept as AlipayHK's.")
    same = key_pairs.ours(credential).filter(fingerprint=fingerprint).first()
    version = given.get("private_key_version", same.version if same else 1)
    kept = key_pairs.ours(credential).filter(version=version).first()
    if kept is None:
        key_pairs.add(credential=credential, key=key, version=version, state=key_pairs.ACTIVE, now=run.now)
        run.created.append(f"key ours {version}")
    elif kept.fingerprint != fingerprint:
        raise Faulty("alipayhk.private_key", NEVER_OVERWRITTEN.format(version))


def _keep_public_key(run: _Run, given: Given, credential: Credential, path: str) -> None:
    version, key = given["version"], given.get("key")
    kept = credential.keys.filter(side=ALIPAYHK, version=version).first()
    row = kept or CredentialKey(credential=credential, side=ALIPAYHK, added_at=run.now)
    changes: Given = {"version": version}
    if key:
        changes |= _public_half(key, row, path)
    elif kept is None:
        raise Faulty(f"{path}.key", "is missing.")
    if "state" in given:
        changes |= _state(row, given["state"], run.now)
    run.keep(row, changes, path=path, name=f"key AlipayHK {version}")


def _public_half(key: RSAPublicKey, row: CredentialKey, path: str) -> Given:
    fingerprint = signature.public_fingerprint(key)
    if row.fingerprint and row.fingerprint != fingerprint:
        raise Faulty(f"{path}.key", NEVER_OVERWRITTEN.format(row.version))
    if CredentialKey.objects.filter(side=OURS, fingerprint=fingerprint).exists():
        raise Faulty(f"{path}.key", "is our own public key, not AlipayHK's.")
    return {"public_key": signature.public_base64(key), "fingerprint": fingerprint}


def _state(row: CredentialKey, state: str, now: datetime) -> Given:
    is_revoked = state == CredentialKey.State.REVOKED
    return {"state": state, "revoked_at": (row.revoked_at or now) if is_revoked else None}


def _refuse_dev_key(credential: Credential) -> None:
    for key in credential.keys.filter(side=ALIPAYHK).exclude(state=CredentialKey.State.REVOKED):
        if environments.is_key_refused(key.fingerprint, environment=credential.environment):
            raise Faulty(
                "alipayhk.public_keys",
                f"version {key.version} is AlipayHK's published DEV key, unfit for production.",
            )


def _keep_card_template(run: _Run, given: Given | None, credential: Credential) -> None:
    if given is None:
        return
    row = CardTemplate.objects.filter(credential=credential).first() or CardTemplate(credential=credential)
    was_other = any(getattr(row, key) != value for key, value in given.items())
    run.keep(
        row,
        given,
        path="alipayhk.card_template",
        name=f"card template {given.get('code', row.code)}",
        entries=registration_document.CARD_TEMPLATE,
    )
    if was_other and row.paused_at:
        # What AlipayHK refused was the template as it was.
        passes.resume_template(template=row, by=None)


def _keep_stores(run: _Run, stores: Iterable[Given], mall: Mall) -> None:
    kept = (
        {store.pms_label: store for store in Store.objects.filter(group_id=mall.group_id)} if stores else {}
    )
    for place, given in enumerate(stores):
        label, path = given["pms_label"], f"stores[{place}]"
        store = kept.get(label) or Store(group_id=mall.group_id, mall=mall)
        if store.merged_into_id:
            raise Faulty(f"{path}.pms_label", f"{label} was merged into another store.")
        if store.mall_id != mall.pk:
            raise Faulty(f"{path}.pms_label", f"{label} is a store of another mall of this group.")
        before = registry.written(store) if store.pk else {}
        run.keep(store, given, path=path, name=f"store {label}", entries=registration_document.STORE)
        registry.record(store=store, before=before, source=StoreChange.Source.COMMAND, by=None, now=run.now)
