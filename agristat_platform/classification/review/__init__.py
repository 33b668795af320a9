"""Honest confidence and the review of a map: calibration, the audit sample and what rests on it, the learning queue, and
decisions that come back as data.

Not here: models and their choice (`classification`), the map's rasters (`mapping`), crop areas (`estimation`).
"""

from agristat_platform.classification.review.acceptance import (
    ACCEPTANCE_SCHEMA,
    FIRST_DAY_THRESHOLD,
    Acceptance,
    acceptance_threshold,
)
from agristat_platform.classification.review.audit_accuracy import (
    AUDIT_ACCURACY_SCHEMA,
    AuditAccuracy,
    AuditOutcome,
    audit_accuracy,
    audit_outcome,
)
from agristat_platform.classification.review.audit_sample import (
    AUDIT_SCHEMA,
    AUDIT_STRATA_SCHEMA,
    AuditSample,
    draw_audit_sample,
)
from agristat_platform.classification.review.calibration import METHODS, Calibration, fit_calibration, identity
from agristat_platform.classification.review.calibration_choice import (
    CALIBRATION_SCHEMA,
    ChosenCalibration,
    choose_calibration,
)
from agristat_platform.classification.review.calibration_files import load_calibration, save_calibration
from agristat_platform.classification.review.conformal import ConformalSets, fit_conformal
from agristat_platform.classification.review.decisions import (
    DECISIONS_SCHEMA,
    MIXED,
    NOT_A_PARCEL,
    REFUSED_SCHEMA,
    UNKNOWN,
    CheckedDecisions,
    check_decisions,
)
from agristat_platform.classification.review.errors import (
    AuditSampleError,
    CalibrationError,
    DecisionsError,
    InvalidProbabilitiesError,
    LearningQueueError,
    NoDecisionsError,
    ReviewError,
)
from agristat_platform.classification.review.learning_queue import (
    LEARNING_QUEUE_SCHEMA,
    REVIEW_QUEUE_SCHEMA,
    learning_queue,
    review_queue,
)
from agristat_platform.classification.review.map_review import (
    REVIEWED_SCHEMA,
    SHARED_GROUND_SCHEMA,
    apply_decisions,
    estimation_ground,
    review_labels,
)
from agristat_platform.classification.review.parcel_flags import (
    FLAGS,
    FLAGS_SCHEMA,
    KnownGround,
    flag_groups,
    known_ground,
    limit_of,
    lost_to_buffer,
    parcel_flags,
)
from agristat_platform.classification.review.probabilities import CheckedProbabilities, check_probabilities
from agristat_platform.classification.review.reliability import (
    CALIBRATION_ERROR_SCHEMA,
    RELIABILITY_SCHEMA,
    calibration_error,
    calibration_errors,
    error_by_chance,
    reliability_png,
    reliability_table,
)

__all__ = [
    "ACCEPTANCE_SCHEMA",
    "AUDIT_ACCURACY_SCHEMA",
    "AUDIT_SCHEMA",
    "AUDIT_STRATA_SCHEMA",
    "CALIBRATION_ERROR_SCHEMA",
    "CALIBRATION_SCHEMA",
    "DECISIONS_SCHEMA",
    "FIRST_DAY_THRESHOLD",
    "FLAGS",
    "FLAGS_SCHEMA",
    "LEARNING_QUEUE_SCHEMA",
    "METHODS",
    "MIXED",
    "NOT_A_PARCEL",
    "REFUSED_SCHEMA",
    "RELIABILITY_SCHEMA",
    "REVIEWED_SCHEMA",
    "REVIEW_QUEUE_SCHEMA",
    "SHARED_GROUND_SCHEMA",
    "UNKNOWN",
    "Acceptance",
    "AuditAccuracy",
    "AuditOutcome",
    "AuditSample",
    "AuditSampleError",
    "Calibration",
    "CalibrationError",
    "CheckedDecisions",
    "CheckedProbabilities",
    "ChosenCalibration",
    "ConformalSets",
    "DecisionsError",
    "InvalidProbabilitiesError",
    "KnownGround",
    "LearningQueueError",
    "NoDecisionsError",
    "ReviewError",
    "acceptance_threshold",
    "apply_decisions",
    "audit_accuracy",
    "audit_outcome",
    "calibration_error",
    "calibration_errors",
    "check_decisions",
    "check_probabilities",
    "choose_calibration",
    "draw_audit_sample",
    "error_by_chance",
    "estimation_ground",
    "fit_calibration",
    "fit_conformal",
    "flag_groups",
    "identity",
    "known_ground",
    "learning_queue",
    "limit_of",
    "load_calibration",
    "lost_to_buffer",
    "parcel_flags",
    "reliability_png",
    "reliability_table",
    "review_labels",
    "review_queue",
    "save_calibration",
]
