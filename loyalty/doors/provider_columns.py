"""What a payment provider's files call their columns, and what each cell of a line means.

The headings are those of the transaction and settlement files that providers publish; a program may add its own.
Letters, digits and their order count, not case, blanks or underscores.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from loyalty.doors import slips
from loyalty.doors.slips import FieldRefused
from loyalty.earning import duplicates
from loyalty.review.models import ProviderColumn, ProviderRow
from members.models import Program
from pms.clock import HONG_KONG
from pms.table_files import Form, Line

Kind = ProviderRow.Kind
# By column of ours; the first heading that a file has counts.
HEADINGS: dict[str, tuple[str, ...]] = {
    "number": ("transactionid", "acquirementid", "paymentid", "paymentnumber", "billno", "number"),
    "partner": ("partnertransactionid", "merchanttransid", "transactionrequestid", "partnertransid", "outbillno"),
    "original": ("originaltransactionid", "originalacquirementid", "originalpaymentid", "relatebillno"),
    "original_partner": (
        "originalpartnertransactionid", "originaltransactionrequestid", "originalmerchanttransid",
    ),
    "kind": ("transactiontype", "transtype", "type"),
    "amount": ("transactionamount", "amount", "transamount", "orderamount"),
    "amount_cents": ("transactionamountvalue", "amountcents"),
    "currency": ("transactioncurrency", "currency", "transcurrency", "ordercurrency"),
    "time": ("paymenttime", "transactiontime", "paytime", "paidat", "time"),
    "status": ("transstatus", "transactionstatus", "status"),
    "user": ("userid", "buyeruserid", "payerid", "buyerid"),
    "store": ("referencestoreid", "storeid", "storelabel", "pmslabel", "store"),
    "merchant": ("secondarymerchantid", "referencemerchantid", "merchantid"),
}  # fmt: skip
# How the published file calls what it must have.
SHOWN = ("Transaction_id", "Type", "Amount", "Currency", "Payment_time")
REQUIRED = ("number", "amount", "time")
OPTIONAL = tuple(name for name in HEADINGS if name not in (*REQUIRED, "amount_cents"))
KINDS: dict[str, Kind] = {
    **dict.fromkeys(("", "PAYMENT", "PAY", "P", "SALE"), Kind.PAYMENT),
    **dict.fromkeys(("REFUND", "R"), Kind.REFUND),
    **dict.fromkeys(("CANCEL", "REVERSAL", "REVERSE", "VOID", "C"), Kind.CANCEL),
}
# What did not succeed never was a payment; a code that nobody published is taken for success.
FAILED = {"F", "FAIL", "FAILED", "FAILURE", "CLOSED", "PENDING", "PROCESSING", "TIMEOUT"}
AMERICAN = re.compile(r"(\d\d)/(\d\d)/(\d{4}) (\d\d:\d\d:\d\d)")
DOTTED = re.compile(r"(\d{4})\.(\d\d)\.(\d\d) (\d\d:\d\d:\d\d)")
# Files of yesterday's payments come from machines whose clocks are not ours.
AHEAD = timedelta(days=1)
LONGEST_LABEL = 128

FAULTS: dict[str, Promise] = {
    **slips.FAULTS,
    "KIND_UNKNOWN": _("The type is one of PAYMENT, REFUND, CANCEL."),
    "TIME_UNREADABLE": _(
        "A time is written like 2026-11-21 14:32:10 or 11/21/2026 14:32:10, and must exist."
    ),
    "DOUBLED": _("The same payment stands on an earlier line of this file."),
    "DOUBLED_OTHERWISE": _("The same payment stands on another line with another amount."),
}


@dataclass(slots=True)
class Columns:
    """How files of one program's providers are read; `is_in_cents` is known once the heading was read."""

    own: Mapping[str, str]
    is_in_cents: bool = False
    form: Form = field(init=False)

    def __post_init__(self) -> None:
        self.form = Form(
            required=REQUIRED, optional=OPTIONAL, name=self._name, is_outside=_is_outside, delimiters=",|"
        )

    def _name(self, headings: list[str]) -> list[str]:
        """Our name for each column, empty for what is not read."""
        bare = [_bare(heading) for heading in headings]
        taken = {column: heading for heading, column in self.own.items() if heading in bare}
        for column, known in HEADINGS.items():
            first = next((one for one in known if one in bare and one not in self.own), None)
            if first:
                taken.setdefault(column, first)
        in_cents = taken.pop("amount_cents", None)
        self.is_in_cents = in_cents is not None and "amount" not in taken
        if self.is_in_cents and in_cents:
            taken["amount"] = in_cents
        by_heading = {heading: column for column, heading in taken.items()}
        return [by_heading.get(heading, "") for heading in bare]


