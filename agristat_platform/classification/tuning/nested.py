"""The accuracy of a tuned model, from folds that chose nothing: the whole study is repeated without each of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from agristat_platform.catalogue import TuningSettings
from agristat_platform.classification.cross_validation import CrossValidation, cross_validate
from agristat_platform.classification.ensemble import CropEnsemble
from agristat_platform.classification.fitting import EnsembleSettings
from agristat_platform.classification.training_sets import TrainingSet
from agristat_platform.classification.tuning.study import Tuned, tune


def tuned_cross_validation(
    training_set: TrainingSet,
    base: EnsembleSettings | None = None,
    tuning: TuningSettings | None = None,
    *,
    folds: int = 5,
    seed: int = 0,
    folder: Path | None = None,
) -> tuple[CrossValidation, pa.Table]:
    """Nested cross-validation: each outer fold is predicted by a study of the other folds' blocks alone.

    It is the accuracy of looking for settings in this way (Cawley and Talbot 2010, Journal of Machine Learning Research
    11), not of the one model that is kept in the end; each study has the whole number of trials and of minutes of
    `tuning`.

    Parameters
    ----------
    training_set, base, tuning:
        As in `study.tune`.
    folds, seed:
        Outer folds of whole blocks and what they follow from, as in `cross_validate`; the seed of a study follows from
        both it and its fold.
    folder:
        Each study keeps its journal in a subfolder `without-<fold>`; None: nowhere.

    Returns
    -------
    CrossValidation, Table
        Predictions of samples by studies that had not seen their block, and the trials of all these studies
        (`trial_table.TRIALS_SCHEMA`, studies `without-<fold>`).

    Raises
    ------
    SmallClassError, TooFewBlocksError, TooFewClassesError
        As `cross_validate`, and as `tune` for what is left without a fold.
    """
    trials: list[pa.Table] = []

    def fit(inside: TrainingSet, fold: int) -> CropEnsemble:
        name = f"without-{fold}"
        own: Tuned = tune(
            inside,
            base,
            tuning,
            seed=int(np.random.SeedSequence([seed, fold]).generate_state(1)[0]),
            folder=None if folder is None else folder / name,
            study=name,
        )
        trials.append(own.trials)
        return own.model

    validation = cross_validate(training_set, base, folds=folds, seed=seed, fit=fit)
    return validation, pa.concat_tables(trials)
