"""Partner keys among the patterns of duplicates: which partner's tills bring the same purchase again."""

from django.db.models import Q

from loyalty.doors.models import PartnerKey, PartnerRequest
from loyalty.review import patterns
from loyalty.review.patterns import Subject

# One request of a purchase, since a till may have asked again under another idempotency key.
BROUGHT = """
JOIN LATERAL (
    SELECT partner_key_id FROM doors_partnerrequest
    WHERE entry.channel = 'PARTNER' AND transaction_id = entry.id ORDER BY id LIMIT 1
) brought ON true
"""


def _cases_of(key_id: int) -> Q:
    requests = PartnerRequest.objects.filter(partner_key=key_id)
    return Q(transaction__in=requests.values("transaction"))


patterns.adds(
    Subject(
        name="partner",
        column="brought.partner_key_id",
        join=BROUGHT,
        fetch=PartnerKey.objects.in_bulk,
        of=_cases_of,
    )
)
