"""Judging candidates: one fold at a time, from the journal where it knows, with a budget of seconds."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import asdict, replace
from typing import Any, Literal

import numpy as np
import sklearn

import agristat_platform
from agristat_platform.catalogue import TuningSettings
from agristat_platform.classification.ensemble import CropEnsemble
from agristat_platform.classification.fitting import EnsembleSettings
from agristat_platform.classification.held_out_losses import (
    LEAST_PROBABILITY,
    Mean,
    comparing_weights,
    log_losses,
)
from agristat_platform.classification.selection import Selection, feature_groups, select_features
from agristat_platform.classification.training_sets import TrainingSet
from agristat_platform.classification.tuning.candidates import (
    Parameters,
    candidate_key,
    candidate_settings,
    canonical,
)
from agristat_platform.classification.tuning.journal import FoldResult, Journal

_TRIAL_TREES, _TRIAL_NETWORKS = 100, 1
"""Members of the models that candidates are compared by, at most: a third of the default's, in a third of the time."""
_TEMPERATURES = np.exp(np.linspace(-np.log(4), np.log(4), 33))


class BudgetSpentError(Exception):
    """The minutes are used up; it ends a search and never leaves this package."""


class Judge:
    """Results of candidates on the folds of a training set.

    Parameters
    ----------
    training_set:
        Samples; every class has at least two.
    fold:
        int64 (n,): fold of each sample, 0 … folds − 1.
    base:
        What candidates have in common.
    tuning:
        What may be chosen.
    journal:
        Where results are kept.
    seconds:
        Budget, what the journal's results took included; None for none.
    """

    def __init__(
        self,
        training_set: TrainingSet,
        fold: np.ndarray,
        base: EnsembleSettings,
        tuning: TuningSettings,
        journal: Journal,
        seconds: float | None = None,
    ) -> None:
        self.training_set = training_set
        self.fold = fold
        self.folds = int(fold.max()) + 1
        self.classes = np.unique(training_set.y)
        self._base = base
        self._tuning = tuning
        self._journal = journal
        self._small = replace(base, trees=min(base.trees, _TRIAL_TREES), networks=min(base.networks, _TRIAL_NETWORKS))
        self._seconds = seconds
        self._weight = comparing_weights(training_set)
        self._selections: dict[tuple[str, int], Selection] = {}

    def result(self, parameters: Parameters, fold: int) -> FoldResult:
        """A candidate's result on a fold, fitted unless the journal has it.

        Raises
        ------
        BudgetSpentError
            The journal doesn't have it, and the budget is spent.
        """
        key = candidate_key(parameters)
        known = self._journal.results.get((key, fold))
        if known is not None:
            return known
        if self._seconds is not None and self._journal.seconds >= self._seconds:
            raise BudgetSpentError
        started = time.monotonic()
        result = self._judged(parameters, fold)
        result = replace(result, seconds=time.monotonic() - started)
        self._journal.add(key, fold, result)
        return result

    def known(self, parameters: Parameters) -> list[FoldResult]:
        """Results of a candidate that the journal has, by fold from the first, up to the first that it lacks."""
        key = candidate_key(parameters)
        results = []
        for fold in range(self.folds):
            result = self._journal.results.get((key, fold))
            if result is None:
                break
            results.append(result)
        return results

    def loss(self, parameters: Parameters, folds: int) -> float:
        """Mean log loss of a candidate on the first so many folds."""
        results = [self.result(parameters, fold) for fold in range(folds)]
        return mean_loss(results)

    def fit(self, parameters: Parameters, training_set: TrainingSet) -> tuple[CropEnsemble, Selection | None]:
        """The candidate taught by a training set, and its own choice of features."""
        selection = None
        features = canonical(parameters)["features"]
        if features != "all":
            selection = self._selection(training_set, features)
            training_set = selection.of(training_set)
        return self._fitted(parameters, training_set, self._base), selection

    def _selection(self, training_set: TrainingSet, by: Literal["statistic", "date"]) -> Selection:
        # By trees alone: a choice takes some twenty fits, and perceptrons take ten times as long.
        settings = replace(self._base, trees=min(self._base.trees, _TRIAL_TREES), networks=0, boosting="none")
        return select_features(
            training_set.without_small_classes(2),
            feature_groups(training_set.feature_names, by=by),
            replace(settings, combine="vote", voting="equal"),
            folds=min(self._tuning.folds, len(np.unique(training_set.groups))),
            seed=self._base.seed,
        )

    def _fitted(self, parameters: Parameters, training_set: TrainingSet, base: EnsembleSettings) -> CropEnsemble:
        settings = replace(candidate_settings(parameters, base, self._tuning), min_class_samples=1)
        return CropEnsemble(settings).fit(
            training_set.X, training_set.y, training_set.weights, training_set.groups, training_set.feature_names
        )

    def _judged(self, parameters: Parameters, fold: int) -> FoldResult:
        outside = np.flatnonzero(self.fold == fold)
        inside = self.training_set.subset(self.fold != fold)
        held_out = self.training_set.subset(outside)
        features = canonical(parameters)["features"]
        if features != "all":
            if (features, fold) not in self._selections:
                self._selections[features, fold] = self._selection(inside, features)
            chosen = self._selections[features, fold]
            inside, held_out = chosen.of(inside), chosen.of(held_out)
        model = self._fitted(parameters, inside, self._small)
        probabilities = model.predict_proba(held_out.X)
        losses = losses_at_best_temperature(probabilities, model.classes_, held_out.y, self._weight[outside])
        known = np.isfinite(losses)
        blocks, block = np.unique(held_out.groups, return_inverse=True)
        weight = np.where(known, self._weight[outside], 0.0)
        predicted = model.classes_[probabilities.argmax(axis=1)]
        confusion = np.zeros((len(self.classes), len(self.classes)), dtype=np.int64)
        np.add.at(confusion, (np.searchsorted(self.classes, held_out.y), np.searchsorted(self.classes, predicted)), 1)
        return FoldResult(
            losses=tuple(np.bincount(block, weight * np.where(known, losses, 0.0), len(blocks)).tolist()),
            weights=tuple(np.bincount(block, weight, len(blocks)).tolist()),
            confusion=tuple(confusion.ravel().tolist()),
            untaught=int((~known).sum()),
            features=inside.X.shape[1],
            seconds=0.0,
        )


