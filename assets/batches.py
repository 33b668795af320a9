"""Work of one asset cut into batches of units, which run as dynamic steps: sizes, work folder, progress, memory.

What belongs here: anything an asset made of units needs, whatever the units are (tiles, overpasses). What does not: what a
unit computes, and which units there are.
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

from assets.errors import PlanChangedError
from assets.families import FAMILIES, code_version
from resources.step_io import StepIOManager
from resources.storage import StorageResource
from resources.work_folders import WorkFolders

BATCHES_PER_WORKER = 4  # few enough that starting steps costs little, enough that no worker waits long for the last one
LOG_SECONDS = 5.0
RETRIES = dg.RetryPolicy(max_retries=2, delay=1.0, backoff=dg.Backoff.EXPONENTIAL)

# names of the metadata by which a display follows a run; see operations/materialisation.py
WORK_FOLDER, UNITS, CALLED = "work_folder", "units", "units_are"


@dataclass(frozen=True)
class BatchedAsset:
    """What the steps of an asset that is made in batches have in common: a plan step, steps of batches, one that publishes.

    Each step makes the asset's plan again and asks here whether it is still the same. Finished units lie in a work
    folder, one `<name>.json` each, until the version is published.

    Attributes
    ----------
    name:
        Of the asset.
    units:
        What a display calls the units, in the plural.
    """

    name: str
    units: str

    def folder(self, plan: str, storage: StorageResource) -> Path:
        """Work folder of a plan, given by its key; another code of the science has another."""
        return WorkFolders(storage.scratch_dir).folder(self.name, self._work_key(plan))

    def planned(
        self, context: dg.AssetExecutionContext, plan: str, count: int, workers: int, storage: StorageResource
    ) -> Iterator[dg.DynamicOutput[Any]]:
        """Outputs of the plan step: a batch each, for `count` units shared by `workers`; old work is swept before."""
        for name in WorkFolders(storage.scratch_dir).sweep():
            context.log.info("removed %s, which nobody took up again", name)
        folder = self.folder(plan, storage)
        finished = finished_units(folder)
        context.log.info("%d %s, of which %d are finished", count, self.units, finished)
        metadata = {
            UNITS: count,
            CALLED: self.units,
            "finished_before": finished,
            WORK_FOLDER: dg.MetadataValue.path(str(folder)),
            "plan": plan,
        }
        yield from batch_outputs(count, plan, workers, metadata=metadata)

    def require_same_plan(self, plan: str, batch: Mapping[str, Any], context: dg.AssetExecutionContext) -> None:
        """Refuse to go on with another plan than the one that a batch, or what was made of it, is a part of.

        Raises
        ------
        PlanChangedError
            Configuration, inputs or their files changed while the run went on.
        """
        if plan != batch["plan"]:
            raise PlanChangedError(
                f"the plan of {self.name} is no longer the one this run began with",
                where=str(context.partition_key),
                remedy=f"The region's file, the scenes or their files changed meanwhile. Materialise {self.name} again",
            )

    def published(self, plan: str, run_id: str, storage: StorageResource) -> None:
        """Remove the work on a plan and what the run's steps handed over: the version is there."""
        WorkFolders(storage.scratch_dir).remove(self.name, self._work_key(plan))
        StepIOManager(scratch_dir=storage.scratch_dir).forget(run_id, self.name)

    def _work_key(self, plan: str) -> str:
        # units of other code could differ
        return f"{plan[:16]}-{code_version(*FAMILIES[self.name].science)}"


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
