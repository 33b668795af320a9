"""Error of filled gaps on real series: observations held back, filled from the others, and compared.

    AGRISTAT_REAL_DATA=… python benchmarks/gap_filling.py [--seeds 0 1 2 3 4]

Data: NDVI of 2,115 labelled MODIS points in Mato Grosso (16-day composites, seasons 2000 to 2015) and of 922 labelled CBERS-4
points in western Bahia (16-day cube, 2018-19); 23 dates a series, none outside the season. Neither carries a mask: every value
counts as clear.

Protocol 1: a fifth of all (series, date) pairs is held back at random, by seed. The others go to `smooth_to_grid` on the
platform's 5-day grid without padding, read on every day; the peer draws straight lines between dates, level beyond the first
and last. An error is filled less held-back value, so that it holds the held-back value's own noise. "ends" are held-back
values with no date left before or after them.

Protocol 2: of each series one run of 1 to 7 neighbouring dates is held back, its place by seed, always a date left on either
side: a gap of 32 to 128 days.

Protocol 3: the third and the third-last date are taken for the ends of a season and held back, filled once with the two dates
beyond each, as padding brings them, and once without.

RMSE in NDVI: mean and standard deviation over the seeds, which choose from the same series; no standard error.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from agristat_platform.timeseries import season_grid, smooth_to_grid

FILES = {
    "Mato Grosso, MODIS": "mato_grosso_modis/series.parquet",
    "western Bahia, CBERS-4": "western_bahia_cbers/labelled_series.parquet",
}
SMOOTHINGS: tuple[float, ...] = (1, 3, 10, 30, 100)

Group = tuple[np.ndarray, np.ndarray]  # days (n_dates,), NDVI (n_series, n_dates)
Fill = Callable[[np.ndarray, np.ndarray], np.ndarray]


def groups(path: Path) -> list[Group]:
    """The series of each calendar of dates."""
    table = pq.read_table(path, columns=["sample_id", "date", "ndvi"]).sort_by(
        [("sample_id", "ascending"), ("date", "ascending")]
    )
    days = table["date"].to_numpy().astype("datetime64[D]").reshape(-1, 23)
    ndvi = table["ndvi"].to_numpy().reshape(-1, 23)
    calendars, calendar_of = np.unique(days, axis=0, return_inverse=True)
    return [(calendar, ndvi[calendar_of == k]) for k, calendar in enumerate(calendars)]


def whittaker(smoothing: float | str, order: int = 2) -> Fill:
    """Filling by the platform's smoother at λ for 5-day steps, or the V-curve."""

    def fill(days: np.ndarray, seen: np.ndarray) -> np.ndarray:
        first, last = days[0].astype(object), days[-1].astype(object)
        length = (last - first).days + 1
        grid = season_grid(first, last + timedelta(days=1), n_samples=length, padding_days=0)
        daily = smooth_to_grid(days, seen, None, grid, smoothing=smoothing, order=order, max_gap_days=None)
        return daily.values[:, (days - days[0]).astype(int)]

    return fill


