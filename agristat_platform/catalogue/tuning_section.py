"""The section `training.tuning` of a region file: how long to look for better settings of the crop model."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from agristat_platform.catalogue.section import Section


class TuningSettings(Section):
    """A search for the crop model's settings, bounded by trials and by minutes, whichever ends first.

    Parameters
    ----------
    trials:
        Candidates looked at in each study. There is one study for the model and one without each fold of the
        cross-validation, so that the accuracy that is reported comes from labels which chose nothing.
    minutes:
        Of all studies together, in equal parts, counting fits alone; None: no bound. What a bound of minutes leaves out
        depends on the machine: give None where the same data must give the same model on any machine.
    folds:
        Folds of whole blocks within a study.
    engine:
        `optuna`: tree-structured Parzen estimator with pruning; `halving`: scikit-learn's successive halving of random
        candidates; `auto`: Optuna where it is installed.
    boosting:
        Gradient boosting that may be a member: `histogram` (scikit-learn), `lightgbm` (the extra `boosting`), or `none`.
    select_features:
        Whether models of fewer features are candidates.
    """

    trials: Annotated[int, Field(ge=1, le=10_000)] = 40
    minutes: Annotated[float, Field(gt=0, le=10_080)] | None = 5.0
    folds: Annotated[int, Field(ge=2, le=20)] = 3
    engine: Literal["auto", "optuna", "halving"] = "auto"
    boosting: Literal["none", "histogram", "lightgbm"] = "histogram"
    select_features: bool = True
