"""Repeated stratified samples of a mapped landscape whose truth is known.

With 300 samples the share of 95 % intervals that cover the truth has a standard error of 1.3 points; intervals from 30
units by the normal quantile cover a little less than nominal. The band 0.89 to 0.99 fails a right implementation with a
probability below 1 in 1,000; a wrong variance by a factor of two leaves it.
"""

import numpy as np
import pyarrow as pa
import pytest

from agristat_platform.estimation import SampleDesign
from agristat_platform.mapping.map_accuracy import _accuracy_table, _adjusted_areas

pytestmark = pytest.mark.statistical

CODES = ["WHE", "MAI", "GRA"]


def population() -> tuple[np.ndarray, np.ndarray]:
    """Hectares (units, map class, reference crop) of 300 units, and their strata: a third has more maize and errors."""
    random = np.random.default_rng(8)
    strata = np.repeat([0, 1], [200, 100])
    areas = np.zeros((300, 3, 3))
    for unit, stratum in enumerate(strata):
        truth = random.dirichlet([6, 2, 2] if stratum == 0 else [2, 6, 2]) * random.uniform(6, 9)
        wrong = random.dirichlet([12, 1, 1] if stratum == 0 else [8, 2, 2], size=3)
        for crop in range(3):
            areas[unit, :, crop] = truth[crop] * np.roll(wrong[crop], crop)
    return areas, strata


def test_intervals_cover_and_adjusted_areas_are_centred():
    areas, strata = population()
    mapped, truth = areas.sum(axis=(0, 2)), areas.sum(axis=(0, 1))
    overall = np.einsum("uii->", areas) / areas.sum()
    random = np.random.default_rng(21)
    covered, estimates, errors = [], [], []
    for _ in range(300):
        units = np.concatenate([random.choice(200, 20, replace=False), 200 + random.choice(100, 10, replace=False)])
        names = strata[units].astype(str)
        design = SampleDesign(pa.table({"stratum": names}), stratum="stratum", population_size={"0": 200, "1": 100})
        table = _accuracy_table(design, areas[units], CODES).to_pylist()[-1]
        adjusted = _adjusted_areas(design, areas[units], CODES, mapped)
        estimates.append(adjusted["adjusted_area_ha"].to_numpy())
        errors.append(adjusted["standard_error"].to_numpy())
        hit = abs(table["overall_accuracy"] - overall) < 1.96 * table["overall_accuracy_se"]
        covered.append([hit, *(np.abs(estimates[-1] - truth) < 1.96 * errors[-1])])
    shares = np.mean(covered, axis=0)
    assert (shares > 0.89).all(), shares
    assert (shares < 0.99).all(), shares
    spread = np.std(estimates, axis=0, ddof=1)
    # Ratio estimates are biased by a small fraction of their standard error.
    assert (np.abs(np.mean(estimates, axis=0) - truth) < 4 * spread / np.sqrt(300) + 0.1 * spread).all()
    np.testing.assert_allclose(np.sqrt(np.mean(np.square(errors), axis=0)) / spread, 1, atol=0.2)
    assert (np.abs(mapped - truth) > 3 * spread / np.sqrt(300)).any(), "the map must be wrong for this to show anything"
