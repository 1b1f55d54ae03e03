"""The front page's figure of the last proof: green or red, over how much, and how long ago."""

from django.http import HttpRequest
from django.utils.translation import gettext as _

from loyalty.ledger.models import ProofRun
from pms import formats, today
from pms.today import Day, Figure, Part


@today.source(40)
def last_proof(request: HttpRequest, day: Day) -> Part:
    """For all staff; how much there is, and which rows differ, is for those who see every group."""
    run = ProofRun.objects.defer("heads").order_by("-pk").first()
    if run is None:
        return Part(figures=[Figure(label=_("Proof"), shown=_("none yet"), note=_("runs every night"))])
    number = run.counts["breaches"]
    shown = _("all right") if run.is_green else _("%(count)s breaches") % {"count": formats.number(number)}
    note = formats.sentence(_("%(age)s ago"), age=formats.age(run.ended_at))
    if request.user.is_superuser:
        note = formats.sentence("{note} · {told}", note=note, told=_told(run))
    return Part(
        figures=[Figure(label=_("Proof"), shown=shown, note=note, tone="good" if run.is_green else "bad")]
    )


def _told(run: ProofRun) -> str:
    if run.breaches:
        return str(run.breaches[0])
    counts = {name: formats.number(run.counts[name]) for name in ("entries", "awards", "sealed")}
    return _("%(entries)s entries and %(awards)s awards recomputed, %(sealed)s sealed") % counts
