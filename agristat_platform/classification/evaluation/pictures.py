"""Pictures of accuracy over trials: the same table gives the same bytes."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from matplotlib.axes import Axes

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


def _drawn(table: pa.Table, x: np.ndarray, axis: Callable[[Axes], None], title: str, simulated: bool) -> bytes:
    # Imported here: every process of a run loads this module, and few draw.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.0, 4.5), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for name, said, colour, marker in _LINES:
        value, low, high = (
            table[f"{name}{part}"].to_numpy(zero_copy_only=False) for part in ("", "_lowest", "_highest")
        )
        axes.fill_between(x, low, high, color=colour, alpha=0.18, linewidth=0)
        axes.plot(x, value, color=colour, marker=marker, markersize=4, label=said)
    axis(axes)
    lowest = min(float(np.nanmin(table[f"{name}_lowest"].to_numpy(zero_copy_only=False))) for name, *_ in _LINES)
    axes.set_ylim(max(0.0, np.floor(lowest * 10 - 1e-9) / 10), 1.0)
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right", frameon=False)
    seeds, held_out = table["seeds"][0].as_py(), table["held_out"][0].as_py()
    axes.set_ylabel(f"on {held_out} labels held out; range of {seeds} seeds", fontsize=8)
    axes.set_title(f"{title} (simulated data)" if simulated else title, fontsize=11)
    stream = io.BytesIO()
    figure.savefig(stream, format="png", metadata={"Software": None})
    return stream.getvalue()
