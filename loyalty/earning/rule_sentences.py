"""A frozen rule version as a sentence that staff can read, in either language."""

from django.utils import translation
from django.utils.translation import gettext as _

from loyalty.earning.models import RuleVersion
from pms import formats


def both(version: RuleVersion) -> list[str]:
    """English and Traditional Chinese."""
    return [sentence(version, language) for language in ("en", "zh-hant")]


def sentence(version: RuleVersion, language: str) -> str:
    with translation.override(language):
        return "".join(_parts(version))


def _parts(version: RuleVersion) -> list[str]:
    rounding = _("rounded half up") if version.rounding == RuleVersion.Rounding.HALF_UP else _("rounded down")
    parts = [_("%(points)s per HK$%(per)s, %(rounding)s") % {
        "points": formats.points(version.points_numerator), "per": version.points_denominator, "rounding": rounding,
    }]  # fmt: skip
    if version.min_spend_cents:
        words = (
            _("; from %(minimum)s net of refunds") if version.is_min_spend_on_net else _("; from %(minimum)s")
        )
        parts.append(words % {"minimum": formats.money(version.min_spend_cents)})
    if version.max_spend_cents is not None:
        parts.append(
            _("; at most %(ceiling)s counted per transaction")
            % {"ceiling": formats.money(version.max_spend_cents)}
        )
    return [*parts, _(".")]
