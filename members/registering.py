"""The registration form of a mini-app: what a member says of themselves, checked and kept.

A form proves nothing: a phone, an e-mail or a membership of somebody else is never taken over by it, but by whoever
knows both the card number and the phone of a membership that has no wallet card yet.
"""

import logging
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import phonenumbers
from django.db.models import Q
from django.db.transaction import atomic

from members import claims
from members.models import Consent, ContactChange, Member, Pass, Program, RegistrationField

LONGEST_NAME, LONGEST_EMAIL, LONGEST_ANSWER = 128, 254, 200
_PHONE = re.compile(r"[0-9]{8}|\+[1-9][0-9]{6,14}")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_CARD = re.compile(r"[0-9]{16}")
# What may be wrong with a field.
REQUIRED, UNREADABLE, TOO_LONG = "REQUIRED", "UNREADABLE", "TOO_LONG"
NOT_OFFERED, UNKNOWN_FIELD, ALREADY_SET = "NOT_OFFERED", "UNKNOWN_FIELD", "ALREADY_SET"
FAULTS = (REQUIRED, UNREADABLE, TOO_LONG, NOT_OFFERED, UNKNOWN_FIELD, ALREADY_SET)

# What a form may write of a member.
KEPT = ("name", "supplied", "birth_month", "registered_at", "phone", "phone_raw", "has_typed_phone", "email",
        "typed_phone", "typed_email")  # fmt: skip

alarm = logging.getLogger("loyalty.alarm")
Faults = list[tuple[str, str]]


class RegistrationRefused(Exception):
    """The form cannot be taken; `faults` names each field with what is wrong with it. Nothing was changed."""

    def __init__(self, faults: Sequence[tuple[str, str]]) -> None:
        super().__init__(", ".join(f"{name}: {code}" for name, code in faults))
        self.faults = list(faults)


@dataclass(frozen=True, kw_only=True, slots=True)
class RegistrationForm:
    """What was typed. `phone` is E.164 or eight digits of Hong Kong; `supplied` answers the program's own fields."""

    name: str
    phone: str
    email: str = ""
    birth_month: int | None = None
    card_number: str = ""
    supplied: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Read:
    """The form as it is kept."""

    name: str
    phone: str
    email: str
    birth_month: int | None
    card_number: str
    supplied: dict[str, object]


def hold(*, wallet_pass: Pass) -> Pass:
    """The pass as it is now, locked with its program to the end of the caller's block: it stays with its member."""
    Program.objects.select_for_update(no_key=True).get(pk=wallet_pass.program_id)
    return Pass.objects.select_for_update(no_key=True).get(pk=wallet_pass.pk)


@atomic
def register(*, wallet_pass: Pass, form: RegistrationForm, now: datetime) -> Member:
    """Keep what the member says; returns the member, who is another one if the form proved an earlier membership.

    The answer does not tell whether somebody else has the phone, the e-mail or the card number. Whoever lets a form
    with a card number in has no purchase of the pass's member under way: see `hold`.
    """
    held = hold(wallet_pass=wallet_pass)
    program, current = held.program, held.member
    read = _read(form, program, current)
    member = _claimed(held, read, now=now) or current
    if member != current:
        _move(wallet_pass, current, member)
    return _keep(member, read, now=now)


def _read(form: RegistrationForm, program: Program, member: Member) -> _Read:
    faults: Faults = []
    phone = phone_of(form.phone)
    name, email, card_number = _line(form.name), form.email.strip().lower(), form.card_number.replace(" ", "")
    _text("name", name, LONGEST_NAME, faults)
    if not phone:
        faults.append(("phone", UNREADABLE if form.phone.strip() else REQUIRED))
    if len(email) > LONGEST_EMAIL:
        faults.append(("email", TOO_LONG))
    elif email and not _EMAIL.fullmatch(email):
        faults.append(("email", UNREADABLE))
    _check_month(form.birth_month, member, faults)
    if card_number and not _CARD.fullmatch(card_number):
        faults.append(("card_number", UNREADABLE))
    supplied = _supplied(form.supplied, program, faults)
    if faults:
        raise RegistrationRefused(faults)
    return _Read(
        name=name,
        phone=phone,
        email=email,
        birth_month=form.birth_month,
        card_number=card_number,
        supplied=supplied,
    )


def phone_of(text: str) -> str:
    """E.164 of eight digits of Hong Kong or of a number in E.164; empty if it is none."""
    written = unicodedata.normalize("NFKC", text).replace(" ", "").replace("-", "")
    if not _PHONE.fullmatch(written):
        return ""
    try:
        number = phonenumbers.parse(written, "HK")
    except phonenumbers.NumberParseException:
        return ""
    if not phonenumbers.is_valid_number(number):
        return ""
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _line(text: str) -> str:
    """One line, without control characters."""
    return " ".join(
        "".join(" " if unicodedata.category(letter)[0] == "C" else letter for letter in text).split()
    )


def _text(name: str, text: str, longest: int, faults: Faults) -> None:
    if not text:
        faults.append((name, REQUIRED))
    elif len(text) > longest:
        faults.append((name, TOO_LONG))


