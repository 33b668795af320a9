"""Leaks: what training and validation samples share although they must not."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
import shapely

from agristat_platform.classification.labels import read_geometries

if TYPE_CHECKING:
    from agristat_platform.classification.training_sets import TrainingSet


class Leak(NamedTuple):
    """One thing shared: `kind` is parcel, overlap, segment or block; the two names are of the samples concerned."""

    kind: str
    shared: str
    training: str
    validation: str


def leakage(training_parcels: pa.Table, validation_parcels: pa.Table, *, overlap_share: float = 0.01) -> list[Leak]:
    """Parcels that stand in both tables, by identifier or by place.

    Parameters
    ----------
    training_parcels, validation_parcels:
        Tables with `parcel_id` and/or `geometry` (WKB, one CRS for both), and an identifier `label_id` or `parcel_id`.
    overlap_share:
        Polygons overlap when their intersection exceeds this share of the smaller one: digitised neighbours always
        overlap by a sliver. A point leaks when it lies in a polygon or on another point.

    Returns
    -------
    list of Leak
        Sorted; a pair found by its identifier isn't listed again for its place.
    """
    first, second = _names(training_parcels), _names(validation_parcels)
    shared = _shared_rows(training_parcels, validation_parcels, overlap_share)
    return sorted(Leak(kind, what, first[i], second[j]) for (i, j), (kind, what) in shared.items())


def fold_leakage(training_set: TrainingSet, fold: np.ndarray, *, overlap_share: float = 0.01) -> list[Leak]:
    """What samples of different folds share: blocks, segments, parcels or ground.

    Parameters
    ----------
    fold:
        Fold number of each sample, (n,).
    overlap_share:
        As in `leakage`.
    """
    leaks: set[Leak] = set()
    for kind, values in (("block", training_set.groups), ("segment", training_set.segment_ids)):
        if values is None:
            continue
        first: dict[object, int] = {}
        for row, value in enumerate(values.tolist()):
            other = first.setdefault(value, row)
            if fold[other] != fold[row]:
                leaks.add(Leak(kind, str(value), str(training_set.label_ids[other]), str(training_set.label_ids[row])))
    places = training_set.places
    for k in range(int(fold.max()) + 1):
        # Each pair of folds once: k against the folds after it.
        inside, after = np.flatnonzero(fold == k), np.flatnonzero(fold > k)
        leaks.update(leakage(_rows(places, inside), _rows(places, after), overlap_share=overlap_share))
    return sorted(leaks)


def _rows(table: pa.Table, rows: np.ndarray) -> pa.Table:
    return table.take(pa.array(rows, type=pa.int64()))


def _names(table: pa.Table) -> list[str]:
    return [str(name) for name in table.column(_identifier(table)).to_pylist()]


def _shared_rows(
    training: pa.Table, validation: pa.Table, overlap_share: float
) -> dict[tuple[int, int], tuple[str, str]]:
    """What each leaking pair of rows (training, validation) shares; the identifier, if both it and the ground."""
    return _overlaps(training, validation, overlap_share) | _shared_identifiers(training, validation)


def _shared_identifiers(training: pa.Table, validation: pa.Table) -> dict[tuple[int, int], tuple[str, str]]:
    if "parcel_id" not in training.column_names or "parcel_id" not in validation.column_names:
        return {}
    by_parcel: dict[str, list[int]] = {}
    for row, parcel in enumerate(training.column("parcel_id").to_pylist()):
        if parcel is not None:
            by_parcel.setdefault(parcel, []).append(row)
    return {
        (other, row): ("parcel", str(parcel))
        for row, parcel in enumerate(validation.column("parcel_id").to_pylist())
        for other in by_parcel.get(parcel, [])
    }


def _overlaps(training: pa.Table, validation: pa.Table, share: float) -> dict[tuple[int, int], tuple[str, str]]:
    if "geometry" not in training.column_names or "geometry" not in validation.column_names:
        return {}
    first = read_geometries(training, identifier=_identifier(training))
    second = read_geometries(validation, identifier=_identifier(validation))
    j, i = shapely.STRtree(first).query(second, predicate="intersects")
    smaller = np.minimum(shapely.area(first[i]), shapely.area(second[j]))
    common = shapely.area(shapely.intersection(first[i], second[j]))
    # With a point on either side the smaller area is 0, and touching is enough.
    shared = np.where(smaller > 0, common > share * smaller, True)
    return {(int(i[n]), int(j[n])): ("overlap", f"{common[n]:.6g} of {smaller[n]:.6g}") for n in np.flatnonzero(shared)}


def _identifier(table: pa.Table) -> str:
    return "label_id" if "label_id" in table.column_names else "parcel_id"
