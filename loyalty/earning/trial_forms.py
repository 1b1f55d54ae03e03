"""The form in which staff try a payment that nobody made. Offers only what the login may see; writes nothing."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.translation import gettext as say
from django.utils.translation import gettext_lazy as _

from loyalty.earning import rule_forms, rule_sentences, trials
from loyalty.earning.rule_forms import DollarsField
from loyalty.earning.rule_terms import RuleTerms
from loyalty.earning.trials import Payment, Trial, TrialRefused
from members.models import Program, Tier
from pms import formats, story
from pms.models import Mall, Store


class TrialForm(forms.Form):
    """A payment: how much, where, when, by whom."""

    amount = DollarsField(label=_("amount (HK$)"), required=True)
    mall = forms.ChoiceField(label=_("mall"))
    store = forms.CharField(
        label=_("store"),
        required=False,
        max_length=128,
        help_text=_("Its code or PMS label; or choose a category."),
    )
    category = forms.ChoiceField(label=_("category"), required=False)
    at = forms.DateTimeField(
        label=_("paid"), required=False, widget=rule_forms.moment_input(), help_text=_("Left empty: now.")
    )
    tier = forms.ChoiceField(label=_("tier"), required=False)
    user_id = forms.CharField(
        label=_("wallet user ID"),
        required=False,
        max_length=128,
        help_text=_("Left empty: an invented member."),
    )
    spent_today = DollarsField(label=_("spent today (HK$)"))
    is_birthday = forms.BooleanField(label=_("in the month of birth"), required=False)

    def __init__(self, typed: Any, *, request: HttpRequest, program: Program) -> None:
        super().__init__(typed, prefix="try")
        self.malls = {mall.tag: mall for mall in _malls(request, program)}
        self.stores = story.visible(request, Store).filter(mall__in=self.malls.values())
        self.program = program
        self._offer("mall", [(tag, formats.name_of(mall)) for tag, mall in self.malls.items()])
        codes = self.stores.order_by("category").values_list("category", flat=True).distinct()
        self._offer("category", [("", "–"), *((code, rule_sentences.word(code)) for code in codes if code)])
        tiers = Tier.objects.filter(program=program).order_by("min_spend_cents")
        self._offer("tier", [("", _("the lowest")), *((tier.code, formats.name_of(tier)) for tier in tiers)])

    def _offer(self, name: str, choices: Sequence[tuple[str, object]]) -> None:
        field: Any = self.fields[name]
        field.choices = choices

    def clean_store(self) -> Store | None:
        """By code or PMS label, among the stores that the login sees."""
        text = self.cleaned_data["store"].strip()
        if not text:
            return None
        found = self.stores.filter(code=text).first() or self.stores.filter(pms_label=text).first()
        if found is None:
            raise ValidationError(_("No store of your malls has this code or PMS label."))
        return found  # type: ignore[no-any-return]

    def payment(self, *, now: datetime) -> Payment:
        values = self.cleaned_data
        return Payment(
            mall=self.malls[values["mall"]],
            store=values["store"],
            category=values["category"],
            amount_cents=values["amount"],
            at=values["at"] or now,
            tier=values["tier"],
            user_id=values["user_id"],
            spent_today_cents=values["spent_today"],
            is_birthday=values["is_birthday"],
        )

    def tried(self, *, now: datetime, ruleset: Sequence[RuleTerms] | None = None) -> Trial | None:
        """None with a fault above the fields when the payment cannot be tried."""
        try:
            return trials.try_payment(self.payment(now=now), ruleset=ruleset)
        except TrialRefused:
            self.add_error("user_id", say("No member of this program has this wallet user ID."))
            return None


def _malls(request: HttpRequest, program: Program) -> list[Mall]:
    return list(story.visible(request, Mall).filter(group_id=program.group_id).order_by("name_en"))
