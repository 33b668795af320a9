"""Class probabilities of a whole map, and what a calibration and sets make of them, a portion of the parcels at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from agristat_platform.classification.review.calibration import Calibration
from agristat_platform.classification.review.conformal import ConformalSets

_PORTION = 65_536


@dataclass(frozen=True)
class MapProbabilities:
    """Class probabilities of a map's parcels.

    Attributes
    ----------
    ids:
        (n,) parcel numbers.
    values:
        float32 (n, k); NaN rows where a parcel has no class.
    classes:
        Codes (k,).
    """

    ids: NDArray[np.int64]
    values: NDArray[np.float32]
    classes: tuple[str, ...]

    @classmethod
    def of_table(cls, table: pa.Table) -> MapProbabilities:
        """`segment_id`, then a column a class, null where a parcel has none."""
        names = tuple(name for name in table.column_names if name != "segment_id")
        columns = [table[name].to_numpy(zero_copy_only=False).astype(np.float32) for name in names]
        return cls(table["segment_id"].to_numpy().astype(np.int64), np.stack(columns, axis=1), names)

    def rows_of(self, parcels: Sequence[int]) -> NDArray[np.int64]:
        """Row of each parcel; all of them are there."""
        order = np.argsort(self.ids, kind="stable")
        return order[np.searchsorted(self.ids[order], np.asarray(parcels, dtype=np.int64))]

    def portions(self) -> Iterator[slice]:
        """Rows a portion at a time: what is computed in double precision is never held for a whole map."""
        for start in range(0, len(self.ids), _PORTION):
            yield slice(start, min(start + _PORTION, len(self.ids)))


def calibrated_map(
    probabilities: MapProbabilities, calibration: Calibration, sets: ConformalSets | None
) -> tuple[NDArray[np.float32], pa.Array, NDArray[np.int64] | None]:
    """Calibrated confidence (n,), text of the possible crops (n,), and their number (n,) of every parcel of the map.

    Confidence is that of the map's class; NaN, and null, where a parcel has none. Without sets nothing is known of the possible crops.
    """
    confidence, texts, counts = [], [], []
    for rows in probabilities.portions():
        values = probabilities.values[rows].astype(np.float64)
        calibrated = calibration.apply(values)
        missing = np.asarray(np.isnan(values).any(axis=1))
        # Temperature keeps the order, others may not: the map's class stays the map's class.
        top = np.where(missing, 0, np.nan_to_num(values, nan=-1.0).argmax(axis=1))
        confidence.append(calibrated[np.arange(len(values)), top].astype(np.float32))
        if sets is not None:
            inside = sets.sets(values, probabilities.ids[rows])
            inside[missing] = False
            texts.append(_texts(inside, values, missing, probabilities.classes))
            counts.append(np.where(missing, -1, inside.sum(axis=1)))
    possible = pa.concat_arrays(texts) if texts else pa.nulls(len(probabilities.ids), pa.string())
    return np.concatenate(confidence), possible, np.concatenate(counts) if counts else None


def _texts(
    inside: NDArray[np.bool_], values: NDArray[np.float64], missing: NDArray[np.bool_], classes: tuple[str, ...]
) -> pa.Array:
    """Codes of each set, the likeliest first, as text."""
    order = np.argsort(-np.nan_to_num(values), axis=1, kind="stable")
    texts = [
        None if gone else " ".join(classes[j] for j in ranks if member[j])
        for gone, ranks, member in zip(missing.tolist(), order.tolist(), inside.tolist(), strict=True)
    ]
    return pa.array(texts, pa.string())
