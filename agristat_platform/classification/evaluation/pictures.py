"""Pictures of accuracy over trials, past seasons and groups: the same table gives the same bytes."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LINES = (("overall_accuracy", "overall accuracy", "#1b6e3c", "o"), ("macro_f1", "macro-F1", "#b4531f", "s"))


def learning_curve_png(
    table: pa.Table, *, title: str = "Accuracy and number of labels", simulated: bool = False
) -> bytes:
    """Draw a learning curve (`trials.LEARNING_CURVE_SCHEMA`): mean and range over seeds; PNG of 700 × 450 pixels.

    `simulated` says so in the title.
    """
    labels = table["labels"].to_numpy()

    def axis(axes: Axes) -> None:
        axes.set_xscale("log")
        axes.set_xticks(labels, [str(n) for n in labels.tolist()])
        axes.minorticks_off()
        axes.set_xlabel("labels learned from (logarithmic)")

    return _drawn(table, labels.astype(float), axis, title, simulated)


def in_season_png(
    table: pa.Table, *, title: str = "Accuracy in the course of the season", simulated: bool = False
) -> bytes:
    """Draw accuracy against the date (`trials.IN_SEASON_SCHEMA`): mean and range over seeds; PNG of 700 × 450 pixels.

    `simulated` says so in the title.
    """
    steps = table["steps"].to_numpy()
    shown = table["until"].to_pylist()
    every = max(1, -(-len(shown) // 12))

    def axis(axes: Axes) -> None:
        axes.set_xticks(steps[::every], shown[::every], rotation=40, ha="right")
        axes.set_xlabel("observations until")

    return _drawn(table, steps.astype(float), axis, title, simulated)


def origins_png(
    table: pa.Table, *, title: str = "Past seasons named by those before", simulated: bool = False
) -> bytes:
    """Draw accuracy by season (`named_origins.ORIGINS_SCHEMA`, a row at least) with 95 % intervals; PNG of 700 × 450 pixels.

    `simulated` says so in the title.
    """
    figure, axes = _sheet(4.5)
    seasons = table["season"].to_pylist()
    for shift, (name, said, colour, marker) in zip((-0.06, 0.06), _LINES, strict=True):
        value, low, high = (_column(table, f"{name}{part}") for part in ("", "_low", "_high"))
        x = np.arange(len(seasons)) + shift
        error = np.clip(np.stack([value - low, high - value]), 0.0, None)
        axes.errorbar(x, value, yerr=error, color=colour, marker=marker, markersize=5, linestyle="none", label=said)
    shown = zip(seasons, table["taught_by"].to_pylist(), table["samples"].to_pylist(), strict=True)
    axes.set_xticks(range(len(seasons)), [f"{season}\nby {by}\n{n} labels" for season, by, n in shown], fontsize=8)
    axes.set_xlim(-0.6, len(seasons) - 0.4)
    axes.set_ylim(0.0, 1.0)
    axes.grid(alpha=0.3, axis="y")
    axes.legend(loc="lower right", frameon=False)
    axes.set_ylabel("on labels that taught nothing; 95 % intervals", fontsize=8)
    return _png(figure, axes, title, simulated)


def groups_png(figures: pa.Table, *, title: str = "Overall accuracy by group", simulated: bool = False) -> bytes:
    """Draw the overall accuracy of every group (`accuracy_report.FIGURES_SCHEMA`) with its interval; PNG, 700 pixels wide.

    Groups of fewer than 30 labels are drawn hollow, groupings of one group not at all. `simulated` says so in the title.
    """
    rows = [row for row in figures.to_pylist() if row["figure"] == "overall_accuracy" and row["value"] is not None]
    groups = Counter(row["grouping"] for row in rows)
    rows = [row for row in rows if row["grouping"] == row["group"] or groups[row["grouping"]] > 1]
    figure, axes = _sheet(max(2.2, 0.9 + 0.27 * len(rows)))
    for y, row in enumerate(rows):
        if row["ci_low"] is not None:
            axes.plot([row["ci_low"], row["ci_high"]], [y, y], color="#1b6e3c", linewidth=1.2)
        filling = "white" if row["small"] else "#1b6e3c"
        axes.plot(row["value"], y, marker="o", markersize=6, color="#1b6e3c", markerfacecolor=filling)
    names = [row["group"] if row["grouping"] == row["group"] else f"{row['grouping']}: {row['group']}" for row in rows]
    said = [f"{name.replace('_', ' ')} ({row['samples']})" for name, row in zip(names, rows, strict=True)]
    axes.set_yticks(range(len(rows)), said, fontsize=8)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlim(0.0, 1.02)
    axes.grid(alpha=0.3, axis="x")
    axes.set_xlabel("on labels held out (their number); 95 % intervals; hollow: fewer than 30 labels", fontsize=8)
    return _png(figure, axes, title, simulated)


def _drawn(table: pa.Table, x: np.ndarray, axis: Callable[[Axes], None], title: str, simulated: bool) -> bytes:
    figure, axes = _sheet(4.5)
    for name, said, colour, marker in _LINES:
        value, low, high = (_column(table, f"{name}{part}") for part in ("", "_lowest", "_highest"))
        axes.fill_between(x, low, high, color=colour, alpha=0.18, linewidth=0)
        axes.plot(x, value, color=colour, marker=marker, markersize=4, label=said)
    axis(axes)
    lowest = min(float(np.nanmin(_column(table, f"{name}_lowest"))) for name, *_ in _LINES)
    axes.set_ylim(max(0.0, np.floor(lowest * 10 - 1e-9) / 10), 1.0)
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right", frameon=False)
    seeds, held_out = table["seeds"][0].as_py(), table["held_out"][0].as_py()
    axes.set_ylabel(f"on {held_out} labels held out; range of {seeds} seeds", fontsize=8)
    return _png(figure, axes, title, simulated)


def _column(table: pa.Table, name: str) -> np.ndarray:
    return np.asarray(table[name].to_numpy(zero_copy_only=False), dtype=np.float64)


def _sheet(height: float) -> tuple[Figure, Axes]:
    # Imported here: every process of a run loads this module, and few draw.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.0, height), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.add_subplot()


def _png(figure: Figure, axes: Axes, title: str, simulated: bool) -> bytes:
    axes.set_title(f"{title} (simulated data)" if simulated else title, fontsize=11)
    stream = io.BytesIO()
    figure.savefig(stream, format="png", metadata={"Software": None})
    return stream.getvalue()
