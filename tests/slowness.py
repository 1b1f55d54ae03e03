"""How slow this machine is just now: limits in seconds are for one that adds up a hundred thousand numbers in 4 ms."""

import time

EVEN_SECONDS = 0.004


def measured() -> float:
    """How many times the seconds of such a machine; at least 1, so that a quick one is held to the same limits."""
    began = time.thread_time()
    _add_up()
    return max(1.0, (time.thread_time() - began) / EVEN_SECONDS)


def _add_up() -> None:
    found = 0
    for number in range(100_000):
        found += number
