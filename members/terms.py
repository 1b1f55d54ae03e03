"""Forms of a program's terms and tiers: what staff may set, each field with what a change does and does not touch.

Nothing already given is judged anew: lots keep their expiry, awards their facts, redemptions their worth.
"""

from copy import copy
from fractions import Fraction
from itertools import pairwise
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from members.models import Program, Tier
from pms.steady_forms import SteadyForm

HIGHEST_SCORE, HIGHEST_PERCENT = 101, 100
LONGEST_DAYS, LONGEST_CODE_SECONDS, SHORTEST_CODE_SECONDS = 3650, 3600, 30
HIGHEST_FACTOR, HIGHEST_IN_COLUMN = 100, 32767
HELP = {
    "joining_grace_days": _("A payment this many days before the first consent still earns."),
    "negative_balance": _("For refunds that arrive from now on."),
    "manual_window_days": _("Receipts handed in later earn nothing. For receipts handed in from now on."),
    "expiry": _("For points given from now on. Points given before keep the day they have."),
    "expiry_count": _("Days, or months, of the choice above; 0 for never and for 31 December."),
    "tier_window": _("Counts from the next payment or review. Tiers held stay for the time promised."),
    "redemption_points_per_hkd": _("Also the step. What is set aside already keeps its worth."),
    "redemption_min_points": _("A multiple of the points for HK$1."),
    "redemption_seconds": _("From 30 to 3,600. Codes already shown keep their time."),
    "returns_redeemed_points": _("When the whole purchase is refunded. For refunds from now on."),
    "duplicate_flag_score": _("From 1 to 100; 101 switches it off. For purchases from now on."),
    "duplicate_hold_score": _("Not below the one above; 101 switches it off. For purchases from now on."),
    "duplicate_block_score": _("Not below the one above; empty: nothing is refused for its likeness alone."),
    "spot_check_percent": _(
        "Of the verdicts that no person took: same number, blocked, and just not alike enough. 0 for none."
    ),
}
TERMS = ("name_en", "name_zh", *HELP)


