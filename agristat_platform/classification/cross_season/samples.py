"""What recognition is given, checked: series, labels, seasons and places become arrays the models can take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from agristat_platform.classification.class_counts import LEAST_SAMPLES as LEAST_SAMPLES
from agristat_platform.classification.class_counts import check_class_counts
from agristat_platform.classification.cross_season.curves import fill_gaps
from agristat_platform.classification.cross_season.members import Curves
from agristat_platform.classification.cross_season.priors import steady_shares
from agristat_platform.classification.errors import (
    FeatureMismatchError,
    InvalidLabelsError,
    InvalidSeasonsError,
    InvalidSharesError,
    LengthMismatchError,
    NoTrainingSamplesError,
    UnknownCropCodeError,
)
from agristat_platform.classification.labels import listed


@dataclass(frozen=True)
class Samples:
    """Training samples that can be used, in the order given.

    Attributes
    ----------
    curves:
        Series without gaps.
    classes:
        Sorted labels, str (k,).
    label:
        int64 (n,), position in `classes`.
    season:
        int64 (n,), 0 for the earliest.
    season_names:
        Keys of the seasons, earliest first.
    place:
        int64 (n,), number of the sample's place.
    places_given:
        Whether places were given; otherwise each sample is a place of its own.
    rows:
        int64 (n,), positions of these samples among those given.
    dropped:
        Samples left out by reason.
    """

    curves: Curves
    classes: np.ndarray
    label: np.ndarray
    season: np.ndarray
    season_names: tuple[Any, ...]
    place: np.ndarray
    places_given: bool
    rows: np.ndarray
    dropped: dict[str, int]

    def __len__(self) -> int:
        return len(self.label)

    @property
    def shares(self) -> np.ndarray:
        """Share of each class among the samples, float64 (k,)."""
        return np.bincount(self.label, minlength=len(self.classes)) / len(self)

    @property
    def steady_shares(self) -> np.ndarray:
        """Shares that members fitted on all samples are taken to answer for (`priors.steady_shares`), float64 (k,)."""
        return steady_shares(np.bincount(self.label, minlength=len(self.classes)))


def check_samples(series: Any, labels: Sequence[Any], seasons: Sequence[Any], places: Sequence[Any] | None) -> Samples:
    """Check training samples, and drop (with a count) those that say nothing or contradict each other.

    Dropped are samples without a single value, repetitions (the same values, season and label) and conflicts (the same
    values and season under different labels: one of them is wrong and nothing says which).

    Raises
    ------
    LengthMismatchError, FeatureMismatchError
        Numbers of samples differ; `series` isn't (n, steps ≥ 2, features ≥ 1), or a feature has no value at all.
    InvalidLabelsError
        A label is missing.
    InvalidSeasonsError
        No seasons, a season is missing, or they can't be sorted.
    NoTrainingSamplesError, TooFewClassesError, SmallClassError
        Nothing is left, fewer than two classes, or a class with fewer than three samples.
    """
    values = as_series(series, "the training series")
    if seasons is None or len(seasons) == 0:
        raise InvalidSeasonsError("no seasons are given", remedy="Give the season of each labelled sample")
    for name, given in (("labels", labels), ("seasons", seasons), ("places", places)):
        if given is not None and len(given) != len(values):
            raise LengthMismatchError(f"{len(values)} training series but {len(given)} {name}")
    unlabelled = [i for i, label in enumerate(labels) if _absent(label)]
    if unlabelled:
        raise InvalidLabelsError(
            f"{len(unlabelled)} samples have no label", where=f"rows {listed(unlabelled)}", remedy="Leave them out"
        )
    names = np.array([str(label) for label in labels])
    season_names, season = _seasons(seasons)
    reason = _reasons(values, names, season)
    kept = np.array([r is None for r in reason], dtype=bool)
    dropped: dict[str, int] = {
        what: reason.count(what) for what in ("no_value", "repeated", "conflicting") if what in reason
    }
    if not kept.any():
        raise NoTrainingSamplesError(f"none of {len(values)} training samples can be used: {dropped}")
    empty = np.flatnonzero(~np.isfinite(values[kept]).any(axis=(0, 1)))
    if len(empty):
        raise FeatureMismatchError(
            "features have no value in any training sample",
            where=f"features {listed(empty.tolist())}",
            remedy="Leave them out",
        )
    classes, label = np.unique(names[kept], return_inverse=True)
    check_class_counts(
        classes,
        np.bincount(label),
        learner="Recognition",
        few=f"the only class is {classes[0]}",
        told=f"; dropped before: {dropped}" if dropped else "",
    )
    filled, support = fill_gaps(values[kept])
    place = np.arange(len(values)) if places is None else np.unique([str(p) for p in places], return_inverse=True)[1]
    return Samples(
        Curves(filled, support),
        classes,
        label,
        season[kept],
        season_names,
        place[kept],
        places is not None,
        np.flatnonzero(kept),
        dropped,
    )


def as_series(series: Any, what: str, *, keep_single: bool = False) -> np.ndarray:
    """`series` as float64 (n, steps, features), NaN = missing; with `keep_single` float32 ones as they are, uncopied.

    Raises
    ------
    FeatureMismatchError
        It has other dimensions, fewer than two steps, no feature, or an infinite value.
    """
    single = keep_single and getattr(series, "dtype", None) == np.float32
    values = np.asarray(series) if single else np.asarray(series, dtype=np.float64)
    if values.ndim != 3 or values.shape[1] < 2 or values.shape[2] < 1:
        raise FeatureMismatchError(
            f"{what} have shape {values.shape}", remedy="Give (samples, at least 2 steps, at least 1 feature)"
        )
    if np.isinf(values).any():
        rows = np.flatnonzero(np.isinf(values).any(axis=(1, 2)))
        raise FeatureMismatchError(
            f"{what} hold infinite values", where=f"rows {listed(rows.tolist())}", remedy="Write missing values as NaN"
        )
    return values


def check_target(target_series: Any, samples: Samples, target_places: Sequence[Any] | None) -> np.ndarray:
    """The target's series as float64 (m, steps, features), or float32 as given: a chunk at a time is made float64 later.

    Raises
    ------
    FeatureMismatchError, LengthMismatchError
        Steps or features differ from the training series', or places from the series in number.
    """
    values = as_series(target_series, "the target series", keep_single=True)
    expected = samples.curves.values.shape[1:]
    if values.shape[1:] != expected:
        raise FeatureMismatchError(
            f"the target series have {values.shape[1]} steps × {values.shape[2]} features, "
            f"the training series {expected[0]} × {expected[1]}",
            remedy="Bring both to the same grid and the same features, in the same order",
        )
    if target_places is not None and len(target_places) != len(values):
        raise LengthMismatchError(f"{len(values)} target series but {len(target_places)} target_places")
    return values


def check_shares(target_shares: Mapping[str, float] | None, classes: np.ndarray) -> np.ndarray | None:
    """Shares of the target season in the order of `classes`; a class that isn't named has none.

    Raises
    ------
    UnknownCropCodeError
        A class that the training samples don't have.
    InvalidSharesError
        A share is negative or no number, or they don't sum to 1 within 0.01.
    """
    if target_shares is None:
        return None
    unknown = sorted(set(map(str, target_shares)) - set(classes.tolist()))
    if unknown:
        raise UnknownCropCodeError(
            f"target_shares name {', '.join(unknown)}, of which there is no training sample",
            remedy=f"The training samples have {', '.join(classes)}",
        )
    by_name = {str(name): float(share) for name, share in target_shares.items()}
    shares = np.array([by_name.get(name, 0.0) for name in classes.tolist()])
    if not np.isfinite(shares).all() or shares.min() < 0 or abs(shares.sum() - 1) > 0.01:
        raise InvalidSharesError(
            f"target_shares are {by_name}", remedy="Give shares between 0 and 1 that sum to 1, one for each class"
        )
    return shares / shares.sum()


def _absent(value: Any) -> bool:
    return value is None or value == "" or (isinstance(value, float | np.floating) and bool(np.isnan(value)))


def _seasons(seasons: Sequence[Any]) -> tuple[tuple[Any, ...], np.ndarray]:
    keys = [key.item() if isinstance(key, np.generic) else key for key in seasons]
    missing = [i for i, key in enumerate(keys) if _absent(key)]
    if missing:
        raise InvalidSeasonsError(f"{len(missing)} samples have no season", where=f"rows {listed(missing)}")
    try:
        names = tuple(sorted(set(keys)))
    except TypeError as error:
        kinds = sorted({type(key).__name__ for key in keys})
        raise InvalidSeasonsError(
            f"seasons can't be put in order: they are {' and '.join(kinds)}", remedy="Give keys of one kind"
        ) from error
    number = {name: i for i, name in enumerate(names)}
    return names, np.array([number[key] for key in keys], dtype=np.int64)


def _reasons(values: np.ndarray, names: np.ndarray, season: np.ndarray) -> list[str | None]:
    """Why each sample is left out; None where it is kept."""
    labels_of: dict[tuple[int, bytes], set[str]] = {}
    keys = [(int(s), np.ascontiguousarray(v).tobytes()) for s, v in zip(season, values, strict=True)]
    for key, name in zip(keys, names.tolist(), strict=True):
        labels_of.setdefault(key, set()).add(name)
    seen: set[tuple[int, bytes]] = set()
    reasons: list[str | None] = []
    for key, some_value in zip(keys, np.isfinite(values).any(axis=(1, 2)), strict=True):
        if not some_value:
            reasons.append("no_value")
        elif len(labels_of[key]) > 1:
            reasons.append("conflicting")
        else:
            reasons.append("repeated" if key in seen else None)
            seen.add(key)
    return reasons
