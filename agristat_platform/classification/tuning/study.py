"""A study: search on the folds of a training set, the choice among its trials, and the model that the choice makes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa

from agristat_platform.catalogue import TuningSettings
from agristat_platform.classification.ensemble import CropEnsemble
from agristat_platform.classification.fitting import EnsembleSettings
from agristat_platform.classification.folds import blocked_folds
from agristat_platform.classification.held_out_losses import Mean, check_classes
from agristat_platform.classification.selection import Selection
from agristat_platform.classification.training_sets import TrainingSet
from agristat_platform.classification.tuning.candidates import Parameters, candidate_values
from agristat_platform.classification.tuning.journal import Journal
from agristat_platform.classification.tuning.judging import Judge, fingerprint, loss_difference, mean_loss
from agristat_platform.classification.tuning.search import Search, Trial, search
from agristat_platform.classification.tuning.trial_table import trial_table


@dataclass(frozen=True)
class Tuned:
    """What a study chose.

    Attributes
    ----------
    model:
        Taught by the whole training set, with the chosen settings and features.
    parameters:
        The chosen candidate (`candidates.DEFAULTS` names them).
    selection:
        Its choice of features, or None for all.
    gain:
        How much lower its log loss is than the default's on the study's folds, with standard error: too high, as the best
        of many was taken. 0 where the default stayed.
    trials:
        `trial_table.TRIALS_SCHEMA`.
    engine, stopped_by:
        What searched, and which bound ended it.
    seconds:
        Time of all fits, earlier processes' included.
    """

    model: CropEnsemble
    parameters: Parameters
    selection: Selection | None
    gain: Mean
    trials: pa.Table
    engine: Literal["optuna", "halving"]
    stopped_by: Literal["trials", "minutes"]
    seconds: float

    @property
    def settings(self) -> EnsembleSettings:
        """The chosen settings."""
        return self.model.settings or EnsembleSettings()


def tune(
    training_set: TrainingSet,
    base: EnsembleSettings | None = None,
    tuning: TuningSettings | None = None,
    *,
    seasons: np.ndarray | None = None,
    seed: int = 0,
    folder: Path | None = None,
    study: str = "model",
) -> Tuned:
    """Look for settings that do better than the default on blocks (or seasons) held out, and fit what is chosen.

    Stacking is a candidate where every fold leaves as many blocks as it needs folds of its own (`base.voting_folds`).

    Candidates are compared by their log loss on samples held out, crops weighted as in
    `held_out_losses.comparing_weights`, calibration taken out (`judging.losses_at_best_temperature`), with fewer trees and
    networks than the model that is fitted in the end. The one with the least is taken if it is better than the default by more than the
    standard error of the difference (same samples, over blocks); else the default stays: the best of many is too good by
    chance. The study's own figures are optimistic for the same reason; `nested.tuned_cross_validation` has honest ones.

    Parameters
    ----------
    training_set:
        Samples with blocks. Crops of one sample are left out of the comparisons, not of the model.
    base:
        Settings that candidates share: numbers of trees and networks, epochs, seed. None for the defaults.
    tuning:
        What may be chosen, and for how long; None for the defaults.
    seasons:
        (n,) season of each sample: folds then hold out whole seasons. None: whole blocks.
    seed:
        Of folds and search.
    folder:
        Where the journal is kept: a study that was killed goes on, and one that ended is read without a fit. None: nowhere.
    study:
        Name in the table of trials.

    Raises
    ------
    TooFewClassesError
        One crop only, once crops of one sample are left out, or outside a fold.
    TooFewBlocksError
        Fewer blocks or seasons than 2.
    FeatureMismatchError
        Every feature is missing.
    TuningJournalError
        The folder has a journal of other data, a damaged one, or one in use.
    OptunaMissingError, BoostingMissingError
        A package is asked for and not installed.
    """
    common = base or EnsembleSettings()
    wanted = tuning or TuningSettings()
    _, index, counts = np.unique(training_set.y, return_inverse=True, return_counts=True)
    compared = training_set.without_small_classes(2)
    check_classes(compared.y)
    groups = compared.groups if seasons is None else np.asarray(seasons)[counts[index] >= 2]
    folds = min(wanted.folds, max(2, len(np.unique(groups))))
    fold = blocked_folds(compared.y, groups, folds=folds, seed=seed)
    with Journal(folder, fingerprint(compared, fold, common, wanted)) as journal:
        seconds = None if wanted.minutes is None else 60 * wanted.minutes
        judge = Judge(compared, fold, common, wanted, journal, seconds)
        values = candidate_values(wanted, stack=_can_stack(groups=compared.groups, fold=fold, base=common))
        found = search(judge, values, trials=wanted.trials, seed=seed, engine=wanted.engine)
        chosen, gain = _choice(judge, found)
        model, selection = judge.fit(chosen.parameters, training_set)
        return Tuned(
            model=model,
            parameters=chosen.parameters,
            selection=selection,
            gain=gain,
            trials=trial_table(judge, found, chosen.number, study),
            engine=found.engine,
            stopped_by=found.stopped_by,
            seconds=journal.seconds,
        )


def _can_stack(*, groups: np.ndarray, fold: np.ndarray, base: EnsembleSettings) -> bool:
    """Whether what is left without a fold has blocks enough for out-of-fold votes."""
    return all(len(np.unique(groups[fold != k])) >= base.voting_folds for k in range(int(fold.max()) + 1))


def _choice(judge: Judge, found: Search) -> tuple[Trial, Mean]:
    """The best complete trial if it beats the default (the first) by more than a standard error, else the default."""
    complete = [trial for trial in found.trials if trial.state == "complete"]
    default = found.trials[0]
    if default not in complete:  # the budget ended before the default was judged on all folds
        return default, Mean(0.0, 0.0)
    best = min(complete, key=lambda trial: mean_loss(judge.known(trial.parameters)))
    gain = loss_difference(judge.known(default.parameters), judge.known(best.parameters))
    return (best, gain) if gain.value > gain.standard_error else (default, Mean(0.0, 0.0))
