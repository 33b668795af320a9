"""Choosing feature groups: the fewest that do as well as the best set, judged on blocks held out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from agristat_platform.classification.errors import FeatureMismatchError
from agristat_platform.classification.fitting import EnsembleSettings
from agristat_platform.classification.held_out_losses import (
    comparing_weights,
    fold_models,
    log_losses,
    mean_over_blocks,
)
from agristat_platform.classification.selection.importance import grouped_importance
from agristat_platform.classification.training_sets import TrainingSet

SELECTION_STEPS_SCHEMA = pa.schema(
    [
        pa.field("groups", pa.int32(), nullable=False),
        pa.field("features", pa.int32(), nullable=False),
        pa.field("log_loss", pa.float64(), nullable=False),
        pa.field("worse_than_best", pa.float64(), nullable=False),
        pa.field("standard_error", pa.float64()),
        pa.field("chosen", pa.bool_(), nullable=False),
    ]
)


@dataclass(frozen=True)
class Selection:
    """Chosen features and what the choice rests on.

    Attributes
    ----------
    names:
        Chosen columns, in the training set's order.
    groups:
        Chosen groups, most important first.
    importance:
        `importance.FEATURE_GROUPS_SCHEMA` of all groups.
    steps:
        The nested sets that were compared (`SELECTION_STEPS_SCHEMA`).
    """

    names: tuple[str, ...]
    groups: tuple[str, ...]
    importance: pa.Table
    steps: pa.Table

    def of(self, training_set: TrainingSet) -> TrainingSet:
        """The training set with the chosen columns only."""
        position = {name: j for j, name in enumerate(training_set.feature_names)}
        return with_columns(training_set, [position[name] for name in self.names])


def with_columns(training_set: TrainingSet, columns: Sequence[int]) -> TrainingSet:
    """The training set with these columns of X only, in this order."""
    chosen = list(columns)
    names = tuple(training_set.feature_names[j] for j in chosen)
    return replace(training_set, X=np.ascontiguousarray(training_set.X[:, chosen]), feature_names=names)


def select_features(
    training_set: TrainingSet,
    groups: Mapping[str, Sequence[int]],
    settings: EnsembleSettings | None = None,
    *,
    folds: int = 3,
    repeats: int = 3,
    seed: int = 0,
) -> Selection:
    """Rank groups by permutation importance, then take the smallest leading set within one standard error of the best.

    Sets are the first 1, 2, 4, … groups and all; each is judged by models fitted on it alone, so that groups which stand
    in for each other are counted once. The standard error is of the difference to the best set, sample by sample, over
    blocks (the rule after Breiman et al. 1984, Classification and Regression Trees). Which features were chosen is part
    of the model: an honest accuracy repeats the choice without the blocks it is judged on, as `tuning` does.

    Parameters
    ----------
    training_set, groups, settings, folds, repeats, seed:
        As in `grouped_importance`.

    Raises
    ------
    FeatureMismatchError
        No group has a value.
    InvalidSettingsError, TooFewClassesError, SmallClassError, TooFewBlocksError
        See `grouped_importance`.
    """
    chosen_settings = settings or EnsembleSettings()
    importance = grouped_importance(training_set, groups, chosen_settings, folds=folds, repeats=repeats, seed=seed)
    ranked = [
        row["group"] for row in importance.select(["group", "importance"]).to_pylist() if row["importance"] is not None
    ]
    if not ranked:
        raise FeatureMismatchError(
            f"all {len(groups)} groups of features are missing in all {len(training_set.y)} training samples",
            remedy="Check that the features cover the labels' segments",
        )
    sizes = [2**k for k in range(len(ranked).bit_length()) if 2**k < len(ranked)] + [len(ranked)]
    columns = [sorted({j for group in ranked[:size] for j in groups[group]}) for size in sizes]
    losses = [_losses(with_columns(training_set, own), chosen_settings, folds, seed) for own in columns]
    weight = comparing_weights(training_set)
    means = [mean_over_blocks(loss, weight, training_set.groups).value for loss in losses]
    best = int(np.argmin(means))
    behind = [mean_over_blocks(loss - losses[best], weight, training_set.groups) for loss in losses]
    # The best set itself is within zero of itself, so there always is one.
    chosen = next(s for s, apart in enumerate(behind) if s == best or apart.value <= apart.standard_error)
    steps = [
        {
            "groups": sizes[s],
            "features": len(columns[s]),
            "log_loss": means[s],
            "worse_than_best": behind[s].value,
            "standard_error": None if np.isnan(behind[s].standard_error) else behind[s].standard_error,
            "chosen": s == chosen,
        }
        for s in range(len(sizes))
    ]
    return Selection(
        names=tuple(training_set.feature_names[j] for j in columns[chosen]),
        groups=tuple(ranked[: sizes[chosen]]),
        importance=importance,
        steps=pa.Table.from_pylist(steps, schema=SELECTION_STEPS_SCHEMA),
    )


def _losses(training_set: TrainingSet, settings: EnsembleSettings, folds: int, seed: int) -> np.ndarray:
    losses = np.full(len(training_set.y), np.nan)
    for model, held_out in fold_models(training_set, settings, folds=folds, seed=seed):
        probabilities = model.predict_proba(training_set.X[held_out])
        losses[held_out] = log_losses(probabilities, model.classes_, training_set.y[held_out])
    return losses
