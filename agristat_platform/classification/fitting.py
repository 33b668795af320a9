"""Fitting the members of the ensemble and their vote, and the arrays that are left when fitting is done."""

from __future__ import annotations

import warnings
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from agristat_platform.classification.errors import InvalidSettingsError
from agristat_platform.classification.folds import blocked_folds
from agristat_platform.classification.forest import Forest, flatten_forest
from agristat_platform.classification.network import Network, flatten_network
from agristat_platform.classification.preparation import FeaturePreparation, learn_preparation

_BATCH = 16_384  # rows prepared at once: a million segments with 200 features would need gigabytes


@dataclass(frozen=True)
class EnsembleSettings:
    """Settings of `CropEnsemble`; the defaults suit a few hundred labels and a few hundred features.

    Attributes
    ----------
    trees, max_features, min_samples_leaf:
        Of the extremely randomised trees; `max_features` as in scikit-learn.
    hidden_units, networks, weight_decay, max_epochs, batch_size, learning_rate:
        Of the perceptron; `networks` of them, with different seeds, share the perceptron's vote.
    balance:
        Exponent b in [0, 1] of the class weights (n / (K n_k))^b: 0 leaves crops as frequent as their labels, 1 makes
        all crops equally heavy. The default is the middle: full balancing over-maps rare crops.
    voting:
        Shares of trees and perceptron in the vote, or "cross_validated": chosen from steps of a tenth by the log loss
        of out-of-fold probabilities on the training samples' spatial blocks.
    voting_folds:
        Folds of that choice.
    indicator_share, clip:
        See `preparation.learn_preparation`.
    min_class_samples:
        A crop with fewer samples raises `SmallClassError`.
    seed:
        Everything random follows from it.
    workers:
        Threads that grow trees. The result doesn't depend on it.
    """

    trees: int = 300
    max_features: float | int | Literal["sqrt", "log2"] = "sqrt"
    min_samples_leaf: int = 1
    hidden_units: tuple[int, ...] = (64,)
    networks: int = 3
    weight_decay: float = 1e-2
    max_epochs: int = 80
    batch_size: int = 32
    learning_rate: float = 2e-3
    balance: float = 0.5
    voting: tuple[float, float] | Literal["cross_validated"] = (0.5, 0.5)
    voting_folds: int = 3
    indicator_share: float = 0.01
    clip: float = 5.0
    min_class_samples: int = 2
    seed: int = 0
    workers: int = 1

    def __post_init__(self) -> None:
        counts = ("trees", "networks", "max_epochs", "batch_size", "min_samples_leaf", "workers")
        faults = [
            f"{name} is {getattr(self, name)}, it must be at least 1" for name in counts if getattr(self, name) < 1
        ]
        if not 0 <= self.balance <= 1:
            faults.append(f"balance is {self.balance}, it must lie in [0, 1]")
        if self.voting != "cross_validated" and (min(self.voting) < 0 or sum(self.voting) <= 0):
            faults.append(f"voting is {self.voting}: give two non-negative shares, not both zero")
        if faults:
            raise InvalidSettingsError("; ".join(faults), where="settings of the crop ensemble")


