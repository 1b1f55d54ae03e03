"""The counter's form: a receipt in a few keystrokes. Offers the stores of the malls that the login sees."""

import uuid
from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Q
from django.http import HttpRequest
from django.utils.crypto import constant_time_compare, salted_hmac
from django.utils.translation import gettext_lazy as _

from loyalty.doors import slips
from loyalty.doors.slips import FieldRefused, Slip
from loyalty.earning import rule_sentences
from loyalty.earning.models import Transaction
from loyalty.earning.rule_forms import DollarsField, moment_input
from members.models import Member
from pms import clock, formats, scoping, store_history, story
from pms.models import Store, StoreMapping, StoreMove

Typed = TypeVar("Typed")
Read = TypeVar("Read")
TENDERS = ("ALIPAYHK", "CARD", "OCTOPUS", "CASH", "VOUCHER", "GIFT_CARD", "PREPAID_CARD")
NAMES = {"ALIPAYHK": "AlipayHK", "CARD": _("credit or debit card"), "OCTOPUS": _("Octopus")}
FORM_FIELDS = {"number_kind": "number"}


class CounterForm(forms.Form):
    """Checked first, then saved: `seen` says that exactly these values were checked by this form."""

    number = forms.CharField(label=_("receipt number"), max_length=128, required=False)
    store = forms.CharField(label=_("store"), max_length=128, help_text=_("Its name, code or PMS label"))
    amount = DollarsField(
        label=_("amount (HK$)"), required=True, max_value=slips.HIGHEST_CENTS // 100, min_value=0
    )
    member = forms.CharField(
        label=_("member"), max_length=128, help_text=_("Card number, phone or wallet user ID")
    )
    # After what is typed every time: a moment is many stops of the Tab key, and is mostly now.
    paid_at = forms.DateTimeField(label=_("paid"), widget=moment_input())
    tender = forms.ChoiceField(label=_("paid with"), required=False)
    token = forms.CharField(max_length=64, widget=forms.HiddenInput)
    seen = forms.CharField(max_length=64, widget=forms.HiddenInput, required=False)

    def __init__(self, typed: Any = None, *, request: HttpRequest, now: datetime, store: str = "") -> None:
        super().__init__(typed, label_suffix="")
        self.now, self.by_id = now, request.user.pk
        self.malls = scoping.malls_of(request.user)
        seen = story.visible(request, Store).filter(mall__in=self.malls, merged_into=None)
        self.stores = seen.select_related("mall__group__program").order_by("code", "pms_label")
        self.found: Member | None = None
        self.fields["token"].initial = uuid.uuid4().hex
        self.fields["store"].initial = store
        self.fields["paid_at"].initial = now.astimezone(clock.HONG_KONG).replace(second=0, microsecond=0)
        tender: Any = self.fields["tender"]
        tender.choices = [("", _("not known")), *((code, _tender(code)) for code in TENDERS)]
        self._dress()

    def _dress(self) -> None:
        for name in ("number", "store", "amount", "member"):
            self.fields[name].widget.attrs |= {"autocomplete": "off", "spellcheck": "false"}
        self.fields["number"].widget.attrs |= {"autofocus": True}
        self.fields["store"].widget.attrs |= {"list": "stores"}
        self.fields["amount"].widget.attrs |= {"inputmode": "decimal"}

    def clean_number(self) -> str:
        return self._read(slips.read_number, self.cleaned_data["number"])

    def clean_store(self) -> Store:
        text = self.cleaned_data["store"].strip()
        mapped = StoreMapping.objects.filter(label__iexact=text, ended_at=None).values("store")
        named = Q(code__iexact=text) | Q(pms_label__iexact=text) | Q(pk__in=mapped)
        called = Q(name_en__iexact=text) | Q(name_zh__iexact=text)
        # A code is exact; a name is what the receipt says, and chains have one name in many malls.
        found = self._once_here(named) or (self._once_here(called) if text else [])
        if len(found) != 1:
            raise ValidationError(str(slips.FAULTS["STORE_AMBIGUOUS" if found else "STORE_UNKNOWN"]))
        return self._read(slips.checked_store, found[0])

    def _once_here(self, named: Q) -> list[Store]:
        """Stores that are or were in the login's malls, two at most; a merged one is what it became."""
        left = StoreMove.objects.filter(from_mall__in=self.malls).values("store")
        seen = Store.objects.filter(named, Q(mall__in=self.malls) | Q(pk__in=left)).order_by("pk")
        rows = seen.select_related("mall__group__program", "merged_into__mall__group__program")[:10]
        return list({store.merged_into or store: None for store in rows})[:2]

    def clean_paid_at(self) -> datetime:
        return self._read(
            lambda moment: slips.checked_moment(moment, now=self.now), self.cleaned_data["paid_at"]
        )

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        store, member = self.cleaned_data.get("store"), self.cleaned_data.get("member")
        if store and self.cleaned_data.get("paid_at"):
            self._check_mall(store, self.cleaned_data["paid_at"])
        if store and member:
            named = slips.members_named([member], group_id=store.group_id)
            try:
                self.found = Member.objects.get(pk=slips.the_member(member, named))
            except FieldRefused as refused:
                self.refuse(refused)
        return cleaned

    def _check_mall(self, store: Store, paid_at: datetime) -> None:
        mall = store_history.mall_on(store, paid_at.astimezone(clock.HONG_KONG).date())
        if not self.malls.filter(pk=mall.pk).exists():
            self.refuse(FieldRefused("store", "STORE_OF_ANOTHER_MALL"))

    def refuse(self, refused: FieldRefused) -> None:
        self.add_error(FORM_FIELDS.get(refused.field, refused.field), str(slips.FAULTS[refused.code]))

    def slip(self) -> Slip:
        values = self.cleaned_data
        assert self.found is not None  # the form is valid
        return Slip(
            store=values["store"],
            member_id=self.found.pk,
            channel=Transaction.Channel.COUNTER,
            amount_cents=values["amount"],
            paid_at=values["paid_at"],
            number=values["number"],
            tender=values["tender"],
            by_id=self.by_id,
        )

    def renew(self) -> None:
        """Back and another receipt: a form that was saved saves nothing more."""
        token = uuid.uuid4().hex
        self.data = {name: self.data.get(name, "") for name in self.data} | {"token": token}
        self.cleaned_data["token"] = token

    def digest(self) -> str:
        """Of what was typed, by this form and this login; nobody else can make it."""
        typed = [str(self.data.get(name, "")).strip() for name in self.fields if name != "seen"]
        return salted_hmac("loyalty.doors.counter", "\x1f".join([str(self.by_id), *typed])).hexdigest()[:40]

    def was_checked(self) -> bool:
        return constant_time_compare(str(self.data.get("seen", "")), self.digest())

    @property
    def store_choices(self) -> list[tuple[str, str]]:
        return [(store.code or store.pms_label, formats.name_of(store)) for store in self.stores[:2000]]

    def _read(self, read: Callable[[Typed], Read], text: Typed) -> Read:
        try:
            return read(text)
        except FieldRefused as refused:
            raise ValidationError(str(slips.FAULTS[refused.code])) from refused


def _tender(code: str) -> object:
    return NAMES.get(code) or rule_sentences.word(code)
