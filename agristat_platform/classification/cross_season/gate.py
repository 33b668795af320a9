"""The gate: every option is tried on past seasons, and one that isn't better than the default is not used."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa

from agristat_platform.classification.cross_season.adaptation import trees_after_coral, trees_after_self_training
from agristat_platform.classification.cross_season.curve_features import curve_features
from agristat_platform.classification.cross_season.judging import (
    Judged,
    TrialSeason,
    moved,
)
from agristat_platform.classification.cross_season.members import MemberSettings
from agristat_platform.classification.cross_season.options import (
    STAGES,
    Choice,
    Shares,
    answer,
    vote,
)
from agristat_platform.classification.cross_season.samples import Samples

GATE_SCHEMA = pa.schema(
    [
        pa.field("stage", pa.string(), nullable=False),
        pa.field("option", pa.string(), nullable=False),
        pa.field("overall_accuracy", pa.float64()),
        pa.field("macro_f1", pa.float64()),
        pa.field("gain", pa.float64()),
        pa.field("standard_error", pa.float64()),
        pa.field("worst_gain", pa.float64()),
        pa.field("trials", pa.int64(), nullable=False),
        pa.field("chosen", pa.bool_(), nullable=False),
    ]
)
LEAST_GAIN = 0.005
LEAST_ERRORS = 2.0  # standard errors: adaptation can do great harm, and these are too small rather than too large
WORST_LOSS = 0.01  # in any fold, of options that can do great harm
STRICT = ("retraining", "time_axis", "rotation")


@dataclass(frozen=True)
class GateRow:
    """One option of one stage: means over folds; `gain` is of (OA + macro-F1)/2 over the stage's default.

    A fold is a past season held out, or a block of places with its simulated seasons, which are averaged first.
    `standard_error` is that of the gain over folds (they share training samples, so it is too small rather than too
    large), `worst_gain` the lowest of a fold. `trials` counts seasons, real and simulated.
    """

    stage: str
    option: str
    overall_accuracy: float
    macro_f1: float
    gain: float
    standard_error: float
    worst_gain: float
    trials: int
    chosen: bool


@dataclass(frozen=True)
class Gate:
    """What was tried, what was chosen and why.

    Attributes
    ----------
    rows:
        Every option that was tried.
    chosen:
        The option taken at each stage.
    reasons:
        Sentences: how the decision came about, and how far it can be trusted.
    diagnostics:
        Figures about the target, which has no labels, and about the fit.
    dropped:
        Training samples left out by reason.
    passed:
        False when the choice named held-out samples no better than the commonest class does, or nothing could be
        held out: such a map must not be published.
    """

    rows: tuple[GateRow, ...]
    chosen: dict[str, str]
    reasons: tuple[str, ...]
    diagnostics: dict[str, Any] = field(default_factory=dict)
    dropped: dict[str, int] = field(default_factory=dict)
    passed: bool = False

    def table(self) -> pa.Table:
        """The rows as a table (`GATE_SCHEMA`); figures that can't be had are null."""
        columns = {name: [_none_if_nan(getattr(row, name)) for row in self.rows] for name in GATE_SCHEMA.names}
        return pa.table(columns, schema=GATE_SCHEMA)


