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


@dataclass
class Stage:
    """One line of the display."""

    title: str
    started: float
    ended: float | None = None
    failed: bool = False
    note: str = ""

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
