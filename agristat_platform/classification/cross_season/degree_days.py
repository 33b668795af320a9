"""Thermal time: curves read at equal steps of accumulated warmth instead of equal steps of the calendar.

A warm spring brings every stage of a crop forward; on an axis of growing degree days it stands where it stood in other
seasons. In regions where water or the farmer's calendar governs sowing it doesn't: so past seasons decide.

Not here: degree days from temperatures (`timeseries.degree_days`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from agristat_platform.classification.cross_season.curve_features import curve_features
from agristat_platform.classification.cross_season.curves import fill_gaps
from agristat_platform.classification.cross_season.errors import InvalidDegreeDaysError
from agristat_platform.classification.cross_season.gate import (
    GateRow,
    gate_reason,
    gate_row,
    is_better,
    oa_and_macro_f1,
)
from agristat_platform.classification.cross_season.judging import SEASON_SHIFT, judging_folds
from agristat_platform.classification.cross_season.members import Curves, MemberSettings, fit_trees, warped_copies
from agristat_platform.classification.cross_season.priors import adjusted
from agristat_platform.classification.cross_season.samples import Samples
from agristat_platform.classification.labels import listed

STAGE = "time_axis"
AXES = {"calendar": 0.0, "thermal": 1.0, "mixed": 0.5}  # weight of warmth against the calendar
_CHUNK = 20_000


@dataclass(frozen=True)
class DegreeDays:
    """Cumulative degree days of the training samples at every step, °C d, that never fall: float64 (n, steps)."""

    training: np.ndarray

    @property
    def total(self) -> float:
        """Warmth that stands for a whole season, °C d: the median of the training samples'."""
        return float(np.median(self.training[:, -1] - self.training[:, 0]))

    def of_target(self, given: Sequence[float] | np.ndarray, series: int) -> np.ndarray:
        """The target's, checked: (1, steps) for all its series, or (series, steps) for each.

        Raises
        ------
        InvalidDegreeDaysError
            Another number of series or steps, values that fall, are no numbers, or bring no warmth at all.
        """
        return _checked(given, "target_degree_days", self.training.shape[1], (1, series))


def check_degree_days(
    degree_days: Mapping[Any, Sequence[float]] | np.ndarray, samples: Samples, *, given: int
) -> DegreeDays:
    """Degree days of each training sample.

    Parameters
    ----------
    degree_days:
        Of each season, (steps,) by the key of the season, or of each training series, (given, steps).

    Raises
    ------
    InvalidDegreeDaysError
        A season has none; see `DegreeDays.of_target`.
    """
    steps = samples.curves.values.shape[1]
    if not isinstance(degree_days, Mapping):
        return DegreeDays(_checked(degree_days, "degree_days", steps, (given,))[samples.rows])
    known = {_plain(key): values for key, values in degree_days.items()}
    missing = [str(name) for name in samples.season_names if name not in known]
    if missing:
        raise InvalidDegreeDaysError(
            f"seasons without degree days: {', '.join(missing)}", remedy="Give those of every past season"
        )
    by_season = [_checked(known[name], f"degree_days of {name}", steps, (1,)) for name in samples.season_names]
    return DegreeDays(np.concatenate(by_season)[samples.season])


def progress(degree_days: np.ndarray, total: float, weight: float) -> np.ndarray:
    """How far the season is at each step, (n, steps), 0 at its first: `weight` of it by warmth, the rest by the calendar.

    By warmth it is at 1 where `total` °C d have come together; a warm season goes beyond. `degree_days` (n, steps).
    """
    warmth = (degree_days - degree_days[:, :1]) / total
    return np.asarray(weight * warmth + (1.0 - weight) * np.linspace(0.0, 1.0, degree_days.shape[1]))


def at_progress(series: np.ndarray, reached: np.ndarray) -> np.ndarray:
    """Series read at equal steps of progress instead of equal steps of the calendar.

    Parameters
    ----------
    series:
        (n, steps, features), NaN = missing.
    reached:
        (n, steps) or (1, steps), never falling: progress of each series at each step.

    Returns
    -------
    float64 (n, steps, features), linear between neighbours. NaN where the nearer of the two was missing, and beyond the last
    step, where a cold season ends before it has come so far. Where time stands still the last value of that spell counts.
    """
    found = np.empty(series.shape, dtype=np.float64)
    for start in range(0, len(series), _CHUNK):
        part = series[start : start + _CHUNK]
        place = reached if len(reached) == 1 else reached[start : start + _CHUNK]
        found[start : start + _CHUNK] = _read(part, np.broadcast_to(place, part.shape[:2]))
    return found