@dataclass(frozen=True)
class FittedEnsemble:
    """Everything a fitted model needs to predict, as plain arrays; what `model_files` writes and reads."""

    classes: tuple[str, ...]
    feature_names: tuple[str, ...]
    preparation: FeaturePreparation
    forest: Forest
    networks: tuple[Network, ...]
    voting: tuple[float, float]
    importances: np.ndarray
    class_counts: tuple[int, ...]
    settings: dict[str, Any] = field(default_factory=dict)

    def votes(self, X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Class probabilities of the trees and of the perceptrons, float64 (n, classes) each."""
        trees = np.empty((len(X), len(self.classes)))
        networks = np.zeros_like(trees)
        for start in range(0, len(X), _BATCH):
            rows = slice(start, start + _BATCH)
            prepared = self.preparation.impute(X[rows])
            trees[rows] = self.forest.probabilities(prepared)
            scaled = self.preparation.scale(prepared)
            for network in self.networks:
                networks[rows] += network.probabilities(scaled)
        return trees, networks / len(self.networks)

    def probabilities(self, X: np.ndarray) -> np.ndarray:
        """Class probabilities of the vote, float64 (n, classes); rows sum to 1."""
        trees, networks = self.votes(X)
        mixed = self.voting[0] * trees + self.voting[1] * networks
        return np.asarray(mixed / mixed.sum(axis=1, keepdims=True))


def fit_members(
    X: np.ndarray, y: np.ndarray, weight: np.ndarray, names: tuple[str, ...], settings: EnsembleSettings
) -> FittedEnsemble:
    # Imported by those who fit: every process of a run loads this module, and most only predict or don't even that.
    from sklearn.ensemble import ExtraTreesClassifier

    preparation = learn_preparation(X, indicator_share=settings.indicator_share, clip=settings.clip)
    prepared = preparation.impute(X)
    classes, index, counts = np.unique(y, return_inverse=True, return_counts=True)
    weight = weight * ((len(y) / (len(classes) * counts)) ** settings.balance)[index]
    weight = weight / weight.mean()
    # One BLAS thread: with more, sums are taken in another order and the last digits depend on the machine.
    with threadpool_limits(limits=1):
        trees = ExtraTreesClassifier(
            n_estimators=settings.trees,
            max_features=settings.max_features,
            min_samples_leaf=settings.min_samples_leaf,
            random_state=settings.seed,
            n_jobs=settings.workers,
        ).fit(prepared, index, sample_weight=weight)
        scaled = preparation.scale(prepared)
        networks = tuple(_fit_network(scaled, index, weight, settings, member) for member in range(settings.networks))
        importances = np.asarray(trees.feature_importances_, dtype=np.float64)
    return FittedEnsemble(
        classes=tuple(str(code) for code in classes),
        feature_names=names,
        preparation=preparation,
        forest=flatten_forest(trees.estimators_),
        networks=networks,
        voting=(0.5, 0.5) if settings.voting == "cross_validated" else settings.voting,
        importances=importances,
        class_counts=tuple(int(count) for count in counts),
        settings=asdict(settings),
    )


def _fit_network(
    scaled: np.ndarray, index: np.ndarray, weight: np.ndarray, settings: EnsembleSettings, member: int
) -> Network:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier

    classifier = MLPClassifier(
        hidden_layer_sizes=settings.hidden_units,
        alpha=settings.weight_decay,
        batch_size=min(settings.batch_size, len(scaled)),
        learning_rate_init=settings.learning_rate,
        max_iter=settings.max_epochs,
        random_state=int(np.random.SeedSequence([settings.seed, member]).generate_state(1)[0]),
    )
    with warnings.catch_warnings():
        # The number of epochs is a setting here, not a failure to converge.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return flatten_network(classifier.fit(scaled, index, sample_weight=weight))


def choose_voting(
    X: np.ndarray,
    y: np.ndarray,
    weight: np.ndarray,
    names: tuple[str, ...],
    groups: np.ndarray,
    settings: EnsembleSettings,
) -> tuple[float, float]:
    shares = np.linspace(0, 1, 11)
    loss = np.zeros(len(shares))
    fold = blocked_folds(y, groups, folds=settings.voting_folds, seed=settings.seed)
    for k in range(settings.voting_folds):
        inside, outside = fold != k, fold == k
        if len(np.unique(y[inside])) < 2:
            continue
        member = fit_members(X[inside], y[inside], weight[inside], names, settings)
        column = {code: j for j, code in enumerate(member.classes)}
        known = np.array([code in column for code in y[outside]])
        if not known.any():
            continue
        rows = np.flatnonzero(outside)[known]
        truth = np.array([column[code] for code in y[rows]])
        trees, networks = member.votes(X[rows])
        for s, share in enumerate(shares):
            mixed = (share * trees + (1 - share) * networks)[np.arange(len(rows)), truth]
            loss[s] -= float(np.sum(weight[rows] * np.log(np.maximum(mixed, 1e-6))))
    share = float(shares[int(np.argmin(loss))])
    return share, 1.0 - share
