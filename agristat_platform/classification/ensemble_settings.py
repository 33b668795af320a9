"""Settings of the crop ensemble: its members, how they are combined, and how unequal label counts are handled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from agristat_platform.classification.errors import InvalidSettingsError

Voting = tuple[float, ...] | Literal["equal", "cross_validated"]


@dataclass(frozen=True)
class EnsembleSettings:
    """Settings of `CropEnsemble`; the defaults suit a few hundred labels and a few hundred features.

    Attributes
    ----------
    trees, max_features, min_samples_leaf, max_depth:
        Of the extremely randomised trees; `max_features` and `max_depth` (None: no bound) as in scikit-learn.
    hidden_units, networks, weight_decay, max_epochs, batch_size, learning_rate:
        Of the perceptron; `networks` of them, with different seeds, share the perceptron's vote. 0: no perceptron.
    boosting:
        A further member: "histogram" (scikit-learn's HistGradientBoosting), "lightgbm" (the extra `boosting`), or
        "none".
    boosting_rounds, boosting_rate, boosting_leaves:
        Of gradient boosting: rounds, learning rate, and the most leaves of a tree.
    balance:
        Exponent b in [0, 1] of the class weights (n / (K n_k))^b, for all members and what combines them: 0 leaves crops
        as frequent as their labels, 1 makes all crops equally heavy. The default is the middle: full balancing over-maps
        rare crops.
    combine:
        "vote": members' probabilities are averaged by `voting`. "stack": a meta-learner on out-of-fold probabilities of
        the training samples' spatial blocks (`stacking.fit_meta_learner`).
    voting:
        Shares of trees, perceptron and boosting (those there are) in the vote; "equal"; or "cross_validated": chosen from
        steps of a tenth by the log loss of out-of-fold probabilities.
    voting_folds:
        Folds of those out-of-fold probabilities.
    stack_penalty:
        How strongly the meta-learner is held at the equal vote.
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
    max_depth: int | None = None
    hidden_units: tuple[int, ...] = (64,)
    networks: int = 3
    weight_decay: float = 1e-2
    max_epochs: int = 80
    batch_size: int = 32
    learning_rate: float = 2e-3
    boosting: Literal["none", "histogram", "lightgbm"] = "none"
    boosting_rounds: int = 100
    boosting_rate: float = 0.1
    boosting_leaves: int = 15
    balance: float = 0.5
    combine: Literal["vote", "stack"] = "vote"
    voting: Voting = "equal"
    voting_folds: int = 3
    stack_penalty: float = 10.0
    indicator_share: float = 0.01
    clip: float = 5.0
    min_class_samples: int = 2
    seed: int = 0
    workers: int = 1

    def __post_init__(self) -> None:
        faults = [*self._out_of_range(), *self._not_to_combine()]
        if faults:
            raise InvalidSettingsError("; ".join(faults), where="settings of the crop ensemble")

    @property
    def members(self) -> tuple[str, ...]:
        """Names of the members, in the order of votes and of `voting`."""
        names = ("trees", *(("perceptron",) if self.networks else ()))
        return names if self.boosting == "none" else (*names, "boosting")

    @property
    def needs_out_of_fold_votes(self) -> bool:
        """Whether what combines the members is learned, from out-of-fold votes."""
        return len(self.members) > 1 and (self.combine == "stack" or self.voting == "cross_validated")

    def _out_of_range(self) -> list[str]:
        least = {"networks": 0, "boosting_leaves": 2, "voting_folds": 2} | dict.fromkeys(
            ("trees", "max_epochs", "batch_size", "min_samples_leaf", "boosting_rounds", "workers"), 1
        )
        if self.max_depth is not None:
            least["max_depth"] = 1
        faults = [
            f"{name} is {getattr(self, name)}, it must be at least {bound}"
            for name, bound in least.items()
            if getattr(self, name) < bound
        ]
        if not 0 <= self.balance <= 1:
            faults.append(f"balance is {self.balance}, it must lie in [0, 1]")
        faults += [
            f"{name} is {getattr(self, name)}, it must be positive"
            for name in ("boosting_rate", "stack_penalty")
            if not getattr(self, name) > 0
        ]
        return faults

    def _not_to_combine(self) -> list[str]:
        faults = [
            f'{name} is "{getattr(self, name)}", it must be one of {", ".join(allowed)}'
            for name, allowed in (("boosting", ("none", "histogram", "lightgbm")), ("combine", ("vote", "stack")))
            if getattr(self, name) not in allowed
        ]
        if isinstance(self.voting, str):
            if self.voting not in ("equal", "cross_validated"):
                faults.append(f'voting is "{self.voting}": give shares, "equal" or "cross_validated"')
        elif len(self.voting) != len(self.members) or min(self.voting) < 0 or not sum(self.voting) > 0:
            faults.append(
                f"voting is {self.voting}: give a non-negative share for each of {', '.join(self.members)}, not all zero"
            )
        return faults
