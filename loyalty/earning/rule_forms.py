"""The form in which staff write a rule before it is published: the fields of its kind, and the draft they say.

What may be published is decided in `drafts` and `rule_versions`; here words become values and faults find their field.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.utils.dates import WEEKDAYS
from django.utils.translation import gettext_lazy as _

from loyalty.earning import drafts, rule_sentences, rule_versions
from loyalty.earning.drafts import Draft, Fault
from loyalty.earning.models import Rule, RuleVersion
from loyalty.earning.rule_sentences import Called
from loyalty.earning.rule_versions import Naming
from members.models import Program

HIGHEST_IN_COLUMN = 2**31 - 1
HIGHEST_SMALL = 2**15 - 1

POINTS = ("points_numerator", "points_denominator")
SCOPE = ("malls", "stores", "categories", "tiers")
SCHEDULE = ("first_date", "last_date", "weekdays", "from_time", "to_time")
LIMIT = ("limit_amount", "limit_unit", "limit_period", "is_limit_per_mall")
BESIDE = ("stacking", "stacking_group")
EXCLUDED = ("excluded_categories", "excluded_tenders", "excluded_items")
# What the engine reads of each kind; other columns stay as they were.
FIELDS: dict[str, frozenset[str]] = {
    Rule.Kind.BASE: frozenset(
        (*POINTS, "rounding", "takes_tier_factor", "min_spend_cents", "is_min_spend_on_net", "max_spend_cents",
         *LIMIT, "hold_days", *EXCLUDED)
    ),
    Rule.Kind.RATE: frozenset(
        (*POINTS, "takes_tier_factor", "min_spend_cents", "max_spend_cents", *SCOPE, *SCHEDULE, "hold_days")
    ),
    Rule.Kind.EXTRA: frozenset(
        (*POINTS, "step_cents", "takes_tier_factor", "occasion", "min_spend_cents", "max_spend_cents", *SCOPE,
         *SCHEDULE, *LIMIT, "budget_points", *BESIDE, "hold_days")
    ),
    Rule.Kind.FLAT: frozenset(
        ("points_numerator", "occasion", "min_spend_cents", *SCOPE, *SCHEDULE, *LIMIT, "budget_points", *BESIDE,
         "hold_days")
    ),
    Rule.Kind.CEILING: frozenset(("max_spend_cents", *SCOPE, *SCHEDULE)),
}  # fmt: skip

GROUPS: tuple[tuple[object, object, tuple[str, ...]], ...] = (
    (
        _("Code and names"),
        _("Members read it in the reasons of their points."),
        ("code", "name_en", "name_zh"),
    ),
    (_("What it pays"), "", (*POINTS, "step_cents", "rounding", "takes_tier_factor", "occasion")),
    (
        _("How much counts"),
        _("Amounts in HK$. Left empty: no minimum, no ceiling."),
        ("min_spend_cents", "is_min_spend_on_net", "max_spend_cents"),
    ),
    (_("Where and for whom"), _("Nothing chosen: everywhere, for everybody."), SCOPE),
    (_("When"), _("By the time of payment in Hong Kong. Left empty: always."), SCHEDULE),
    (_("Limit for each member"), _("Left empty: no limit."), LIMIT),
    (_("Budget, other offers, hold"), "", ("budget_points", *BESIDE, "hold_days")),
    (_("What earns nothing"), _("Codes, separated by commas."), EXCLUDED),
    (
        _("In force"),
        _("A published version is never changed; another one follows it."),
        ("effective_at", "is_off"),
    ),
)


def day_input() -> forms.DateInput:
    return forms.DateInput({"type": "date"}, "%Y-%m-%d")


def hour_input() -> forms.TimeInput:
    return forms.TimeInput({"type": "time"}, "%H:%M")


def moment_input() -> forms.DateTimeInput:
    return forms.DateTimeInput({"type": "datetime-local"}, "%Y-%m-%dT%H:%M")


class DollarsField(forms.DecimalField):
    """Typed in HK$, kept in cents."""

    def __init__(self, **options: Any) -> None:
        options = {"required": False, "min_value": 0, "decimal_places": 2, "max_digits": 15} | options
        super().__init__(**options)

    def prepare_value(self, value: Any) -> Any:
        return f"{Decimal(value) / 100:.2f}" if isinstance(value, int) else value

    def clean(self, value: Any) -> Any:
        dollars = super().clean(value)
        return None if dollars is None else int(dollars * 100)


class WordsField(forms.CharField):
    """Codes separated by commas; `is_upper` for those that are always capitals."""

    def __init__(self, *, is_upper: bool = True, **options: Any) -> None:
        self.is_upper = is_upper
        super().__init__(required=False, max_length=2000, **options)

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(value) if isinstance(value, list | tuple) else value

    def clean(self, value: Any) -> Any:
        text = str(super().clean(value))
        parts = (text.upper() if self.is_upper else text).replace("，", ",").replace("、", ",").split(",")
        return tuple(dict.fromkeys(part.strip() for part in parts if part.strip()))


class CodesField(forms.MultipleChoiceField):
    """Codes ticked; kept in the order of the choices."""

    def __init__(self, **options: Any) -> None:
        super().__init__(required=False, widget=forms.CheckboxSelectMultiple, **options)

    def clean(self, value: Any) -> Any:
        return tuple(super().clean(value))


class WeekdaysField(CodesField):
    def clean(self, value: Any) -> Any:
        return tuple(int(day) for day in super().clean(value))


class RuleForm(forms.Form):
    """One rule of one kind; `latest` is the version it follows, if any."""

    code = forms.CharField(
        label=_("code"), max_length=32, validators=[RegexValidator(r"^[A-Za-z0-9][A-Za-z0-9_-]*\Z")],
        help_text=_("Letters and digits, such as R12; it stays."),
    )  # fmt: skip
    name_en = forms.CharField(label=_("name (English)"), max_length=128)
    name_zh = forms.CharField(label=_("name (Chinese)"), max_length=128)
    points_numerator = forms.IntegerField(label=_("points"), min_value=0, max_value=HIGHEST_IN_COLUMN)
    points_denominator = forms.IntegerField(
        label=_("for every HK$"), min_value=1, max_value=10**6,
        help_text=_("1 point for every HK$2 is half a point per dollar."),
    )  # fmt: skip
    step_cents = DollarsField(
        label=_("only for each full HK$"), help_text=_("Such as 100: the points come for every full HK$100.")
    )
    rounding = forms.ChoiceField(label=_("fractions of a point"), choices=RuleVersion.Rounding.choices)
    takes_tier_factor = forms.BooleanField(label=_("times the factor of the member's tier"), required=False)
    occasion = forms.ChoiceField(
        label=_("occasion"), required=False,
        choices=[("", _("none")), *RuleVersion.Occasion.choices], help_text=_("Given once: limit it to 1 time."),
    )  # fmt: skip
    min_spend_cents = DollarsField(label=_("minimum spend (HK$)"))
    is_min_spend_on_net = forms.BooleanField(label=_("the minimum holds after refunds too"), required=False)
    max_spend_cents = DollarsField(label=_("ceiling per transaction (HK$)"))
    malls = CodesField(label=_("malls"))
    stores = WordsField(label=_("stores"), is_upper=False, help_text=_("Store codes, separated by commas."))
    categories = CodesField(label=_("categories"))
    tiers = CodesField(label=_("tiers"))
    first_date = forms.DateField(label=_("first day"), required=False, widget=day_input())
    last_date = forms.DateField(label=_("last day"), required=False, widget=day_input())
    weekdays = WeekdaysField(label=_("weekdays"), choices=[(f"{n + 1}", day) for n, day in WEEKDAYS.items()])
    from_time = forms.TimeField(label=_("from"), required=False, widget=hour_input())
    to_time = forms.TimeField(
        label=_("until"), required=False, widget=hour_input(),
        help_text=_("Up to this time, not with it."),
    )  # fmt: skip
    limit_amount = forms.DecimalField(
        label=_("at most"), required=False, min_value=0, decimal_places=2, max_digits=15,
        help_text=_("HK$ if it counts spend, else a whole number."),
    )  # fmt: skip
    limit_unit = forms.ChoiceField(label=_("it counts"), required=False)
    limit_period = forms.ChoiceField(
        label=_("per"), required=False, choices=[("", "–"), *RuleVersion.Period.choices]
    )
    is_limit_per_mall = forms.BooleanField(label=_("each mall apart"), required=False)
    budget_points = forms.IntegerField(
        label=_("budget (points)"), required=False, min_value=1, max_value=10**15 - 1,
        help_text=_("For all members together; then it gives nothing more."),
    )  # fmt: skip
    stacking = forms.ChoiceField(label=_("beside other offers"), choices=RuleVersion.Stacking.choices)
    stacking_group = forms.CharField(
        label=_("group"),
        required=False,
        max_length=32,
        help_text=_("Of offers with this group only the best counts."),
    )
    hold_days = forms.IntegerField(
        label=_("on hold (days)"), required=False, min_value=0, max_value=HIGHEST_SMALL,
        help_text=_("Points can be used this many days after payment."),
    )  # fmt: skip
    excluded_categories = WordsField(label=_("excluded categories"))
    excluded_tenders = WordsField(label=_("excluded tenders"), help_text="CASH, VOUCHER, GIFT_CARD …")
    excluded_items = WordsField(label=_("excluded items"), help_text="TOP_UP, TICKET, PARKING …")
    effective_at = forms.DateTimeField(
        label=_("in force from"), required=False,
        widget=moment_input(),
        help_text=_("Left empty: from the moment it is published. Never the past."),
    )  # fmt: skip
    is_off = forms.BooleanField(label=_("switched off from then on"), required=False)
    # What the writer had before them, and what they saw the summary of.
    seen = forms.IntegerField(widget=forms.HiddenInput, required=False, min_value=0)
    checked = forms.CharField(widget=forms.HiddenInput, required=False, max_length=64)

    def __init__(
        self, typed: Any, *, program: Program, kind: str, latest: RuleVersion | None, is_off: bool = False
    ) -> None:
        self.program, self.kind, self.latest = program, kind, latest
        self.names: Called = rule_sentences.called(program)
        super().__init__(typed, initial=_initial(latest, kind) | ({"is_off": True} if is_off else {}))
        self._keep_own_fields()
        self._offer_codes()

    def _keep_own_fields(self) -> None:
        shown = {"name_en", "name_zh", "effective_at", "seen", "checked", *FIELDS[self.kind]}
        shown |= {"is_off"} if self.latest else {"code"}
        for name in set(self.fields) - shown:
            del self.fields[name]
        if self.kind == Rule.Kind.EXTRA:
            self.fields["points_numerator"].label = _("extra points")

    def _offer_codes(self) -> None:
        """Codes of a former version that are gone stay on offer, so that checking can name them."""
        known = rule_versions.names(self.program)
        called = {"malls": self.names.malls, "tiers": self.names.tiers}
        for name in {"malls", "categories", "tiers"} & set(self.fields):
            codes = sorted(
                {*getattr(known, name), *(getattr(self.latest, name) if self.latest else ())} - {""}
            )
            self._field(name).choices = [(code, _said(code, called.get(name, {}))) for code in codes]
        if "limit_unit" in self.fields:
            units = [(unit.value, unit.label) for unit in RuleVersion.Unit if self._counts(unit)]
            self._field("limit_unit").choices = [("", "–"), *units]

    def _field(self, name: str) -> Any:
        return self.fields[name]

    def _counts(self, unit: RuleVersion.Unit) -> bool:
        if self.kind == Rule.Kind.BASE:
            return unit == RuleVersion.Unit.CENTS
        return self.kind != Rule.Kind.FLAT or unit == RuleVersion.Unit.TIMES

    def clean(self) -> dict[str, Any]:
        """Spend is limited in HK$, everything else in whole numbers."""
        values = super().clean() or self.cleaned_data
        amount = values.get("limit_amount")
        if amount is None:
            return values
        if values.get("limit_unit") == RuleVersion.Unit.CENTS:
            values["limit_amount"] = int(amount * 100)
        elif amount != int(amount):
            self.add_error(
                "limit_amount", ValidationError(_("Only spend is limited in cents; give a whole number."))
            )
        else:
            values["limit_amount"] = int(amount)
        return values

    def clean_min_spend_cents(self) -> int:
        return self.cleaned_data["min_spend_cents"] or 0

    @cached_property
    def naming(self) -> Naming:
        values = self.cleaned_data
        code = self.latest.rule.code if self.latest else values["code"]
        return Naming(code=code, kind=self.kind, name_en=values["name_en"], name_zh=values["name_zh"])

    @cached_property
    def draft(self) -> Draft:
        """What the form says, over what the former version said; kept, since a fault takes its value away."""
        values = {
            name: self.cleaned_data[name] for name in (*FIELDS[self.kind], "is_off") if name in self.fields
        }
        return replace(drafts.of(self.latest) if self.latest else Draft(), **values)

    @cached_property
    def begins_at(self) -> datetime | None:
        found: datetime | None = self.cleaned_data["effective_at"]
        return found

    @property
    def digest(self) -> str:
        """Changes with anything that the summary shows."""
        said = f"{asdict(self.draft)} {self.naming} {self.begins_at}"
        return hashlib.sha256(said.encode()).hexdigest()

    def carry_digest(self) -> None:
        """What is published must be what was read."""
        typed: Any = self.data.copy()  # type: ignore[attr-defined]
        typed["checked"] = self.digest
        self.data = typed

    def take(self, faults: Iterable[Fault]) -> None:
        """Put each fault at its field, or above all fields."""
        for fault in faults:
            self.add_error(fault.field if fault.field in self.fields else None, fault.sentence)

    def groups(self) -> list[dict[str, object]]:
        """The fields as the page shows them."""
        shown = [
            {"title": title, "note": note, "fields": [self[name] for name in names if name in self.fields]}
            for title, note, names in GROUPS
        ]
        return [group for group in shown if group["fields"]]


def _initial(latest: RuleVersion | None, kind: str) -> dict[str, Any]:
    draft = drafts.of(latest) if latest else Draft(points_numerator=0 if kind == Rule.Kind.CEILING else 1)
    values = asdict(draft) | {"seen": latest.number if latest else 0}
    if latest:
        values |= {"name_en": latest.rule.name_en, "name_zh": latest.rule.name_zh}
    if draft.limit_unit == RuleVersion.Unit.CENTS and draft.limit_amount is not None:
        values["limit_amount"] = f"{Decimal(draft.limit_amount) / 100:.2f}"
    if not draft.min_spend_cents:
        values["min_spend_cents"] = None
    return values


def _said(code: str, names: Mapping[str, tuple[str, str]]) -> str:
    if code not in names:
        return rule_sentences.word(code)
    return rule_sentences.named(code, names)
