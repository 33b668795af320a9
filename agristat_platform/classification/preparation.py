"""Feature preparation learned on training data: median imputation, missing indicators, robust scaling."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from agristat_platform.classification.errors import FeatureMismatchError

_SCALE_TO_SIGMA = 1.349  # interquartile range of a standard normal distribution


@dataclass(frozen=True)
class FeaturePreparation:
    """Imputation and scaling as plain arrays, so that a saved model prepares exactly as the fitted one did.

    Attributes
    ----------
    kept:
        int32 (q,): columns used; a feature without a single training value is left out.
    medians:
        float32 (q,): training medians that stand in for missing values.
    indicators:
        int32 (r,): columns whose being missing is a feature of its own; one stands for all columns that were missing
        in the same training samples.
    centres, scales:
        float32 (q + r,): medians and interquartile ranges (in units of a standard deviation) for the network's input.
    missing_share:
        float64 (p,): share of training samples in which each of the p original features was missing.
    clip:
        Scaled values are cut at ± this many standard deviations: one wild pixel must not saturate the network.
    """

    kept: np.ndarray
    medians: np.ndarray
    indicators: np.ndarray
    centres: np.ndarray
    scales: np.ndarray
    missing_share: np.ndarray
    clip: float

    @property
    def width(self) -> int:
        """Number of prepared columns, q + r."""
        return len(self.kept) + len(self.indicators)

    def impute(self, X: np.ndarray) -> np.ndarray:
        """Prepared features, float32 (n, q + r), without NaN: imputed columns, then indicators (0 or 1)."""
        prepared = np.empty((len(X), self.width), dtype=np.float32)
        values = prepared[:, : len(self.kept)]
        values[:] = X[:, self.kept]
        np.copyto(values, self.medians, where=~np.isfinite(values))
        prepared[:, len(self.kept) :] = ~np.isfinite(X[:, self.indicators])
        return prepared

    def scale(self, prepared: np.ndarray) -> np.ndarray:
        """Robustly scaled copy of prepared features, float32 (n, q + r) within ± clip."""
        return np.clip((prepared - self.centres) / self.scales, -self.clip, self.clip).astype(np.float32, copy=False)

    def names(self, feature_names: tuple[str, ...]) -> tuple[str, ...]:
        """Names of the prepared columns; indicators are called "missing:<feature>"."""
        kept = tuple(feature_names[j] for j in self.kept)
        return kept + tuple(f"missing:{feature_names[j]}" for j in self.indicators)


def learn_preparation(X: np.ndarray, *, indicator_share: float, clip: float) -> FeaturePreparation:
    """Learn imputation and scaling from training features alone.

    Parameters
    ----------
    X:
        float32 (n, p); NaN is missing.
    indicator_share:
        A feature gets a missing indicator when between this share and one minus it of the samples lack it.
    clip:
        See `FeaturePreparation`.

    Raises
    ------
    FeatureMismatchError
        Every feature is missing in every sample.
    """
    missing = ~np.isfinite(X)
    share = missing.mean(axis=0)
    kept = np.flatnonzero(share < 1).astype(np.int32)
    if not len(kept):
        raise FeatureMismatchError(
            f"all {X.shape[1]} features are missing in all {len(X)} training samples",
            remedy="Check that the features cover the labels' segments",
        )
    medians = np.nanmedian(np.where(missing[:, kept], np.nan, X[:, kept]), axis=0).astype(np.float32)
    indicators = _distinct_patterns(
        missing, np.flatnonzero((share >= indicator_share) & (share <= 1 - indicator_share))
    )
    unscaled = FeaturePreparation(
        kept, medians, indicators, np.empty(0, np.float32), np.empty(0, np.float32), share, clip
    )
    prepared = unscaled.impute(X)
    centres, scales = _robust_scale(prepared)
    return FeaturePreparation(kept, medians, indicators, centres, scales, share, clip)


def _distinct_patterns(missing: np.ndarray, candidates: np.ndarray) -> np.ndarray:
    seen: set[bytes] = set()
    chosen = []
    for j in candidates:
        pattern = missing[:, j].tobytes()
        if pattern not in seen:
            seen.add(pattern)
            chosen.append(j)
    return np.array(chosen, dtype=np.int32)


def _robust_scale(prepared: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    lower, centre, upper = np.percentile(prepared, [25, 50, 75], axis=0)
    scale = (upper - lower) / _SCALE_TO_SIGMA
    spread = prepared.std(axis=0)
    # Indicators and rare signals have no interquartile range; a constant column has no spread at all.
    scale = np.where(scale > 1e-6 * np.maximum(spread, 1e-12), scale, spread)
    scale = np.where(scale > 0, scale, 1.0)
    return centre.astype(np.float32), scale.astype(np.float32)
