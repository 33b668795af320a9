"""A picture of where the parcels to review lie: the same samples give the same bytes."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pyarrow as pa
import shapely

from agristat_platform.classification.labels import read_geometries
from agristat_platform.classification.review.decisions import AUDIT, LEARNING

_MARKS = {AUDIT: ("o", "#b2521d", "audit sample"), LEARNING: ("^", "#1b6f5c", "learning queue")}


def samples_png(table: pa.Table, area: Any, units: pa.Table | None = None, *, simulated: bool = False) -> bytes:
    """Draw the drawn parcels over the area of interest; PNG of 700 × 700 pixels.

    Parameters
    ----------
    table:
        `REVIEWERS_SCHEMA`.
    area:
        Shapely polygon of the area of interest, in the CRS of the geometries.
    units:
        `unit_id`, `geometry` of the estimation sample's units, drawn as squares that the learning queue keeps away from.
    """
    # Imported here: every process of a run loads this module, and few draw.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.collections import PolyCollection
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    figure = Figure(figsize=(7.0, 7.0), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for ring in shapely.get_parts(shapely.get_rings(shapely.get_parts(area))):
        axes.plot(*shapely.get_coordinates(ring).T, color="#555555", linewidth=1)
    handles: list[Any] = []
    if units is not None and units.num_rows:
        squares = shapely.get_parts(read_geometries(units, identifier="unit_id"))
        shapes = [shapely.get_coordinates(shapely.get_exterior_ring(square)) for square in squares]
        axes.add_collection(PolyCollection(shapes, facecolors="#dddddd", edgecolors="#aaaaaa", linewidths=0.5))
        handles.append(Patch(facecolor="#dddddd", edgecolor="#aaaaaa", label="units of the estimation sample"))
    points = shapely.point_on_surface(read_geometries(table, identifier="segment_id"))
    x, y = shapely.get_x(points), shapely.get_y(points)
    purpose = np.array(table["purpose"].to_pylist(), dtype=object)
    for name, (marker, colour, label) in _MARKS.items():
        inside = purpose == name
        text = f"{label}: {int(inside.sum())}"
        handles.append(
            axes.scatter(
                x[inside], y[inside], s=22, marker=marker, color=colour, edgecolors="white", linewidths=0.5, label=text
            )
        )
    axes.set_aspect("equal")
    axes.set_axis_off()
    axes.set_title("Parcels to review" + (" (simulated data)" if simulated else ""), fontsize=11)
    figure.legend(handles=handles, loc="outside lower center", ncols=3, fontsize=9, frameon=False)
    stream = io.BytesIO()
    figure.savefig(stream, format="png", metadata={"Software": None})
    return stream.getvalue()
