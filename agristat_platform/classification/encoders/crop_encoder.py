"""The temporal encoder as scikit-learn knows classifiers: fit, predict_proba, classes_; transform gives the latents."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin

from agristat_platform.classification.encoders.errors import SeriesWithoutValueError
from agristat_platform.classification.encoders.settings import Architecture, CnnGru, Training
from agristat_platform.classification.encoders.torch_runtime import find_device, require_torch, steady
from agristat_platform.classification.encoders.training_history import Epoch
from agristat_platform.classification.encoders.training_samples import (
    SeriesFrame,
    check_labels,
    check_training,
    class_numbers,
    hold_out_places,
    make_frame,
)
from agristat_platform.classification.errors import InvalidSettingsError, NotFittedError


class CropEncoder(ClassifierMixin, BaseEstimator):
    """A neural network on series of a season, (n, steps, channels) with NaN for missing.

    Training runs on one thread: the same seed gives the same bytes on a CPU, whatever torch's thread count is. On a GPU
    that isn't promised.

    Parameters
    ----------
    architecture:
        `CnnGru`, `TempCnn` or `Ltae`; None for `CnnGru()`.
    training:
        None for `Training()`.
    support:
        Give the network the share of channels observed at each step as one channel more.
    device:
        "cpu", "cuda", "cuda:1" or "auto", the GPU where there is one.
    precision:
        Of prediction: "float32", or "bfloat16", which is faster on CPUs that have it and off by about 0.001.
    seed:
        Everything random follows from it.

    Attributes
    ----------
    classes_:
        Sorted labels, str (k,).
    class_shares_:
        Shares of classes that the probabilities answer for: those of the training samples, or equal ones with balanced
        weights. For another prior π: P / class_shares_ × π, to sum to 1.
    history_:
        An `Epoch` for each pass.
    held_out_:
        bool (n,): the training samples whose places were held out for stopping.
    frame_:
        Shape and standardisation of the series.
    """

    network_: Any  # networks.EncoderNetwork, which needs torch

    def __init__(
        self,
        architecture: Architecture | None = None,
        training: Training | None = None,
        *,
        support: bool = False,
        device: str = "cpu",
        precision: str = "float32",
        seed: int = 0,
    ) -> None:
        self.architecture = architecture
        self.training = training
        self.support = support
        self.device = device
        self.precision = precision
        self.seed = seed

    @property
    def settings(self) -> tuple[Architecture, Training]:
        """Architecture and training with the defaults in place of None."""
        return self.architecture or CnnGru(), self.training or Training()

    def fit(
        self,
        X: np.ndarray,
        y: Sequence[Any],
        groups: Sequence[Any] | None = None,
        *,
        target: np.ndarray | None = None,
        start: CropEncoder | None = None,
        progress: Callable[[Epoch], None] | None = None,
    ) -> CropEncoder:
        """Train on labelled series.

        Parameters
        ----------
        X, y:
            Series (n, steps, channels), NaN = missing, and their classes.
        groups:
            (n,) keys of places or spatial blocks; about a fifth of the samples, in whole places, decides when training
            stops. None, or places that can't be parted: all epochs are run. Rows are never held out singly.
        target:
            (m, steps, channels) series of the season to come, without labels: the domain head learns to tell them from
            the training series, and the encoder to prevent it (Ganin et al. 2016). It can do great harm: have it judged.
        start:
            A fitted encoder of the same architecture whose weights training starts from, but for heads of other width.
        progress:
            Called after each epoch.

        Raises
        ------
        ClassificationError
            See `training_samples.check_training`; also TorchMissingError, DeviceError, TrainingDivergedError, and
            InvalidSettingsError for `target` without a domain head or a `start` that doesn't fit.
        """
        architecture, training = self.settings
        require_torch()
        device = find_device(self.device)
        self._check_precision()
        values, classes, label, place = check_training(X, y, groups)
        frame = start.fitted_frame if start is not None else make_frame(values, support=self.support)
        frame.check(values)
        self._check_start(start, architecture)
        batches = self._batches(values, classes, label, place, target, frame)
        from agristat_platform.classification.encoders.fitting import train
        from agristat_platform.classification.encoders.networks import build_network

        with steady(device, self.seed):
            network = build_network(architecture, frame.steps, frame.inputs, len(classes))
            network.standardise(frame.centre, frame.scale)
            if start is not None:
                network.take_weights(start.network_)
            network.to(device)
            history = train(network, batches, training, device=device, seed=self.seed, progress=progress)
        counts = np.bincount(label[~batches.held_out], minlength=len(classes)) * batches.weights
        self.network_, self.frame_, self.history_ = network, frame, history
        self.classes_, self.class_shares_ = classes, counts / counts.sum()
        self.held_out_ = batches.held_out
        return self

    def fine_tune(
        self,
        X: np.ndarray,
        y: Sequence[Any],
        *,
        epochs: int = 30,
        learning_rate: float = 3e-4,
        layers: str = "all",
    ) -> CropEncoder:
        """A copy that has also learned from reviewed series, of a shock season for instance; this encoder stays.

        Parameters
        ----------
        X, y:
            Reviewed series and their classes, which must be known to the encoder; a few dozen are enough.
        epochs, learning_rate:
            Of this training; no early stopping, as few samples can't be spared.
        layers:
            "all", or "head" for the class head alone.

        Raises
        ------
        ClassificationError
            As `fit`; UnknownCropCodeError for a class that the encoder doesn't know.
        """
        if layers not in ("all", "head") or epochs < 1 or not learning_rate > 0:
            raise InvalidSettingsError(
                f"layers {layers!r}, epochs {epochs} or learning_rate {learning_rate} is out of range",
                where="fine_tune",
                remedy='layers "all" or "head", epochs from 1, learning_rate above 0',
            )
        values = self.fitted_frame.check(X)
        label = class_numbers(check_labels(values, y), self.classes_)
        device = find_device(self.device)
        tuned = copy.deepcopy(self)
        from agristat_platform.classification.encoders.fitting import fine_tune

        with steady(device, self.seed):
            tuned.network_.to(device)
            fine_tune(
                tuned.network_,
                self.frame_.fill(values),
                label,
                epochs=epochs,
                learning_rate=learning_rate,
                head_only=layers == "head",
                batch=self.settings[1].batch,
                device=device,
                seed=self.seed,
            )
        return tuned

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Class probabilities float64 (n, k), rows sum to 1; NaN where a series has no value."""
        found = self._apply(X, latent=False)
        return found / found.sum(axis=1, keepdims=True)

    def predict(self, X: np.ndarray) -> np.ndarray:
        """The likeliest class of each series, object (n,): str, None where a series has no value."""
        found = self.predict_proba(X)
        names = self.classes_[np.nan_to_num(found, nan=-1.0).argmax(axis=1)].astype(object)
        names[np.isnan(found).any(axis=1)] = None
        return np.asarray(names)

    def transform(self, X: np.ndarray) -> np.ndarray:
        """Latents float64 (n, d), for another classifier; NaN where a series has no value."""
        return self._apply(X, latent=True)

    @property
    def fitted_frame(self) -> SeriesFrame:
        """Shape and standardisation of the series; NotFittedError before `fit`."""
        if not hasattr(self, "frame_"):
            raise NotFittedError("the encoder has not been fitted", remedy="Call fit, or load_encoder")
        return self.frame_

    def _apply(self, X: np.ndarray, *, latent: bool) -> np.ndarray:
        values = self.fitted_frame.check(X)
        self._check_precision()
        device = find_device(self.device)
        from agristat_platform.classification.encoders.fitting import apply

        width = self.network_.latent_width if latent else len(self.classes_)
        found = np.full((len(values), width), np.nan)
        some = np.isfinite(values).any(axis=(1, 2))
        with steady(device, self.seed):
            found[some] = apply(
                self.network_.to(device),
                self.frame_.fill(values[some]),
                latent=latent,
                bfloat16=self.precision == "bfloat16",
                device=device,
                width=width,
            )
        return found

    def _batches(
        self,
        values: np.ndarray,
        classes: np.ndarray,
        label: np.ndarray,
        place: np.ndarray | None,
        target: np.ndarray | None,
        frame: SeriesFrame,
    ) -> Any:
        from agristat_platform.classification.encoders.fitting import Batches

        _, training = self.settings
        held_out = np.zeros(len(label), dtype=bool)
        if place is not None and training.validation_share > 0:
            held_out = hold_out_places(label, place, training.validation_share, self.seed)
        counts = np.bincount(label[~held_out], minlength=len(classes))
        weights = np.ones(len(classes))
        if training.class_weights == "balanced":
            weights = counts.sum() / (len(classes) * counts)
        return Batches(frame.fill(values), label, held_out, weights, self._filled_target(target, frame))

    def _filled_target(self, target: np.ndarray | None, frame: SeriesFrame) -> np.ndarray | None:
        if target is None:
            return None
        if self.settings[0].domain_units is None:
            raise InvalidSettingsError(
                "target series need a domain head",
                where=type(self.settings[0]).__name__,
                remedy="Set domain_units of the architecture, (128, 64) for instance",
            )
        values = frame.check(target)
        values = values[np.isfinite(values).any(axis=(1, 2))]
        if not len(values):
            raise SeriesWithoutValueError("no target series has a value", remedy="Leave target out")
        return frame.fill(values)

    def _check_start(self, start: CropEncoder | None, architecture: Architecture) -> None:
        if start is not None and (start.settings[0] != architecture or start.support != self.support):
            raise InvalidSettingsError(
                f"training can't start from an encoder with {start.settings[0]}",
                remedy=f"Give one with {architecture} and support={self.support}",
            )

    def _check_precision(self) -> None:
        if self.precision not in ("float32", "bfloat16"):
            raise InvalidSettingsError(
                f"precision is {self.precision!r}", where="CropEncoder", remedy='Take "float32" or "bfloat16"'
            )
