"""Do units come in as often as their inclusion probabilities say? Each test raises a false alarm once in a thousand."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
import shapely
from scipy import stats

from agristat_platform.sampling import PPSSystematic, StratifiedRandom, Systematic, area_frame, draw, stratify

pytestmark = pytest.mark.statistical
FALSE_ALARM = 1e-3


def frequencies(frame, design, draws):
    counts = Counter()
    for seed in range(draws):
        counts.update(draw(frame, design, seed=seed)["unit_id"].to_pylist())
    return np.asarray([counts[unit] for unit in frame["unit_id"].to_pylist()], dtype=float)


def strip(units):
    return area_frame(shapely.box(0, 0, 300 * units, 300), 300, crs="EPSG:32630")


def test_stratified_inclusion_frequencies():
    frame = stratify(strip(40), np.linspace(0, 1, 40), [0.3])
    strata = np.asarray(frame["stratum"].to_pylist())
    sizes = dict(zip(*np.unique(strata, return_counts=True), strict=True))
    design = StratifiedRandom({str(name): 3 + k for k, name in enumerate(sizes)})
    draws = 2000
    counts = frequencies(frame, design, draws)
    statistic, df = 0.0, 0
    for name, N in sizes.items():
        p = design.sample_sizes[str(name)] / N
        # counts of one stratum add up to a constant: (N − 1)/N makes the sum χ² with N − 1 degrees of freedom
        statistic += ((counts[strata == name] - draws * p) ** 2).sum() / (draws * p * (1 - p)) * (N - 1) / N
        df += N - 1
    low, high = stats.chi2.ppf([FALSE_ALARM / 2, 1 - FALSE_ALARM / 2], df)
    assert low < statistic < high


@pytest.mark.parametrize("kind", ["systematic", "pps"])
def test_systematic_inclusion_frequencies(kind):
    # counts of units are dependent here: each is compared with its own binomial, Bonferroni over the 30 units
    frame = strip(30).append_column("size", pa.array(np.linspace(1, 12, 30)))
    design = Systematic(7, starts=2) if kind == "systematic" else PPSSystematic(6, "size")
    draws = 2000
    counts = frequencies(frame, design, draws)
    if kind == "systematic":
        p = np.full(30, 2 / 9)  # k = round(30 × 2/7) = 9 possible starts
    else:
        p = 6 * np.linspace(1, 12, 30) / np.linspace(1, 12, 30).sum()
    low, high = stats.binom.ppf([[FALSE_ALARM / 60], [1 - FALSE_ALARM / 60]], draws, p)
    assert ((counts >= low) & (counts <= high)).all()
