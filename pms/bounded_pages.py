"""Pages of a list that may hold millions of rows: it is counted up to a bound, never in full."""

from functools import cached_property
from typing import TYPE_CHECKING, Any

from django.core.paginator import Paginator

if TYPE_CHECKING:
    BasePaginator = Paginator[Any]
else:
    BasePaginator = Paginator

BOUND = 1000


class BoundedPaginator(BasePaginator):
    """Counts at most `BOUND` rows; a list that reaches it is shown as “1,000+” and searched rather than paged."""

    @cached_property
    def count(self) -> int:
        rows: Any = self.object_list[:BOUND]
        return int(rows.count())
