"""Fitting the members of the ensemble and what combines them, and the arrays that are left when fitting is done."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from agristat_platform.classification.boosting import Boosting, fit_boosting
from agristat_platform.classification.ensemble_settings import EnsembleSettings
from agristat_platform.classification.errors import TooFewClassesError
from agristat_platform.classification.folds import blocked_folds
from agristat_platform.classification.forest import Forest, flatten_forest
from agristat_platform.classification.network import Network, flatten_network
from agristat_platform.classification.preparation import FeaturePreparation, learn_preparation
from agristat_platform.classification.stacking import fit_meta_learner, meta_inputs, vote_shares

__all__ = ["EnsembleSettings", "FittedEnsemble", "class_weights", "fit_ensemble", "fit_members"]

_BATCH = 16_384  # rows prepared at once: a million segments with 200 features would need gigabytes


@dataclass(frozen=True)
class FittedEnsemble:
    """Everything a fitted model needs to predict, as plain arrays; what `model_files` writes and reads.

    Attributes
    ----------
    voting:
        Shares of the members in the vote, adding up to 1; not used where there is a meta-learner.
    boosting, meta_learner:
        None where the settings ask for none.
    importances:
        float64 (q,): impurity importances of the forest's features.
    left_out_of_combining:
        Training samples whose crop the members without their block had not been taught: they say nothing about how to
        combine.
    """

    classes: tuple[str, ...]
    feature_names: tuple[str, ...]
    preparation: FeaturePreparation
    forest: Forest
    networks: tuple[Network, ...]
    voting: tuple[float, ...]
    importances: np.ndarray
    class_counts: tuple[int, ...]
    settings: dict[str, Any] = field(default_factory=dict)
    boosting: Boosting | None = None
    meta_learner: Network | None = None
    left_out_of_combining: int = 0

    @property
    def members(self) -> int:
        """Number of members that vote."""
        return 1 + bool(self.networks) + (self.boosting is not None)

    def votes(self, X: np.ndarray) -> np.ndarray:
        """Class probabilities of trees, perceptrons and boosting (those there are), float64 (members, n, classes)."""
        votes = np.empty((self.members, len(X), len(self.classes)))
        for start in range(0, len(X), _BATCH):
            rows = slice(start, start + _BATCH)
            votes[:, rows] = self._votes(X[rows])
        return votes

    def probabilities(self, X: np.ndarray) -> np.ndarray:
        """Class probabilities of the members together, float64 (n, classes); rows sum to 1."""
        together = np.empty((len(X), len(self.classes)))
        for start in range(0, len(X), _BATCH):
            rows = slice(start, start + _BATCH)
            together[rows] = self._together(self._votes(X[rows]))
        return together

    def _votes(self, X: np.ndarray) -> list[np.ndarray]:
        prepared = self.preparation.impute(X)
        votes = [self.forest.probabilities(prepared)]
        if self.networks:
            scaled = self.preparation.scale(prepared)
            votes.append(np.sum([n.probabilities(scaled) for n in self.networks], axis=0) / len(self.networks))
        if self.boosting is not None:
            votes.append(self.boosting.probabilities(prepared))
        return votes

    def _together(self, votes: Sequence[np.ndarray]) -> np.ndarray:
        if self.meta_learner is not None:
            return self.meta_learner.probabilities(meta_inputs(np.asarray(votes)))
        mixed = np.sum([share * vote for share, vote in zip(self.voting, votes, strict=True)], axis=0)
        return np.asarray(mixed / mixed.sum(axis=1, keepdims=True))


def fit_ensemble(
    X: np.ndarray,
    y: np.ndarray,
    weight: np.ndarray,
    names: tuple[str, ...],
    groups: np.ndarray,
    settings: EnsembleSettings,
) -> FittedEnsemble:
    """Fit the members on all samples, and what combines them on votes of members that had not seen a sample's block.

    Raises
    ------
    TooFewBlocksError
        Fewer blocks (`groups`) than folds for out-of-fold votes.
    TooFewClassesError
        No fold leaves two crops to learn from that it also holds.
    """
    fitted = fit_members(X, y, weight, names, settings)
    if not settings.needs_out_of_fold_votes:
        return fitted
    votes, taught = _out_of_fold_votes(X, y, weight, names, groups, settings, fitted.classes)
    truth = np.searchsorted(np.array(fitted.classes), y)
    known = np.flatnonzero(taught)
    if not len(known):
        raise TooFewClassesError(
            f"no sample's crop is taught by the blocks outside its fold, in {settings.voting_folds} folds",
            remedy='Give smaller blocks or more labels, or combine members by "vote" in equal shares',
        )
    # The members' own class weights: unweighted, what combines them would undo the balance.
    shown = class_weights(y, weight, settings.balance)[known]
    fitted = replace(fitted, left_out_of_combining=len(y) - len(known))
    if settings.combine == "vote":
        return replace(fitted, voting=vote_shares(votes[:, known], truth[known], shown))
    with threadpool_limits(limits=1):
        learner = fit_meta_learner(votes[:, known], truth[known], shown / shown.mean(), settings.stack_penalty)
    return replace(fitted, meta_learner=learner)


def class_weights(y: np.ndarray, weight: np.ndarray, balance: float) -> np.ndarray:
    """Weights of samples (n,) times (n / (K n_k))^balance of their class, of mean 1."""
    classes, index, counts = np.unique(y, return_inverse=True, return_counts=True)
    weighted = weight * ((len(y) / (len(classes) * counts)) ** balance)[index]
    return np.asarray(weighted / weighted.mean())


def fit_members(
    X: np.ndarray, y: np.ndarray, weight: np.ndarray, names: tuple[str, ...], settings: EnsembleSettings
) -> FittedEnsemble:
    """Fit the members on samples (n, p) and weights (n,); they vote as the settings say, equally where that is learned."""
    # Imported by those who fit: every process of a run loads this module, and most only predict or don't even that.
    from sklearn.ensemble import ExtraTreesClassifier

    preparation = learn_preparation(X, indicator_share=settings.indicator_share, clip=settings.clip)
    prepared = preparation.impute(X)
    classes, index, counts = np.unique(y, return_inverse=True, return_counts=True)
    weight = class_weights(y, weight, settings.balance)
    # One BLAS thread: with more, sums are taken in another order and the last digits depend on the machine.
    with threadpool_limits(limits=1):
        trees = ExtraTreesClassifier(
            n_estimators=settings.trees,
            max_features=settings.max_features,
            min_samples_leaf=settings.min_samples_leaf,
            max_depth=settings.max_depth,
            random_state=settings.seed,
            n_jobs=settings.workers,
        ).fit(prepared, index, sample_weight=weight)
        scaled = preparation.scale(prepared)
        networks = tuple(_fit_network(scaled, index, weight, settings, member) for member in range(settings.networks))
        boosting = (
            None if settings.boosting == "none" else fit_boosting(prepared, index, weight, len(classes), settings)
        )
        importances = np.asarray(trees.feature_importances_, dtype=np.float64)
    return FittedEnsemble(
        classes=tuple(str(code) for code in classes),
        feature_names=names,
        preparation=preparation,
        forest=flatten_forest(trees.estimators_),
        networks=networks,
        voting=_shares(settings),
        importances=importances,
        class_counts=tuple(int(count) for count in counts),
        settings=asdict(settings),
        boosting=boosting,
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


def _shares(settings: EnsembleSettings) -> tuple[float, ...]:
    shares = (1.0,) * len(settings.members) if isinstance(settings.voting, str) else settings.voting
    return tuple(share / sum(shares) for share in shares)


def _out_of_fold_votes(
    X: np.ndarray,
    y: np.ndarray,
    weight: np.ndarray,
    names: tuple[str, ...],
    groups: np.ndarray,
    settings: EnsembleSettings,
    classes: tuple[str, ...],
) -> tuple[np.ndarray, np.ndarray]:
    """Votes (members, n, classes) by members without the sample's block, and whether they know its crop (n,)."""
    votes = np.zeros((len(settings.members), len(y), len(classes)))
    taught = np.zeros(len(y), dtype=bool)
    fold = blocked_folds(y, groups, folds=settings.voting_folds, seed=settings.seed)
    for k in range(settings.voting_folds):
        inside, outside = fold != k, np.flatnonzero(fold == k)
        # weights of zero teach nothing, and members can't be fitted on nothing else
        if len(np.unique(y[inside])) < 2 or not weight[inside].any():
            continue
        members = fit_members(X[inside], y[inside], weight[inside], names, settings)
        columns = np.searchsorted(np.array(classes), members.classes)
        votes[:, outside[:, None], columns] = members.votes(X[outside])
        taught[outside] = np.isin(y[outside], members.classes)
    return votes, taught
