"""k-means: how close it comes, and samples with few distinct values."""

import numpy as np
from sklearn.cluster import KMeans

from agristat_platform.segmentation.shepherd.kmeans import fit_clusters


def inertia(sample, centres):
    return ((sample[:, np.newaxis] - centres) ** 2).sum(axis=2).min(axis=1).sum()


def test_nearly_as_close_as_a_fit_of_scikit_learn():
    ratios = []
    for seed in range(4):
        rng = np.random.default_rng(seed)
        sample = rng.uniform(0, 4000, (8, 4))[rng.integers(0, 8, 6_000)] + rng.normal(0, 150, (6_000, 4))
        peer = KMeans(30, n_init=1, random_state=seed).fit(sample).inertia_
        ratios.append(inertia(sample, fit_clusters(sample, 30, rng)) / peer)
    assert np.mean(ratios) < 1.05


def test_as_many_centres_as_distinct_values():
    sample = np.repeat(np.arange(5.0), 100)[:, np.newaxis]
    centres = fit_clusters(sample, 9, np.random.default_rng(0))
    assert sorted(centres[:, 0].tolist()) == [0.0, 1.0, 2.0, 3.0, 4.0]


def test_one_seed_gives_the_same_bytes():
    sample = np.random.default_rng(1).normal(size=(12_000, 3))
    first, second = (fit_clusters(sample, 20, np.random.default_rng(7)) for _ in range(2))
    assert first.tobytes() == second.tobytes()
