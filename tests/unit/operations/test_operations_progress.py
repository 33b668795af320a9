"""How far a stage is, and how long it will still take."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from agristat_platform.operations.progress import Progress, duration, seconds_left
from agristat_platform.operations.run_display import asset_of


def test_time_left_follows_the_rate_and_is_unknown_before_the_first_unit():
    assert seconds_left(4, 6, 20.0) == 30.0
    assert seconds_left(0, 6, 20.0) is None
    assert seconds_left(4, 0, 20.0) is None


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (89, "89 s"), (90, "2 min"), (3599, "60 min"), (7200, "2.0 h")]
)
def test_durations_are_as_short_as_a_person_says_them(seconds, text):
    assert duration(seconds) == text


def test_without_a_terminal_there_is_a_line_for_every_tenth(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("agristat_platform.operations.progress.time.monotonic", lambda: now[0])
    text = io.StringIO()
    progress = Progress(Console(file=text, width=100))
    stage = progress.start("composites")
    for done in range(20, 101):  # twenty were left by an interrupted run: no rate follows from them
        progress.advance(stage, done, 100, "tiles")
        now[0] += 2.0
    lines = text.getvalue().splitlines()
    assert [line.split("composites  ")[1] for line in lines] == [
        f"{done} of 100 tiles, {duration(2 * (100 - done))} left" for done in range(30, 100, 10)
    ]


def test_without_a_terminal_there_is_a_line_for_every_half_minute(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("agristat_platform.operations.progress.time.monotonic", lambda: now[0])
    text = io.StringIO()
    progress = Progress(Console(file=text, width=100))
    stage = progress.start("composites")
    for second in range(0, 65, 5):
        now[0] = float(second)
        progress.advance(stage, second // 20, 1000, "overpasses")
    assert len(text.getvalue().splitlines()) == 2


def test_steps_of_one_asset_are_one_stage():
    names = ["composites.plan_composites", "composites.compose_tiles[batch_0003]", "scenes"]
    assert [asset_of(name) for name in names] == ["composites", "composites", "scenes"]
