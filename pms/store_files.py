"""Store lists from files: looked at first, then written whole or not at all. The same file again changes nothing."""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import IO, Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db.transaction import atomic

from pms import registry, scoping, store_labels, store_rows, table_files
from pms.models import Mall, Store, StoreMapping, User
from pms.store_rows import Row
from pms.table_files import FileRefused

LARGEST = 20 * 1024 * 1024
MOST_ROWS = 50_000


@dataclass(kw_only=True, slots=True)
class Plan:
    """What a file would do to a mall's stores, or has done once `is_done`."""

    mall: Mall
    rows: list[Row] = field(default_factory=list)
    new: list[Store] = field(default_factory=list)
    changed: list[Store] = field(default_factory=list)
    # What would be written: labels with their fields, before and after.
    differences: list[tuple[str, Any]] = field(default_factory=list)
    is_done: bool = False

    @property
    def faulty(self) -> list[Row]:
        return [row for row in self.rows if row.faults]

    @property
    def unchanged_count(self) -> int:
        return len(self.rows) - len(self.faulty) - len(self.new) - len(self.changed)

    @property
    def digest(self) -> str:
        """Of all that it would write."""
        words = json.dumps(self.differences, cls=DjangoJSONEncoder, sort_keys=True)
        return hashlib.sha256(words.encode()).hexdigest()

    @property
    def is_worth_it(self) -> bool:
        return not self.faulty and bool(self.new or self.changed)


def check(*, mall: Mall, file: IO[bytes], by: User | None) -> Plan:
    """Writes nothing. Raises FileRefused for a file that cannot be read at all. `by` None: the operator."""
    return _looked_at(mall, _rows(file), by)


def _looked_at(mall: Mall, rows: list[Row], by: User | None) -> Plan:
    plan = Plan(mall=mall, rows=rows)
    known = _Known(mall, by, rows)
    for row in plan.rows:
        known.look(row)
    for row in plan.rows:
        if not row.faults:
            _plan(plan, row, known.by_label.get(row.label))
    return plan


def run(
    *, mall: Mall, file: IO[bytes], source: str, by: User | None, now: datetime, digest: str = ""
) -> Plan:
    """As checked under the locks of the group and of its stores; a single faulty row, and nothing is written.

    With the `digest` of a plan that somebody was shown, nothing else than that is written.
    """
    return _write(mall, _rows(file), source=source, by=by, now=now, digest=digest)


@atomic
def _write(mall: Mall, rows: list[Row], *, source: str, by: User | None, now: datetime, digest: str) -> Plan:
    registry.lock_group(mall.group)
    registry.lock(Store.objects.filter(group_id=mall.group_id, pms_label__in={row.label for row in rows}))
    plan = _looked_at(mall, rows, by)
    if plan.faulty or digest not in ("", plan.digest):
        return plan
    registry.save_many(new=plan.new, changed=plan.changed, source=source, by=by, now=now)
    plan.is_done = True
    return plan


def _rows(file: IO[bytes]) -> list[Row]:
    file.seek(0, 2)
    if file.tell() > LARGEST:
        raise FileRefused("STORES_TOO_LARGE")
    file.seek(0)
    rows: list[Row] = []
    with table_files.lines(file, store_rows.FORM) as found:
        for line in found:
            if len(rows) == MOST_ROWS:
                raise FileRefused("STORES_TOO_MANY")
            rows.append(store_rows.read(line))
    return rows


Triple = tuple[str, str, str]


def _triple(values: Mapping[str, Any]) -> Triple | None:
    """Known to acquirers only with a merchant and a store ID."""
    triple = (values.get("partner_id", ""), values.get("merchant_id", ""), values.get("store_id", ""))
    return triple if triple[1] and triple[2] else None


