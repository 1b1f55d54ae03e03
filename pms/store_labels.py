"""Which store a label or a merchant ID leads to: by its own label, by one mapped to it, and through a merger."""

from collections.abc import Callable, Collection, Iterable

from django.db.models import Q, QuerySet

from pms.models import Mall, MallGroup, Store, StoreMapping

# Of these labels and merchant IDs, those that payments of the group's malls other than the seen ones wait for.
Waiting = Callable[[MallGroup, Collection[str], QuerySet[Mall]], Iterable[str]]
_waiting: list[Waiting] = []


def leading(*, group: str, label: str, merchant: str) -> str:
    """SQL for the ids of the stores that are meant, each once; none or several are no store.

    A merchant ID names a store only where no label is given, and then only its single store, or the one that it
    was mapped to. The arguments are SQL expressions of the query around it.
    """
    is_mapped = f"""mapping.group_id = {group} AND mapping.ended_at IS NULL
        AND mapping.label = CASE WHEN {label} <> '' THEN {label} ELSE {merchant} END"""
    # A label leads to one store at most, so where its own is found no mapping is looked for: see `store_guards`.
    return f"""
    (SELECT coalesce(own.merged_into_id, own.id) AS id FROM pms_store own
     WHERE own.group_id = {group} AND own.pms_label = {label} AND {label} <> ''
     UNION ALL
     SELECT (SELECT coalesce(mapped.merged_into_id, mapped.id) FROM pms_store mapped WHERE mapped.id = mapping.store_id)
     FROM pms_storemapping mapping WHERE {is_mapped}
     LIMIT 1)
    UNION ALL
    (SELECT DISTINCT coalesce(own.merged_into_id, own.id) FROM pms_store own
     WHERE own.group_id = {group} AND own.merchant_id = {merchant} AND {merchant} <> '' AND {label} = ''
        AND NOT EXISTS (SELECT FROM pms_storemapping mapping WHERE {is_mapped}))
    """  # noqa: S608  (put together from constants alone)


def is_known_outside(*, group_id: int, label: str) -> bool:
    """Whether a store of another group has this label, or has had it mapped to it."""
    mapped = StoreMapping.objects.exclude(group_id=group_id).filter(label=label, ended_at=None)
    return Store.objects.exclude(group_id=group_id).filter(pms_label=label).exists() or mapped.exists()


def tells_waiting(found: Waiting) -> Waiting:
    """Whoever keeps payments that wait for a store says here which names they wait for."""
    _waiting.append(found)
    return found


def waiting_unseen(*, group: MallGroup, names: Collection[str], seen_malls: QuerySet[Mall]) -> set[str]:
    """Labels and merchant IDs whose store, once entered, would get payments that whoever enters it does not see."""
    return {name for found in _waiting for name in found(group, names, seen_malls)}


def named(*, group_id: int, label: str) -> Store | None:
    """The store of the group that a label leads to, through mapping and merger."""
    mapped = StoreMapping.objects.filter(group_id=group_id, label=label, ended_at=None).values("store")
    found = Store.objects.filter(Q(pms_label=label) | Q(pk__in=mapped), group_id=group_id)
    one = found.select_related("mall", "merged_into__mall").first() if label else None
    return (one.merged_into or one) if one else None
