"""The forms of a store: its own fields, a move, a merger, and a file of many."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from pms import scoping, store_labels, store_rows
from pms.mall_forms import MallField
from pms.models import Mall, Store, StoreMapping
from pms.steady_forms import SteadyForm


class TendersField(forms.CharField):
    """Words with commas between them, kept as a list."""

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        try:
            return store_rows.tenders(value or "")
        except store_rows.CellRefused as refused:
            raise ValidationError(str(store_rows.FAULTS[refused.code])) from refused

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool(self.to_python(data) != (initial or []))


class StoreForm(SteadyForm):
    """A store belongs to the group of its mall, and is compared with the others of that group."""

    # Of whoever fills it in.
    seen_malls: QuerySet[Mall]

    excluded_tenders = TendersField(
        label=_("Excluded tenders"),
        required=False,
        help_text=_(
            "Ways to pay that earn nothing here, such as VOUCHER, OCTOPUS; the program's own list holds beside it."
        ),
    )

    def clean(self) -> dict[str, Any] | None:
        mall = self.cleaned_data.get("mall") or (self.instance.mall if self.instance.pk else None)
        if mall:
            self.instance.group_id = mall.group_id
            self._check_label(mall)
            self._check_waiting(mall)
        return super().clean()

    def _check_label(self, mall: Mall) -> None:
        label = self.cleaned_data.get("pms_label", "")
        mapped = StoreMapping.objects.filter(group_id=mall.group_id, label=label, ended_at=None)
        other = mapped.exclude(store=self.instance.pk).select_related("store").first()
        if other:
            called = store_rows.called(other.store, mall)
            self.add_error("pms_label", f"{store_rows.FAULTS['LABEL_MAPPED']} {called}")
        elif self.instance.pk and mapped.exists():
            self.add_error("pms_label", _("This PMS label is mapped to this store already; end that first."))

    def _check_waiting(self, mall: Mall) -> None:
        """Payments that nobody who fills this in may see are not given away by entering their store."""
        typed = {name: self.cleaned_data.get(name, "") for name in ("pms_label", "merchant_id")}
        new = {name: text for name, text in typed.items() if text and text != getattr(self.instance, name)}
        waits = store_labels.waiting_unseen(
            group=mall.group, names=[*new.values()], seen_malls=self.seen_malls
        )
        for name in (name for name, text in new.items() if text in waits):
            self.add_error(name, str(store_rows.FAULTS["WAITS_ELSEWHERE"]))

    def _get_validation_exclusions(self) -> set[str]:
        left_out: set[str] = super()._get_validation_exclusions()  # type: ignore[misc]
        return left_out - {"group"} if self.instance.group_id else left_out


class MoveForm(forms.Form):
    to_mall = MallField(label=_("To the mall"), queryset=Mall.objects.none())
    moved_date = forms.DateField(
        label=_("First day there"), widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    )

    def __init__(self, *typed: Any, request: HttpRequest, store: Store) -> None:
        super().__init__(*typed)
        field: Any = self.fields["to_mall"]
        others = scoping.malls_of(request.user).filter(group_id=store.group_id).exclude(pk=store.mall_id)
        field.queryset = others.order_by("name_en")


class MergeForm(forms.Form):
    into = forms.CharField(
        label=_("Is the same shop as"),
        max_length=128,
        help_text=_("Code or PMS label of the store that stays"),
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )

    def __init__(self, *typed: Any, request: HttpRequest, store: Store) -> None:
        super().__init__(*typed)
        self.store = store
        self.known = Store.objects.filter(
            mall__in=scoping.malls_of(request.user), group_id=store.group_id
        ).exclude(pk=store.pk)

    def clean_into(self) -> Store:
        text = self.cleaned_data["into"].strip()
        found = list(self.known.filter(Q(code=text) | Q(pms_label=text), merged_into=None)[:2])
        if len(found) != 1:
            raise ValidationError(
                _("Several stores have this code; use the PMS label.")
                if found
                else _("No other store of your malls has this code or PMS label.")
            )
        return found[0]
