"""Encoders on disk: safetensors for weights, JSON for the rest, ONNX for other programs; nothing in them runs code here.

The same encoder gives the same bytes. A changed byte in either file is refused.
"""

from __future__ import annotations

import platform
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy

import agristat_platform
from agristat_platform.classification.encoders.crop_encoder import CropEncoder
from agristat_platform.classification.encoders.errors import TorchMissingError
from agristat_platform.classification.encoders.settings import Training, architecture_from_json, as_json
from agristat_platform.classification.encoders.torch_runtime import require_torch
from agristat_platform.classification.encoders.training_history import Epoch
from agristat_platform.classification.encoders.training_samples import SeriesFrame
from agristat_platform.classification.errors import InvalidSettingsError
from agristat_platform.classification.sealed_files import SealedModel, whole_file

DESCRIPTION_FILE = "encoder.json"
TENSORS_FILE = "encoder.safetensors"
SEALED = SealedModel(
    name="agristat temporal encoder",
    version=1,
    again="train the encoder again",
    content="a description of an encoder",
    description_file=DESCRIPTION_FILE,
    arrays_file=TENSORS_FILE,
)


def save_encoder(encoder: CropEncoder, directory: Path | str) -> tuple[Path, Path]:
    """Write `encoder.json` and `encoder.safetensors`, each complete or not at all, and return their paths.

    Raises
    ------
    NotFittedError
        The encoder has nothing to save.
    """
    frame = encoder.fitted_frame
    arrays = {name: np.ascontiguousarray(t.detach().cpu().numpy()) for name, t in encoder.network_.state_dict().items()}
    architecture, training = encoder.settings
    description = {
        "architecture": as_json(architecture),
        "training": as_json(training),
        "seed": encoder.seed,
        "precision": encoder.precision,
        "classes": encoder.classes_.tolist(),
        "class_shares": encoder.class_shares_.tolist(),
        "steps": frame.steps,
        "channels": frame.channels,
        "support": frame.support,
        "centre": frame.centre.tolist(),
        "scale": frame.scale.tolist(),
        "history": [[e.number, e.loss, e.held_out_loss] for e in encoder.history_],
        "versions": {
            "agristat_platform": agristat_platform.__version__,
            "python": platform.python_version(),
            "torch": str(require_torch().__version__),
        },
    }
    return SEALED.write(directory, description, safetensors.numpy.save(dict(sorted(arrays.items()))))


def load_encoder(directory: Path | str, *, device: str = "cpu") -> CropEncoder:
    """Read an encoder written by `save_encoder`; on the same machine it predicts the same bytes as the one saved.

    Raises
    ------
    ModelFileMissingError
        One of the two files isn't there.
    ModelFormatVersionError
        Another format, or another version of it.
    ModelFileTamperedError
        A byte changed since writing, a key is missing, or the weights don't make the network.
    TorchMissingError, DeviceError
        See there.
    """
    folder = Path(directory)
    description, content = SEALED.read_both(folder)
    try:
        encoder = _described(description, device)
    except (KeyError, TypeError, ValueError, InvalidSettingsError) as reason:
        raise SEALED.tampered(folder / DESCRIPTION_FILE, f"a key is missing or unusable: {reason}") from reason
    torch = require_torch()
    from agristat_platform.classification.encoders.networks import build_network

    frame = encoder.frame_
    with torch.random.fork_rng(devices=[]):
        network = build_network(encoder.settings[0], frame.steps, frame.inputs, len(encoder.classes_))
    try:
        arrays = safetensors.numpy.load(content)
        network.load_state_dict({name: torch.from_numpy(array.copy()) for name, array in arrays.items()})
    except (RuntimeError, safetensors.SafetensorError) as reason:
        raise SEALED.tampered(folder / TENSORS_FILE, f"the weights don't make the network: {reason}") from reason
    encoder.network_ = network.eval()
    return encoder


def export_onnx(encoder: CropEncoder, path: Path | str) -> Path:
    """Write an encoder as an ONNX graph: `series` float32 (n, steps, inputs) in → `probabilities` float32 (n, k) out.

    The graph standardises by itself; gaps must be filled before, by `encoder.fitted_frame.fill(series)`. Its probabilities
    are those of `predict_proba` in float32 to within 1e-5.

    Raises
    ------
    NotFittedError
        The encoder has nothing to export.
    TorchMissingError
        Torch or the package `onnx` is not installed.
    """
    frame = encoder.fitted_frame
    torch = require_torch()
    from agristat_platform.classification.encoders.networks import Probabilities

    target = Path(path)
    network = Probabilities(encoder.network_).cpu().eval()
    try:
        with whole_file(target) as partial, warnings.catch_warnings():
            # The tracing exporter is marked as old; the newer one takes seconds and one more package for the same graph.
            warnings.simplefilter("ignore")
            torch.onnx.export(
                network,
                (torch.zeros(2, frame.steps, frame.inputs),),
                partial,
                input_names=["series"],
                output_names=["probabilities"],
                dynamic_axes={"series": {0: "n"}, "probabilities": {0: "n"}},
                dynamo=False,
            )
    except (ImportError, torch.onnx.OnnxExporterError) as reason:
        raise TorchMissingError(
            f"the ONNX export can't run: {reason}",
            remedy='Install the extra "neural", which has the package onnx: pip install -c constraints.txt -e ".[neural]"',
        ) from reason
    return target


def _described(description: dict[str, Any], device: str) -> CropEncoder:
    training = Training(**description["training"])
    encoder = CropEncoder(
        architecture_from_json(description["architecture"]),
        training,
        support=bool(description["support"]),
        device=device,
        precision=description["precision"],
        seed=description["seed"],
    )
    centre, scale = (np.array(description[name], dtype=np.float64) for name in ("centre", "scale"))
    frame = SeriesFrame(description["steps"], description["channels"], encoder.support, centre, scale)
    encoder.classes_ = np.array(description["classes"], dtype=str)
    encoder.class_shares_ = np.array(description["class_shares"], dtype=np.float64)
    if not len(centre) == len(scale) == frame.channels or len(encoder.class_shares_) != len(encoder.classes_):
        raise ValueError("standardisation, channels, classes and shares differ in number")
    encoder.history_ = tuple(Epoch(*values) for values in description["history"])
    encoder.frame_ = frame
    return encoder
