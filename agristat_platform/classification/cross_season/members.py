"""The members of the general-purpose ensemble: extremely randomised trees, boosted trees and convolution kernels.

They are fitted unweighted: shares of classes are put right afterwards, on the probabilities (`priors`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier

from agristat_platform.classification.cross_season.convolution_kernels import (
    ConvolutionKernels,
    fit_convolution_kernels,
)
from agristat_platform.classification.cross_season.curve_features import curve_features
from agristat_platform.classification.cross_season.curves import warp_in_time
from agristat_platform.classification.cross_season.kernel_head import KernelHead, fit_kernel_head

MEMBERS = ("trees", "boosting", "kernels", "warped_trees", "warped_boosting")
_BATCH = 8_192  # target series described at once


@dataclass(frozen=True)
class MemberSettings:
    """Settings of the ensemble's members; the defaults suit some hundred to some ten thousand samples.

    Attributes
    ----------
    trees:
        Extremely randomised trees; √columns are tried at a split. The final ensemble's bags share them.
    rounds, learning_rate, warped_leaves, leaves:
        Of the boosted trees; those on series as they are have twice the rounds and trees of `leaves`, those on warped copies
        trees of `warped_leaves`, with a tenth of the columns, in 63 bins, tried at a node.
    kernel_columns:
        Shares of positive values that the convolution kernels give, about.
    copies:
        Warped copies of each series that the warped trees also learn from, the boosted ones from one. The kernels have none:
        their head's cost is cubic in the rows.
    warped_rows:
        Most rows that all these copies have together; beyond it each is of as many series drawn at random.
    head_samples:
        Most rows that the kernels' head is fitted on; beyond it they are drawn at random.
    bags:
        Ensembles with seeds of their own whose probabilities the final answer is the mean of; the gate's folds have one.
    """

    trees: int = 200
    rounds: int = 40
    learning_rate: float = 0.1
    warped_leaves: int = 6
    leaves: int = 15
    kernel_columns: int = 2_520
    copies: int = 3
    warped_rows: int = 30_000
    head_samples: int = 2_500
    bags: int = 3


@dataclass(frozen=True)
class Curves:
    """Series without gaps and what is known of them: `values` (n, steps, features), `support` (n, steps)."""

    values: np.ndarray
    support: np.ndarray

    def __len__(self) -> int:
        return len(self.values)

    def rows(self, index: np.ndarray | slice) -> Curves:
        return Curves(self.values[index], self.support[index])

    def with_values(self, values: np.ndarray) -> Curves:
        return replace(self, values=values)


@dataclass(frozen=True)
class Bags:
    """Members fitted several times with different seeds: the mean depends less on the seed than each."""

    bags: tuple[Members, ...]

    def probabilities(self, curves: Curves) -> np.ndarray:
        """Class probabilities of each member, mean over bags, float64 (members, n, classes)."""
        return np.asarray(sum(bag.probabilities(curves) for bag in self.bags)) / len(self.bags)


@dataclass(frozen=True)
class Members:
    """Fitted members, in the order of `MEMBERS`."""

    tree_models: tuple[Any, ...]
    kernels: ConvolutionKernels
    head: KernelHead
    centre: np.ndarray
    scale: np.ndarray

    def probabilities(self, curves: Curves) -> np.ndarray:
        """Class probabilities of each member, float64 (members, n, classes)."""
        return np.concatenate([self._of(curves.rows(slice(i, i + _BATCH))) for i in range(0, len(curves), _BATCH)], 1)

    def _of(self, curves: Curves) -> np.ndarray:
        columns = curve_features(curves.values)
        shares = self.kernels.transform((curves.values - self.centre) / self.scale, curves.support)
        trees, boosting, *warped = (model.predict_proba(columns) for model in self.tree_models)
        return np.stack([trees, boosting, self.head.probabilities(shares), *warped])


def fit_members(
    curves: Curves,
    classes: np.ndarray,
    groups: np.ndarray,
    *,
    amplitude: float,
    settings: MemberSettings | None = None,
    seed: int = 0,
) -> Members:
    """Fit all members.

    Parameters
    ----------
    curves:
        Training series.
    classes:
        int64 (n,), numbers 0 … k − 1, each present.
    groups:
        (n,) samples that must not be parted when the kernels' head chooses its penalty.
    amplitude:
        Steps by which the warped copies are moved (`curves.warp_in_time`), above 0.
    settings:
        None for the defaults.
    seed:
        Everything random follows from it.
    """
    chosen = settings or MemberSettings()
    columns = curve_features(curves.values)
    copied = spread(classes, chosen.warped_rows // max(chosen.copies, 1), seed)
    copies = [curve_features(c) for c in warped_copies(curves.values[copied], amplitude, chosen.copies, seed)]
    table = np.concatenate([columns, *copies])
    label = np.concatenate([classes, *(classes[copied] for _ in copies)])
    twice = min(len(columns) + len(copied), len(table))
    boosted = spread(label[:twice], chosen.warped_rows // 3, seed)
    plain = spread(classes, chosen.warped_rows // 3, seed)
    rounds, rate = chosen.rounds, chosen.learning_rate
    boosting = _boosting(len(plain), 2 * rounds, rate, seed, leaves=chosen.leaves, columns=0.2, bins=255)
    warped_boosting = _boosting(len(boosted), rounds, rate, seed, leaves=chosen.warped_leaves, columns=0.1, bins=63)
    tree_models = (
        fit_trees(columns, classes, chosen, seed),
        boosting.fit(columns[plain], classes[plain]),
        fit_trees(table, label, chosen, seed),
        warped_boosting.fit(table[boosted], label[boosted]),
    )
    keep = spread(classes, chosen.head_samples, seed)
    centre, scale = curves.values.mean(axis=(0, 1)), curves.values.std(axis=(0, 1))
    scale = np.where(scale < 1e-12, 1.0, scale)
    standard = (curves.values[keep] - centre) / scale
    kernels = fit_convolution_kernels(standard, size=chosen.kernel_columns, seed=seed)
    shares = kernels.transform(standard, curves.support[keep])
    head = fit_kernel_head(shares, classes[keep], groups[keep], seed=seed)
    return Members(tree_models, kernels, head, centre, scale)


def fit_bags(
    curves: Curves, classes: np.ndarray, groups: np.ndarray, *, amplitude: float, settings: MemberSettings, seed: int
) -> Bags:
    """Fit `settings.bags` times with as many trees in all as `settings.trees`; see `fit_members`."""
    share = replace(settings, trees=max(settings.trees // settings.bags, 1))
    return Bags(
        tuple(
            fit_members(curves, classes, groups, amplitude=amplitude, settings=share, seed=seed + 7_919 * bag)
            for bag in range(settings.bags)
        )
    )


def warped_copies(values: np.ndarray, amplitude: float, copies: int, seed: int) -> list[np.ndarray]:
    """`copies` warped versions of all series (n, steps, features)."""
    return [warp_in_time(values, amplitude, seed=seed + 1 + i) for i in range(copies)]


def fit_trees(columns: np.ndarray, classes: np.ndarray, settings: MemberSettings, seed: int) -> Any:
    """Extremely randomised trees on `curve_features` (n, columns) and class numbers (n,), each of 0 … k − 1 present."""
    model = ExtraTreesClassifier(settings.trees, max_features="sqrt", n_jobs=1, random_state=seed)
    return model.fit(columns, classes)


def _boosting(
    samples: int, rounds: int, rate: float, seed: int, *, leaves: int, columns: float, bins: int
) -> HistGradientBoostingClassifier:
    """Unfitted boosted trees for so many samples; `columns` is the share of the columns tried at a node."""
    return HistGradientBoostingClassifier(
        max_iter=rounds,
        learning_rate=rate,
        max_leaf_nodes=leaves,
        min_samples_leaf=min(10, max(samples // 20, 1)),
        max_features=columns,
        max_bins=bins,
        early_stopping=False,
        random_state=seed,
    )


def spread(labels: np.ndarray, most: int, seed: int, *, each: int = 1) -> np.ndarray:
    """Rows to keep, in order: all, or `most` at random with at least `each` of every class (all of a smaller one)."""
    if len(labels) <= most:
        return np.arange(len(labels))
    order = np.random.default_rng(seed).permutation(len(labels))
    named = labels[order]
    first = np.concatenate([order[np.flatnonzero(named == c)[:each]] for c in np.unique(labels)])
    rest = order[~np.isin(order, first)]
    return np.sort(np.concatenate([first, rest[: max(most - len(first), 0)]]))
