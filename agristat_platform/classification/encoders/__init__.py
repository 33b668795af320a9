"""Temporal encoders: neural networks on series, behind scikit-learn's interface. Importing this doesn't need torch.

Not here: the ensemble of trees and kernels and the gate that judges all models (`classification.cross_season`).
"""

from agristat_platform.classification.encoders.crop_encoder import CropEncoder
from agristat_platform.classification.encoders.encoder_files import export_onnx, load_encoder, save_encoder
from agristat_platform.classification.encoders.errors import (
    DeviceError,
    SeriesShapeError,
    SeriesWithoutValueError,
    TorchMissingError,
    TrainingDivergedError,
)
from agristat_platform.classification.encoders.pretraining import pretrain, with_head
from agristat_platform.classification.encoders.settings import CnnGru, Ltae, TempCnn, Training
from agristat_platform.classification.encoders.training_history import Epoch

__all__ = [
    "CnnGru",
    "CropEncoder",
    "DeviceError",
    "Epoch",
    "Ltae",
    "SeriesShapeError",
    "SeriesWithoutValueError",
    "TempCnn",
    "TorchMissingError",
    "Training",
    "TrainingDivergedError",
    "export_onnx",
    "load_encoder",
    "pretrain",
    "save_encoder",
    "with_head",
]