def straight_lines(days: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Filling by straight lines between dates."""
    at = days.astype(float)
    return np.array([np.interp(at, at[~np.isnan(row)], row[~np.isnan(row)]) for row in seen])


METHODS: dict[str, Fill] = {
    **{f"Whittaker, λ = {smoothing:g}": whittaker(smoothing) for smoothing in SMOOTHINGS},
    "Whittaker, V-curve": whittaker("vcurve"),
    "Whittaker, order 1, λ = 1": whittaker(1, order=1),
    "straight lines": straight_lines,
}


def a_fifth(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Which values are held back: one in five of all pairs."""
    held = np.zeros(shape, bool)
    held.ravel()[rng.permutation(held.size)[: held.size // 5]] = True
    return held


def one_run(shape: tuple[int, int], length: int, rng: np.random.Generator) -> np.ndarray:
    """Which values are held back: so many neighbouring dates of each series, not its first or last."""
    start = rng.integers(1, shape[1] - length, shape[0])[:, np.newaxis]
    at = np.arange(shape[1])
    return (at >= start) & (at < start + length)


def errors(data: list[Group], fill: Fill, held: Iterator[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Filled less held-back values, and whether they lie beyond the first or last date left."""
    found, beyond = [], []
    for (days, ndvi), hidden in zip(data, held, strict=True):
        seen = np.where(hidden, np.nan, ndvi)
        found.append((fill(days, seen) - ndvi)[hidden])
        before = np.cumsum(~hidden, axis=1) > 0
        after = np.cumsum(~hidden[:, ::-1], axis=1)[:, ::-1] > 0
        beyond.append(~(before & after)[hidden])
    difference = np.concatenate(found)
    if np.isnan(difference).any():
        raise SystemExit(f"{np.isnan(difference).sum()} held-back values were not filled")
    return difference, np.concatenate(beyond)


def rmse(differences: list[np.ndarray]) -> str:
    """Mean and standard deviation over seeds."""
    each = [float(np.sqrt(np.mean(difference**2))) for difference in differences]
    return f"{np.mean(each):.4f} ({np.std(each, ddof=1):.4f})"


def report_fifth(data: list[Group], seeds: list[int]) -> None:
    print("a fifth held back, RMSE (SD over seeds)  all               inside            ends")
    for name, fill in METHODS.items():
        made = []
        for seed in seeds:
            rng = np.random.default_rng(seed)
            made.append(errors(data, fill, iter([a_fifth(ndvi.shape, rng) for _, ndvi in data])))
        parts = [[d for d, _ in made], [d[~end] for d, end in made], [d[end] for d, end in made]]
        bias = np.mean([d.mean() for d in parts[0]])
        print(f"  {name:38s} " + "   ".join(rmse(part) for part in parts) + f"   bias {bias:+.4f}")


def report_runs(data: list[Group], seeds: list[int]) -> None:
    print("one run held back: gap in days, RMSE (SD over seeds), share of errors above 0.2")
    for length in range(1, 8):
        line = f"  {16 * (length + 1):4d}"
        for name in ("Whittaker, λ = 10", "Whittaker, λ = 30", "straight lines"):
            made = []
            for seed in seeds:
                rng = np.random.default_rng(seed)
                held = iter([one_run(ndvi.shape, length, rng) for _, ndvi in data])
                made.append(errors(data, METHODS[name], held)[0])
            large = np.mean([np.mean(np.abs(d) > 0.2) for d in made])
            line += f"   {name}: {rmse(made)} {large:.2f}"
        print(line)


def report_ends(data: list[Group]) -> None:
    print("ends of the season held back: RMSE with the dates beyond, and without")
    for name, fill in METHODS.items():
        both = []
        for hidden in ([2, 20], [0, 1, 2, 20, 21, 22]):
            found = []
            for days, ndvi in data:
                seen = ndvi.copy()
                seen[:, hidden] = np.nan
                # Dates without a value stay in the calendar, so that both are read on the same grid.
                found.append((fill(days, seen) - ndvi)[:, [2, 20]])
            both.append(float(np.sqrt(np.mean(np.concatenate(found) ** 2))))
        print(f"  {name:38s} {both[0]:.4f}   {both[1]:.4f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4], help="two or more")
    seeds = parser.parse_args().seeds
    folder = Path(os.environ.get("AGRISTAT_REAL_DATA", "../shared/data"))
    for place, file in FILES.items():
        data = groups(folder / file)
        count = sum(len(ndvi) for _, ndvi in data)
        print(f"\n{place}: {count} series of 23 dates, {len(data)} calendars, seeds {seeds}")
        report_fifth(data, seeds)
        report_runs(data, seeds)
        report_ends(data)


if __name__ == "__main__":
    main()