class TermsForm(SteadyForm):
    """Remembers the row as it was, for the history."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.before = copy(self.instance) if self.instance.pk else None


class ProgramForm(TermsForm):
    class Meta:
        model = Program
        fields = TERMS
        help_texts = HELP

    def clean_joining_grace_days(self) -> int:
        return self._within("joining_grace_days", 0, LONGEST_DAYS)

    def clean_manual_window_days(self) -> int:
        return self._within("manual_window_days", 1, LONGEST_DAYS)

    def clean_redemption_points_per_hkd(self) -> int:
        return self._within("redemption_points_per_hkd", 1, 1_000_000)

    def clean_duplicate_flag_score(self) -> int:
        return self._within("duplicate_flag_score", 1, HIGHEST_SCORE)

    def clean_duplicate_hold_score(self) -> int:
        return self._within("duplicate_hold_score", 1, HIGHEST_SCORE)

    def clean_spot_check_percent(self) -> int:
        return self._within("spot_check_percent", 0, HIGHEST_PERCENT)

    def clean_redemption_seconds(self) -> int:
        return self._within("redemption_seconds", SHORTEST_CODE_SECONDS, LONGEST_CODE_SECONDS)

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        self._check_expiry(self.cleaned_data.get("expiry"), self.cleaned_data.get("expiry_count"))
        step = self.cleaned_data.get("redemption_points_per_hkd")
        least = self.cleaned_data.get("redemption_min_points")
        if step and least is not None and (least <= 0 or least % step):
            words = _("Must be a multiple of %(step)s, the points for HK$1.") % {"step": step}
            self.add_error("redemption_min_points", words)
        self._check_scores()
        return cleaned

    def _check_scores(self) -> None:
        """Each is at least the one before; the last may be empty."""
        names = ("duplicate_flag_score", "duplicate_hold_score", "duplicate_block_score")
        for lower, higher in pairwise(names):
            least, score = self.cleaned_data.get(lower), self.cleaned_data.get(higher)
            if least is not None and score is not None and score < least:
                words = _("Must be %(least)s or more, as it is stricter than the one before.")
                self.add_error(higher, words % {"least": least})

    def _check_expiry(self, expiry: str | None, count: int | None) -> None:
        if expiry is None or count is None:
            return
        needs_count = expiry in (Program.Expiry.DAYS, Program.Expiry.MONTH_END)
        if needs_count and not 0 < count <= LONGEST_DAYS:
            self.add_error("expiry_count", _("Say after how many days or months points expire, up to 3,650."))
        if not needs_count and count:
            self.add_error("expiry_count", _("Must be 0, as this way of expiry counts no days."))

    def _within(self, name: str, lowest: int, highest: int) -> int:
        value = int(self.cleaned_data[name])
        if not lowest <= value <= highest:
            words = _("Must be between %(lowest)s and %(highest)s.")
            raise ValidationError(words % {"lowest": f"{lowest:,}", "highest": f"{highest:,}"})
        return value


class TierForm(TermsForm):
    """Spend in HK$ and the factor as one number, where the columns hold cents and a fraction."""

    spend = forms.DecimalField(
        label=_("net spend (HK$)"), min_value=0, max_digits=12, decimal_places=2,
        help_text=_("Reached with this much in the window; 0 for the lowest. Tiers held stay for the time promised."),
    )  # fmt: skip
    factor = forms.CharField(
        label=_("points factor"), max_length=16, initial="1",
        help_text=_("Such as 1.5 or 4/3; for payments judged from now on."),
    )  # fmt: skip

    class Meta:
        model = Tier
        fields = ("program", "code", "name_en", "name_zh")

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        if self.instance.pk:
            self.initial["spend"] = f"{self.instance.min_spend_cents / 100:.2f}"
            self.initial["factor"] = factor_words(self.instance)

    def clean_code(self) -> str:
        code = str(self.cleaned_data["code"]).upper()
        if not (code.isascii() and code.replace("_", "").replace("-", "").isalnum()):
            raise ValidationError(_("Letters and digits only, such as GOLD."))
        return code

    def clean_factor(self) -> Fraction:
        try:
            factor = Fraction(self.cleaned_data["factor"].strip())
        except (ValueError, ZeroDivisionError) as error:
            raise ValidationError(_("Not a number. Write it such as 1.5 or 4/3.")) from error
        if not 0 < factor <= HIGHEST_FACTOR or max(factor.numerator, factor.denominator) > HIGHEST_IN_COLUMN:
            raise ValidationError(_("Must be above 0, at most 100, and with few digits."))
        return factor

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        program = self.cleaned_data.get("program") or (self.instance.program if self.instance.pk else None)
        spend, factor = self.cleaned_data.get("spend"), self.cleaned_data.get("factor")
        if program is not None and spend is not None:
            self._check_ladder(program, int(spend * 100))
        if spend is not None and factor is not None:
            self.instance.min_spend_cents = int(spend * 100)
            self.instance.factor_numerator, self.instance.factor_denominator = factor.as_integer_ratio()
        return cleaned

    def _check_ladder(self, program: Program, cents: int) -> None:
        """One tier of every program asks for no spend, and no two ask for the same."""
        others = Tier.objects.filter(program=program).exclude(pk=self.instance.pk)
        if others.filter(min_spend_cents=cents).exists():
            self.add_error("spend", _("Another tier of the program has this net spend."))
        elif cents and not others.filter(min_spend_cents=0).exists():
            self.add_error("spend", _("Must be 0: every program has a lowest tier that asks for no spend."))


def factor_words(tier: Tier) -> str:
    """`1.5`, or `4/3` where no short decimal says it."""
    factor = Fraction(tier.factor_numerator, tier.factor_denominator)
    decimal = f"{float(factor):g}"
    return decimal if Fraction(decimal) == factor else str(factor)
