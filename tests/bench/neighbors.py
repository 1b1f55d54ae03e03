"""How much of the machine other programs took meanwhile: under a crowd, the side with fewer processes gets less of it.

Linux only; elsewhere it is not known.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from tests import live

STAT = Path("/proc/stat")


@dataclass(frozen=True, slots=True)
class Ticks:
    """Processor time since boot, in ticks: of the machine, what of it was work, and what of that was ours."""

    total: int
    busy: int
    ours: int

    def others_since(self, before: "Ticks") -> float:
        """The share of the machine that went to others, from 0 to 1."""
        passed = max(1, self.total - before.total)
        return min(1.0, max(0, self.busy - before.busy - (self.ours - before.ours)) / passed)


def ticks() -> Ticks | None:
    if not STAT.exists():
        return None
    # user, nice, system, idle, iowait, irq, softirq, steal; guests are part of user already.
    spent = [int(word) for word in STAT.read_text().split("\n", 1)[0].split()[1:9]]
    return Ticks(total=sum(spent), busy=sum(spent) - spent[3] - spent[4], ours=_of_the_runner())


def _of_the_runner() -> int:
    """The runner and all below it, servers and us included, with what their ended children spent."""
    runner = os.getppid()
    return sum(_spent(pid) for pid in {runner, *live.descendants(runner)})


def _spent(pid: int) -> int:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0  # ended meanwhile: its parent has its time now
    return sum(int(field) for field in fields[11:15])