def _check_month(month: int | None, member: Member, faults: Faults) -> None:
    """Said once: a month that could be changed would have its bonus every month."""
    if month is None:
        return
    if not _is_month(month):
        faults.append(("birth_month", UNREADABLE))
    elif member.birth_month not in (None, month):
        faults.append(("birth_month", ALREADY_SET))


def _is_month(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 12


def _supplied(given: Mapping[str, object], program: Program, faults: Faults) -> dict[str, object]:
    asked = {one.code: one for one in program.registration_fields.order_by("position", "pk")}
    faults.extend((f"supplied.{code}", UNKNOWN_FIELD) for code in given if code not in asked)
    kept: dict[str, object] = {}
    for code, one in asked.items():
        value = given.get(code)
        if value in (None, ""):
            if one.is_required:
                faults.append((f"supplied.{code}", REQUIRED))
            continue
        if fault := _fault(one, value):
            faults.append((f"supplied.{code}", fault))
        else:
            kept[code] = _line(value) if isinstance(value, str) else value
    return kept


def _fault(asked: RegistrationField, value: object) -> str:
    kind = RegistrationField.Kind(asked.kind)
    if kind is RegistrationField.Kind.YES_NO:
        return "" if isinstance(value, bool) else UNREADABLE
    if kind is RegistrationField.Kind.MONTH:
        return "" if _is_month(value) else UNREADABLE
    if not isinstance(value, str):
        return UNREADABLE
    if kind is RegistrationField.Kind.CHOICE:
        return "" if value in {one["code"] for one in asked.choices} else NOT_OFFERED
    return TOO_LONG if len(value) > LONGEST_ANSWER else ""


def _claimed(held: Pass, read: _Read, *, now: datetime) -> Member | None:
    """The membership that the form proves to be the asker's, while the asker's own one is blank.

    After too many claims not even a right one is heeded: its phone is another's, so `_keep` asks staff.
    """
    current, card_number = held.member, read.card_number
    if not card_number or card_number == current.card_number or not _is_blank(current):
        return None
    is_open = claims.is_open(wallet_pass=held, card_number=card_number, now=now)
    found = _proved(held.program, read) if is_open else None
    claims.keep(
        wallet_pass=held, by=current, card_number=card_number, moved_to=found, is_open=is_open, now=now
    )
    return found


def _proved(program: Program, read: _Read) -> Member | None:
    open_ones = Member.objects.select_for_update(of=("self",), no_key=True).filter(
        program=program, card_number=read.card_number, phone=read.phone, passes=None
    )
    return open_ones.filter(state=Member.State.ACTIVE).first()


def _is_blank(member: Member) -> bool:
    """Accounts and purchases are layers above; only the names of their relations are known here."""
    never_moved = Q(account=None) | Q(account__version=0)
    return Member.objects.filter(never_moved, pk=member.pk, transactions=None).exists()


def _move(wallet_pass: Pass, blank: Member, member: Member) -> None:
    Pass.objects.filter(pk=wallet_pass.pk).update(member=member)
    Consent.objects.filter(wallet_pass=wallet_pass).update(member=member)
    # What was typed before is the other membership's to take.
    Member.objects.filter(pk=blank.pk).update(state=Member.State.CLOSED, phone="", phone_raw="", email="")
    asked = ContactChange.objects.filter(member=blank, state=ContactChange.State.OPEN)
    asked.update(state=ContactChange.State.DISMISSED)
    wallet_pass.member = member


def _keep(member: Member, read: _Read, *, now: datetime) -> Member:
    member.name, member.supplied = read.name, read.supplied
    member.birth_month = member.birth_month or read.birth_month
    member.registered_at = member.registered_at or now
    member.typed_phone, member.typed_email = read.phone, read.email or member.typed_email
    phone, email = _news(member, "phone", read.phone), _news(member, "email", read.email)
    holder = _holder(member, phone=phone) or _holder(member, email=email)
    if phone and not member.phone and not _holder(member, phone=phone):
        member.phone = member.phone_raw = phone
        phone, member.has_typed_phone = "", True
    if email and not member.email and not _holder(member, email=email):
        member.email, email = email, ""
    member.save(update_fields=KEPT)
    if phone or email:
        _ask_staff(member, phone, email, held_by=holder, now=now)
    return member


def _news(member: Member, name: str, value: str) -> str:
    return "" if value == getattr(member, name) else value


def _holder(member: Member, **contact: str) -> Member | None:
    if not all(contact.values()):
        return None
    return Member.objects.filter(program=member.program_id, **contact).exclude(pk=member.pk).first()


def _ask_staff(member: Member, phone: str, email: str, *, held_by: Member | None, now: datetime) -> None:
    """What is known already, or somebody else's, is for people to judge; one form after the other is not."""
    today = ContactChange.objects.filter(member=member, noticed_at__gt=now - claims.DAY)
    if today.count() >= claims.LIMIT:
        alarm.warning("member %d types ever other phones or e-mails; staff are not asked again", member.pk)
        return
    ContactChange.objects.get_or_create(
        member=member,
        phone=phone,
        email=email,
        state=ContactChange.State.OPEN,
        defaults={"held_by": held_by, "noticed_at": now},
    )
