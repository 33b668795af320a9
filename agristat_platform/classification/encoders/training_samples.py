"""What an encoder is given, checked and made ready: series without gaps, class numbers, places held out for stopping."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from agristat_platform.classification.class_counts import check_class_counts
from agristat_platform.classification.cross_season.curves import fill_gaps
from agristat_platform.classification.encoders.errors import SeriesShapeError, SeriesWithoutValueError
from agristat_platform.classification.errors import (
    InvalidLabelsError,
    LengthMismatchError,
    UnknownCropCodeError,
)
from agristat_platform.classification.labels import listed


@dataclass(frozen=True)
class SeriesFrame:
    """Shape and units of the series an encoder was fitted on.

    Attributes
    ----------
    steps, channels:
        Of the series.
    support:
        Whether the share of channels observed at a step is one channel more.
    centre, scale:
        Mean and SD of each channel over the training series' values, float64 (channels,); 0 and 1 for a channel without
        values, SD 1 for a constant one.
    """

    steps: int
    channels: int
    support: bool
    centre: np.ndarray
    scale: np.ndarray

    @property
    def inputs(self) -> int:
        """Channels that the network sees."""
        return self.channels + self.support

    def fill(self, series: np.ndarray) -> np.ndarray:
        """Series without gaps, in their own units, float32 (n, steps, inputs).

        Gaps are bridged by straight lines, level at the ends; a channel without any value has its training mean. Each
        series is filled by itself: the others in the call don't matter.
        """
        values = np.array(series, dtype=np.float64)
        values[~np.isfinite(values)] = np.nan
        seen = np.isfinite(values)
        never = np.broadcast_to(~seen.any(axis=1, keepdims=True), values.shape)
        values[never] = np.broadcast_to(self.centre, values.shape)[never]
        filled, _ = fill_gaps(values)
        if self.support:
            filled = np.concatenate([filled, seen.mean(axis=2, keepdims=True)], axis=2)
        return filled.astype(np.float32)

    def check(self, series: Any) -> np.ndarray:
        """Series of the frame's shape.

        Raises
        ------
        SeriesShapeError
            Other dimensions, steps or channels.
        """
        values = check_dimensions(series)
        if values.shape[1:] != (self.steps, self.channels):
            raise SeriesShapeError(
                f"series have {values.shape[1]} steps × {values.shape[2]} channels, the encoder takes "
                f"{self.steps} × {self.channels}",
                remedy="Bring them to the grid and the channels of the training series, in the same order",
            )
        return values


def make_frame(series: np.ndarray, *, support: bool) -> SeriesFrame:
    """Frame of training series (n, steps, channels), NaN = missing."""
    seen = np.isfinite(series)
    count = np.maximum(seen.sum(axis=(0, 1)), 1)
    known = np.where(seen, series, 0.0)
    centre = known.sum(axis=(0, 1)) / count
    scale = np.sqrt((np.where(seen, known - centre, 0.0) ** 2).sum(axis=(0, 1)) / count)
    return SeriesFrame(series.shape[1], series.shape[2], support, centre, np.where(scale > 1e-12, scale, 1.0))


def check_dimensions(series: Any) -> np.ndarray:
    """Series as float64 (n, steps, channels), n, steps and channels from 1.

    Raises
    ------
    SeriesShapeError
        Something else.
    """
    try:
        values = np.asarray(series, dtype=np.float64)
    except (TypeError, ValueError) as reason:
        raise SeriesShapeError(f"series are no numbers: {reason}", remedy="Give floats, NaN for missing") from reason
    if values.ndim != 3 or 0 in values.shape[1:]:
        raise SeriesShapeError(
            f"series have shape {values.shape}", remedy="Give an array (samples, steps, channels), NaN for missing"
        )
    return values


def check_training(
    series: Any, labels: Sequence[Any], places: Sequence[Any] | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray | None]:
    """Series float64 (n, steps, channels), sorted classes (k,) str, class numbers int64 (n,), place numbers or None.

    Raises
    ------
    SeriesShapeError, SeriesWithoutValueError, LengthMismatchError, InvalidLabelsError
        See there; rows are named.
    TooFewClassesError
        Fewer than two classes.
    SmallClassError
        A class with fewer than three samples.
    """
    values = check_dimensions(series)
    names = check_labels(values, labels)
    classes, label, counts = np.unique(names, return_inverse=True, return_counts=True)
    few = f"the classes are {', '.join(classes) or 'none'}"
    check_class_counts(classes, counts, learner="An encoder", few=few)
    place = None
    if places is not None:
        if len(places) != len(values):
            raise LengthMismatchError(f"{len(values)} series but {len(places)} places")
        place = np.unique([str(p) for p in places], return_inverse=True)[1]
    return values, classes, label.astype(np.int64), place


def check_labels(values: np.ndarray, labels: Sequence[Any]) -> np.ndarray:
    """Labels of the series as str (n,); errors as in `check_training`."""
    if len(labels) != len(values):
        raise LengthMismatchError(f"{len(values)} series but {len(labels)} labels")
    absent = [
        i for i, name in enumerate(labels) if name is None or name == "" or name != name
    ]  # NaN differs from itself
    if absent:
        raise InvalidLabelsError(f"{len(absent)} series have no label", where=f"rows {listed(absent)}")
    empty = np.flatnonzero(~np.isfinite(values).any(axis=(1, 2))).tolist()
    if empty:
        raise SeriesWithoutValueError(
            f"{len(empty)} training series have no value at all", where=f"rows {listed(empty)}", remedy="Leave them out"
        )
    return np.array([str(name) for name in labels], dtype=str)


def class_numbers(names: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Positions of labels in `classes`, int64.

    Raises
    ------
    UnknownCropCodeError
        A label that is not among them.
    """
    unknown = sorted(set(names.tolist()) - set(classes.tolist()))
    if unknown:
        raise UnknownCropCodeError(
            f"the encoder doesn't know {', '.join(unknown)}",
            remedy=f"It knows {', '.join(classes)}; fit it anew for others, on its own weights if wanted (start)",
        )
    return np.searchsorted(classes, names).astype(np.int64)


def hold_out_places(label: np.ndarray, place: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Which samples are held out, bool (n,): whole places, about `share` of each class, never all of one.

    Places are looked at in random order and taken while that brings classes nearer to their share than beyond it. A class
    that is at one place stays with the training samples; where nothing can be taken all are False.
    """
    places, classes = int(place.max()) + 1, int(label.max()) + 1
    inside = np.zeros((places, classes), dtype=np.int64)
    np.add.at(inside, (place, label), 1)
    total = inside.sum(axis=0)
    wanted, held = share * total, np.zeros(classes)
    taken = np.zeros(places, dtype=bool)
    for p in np.random.default_rng(seed).permutation(places):
        gain = np.minimum(inside[p], np.maximum(wanted - held, 0.0)).sum()
        if 2 * gain > inside[p].sum() and (held + inside[p] < total).all():
            taken[p] = True
            held += inside[p]
    return np.asarray(taken[place])
