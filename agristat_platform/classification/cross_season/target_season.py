"""The season without labels: members fitted on all samples name its curves, whatever their number, in bounded memory.

What holds for the season as a whole (its shift, its shares of classes, trees retrained for it) is found on some of its
series; then all of them are named a chunk at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from agristat_platform.classification.cross_season.curves import fill_gaps
from agristat_platform.classification.cross_season.gate import Trials, retrain
from agristat_platform.classification.cross_season.judging import moved
from agristat_platform.classification.cross_season.members import Bags, Curves, fit_bags
from agristat_platform.classification.cross_season.options import (
    Choice,
    Shares,
    answer,
    vote,
    with_shares,
)
from agristat_platform.classification.cross_season.season_timing import NO_TIMING, SeasonTiming, time_samples

MOST_TOGETHER = 20_000  # target series on which the season's shift and shares are found, and series named at once


@dataclass(frozen=True)
class TargetSeason:
    """The target's series and fitted members.

    Attributes
    ----------
    series:
        (m, steps, features), NaN = missing, at least one value in each.
    rows:
        Series, 20,000 at most drawn at random, on which the season as a whole is studied.
    some, timing:
        Their curves, and what these tell of the season's dates.
    """

    trials: Trials
    members: Bags
    series: np.ndarray
    rows: np.ndarray
    some: Curves
    timing: SeasonTiming
    given: np.ndarray | None
    _said: dict[float, np.ndarray] = field(default_factory=dict)
    _retrained: dict[tuple[str, float, str], Callable[[np.ndarray], np.ndarray]] = field(default_factory=dict)

    def answer(self, choice: Choice) -> tuple[np.ndarray, np.ndarray, float]:
        """Probabilities (m, classes), the shares they assume, and the shift they were read at (× `SEASON_SHIFT`)."""
        steepness = self.trials.steepness
        number = -self.timing.undone if choice.alignment == "fitted_shift" else 0.0
        voted = vote(self.said(number), steepness, choice.augmentation)
        trees = self._trees(choice, voted, number)
        again = None if trees is None else trees(moved(self.some, number).values)
        shares = self.shares()
        probabilities, target = answer(voted, again, choice, shares, steepness)
        if len(self.rows) == len(self.series):
            return probabilities, target, number
        full = np.empty((len(self.series), voted.shape[1]))
        for start in range(0, len(self.series), MOST_TOGETHER):
            chunk = slice(start, start + MOST_TOGETHER)
            curves = moved(Curves(*fill_gaps(self.series[chunk])), number)
            said = vote(self.members.probabilities(curves), steepness, choice.augmentation)
            again = None if trees is None else trees(curves.values)
            full[chunk] = with_shares(said, again, shares.training, target, steepness)
        return full, target, number

    def said(self, number: float) -> np.ndarray:
        """Probabilities (members, rows, classes) of `some` moved by `number` times `SEASON_SHIFT`."""
        if number not in self._said:
            self._said[number] = self.members.probabilities(moved(self.some, number))
        return self._said[number]

    def _trees(self, choice: Choice, voted: np.ndarray, number: float) -> Callable[[np.ndarray], np.ndarray] | None:
        if choice.retraining == "none":
            return None
        key = (choice.augmentation, number, choice.retraining)
        if key not in self._retrained:
            samples, trials = self.trials.samples, self.trials
            curves = moved(self.some, number).values
            self._retrained[key] = retrain(
                samples.curves.values, samples.label, curves, voted, choice.retraining, trials.settings, trials.seed
            )
        return self._retrained[key]

    def shares(self) -> Shares:
        """What the shares of classes can be estimated from."""
        samples, judged, k = self.trials.samples, self.trials.judged, len(self.trials.samples.classes)
        latest = samples.season == samples.season.max()
        said = [j.probabilities[0.0] for j in judged]
        return Shares(
            samples.steady_shares,
            np.bincount(samples.label[latest], minlength=k) / latest.sum(),
            self.given,
            np.concatenate(said, axis=1) if said else np.zeros((len(self.trials.steepness), 0, k)),
            np.concatenate([samples.label[j.fold.held_out] for j in judged]) if judged else np.zeros(0, np.int64),
        )


def fit_all(trials: Trials, amplitude: float) -> Bags:
    """Fit members on all samples; they serve any target. `amplitude` of the warped copies in steps."""
    samples = trials.samples
    return fit_bags(
        samples.curves, samples.label, samples.place, amplitude=amplitude, settings=trials.settings, seed=trials.seed
    )


def fit_target(
    trials: Trials,
    series: np.ndarray,
    given: np.ndarray | None,
    amplitude: float,
    *,
    align: bool,
    members: Bags | None = None,
) -> TargetSeason:
    """Look at a target season with members fitted on all samples; without `align` not at its dates.

    `series` (m ≥ 1, steps, features), NaN = missing, at least one value in each; `given` (classes,) are the target's
    shares or None; `amplitude` of the warped copies in steps; `members` are those of `fit_all`, None fits them.
    """
    samples = trials.samples
    members = members or fit_all(trials, amplitude)
    rows = np.sort(np.random.default_rng(trials.seed).permutation(len(series))[:MOST_TOGETHER])
    some = Curves(*fill_gaps(series[rows]))
    timing = NO_TIMING
    if align:
        timed = time_samples(
            samples.curves.values, samples.label, samples.place, len(samples.classes), seed=trials.seed
        )
        timing = timed.timing(some.values)
    return TargetSeason(trials, members, series, rows, some, timing, given)
