"""A picture of a few segments' series: observations, curve and flags; the same input gives the same bytes."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np

from agristat_platform.features.series.segment_series import SeriesExample
from agristat_platform.timeseries import SeasonGrid

LEAST_SPAN = 0.25
STATES = {"too_few": "too few clear dates: no series", "long_gap": "some samples are far from any clear date"}


def series_png(examples: Sequence[SeriesExample], grid: SeasonGrid, *, simulated: bool = False) -> bytes:
    """Draw each example's observations (hollow where they do not count) with the smooth samples through them.

    Parameters
    ----------
    examples:
        Of `SeriesSummary`; a flagged one is drawn without a curve and says why.
    grid:
        The season, whose padding is shaded.
    simulated:
        Say so in the title.

    Returns
    -------
    bytes
        PNG of 900 pixels' width; without an example a picture that says so.
    """
    # Imported here: every process of a run loads this module, and few draw.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
    from matplotlib.figure import Figure

    rows = max(1, len(examples))
    figure = Figure(figsize=(9.0, 0.7 + 1.75 * rows), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(rows, 1, sharex=True, squeeze=False)[:, 0]
    first, last = np.datetime64(grid.start), np.datetime64(grid.end)
    for panel, example in zip(panels, examples, strict=False):
        counts = example.weights > 0
        panel.axvspan(grid.nodes[0], first, color="0.93", zorder=0)
        panel.axvspan(last, grid.nodes[-1], color="0.93", zorder=0)
        panel.scatter(
            example.days[counts], example.values[counts], s=10 + 26 * example.weights[counts], color="#2a6f97", zorder=3,
            label="observed, size by clear share",
        )  # fmt: skip
        panel.scatter(
            example.days[~counts], example.values[~counts], s=26, facecolors="none", edgecolors="0.55", zorder=2,
            label="too cloudy to count",
        )  # fmt: skip
        if not example.too_few:
            panel.plot(grid.sample_dates, example.samples, color="#1b7837", marker=".", label="smoothed samples")
        state = STATES.get(example.flag, example.flag)
        panel.set_title(
            f"segment {example.segment_id}: {example.clear_dates} clear dates, longest gap "
            f"{example.longest_gap_days} days – {state}",
            fontsize=9,
            loc="left",
            color="#b2182b" if example.too_few else "black",
        )
        low, high = panel.get_ylim()
        lacking = max(LEAST_SPAN - (high - low), 0) / 2  # a flat series must not look like a season
        panel.set_ylim(low - lacking, high + lacking)
        panel.set_ylabel(example.index, fontsize=9)
        panel.tick_params(labelsize=8)
        panel.grid(alpha=0.3)
    if not examples:
        panels[0].text(0.5, 0.5, "no series", ha="center", va="center", transform=panels[0].transAxes)
    locator = AutoDateLocator()
    panels[-1].xaxis.set_major_locator(locator)
    panels[-1].xaxis.set_major_formatter(ConciseDateFormatter(locator))
    panels[-1].set_xlim(grid.nodes[0], grid.nodes[-1])
    handles, labels = panels[0].get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside lower center", ncols=3, fontsize=8, frameon=False)
    title = "Season series of segments (padding shaded)"
    figure.suptitle(f"{title} (simulated data)" if simulated else title, fontsize=11)
    stream = io.BytesIO()
    figure.savefig(stream, format="png", metadata={"Software": None})
    return stream.getvalue()
