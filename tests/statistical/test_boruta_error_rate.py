"""Boruta confirms features that tell nothing no more often than it says."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import binom

from agristat_platform.classification import TrainingSet
from agristat_platform.classification.selection import boruta

SETS, ERROR_RATE = 20, 0.05


@pytest.mark.statistical
def test_noise_is_confirmed_in_at_most_the_stated_share_of_samples():
    """20 samples of eight features of pure noise at a stated rate of 5 %. Above the 99.9 % point of the binomial
    distribution it fails; at exactly the stated rate it does so by chance in fewer than one of 1,000 runs."""
    false = 0
    for seed in range(SETS):
        random = np.random.default_rng([7, seed])
        names = np.array([f"L{i}" for i in range(60)])
        noise = TrainingSet(
            X=random.normal(size=(60, 8)).astype(np.float32),
            y=random.permutation(np.repeat(["MAI", "WHE", "BAR"], 20)),
            groups=names,
            feature_names=tuple(f"f{j}" for j in range(8)),
            label_ids=names,
            segment_ids=None,
            weights=np.ones(60),
            places=pa.table({"label_id": names}),
        )
        table = boruta(noise, rounds=16, trees=10, error_rate=ERROR_RATE, seed=seed)
        false += "confirmed" in table["decision"].to_pylist()
    assert false <= binom.ppf(0.999, SETS, ERROR_RATE), f"{false} of {SETS} samples"
