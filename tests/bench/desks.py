"""How long staff wait for their screens over a long past: reports, the queue of cases, the missing-points desk.

`python -m tests.bench.desks` measures the database that `tests.bench.long_past` has filled: each page's whole request
in this process, without a web server, by somebody who sees all malls. Exits non-zero when a limit is missed.
"""

import os
import statistics
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import urlencode

import django

django.setup()

from django.test import Client  # noqa: E402 - models and settings need Django first

from loyalty.earning.models import DuplicateCase, Transaction  # noqa: E402
from loyalty.review import report_runs  # noqa: E402
from loyalty.review.reports import Question  # noqa: E402
from pms import clock  # noqa: E402
from pms.models import Mall, MallStaff  # noqa: E402
from tests.bench import figures, neighbors, probe  # noqa: E402
from tests.bench.figures import Limit  # noqa: E402

TURNS = 7
REPORT, DESK, QUEUE = (
    "/admin/earning/duplicatecase/report/",
    "/admin/missing-points/",
    "/admin/earning/duplicatecase/",
)
Wait = tuple[str, str, float]


def main() -> int:
    client = Client(SERVER_NAME="localhost")
    client.force_login(MallStaff.objects.filter(mall=None).select_related("user")[0].user)
    before = neighbors.ticks()
    met = [_tell(_page(client, *wait)) for wait in _pages()]
    probes = probe.measure(os.environ["DATABASE_URL"])
    met.append(_tell(Limit("long report, whole history", _long_report(), 60_000)))
    met += [_tell(limit) for limit in figures.Probe(probes).limits()]
    after = neighbors.ticks()
    others = after.others_since(before) if before and after else 0.0
    print(f"Other programs took {others:.0%} of this machine meanwhile.")
    return 0 if all(met) else 1


def _pages() -> Iterator[Wait]:
    """Name, address, and milliseconds that it must stay below."""
    today = clock.now().astimezone(clock.HONG_KONG).date()
    for name, days, below in (("day", 1, 300), ("week", 7, 300), ("month", 30, 500)):
        asked = urlencode(
            {"since": f"{today - timedelta(days=days)}", "until": f"{today - timedelta(days=1)}"}
        )
        yield f"report of one {name}", f"{REPORT}?{asked}", below
    case = DuplicateCase.objects.filter(state="OPEN").order_by("opened_at")[0]
    yield "front page", "/admin/", 500
    yield "queue of cases", QUEUE, 300
    yield "queue, all cases", f"{QUEUE}?show=all", 300
    yield "queue, page 15", f"{QUEUE}?show=all&p=15", 300
    yield "queue by bill number", f"{QUEUE}?q={case.earlier.payment_number}", 300
    yield "one case", f"{QUEUE}{case.pk}/change/", 500
    yield "decisions", "/admin/review/decision/", 300
    yield "transactions", "/admin/earning/transaction/", 300
    for name, words in _asked():
        yield f"desk: {name}", f"{DESK}?{urlencode({'q': words})}", 300 if "yesterday" not in name else 1000


def _asked() -> Iterator[tuple[str, str]]:
    """What a clerk types about a purchase of yesterday afternoon."""
    end = clock.now().astimezone(clock.HONG_KONG).replace(hour=0, minute=0, second=0, microsecond=0)
    paid = Transaction.objects.filter(
        paid_at__range=(end - timedelta(hours=8), end), channel="WALLET", state="EARNED"
    )
    one = paid.select_related("member", "store").order_by("paid_at")[0]
    assert one.store is not None
    yield "phone", one.member.phone
    yield "bill number", one.payment_number
    yield "card number", one.member.card_number
    yield "yesterday", f"about HK${one.amount_cents // 100} yesterday at {one.store.name_en}"
    yield "yesterday, any store", f"about HK${one.amount_cents // 100} yesterday"
    yield "yesterday, phone", f"{one.member.phone} HK${one.amount_cents // 100} yesterday"


def _page(client: Client, name: str, address: str, below: float) -> Limit:
    seconds = [_timed(client, address) for _ in range(TURNS)]
    print(f"{min(seconds) * 1000:>9.2f} ms at best   ", end="")
    return Limit(name, statistics.median(seconds) * 1000, below)


def _long_report() -> float:
    """A worker's time for the whole past, in milliseconds."""
    staff, now = MallStaff.objects.filter(mall=None).select_related("group", "user")[0], clock.now()
    malls = set(Mall.objects.filter(group=staff.group).values_list("pk", flat=True))
    question = Question(mall_ids=malls, since=now - timedelta(days=5000), until=now)
    run = report_runs.ask(group=staff.group, question=question, by=staff.user, now=now)
    began = time.perf_counter()
    report_runs.work(run_id=run.pk, clock=clock.now)
    return (time.perf_counter() - began) * 1000


def _timed(client: Client, address: str) -> float:
    began = time.perf_counter()
    answer = client.get(address)
    seconds = time.perf_counter() - began
    assert answer.status_code == 200, (address, answer.status_code)
    return seconds


def _tell(limit: Limit) -> bool:
    verdict = "" if limit.is_met else "   MISSED"
    print(f"{limit.value:>9.2f} ms   {limit.name:<28} below {limit.below:g}{verdict}", flush=True)
    return limit.is_met


if __name__ == "__main__":
    sys.exit(main())
