"""Training sets: labels joined to the features of segments, or of their own series, with spatial blocks.

What may be used as a label is decided in `labels`; how blocks become folds is decided in `cross_validation`.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa

from agristat_platform.catalogue import CropNomenclature
from agristat_platform.classification.errors import InvalidLabelsError, NoTrainingSamplesError
from agristat_platform.classification.feature_columns import feature_matrix
from agristat_platform.classification.folds import label_blocks
from agristat_platform.classification.labels import (
    class_support,
    dropped_table,
    listed,
    read_geometries,
    reason_counts,
)
from agristat_platform.classification.overlaps import Dropped, LabelMatch, match_labels


@dataclass(frozen=True)
class TrainingSet:
    """Samples with features, labels and spatial blocks; row i of every array belongs together.

    Attributes
    ----------
    X:
        float32 (n, p); missing values are NaN.
    y:
        Crop codes, str (n,).
    groups:
        Spatial block of each sample, str (n,); samples of one parcel share a block.
    feature_names:
        The p column names.
    label_ids:
        str (n,).
    segment_ids:
        int64 (n,), or None when labels brought their own features.
    weights:
        float64 (n,): share of the segment that labels of this crop cover (1 for points and series).
    places:
        Table label_id, parcel_id, geometry (WKB) of the samples, for leakage checks.
    dropped:
        Labels that gave no sample, with the reason (`labels.DROPPED_SCHEMA`).
    """

    X: np.ndarray
    y: np.ndarray
    groups: np.ndarray
    feature_names: tuple[str, ...]
    label_ids: np.ndarray
    segment_ids: np.ndarray | None
    weights: np.ndarray
    places: pa.Table
    dropped: pa.Table = field(default_factory=lambda: dropped_table([]))

    @property
    def dropped_counts(self) -> dict[str, int]:
        """Number of dropped labels by reason."""
        return reason_counts(self.dropped)

    def support(self, nomenclature: CropNomenclature, *, required_classes: Collection[str] = ()) -> pa.Table:
        """Samples and blocks of every crop of the nomenclature; see `labels.class_support`."""
        return class_support(self.y, nomenclature, groups=self.groups, required_classes=required_classes)

    def without_small_classes(self, minimum: int = 2) -> TrainingSet:
        """The samples of crops that have at least `minimum` of them; the others are recorded as "small_class"."""
        crops, counts = np.unique(self.y, return_counts=True)
        small = np.isin(self.y, crops[counts < minimum])
        if not small.any():
            return self
        rows = [
            (str(name), str(code), "small_class", f"fewer than {minimum} samples of {code}")
            for name, code in zip(self.label_ids[small], self.y[small], strict=True)
        ]
        return replace(self.subset(~small), dropped=pa.concat_tables([self.dropped, dropped_table(rows)]))

    def subset(self, rows: np.ndarray) -> TrainingSet:
        """The samples of a boolean mask or an index array, in that order."""
        index = np.flatnonzero(rows) if np.asarray(rows).dtype == bool else np.asarray(rows)
        return TrainingSet(
            X=self.X[index],
            y=self.y[index],
            groups=self.groups[index],
            feature_names=self.feature_names,
            label_ids=self.label_ids[index],
            segment_ids=None if self.segment_ids is None else self.segment_ids[index],
            weights=self.weights[index],
            places=self.places.take(pa.array(index, type=pa.int64())),
            dropped=self.dropped,
        )


def assemble_training_set(
    labels: pa.Table,
    segments: pa.Table,
    features: pa.Table,
    *,
    block_size_m: float,
    origin: tuple[float, float] = (0.0, 0.0),
    min_purity: float = 0.8,
    min_cover: float = 0.5,
    min_inside: float = 0.8,
    use_history: bool = False,
) -> TrainingSet:
    """Join labels to segments, segments to features, and samples to spatial blocks.

    A polygon label goes to the segment it overlaps most, a point to the segment that contains it. A segment is used
    once. It is dropped, with all its labels, when less than `min_purity` of its labelled area is of one crop, and when
    labels of its crop cover less than `min_cover` of the segment and none has `min_inside` of its own area in it (then
    the rest of it is unknown).

    Parameters
    ----------
    labels:
        Validated labels (`validate_labels(...).labels`).
    segments:
        Table with `segment_id` and `geometry` (WKB, the labels' CRS).
    features:
        Wide table: `segment_id` and floating-point columns; null or infinite is missing.
    block_size_m:
        Side of the square spatial blocks, in CRS units (metres). A label's own `block` wins where it has one.
    origin:
        A corner of the block lattice, in CRS coordinates.
    min_purity, min_cover, min_inside:
        Shares in [0, 1]; see above. `min_cover` does not apply to points.
    use_history:
        Take the crops of past seasons (`history_…`) as features too.

    Raises
    ------
    NoTrainingSamplesError
        No label is left.
    InvalidLabelsError
        A label or segment has no geometry, or the block size isn't positive.
    """
    geometries = _located(labels)
    matches, dropped = match_labels(
        labels.column("label_id").to_pylist(),
        labels.column("crop_code").to_pylist(),
        geometries,
        segments.column("segment_id").to_numpy(),
        read_geometries(segments, identifier="segment_id"),
        min_purity=min_purity,
        min_cover=min_cover,
        min_inside=min_inside,
    )
    X, names, identifiers = feature_matrix(features, identifier="segment_id", use_history=use_history)
    matches, rows, featureless = _with_features(matches, X, identifiers, labels)
    return _training_set(
        labels,
        geometries,
        [match.label for match in matches],
        X[rows],
        names,
        segment_ids=np.array([match.segment_id for match in matches], dtype=np.int64),
        weights=np.array([match.cover for match in matches], dtype=np.float64),
        dropped=dropped + featureless,
        block_size_m=block_size_m,
        origin=origin,
    )


def training_set_from_series(
    labels: pa.Table,
    series: pa.Table,
    *,
    block_size_m: float,
    origin: tuple[float, float] = (0.0, 0.0),
) -> TrainingSet:
    """Training set of labels that bring their own feature columns, joined on `label_id`.

    Parameters
    ----------
    labels:
        Validated labels with geometries (blocks come from these) or a `block` for every label without one.
    series:
        `label_id` and floating-point feature columns; null is missing.
    block_size_m, origin:
        As in `assemble_training_set`.

    Raises
    ------
    NoTrainingSamplesError, InvalidLabelsError, FeatureMismatchError
        As in `assemble_training_set`; a `label_id` twice in `series` is a mismatch.
    """
    X, names, identifiers = feature_matrix(series, identifier="label_id")
    row_of = {name: row for row, name in enumerate(identifiers)}
    keep, rows = [], []
    dropped: list[Dropped] = []
    observed = np.isfinite(X).any(axis=1)
    columns = zip(labels.column("label_id").to_pylist(), labels.column("crop_code").to_pylist(), strict=True)
    for index, (name, code) in enumerate(columns):
        row = row_of.get(name)
        if row is None:
            dropped.append((name, code, "no_features", "no row in the series table"))
        elif not observed[row]:
            dropped.append((name, code, "no_features", "every feature is missing"))
        else:
            keep.append(index)
            rows.append(row)
    return _training_set(
        labels,
        read_geometries(labels, identifier="label_id"),
        keep,
        X[rows],
        names,
        segment_ids=None,
        weights=np.ones(len(keep)),
        dropped=dropped,
        block_size_m=block_size_m,
        origin=origin,
    )


def _located(labels: pa.Table) -> np.ndarray:
    geometries = read_geometries(labels, identifier="label_id")
    nowhere = [name for name, shape in zip(labels.column("label_id").to_pylist(), geometries, strict=True) if not shape]
    if nowhere:
        raise InvalidLabelsError(
            f"{len(nowhere)} labels have no geometry",
            where=f"label_id {listed(nowhere)}",
            remedy="Give geometries, or use training_set_from_series for labels with features of their own",
        )
    return geometries


def _with_features(
    matches: list[LabelMatch], X: np.ndarray, identifiers: np.ndarray, labels: pa.Table
) -> tuple[list[LabelMatch], list[int], list[Dropped]]:
    row_of = {int(segment): row for row, segment in enumerate(identifiers)}
    observed = np.isfinite(X).any(axis=1)
    kept, rows = [], []
    dropped: list[Dropped] = []
    for match in matches:
        row = row_of.get(match.segment_id)
        if row is not None and observed[row]:
            kept.append(match)
            rows.append(row)
        else:
            name, code = labels.column("label_id")[match.label].as_py(), labels.column("crop_code")[match.label].as_py()
            dropped.append((name, code, "no_features", f"segment {match.segment_id}"))
    return kept, rows, dropped


def _training_set(
    labels: pa.Table,
    geometries: np.ndarray,
    keep: list[int],
    X: np.ndarray,
    names: tuple[str, ...],
    *,
    segment_ids: np.ndarray | None,
    weights: np.ndarray,
    dropped: list[Dropped],
    block_size_m: float,
    origin: tuple[float, float],
) -> TrainingSet:
    if not keep:
        raise NoTrainingSamplesError(
            f"none of {labels.num_rows} labels gave a training sample",
            where=", ".join(f"{k}: {v}" for k, v in reason_counts(dropped_table(dropped)).items()) or None,
            remedy="Check that labels lie inside the region, in its CRS, and that features cover their segments",
        )
    chosen = labels.take(pa.array(keep, type=pa.int64()))
    return TrainingSet(
        X=np.ascontiguousarray(X, dtype=np.float32),
        y=np.array(chosen.column("crop_code").to_pylist(), dtype=str),
        groups=label_blocks(chosen, geometries[keep], block_size_m=block_size_m, origin=origin),
        feature_names=names,
        label_ids=np.array(chosen.column("label_id").to_pylist(), dtype=str),
        segment_ids=segment_ids,
        weights=weights,
        places=chosen.select(["label_id", "parcel_id", "geometry"]),
        dropped=dropped_table(dropped),
    )
