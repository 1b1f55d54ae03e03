"""People and their wallet passes coming together: join, agree, withdraw. Knows no points."""

import secrets
import uuid
from dataclasses import dataclass
from datetime import datetime

from django.db import IntegrityError
from django.db.transaction import atomic

from members.models import Consent, ContactChange, Member, Pass, Program
from pms.models import Mall


@dataclass(frozen=True, kw_only=True, slots=True)
class Applicant:
    """Somebody a wallet says wants to be a member. `phone` is E.164, or empty when `phone_raw` was unreadable."""

    wallet: str
    user_id: str
    phone: str
    phone_raw: str
    email: str
    name: str = ""


@atomic
def join(*, mall: Mall, applicant: Applicant, evidence: str, asked_at: datetime, now: datetime) -> Pass:
    """The applicant's pass, with consent in force: the one there is, one linked to a known member, or a new member's.

    What was asked before a withdrawal is an old message come again, and opens no consent.
    The lock on the program's row makes joiners of one program queue, so that nobody is made twice; it is one
    that lets postings of the program pass.
    """
    program = Program.objects.select_for_update(no_key=True).get(group_id=mall.group_id)
    wallet_pass = Pass.objects.filter(
        program=program, wallet=applicant.wallet, user_id=applicant.user_id
    ).first()
    if wallet_pass:
        _verify_phone(wallet_pass.member, applicant, now=now)
        _keep_change(wallet_pass.member, applicant, now=now)
    else:
        wallet_pass = _issue(mall, program, applicant, now=now)
    _open_consent(wallet_pass, evidence=evidence, asked_at=asked_at, now=now)
    return wallet_pass


@atomic
def enter(*, mall: Mall, wallet: str, user_id: str, now: datetime) -> tuple[Pass, bool]:
    """The pass of a user whom the wallet vouches for, and whether it was made now; opens no consent.

    Nothing but the user is known, so nobody is linked to a membership there is: `registering` does that on proof.
    """
    of_user = Pass.objects.select_related("member", "program").filter(
        program__group_id=mall.group_id, wallet=wallet, user_id=user_id
    )
    if known := of_user.first():
        return known, False
    program = Program.objects.select_for_update(no_key=True).get(group_id=mall.group_id)
    if known := of_user.first():
        return known, False
    unnamed = Applicant(wallet=wallet, user_id=user_id, phone="", phone_raw="", email="")
    return _issue(mall, program, unnamed, now=now), True


def is_joined(*, group_id: int, wallet: str, user_id: str) -> bool:
    """Whether this wallet's user has a pass here with consent in force."""
    return Consent.objects.filter(
        wallet_pass__program__group_id=group_id,
        wallet_pass__wallet=wallet,
        wallet_pass__user_id=user_id,
        ended_at=None,
    ).exists()


def _issue(mall: Mall, program: Program, applicant: Applicant, *, now: datetime) -> Pass:
    return Pass.objects.create(
        program=program,
        member=_find_or_make_member(program, applicant, now=now),
        mall=mall,
        wallet=applicant.wallet,
        user_id=applicant.user_id,
        serial=uuid.uuid4().hex,
        joined_at=now,
    )


def _find_or_make_member(program: Program, applicant: Applicant, *, now: datetime) -> Member:
    by_phone = _holder_by_right(program, applicant.phone, now=now)
    if by_phone and by_phone.state != Member.State.CLOSED and not by_phone.passes.exists():
        return by_phone
    # Wallets verify telephone numbers, not e-mail addresses: an address alone gives nobody another's points.
    by_email = _holder(program, email=applicant.email)
    member = Member.objects.create(
        program=program,
        card_number=new_card_number(),
        name=applicant.name,
        phone="" if by_phone else applicant.phone,
        phone_raw=applicant.phone_raw,
        email="" if by_email else applicant.email,
        joined_at=now,
    )
    holder = by_phone or by_email
    if holder:
        _ask_staff(member, applicant, held_by=holder, now=now)
    return member


def _holder_by_right(program: Program, phone: str, *, now: datetime) -> Member | None:
    """Whose the phone is by a wallet's word; who has only typed it loses it, and staff hear of it."""
    holder = _holder(program, phone=phone)
    if holder is None or not holder.has_typed_phone:
        return holder
    holder.phone = holder.phone_raw = ""
    holder.has_typed_phone = False
    holder.save(update_fields=["phone", "phone_raw", "has_typed_phone"])
    ContactChange.objects.get_or_create(
        member=holder, phone=phone, email="", state=ContactChange.State.OPEN, defaults={"noticed_at": now}
    )
    return None


def _holder(program: Program, **contact: str) -> Member | None:
    return Member.objects.filter(program=program, **contact).first() if all(contact.values()) else None


def new_card_number() -> str:
    return str(10**15 + secrets.randbelow(9 * 10**15))


