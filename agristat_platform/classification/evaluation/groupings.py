"""Groups that accuracy is reported by: parcel size, distance to what was taught, class support, stratum, region, season, flags."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import shapely
from scipy.spatial import cKDTree

from agristat_platform.classification.errors import LengthMismatchError
from agristat_platform.classification.labels import read_geometries

SIZE_CLASSES: tuple[tuple[str, float], ...] = (
    ("< 0.5 ha", 0.0),
    ("0.5–2 ha", 0.5),
    ("2–10 ha", 2.0),
    ("≥ 10 ha", 10.0),
)
"""Classes of parcels by area: name and least hectares, as `segmentation.agreement_with_parcels` has them."""

DISTANCE_CLASSES: tuple[tuple[str, float], ...] = (
    ("< 500 m", 0.0),
    ("500 m–1 km", 500.0),
    ("1–2 km", 1_000.0),
    ("≥ 2 km", 2_000.0),
)
"""Classes of held-out samples by the metres to the nearest one that was taught: near ones are the easier."""

SUPPORT_CLASSES: tuple[tuple[str, float], ...] = (
    ("< 10 labels", 0.0),
    ("10–24 labels", 10.0),
    ("25–99 labels", 25.0),
    ("≥ 100 labels", 100.0),
)
"""Classes of samples by the number of labels of their crop."""

NO_GROUP = "(none)"
_ORDER = {
    name: f"{i}" for classes in (SIZE_CLASSES, DISTANCE_CLASSES, SUPPORT_CLASSES) for i, (name, _) in enumerate(classes)
}


def size_class(area_ha: npt.NDArray[Any] | Sequence[float]) -> list[str | None]:
    """Name of the class of each parcel by area in hectares (`SIZE_CLASSES`); None where the area is missing."""
    return _class_of(area_ha, SIZE_CLASSES)


def distance_class(metres: npt.NDArray[Any] | Sequence[float]) -> list[str | None]:
    """Name of the class of each distance (`DISTANCE_CLASSES`); None where it is missing."""
    return _class_of(metres, DISTANCE_CLASSES)


def support_class(labels: Sequence[Any] | npt.NDArray[Any]) -> list[str | None]:
    """Name of the class of each label's crop by the number of labels it has here (`SUPPORT_CLASSES`)."""
    _, of, counts = np.unique(np.asarray(labels).astype(str), return_inverse=True, return_counts=True)
    return _class_of(counts[of], SUPPORT_CLASSES)


def distances_to_taught(places: pa.Table, fold: npt.NDArray[np.integer[Any]]) -> npt.NDArray[np.float64]:
    """Metres from the centre of each sample to the nearest one of another fold, (n,); NaN without a place.

    Parameters
    ----------
    places:
        `label_id` and `geometry` (WKB, a projected CRS in metres) of the samples, as `TrainingSet.places`.
    fold:
        (n,) in which a sample was held out.
    """
    centre = shapely.centroid(read_geometries(places, identifier="label_id"))
    at = np.stack([shapely.get_x(centre), shapely.get_y(centre)], axis=1)
    located = np.isfinite(at).all(axis=1)
    metres = np.full(len(fold), np.nan)
    for k in np.unique(fold):
        held_out, taught = located & (fold == k), located & (fold != k)
        if taught.any() and held_out.any():
            metres[held_out] = cKDTree(at[taught]).query(at[held_out])[0]
    return metres


def _class_of(values: npt.NDArray[Any] | Sequence[float], classes: tuple[tuple[str, float], ...]) -> list[str | None]:
    given = np.asarray(values, dtype=np.float64)
    index = np.searchsorted(np.array([bound for _, bound in classes]), given, side="right") - 1
    known = np.isfinite(given) & (given >= 0)
    return [classes[i][0] if k else None for i, k in zip(index.tolist(), known.tolist(), strict=True)]


def group_members(
    groupings: Mapping[str, Any], rows: npt.NDArray[np.int64], given: int
) -> list[tuple[str, str, npt.NDArray[np.int64]]]:
    """Grouping, group, and positions in `rows` of its members, every group that occurs; sizes from small to large.

    Parameters
    ----------
    groupings:
        As `accuracy_report` takes them, each of `given` samples.
    rows:
        Which of them are compared.

    Raises
    ------
    LengthMismatchError
        A grouping has another number of samples.
    """
    groups = []
    for grouping, of in groupings.items():
        if len(of) != given:
            raise LengthMismatchError(f"{given} labels but {len(of)} groups of {grouping}", remedy="Give one for each")
        values = of.tolist() if isinstance(of, np.ndarray) else list(of)
        members: dict[str, list[int]] = defaultdict(list)
        for position, row in enumerate(rows.tolist()):
            for name in _names(values[row]):
                members[name].append(position)
        order = sorted(members, key=lambda name: (name == NO_GROUP, _ORDER.get(name, name)))
        groups += [(grouping, name, np.array(members[name])) for name in order]
    return groups


def _names(value: Any) -> list[str]:
    if isinstance(value, list | tuple | set | frozenset):
        return sorted({str(name) for name in value}) or [NO_GROUP]
    return [NO_GROUP] if value is None or value != value else [str(value)]
