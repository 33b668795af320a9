"""Boruta: which features tell crops apart better than the best of their own permuted shadows.

A check beside permutation importance: it looks for all features that carry something, not for the fewest that suffice.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from agristat_platform.classification.errors import InvalidSettingsError
from agristat_platform.classification.fitting import class_weights
from agristat_platform.classification.held_out_losses import check_classes
from agristat_platform.classification.preparation import learn_preparation
from agristat_platform.classification.training_sets import TrainingSet

BORUTA_SCHEMA = pa.schema(
    [
        pa.field("feature", pa.string(), nullable=False),
        pa.field("decision", pa.string(), nullable=False),
        pa.field("hits", pa.int32()),
        pa.field("rounds", pa.int32(), nullable=False),
        pa.field("importance", pa.float64(), metadata={"meaning": "median over rounds, shares of the best shadow's"}),
        pa.field("better_p", pa.float64(), metadata={"meaning": "binomial test, Bonferroni over features"}),
        pa.field("worse_p", pa.float64(), metadata={"meaning": "binomial test, Bonferroni over features"}),
    ]
)


def boruta(
    training_set: TrainingSet,
    *,
    rounds: int = 40,
    error_rate: float = 0.05,
    trees: int = 100,
    balance: float = 0.5,
    seed: int = 0,
    workers: int = 1,
) -> pa.Table:
    """Compare every feature with the best of all features' shadows, round by round.

    After Kursa and Rudnicki (2010), Journal of Statistical Software 36(11), with extremely randomised trees. A round
    permutes each column anew, grows trees on features and shadows, and a feature has a hit when its impurity importance
    exceeds that of the best shadow. A binomial test (probability ½, Bonferroni over features) on all hits decides once, at
    the end. `confirmed` takes besides that hits in at least 1 − `error_rate` of the rounds: rounds permute the same
    sample, so that the feature which by chance looks best in it keeps having hits, and more rounds alone would confirm it.

    Parameters
    ----------
    training_set:
        Samples; missing values are filled with medians, and indicators of missing take part (`missing:<feature>`).
    rounds, trees:
        Rounds, and trees of each.
    error_rate:
        Probability, over samples, that any of the features is confirmed when none tells anything (exchangeable samples).
    balance:
        Exponent of the class weights, as in `EnsembleSettings`.
    seed, workers:
        What everything random follows from, and threads that grow trees; the result doesn't depend on the latter.

    Returns
    -------
    Table
        `BORUTA_SCHEMA` in the order of the columns: `confirmed`, `tentative`, `rejected`, or `missing` (no value in any
        sample).

    Raises
    ------
    InvalidSettingsError
        An error rate outside (0, 0.5), or too few rounds to confirm or reject anything.
    TooFewClassesError, SmallClassError, FeatureMismatchError
        See `held_out_losses.check_classes` and `preparation.learn_preparation`.
    """
    from scipy.stats import binom

    check_classes(training_set.y)
    preparation = learn_preparation(training_set.X, indicator_share=0.01, clip=5.0)
    prepared = preparation.impute(training_set.X)
    columns = prepared.shape[1]
    if not 0 < error_rate < 0.5:
        raise InvalidSettingsError(f"error_rate is {error_rate}, it must lie between 0 and 0.5", where="Boruta")
    if 0.5**rounds * columns > error_rate:
        raise InvalidSettingsError(
            f"{rounds} rounds can't decide on {columns} features at an error rate of {error_rate}",
            where="Boruta",
            remedy=f"Give at least {int(np.ceil(np.log2(columns / error_rate)))} rounds",
        )
    ratio = _importance_by_round(prepared, training_set, rounds, trees, balance, seed, workers)
    hits = (ratio > 1).sum(axis=0)
    better = np.minimum(1.0, columns * binom.sf(hits - 1, rounds, 0.5))
    worse = np.minimum(1.0, columns * binom.cdf(hits, rounds, 0.5))
    confirmed = (better <= error_rate) & (hits >= (1 - error_rate) * rounds)
    decision = np.where(confirmed, "confirmed", np.where(worse <= error_rate, "rejected", "tentative"))
    rows: dict[str, dict[str, Any]] = {
        name: {
            "decision": str(decision[j]),
            "hits": int(hits[j]),
            "importance": float(np.median(ratio[:, j])),
            "better_p": float(better[j]),
            "worse_p": float(worse[j]),
        }
        for j, name in enumerate(preparation.names(training_set.feature_names))
    }
    indicators = [name for name in rows if name not in training_set.feature_names]
    listed = [
        {"feature": name, "rounds": rounds, **rows.get(name, {"decision": "missing"})}
        for name in (*training_set.feature_names, *indicators)
    ]
    return pa.Table.from_pylist(listed, schema=BORUTA_SCHEMA)


def _importance_by_round(
    prepared: np.ndarray,
    training_set: TrainingSet,
    rounds: int,
    trees: int,
    balance: float,
    seed: int,
    workers: int,
) -> np.ndarray:
    """Importance of each column in shares of the best shadow's, float64 (rounds, columns); 0 / 0 is 0."""
    from sklearn.ensemble import ExtraTreesClassifier

    weight = class_weights(training_set.y, training_set.weights, balance)
    index = np.unique(training_set.y, return_inverse=True)[1]
    random = np.random.default_rng(seed)
    columns = prepared.shape[1]
    both = np.empty((len(prepared), 2 * columns), dtype=np.float32)
    both[:, :columns] = prepared
    ratio = np.empty((rounds, columns))
    with threadpool_limits(limits=1):
        for r in range(rounds):
            both[:, columns:] = random.permuted(prepared, axis=0)
            grown = ExtraTreesClassifier(trees, random_state=int(random.integers(2**31)), n_jobs=workers)
            importance = grown.fit(both, index, sample_weight=weight).feature_importances_
            best = importance[columns:].max()
            ratio[r] = importance[:columns] / best if best > 0 else np.where(importance[:columns] > 0, np.inf, 0.0)
    return ratio
