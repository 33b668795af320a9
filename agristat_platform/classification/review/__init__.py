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
    AUDIT_CONFUSION_SCHEMA,
    AuditAccuracy,
    AuditOutcome,
    audit_accuracy,
    audit_confusion,
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
from agristat_platform.classification.review.decision_files import (
    ReadDecisions,
    WrittenDecisions,
    WrittenRow,
    decisions_csv,
    read_decisions,
    signed,
    written_decisions,
)
from agristat_platform.classification.review.decisions import (
    AUDIT,
    DECISIONS_SCHEMA,
    LEARNING,
    MIXED,
    NOT_A_PARCEL,
    REFUSED_SCHEMA,
    UNKNOWN,
    CheckedDecisions,
    check_decisions,
    sample_name,
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
from agristat_platform.classification.review.figures import samples_png
from agristat_platform.classification.review.flag_measures import (
    ParcelMeasures,
    distances_to_known,
    flag_portions,
    measured_columns,
    parcel_measures,
)
from agristat_platform.classification.review.judgement import (
    AUDITED,
    CALIBRATED,
    NOT_AUDITED,
    PARTLY,
    STATED,
    TOO_FEW,
    Judgement,
    judge_map,
)
from agristat_platform.classification.review.learning_queue import (
    LEARNING_QUEUE_SCHEMA,
    REVIEW_QUEUE_SCHEMA,
    learning_queue,
    review_queue,
)
from agristat_platform.classification.review.map_probabilities import MapProbabilities, calibrated_map
from agristat_platform.classification.review.map_review import (
    REVIEWED_SCHEMA,
    SHARED_GROUND_SCHEMA,
    apply_decisions,
    estimation_ground,
    parcels_outside,
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
from agristat_platform.classification.review.progress import (
    PROGRESS_SCHEMA,
    ReviewProgress,
    by_reviewer,
    review_progress,
)
from agristat_platform.classification.review.reliability import (
    CALIBRATION_ERROR_SCHEMA,
    RELIABILITY_SCHEMA,
    calibration_error,
    calibration_errors,
    error_by_chance,
    reliability_png,
    reliability_table,
)
from agristat_platform.classification.review.review_samples import ReviewSamples, draw_review_samples
from agristat_platform.classification.review.reviewers_files import write_reviewers_file
from agristat_platform.classification.review.reviewers_table import REVIEWERS_SCHEMA, reviewers_csv, reviewers_table

__all__ = [
    "ACCEPTANCE_SCHEMA",
    "AUDIT",
    "AUDITED",
    "AUDIT_ACCURACY_SCHEMA",
    "AUDIT_CONFUSION_SCHEMA",
    "AUDIT_SCHEMA",
    "AUDIT_STRATA_SCHEMA",
    "CALIBRATED",
    "CALIBRATION_ERROR_SCHEMA",
    "CALIBRATION_SCHEMA",
    "DECISIONS_SCHEMA",
    "FIRST_DAY_THRESHOLD",
    "FLAGS",
    "FLAGS_SCHEMA",
    "LEARNING",
    "LEARNING_QUEUE_SCHEMA",
    "METHODS",
    "MIXED",
    "NOT_AUDITED",
    "NOT_A_PARCEL",
    "PARTLY",
    "PROGRESS_SCHEMA",
    "REFUSED_SCHEMA",
    "RELIABILITY_SCHEMA",
    "REVIEWED_SCHEMA",
    "REVIEWERS_SCHEMA",
    "REVIEW_QUEUE_SCHEMA",
    "SHARED_GROUND_SCHEMA",
    "STATED",
    "TOO_FEW",
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
    "Judgement",
    "KnownGround",
    "LearningQueueError",
    "MapProbabilities",
    "NoDecisionsError",
    "ParcelMeasures",
    "ReadDecisions",
    "ReviewError",
    "ReviewProgress",
    "ReviewSamples",
    "WrittenDecisions",
    "WrittenRow",
    "acceptance_threshold",
    "apply_decisions",
    "audit_accuracy",
    "audit_confusion",
    "audit_outcome",
    "by_reviewer",
    "calibrated_map",
    "calibration_error",
    "calibration_errors",
    "check_decisions",
    "check_probabilities",
    "choose_calibration",
    "decisions_csv",
    "distances_to_known",
    "draw_audit_sample",
    "draw_review_samples",
    "error_by_chance",
    "estimation_ground",
    "fit_calibration",
    "fit_conformal",
    "flag_groups",
    "flag_portions",
    "identity",
    "judge_map",
    "known_ground",
    "learning_queue",
    "limit_of",
    "load_calibration",
    "lost_to_buffer",
    "measured_columns",
    "parcel_flags",
    "parcel_measures",
    "parcels_outside",
    "read_decisions",
    "reliability_png",
    "reliability_table",
    "review_labels",
    "review_progress",
    "review_queue",
    "reviewers_csv",
    "reviewers_table",
    "sample_name",
    "samples_png",
    "save_calibration",
    "signed",
    "write_reviewers_file",
    "written_decisions",
]
