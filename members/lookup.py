"""Finds members by what somebody reads out: phone, e-mail, card number, user ID, pass ID, or a bill number.

Exact, one index each, so that it is fast on millions of members; never by parts of a name or a number.
"""

from collections.abc import Collection
from functools import lru_cache

import phonenumbers

from members.models import Member, Pass

MOST = 50


def find(text: str, *, group_ids: Collection[int], mall_ids: Collection[int]) -> set[int]:
    """Ids of members of these groups; bill numbers are looked up among these malls' transactions only."""
    wanted = text.strip()
    if not wanted:
        return set()
    members = Member.objects.filter(program__group__in=group_ids)
    passes = Pass.objects.filter(program__group__in=group_ids)
    found = [
        members.filter(phone=phone_of(wanted) or "-"),
        members.filter(email__in={wanted, wanted.lower()}),
        members.filter(card_number=wanted.upper()),
        # Purchases are a layer above; only the name of their relation is known here.
        members.filter(transactions__mall__in=mall_ids, transactions__group__in=group_ids,
                       transactions__payment_number__in={wanted, wanted.upper()}),
    ]  # fmt: skip
    holders = [passes.filter(user_id=wanted), passes.filter(external_id=wanted), passes.filter(serial=wanted)]
    ids = {pk for rows in found for pk in rows.values_list("pk", flat=True)[:MOST]}
    return ids | {pk for rows in holders for pk in rows.values_list("member_id", flat=True)[:MOST]}


@lru_cache(maxsize=16384)
def phone_of(text: str) -> str:
    """E.164 of what may be a Hong Kong or an international number; empty if it is none."""
    try:
        number = phonenumbers.parse(text, "HK")
    except phonenumbers.NumberParseException:
        return ""
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def holder(text: str, *, group_id: int) -> Member | None:
    """The one member of the group with this card number or wallet user ID; None if there is none, or two."""
    wanted = text.strip()
    members = Member.objects.filter(program__group=group_id)
    ids = set(members.filter(card_number=wanted.upper()).values_list("pk", flat=True)[:2])
    ids |= set(members.filter(passes__user_id=wanted).values_list("pk", flat=True)[:3])
    return members.select_related("program").get(pk=ids.pop()) if len(ids) == 1 else None
