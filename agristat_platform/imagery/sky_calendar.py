"""A picture of when each tile was seen and how clearly, for people to look at: the same scenes give the same bytes."""

from __future__ import annotations

import io
from datetime import date
from typing import Any

import pyarrow as pa

from agristat_platform.catalogue import Season

MOST_LANES = 60  # tiles drawn; more would not be told apart
MARKER_POINTS2 = 55


def sky_calendar(
    scenes: pa.Table,
    *,
    season: Season | None = None,
    simulated: bool = False,
    title: str = "Clear sky by date and tile",
) -> bytes:
    """Draw a square per scene, by date and tile, the brighter the clearer; crossed out where it was dropped.

    Parameters
    ----------
    scenes:
        `SCENES_SCHEMA`; scenes without a mask (radar) or without shares (superseded) are left out.
    season:
        Its first and last day are marked; None: no marks.
    simulated:
        Say so in the title.
    title:
        Above the picture.

    Returns
    -------
    Bytes of a PNG of 9 inches at 100 dots. At most MOST_LANES tiles are drawn, those with the most scenes; the axis
    says how many are not.
    """
    # Imported here: every process of a run loads this module, and few draw.
    import matplotlib.dates
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    lanes, left_out = _lanes(scenes)
    figure = Figure(figsize=(9.0, 1.9 + 0.26 * max(len(lanes), 1)), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    rows = [(number, row) for number, lane in enumerate(lanes.values()) for row in lane]
    shown = axes.scatter(
        [matplotlib.dates.date2num(_day(row)) for _, row in rows],
        [number for number, _ in rows],
        c=[100 * row["clear_share"] for _, row in rows],
        cmap="cividis",
        vmin=0,
        vmax=100,
        marker="s",
        s=MARKER_POINTS2,
        edgecolors="#404040",
        linewidths=0.6,
    )
    dropped = [(number, row) for number, row in rows if not row["kept"]]
    if dropped:
        axes.scatter(
            [matplotlib.dates.date2num(_day(row)) for _, row in dropped],
            [number for number, _ in dropped],
            marker="x",
            s=MARKER_POINTS2 * 0.6,
            color="#c00000",
            linewidths=1.4,
            label="dropped",
        )
        figure.legend(loc="outside lower right", frameon=False, fontsize=8)
    if season is not None:
        for day in (season.start, season.end):
            axes.axvline(matplotlib.dates.date2num(day), color="#808080", linestyle="--", linewidth=0.8)
    if not rows:
        axes.text(0.5, 0.5, "no scene with a mask", ha="center", va="center", transform=axes.transAxes)
    axes.set_yticks(range(len(lanes)), list(lanes), fontsize=8)
    axes.set_ylim(len(lanes) - 0.5 if lanes else 0.5, -0.5)
    # Not `xaxis_date`: its ticks would be those of whichever library registered its dates in this process last.
    locator = matplotlib.dates.AutoDateLocator()
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(matplotlib.dates.ConciseDateFormatter(locator))
    axes.set_xlabel(
        "date (UTC); clear share of the AOI part with data; dashed: the season" if season is not None else "date (UTC)"
    )
    axes.set_ylabel("tile" if not left_out else f"tile ({left_out} more not drawn)")
    figure.colorbar(shown, ax=axes, label="clear, %", pad=0.01)
    axes.set_title(f"{title} (simulated data)" if simulated else title, fontsize=11)
    stream = io.BytesIO()
    figure.savefig(stream, format="png", metadata={"Software": None})
    return stream.getvalue()


def _lanes(scenes: pa.Table) -> tuple[dict[str, list[dict[str, Any]]], int]:
    """Scenes with a clear share by collection and tile, and how many of those lanes are left out."""
    lanes: dict[str, list[dict[str, Any]]] = {}
    columns = ["collection", "tile", "datetime", "clear_share", "kept", "scene_id"]
    for row in scenes.select(columns).to_pylist():
        if row["clear_share"] is not None:
            lanes.setdefault(f"{row['collection']} {row['tile'] or ''}".strip(), []).append(row)
    drawn = sorted(sorted(lanes, key=lambda name: (-len(lanes[name]), name))[:MOST_LANES])
    return {name: lanes[name] for name in drawn}, len(lanes) - len(drawn)


def _day(row: dict[str, Any]) -> date:
    moment: date = row["datetime"].date()
    return moment
