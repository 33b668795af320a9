"""Encoders taught by series without labels, kept in files, and given a head of classes later. Importing it needs no torch.

Not here: training on labels from the start (`CropEncoder.fit`), the loop over batches (`masked_training`).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from agristat_platform.classification.encoders.crop_encoder import CropEncoder
from agristat_platform.classification.encoders.errors import SeriesWithoutValueError
from agristat_platform.classification.encoders.settings import Architecture, Training
from agristat_platform.classification.encoders.torch_runtime import find_device, require_torch, steady
from agristat_platform.classification.encoders.training_history import Epoch
from agristat_platform.classification.encoders.training_samples import check_dimensions, check_training, make_frame
from agristat_platform.classification.errors import InvalidSettingsError

UNLABELLED = "unlabelled"
"""The one class of an encoder that has seen no label."""


def pretrain(
    series: np.ndarray,
    *,
    architecture: Architecture | None = None,
    training: Training | None = None,
    masked: float = 0.3,
    support: bool = False,
    device: str = "cpu",
    seed: int = 0,
    progress: Callable[[Epoch], None] | None = None,
) -> CropEncoder:
    """Teach an encoder the course of series alone: from what is left of a series it must tell what was hidden of it.

    In each pass spells of two to four steps, about `masked` of all, are hidden in every channel, and a linear layer on the
    latent gives the whole series back; the squared error of hidden values that had been observed, in SDs of their channel,
    is minimised (denoising autoencoders, Vincent et al. 2008, ICML; hiding spells of series as in Zerveas et al. 2021, KDD).
    The series may be of any season, with labels or without; `save_encoder` keeps the encoder, and `with_head` or
    `CropEncoder.fit(start=…)` goes on from it on labels.

    Parameters
    ----------
    series:
        (n, steps, channels), NaN = missing; series without a value are passed over.
    architecture, training:
        None for `CnnGru()` and `Training()`; of the latter epochs, batch, learning rate, weight decay and shift amplitude
        count.
    masked:
        Share of steps hidden, above 0 and at most 0.8.
    support, device, seed:
        See `CropEncoder`.
    progress:
        Called after each epoch with its mean squared error.

    Returns
    -------
    CropEncoder
        `transform` gives latents; its one class is "unlabelled".

    Raises
    ------
    InvalidSettingsError
        `masked` out of its range.
    SeriesWithoutValueError
        No series has a value.
    ClassificationError
        SeriesShapeError, TorchMissingError, DeviceError, TrainingDivergedError: see there.
    """
    if not 0 < masked <= 0.8:
        raise InvalidSettingsError(f"masked is {masked}", where="pretrain", remedy="Take a share above 0, at most 0.8")
    require_torch()
    where = find_device(device)
    values = check_dimensions(series)
    values = values[np.isfinite(values).any(axis=(1, 2))]
    if not len(values):
        raise SeriesWithoutValueError("no series has a value", remedy="Give series with values")
    encoder = CropEncoder(architecture, training, support=support, device=device, seed=seed)
    frame = make_frame(values, support=support)
    from agristat_platform.classification.encoders.masked_training import train_masked
    from agristat_platform.classification.encoders.networks import build_network

    chosen, settings = encoder.settings
    with steady(where, seed):
        network = build_network(chosen, frame.steps, frame.inputs, 1)
        network.standardise(frame.centre, frame.scale)
        network.to(where)
        history = train_masked(
            network,
            frame.fill(values),
            np.isfinite(values),
            settings,
            masked=masked,
            device=where,
            seed=seed,
            progress=progress,
        )
    encoder.network_, encoder.frame_, encoder.history_ = network, frame, history
    encoder.classes_, encoder.class_shares_ = np.array([UNLABELLED]), np.ones(1)
    encoder.held_out_ = np.zeros(len(values), dtype=bool)
    return encoder


def with_head(
    encoder: CropEncoder,
    X: np.ndarray,
    y: Sequence[Any],
    *,
    epochs: int = 60,
    learning_rate: float = 3e-3,
) -> CropEncoder:
    """A copy of an encoder with a new class head, taught by labels; its other layers stay as they are.

    For few labels, of classes the encoder needn't know; with many, `CropEncoder.fit(start=encoder)` trains all layers.
    Samples weigh the same: `class_shares_` of the copy are those of `y`.

    Parameters
    ----------
    encoder:
        Fitted, pre-trained, or read by `load_encoder`.
    X, y:
        (n, steps, channels) of the encoder's shape, NaN = missing, and their classes.
    epochs, learning_rate:
        Of this training.

    Raises
    ------
    InvalidSettingsError
        `epochs` or `learning_rate` out of range.
    ClassificationError
        As `CropEncoder.fit`: series without a value, missing labels, one class alone, …
    """
    if epochs < 1 or not learning_rate > 0:
        raise InvalidSettingsError(
            f"epochs {epochs} or learning_rate {learning_rate} is out of range",
            where="with_head",
            remedy="epochs from 1, learning_rate above 0",
        )
    frame = encoder.fitted_frame
    frame.check(X)
    values, classes, label, _ = check_training(X, y, None)
    where = find_device(encoder.device)
    architecture, training = encoder.settings
    taught = copy.copy(encoder)
    from agristat_platform.classification.encoders.fitting import fine_tune
    from agristat_platform.classification.encoders.networks import build_network

    with steady(where, encoder.seed):
        network = build_network(architecture, frame.steps, frame.inputs, len(classes))
        fresh = copy.deepcopy(network.head)
        network.take_weights(encoder.network_)
        network.head = fresh
        network.to(where)
        fine_tune(
            network,
            frame.fill(values),
            label,
            epochs=epochs,
            learning_rate=learning_rate,
            head_only=True,
            batch=training.batch,
            device=where,
            seed=encoder.seed,
        )
    counts = np.bincount(label, minlength=len(classes))
    taught.network_, taught.classes_, taught.class_shares_ = network, classes, counts / counts.sum()
    taught.history_, taught.held_out_ = (), np.zeros(len(label), dtype=bool)
    return taught
