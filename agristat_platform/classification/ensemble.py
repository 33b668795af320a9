"""INEGI's ensemble: extremely randomised trees and a multi-layer perceptron, by soft voting or stacked; boosting on request.

Source of the combination: INEGI's crop classification pilot (Yaqui valley, Sonora, 2018-19). Extremely randomised
trees: Geurts, Ernst & Wehenkel (2006), Machine Learning 63. Fitting is scikit-learn's; prediction runs on arrays of
our own, the same before saving and after loading.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from sklearn.base import BaseEstimator, ClassifierMixin

from agristat_platform.classification.errors import (
    FeatureMismatchError,
    InvalidSampleWeightError,
    LengthMismatchError,
    NotFittedError,
    SmallClassError,
    TooFewClassesError,
)
from agristat_platform.classification.feature_columns import column_matrix
from agristat_platform.classification.fitting import EnsembleSettings, FittedEnsemble, fit_ensemble
from agristat_platform.classification.labels import listed

IMPORTANCE_SCHEMA = pa.schema(
    [
        pa.field("rank", pa.int32(), nullable=False),
        pa.field("feature", pa.string(), nullable=False),
        pa.field("importance", pa.float64(), nullable=False),
        pa.field("missing_share", pa.float64()),
    ]
)


class CropEnsemble(ClassifierMixin, BaseEstimator):
    """Extremely randomised trees, perceptrons and, if asked for, boosting as one classifier, with scikit-learn's conventions.

    Missing values (NaN) are filled with training medians and marked by indicators. Class weights temper unequal label
    counts. A fitted model predicts the same bytes on any number of threads and in any batch.

    Parameters
    ----------
    settings:
        `EnsembleSettings`; None for the defaults.

    Attributes
    ----------
    classes_:
        Crop codes in alphabetical order, the columns of `predict_proba`.
    n_features_in_, feature_names_in_:
        What X must have.
    dropped_features_:
        Features that were missing in every training sample.
    missing_share_:
        Share of training samples lacking each feature, float64 (p,).
    """

    def __init__(self, settings: EnsembleSettings | None = None) -> None:
        self.settings = settings

    @classmethod
    def from_fitted(cls, fitted: FittedEnsemble, settings: EnsembleSettings) -> CropEnsemble:
        """Model around arrays that were fitted earlier (used when loading files)."""
        model = cls(settings)
        model._adopt(fitted)
        return model

    def fit(
        self,
        X: np.ndarray | pa.Table,
        y: Sequence[str] | np.ndarray,
        sample_weight: np.ndarray | None = None,
        groups: np.ndarray | None = None,
        feature_names: Sequence[str] | None = None,
    ) -> CropEnsemble:
        """Fit on X (n, p) float with NaN as missing, or a table of named columns, and crop codes y (n,).

        Parameters
        ----------
        sample_weight:
            (n,) non-negative, multiplied by the class weights; None for ones.
        groups:
            (n,) spatial blocks, used only by `combine="stack"` and `voting="cross_validated"`; None makes each sample its
            own block.
        feature_names:
            Column names when X is an array; "x0", "x1", … by default.

        Raises
        ------
        LengthMismatchError, FeatureMismatchError
            Shapes or names don't agree.
        InvalidSampleWeightError
            A weight is negative or not a number, or all are 0.
        TooFewClassesError, SmallClassError
            One crop only, or a crop (named) with fewer than `min_class_samples` samples; `TooFewClassesError` too where
            out-of-fold votes are needed and no fold gives any.
        TooFewBlocksError
            Fewer blocks than `voting_folds`, where out-of-fold votes are needed.
        BoostingMissingError
            LightGBM is asked for and not installed.
        """
        settings = self.settings or EnsembleSettings()
        matrix, names = _named_matrix(X, feature_names)
        codes = np.asarray(y, dtype=str)
        weight = np.ones(len(codes)) if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
        _check_lengths(matrix, codes, weight, groups)
        _check_classes(codes, settings.min_class_samples)
        blocks = np.arange(len(codes)).astype(str) if groups is None else np.asarray(groups)
        self._adopt(fit_ensemble(matrix, codes, weight, names, blocks, settings))
        return self

    def predict_proba(self, X: np.ndarray | pa.Table) -> np.ndarray:
        """Class probabilities, float64 (n, classes), of an array in fitting order or a table (columns by name).

        Raises
        ------
        FeatureMismatchError
            Columns are missing (named), or the array's width is another.
        NotFittedError
            Neither fitted nor loaded.
        """
        return self.fitted.probabilities(self._aligned(X))

    def predict(self, X: np.ndarray | pa.Table) -> np.ndarray:
        """Most probable crop code of each row, str (n,); ties go to the first in `classes_`."""
        probabilities = self.predict_proba(X)
        return np.asarray(self.classes_[np.argmax(probabilities, axis=1)])

    @property
    def fitted(self) -> FittedEnsemble:
        """The fitted arrays."""
        found: FittedEnsemble | None = getattr(self, "_fitted", None)
        if found is None:
            raise NotFittedError("the crop model has not been fitted", remedy="Call fit, or load a saved model")
        return found

    def feature_importance(self, top: int = 20) -> pa.Table:
        """Impurity importance of the trees' features, largest first (`IMPORTANCE_SCHEMA`); shares of 1 in all."""
        fitted = self.fitted
        names = fitted.preparation.names(fitted.feature_names)
        origin = np.concatenate([fitted.preparation.kept, fitted.preparation.indicators])
        order = np.argsort(-fitted.importances, kind="stable")[:top]
        return pa.table(
            {
                "rank": np.arange(1, len(order) + 1, dtype=np.int32),
                "feature": [names[j] for j in order],
                "importance": fitted.importances[order],
                "missing_share": fitted.preparation.missing_share[origin[order]],
            },
            schema=IMPORTANCE_SCHEMA,
        )

    def _adopt(self, fitted: FittedEnsemble) -> None:
        self._fitted = fitted
        self.classes_ = np.array(fitted.classes, dtype=str)
        self.feature_names_in_ = np.array(fitted.feature_names, dtype=object)
        self.n_features_in_ = len(fitted.feature_names)
        self.missing_share_ = fitted.preparation.missing_share
        left_out = sorted(set(range(self.n_features_in_)) - set(fitted.preparation.kept.tolist()))
        self.dropped_features_ = tuple(fitted.feature_names[j] for j in left_out)

    def _aligned(self, X: np.ndarray | pa.Table) -> np.ndarray:
        names = self.fitted.feature_names
        if isinstance(X, pa.Table):
            absent = [name for name in names if name not in X.column_names]
            if absent:
                raise FeatureMismatchError(
                    f"{len(absent)} of the model's {len(names)} feature columns are missing: {listed(absent)}",
                    remedy="Compute the features with the definitions the model was trained on",
                )
            return column_matrix(X, names)
        matrix = np.asarray(X, dtype=np.float32)
        if matrix.ndim != 2 or matrix.shape[1] != len(names):
            raise FeatureMismatchError(f"X has shape {matrix.shape}, the model takes (n, {len(names)})")
        return matrix


