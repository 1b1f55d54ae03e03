"""A program as one file: its terms, tiers and rules, to carry from one installation to another. Format 1.

Reading is all or nothing, and lists every fault with its path. `docs/program-files.md` tells the format.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields
from datetime import date, datetime, time
from itertools import pairwise
from typing import Any

from django.db import IntegrityError, connection
from django.db.models import Field
from django.db.transaction import atomic

from loyalty.earning import drafts, rule_versions
from loyalty.earning.drafts import Draft, DraftRefused
from loyalty.earning.models import Rule, RuleVersion, Transaction
from loyalty.earning.rule_versions import Naming
from members.models import Program, Tier

FORMAT = 1
PROGRAM_COLUMNS = (
    "name_en",
    "name_zh",
    "joining_grace_days",
    "negative_balance",
    "manual_window_days",
    "expiry",
    "expiry_count",
    "tier_window",
    "redemption_points_per_hkd",
    "redemption_min_points",
    "redemption_seconds",
    "returns_redeemed_points",
    "duplicate_flag_score",
    "duplicate_hold_score",
    "duplicate_block_score",
    "spot_check_percent",
)
SCORES = ("duplicate_flag_score", "duplicate_hold_score", "duplicate_block_score")
HIGHEST_PERCENT = 100
TIER_COLUMNS = ("code", "name_en", "name_zh", "min_spend_cents", "factor_numerator", "factor_denominator")
NAMING = ("code", "kind", "name_en", "name_zh")
DAY_FIELDS, TIME_FIELDS = ("first_date", "last_date"), ("from_time", "to_time")


class FileRefused(Exception):
    """The file cannot be taken; `faults` are `path: sentence`, nothing was written."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


def export(program: Program) -> dict[str, object]:
    """The program as a document that `load` takes; rules that are switched off stay out."""
    versions = [v for v in rule_versions.latest_versions(program) if not v.is_off]
    return {
        "format": FORMAT,
        "program": {name: getattr(program, name) for name in PROGRAM_COLUMNS},
        "tiers": [
            {name: getattr(tier, name) for name in TIER_COLUMNS}
            for tier in Tier.objects.filter(program=program).order_by("min_spend_cents")
        ],
        "rules": [
            _rule_out(version) for version in sorted(versions, key=lambda v: (v.rule.kind != "BASE", v.pk))
        ],
    }