def columns_of(program: Program) -> Columns:
    own = ProviderColumn.objects.filter(program=program).values_list("heading", "field")
    return Columns({_bare(heading): column for heading, column in own})


def read(line: Line, columns: Columns, *, now: datetime) -> ProviderRow:
    """One line, unsaved; what cannot be read is FAULTY and says why."""
    faults = [{"field": "line", "code": line.fault}] if line.fault else _lost(line)
    row = ProviderRow(line=line.number, kind=Kind.FAULTY)
    if not faults:
        _fill(row, line.cells, columns, faults, now=now)
    if faults:
        return ProviderRow(line=line.number, kind=Kind.FAULTY, faults=faults)
    return row


def _fill(
    row: ProviderRow, cells: dict[str, str], columns: Columns, faults: list[dict[str, str]], *, now: datetime
) -> None:
    def tell(column: str, reader: Callable[[str], Any]) -> Any:
        try:
            return reader(cells.get(column, ""))
        except FieldRefused as refused:
            faults.append({"field": column, "code": refused.code})
            return None

    row.kind = tell("kind", _kind)
    row.number = tell("number", _needed_number)
    original = tell("original", _number)
    partner, original_partner = (_name(cells.get(name, "")) for name in ("partner", "original_partner"))
    amount = _cents if columns.is_in_cents else slips.read_dollars
    is_back = row.kind in (Kind.REFUND, Kind.CANCEL)
    row.amount_cents = tell(
        "amount", lambda text: amount(text.strip().removeprefix("-") if is_back else text)
    )
    row.happened_at = tell("time", lambda text: _moment(text, now=now))
    row.currency = tell("currency", _currency)
    row.user_id, row.store_label, row.merchant_id = (
        cells.get(name, "").strip()[:LONGEST_LABEL] for name in ("user", "store", "merchant")
    )
    if row.kind == Kind.PAYMENT:
        row.payment, row.partner = row.number, partner
    else:
        # A cancellation goes under the number that the shop's system gave the payment; a refund has one of its own.
        shops = original_partner or (partner if row.kind == Kind.CANCEL else "")
        row.payment, row.partner = original or "", shops
    if cells.get("status", "").strip().upper() in FAILED:
        row.kind = Kind.IGNORED


def _lost(line: Line) -> list[dict[str, str]]:
    """A number cell has lost its leading zeros, and digits beyond the fifteenth."""
    names = ("number", "original", "user")
    return [{"field": name, "code": "NUMBER_LOST_DIGITS"} for name in names if name in line.typed]


def _kind(text: str) -> Kind:
    kind = KINDS.get(text.strip().upper())
    if kind is None:
        raise FieldRefused("kind", "KIND_UNKNOWN")
    return kind


def _number(text: str) -> str:
    return duplicates.canonical(slips.read_number(text)) if text else ""


def _needed_number(text: str) -> str:
    number = _number(text)
    if not number:
        raise FieldRefused("number", "MISSING")
    return number


def _name(text: str) -> str:
    """What a shop's system calls a payment follows no rule of ours."""
    return duplicates.canonical(text)[:LONGEST_LABEL]


def _cents(text: str) -> int:
    written = text.strip()
    if not written.isascii() or not written.isdigit():
        raise FieldRefused("amount", "AMOUNT_NOT_CENTS")
    return slips.checked_cents(int(written), field="amount")


def _currency(text: str) -> str:
    currency = text.strip().upper() or "HKD"
    if len(currency) != 3 or not currency.isascii() or not currency.isalpha():
        raise FieldRefused("currency", "CURRENCY_UNREADABLE")
    return currency


def _moment(text: str, *, now: datetime) -> datetime:
    """Without a zone it is Hong Kong's; with strokes it is the month first, as providers publish it."""
    written = AMERICAN.sub(r"\3-\1-\2 \4", DOTTED.sub(r"\1-\2-\3 \4", text.strip()))
    try:
        moment = datetime.fromisoformat(written) if slips.MOMENT.fullmatch(written) else None
    except ValueError:
        moment = None
    if moment is None:
        raise FieldRefused("time", "TIME_UNREADABLE")
    moment = moment if moment.tzinfo else moment.replace(tzinfo=HONG_KONG)
    if moment > now + AHEAD:
        raise FieldRefused("time", "PAID_IN_FUTURE")
    return moment


def _bare(heading: str) -> str:
    return "".join(letter for letter in heading.lower() if letter.isalnum())


def _is_outside(cells: list[Any]) -> bool:
    """The line of totals above the heading, and the mark at the end."""
    first = str(cells[0]).strip() if cells and cells[0] is not None else ""
    return first.lower().startswith("partner:") or first.upper().startswith("<END>")
