"""Evaluation on labels: accuracy with intervals, folds that share nothing, learning and in-season curves, rolling origin.

Not here: calibration and audit (`classification.review`), design-based accuracy of a map (`mapping.map_accuracy`).
"""

from agristat_platform.classification.evaluation.accuracy_report import (
    CONFUSED_PAIRS_SCHEMA,
    FIGURES_SCHEMA,
    NOTE,
    AccuracyReport,
    accuracy_report,
)
from agristat_platform.classification.evaluation.errors import (
    EvaluationError,
    InvalidPredictionsError,
    SharedIdentityError,
)
from agristat_platform.classification.evaluation.groupings import SIZE_CLASSES, size_class
from agristat_platform.classification.evaluation.identities import (
    CONFLICT_RULE,
    CONFLICTS_SCHEMA,
    IDENTITY_PROOF_SCHEMA,
    IdentityProof,
    LabelConflicts,
    conflicting_labels,
    fold_identities,
    joined_groups,
    place_folds,
    row_identities,
)
from agristat_platform.classification.evaluation.intervals import wilson_interval
from agristat_platform.classification.evaluation.pictures import in_season_png, learning_curve_png
from agristat_platform.classification.evaluation.trials import (
    IN_SEASON_SCHEMA,
    LEARNING_CURVE_SCHEMA,
    Answer,
    Origin,
    ensemble_answer,
    in_season_curve,
    learning_curve,
    rolling_origins,
)

__all__ = [
    "CONFLICTS_SCHEMA",
    "CONFLICT_RULE",
    "CONFUSED_PAIRS_SCHEMA",
    "FIGURES_SCHEMA",
    "IDENTITY_PROOF_SCHEMA",
    "IN_SEASON_SCHEMA",
    "LEARNING_CURVE_SCHEMA",
    "NOTE",
    "SIZE_CLASSES",
    "AccuracyReport",
    "Answer",
    "EvaluationError",
    "IdentityProof",
    "InvalidPredictionsError",
    "LabelConflicts",
    "Origin",
    "SharedIdentityError",
    "accuracy_report",
    "conflicting_labels",
    "ensemble_answer",
    "fold_identities",
    "in_season_curve",
    "in_season_png",
    "joined_groups",
    "learning_curve",
    "learning_curve_png",
    "place_folds",
    "rolling_origins",
    "row_identities",
    "size_class",
    "wilson_interval",
]
