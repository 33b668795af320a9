"""Ground that a model has not learned from: what is left of observed parcels without taught parcels and taught segments.

A label teaches the whole segment it is joined to, so leaving out the labelled parcels alone would still judge the map on
ground whose pixels were in the training features.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import shapely

from agristat_platform.classification.labels import read_geometries
from agristat_platform.classification.training_sets import TrainingSet

TAUGHT_GROUND_SCHEMA = pa.schema(
    [
        pa.field("kind", pa.string(), nullable=False, metadata={"values": "label, segment"}),
        pa.field("name", pa.string(), nullable=False),
        pa.field("parcel_id", pa.string()),
        pa.field("geometry", pa.binary(), metadata={"encoding": "WKB", "crs": "the region's"}),
    ]
)


def taught_ground(samples: TrainingSet, segments: pa.Table) -> pa.Table:
    """Everything the samples of a training set cover: their labels and the segments they were joined to.

    Parameters
    ----------
    segments:
        `segment_id` and `geometry`; unused when the labels brought features of their own.

    Returns
    -------
    pyarrow.Table
        `TAUGHT_GROUND_SCHEMA`, labels first.
    """
    places = samples.places
    rows = [
        {"kind": "label", "name": name, "parcel_id": parcel, "geometry": shape}
        for name, parcel, shape in zip(
            places["label_id"].to_pylist(), places["parcel_id"].to_pylist(), places["geometry"].to_pylist(), strict=True
        )
    ]
    if samples.segment_ids is not None:
        taught = set(samples.segment_ids.tolist())
        for segment, shape in zip(segments["segment_id"].to_pylist(), segments["geometry"].to_pylist(), strict=True):
            if segment in taught:
                rows.append({"kind": "segment", "name": str(segment), "parcel_id": None, "geometry": shape})
    return pa.Table.from_pylist(rows, schema=TAUGHT_GROUND_SCHEMA)


def unseen_ground(observed: pa.Table, taught: pa.Table) -> pa.Table:
    """Observed parcels without the taught ones, and without the ground of taught labels and segments.

    Parameters
    ----------
    observed:
        `parcel_id`, `area_ha`, `geometry` (WKB polygons, metres) and further columns.
    taught:
        `TAUGHT_GROUND_SCHEMA`, the same CRS.

    Returns
    -------
    pyarrow.Table
        Rows of `observed` with what is left of their geometry and its area; rows of which nothing is left are gone.
    """
    shapes = read_geometries(observed, identifier="parcel_id")
    parcels = {parcel for parcel in taught["parcel_id"].to_pylist() if parcel is not None}
    polygons = _polygons(taught)
    left = shapely.difference(shapes, shapely.union_all(polygons)) if len(polygons) else shapes
    areas = shapely.area(left)
    known = np.array([parcel in parcels for parcel in observed["parcel_id"].to_pylist()], dtype=bool)
    rows = np.flatnonzero(~known & (areas > 0))
    kept = observed.take(pa.array(rows, pa.int64()))
    for name, values in (("geometry", shapely.to_wkb(left[rows])), ("area_ha", areas[rows] / 10_000)):
        position = kept.schema.get_field_index(name)
        kept = kept.set_column(position, kept.schema.field(name), pa.array(values, kept.schema.field(name).type))
    return kept


def shared_ground_ha(observed: pa.Table, taught: pa.Table) -> float:
    """Hectares of observed ground that lie in taught labels or segments, pair by pair; ground taught twice counts twice."""
    shapes, polygons = read_geometries(observed, identifier="parcel_id"), _polygons(taught)
    if not len(shapes) or not len(polygons):
        return 0.0
    i, j = shapely.STRtree(polygons).query(shapes, predicate="intersects")
    return float(shapely.area(shapely.intersection(shapes[i], polygons[j])).sum() / 10_000)


def _polygons(taught: pa.Table) -> np.ndarray:
    shapes = read_geometries(taught, identifier="name")
    return np.asarray(shapes[shapely.get_dimensions(shapes) == 2])
