"""What the screens of mappings say: scores, refusals, why a payment would get nothing, and a worker that is away."""

import logging

from django.contrib import messages
from django.http import HttpRequest
from django.utils.translation import gettext as _
from kombu.exceptions import OperationalError

from alipayhk import mappings, tasks
from alipayhk.likely_stores import Likely
from alipayhk.mappings import MappingRefused
from alipayhk.models import MappingJob
from loyalty.earning import reasons
from pms import formats
from pms.models import Store
from pms.scoping import Sight

log = logging.getLogger(__name__)


def score(likely: Likely) -> str:
    """`Same merchant ID +45 · Same mall +15 = 60`."""
    parts = " · ".join(f"{part.said} +{part.points}" for part in likely.parts)
    return f"{parts} = {likely.score}"


def seen(store: Store, sight: Sight) -> str:
    """A store of a mall that the login does not see has no name."""
    is_seen = sight.is_everything or store.mall_id in sight.mall_ids
    return formats.name_of(store) if is_seen else _("a store of another mall")


def refused(refusal: MappingRefused, sight: Sight) -> str:
    """Who was faster is named, so that the second can ask; not where the store is one that the login does not see."""
    if isinstance(refusal, mappings.LeadsElsewhere):
        store = seen(refusal.store, sight)
        if refusal.by and (sight.is_everything or refusal.store.mall_id in sight.mall_ids):
            said = _("%(who)s has mapped it to %(store)s already. Nothing was changed.")
            return said % {"who": refusal.by, "store": store}
        return _("It leads to %(store)s already. Nothing was changed.") % {"store": store}
    if isinstance(refusal, mappings.NotYetUnmapped):
        return _(
            "It is still being unmapped from another store. Try again when that is done; nothing was changed."
        )
    return _("This store is suspended or merged into another one. Choose another; nothing was changed.")


def why_nothing(code: str) -> str:
    """The sentence of a reason, without figures."""
    language = "zh-hant" if formats.is_chinese() else "en"
    known = {
        "BELOW_MIN_SPEND": _("Below the minimum spend"),
        "REFUND_NO_CHANGE": _("Refunded"),
        "CAPPED_PER_DAY": _("The daily limit is used up"),
        "CAPPED_PER_MONTH": _("The monthly limit is used up"),
        "CONFIRMED_DUPLICATE": _("Recorded already"),
    }
    return known.get(code) or reasons.sentence(code, {}, language)


def tell(request: HttpRequest, job: MappingJob) -> None:
    """A worker that cannot be told finds the job by itself, within a minute."""
    try:
        tasks.map_store.delay(job_id=job.pk)
    except OperationalError as error:
        log.warning("no worker could be told of mapping job %d: %s", job.pk, error)
        messages.warning(request, _("The worker is away; it goes on as soon as it is back."))
