"""The bench's arithmetic: rounds of two rivals, their ratios, floors, and what has to be met."""

import math
import statistics
from dataclasses import dataclass

Json = dict[str, object]
# From here on the ratios say as much about the neighbors as about us.
CROWDED = 0.15


@dataclass(frozen=True, slots=True)
class Round:
    """Notices per second of ours and of what it is measured against, one right after the other."""

    ours: float
    base: float

    @property
    def ratio(self) -> float:
        return self.ours / self.base


@dataclass(frozen=True, slots=True)
class Series:
    """Rounds of one size. Its ratio is the median of the rounds' own, so that a slow minute harms both sides alike.

    `others` is the share of the machine that other programs took meanwhile, where it is known.
    """

    floor: float
    rounds: tuple[Round, ...]
    others: float | None = None

    @property
    def ratio(self) -> float:
        return statistics.median(turn.ratio for turn in self.rounds)

    @property
    def is_met(self) -> bool:
        return self.ratio >= self.floor

    def as_json(self) -> Json:
        ratios = [turn.ratio for turn in self.rounds]
        return {
            "ratio": round(self.ratio, 4),
            "floor": self.floor,
            "met": self.is_met,
            "spread": [round(min(ratios), 4), round(max(ratios), 4)],
            "ours": round(statistics.median(turn.ours for turn in self.rounds), 1),
            "base": round(statistics.median(turn.base for turn in self.rounds), 1),
            "others": self.others,
            "rounds": [{"ours": round(turn.ours, 1), "base": round(turn.base, 1)} for turn in self.rounds],
        }


@dataclass(frozen=True, slots=True)
class Waits:
    """Seconds that answers or cards took."""

    seconds: tuple[float, ...]

    def percentile(self, share: float) -> float:
        """The smallest wait that at least this share of all did not exceed."""
        ordered = sorted(self.seconds)
        return ordered[max(0, math.ceil(share * len(ordered)) - 1)]

    @property
    def longest(self) -> float:
        return max(self.seconds)


@dataclass(frozen=True, slots=True)
class Limit:
    """A figure that must stay below its limit."""

    name: str
    value: float
    below: float

    @property
    def is_met(self) -> bool:
        return self.value < self.below


@dataclass(frozen=True, slots=True)
class Pace:
    """Steady traffic: how long answers took, and how long cards took to show what was committed."""

    per_second: float
    answers: Waits
    cards: Waits

    def limits(self) -> list[Limit]:
        return [
            Limit("answer_p99_ms", self.answers.percentile(0.99) * 1000, 500),
            Limit("answer_max_ms", self.answers.longest * 1000, 2000),
            Limit("card_p50_ms", self.cards.percentile(0.5) * 1000, 1000),
        ]

    @property
    def is_met(self) -> bool:
        return all(limit.is_met for limit in self.limits())

    def as_json(self) -> Json:
        return {
            "per_second": self.per_second,
            "notices": len(self.answers.seconds),
            "answer_p50_ms": round(self.answers.percentile(0.5) * 1000, 1),
            "card_p99_ms": round(self.cards.percentile(0.99) * 1000, 1),
            "card_max_ms": round(self.cards.longest * 1000, 1),
            **{limit.name: round(limit.value, 1) for limit in self.limits()},
            "below": {limit.name: limit.below for limit in self.limits()},
            "met": self.is_met,
        }


@dataclass(frozen=True, slots=True)
class Probe:
    """How long payments wait for the look at earlier records that may be the same purchase."""

    waits: Waits

    def limits(self) -> list[Limit]:
        return [
            Limit("probe_p50_ms", self.waits.percentile(0.5) * 1000, 1),
            Limit("probe_p99_ms", self.waits.percentile(0.99) * 1000, 10),
        ]

    @property
    def is_met(self) -> bool:
        return all(limit.is_met for limit in self.limits())

    def as_json(self) -> Json:
        found: Json = {limit.name: round(limit.value, 3) for limit in self.limits()}
        return {**found, "below": {limit.name: limit.below for limit in self.limits()}, "met": self.is_met}


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that was measured; `ok` only if no floor and no limit was missed."""

    ratios: dict[str, dict[str, Series]]
    pace: Pace | None
    versions: dict[str, str]
    probe: Probe | None = None

    @property
    def ok(self) -> bool:
        met = [series.is_met for sizes in self.ratios.values() for series in sizes.values()]
        return all(met) and all(one.is_met for one in (self.pace, self.probe) if one)

    def as_json(self) -> Json:
        found: Json = {
            name: {size: series.as_json() for size, series in sizes.items()}
            for name, sizes in self.ratios.items()
        }
        if self.pace:
            found["P7"] = self.pace.as_json()
        if self.probe:
            found["probe"] = self.probe.as_json()
        return {**found, "versions": self.versions, "ok": self.ok}

    def table(self) -> str:
        lines = [f"{'':<6}{'callers':>8}{'ours/s':>9}{'base/s':>9}{'ratio':>9}{'spread':>18}{'floor':>8}"]
        lines += [
            _row(name, size, series) for name, sizes in self.ratios.items() for size, series in sizes.items()
        ]
        if self.pace:
            lines += ["", *_pace_rows(self.pace)]
        if self.probe:
            lines += ["", "duplicates: the look for an earlier record", *_probe_rows(self.probe)]
        if any((series.others or 0) > CROWDED for sizes in self.ratios.values() for series in sizes.values()):
            lines += [
                "",
                "Other programs took much of this machine meanwhile: measure again when it is quiet.",
            ]
        return "\n".join(lines)


def exit_code(report: Report) -> int:
    return 0 if report.ok else 1


def next_stock(rate: float, seconds: float, *, least: int) -> int:
    """How many requests to sign ahead for a round, after one that ran at `rate`: half as many again."""
    return max(least, math.ceil(rate * seconds * 1.5))


def _row(name: str, size: str, series: Series) -> str:
    ratios = [turn.ratio for turn in series.rounds]
    ours = statistics.median(turn.ours for turn in series.rounds)
    base = statistics.median(turn.base for turn in series.rounds)
    spread = f"{min(ratios):.3f} – {max(ratios):.3f}"
    verdict = "" if series.is_met else "   MISSED"
    return f"{name:<6}{size:>8}{ours:>9.0f}{base:>9.0f}{series.ratio:>9.3f}{spread:>18}{series.floor:>8}{verdict}"


def _pace_rows(pace: Pace) -> list[str]:
    found = pace.as_json()
    head = f"P7    {pace.per_second:g} notices a second, {len(pace.answers.seconds)} in all"
    rows = [("answer p50", "answer_p50_ms"), ("answer p99", "answer_p99_ms"), ("answer max", "answer_max_ms")]
    rows += [("card p50", "card_p50_ms"), ("card p99", "card_p99_ms"), ("card max", "card_max_ms")]
    below = {limit.name: limit for limit in pace.limits()}
    return [head, *(_pace_row(name, found[key], below.get(key)) for name, key in rows)]


def _probe_rows(probe: Probe) -> list[str]:
    names = {"probe_p50_ms": "probe p50", "probe_p99_ms": "probe p99"}
    return [_pace_row(names[limit.name], round(limit.value, 2), limit) for limit in probe.limits()]


def _pace_row(name: str, value: object, limit: Limit | None) -> str:
    text = f"      {name:<12}{value:>9} ms"
    if limit is None:
        return text
    return f"{text}   below {limit.below:g}{'' if limit.is_met else '   MISSED'}"