def _verify_phone(member: Member, applicant: Applicant, *, now: datetime) -> None:
    """A phone that was only typed gives way to the one that the wallet says."""
    is_only_typed = member.has_typed_phone or (bool(member.typed_phone) and not member.phone)
    if not applicant.phone or not is_only_typed:
        return
    if member.phone != applicant.phone and _holder_by_right(member.program, applicant.phone, now=now):
        return
    member.phone, member.phone_raw, member.has_typed_phone = applicant.phone, applicant.phone_raw, False
    member.save(update_fields=["phone", "phone_raw", "has_typed_phone"])


def _keep_change(member: Member, applicant: Applicant, *, now: datetime) -> None:
    is_new_phone = bool(applicant.phone_raw) and applicant.phone_raw != member.phone_raw
    is_new_email = bool(applicant.email) and applicant.email != member.email
    if (is_new_phone and applicant.phone != member.phone) or is_new_email:
        _ask_staff(member, applicant, held_by=None, now=now)


def _ask_staff(member: Member, applicant: Applicant, *, held_by: Member | None, now: datetime) -> None:
    ContactChange.objects.get_or_create(
        member=member,
        phone=applicant.phone or applicant.phone_raw,
        email=applicant.email,
        state=ContactChange.State.OPEN,
        defaults={"held_by": held_by, "noticed_at": now},
    )


def _open_consent(wallet_pass: Pass, *, evidence: str, asked_at: datetime, now: datetime) -> None:
    if wallet_pass.consents.filter(ended_at__gte=asked_at).exists():
        return
    Consent.objects.get_or_create(
        wallet_pass=wallet_pass,
        ended_at=None,
        defaults={"member_id": wallet_pass.member_id, "began_at": now, "evidence": evidence},
    )


@atomic
def give_consent(*, wallet_pass: Pass, text_version: str, evidence: str, now: datetime) -> Consent:
    """The member agrees to this text; agreeing to a newer one begins another interval at the end of the last."""
    wallet_pass = _locked(wallet_pass)
    known = Consent.objects.filter(wallet_pass=wallet_pass, ended_at=None).first()
    if known and text_version in ("", known.text_version):
        return known
    if known:
        _end(known, reason="", now=now)
    return Consent.objects.create(
        wallet_pass=wallet_pass,
        member_id=wallet_pass.member_id,
        began_at=max(now, known.began_at) if known else now,
        text_version=text_version,
        evidence=evidence,
    )


@atomic
def heed_authorization(*, wallet_pass: Pass, text_version: str, evidence: str, now: datetime) -> bool:
    """The wallet says that the user let it share payments; returns whether consent is in force.

    A consent that somebody withdrew stays withdrawn until the member gives it anew: wallets remember what was
    authorized once, and say so at every sign-in.
    """
    wallet_pass = _locked(wallet_pass)
    last = Consent.objects.filter(wallet_pass=wallet_pass).order_by("-began_at", "-pk").first()
    if last and last.ended_at is None:
        return True
    if last and last.ended_reason != Consent.EndedReason.AUTHORIZATION_ENDED:
        return False
    give_consent(wallet_pass=wallet_pass, text_version=text_version, evidence=evidence, now=now)
    return True


@atomic
def withdraw(*, wallet_pass: Pass, now: datetime, reason: str = Consent.EndedReason.MEMBER) -> Consent | None:
    """End the consent in force; payments made later earn nothing. None when none was in force."""
    wallet_pass = _locked(wallet_pass)
    consent = Consent.objects.select_for_update().filter(wallet_pass=wallet_pass, ended_at=None).first()
    if consent:
        _end(consent, reason=reason, now=now)
    return consent


def _locked(wallet_pass: Pass) -> Pass:
    """The pass as it is now: meanwhile it may have become another member's. Whoever changes consent queues here."""
    return Pass.objects.select_for_update(no_key=True).get(pk=wallet_pass.pk)


def _end(consent: Consent, *, reason: str, now: datetime) -> None:
    consent.ended_at, consent.ended_reason = max(now, consent.began_at), reason
    consent.save(update_fields=["ended_at", "ended_reason"])


@atomic
def take_over(*, change: ContactChange) -> Member:
    """Staff agree: the member gets the phone and e-mail that were kept. Refused while another member holds them."""
    member = change.member
    is_readable = change.phone.startswith("+")
    member.phone, member.email = change.phone if is_readable else member.phone, change.email or member.email
    try:
        with atomic():
            member.save(update_fields=["phone", "email"])
    except IntegrityError as error:
        raise ContactTaken from error
    change.state = ContactChange.State.TAKEN_OVER
    change.save(update_fields=["state"])
    return member


class ContactTaken(Exception):
    """Another member of this program already has this phone or e-mail; merge the two or change that one first."""
