"""Crop rotation: what stood on a parcel last season says something about what stands on it now.

Transitions are counted on past seasons, shrunk towards no rotation as far as the counts demand, and multiplied into the
answers as the ratio P(class | previous class) / P(class). Whether they are is decided on past seasons.

Not here: the answers themselves (`options`), where histories come from (the maps of the season before, `segment_links`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.special import gammaln

from agristat_platform.classification.cross_season.gate import (
    GateRow,
    Trials,
    gate_reason,
    gate_row,
    is_better,
    oa_and_macro_f1,
)
from agristat_platform.classification.cross_season.options import Choice
from agristat_platform.classification.cross_season.samples import Samples
from agristat_platform.classification.errors import LengthMismatchError

STAGE = "rotation"
OPTIONS = ("none", "transitions")
UNKNOWN = -1
_STRENGTHS = np.geomspace(1.0, 1e6, 25)  # of the shrinkage, in samples; the last is as good as no rotation
_ROUNDS = 200


@dataclass(frozen=True)
class Histories:
    """Class of last season at each training sample's place, by number.

    Attributes
    ----------
    names:
        Sorted previous classes, str (p,); they need not be classes that are taught.
    training:
        int64 (n,), position in `names`, −1 where it isn't known.
    """

    names: np.ndarray
    training: np.ndarray

    def numbers(self, previous: Sequence[Any], series: int) -> np.ndarray:
        """Numbers (m,) of the target's previous classes; −1 also for those that no training sample came after.

        Raises
        ------
        LengthMismatchError
            There are not as many as target `series`.
        """
        if len(previous) != series:
            raise LengthMismatchError(f"{series} target series but {len(previous)} target_histories")
        number = {name: i for i, name in enumerate(self.names.tolist())}
        return np.array([number.get(_name(value) or "", UNKNOWN) for value in previous], dtype=np.int64)


@dataclass(frozen=True)
class Transitions:
    """How much more often than by chance a class follows another.

    Attributes
    ----------
    ratio:
        float64 (p, classes): P(class | previous) / P(class), shrunk; 1 for a class whose history is never known.
    strength:
        Weight of no rotation in samples, for each previous class.
    samples:
        Training samples whose history is known.
    """

    ratio: np.ndarray
    strength: float
    samples: int

    def applied(self, probabilities: np.ndarray, previous: np.ndarray, shares: np.ndarray) -> np.ndarray:
        """Answers (m, classes) with the history (m,) of each taken into account; rows without a known one stay as they are.

        `shares` (classes,) are those that the answers assume. The ratios are first scaled, by row and by column, so that
        the shares of the target stay these whatever the shares of its previous classes are (iterative proportional
        fitting, Deming and Stephan 1940): what histories say of single parcels is used, what they would say of the whole
        season's shares isn't, since that is known or estimated already.
        """
        known = previous != UNKNOWN
        if not known.any():
            return probabilities
        before = np.bincount(previous[known], minlength=len(self.ratio)) / known.sum()
        ratio = self._scaled(before, shares)
        raised = probabilities[known] * ratio[previous[known]]
        found = probabilities.copy()
        total = raised.sum(axis=1, keepdims=True)
        found[known] = np.where(total > 0, raised / np.where(total > 0, total, 1.0), probabilities[known])
        return found

    def widened(self, classes: np.ndarray, wider: np.ndarray) -> Transitions:
        """The same for more classes, `wider` sorted like `classes`; nothing is known of what is new."""
        ratio = np.ones((len(self.ratio), len(wider)))
        ratio[:, np.searchsorted(wider, classes)] = self.ratio
        return replace(self, ratio=ratio)

    def _scaled(self, before: np.ndarray, shares: np.ndarray) -> np.ndarray:
        ratio = self.ratio.copy()
        for _ in range(_ROUNDS):
            ratio /= np.maximum(before @ ratio, 1e-12)
            rows = ratio @ shares
            ratio /= np.maximum(rows, 1e-12)[:, None]
            if np.abs(rows - 1.0).max() < 1e-9:
                break
        return ratio


def check_histories(histories: Sequence[Any], *, given: int, kept: np.ndarray) -> Histories:
    """Histories of the training samples by number.

    Parameters
    ----------
    histories:
        (given,) class of last season, None, NaN or "" where it isn't known.
    kept:
        Positions of the training samples that are used.

    Raises
    ------
    LengthMismatchError
        There are not as many as training series.
    """
    if len(histories) != given:
        raise LengthMismatchError(f"{given} training series but {len(histories)} histories")
    past = [_name(histories[i]) for i in kept.tolist()]
    names = np.array(sorted({name for name in past if name is not None}), dtype=str)
    number = {name: i for i, name in enumerate(names.tolist())}
    return Histories(names, np.array([UNKNOWN if n is None else number[n] for n in past], dtype=np.int64))


def fit_transitions(previous: np.ndarray, label: np.ndarray, *, before: int, classes: int) -> Transitions | None:
    """Count transitions and shrink them to no rotation; None where no history is known.

    Each previous class has its own shares of classes, drawn from a Dirichlet distribution about the shares of all
    (Dirichlet-multinomial). Its strength, one number for all, is the one with the highest marginal likelihood: it comes out
    large where the counts show no rotation, and the ratios are near 1 then.

    Parameters
    ----------
    previous, label:
        int64 (n,): previous class, −1 for unknown, and class.
    before, classes:
        Numbers of previous classes and of classes.
    """
    known = previous != UNKNOWN
    if not known.any():
        return None
    counts = np.zeros((before, classes))
    np.add.at(counts, (previous[known], label[known]), 1.0)
    seen = counts.sum(axis=0) > 0
    marginal = counts.sum(axis=0)[seen] / known.sum()
    table, rows = counts[:, seen], counts.sum(axis=1)
    evidence = []
    for strength in _STRENGTHS:
        prior = strength * marginal
        inside = (gammaln(prior + table) - gammaln(prior)).sum(axis=1)
        evidence.append(float((inside + gammaln(strength) - gammaln(strength + rows)).sum()))
    strength = float(_STRENGTHS[len(evidence) - 1 - int(np.argmax(evidence[::-1]))])  # of equal ones the largest
    ratio = np.ones((before, classes))
    ratio[:, seen] = (table + strength * marginal) / (rows[:, None] + strength) / marginal
    return Transitions(ratio, strength, int(known.sum()))


def choose_rotation(
    trials: Trials, choice: Choice, histories: Histories, *, shares_known: bool
) -> tuple[bool, tuple[GateRow, ...], str]:
    """Whether transitions are used, the gate's rows of this stage, and a sentence.

    Judged on real past seasons, by transitions counted in the seasons that taught them: blocks of a season can't tell
    whether its rotation returns. The rule is the gate's (`gate.choose`); where there is one such season alone, the standard
    error is that of the gain in overall accuracy over its places.
    """
    scores: dict[str, list[tuple[float, float]]] = {name: [] for name in OPTIONS}
    fold: list[int] = []
    one_season = np.nan
    for trial in trials.seasons:
        held = trials.judged[trial.judged].fold
        if held.season is None:
            continue
        found = _fitted(trials.samples, held.training, histories)
        rows = held.held_out[trial.rows]
        previous = histories.training[rows]
        if found is None or (previous == UNKNOWN).all():
            continue
        truth, without, shares = trials.said(trial, choice, shares_known=shares_known)
        named = [p.argmax(axis=1) for p in (without, found.applied(without, previous, shares))]
        for option, answer in zip(OPTIONS, named, strict=True):
            scores[option].append(oa_and_macro_f1(truth, answer))
        fold.append(trial.judged)
        change = (named[1] == truth).astype(float) - (named[0] == truth)
        one_season = _error_over_places(change, trials.samples.place[rows])
    tried = {option: np.array(values).reshape(-1, 2) for option, values in scores.items()}
    entries = [gate_row(STAGE, name, tried[name], tried[OPTIONS[0]], np.array(fold)) for name in OPTIONS]
    if len(set(fold)) == 1:
        entries[1] = replace(entries[1], standard_error=one_season)
    taken = int(is_better(entries[1]))
    rows_of_stage = tuple(replace(row, chosen=i == taken) for i, row in enumerate(entries))
    return bool(taken), rows_of_stage, gate_reason(STAGE, entries, taken)


def target_transitions(samples: Samples, histories: Histories) -> Transitions | None:
    """Transitions of all past seasons, for the target."""
    return _fitted(samples, np.arange(len(samples)), histories)


def _fitted(samples: Samples, rows: np.ndarray, histories: Histories) -> Transitions | None:
    return fit_transitions(
        histories.training[rows], samples.label[rows], before=len(histories.names), classes=len(samples.classes)
    )


def _error_over_places(change: np.ndarray, place: np.ndarray) -> float:
    """Standard error of the mean of `change` (n,), which is alike within a place (n,); NaN for one place."""
    number = np.unique(place, return_inverse=True)[1]
    places = int(number.max()) + 1
    if places < 2:
        return float("nan")
    sums = np.bincount(number, weights=change - change.mean())
    return float(np.sqrt(places / (places - 1) * (sums**2).sum()) / len(change))


def _name(value: Any) -> str | None:
    unknown = value is None or value == "" or (isinstance(value, float | np.floating) and bool(np.isnan(value)))
    return None if unknown else str(value)