def losses_at_best_temperature(
    probabilities: np.ndarray, classes: np.ndarray, y: np.ndarray, weight: np.ndarray
) -> np.ndarray:
    """Log losses (n,) of probabilities (n, k) raised to the one power that suits these samples best; NaN as `log_losses`.

    What is compared is how well crops are told apart. How sure the model then says it is gets calibrated later, on other
    samples, and a single number fitted to a whole fold hardly flatters anyone.
    """
    logs = np.log(np.maximum(probabilities, LEAST_PROBABILITY))
    best, least = log_losses(probabilities, classes, y), np.inf
    for temperature in _TEMPERATURES:
        odds = np.exp(logs / temperature)
        losses = log_losses(odds / odds.sum(axis=1, keepdims=True), classes, y)
        known = np.isfinite(losses)
        mean = np.average(losses[known], weights=weight[known]) if weight[known].any() else np.inf
        if mean < least:
            best, least = losses, mean
    return best


def mean_loss(results: list[FoldResult]) -> float:
    """Mean log loss over folds together."""
    return sum(sum(r.losses) for r in results) / sum(sum(r.weights) for r in results)


def loss_difference(results: list[FoldResult], others: list[FoldResult]) -> Mean:
    """How much higher the mean loss is than that of others on the same folds; standard error over blocks, paired."""
    losses = np.concatenate([r.losses for r in results]) - np.concatenate([r.losses for r in others])
    weights = np.concatenate([r.weights for r in results])
    value = float(losses.sum() / weights.sum())
    blocks = len(weights)
    if blocks < 2:
        return Mean(value, float("nan"))
    scores = losses - value * weights
    return Mean(value, float(np.sqrt(blocks / (blocks - 1) * np.sum(scores**2)) / weights.sum()))


def fingerprint(training_set: TrainingSet, fold: np.ndarray, base: EnsembleSettings, tuning: TuningSettings) -> str:
    """SHA-256 of everything that a candidate's result on a fold depends on; budget and engine are not among it."""
    settings: dict[str, Any] = {name: value for name, value in asdict(base).items() if name != "workers"}
    settings |= {"folds": tuning.folds, "boosting": tuning.boosting}
    versions = {"agristat_platform": agristat_platform.__version__, "scikit-learn": sklearn.__version__}
    names = [training_set.feature_names, training_set.y.tolist(), training_set.groups.tolist(), settings, versions]
    digest = hashlib.sha256(json.dumps(names, sort_keys=True, default=str).encode())
    for array in (training_set.X, training_set.weights, fold):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
