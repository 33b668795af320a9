"""CPU seconds of one process, as the benchmarks beside this file measure them; imported by them, not run."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any, NamedTuple


class Speed(NamedTuple):
    """Million pixels per CPU second over several runs."""

    median: float
    least: float
    greatest: float


def cpu_seconds(work: Callable[[], Any]) -> tuple[float, Any]:
    """CPU seconds of one run, and its result."""
    start = time.process_time()
    result = work()
    return time.process_time() - start, result


def timed(work: Callable[[], Any], repeats: int = 3) -> tuple[float, Any]:
    """Least CPU seconds of several runs, and the last result."""
    seconds, result = _repeated(work, repeats)
    return min(seconds), result


def speed(work: Callable[[], Any], pixels: int, repeats: int) -> tuple[Speed, Any]:
    """Speed over several runs after one that compiles, and the last result."""
    work()
    seconds, result = _repeated(work, repeats)
    return Speed(*(pixels / of(seconds) / 1e6 for of in (statistics.median, max, min))), result


def _repeated(work: Callable[[], Any], repeats: int) -> tuple[list[float], Any]:
    """CPU seconds of each run, and the last result."""
    seconds: list[float] = []
    result = None
    for _ in range(repeats):
        spent, result = cpu_seconds(work)
        seconds.append(spent)
    return seconds, result