def _rule_out(version: RuleVersion) -> dict[str, object]:
    rule = version.rule
    default, draft = Draft(), drafts.of(version)
    said = {
        f.name: getattr(draft, f.name)
        for f in fields(Draft)
        if getattr(draft, f.name) != getattr(default, f.name)
    }
    named = {"code": rule.code, "kind": rule.kind, "name_en": rule.name_en, "name_zh": rule.name_zh}
    return named | {name: _plain(value) for name, value in said.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return list(value)
    if isinstance(value, time):
        return value.isoformat("minutes")
    return value.isoformat() if isinstance(value, date) else value


def read(content: bytes) -> object:
    """The document in a file. FileRefused where it is not JSON, or says a thing twice."""
    try:
        return json.loads(content.decode("utf-8"), object_pairs_hook=_once, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise FileRefused([f"file: is not readable JSON: {error}."]) from error


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    twice = _repeated(name for name, _value in pairs)
    if twice:
        raise ValueError(f"{twice[0]} is said twice")
    return dict(pairs)


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is not a number")


def _repeated(values: Iterable[Any]) -> list[Any]:
    return [value for value, number in Counter(values).items() if number > 1]


@atomic
def load(*, document: object, program: Program, now: datetime) -> list[str]:
    """Make the program say what the document says; returns what changed. FileRefused lists every fault.

    What changes holds from now on; in a program that has no transactions yet, for the past too.
    """
    faults: list[str] = []
    whole = _object(document, "", faults)
    if type(whole.get("format")) is not int or whole["format"] != FORMAT:
        raise FileRefused([f"format: must be {FORMAT}."])
    _unknown(whole, ("format", "program", "tiers", "rules"), "", faults)
    changed = _load_program(program, _object(whole.get("program", {}), "program", faults), faults)
    changed += _load_tiers(program, _list(whole.get("tiers", []), "tiers", faults), faults)
    changed += _load_rules(program, _list(whole.get("rules", []), "rules", faults), faults, now=now)
    if faults:
        raise FileRefused(faults)
    return changed


def _load_program(program: Program, given: Mapping[str, Any], faults: list[str]) -> list[str]:
    _unknown(given, PROGRAM_COLUMNS, "program", faults)
    changed = [name for name in PROGRAM_COLUMNS if name in given and getattr(program, name) != given[name]]
    for name in changed:
        _check_column(Program, name, given[name], f"program.{name}", faults)
        setattr(program, name, given[name])
    if changed and not faults:
        _validated(program, "program", faults)
        program.save()
    return [f"program {name}" for name in changed]


def _load_tiers(program: Program, given: list[Any], faults: list[str]) -> list[str]:
    changed: list[str] = []
    if not _is_ladder(given, faults):
        return changed
    for number, entry in enumerate(given):
        path = f"tiers[{number}]"
        values = _object(entry, path, faults)
        _unknown(values, TIER_COLUMNS, path, faults)
        before = len(faults)
        for name in TIER_COLUMNS:
            _check_column(
                Tier,
                name,
                values.get(name, _default(name)),
                f"{path}.{name}",
                faults,
            )
        if len(faults) == before and _save_tier(program, values, path, faults):
            changed.append(f"tier {values['code']}")
    return changed


def _is_ladder(given: list[Any], faults: list[str]) -> bool:
    """No two tiers share a code or a spend, and the lowest asks for none."""
    tiers = [tier for tier in given if isinstance(tier, dict)]
    before = len(faults)
    for name in ("code", "min_spend_cents"):
        values = [str(tier.get(name, _default(name))) for tier in tiers]
        faults.extend(f"tiers: two have the {name} {value}." for value in _repeated(values))
    if tiers and all(tier.get("min_spend_cents", 0) != 0 for tier in tiers):
        faults.append("tiers: the lowest must have the min_spend_cents 0.")
    return len(faults) == before


def _default(name: str) -> Any:
    column = Tier._meta.get_field(name)
    return column.get_default() if isinstance(column, Field) else None


def _save_tier(program: Program, values: Mapping[str, Any], path: str, faults: list[str]) -> bool:
    known = Tier.objects.filter(program=program, code=values["code"]).first()
    if known and all(getattr(known, name) == value for name, value in values.items()):
        return False
    try:
        with atomic():
            Tier.objects.update_or_create(program=program, code=values["code"], defaults=dict(values))
    except IntegrityError:
        faults.append(f"{path}.min_spend_cents: another tier of the program has the same.")
    return True


def _load_rules(program: Program, given: list[Any], faults: list[str], *, now: datetime) -> list[str]:
    changed = []
    codes = [str(entry.get("code")) for entry in given if isinstance(entry, dict)]
    faults.extend(f"rules: two have the code {code}." for code in _repeated(codes))
    for number, entry in enumerate(given):
        path = f"rules[{number}]"
        read = _rule_in(_object(entry, path, faults), path, faults)
        if read is None:
            continue
        naming, draft = read
        try:
            version = _publish(program, naming, draft, now=now)
        except DraftRefused as refused:
            faults.extend(f"{path}.{fault}" for fault in refused.faults)
            continue
        changed += [f"rule {naming.code} version {version.number}"] if version else []
    return changed


def _publish(program: Program, naming: Naming, draft: Draft, *, now: datetime) -> RuleVersion | None:
    """Before its first transaction, a program's rules cover the past too: late notices are judged by them."""
    if Transaction.objects.filter(group_id=program.group_id).exists():
        return rule_versions.publish(program=program, naming=naming, draft=draft, effective_at=None, now=now)
    return rule_versions.publish_for_all_time(program=program, naming=naming, draft=draft, now=now)


def _rule_in(given: Mapping[str, Any], path: str, faults: list[str]) -> tuple[Naming, Draft] | None:
    before = len(faults)
    draft_fields = {f.name: f for f in fields(Draft)}
    _unknown(given, (*NAMING, *draft_fields), path, faults)
    naming = {name: _text(given.get(name), name, f"{path}.{name}", faults) for name in NAMING}
    values = {
        name: _draft_value(name, given[name], f"{path}.{name}", faults)
        for name in draft_fields
        if name in given
    }
    return None if len(faults) > before else (Naming(**naming), Draft(**values))


def _draft_value(name: str, value: Any, path: str, faults: list[str]) -> Any:
    if name in drafts.LISTS:
        wanted = int if name == "weekdays" else str
        if isinstance(value, list) and all(type(entry) is wanted for entry in value):
            return tuple(value)
        faults.append(f"{path}: must be a list of {'numbers' if wanted is int else 'texts'}.")
        return ()
    if name in DAY_FIELDS or name in TIME_FIELDS:
        return _moment(value, path, faults, date.fromisoformat if name in DAY_FIELDS else time.fromisoformat)
    _check_column(RuleVersion, name, value, path, faults)
    return value


def _moment(value: Any, path: str, faults: list[str], read: Callable[[str], Any]) -> Any:
    try:
        return read(value) if isinstance(value, str) else None
    except ValueError:
        faults.append(f"{path}: must be a day such as 2026-09-05, or a time such as 18:00.")
        return None


def _check_column(model: type[Any], name: str, value: Any, path: str, faults: list[str]) -> None:
    """The column's own rules: type, choices, length, whether it may be empty."""
    column = model._meta.get_field(name)
    kinds = {"BooleanField": bool, "CharField": str}
    kind = kinds.get(column.get_internal_type(), int)
    if value is None and column.null:
        return
    if type(value) is not kind:
        faults.append(
            f"{path}: must be a {'whole number' if kind is int else 'text' if kind is str else 'true or false'}."
        )
        return
    faults.extend(f"{path}: {fault}" for fault in _unfit(column, name, value))


def _unfit(column: Any, name: str, value: Any) -> Iterator[str]:
    if column.choices and value not in dict(column.flatchoices) and not (column.blank and value == ""):
        yield f"must be one of {', '.join(map(str, dict(column.flatchoices)))}."
    elif isinstance(value, str) and not column.blank and not value.strip():
        yield "must not be empty."
    elif isinstance(value, str) and column.max_length and len(value) > column.max_length:
        yield f"must have at most {column.max_length} letters."
    elif type(value) is int and not _lowest(name) <= value <= _highest(column):
        yield f"must be between {_lowest(name)} and {_highest(column)}."


def _lowest(name: str) -> int:
    return 1 if name.startswith("factor_") else 0


def _highest(column: "Field[Any, Any]") -> int:
    _, highest = connection.ops.integer_field_range(column.get_internal_type())
    return min(drafts.HIGHEST_CENTS, highest or drafts.HIGHEST_CENTS)


def _validated(program: Program, path: str, faults: list[str]) -> None:
    needs_count = program.expiry in (Program.Expiry.DAYS, Program.Expiry.MONTH_END)
    if needs_count != bool(program.expiry_count):
        faults.append(f"{path}.expiry_count: must be above 0 for DAYS and MONTH_END, and 0 otherwise.")
    if not program.redemption_points_per_hkd or not program.redemption_min_points:
        faults.append(f"{path}.redemption_min_points: must be above 0.")
    if program.spot_check_percent > HIGHEST_PERCENT:
        faults.append(f"{path}.spot_check_percent: must be between 0 and {HIGHEST_PERCENT}.")
    faults.extend(_falling_scores(program, path))
    if faults:
        raise FileRefused(faults)


def _falling_scores(program: Program, path: str) -> Iterator[str]:
    if not program.duplicate_flag_score:
        yield f"{path}.duplicate_flag_score: must be above 0."
    for lower, higher in pairwise(SCORES):
        least, score = getattr(program, lower), getattr(program, higher)
        if score is not None and score < least:
            yield f"{path}.{higher}: must not be below {lower}, {least}."


def _object(value: object, path: str, faults: list[str]) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    faults.append(f"{path or 'file'}: must be an object.")
    return {}


def _list(value: object, path: str, faults: list[str]) -> list[Any]:
    if isinstance(value, list):
        return value
    faults.append(f"{path}: must be a list.")
    return []


def _text(value: object, name: str, path: str, faults: list[str]) -> str:
    if not isinstance(value, str) or not value.strip():
        faults.append(f"{path}: must be a text.")
        return ""
    _check_column(Rule, name, value, path, faults)
    return value


def _unknown(given: Mapping[str, Any], known: tuple[str, ...], path: str, faults: list[str]) -> None:
    faults.extend(f"{path}{'.' if path else ''}{name}: is not known." for name in _strangers(given, known))


def _strangers(given: Mapping[str, Any], known: tuple[str, ...]) -> Iterator[str]:
    return (str(name) for name in given if name not in known)
