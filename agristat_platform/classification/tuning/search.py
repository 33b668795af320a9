"""Searching candidates: by Optuna, or by scikit-learn's successive halving, with one interface."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Literal

import numpy as np

from agristat_platform.classification.tuning.candidates import DEFAULTS, Parameters
from agristat_platform.classification.tuning.errors import OptunaMissingError
from agristat_platform.classification.tuning.judging import BudgetSpentError, Judge

_RANDOM_TRIALS = 10
"""Candidates drawn at random before the estimator has enough to go by (Optuna's own number)."""


@dataclass(frozen=True)
class Trial:
    """A candidate that was looked at: `complete` on all folds, `pruned` after some, or `unfinished` (budget spent)."""

    number: int
    parameters: Parameters
    state: Literal["complete", "pruned", "unfinished"]


@dataclass(frozen=True)
class Search:
    """What a search did: its trials in order, what it was done with, and which bound ended it."""

    trials: tuple[Trial, ...]
    engine: Literal["optuna", "halving"]
    stopped_by: Literal["trials", "minutes"]


def search(
    judge: Judge,
    values: Mapping[str, tuple[Any, ...]],
    *,
    trials: int,
    seed: int,
    engine: Literal["auto", "optuna", "halving"] = "auto",
) -> Search:
    """Look at so many candidates, the default first.

    For the same seed, number of trials and results the same candidates come in the same order; a longer search by Optuna
    begins with those of a shorter one. A judge whose budget is spent ends it.

    Raises
    ------
    OptunaMissingError
        Optuna is asked for and not installed.
    """
    installed = find_spec("optuna") is not None
    if engine == "optuna" and not installed:
        raise OptunaMissingError(
            "tuning asks for Optuna, which is not installed",
            remedy='pip install -c constraints.txt optuna, or set engine to "halving", which needs nothing more',
        )
    if engine == "halving" or not installed:
        return _by_halving(judge, values, trials, seed)
    return _by_optuna(judge, values, trials, seed)


def _by_optuna(judge: Judge, values: Mapping[str, tuple[Any, ...]], trials: int, seed: int) -> Search:
    """Tree-structured Parzen estimator (Bergstra et al. 2011, NeurIPS 24), candidates behind the median dropped by fold."""
    import optuna

    found: list[Trial] = []
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        study = optuna.create_study(
            sampler=optuna.samplers.TPESampler(seed=seed, n_startup_trials=_RANDOM_TRIALS),
            pruner=optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=0),
        )
        study.enqueue_trial({name: DEFAULTS[name] for name in values})
        for number in range(trials):
            trial = study.ask()
            parameters = {name: trial.suggest_categorical(name, choices) for name, choices in values.items()}
            try:
                loss, whole = _fold_by_fold(judge, parameters, trial)
            except BudgetSpentError:
                found.append(Trial(number, parameters, "unfinished"))
                return Search(tuple(found), "optuna", "minutes")
            study.tell(trial, loss if whole else None, state=None if whole else optuna.trial.TrialState.PRUNED)
            found.append(Trial(number, parameters, "complete" if whole else "pruned"))
    finally:
        optuna.logging.set_verbosity(verbosity)
    return Search(tuple(found), "optuna", "trials")


def _fold_by_fold(judge: Judge, parameters: Parameters, trial: Any) -> tuple[float, bool]:
    for folds in range(1, judge.folds + 1):
        loss = judge.loss(parameters, folds)
        trial.report(loss, folds)
        # The default is what all are compared with, so it is always judged whole.
        if folds < judge.folds and trial.number > 0 and trial.should_prune():
            return loss, False
    return loss, True


def _by_halving(judge: Judge, values: Mapping[str, tuple[Any, ...]], trials: int, seed: int) -> Search:
    """scikit-learn's HalvingRandomSearchCV (Jamieson and Talwalkar 2016, AISTATS) with folds as the resource.

    It brings neither journal nor budget, and its own resource is rows, which it would take through blocks. So its
    estimator looks up a candidate's loss on so many folds, and "cross-validation" is one dummy split.
    """
    from sklearn.base import BaseEstimator
    from sklearn.experimental import enable_halving_search_cv  # noqa: F401
    from sklearn.model_selection import HalvingRandomSearchCV, ParameterSampler

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # fewer combinations than trials: then all of them
        drawn = list(ParameterSampler(dict(values), n_iter=trials, random_state=seed))
    default = {name: DEFAULTS[name] for name in values}
    candidates = [default, *(own for own in drawn if own != default)][:trials]

    class LossOnFolds(BaseEstimator):
        def __init__(self, candidate: int = 0, folds: int = 1) -> None:
            self.candidate = candidate
            self.folds = folds

        def fit(self, X: np.ndarray, y: np.ndarray | None = None) -> LossOnFolds:
            return self

        def score(self, X: np.ndarray, y: np.ndarray | None = None) -> float:
            return -judge.loss(candidates[self.candidate], self.folds)

    stopped_by: Literal["trials", "minutes"] = "trials"
    nothing = np.zeros((2, 1))
    try:
        judge.loss(default, judge.folds)
        if len(candidates) > 1:
            halving = HalvingRandomSearchCV(
                LossOnFolds(),
                {"candidate": list(range(1, len(candidates)))},
                n_candidates=len(candidates) - 1,
                resource="folds",
                min_resources=1,
                max_resources=judge.folds,
                factor=3,
                cv=[([0, 1], [0, 1])],
                refit=False,
                random_state=seed,
                error_score="raise",
            ).fit(nothing)
            # A power of three rarely is the number of folds: what is left at the end is judged on the rest as well.
            last = np.asarray(halving.cv_results_["iter"]) == max(halving.cv_results_["iter"])
            for own in np.asarray(halving.cv_results_["param_candidate"])[last].tolist():
                judge.loss(candidates[own], judge.folds)
    except BudgetSpentError:
        stopped_by = "minutes"
    looked_at = [(number, own, len(judge.known(own))) for number, own in enumerate(candidates)]
    return Search(
        tuple(
            Trial(number, own, "complete" if folds == judge.folds else "pruned")
            for number, own, folds in looked_at
            if folds
        ),
        "halving",
        stopped_by,
    )
