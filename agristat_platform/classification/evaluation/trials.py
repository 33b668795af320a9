"""Accuracy over trials: against the number of labels, and against the date in the season.

What is judged is a function: given samples to learn from and samples to name, and a seed, it answers their classes. So any
model can be judged in the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from agristat_platform.classification.ensemble import CropEnsemble
from agristat_platform.classification.errors import InvalidSettingsError, LengthMismatchError
from agristat_platform.classification.evaluation.gains import paired_gain
from agristat_platform.classification.evaluation.identities import place_folds
from agristat_platform.classification.fitting import EnsembleSettings
from agristat_platform.classification.labels import listed
from agristat_platform.classification.scores import accuracy

Rows = npt.NDArray[np.int64]
Answer = Callable[[npt.NDArray[Any], Rows, Rows, int], npt.NDArray[Any]]
"""(features or series seen so far (n, …), rows to learn from, rows to name, seed) → class of each row to name."""

_FIGURES = ("overall_accuracy", "macro_f1")
_PARTS = {"": "mean", "_sd": "standard deviation", "_lowest": "least", "_highest": "greatest"}


def _said(text: str) -> dict[str, str]:
    return {"description": text}


_SUMMARY = [
    *(
        pa.field(f"{figure}{part}", pa.float64(), metadata=_said(f"{said} over seeds"))
        for figure in _FIGURES
        for part, said in _PARTS.items()
    ),
    pa.field(
        "seeds", pa.int64(), nullable=False, metadata=_said("times that folds were dealt and labels put in order")
    ),
    pa.field("held_out", pa.int64(), nullable=False, metadata=_said("samples that each seed names once")),
    pa.field("one_class_folds", pa.int64(), nullable=False, metadata=_said("folds that could not be taught")),
]
LEARNING_CURVE_SCHEMA = pa.schema(
    [
        pa.field("labels", pa.int64(), nullable=False, metadata=_said("taught in each fold")),
        *_SUMMARY,
        pa.field("untaught_samples", pa.int64(), nullable=False, metadata=_said("of classes not among the labels")),
        pa.field("gain", pa.float64(), metadata=_said("overall accuracy above that of the fewest labels")),
        pa.field("gain_p", pa.float64(), metadata=_said("chance of such a gain if more labels taught nothing")),
    ],
    metadata={"note": "mean, standard deviation, least and greatest over seeds; a seed's folds are pooled"},
)
IN_SEASON_SCHEMA = pa.schema(
    [
        pa.field("steps", pa.int64(), nullable=False, metadata=_said("of the season that are seen")),
        pa.field("until", pa.string(), nullable=False, metadata=_said("last day that is seen")),
        *_SUMMARY,
    ],
    metadata={"note": "learned and named with the season's first steps alone; spread over seeds"},
)


@dataclass(frozen=True)
class _Pooled:
    predicted: npt.NDArray[Any]
    one_class_folds: int
    untaught: int


def ensemble_answer(y: npt.NDArray[Any], settings: EnsembleSettings | None = None) -> Answer:
    """The platform's ensemble as a function to be judged; series (n, steps, features) are taken as columns.

    Parameters
    ----------
    y:
        Class of every sample, (n,).
    settings:
        None for the defaults; its seed gives way to the trial's.
    """
    labels = np.asarray(y)
    base = settings or EnsembleSettings()

    def answer(X: npt.NDArray[Any], training: Rows, held_out: Rows, seed: int) -> npt.NDArray[Any]:
        flat = np.asarray(X, dtype=np.float32).reshape(len(X), -1)
        # a crop may come down to one sample inside a fold
        model = CropEnsemble(EnsembleSettings(**{**vars(base), "seed": seed, "min_class_samples": 1}))
        model.fit(flat[training], labels[training])
        return np.asarray(model.predict(flat[held_out]))

    return answer


def learning_curve(
    answer: Answer,
    X: npt.NDArray[Any],
    y: npt.NDArray[Any],
    groups: Sequence[Any] | npt.NDArray[Any],
    *,
    sizes: Sequence[int] | None = None,
    folds: int = 5,
    seeds: Sequence[int] = (0, 1, 2),
) -> pa.Table:
    """Accuracy against the number of labels learned from (`LEARNING_CURVE_SCHEMA`), judged on blocks held out.

    A seed deals blocks to folds and puts training samples in one random order, of which a curve takes the first 25, 50, …:
    a larger set holds the smaller. Every sample is named once by each size. A fold whose labels are of one class is not
    taught: its samples count as wrong, and `one_class_folds` says how often. `untaught_samples`: of classes that the
    fold's labels lacked, over all seeds. `gain` and `gain_p` compare with the fewest labels (`gains.paired_gain`).

    Parameters
    ----------
    answer:
        What is judged, such as `ensemble_answer(y)`.
    X, y:
        Features or series (n, …) and classes (n,).
    groups:
        Blocks, or groups of `joined_groups`, (n,).
    sizes:
        Numbers of labels, ascending; None doubles from 25 to all that the smallest training side has.

    Raises
    ------
    InvalidSettingsError
        No seed, or a size below 2 or beyond the smallest training side.
    LengthMismatchError, TooFewBlocksError
        See `place_folds`.
    """
    _check(X, y, seeds)
    dealt = dealt_folds(y, groups, folds=folds, seeds=seeds)
    most = min(len(y) - int(np.bincount(fold).max()) for fold in dealt.values())
    asked = _sizes(sizes, most)
    runs: dict[int, list[_Pooled]] = {size: [] for size in asked}
    for seed, fold in dealt.items():
        order = np.random.default_rng(seed).permutation(len(y))
        for size in asked:
            runs[size].append(_pooled(answer, X, np.asarray(y), fold, seed, order, size))
    rows = [
        {
            "labels": size,
            **_spread(np.asarray(y), runs[size]),
            "one_class_folds": sum(run.one_class_folds for run in runs[size]),
            "untaught_samples": sum(run.untaught for run in runs[size]),
            **_gain(np.asarray(y), runs[size], runs[asked[0]], groups, seeds[0]),
        }
        for size in asked
    ]
    return pa.Table.from_pylist(rows, schema=LEARNING_CURVE_SCHEMA)


def in_season_curve(
    answer: Answer,
    series: npt.NDArray[Any],
    y: npt.NDArray[Any],
    groups: Sequence[Any] | npt.NDArray[Any],
    *,
    until: Sequence[Any],
    steps: Sequence[int] | None = None,
    folds: int = 5,
    seeds: Sequence[int] = (0, 1, 2),
) -> pa.Table:
    """Accuracy against the date in the season (`IN_SEASON_SCHEMA`): series are cut after each of `steps` before anything learns.

    Parameters
    ----------
    series:
        (n, steps, …); `answer` sees `series[:, :step]` and nothing later.
    until:
        Date or day of each step of the series, as it shall be shown.
    steps:
        How many steps are seen, ascending; None for each from the first.

    Raises
    ------
    LengthMismatchError
        `until` has another number of steps than the series.
    InvalidSettingsError
        A step the series don't have, or no seed.
    """
    _check(series, y, seeds)
    if len(until) != series.shape[1]:
        raise LengthMismatchError(f"series of {series.shape[1]} steps but {len(until)} dates")
    asked = list(range(1, series.shape[1] + 1)) if steps is None else list(steps)
    wrong = [step for step in asked if not 1 <= step <= series.shape[1]]
    if wrong or not asked:
        raise InvalidSettingsError(f"steps {listed(wrong) or 'none'} asked of series of {series.shape[1]} steps")
    dealt = dealt_folds(y, groups, folds=folds, seeds=seeds)
    rows = []
    for step in asked:
        seen = np.ascontiguousarray(series[:, :step])
        runs = [_pooled(answer, seen, np.asarray(y), fold, seed, None, None) for seed, fold in dealt.items()]
        rows.append(
            {
                "steps": step,
                "until": str(until[step - 1]),
                **_spread(np.asarray(y), runs),
                "one_class_folds": sum(run.one_class_folds for run in runs),
            }
        )
    return pa.Table.from_pylist(rows, schema=IN_SEASON_SCHEMA)


def dealt_folds(
    y: npt.NDArray[Any], groups: Sequence[Any] | npt.NDArray[Any], *, folds: int, seeds: Sequence[int]
) -> dict[int, Rows]:
    """Fold of each sample (n,) by seed, as both curves deal them (`place_folds`)."""
    return {seed: place_folds(y, groups, folds=folds, seed=seed) for seed in seeds}


def _pooled(
    answer: Answer,
    X: npt.NDArray[Any],
    y: npt.NDArray[Any],
    fold: Rows,
    seed: int,
    order: Rows | None,
    size: int | None,
) -> _Pooled:
    """Name every sample by what the other folds, or `size` of their samples in `order`, teach."""
    predicted = np.full(len(y), None, dtype=object)
    one_class = untaught = 0
    for k in range(int(fold.max()) + 1):
        held_out = np.flatnonzero(fold == k)
        training = np.flatnonzero(fold != k) if order is None else np.sort(order[fold[order] != k][:size])
        taught = np.unique(y[training])
        untaught += int((~np.isin(y[held_out], taught)).sum())
        if len(taught) < 2:
            one_class += 1
            continue
        predicted[held_out] = answer(X, training, held_out, seed)
    return _Pooled(np.array(["" if name is None else str(name) for name in predicted]), one_class, untaught)


def _spread(y: npt.NDArray[Any], runs: Sequence[_Pooled]) -> dict[str, Any]:
    figures = [accuracy(y.astype(str), run.predicted) for run in runs]
    said: dict[str, Any] = {"seeds": len(runs), "held_out": len(y)}
    for name in _FIGURES:
        values = np.array([getattr(figure, name) for figure in figures])
        said[name] = float(values.mean())
        said[f"{name}_sd"] = float(values.std(ddof=1)) if len(values) > 1 else None
        said[f"{name}_lowest"], said[f"{name}_highest"] = float(values.min()), float(values.max())
    return said


def _gain(
    y: npt.NDArray[Any],
    runs: Sequence[_Pooled],
    fewest: Sequence[_Pooled],
    groups: Sequence[Any] | npt.NDArray[Any],
    seed: int,
) -> dict[str, float | None]:
    if runs is fewest:
        return {"gain": None, "gain_p": None}
    right, before = (np.stack([run.predicted == y.astype(str) for run in these]) for these in (runs, fewest))
    gain = paired_gain(right, before, groups, seed=seed)
    return {"gain": gain.value, "gain_p": gain.p}


def _sizes(sizes: Sequence[int] | None, most: int) -> list[int]:
    if sizes is None:
        doubling = [25 * 2**k for k in range(20) if 25 * 2**k < most]
        return [*doubling, most]
    wrong = [size for size in sizes if not 2 <= size <= most]
    if wrong or not sizes:
        raise InvalidSettingsError(
            f"{listed(wrong) or 'no'} labels asked for", remedy=f"Training sides have 2 to {most} labels in every fold"
        )
    return sorted(set(sizes))


def _check(X: npt.NDArray[Any], y: npt.NDArray[Any], seeds: Sequence[int]) -> None:
    if len(X) != len(y):
        raise LengthMismatchError(f"{len(X)} rows of features but {len(y)} labels")
    if not seeds:
        raise InvalidSettingsError("no seed is given", remedy="Give at least one, better three or more")
