"""Whether a mall can collect its stores, and in plain words what is missing for it. Calls nobody."""

from django.utils.translation import gettext_lazy as _

from alipayhk.models import CollectionSetup
from pms.models import Mall

MISSING = {
    "NO_SETUP": _("Nobody has set up how this mall collects stores; see its credential."),
    "OFF": _("Collecting stores is off for this mall; see its credential."),
    "WAY_BY_PMS": _("AlipayHK's word for collecting by PMS (saveWayType) is not set up; see the credential."),
    "WAY_BY_NUMBER": _(
        "AlipayHK's word for collecting by trade number (saveWayType) is not set up; see the credential."
    ),
    "NO_ACTIVE_KEY": _("The mall's credential has no active key."),
    "KEY_UNREADABLE": _("A key of the mall's credential cannot be read."),
    "GATEWAY_NOT_ALLOWED": _("The mall's gateway is not among the allowed ones."),
}


class CannotCollect(Exception):
    """This mall cannot collect its stores. `code` says what is missing; `MISSING` has the sentences."""

    def __init__(self, code: str) -> None:
        super().__init__(str(MISSING.get(code, code)))
        self.code = code


def of(mall: Mall) -> CollectionSetup:
    """How the mall collects: its newest client that is set up and on, else the newest that is set up."""
    setups = CollectionSetup.objects.select_related("credential").filter(credential__mall=mall)
    found = setups.order_by("-is_on", "-credential_id").first()
    if found is None:
        raise CannotCollect("NO_SETUP")
    return found


def check(setup: CollectionSetup, *, by_pms: bool = False, by_number: bool = False) -> None:
    """Raise CannotCollect unless everything is there for reading the list, and for the ways asked for."""
    if not setup.is_on:
        raise CannotCollect("OFF")
    if by_pms and not setup.way_by_pms:
        raise CannotCollect("WAY_BY_PMS")
    if by_number and not setup.way_by_number:
        raise CannotCollect("WAY_BY_NUMBER")
