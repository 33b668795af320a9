"""Reviewed parcels of the target season: a few labels of the very season, which teach beside those of past seasons.

The parcels are those of a learning queue, chosen because they are doubtful and balanced over classes. They are no probability
sample, so that shares of classes aren't estimated from them as from one (`shares_after_review`).

Not here: which parcels to review (`review.learning_queue`), and whether they are used, and how (`reviewed_gate`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from agristat_platform.classification.cross_season.curves import fill_gaps
from agristat_platform.classification.cross_season.errors import InvalidReviewsError
from agristat_platform.classification.cross_season.judging import moved
from agristat_platform.classification.cross_season.members import Bags, Curves, MemberSettings, fit_bags
from agristat_platform.classification.cross_season.priors import adjusted
from agristat_platform.classification.cross_season.samples import Samples, as_series
from agristat_platform.classification.errors import (
    FeatureMismatchError,
    InvalidLabelsError,
    InvalidSampleWeightError,
    LengthMismatchError,
)
from agristat_platform.classification.labels import listed

SHARES_OF_WEIGHT = {"weighted": 0.2, "heavily_weighted": 0.45}  # of reviewed parcels in all that members learn from


@dataclass(frozen=True)
class Reviewed:
    """Reviewed parcels that can be used.

    Attributes
    ----------
    curves:
        Their series without gaps.
    label:
        int64 (r,), position in `classes`.
    weight:
        float64 (r,), mean 1.
    rows:
        int64 (r,), row of the target series, −1 where the parcel came with a series of its own.
    classes:
        Sorted labels, str: those of the past seasons' samples and those that reviewers add.
    added:
        Classes that past seasons don't have.
    dropped:
        Reviews left out by reason.
    """

    curves: Curves
    label: np.ndarray
    weight: np.ndarray
    rows: np.ndarray
    classes: np.ndarray
    added: tuple[str, ...]
    dropped: dict[str, int]

    def __len__(self) -> int:
        return len(self.label)

    def some(self, index: np.ndarray) -> Reviewed:
        return replace(
            self,
            curves=self.curves.rows(index),
            label=self.label[index],
            weight=self.weight[index],
            rows=self.rows[index],
        )

    def at(self, number: float) -> Reviewed:
        """The same parcels read at a shift, as the target is (`judging.moved`)."""
        return replace(self, curves=moved(self.curves, number))


@dataclass(frozen=True)
class Retaught:
    """Members that have learned from past seasons and reviewed parcels, for `classes` classes.

    `present`: class numbers that they give probabilities of; `shares` (classes,): weight of each class among what they
    learned from; `reviewed` (classes,): reviewed parcels of each class.
    """

    members: Bags
    present: np.ndarray
    shares: np.ndarray
    reviewed: np.ndarray

    def probabilities(self, curves: Curves) -> np.ndarray:
        """Of each member, float64 (members, n, classes), 0 for a class that wasn't there."""
        said = self.members.probabilities(curves)
        full = np.zeros((*said.shape[:2], len(self.shares)))
        full[:, :, self.present] = said
        return full


def check_reviewed(reviewed: tuple[Any, ...] | None, samples: Samples, target: np.ndarray) -> Reviewed | None:
    """Check reviews, and drop (with a count) those that say nothing or contradict each other.

    Dropped are parcels without a single value, of no weight, reviewed twice with one label (one of them), and contradicting
    reviews: one parcel under several labels, all of them. A label that past seasons don't have adds a class, however few its
    parcels: that a reviewer saw it is knowledge, even where nothing could judge how well it is recognised.

    Parameters
    ----------
    reviewed:
        (series (r, steps, features) or rows of `target` (r,), labels (r,)) and, if not alike, weights (r,).
    target:
        (m, steps, features), NaN = missing.

    Raises
    ------
    InvalidReviewsError
        `reviewed` isn't such a tuple, or rows aren't of the target.
    FeatureMismatchError, LengthMismatchError, InvalidLabelsError, InvalidSampleWeightError
        Other steps or features, numbers that differ, a missing label, weights that are negative or no numbers.
    """
    if reviewed is None:
        return None
    if not isinstance(reviewed, tuple) or len(reviewed) not in (2, 3):
        raise InvalidReviewsError("reviewed is no pair", remedy="Give (rows or series, labels) or (…, labels, weights)")
    series, rows = _series(reviewed[0], target)
    labels = list(reviewed[1])
    weights = np.ones(len(series)) if len(reviewed) == 2 else np.asarray(reviewed[2], dtype=np.float64)
    for what, number in (("labels", len(labels)), ("weights", weights.size)):
        if number != len(series):
            raise LengthMismatchError(f"{len(series)} reviewed parcels but {number} {what}", where="reviewed")
    missing = [i for i, label in enumerate(labels) if label is None or label == "" or label != label]
    if missing:
        raise InvalidLabelsError(
            f"{len(missing)} reviewed parcels have no label",
            where=f"parcels {listed(missing)}",
            remedy="Leave out what reviewers couldn't name",
        )
    if not (np.isfinite(weights) & (weights >= 0)).all():
        bad = np.flatnonzero(~(np.isfinite(weights) & (weights >= 0))).tolist()
        raise InvalidSampleWeightError("weights of reviewed parcels are negative or no numbers", where=listed(bad))
    names = np.array([str(label) for label in labels], dtype=str)
    kept, dropped = _usable(series, rows, names, weights)
    classes = np.unique(np.concatenate([samples.classes, names[kept]]))
    filled, support = fill_gaps(series[kept]) if len(kept) else (series[kept], np.zeros((0, series.shape[1])))
    weight = weights[kept]
    return Reviewed(
        Curves(filled, support),
        np.searchsorted(classes, names[kept]),
        weight / weight.mean() if len(kept) else weight,
        rows[kept],
        classes,
        tuple(sorted(set(names[kept].tolist()) - set(samples.classes.tolist()))),
        dropped,
    )