class _Known:
    """The stores of the group as they are, read once."""

    def __init__(self, mall: Mall, by: User | None, rows: list[Row]) -> None:
        self.mall = mall
        found = list(Store.objects.filter(group_id=mall.group_id).select_related("mall", "merged_into"))
        self.by_label = {store.pms_label: store for store in found}
        self.by_triple = {triple: store for store in found if (triple := _triple(vars(store)))}
        self.categories = {*store_rows.CATEGORIES} | {store.category for store in found}
        # Lines of the file that have named them.
        self.labels: dict[str, int] = {}
        self.triples: dict[Triple, int] = {}
        mappings = StoreMapping.objects.filter(group_id=mall.group_id, ended_at=None).select_related("store")
        self.mapped = {mapping.label: mapping.store for mapping in mappings}
        self.unseen = _waiting_unseen(mall, by, rows)

    def look(self, row: Row) -> None:
        self._look_at_mall(row)
        if row.label and self.labels.setdefault(row.label, row.number) != row.number:
            row.refuse("pms_label", "LABEL_DOUBLED", str(self.labels[row.label]))
        store = self.by_label.get(row.label)
        if store:
            self._look_at_store(row, store)
        elif row.label in self.mapped:
            row.refuse("pms_label", "LABEL_MAPPED", self._called(self.mapped[row.label]))
        self._look_at_triple(row, store)
        self._look_at_waiting(row, store)
        if row.fields.get("category", "") not in self.categories | {""}:
            row.refuse("category", "CATEGORY_UNKNOWN", ", ".join(sorted(self.categories - {""}))[:400])

    def _look_at_mall(self, row: Row) -> None:
        cells = {name: row.cells.get(name, "").strip() for name in store_rows.MALL_COLUMNS}
        mall = self.mall
        if cells["mall"] not in ("", mall.tag):
            row.refuse("mall", "OTHER_MALL")
        if cells["mall_label"] not in ("", mall.label):
            row.refuse("mall_label", "OTHER_MALL")
        if mall.pms_identifier_code and cells["identifier_code"] not in ("", mall.pms_identifier_code):
            row.refuse("identifier_code", "IDENTIFIER_DIFFERS")

    def _look_at_triple(self, row: Row, store: Store | None) -> None:
        triple = _triple({**(vars(store) if store else {}), **row.fields})
        if triple is None:
            return
        if self.triples.setdefault(triple, row.number) != row.number:
            row.refuse("store_id", "TRIPLE_DOUBLED", str(self.triples[triple]))
        holder = self.by_triple.get(triple)
        if holder and holder.pms_label != row.label:
            row.refuse("store_id", "TRIPLE_TAKEN", self._called(holder))

    def _look_at_waiting(self, row: Row, store: Store | None) -> None:
        """What the store has already leads to it already."""
        for column in ("pms_label", "merchant_id"):
            name = row.fields.get(column, "")
            if name in self.unseen and name != getattr(store, column, ""):
                row.refuse(column, "WAITS_ELSEWHERE")

    def _look_at_store(self, row: Row, store: Store) -> None:
        if store.mall_id != self.mall.pk:
            row.refuse("pms_label", "LABEL_OF_ANOTHER_MALL")
        elif store.merged_into:
            row.refuse("pms_label", "LABEL_MERGED", self._called(store.merged_into))
        opened, closed = (
            row.fields.get(name, getattr(store, name)) for name in ("opened_date", "closed_date")
        )
        is_told = "opened_date" in row.fields and "closed_date" in row.fields
        if not is_told and opened and closed and closed < opened:
            row.refuse("last_day", "DAYS_REVERSED")

    def _called(self, store: Store) -> str:
        return store_rows.called(store, self.mall)


def _waiting_unseen(mall: Mall, by: User | None, rows: list[Row]) -> set[str]:
    if by is None:
        return set()
    names = {row.label for row in rows} | {str(row.fields.get("merchant_id", "")) for row in rows}
    seen = scoping.malls_of(by)
    return store_labels.waiting_unseen(group=mall.group, names=names - {""}, seen_malls=seen)


def _plan(plan: Plan, row: Row, store: Store | None) -> None:
    """Columns that the file does not have stay as they are, or as a new store begins."""
    if store is None:
        names = {"name_zh": row.fields["name_en"]} | {
            k: v for k, v in row.fields.items() if v or k != "name_zh"
        }
        plan.new.append(Store(group_id=plan.mall.group_id, mall=plan.mall, **names))
        plan.differences.append((row.label, names))
        return
    differing = {name: value for name, value in row.fields.items() if getattr(store, name) != value}
    if "name_zh" in differing and not differing["name_zh"]:
        del differing["name_zh"]
    if not differing:
        return
    plan.differences.append((row.label, {k: [getattr(store, k), v] for k, v in differing.items()}))
    for name, value in differing.items():
        setattr(store, name, value)
    plan.changed.append(store)


def counts(plan: Plan) -> dict[str, int]:
    faulty = len(plan.faulty)
    return {
        "rows": len(plan.rows), "new": len(plan.new), "changed": len(plan.changed),
        "unchanged": plan.unchanged_count, "faulty": faulty,
    }  # fmt: skip


def fault_counts(plan: Plan) -> Counter[str]:
    return Counter(fault.code for row in plan.faulty for fault in row.faults)