def _named_matrix(X: np.ndarray | pa.Table, feature_names: Sequence[str] | None) -> tuple[np.ndarray, tuple[str, ...]]:
    if isinstance(X, pa.Table):
        names = tuple(feature_names or X.column_names)
        return column_matrix(X, names), names
    matrix = np.asarray(X, dtype=np.float32)
    if matrix.ndim != 2:
        raise FeatureMismatchError(f"X has shape {matrix.shape}, expected (samples, features)")
    names = tuple(feature_names) if feature_names is not None else tuple(f"x{j}" for j in range(matrix.shape[1]))
    if len(names) != matrix.shape[1] or len(set(names)) != len(names):
        raise FeatureMismatchError(f"{len(set(names))} distinct feature names for {matrix.shape[1]} columns")
    return matrix, names


def _check_lengths(X: np.ndarray, y: np.ndarray, weight: np.ndarray, groups: np.ndarray | None) -> None:
    for name, length in (
        ("y", len(y)),
        ("sample_weight", len(weight)),
        ("groups", len(X if groups is None else groups)),
    ):
        if length != len(X):
            raise LengthMismatchError(
                f"X has {len(X)} rows and {name} has {length}", remedy="Give one value for each row"
            )
    bad = np.flatnonzero(~(np.isfinite(weight) & (weight >= 0)))
    if len(bad):
        raise InvalidSampleWeightError(
            f"sample_weight is {weight[bad[0]]}", where=f"row {bad[0]}", remedy="Give weights ≥ 0"
        )
    if len(weight) and not weight.any():
        raise InvalidSampleWeightError("every sample_weight is 0", remedy="Give weights ≥ 0, not all 0")


def _check_classes(y: np.ndarray, minimum: int) -> None:
    classes, counts = np.unique(y, return_counts=True)
    if len(classes) < 2:
        raise TooFewClassesError(
            f"training labels name {listed(classes) or 'no crop'} only",
            remedy="A classifier needs labels of at least two crops",
        )
    small = [f"{code} ({count})" for code, count in zip(classes, counts, strict=True) if count < minimum]
    if small:
        raise SmallClassError(
            f"crops with fewer than {minimum} training samples: {listed(small)}",
            remedy="Collect more labels of these crops, merge them with another, or leave them out",
        )
