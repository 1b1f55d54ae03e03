"""What a payment must earn by a program's base rule: the simulator's own arithmetic, in integers.

It is written apart from the product's rules on purpose: a judge must not share the code it judges.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any


@dataclass(frozen=True)
class BaseRule:
    """Rate per HK$, rounding, minimum and ceiling, as the mall registered them."""

    points_per_hkd: Decimal = Decimal(1)
    rounding: str = "FLOOR"
    min_spend_cents: int = 0
    min_spend_on_net: bool = False
    max_spend_cents: int | None = None
    joining_grace_days: int = 1

    def earned(self, cents: int) -> int:
        """Points for one payment that nobody refunded."""
        return self.after_refunds(cents, refunded=0)

    def after_refunds(self, cents: int, *, refunded: int) -> int:
        """Points that a payment is still entitled to once `refunded` cents went back."""
        net = cents - refunded
        if (net if self.min_spend_on_net else cents) < self.min_spend_cents:
            return 0
        counted = net if self.max_spend_cents is None else min(net, self.max_spend_cents)
        return self._rounded(counted)

    def _rounded(self, cents: int) -> int:
        top, bottom = self.points_per_hkd.as_integer_ratio()
        top, bottom = top * cents, bottom * 100
        return (2 * top + bottom) // (2 * bottom) if self.rounding == "HALF_UP" else top // bottom


def read_rule(program: dict[str, Any]) -> BaseRule:
    """The base rule in the words of a `register_mall` document; what it leaves out takes our default."""
    known: dict[str, Any] = {
        name: value for name, value in program.items() if name in BaseRule.__dataclass_fields__
    }
    if "points_per_hkd" in known:
        known["points_per_hkd"] = Decimal(str(known["points_per_hkd"]))
    return BaseRule(**known)
