"""Grouped permutation importance on blocks held out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from agristat_platform.classification.errors import InvalidSettingsError
from agristat_platform.classification.fitting import EnsembleSettings
from agristat_platform.classification.held_out_losses import (
    FoldModel,
    comparing_weights,
    fold_models,
    log_losses,
    mean_over_blocks,
)
from agristat_platform.classification.training_sets import TrainingSet

FEATURE_GROUPS_SCHEMA = pa.schema(
    [
        pa.field("rank", pa.int32(), nullable=False),
        pa.field("group", pa.string(), nullable=False),
        pa.field("features", pa.int32(), nullable=False),
        pa.field("importance", pa.float64(), metadata={"meaning": "increase of the log loss"}),
        pa.field("standard_error", pa.float64()),
        pa.field("accuracy_drop", pa.float64()),
        pa.field("accuracy_drop_error", pa.float64()),
    ]
)


def grouped_importance(
    training_set: TrainingSet,
    groups: Mapping[str, Sequence[int]],
    settings: EnsembleSettings | None = None,
    *,
    folds: int = 5,
    repeats: int = 5,
    seed: int = 0,
) -> pa.Table:
    """What samples held out lose when the columns of a group are permuted among them, all columns alike.

    Permutation importance (Breiman 2001, Machine Learning 45), by groups (Gregorutti, Michel and Saint-Pierre 2015,
    Computational Statistics and Data Analysis 90): dates of one index stand in for each other, so that each of them
    alone seems unimportant. Groups can still stand in for each other; `select_features` deals with that.

    Parameters
    ----------
    training_set:
        Samples with blocks; each is judged by a model without its block.
    groups:
        Columns by group, from `feature_groups`; they may overlap and need not name every column.
    settings:
        Of the ensemble; None for the defaults.
    folds, repeats, seed:
        Folds of whole blocks, permutations of each group in each fold, and what both follow from.

    Returns
    -------
    Table
        `FEATURE_GROUPS_SCHEMA`, most important first. `importance` is the mean increase of the log loss, samples weighted
        as in `held_out_losses.comparing_weights`; `accuracy_drop` that of the share of wrong answers, unweighted.
        Standard errors are over blocks; what other folds, models and permutations would give is not in them. Null where a
        group has no value in any training sample.

    Raises
    ------
    InvalidSettingsError
        No repeat.
    TooFewClassesError, SmallClassError, TooFewBlocksError, FeatureMismatchError
        See `held_out_losses.fold_models` and `CropEnsemble.fit`.
    """
    if repeats < 1:
        raise InvalidSettingsError(f"repeats is {repeats}, it must be at least 1", where="grouped importance")
    models = fold_models(training_set, settings or EnsembleSettings(), folds=folds, seed=seed)
    weight = comparing_weights(training_set)
    found = np.isfinite(training_set.X).any(axis=0)
    rows = []
    for number, (group, columns) in enumerate(groups.items()):
        row: dict[str, Any] = {"group": group, "features": len(columns)}
        if found[list(columns)].any():
            losses, wrong = _increase(
                training_set, models, list(columns), repeats, np.random.SeedSequence([seed, number])
            )
            importance = mean_over_blocks(losses, weight, training_set.groups)
            drop = mean_over_blocks(wrong, np.ones(len(weight)), training_set.groups)
            row |= {"importance": importance.value, "standard_error": _known(importance.standard_error)}
            row |= {"accuracy_drop": drop.value, "accuracy_drop_error": _known(drop.standard_error)}
        rows.append(row)
    rows.sort(key=lambda row: (row.get("importance") is None, -(row.get("importance") or 0.0)))
    ranked = [{"rank": rank, **row} for rank, row in enumerate(rows, start=1)]
    return pa.Table.from_pylist(ranked, schema=FEATURE_GROUPS_SCHEMA)


def _increase(
    training_set: TrainingSet, models: list[FoldModel], columns: list[int], repeats: int, seeds: np.random.SeedSequence
) -> tuple[np.ndarray, np.ndarray]:
    """Increase of log loss and of being wrong by sample (n,), mean over repeats; NaN for a crop the model doesn't know."""
    losses = np.full(len(training_set.y), np.nan)
    wrong = np.full(len(training_set.y), np.nan)
    random = np.random.default_rng(seeds)
    for model, held_out in models:
        X, y = training_set.X[held_out], training_set.y[held_out]
        shuffled = np.tile(X, (repeats, 1))
        for repeat in range(repeats):
            own = slice(repeat * len(X), (repeat + 1) * len(X))
            shuffled[own, columns] = X[random.permutation(len(X))][:, columns]
        before, after = model.predict_proba(X), model.predict_proba(shuffled)
        repeated = np.tile(y, repeats)
        increase = log_losses(after, model.classes_, repeated).reshape(repeats, -1).mean(axis=0)
        losses[held_out] = increase - log_losses(before, model.classes_, y)
        right_after = (model.classes_[after.argmax(axis=1)] == repeated).reshape(repeats, -1).mean(axis=0)
        wrong[held_out] = (model.classes_[before.argmax(axis=1)] == y) - right_after
    return losses, wrong


def _known(value: float) -> float | None:
    return None if np.isnan(value) else value
