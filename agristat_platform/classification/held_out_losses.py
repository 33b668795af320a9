"""Log losses of samples by models that had not seen their block, and how sure their mean is.

Feature selection and tuning compare by these: a proper score tells models apart with fewer labels than counts of right
answers do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from agristat_platform.classification.ensemble import CropEnsemble
from agristat_platform.classification.errors import SmallClassError, TooFewClassesError
from agristat_platform.classification.fitting import EnsembleSettings, class_weights
from agristat_platform.classification.folds import blocked_folds
from agristat_platform.classification.labels import listed
from agristat_platform.classification.training_sets import TrainingSet

LEAST_PROBABILITY = 1e-3
"""Probabilities below count as this: one sample must not decide a comparison."""


class FoldModel(NamedTuple):
    """A model without the blocks of a fold, and the rows (indices) it is judged on."""

    model: CropEnsemble
    held_out: np.ndarray


class Mean(NamedTuple):
    """A weighted mean and its standard error."""

    value: float
    standard_error: float


def check_classes(y: np.ndarray) -> None:
    """Refuse labels that can't be both taught and judged.

    Raises
    ------
    TooFewClassesError
        One crop, or none.
    SmallClassError
        A crop (named) with one sample.
    """
    classes, counts = np.unique(y, return_counts=True)
    if len(classes) < 2:
        raise TooFewClassesError(
            f"training labels name {listed(classes) or 'no crop'} only",
            remedy="A classifier needs labels of at least two crops",
        )
    small = [f"{code} ({count})" for code, count in zip(classes, counts, strict=True) if count < 2]
    if small:
        raise SmallClassError(
            f"crops with fewer than 2 samples can't be cross-validated: {listed(small)}",
            remedy="Collect more labels of these crops, or leave them out",
        )


def fit_without(training_set: TrainingSet, outside: np.ndarray, settings: EnsembleSettings, fold: int) -> CropEnsemble:
    """The ensemble fitted on the samples outside a fold's mask (n,).

    Raises
    ------
    TooFewClassesError
        Fewer than two crops are left, the fold named.
    """
    inside = training_set.subset(~outside)
    if len(set(inside.y)) < 2:
        raise TooFewClassesError(
            f"without fold {fold} only {listed(sorted(set(inside.y)))} is left to train on",
            remedy="Use more folds, or smaller blocks",
        )
    # A crop may come down to one sample inside a fold; what is too small was said about all samples together.
    model = CropEnsemble(replace(settings, min_class_samples=1))
    return model.fit(inside.X, inside.y, inside.weights, inside.groups, inside.feature_names)


def fold_models(training_set: TrainingSet, settings: EnsembleSettings, *, folds: int, seed: int) -> list[FoldModel]:
    """One model a fold of whole blocks, fitted without it.

    Raises
    ------
    TooFewClassesError, SmallClassError, TooFewBlocksError
        See `check_classes`, `fit_without` and `folds.blocked_folds`.
    """
    check_classes(training_set.y)
    fold = blocked_folds(training_set.y, training_set.groups, folds=folds, seed=seed)
    return [
        FoldModel(fit_without(training_set, fold == k, settings, k), np.flatnonzero(fold == k)) for k in range(folds)
    ]


def log_losses(probabilities: np.ndarray, classes: Sequence[str] | np.ndarray, y: np.ndarray) -> np.ndarray:
    """−log of the probability (n, k) of each sample's own crop, float64 (n,); NaN for a crop that isn't in `classes`."""
    position = {str(code): j for j, code in enumerate(classes)}
    column = np.array([position.get(str(code), -1) for code in y], dtype=np.int64)
    own = probabilities[np.arange(len(y)), np.maximum(column, 0)]
    return np.asarray(np.where(column < 0, np.nan, -np.log(np.maximum(own, LEAST_PROBABILITY))))


def comparing_weights(training_set: TrainingSet) -> np.ndarray:
    """Weights (n,) of samples in comparisons: their own times (n / (K n_k))^½ of their crop, of mean 1."""
    return class_weights(training_set.y, training_set.weights, 0.5)


def mean_over_blocks(values: np.ndarray, weight: np.ndarray, groups: np.ndarray) -> Mean:
    """Weighted mean of values (n,), NaN left out, with its standard error by linearisation over blocks (groups, (n,)).

    Samples of one block resemble each other, so the blocks are what varies. The error is NaN with fewer than two blocks.
    """
    known = np.isfinite(values) & (weight > 0)
    if not known.any():
        return Mean(float("nan"), float("nan"))
    value = float(np.average(values[known], weights=weight[known]))
    blocks, index = np.unique(groups[known], return_inverse=True)
    if len(blocks) < 2:
        return Mean(value, float("nan"))
    scores = np.bincount(index, weights=weight[known] * (values[known] - value))
    variance = len(blocks) / (len(blocks) - 1) * np.sum(scores**2) / np.sum(weight[known]) ** 2
    return Mean(value, float(np.sqrt(variance)))