def choose_axis(
    samples: Samples, series: np.ndarray, degree_days: DegreeDays, settings: MemberSettings, seed: int
) -> tuple[str, tuple[GateRow, ...], str]:
    """The time axis to use, the gate's rows of this stage, and a sentence.

    Small forests are fitted on plain and warped curves on each axis, taught by the seasons before the one held out, and put
    to equal shares; the rule is the gate's (`gate.choose`) for options that can do great harm. Blocks of one season have one
    weather and can't judge.

    Parameters
    ----------
    samples:
        Those used, on the calendar's axis.
    series:
        (n, steps, features) of these samples, NaN = missing.
    """
    folds = [fold for fold in judging_folds(samples, seed=seed)[0] if fold.season is not None]
    small = replace(settings, trees=max(settings.trees // 4, 10))
    unit = SEASON_SHIFT * series.shape[1]
    scores: dict[str, np.ndarray] = {}
    for name in AXES:
        values = on_axis(samples, series, degree_days, name).curves.values
        found = []
        for fold in folds:
            present, label = np.unique(samples.label[fold.training], return_inverse=True)
            taught = values[fold.training]
            table = np.concatenate([curve_features(v) for v in (taught, *warped_copies(taught, unit, 1, seed))])
            said = fit_trees(table, np.tile(label, 2), small, seed).predict_proba(curve_features(values[fold.held_out]))
            equal = np.full(len(present), 1.0 / len(present))
            named = present[adjusted(said, np.bincount(label) / len(label), equal).argmax(axis=1)]
            found.append(oa_and_macro_f1(samples.label[fold.held_out], named))
        scores[name] = np.array(found).reshape(-1, 2)
    default = scores["calendar"]
    entries = [gate_row(STAGE, name, scores[name], default, np.arange(len(folds))) for name in AXES]
    better = [i for i, row in enumerate(entries) if i and is_better(row)]
    taken = max(better, key=lambda i: entries[i].gain - 2.0 * entries[i].standard_error) if better else 0
    rows = tuple(replace(row, chosen=i == taken) for i, row in enumerate(entries))
    return entries[taken].option, rows, gate_reason(STAGE, entries, taken)


def on_axis(samples: Samples, series: np.ndarray, degree_days: DegreeDays, name: str) -> Samples:
    """The same samples with curves on an axis of `AXES`; `series` as they were given."""
    if name == "calendar":
        return samples
    reached = progress(degree_days.training, degree_days.total, AXES[name])
    return replace(samples, curves=Curves(*fill_gaps(at_progress(series, reached))))


def target_on_axis(series: np.ndarray, degree_days: np.ndarray, total: float, name: str) -> np.ndarray:
    """The target's series (m, steps, features) on an axis of `AXES`, NaN = missing; a series keeps a value if it had one.

    `degree_days` are those of `DegreeDays.of_target`, `total` is `DegreeDays.total`.
    """
    if name == "calendar":
        return series
    found = at_progress(series, progress(degree_days, total, AXES[name]))
    lost = np.isfinite(series).any(axis=(1, 2)) & ~np.isfinite(found).any(axis=(1, 2))
    found[lost] = series[lost]
    return found


def _read(series: np.ndarray, reached: np.ndarray) -> np.ndarray:
    filled, _ = fill_gaps(series)
    steps = series.shape[1]
    wanted = np.linspace(0.0, 1.0, steps)
    # Step before each wanted place: the last of those that are not beyond it.
    before = (reached[:, None, :] <= wanted[None, :, None] + 1e-12).sum(axis=2) - 1
    low = np.clip(before, 0, steps - 1)
    high = np.minimum(low + 1, steps - 1)
    rows = np.arange(len(series))[:, None]
    gap = reached[rows, high] - reached[rows, low]
    share = np.where(gap > 0, (wanted - reached[rows, low]) / np.where(gap > 0, gap, 1.0), 0.0)
    weight = np.clip(share, 0.0, 1.0)[:, :, None]
    missing = ~np.isfinite(series)
    nearer = np.where(weight < 0.5, missing[rows, low], missing[rows, high])
    ended = (wanted > reached[:, -1:] + 1e-12)[:, :, None]
    return np.where(nearer | ended, np.nan, (1.0 - weight) * filled[rows, low] + weight * filled[rows, high])


def _checked(given: Any, what: str, steps: int, series: tuple[int, ...]) -> np.ndarray:
    values = np.asarray(given, dtype=np.float64)
    values = values[None] if values.ndim == 1 else values
    if values.ndim != 2 or values.shape[1] != steps or len(values) not in series:
        raise InvalidDegreeDaysError(
            f"{what} have shape {np.asarray(given).shape}",
            remedy=f"Give cumulative degree days at each of {steps} steps, of {' or '.join(map(str, series))} series",
        )
    bad = np.flatnonzero(~np.isfinite(values).all(axis=1) | (np.diff(values, axis=1) < 0).any(axis=1))
    if len(bad):
        raise InvalidDegreeDaysError(
            f"{what} are missing at some step, or fall",
            where=f"rows {listed(bad.tolist())}",
            remedy="Give them cumulated from the season's start (timeseries.cumulative_degree_days)",
        )
    if (values[:, -1] <= values[:, 0]).any():
        raise InvalidDegreeDaysError(f"{what} bring no warmth at all", remedy="Look at the base temperature")
    return values


def _plain(key: Any) -> Any:
    return key.item() if isinstance(key, np.generic) else key