def reteach(
    curves: Curves,
    label: np.ndarray,
    place: np.ndarray,
    reviewed: Reviewed,
    *,
    share: float,
    amplitude: float,
    settings: MemberSettings,
    seed: int,
) -> Retaught:
    """Fit members on past seasons' curves and on reviewed parcels, these repeated so that they have `share` of the weight.

    Repetition stands for weight, and gives each repetition warped copies of its own. A parcel is repeated at least once.

    Parameters
    ----------
    curves, label, place:
        Past samples, their class numbers in `reviewed.classes`, and places.
    share:
        Of the reviewed parcels in all, 0 to 1.
    """
    times = share / (1.0 - share) * len(label) / max(len(reviewed), 1)
    again = np.repeat(np.arange(len(reviewed)), np.maximum(np.rint(times * reviewed.weight), 1).astype(np.int64))
    together = Curves(
        np.concatenate([curves.values, reviewed.curves.values[again]]),
        np.concatenate([curves.support, reviewed.curves.support[again]]),
    )
    every = np.concatenate([label, reviewed.label[again]])
    # Each reviewed parcel is a place of its own, so that its repetitions are never on both sides of a fold.
    places = np.concatenate([place, place.max() + 1 + again])
    present, own = np.unique(every, return_inverse=True)
    members = fit_bags(together, own, places, amplitude=amplitude, settings=settings, seed=seed)
    number = len(reviewed.classes)
    shares = np.bincount(every, minlength=number) / len(every)
    return Retaught(members, present, shares, np.bincount(reviewed.label, minlength=number))


def widened(probabilities: np.ndarray, classes: np.ndarray, wider: np.ndarray) -> np.ndarray:
    """Probabilities or shares (…, classes) for more classes, `wider` sorted like `classes`; what is new has 0."""
    full = np.zeros((*probabilities.shape[:-1], len(wider)))
    full[..., np.searchsorted(wider, classes)] = probabilities
    return full


def shares_after_review(taught: np.ndarray, reviewed: np.ndarray, given: np.ndarray | None) -> np.ndarray:
    """Shares that answers after a review assume: those given, else proportional to √(reviewed parcels of the class + 1).

    The queue is balanced over classes as they were named before, and lies where classes meet. What reviewers found there
    says how the classes' shares differ from equal ones, but only part of it, as it is no probability sample: the root takes
    half of it, and one parcel more of each class keeps those alive that the queue happens to lack. An estimate from the
    target's own probabilities, which serves without reviews, was worse on held-out blocks and simulated seasons.

    Parameters
    ----------
    taught, reviewed:
        (classes,) weight of each class in what was learned from, and its reviewed parcels; a class of no weight has no share.
    """
    if given is not None:
        return given
    shares = np.sqrt(reviewed + 1.0) * (taught > 0)
    return np.asarray(shares / shares.sum())


def answered(voted: np.ndarray, retaught: Retaught, given: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Answers of retaught members, (n, classes), from their vote, and the shares that they assume."""
    shares = shares_after_review(retaught.shares, retaught.reviewed, given)
    return adjusted(voted, retaught.shares, shares), shares


def _series(given: Any, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    values = np.asarray(given)
    if values.ndim == 1 and (np.issubdtype(values.dtype, np.integer) or not len(values)):
        rows = values.astype(np.int64)
        outside = rows[(rows < 0) | (rows >= len(target))]
        if len(outside):
            raise InvalidReviewsError(
                f"reviewed rows are not of the {len(target)} target series",
                where=f"rows {listed(outside.tolist())}",
                remedy="Count rows of target_series from 0",
            )
        return target[rows], rows
    if values.ndim != 3:
        raise InvalidReviewsError(
            f"reviewed parcels have shape {values.shape} and type {values.dtype}",
            remedy="Give whole numbers, rows of target_series, or series (parcels, steps, features)",
        )
    series = as_series(given, "the reviewed series")
    if series.shape[1:] != target.shape[1:]:
        raise FeatureMismatchError(
            f"the reviewed series have {series.shape[1:]} steps and features, the target series {target.shape[1:]}",
            remedy="Bring both to the same grid and the same features, in the same order",
        )
    return series, np.full(len(series), -1, dtype=np.int64)


def _usable(
    series: np.ndarray, rows: np.ndarray, names: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, dict[str, int]]:
    """Positions of the reviews to use, and how many are dropped by reason."""
    keys = [int(r) if r >= 0 else np.ascontiguousarray(s).tobytes() for r, s in zip(rows, series, strict=True)]
    labels: dict[Any, set[str]] = {}
    for key, name in zip(keys, names.tolist(), strict=True):
        labels.setdefault(key, set()).add(name)
    seen: set[Any] = set()
    kept: list[int] = []
    dropped: dict[str, int] = {}
    for i, key in enumerate(keys):
        reason = None
        if not np.isfinite(series[i]).any():
            reason = "review_no_value"
        elif len(labels[key]) > 1:
            reason = "review_conflicting"
        elif weights[i] == 0:
            reason = "review_no_weight"
        elif key in seen:
            reason = "review_repeated"
        if reason is None:
            seen.add(key)
            kept.append(i)
        else:
            dropped[reason] = dropped.get(reason, 0) + 1
    return np.array(kept, dtype=np.int64), dropped
