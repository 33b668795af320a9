"""Whether a season without labels runs early or late as a whole, and by how much: asked of its curves alone.

All dates moved by two weeks ruin what was learned of other seasons, and can be seen without labels: moved back, the curves
are likelier under the classes' densities, whatever the shares of the classes. It is only believed where the curves demand it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from agristat_platform.classification.cross_season.curve_density import CurveDensity, fit_curve_density

SEASON_SHIFT = 1 / 23  # of the season's length: 16 days of a year
_STEP, _FURTHEST = 0.25, 2.5  # of the shifts tried, in multiples of SEASON_SHIFT
_MOST = 2_000  # series looked at
_FOLDS = 5
_DRAWS = 100
_ONE_SIDE = 0.975
_SURE = 3.0  # standard errors of the gain
_FEWEST_SUPPORTERS, _SUPPORTER_SHARE, _SUPPORTER_ERRORS = 2, 0.05, 2.0
_LEAST_PART = 0.5  # of the misfit: what a shift explains little of, such as drought or noise, no shift cures
_FEWEST_STEPS, _FEWEST_SERIES = 5, 10


@dataclass(frozen=True)
class SeasonTiming:
    """What the best shift gains, in mean log density of a series.

    Attributes
    ----------
    number:
        The shift that fits best, in multiples of `SEASON_SHIFT` of the season's length: positive where the season is late.
    one_side:
        Share of bootstrap draws over series whose best shift has the same sign.
    gain, standard_error:
        Of the mean log density over no shift.
    supporters:
        Classes, as series are named at that shift, with a twentieth of them at least that gain beyond two standard errors.
    misfit:
        By how much the series, not shifted, are unlikelier than held-out training samples of the same classes.
    """

    number: float
    one_side: float
    gain: float
    standard_error: float
    supporters: int
    misfit: float

    @property
    def demanded(self) -> bool:
        """Whether the curves demand the shift.

        The gain is beyond three standard errors, two classes show it (one crop alone that is early can be another crop),
        bootstrap draws agree on its side, and it explains half of the misfit at least.
        """
        return (
            self.number != 0.0
            and self.one_side >= _ONE_SIDE
            and self.gain > _SURE * self.standard_error
            and self.supporters >= _FEWEST_SUPPORTERS
            and self.gain > _LEAST_PART * self.misfit
        )

    @property
    def undone(self) -> float:
        """The shift to undo: `number` where it is demanded, else 0."""
        return self.number if self.demanded else 0.0


NO_TIMING = SeasonTiming(0.0, 0.0, 0.0, 0.0, 0, 0.0)


@dataclass(frozen=True)
class TimedSamples:
    """What the timing of a season is told from; `usual` (classes,): mean log density of held-out samples, NaN unknown."""

    density: CurveDensity
    usual: np.ndarray
    seed: int

    def timing(self, series: np.ndarray) -> SeasonTiming:
        """Timing of a season's series (m, steps, features) without NaN; of 2,000 at most, drawn at random."""
        if len(series) < _FEWEST_SERIES or series.shape[1] < _FEWEST_STEPS:
            return NO_TIMING
        random = np.random.default_rng(self.seed)
        some = series[np.sort(random.permutation(len(series))[:_MOST])]
        numbers = np.arange(-_FURTHEST, _FURTHEST + _STEP / 2, _STEP)
        unit, none = SEASON_SHIFT * series.shape[1], len(numbers) // 2
        fits = np.empty((len(numbers), len(some)))
        named: list[np.ndarray] = []
        shares: np.ndarray | None = None
        for i, number in enumerate(numbers):
            fits[i], shares, belonging = _mixture(self.density.log(some, -number * unit), shares)
            named.append(belonging)
            if i == none:
                misfit = self._misfit(shares, fits[i])
        best = int(fits.mean(axis=1).argmax())
        # Every bootstrap draw counts each series a Poisson number of times; the mean is over as many as drawn.
        weights = random.poisson(1.0, (_DRAWS, len(some)))
        drawn = numbers[(weights @ fits.T).argmax(axis=1)]
        gain = fits[best] - fits[none]
        one_side = float((np.sign(drawn) == np.sign(numbers[best])).mean())
        overall = _mean(gain, np.ones(len(gain)))
        common = named[best][:, named[best].mean(axis=0) >= _SUPPORTER_SHARE].T
        supporters = sum(mean > _SUPPORTER_ERRORS * error for mean, error in (_mean(gain, own) for own in common))
        return SeasonTiming(float(numbers[best]), one_side, *overall, supporters, misfit)

    def _misfit(self, shares: np.ndarray, fit: np.ndarray) -> float:
        """What held-out samples in such shares (classes,) would fit, less the mean of `fit`; 0 where nothing was held out."""
        if not np.isfinite(self.usual).any():
            return 0.0
        usual = np.where(np.isfinite(self.usual), self.usual, np.nanmean(self.usual))
        taken = shares > 0
        return float((shares[taken] * (usual[taken] + np.log(shares[taken]))).sum() - fit.mean())


