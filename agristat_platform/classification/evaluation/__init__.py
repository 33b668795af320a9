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
from agristat_platform.classification.evaluation.gains import Gain, paired_gain
from agristat_platform.classification.evaluation.groupings import (
    DISTANCE_CLASSES,
    SIZE_CLASSES,
    SUPPORT_CLASSES,
    distance_class,
    distances_to_taught,
    size_class,
    support_class,
)
from agristat_platform.classification.evaluation.held_out import HELD_OUT_SCHEMA, held_out_table
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
from agristat_platform.classification.evaluation.named_origins import (
    ORIGINS_SCHEMA,
    LabelledCurves,
    NamedOrigins,
    named_origins,
)
from agristat_platform.classification.evaluation.origins import Origin, rolling_origins
from agristat_platform.classification.evaluation.pictures import (
    groups_png,
    in_season_png,
    learning_curve_png,
    origins_png,
)
from agristat_platform.classification.evaluation.season_steps import SeasonSteps, chosen_steps, season_steps
from agristat_platform.classification.evaluation.trials import (
    IN_SEASON_SCHEMA,
    LEARNING_CURVE_SCHEMA,
    Answer,
    dealt_folds,
    ensemble_answer,
    in_season_curve,
    learning_curve,
)

__all__ = [
    "CONFLICTS_SCHEMA",
    "CONFLICT_RULE",
    "CONFUSED_PAIRS_SCHEMA",
    "DISTANCE_CLASSES",
    "FIGURES_SCHEMA",
    "HELD_OUT_SCHEMA",
    "IDENTITY_PROOF_SCHEMA",
    "IN_SEASON_SCHEMA",
    "LEARNING_CURVE_SCHEMA",
    "NOTE",
    "ORIGINS_SCHEMA",
    "SIZE_CLASSES",
    "SUPPORT_CLASSES",
    "AccuracyReport",
    "Answer",
    "EvaluationError",
    "Gain",
    "IdentityProof",
    "InvalidPredictionsError",
    "LabelConflicts",
    "LabelledCurves",
    "NamedOrigins",
    "Origin",
    "SeasonSteps",
    "SharedIdentityError",
    "accuracy_report",
    "chosen_steps",
    "conflicting_labels",
    "dealt_folds",
    "distance_class",
    "distances_to_taught",
    "ensemble_answer",
    "fold_identities",
    "groups_png",
    "held_out_table",
    "in_season_curve",
    "in_season_png",
    "joined_groups",
    "learning_curve",
    "learning_curve_png",
    "named_origins",
    "origins_png",
    "paired_gain",
    "place_folds",
    "rolling_origins",
    "row_identities",
    "season_steps",
    "size_class",
    "support_class",
    "wilson_interval",
]
