"""Work of one asset cut into batches of tile units, which run as dynamic steps: sizes, progress, memory.

What belongs here: anything an asset made of tile units needs, whatever the units are. What does not: what a unit computes.
"""

from __future__ import annotations

import os
import resource
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import dagster as dg

BATCHES_PER_WORKER = 4  # few enough that starting steps costs little, enough that no worker waits long for the last one
LOG_SECONDS = 5.0
RETRIES = dg.RetryPolicy(max_retries=2, delay=1.0, backoff=dg.Backoff.EXPONENTIAL)

# names of the metadata by which a display follows a run; see operations/materialisation.py
WORK_FOLDER, UNITS = "work_folder", "tile_units"


def batches(count: int, workers: int) -> list[range]:
    """Cut `count` units into runs of neighbours of nearly equal length, which share what they read.

    Parameters
    ----------
    count:
        Number of units, numbered from 0.
    workers:
        Processes that share the batches.
    """
    number = max(1, min(count, BATCHES_PER_WORKER * workers))
    edges = [count * i // number for i in range(number + 1)]
    return [range(first, last) for first, last in pairwise(edges)]


def batch_key(number: int) -> str:
    """Mapping key of a batch; batches are sorted by it in the UI."""
    return f"batch_{number:04d}"


def finished_units(folder: Path) -> int:
    """Number of finished units in a work folder: each has a `.json`, written last; half-written names start with a dot."""
    return sum(name.endswith(".json") and not name.startswith(".") for name in os.listdir(folder))


@dataclass
class UnitLog:
    """Counts the units of a batch and says in the run's log how far it is, every few seconds and at the end.

    The time left is that of the units made here so far: those found finished cost nothing and are no rate.
    """

    log: Any
    units: int
    what: str = "unit"
    done: int = 0
    made: int = 0
    _started: float = field(default_factory=lambda: time.monotonic())
    _said: float = field(default_factory=lambda: time.monotonic())

    def count(self, *, made: bool) -> None:
        """A unit is done; `made` says that it was not found finished."""
        self.done += 1
        self.made += made
        now = time.monotonic()
        if now - self._said >= LOG_SECONDS or self.done == self.units:
            self._said = now
            self.log.info("%s %d of %d%s", self.what, self.done, self.units, self._left(now))

    def _left(self, now: float) -> str:
        if not self.made or self.done == self.units:
            return ""
        return f", {(now - self._started) / self.made * (self.units - self.done):.0f} s left"


def peak_memory_mib() -> int:
    """Largest resident memory this process has had since it started, in MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / 2**20 if sys.platform == "darwin" else peak / 2**10)


def batch_outputs(
    count: int, plan: str, workers: int, *, metadata: Mapping[str, Any] | None = None
) -> Iterator[dg.DynamicOutput[Any]]:
    """One dynamic output a batch: which of `count` units it holds (`first` to before `stop`) of which plan.

    `metadata` is shown beside the number of units; a display reads it there.
    """
    for number, indices in enumerate(batches(count, workers)):
        value = {"first": indices.start, "stop": indices.stop, "plan": plan}
        yield dg.DynamicOutput(
            value, mapping_key=batch_key(number), metadata={**(metadata or {}), "batch_units": len(indices)}
        )