def time_samples(series: np.ndarray, label: np.ndarray, place: np.ndarray, classes: int, *, seed: int) -> TimedSamples:
    """Learn what the timing of another season is told from.

    Parameters
    ----------
    series, label:
        Training samples (n, steps, features) without NaN, and their classes, int64 (n,).
    place:
        (n,) samples that stand together when what is usual is found on held-out ones.
    classes:
        Number of classes.
    """
    steps = series.shape[1]
    edge = max(min(int(np.ceil(_FURTHEST * SEASON_SHIFT * steps)), (steps - 3) // 2), 0)
    density = fit_curve_density(series, label, classes, edge=edge, seed=seed)
    places, row = np.unique(place, return_inverse=True)
    fold = (np.random.default_rng(seed).permutation(len(places)) % _FOLDS)[row]
    total, count = np.zeros(classes), np.zeros(classes)
    for number in np.unique(fold):
        held_out = np.flatnonzero((fold == number) & np.isin(label, label[fold != number]))
        if len(held_out) == 0 or len(np.unique(fold)) < 2:
            continue
        held_out = held_out[:_MOST]
        rest = fold != number
        found = fit_curve_density(series[rest], label[rest], classes, edge=edge, seed=seed).log(series[held_out])
        np.add.at(total, label[held_out], found[np.arange(len(held_out)), label[held_out]])
        np.add.at(count, label[held_out], 1.0)
    usual = np.where(count > 0, total / np.maximum(count, 1.0), np.nan)
    return TimedSamples(density, usual, seed)


def _mixture(log_density: np.ndarray, start: np.ndarray | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Log density of each series (m,) under the shares of classes that fit best, these, and each series' classes."""
    possible = np.isfinite(log_density).any(axis=0)
    equal = possible / possible.sum()
    shares = equal if start is None else 0.9 * start + 0.1 * equal
    top = log_density.max(axis=1, keepdims=True)
    density = np.exp(log_density - top)
    for _ in range(100):
        belonging = density * shares
        belonging /= belonging.sum(axis=1, keepdims=True)
        # One series more, spread evenly, keeps every class possible.
        updated = (belonging.sum(axis=0) + equal) / (len(density) + 1.0)
        moved = np.abs(updated - shares).max()
        shares = updated
        if moved < 1e-4:
            break
    total = (density * shares).sum(axis=1)
    return np.log(total) + top[:, 0], shares, density * shares / total[:, None]


def _mean(values: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
    """Weighted mean and its standard error; of nothing, 0 and infinity."""
    total = weights.sum()
    if total < 2.0:
        return 0.0, float("inf")
    mean = float((weights * values).sum() / total)
    return mean, float(np.sqrt((weights**2 * (values - mean) ** 2).sum()) / total)
