"""The columns of a receipt file."""

from pms.table_files import Form

REQUIRED = ("number", "store", "amount", "paid_at", "member")
OPTIONAL = ("number_kind", "tender")
NAMED = (*REQUIRED, *OPTIONAL)
RECEIPTS = Form(required=REQUIRED, optional=OPTIONAL)
