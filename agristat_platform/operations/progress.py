"""Stages with their times on the terminal: a live table for a person, a line a stage for a log."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console, Group
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

LINES = 10  # of a stage's progress in a log
SECONDS_OF_A_LINE = 30.0


@dataclass
class Stage:
    """One line of the display. `units_first` are those that were done when counting began: they say nothing of the rate."""

    title: str
    started: float
    ended: float | None = None
    failed: bool = False
    note: str = ""
    units_first: int | None = None
    counted_since: float = 0.0
    line_units: int = 0
    line_at: float = 0.0

    def seconds(self) -> float:
        return (self.ended if self.ended is not None else time.monotonic()) - self.started


@dataclass
class Progress:
    """Shows stages as they start and end; thread-safe enough for one writer and one refresher."""

    console: Console
    stages: list[Stage] = field(default_factory=list)
    _live: Live | None = None

    @contextmanager
    def shown(self) -> Iterator[Progress]:
        """Display while the block runs; on a terminal it redraws, otherwise it prints a line as each stage ends."""
        if not self.console.is_terminal:
            yield self
            return
        with Live(get_renderable=self._render, console=self.console, refresh_per_second=5) as live:
            self._live = live
            yield self
        self._live = None

    def start(self, title: str) -> Stage:
        """A stage begins."""
        stage = Stage(title, time.monotonic())
        self.stages.append(stage)
        return stage

    def note(self, stage: Stage, text: str) -> None:
        """What the stage is doing just now."""
        stage.note = text

    def advance(self, stage: Stage, done: int, units: int, called: str) -> None:
        """`done` of a stage's `units`, `called` tiles or the like, are finished: noted with the time left at the rate so far.

        Without a terminal a line is printed for every tenth of the units, and after half a minute without one.
        """
        now = time.monotonic()
        if stage.units_first is None:
            stage.units_first, stage.counted_since = done, now
            stage.line_units, stage.line_at = done, now
        left = seconds_left(done - stage.units_first, units - done, now - stage.counted_since)
        stage.note = f"{done} of {units} {called}" + ("" if left is None else f", {duration(left)} left")
        due = (done - stage.line_units) * LINES >= units or now - stage.line_at >= SECONDS_OF_A_LINE
        if self._live is None and done < units and due:
            stage.line_units, stage.line_at = done, now
            self.console.print(f"  {'':6} {stage.seconds():6.1f} s  {stage.title}  {stage.note}", highlight=False)

    def end(self, stage: Stage, *, failed: bool = False, note: str = "") -> None:
        """A stage ends."""
        stage.ended, stage.failed, stage.note = time.monotonic(), failed, note
        if self._live is None:
            mark = "failed" if failed else "done"
            self.console.print(
                f"  {mark:6} {stage.seconds():6.1f} s  {stage.title}{'  ' + note if note else ''}", highlight=False
            )

    @contextmanager
    def stage(self, title: str) -> Iterator[Stage]:
        """A stage as long as the block runs; failed when the block raises."""
        stage = self.start(title)
        try:
            yield stage
        except BaseException:
            self.end(stage, failed=True)
            raise
        self.end(stage, note=stage.note)

    def _render(self) -> Group:
        table = Table.grid(padding=(0, 2))
        for stage in self.stages:
            if stage.ended is None:
                mark: Spinner | Text = Spinner("dots")
            else:
                mark = Text("✗", style="red") if stage.failed else Text("✓", style="green")
            table.add_row(
                mark, Text(stage.title), Text(f"{stage.seconds():6.1f} s", style="cyan"), Text(stage.note, style="dim")
            )
        return Group(table)


def seconds_left(made: int, missing: int, seconds: float) -> float | None:
    """Time for `missing` units at the rate at which `made` took `seconds`; None before the first and after the last."""
    return None if made <= 0 or missing <= 0 else seconds / made * missing


def duration(seconds: float) -> str:
    """Seconds as a person says them: 40 s, 12 min, 3.5 h."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 90 * 60 else f"{seconds / 3600:.1f} h"
