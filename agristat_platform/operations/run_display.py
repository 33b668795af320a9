"""A running Dagster run as stages of the display: an asset is one stage, however many steps it is made in.

Reads Dagster's own events, and the work folder an asset's plan step names: finished units lie there as files, so
progress is the same whether one process works on it or many.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import dagster as dg

from agristat_platform.operations.progress import Progress, Stage
from assets.batches import CALLED, UNITS, WORK_FOLDER, finished_units

POLL_SECONDS = 0.3
Event = dg.DagsterEventType


@dataclass
class _Asset:
    """A stage, the folder its units come to lie in, how many there are, what they are called, and the step that made it."""

    stage: Stage
    folder: Path | None = None
    units: int = 0
    called: str = ""
    materialised_by: str | None = None


@dataclass
class RunDisplay:
    """Shows a run's stages while the block runs, and drains what is left of its events at the end.

    Parameters
    ----------
    instance:
        Where the run is recorded.
    find_run:
        Returns the run's id, None as long as there is no such run.
    season:
        Season shown before each asset.
    progress:
        The display.
    """

    instance: dg.DagsterInstance
    find_run: Callable[[], str | None]
    season: str
    progress: Progress
    _stopped: threading.Event = field(default_factory=threading.Event)
    _running: dict[str, _Asset] = field(default_factory=dict)

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        self._thread.join()

    def _watch(self) -> None:
        cursor: str | None = None
        last_round = False
        while True:
            last_round = last_round or self._stopped.wait(POLL_SECONDS)
            run_id = self.find_run()
            connection = self.instance.get_records_for_run(run_id, cursor=cursor) if run_id else None
            for record in connection.records if connection else ():
                self._show(record.event_log_entry.dagster_event)
            if connection:
                cursor = connection.cursor
            self._count_units()
            if last_round and not (connection and connection.has_more):
                return

    def _show(self, event: dg.DagsterEvent | None) -> None:
        if event is None or event.step_key is None:
            return
        name = asset_of(event.step_key)
        shown = self._running.get(name)
        if event.event_type == Event.STEP_START and shown is None:
            self._running[name] = _Asset(self.progress.start(f"{self.season}  {name}"))
        elif shown is None:
            return
        elif event.event_type == Event.STEP_OUTPUT:
            metadata = event.step_output_data.metadata
            if WORK_FOLDER in metadata:
                shown.folder, shown.units = Path(str(metadata[WORK_FOLDER].value)), int(str(metadata[UNITS].value))
                shown.called = str(metadata[CALLED].value)
        elif event.event_type == Event.ASSET_MATERIALIZATION:
            shown.materialised_by = event.step_key
        elif event.event_type == Event.STEP_FAILURE:
            self._end(name, failed=True)
        elif event.event_type == Event.STEP_SUCCESS and event.step_key in (name, shown.materialised_by):
            self._end(name)

    def _end(self, name: str, *, failed: bool = False) -> None:
        shown = self._running.pop(name)
        self.progress.end(shown.stage, failed=failed)

    def _count_units(self) -> None:
        for shown in self._running.values():
            if shown.folder is not None:
                try:
                    done = finished_units(shown.folder)
                except FileNotFoundError:  # published meanwhile
                    continue
                self.progress.advance(shown.stage, done, shown.units, shown.called)


def asset_of(step_key: str) -> str:
    """Name of the asset a step belongs to: steps of an asset made in several have its name before a dot."""
    return step_key.partition(".")[0]
