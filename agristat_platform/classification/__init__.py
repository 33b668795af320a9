"""Crop recognition: training sets, the crop model, its files, and how well it does on labels.

Not here: segment features (`features`), maps and their design-based accuracy (`mapping`).
"""

from agristat_platform.classification.cross_season import (
    GATE_SCHEMA,
    Gate,
    GateRow,
    MemberSettings,
    Recognition,
    recognise,
)
from agristat_platform.classification.cross_validation import (
    FOLDS_SCHEMA,
    CrossValidation,
    TransferAccuracy,
    cross_validate,
    figures_table,
    transfer_accuracy,
)
from agristat_platform.classification.ensemble import IMPORTANCE_SCHEMA, CropEnsemble
from agristat_platform.classification.errors import (
    ClassificationError,
    EmptyClassError,
    FeatureMismatchError,
    InvalidLabelsError,
    InvalidSampleWeightError,
    InvalidSeasonsError,
    InvalidSettingsError,
    InvalidSharesError,
    LengthMismatchError,
    ModelFileMissingError,
    ModelFileTamperedError,
    ModelFormatVersionError,
    NotFittedError,
    NoTrainingSamplesError,
    SmallClassError,
    TooFewBlocksError,
    TooFewClassesError,
    UnknownCropCodeError,
)
from agristat_platform.classification.figures import confusion_png
from agristat_platform.classification.fitting import EnsembleSettings
from agristat_platform.classification.folds import blocked_folds, spatial_blocks
from agristat_platform.classification.label_files import read_vector_labels
from agristat_platform.classification.labelled_series import LabelledSeries, read_labelled_series
from agristat_platform.classification.labels import (
    CLASS_SUPPORT_SCHEMA,
    DROPPED_SCHEMA,
    LABELS_SCHEMA,
    LabelCheck,
    class_support,
    label_table,
    validate_labels,
)
from agristat_platform.classification.leakage import Leak, fold_leakage, leakage
from agristat_platform.classification.model_files import MODEL_FILES, load_model, save_model
from agristat_platform.classification.scores import (
    CLASS_ACCURACY_SCHEMA,
    Accuracy,
    accuracy,
    class_accuracy,
    confusion_matrix,
    expected_calibration_error,
)
from agristat_platform.classification.training_sets import (
    TrainingSet,
    assemble_training_set,
    training_set_from_series,
)
from agristat_platform.classification.unseen_ground import (
    TAUGHT_GROUND_SCHEMA,
    shared_ground_ha,
    taught_ground,
    unseen_ground,
)

__all__ = [
    "CLASS_ACCURACY_SCHEMA",
    "CLASS_SUPPORT_SCHEMA",
    "DROPPED_SCHEMA",
    "FOLDS_SCHEMA",
    "GATE_SCHEMA",
    "IMPORTANCE_SCHEMA",
    "LABELS_SCHEMA",
    "MODEL_FILES",
    "TAUGHT_GROUND_SCHEMA",
    "Accuracy",
    "ClassificationError",
    "CropEnsemble",
    "CrossValidation",
    "EmptyClassError",
    "EnsembleSettings",
    "FeatureMismatchError",
    "Gate",
    "GateRow",
    "InvalidLabelsError",
    "InvalidSampleWeightError",
    "InvalidSeasonsError",
    "InvalidSettingsError",
    "InvalidSharesError",
    "LabelCheck",
    "LabelledSeries",
    "Leak",
    "LengthMismatchError",
    "MemberSettings",
    "ModelFileMissingError",
    "ModelFileTamperedError",
    "ModelFormatVersionError",
    "NoTrainingSamplesError",
    "NotFittedError",
    "Recognition",
    "SmallClassError",
    "TooFewBlocksError",
    "TooFewClassesError",
    "TrainingSet",
    "TransferAccuracy",
    "UnknownCropCodeError",
    "accuracy",
    "assemble_training_set",
    "blocked_folds",
    "class_accuracy",
    "class_support",
    "confusion_matrix",
    "confusion_png",
    "cross_validate",
    "expected_calibration_error",
    "figures_table",
    "fold_leakage",
    "label_table",
    "leakage",
    "load_model",
    "read_labelled_series",
    "read_vector_labels",
    "recognise",
    "save_model",
    "shared_ground_ha",
    "spatial_blocks",
    "taught_ground",
    "training_set_from_series",
    "transfer_accuracy",
    "unseen_ground",
    "validate_labels",
]