@dataclass(frozen=True)
class Trials:
    """Past seasons to try options on, with all that options need of them."""

    samples: Samples
    judged: list[Judged]
    seasons: list[TrialSeason]
    steepness: np.ndarray
    settings: MemberSettings
    seed: int

    def scores(self, choice: Choice, *, shares_known: bool, counted: np.ndarray | None = None) -> np.ndarray:
        """Overall accuracy and macro-F1 on each trial season, or on those `counted` (bool), (trials, 2).

        With `shares_known` a trial season's own shares take the place of official statistics, as the target's do.
        """
        wanted = np.ones(len(self.seasons), bool) if counted is None else counted
        chosen = [trial for trial, w in zip(self.seasons, wanted, strict=True) if w]
        return np.array([self._score(trial, choice, shares_known) for trial in chosen]).reshape(-1, 2)

    def fold(self) -> np.ndarray:
        """Number of the fold that each trial season is of, int64 (trials,)."""
        return np.array([trial.judged for trial in self.seasons], dtype=np.int64)

    def counted(self, stage: str) -> np.ndarray:
        """Which trial seasons a stage is judged on, bool (trials,).

        Alignment on past seasons and blocks that aren't moved: moved ones are moved by just what it undoes, and would always
        speak for it. Retraining, which costs a fit each time, on one trial of each fold.
        """
        fold = self.fold()
        if stage == "alignment":
            return np.array([trial.shift == 0 for trial in self.seasons], dtype=bool)
        if stage == "retraining":
            return np.isin(np.arange(len(fold)), np.unique(fold, return_index=True)[1])
        return np.ones(len(fold), bool)

    def commonest(self) -> np.ndarray:
        """Share of the commonest class in each trial season, (trials,)."""
        truths = [self.samples.label[self.judged[t.judged].fold.held_out[t.rows]] for t in self.seasons]
        return np.array([np.bincount(truth).max() / len(truth) for truth in truths])

    def said(
        self, trial: TrialSeason, choice: Choice, *, shares_known: bool
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Classes of a trial season (m,), their probabilities under a choice (m, classes), and the shares these assume."""
        one = self.judged[trial.judged]
        truth = self.samples.label[one.fold.held_out[trial.rows]]
        number = trial.shift - (one.undone[trial.shift] if choice.alignment == "fitted_shift" else 0.0)
        voted = vote(one.probabilities[number][:, trial.rows], self.steepness, choice.augmentation)
        retrained = self._retrained(trial, voted, choice, number)
        others = [j for j in self.judged if j is not one and j.fold.season is None]
        heard = [j.probabilities[0.0] for j in others]
        known = [self.samples.label[j.fold.held_out] for j in others]
        shares = Shares(
            one.training_shares,
            one.last_shares,
            np.bincount(truth, minlength=len(self.samples.classes)) / len(truth) if shares_known else None,
            np.concatenate(heard, axis=1) if heard else np.zeros((len(self.steepness), 0, voted.shape[1])),
            np.concatenate(known) if known else np.zeros(0, np.int64),
        )
        return truth, *answer(voted, retrained, choice, shares, self.steepness)

    def _score(self, trial: TrialSeason, choice: Choice, shares_known: bool) -> tuple[float, float]:
        truth, probabilities, _ = self.said(trial, choice, shares_known=shares_known)
        return oa_and_macro_f1(truth, probabilities.argmax(axis=1))

    def _retrained(self, trial: TrialSeason, voted: np.ndarray, choice: Choice, number: float) -> np.ndarray | None:
        if choice.retraining == "none":
            return None
        fold = self.judged[trial.judged].fold
        rows, back = np.unique(trial.rows, return_inverse=True)
        first = np.unique(back, return_index=True)[1]
        target = moved(self.samples.curves.rows(fold.held_out[rows]), number).values
        training = self.samples.curves.values[fold.training]
        # Half the trees: for a comparison they are enough, and there are many trials.
        settings = replace(self.settings, trees=max(self.settings.trees // 2, 1))
        label = self.samples.label[fold.training]
        return retrain(training, label, target, voted[first], choice.retraining, settings, self.seed)(target)[back]


def retrain(
    training: np.ndarray,
    label: np.ndarray,
    target: np.ndarray,
    voted: np.ndarray,
    how: str,
    settings: MemberSettings,
    seed: int,
) -> Callable[[np.ndarray], np.ndarray]:
    """Retrain trees for the target; they give probabilities (m, classes), 0 for classes absent from `label`."""
    present, own = np.unique(label, return_inverse=True)
    if how == "coral":
        trees = trees_after_coral(training, own, target, settings, seed)
    else:
        trees = trees_after_self_training(training, own, target, voted[:, present], settings, seed)

    def probabilities(curves: np.ndarray) -> np.ndarray:
        full = np.zeros((len(curves), voted.shape[1]))
        full[:, present] = trees.predict_proba(curve_features(curves))
        return full

    return probabilities


def choose(trials: Trials, *, shares_known: bool) -> tuple[Choice, tuple[GateRow, ...], list[str]]:
    """Take one stage after the other, and in each the default, unless an option is better by more than its error.

    Better means: the mean gain over folds is at least 0.005 and exceeds two standard errors, on two folds or more; of
    several such options the one with the largest gain less two standard errors is taken. Retraining, which can do
    great harm, must also lose no more than 0.01 in any fold. Alignment acts only where a season's curves demand it, and is
    given up where that cost 0.005 in the mean. With `shares_known` the target's shares are given, and used without a trial.
    """
    choice = Choice()
    rows: list[GateRow] = []
    reasons: list[str] = []
    base = trials.scores(choice, shares_known=shares_known)
    for stage, names in STAGES.items():
        if stage == "prior" and shares_known:
            reasons.append("prior: the target's shares were given")
            continue
        counted = trials.counted(stage)
        fold, default = trials.fold()[counted], base[counted]
        found = [default]
        for name in names[1:]:
            tried = choice.with_option(stage, name)
            found.append(trials.scores(tried, shares_known=shares_known, counted=counted))
        entries = [gate_row(stage, name, scores, default, fold) for name, scores in zip(names, found, strict=True)]
        better = [i for i, row in enumerate(entries) if i and is_better(row)]
        taken = max(better, key=lambda i: _sure_gain(entries[i])) if better else 0
        rows += [replace(row, chosen=i == taken) for i, row in enumerate(entries)]
        choice = choice.with_option(stage, names[taken])
        if taken:
            base = found[taken] if counted.all() else trials.scores(choice, shares_known=shares_known)
        reasons.append(gate_reason(stage, entries, taken))
    return choice, tuple(rows), reasons


def verdict(trials: Trials, choice: Choice, *, shares_known: bool) -> tuple[bool, str]:
    """Whether the choice names held-out samples better than the commonest class would, beyond two standard errors."""
    if not trials.seasons:
        return False, "failed: nothing could be held out, so nothing is known of how well classes are recognised"
    beyond = trials.scores(choice, shares_known=shares_known)[:, 0] - trials.commonest()
    ahead = fold_means(beyond, trials.fold())
    error = float(ahead.std(ddof=1) / np.sqrt(len(ahead))) if len(ahead) > 1 else 0.0
    told = f"overall accuracy is {ahead.mean():.3f} above the share of the commonest class (standard error {error:.3f})"
    return bool(ahead.mean() > LEAST_ERRORS * error), (
        "passed: " if ahead.mean() > LEAST_ERRORS * error else "failed: "
    ) + told


def oa_and_macro_f1(truth: np.ndarray, predicted: np.ndarray) -> tuple[float, float]:
    """Overall accuracy, and mean F1 of the classes present in `truth`; both int64 (n,), n ≥ 1."""
    k = int(max(truth.max(), predicted.max())) + 1
    support, found = np.bincount(truth, minlength=k), np.bincount(predicted, minlength=k)
    right = np.bincount(truth[truth == predicted], minlength=k)
    f1 = 2 * right / np.maximum(support + found, 1)
    return float((truth == predicted).mean()), float(f1[support > 0].mean())


def fold_means(values: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """Mean of values (trials, …) in each fold, (folds, …): seasons simulated from one block are no independent evidence."""
    return np.array([values[fold == number].mean(axis=0) for number in np.unique(fold)])


def gate_row(stage: str, option: str, scores: np.ndarray, default: np.ndarray, fold: np.ndarray) -> GateRow:
    """A row of the gate's table from scores and the default's, each (trials, 2), and the fold of each trial (trials,)."""
    if not len(scores):
        return GateRow(stage, option, np.nan, np.nan, np.nan, np.nan, np.nan, 0, False)
    gain = fold_means((scores - default).mean(axis=1), fold)
    error = float(gain.std(ddof=1) / np.sqrt(len(gain))) if len(gain) > 1 else np.nan
    overall, f1 = fold_means(scores, fold).mean(axis=0).tolist()
    return GateRow(stage, option, overall, f1, float(gain.mean()), error, float(gain.min()), len(scores), False)


def _sure_gain(row: GateRow) -> float:
    return row.gain - LEAST_ERRORS * row.standard_error


def is_better(row: GateRow) -> bool:
    """Whether an option's row is enough for it to be used; see `choose`."""
    if row.stage == "alignment":
        return row.gain >= LEAST_GAIN  # of none: what protects must not cost
    harmless = row.stage not in STRICT or row.worst_gain >= -WORST_LOSS
    # One fold alone has no standard error (NaN), and proves nothing.
    return row.gain >= LEAST_GAIN and _sure_gain(row) > 0 and harmless


def gate_reason(stage: str, entries: list[GateRow], taken: int) -> str:
    """Sentence on a stage: `entries` with the default first, and the position of the one taken."""
    if not entries[0].trials:
        return f"{stage}: {entries[0].option}, nothing could be tried"
    if taken:
        row = entries[taken]
        return f"{stage}: {row.option} gains {row.gain:.3f} (standard error {row.standard_error:.3f}) on {row.trials} trials"
    best = max(entries[1:], key=lambda row: row.gain)
    return (
        f"{stage}: {entries[0].option}; the best other option, {best.option}, gains {best.gain:.3f} "
        f"(standard error {best.standard_error:.3f}), which isn't enough"
    )


def _none_if_nan(value: Any) -> Any:
    return None if isinstance(value, float) and np.isnan(value) else value
