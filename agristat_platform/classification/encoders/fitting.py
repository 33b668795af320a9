"""The training loop of an encoder: batches, early stopping, domain-adversarial training. Imports torch."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from agristat_platform.classification.cross_season.curves import warp_in_time
from agristat_platform.classification.encoders.errors import TrainingDivergedError
from agristat_platform.classification.encoders.networks import EncoderNetwork
from agristat_platform.classification.encoders.settings import Training
from agristat_platform.classification.encoders.training_history import Epoch

_BATCH = 128  # series predicted at once; what more of them need no longer fits a core's own cache


@dataclass(frozen=True)
class Batches:
    """What is learned from, in arrays: series float32 (n, steps, inputs), class numbers int64 (n,), places held out."""

    series: np.ndarray
    label: np.ndarray
    held_out: np.ndarray
    weights: np.ndarray
    target: np.ndarray | None = None


@dataclass
class _Best:
    loss: float = math.inf
    epoch: int = -1
    state: dict[str, Any] = field(default_factory=dict)


def train(
    network: EncoderNetwork,
    batches: Batches,
    settings: Training,
    *,
    device: Any,
    seed: int,
    progress: Callable[[Epoch], None] | None,
) -> tuple[Epoch, ...]:
    """Train in place; the network ends with the weights of the best epoch and in evaluation mode.

    Raises
    ------
    TrainingDivergedError
        The loss is no number.
    """
    random = np.random.default_rng(seed)
    learn, stop = np.flatnonzero(~batches.held_out), np.flatnonzero(batches.held_out)
    weights = torch.from_numpy(batches.weights.astype(np.float32)).to(device)
    pieces = max(1, -(-len(learn) // settings.batch))
    optimiser = torch.optim.AdamW(
        network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=True
    )
    cycle = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, max_lr=settings.learning_rate, total_steps=settings.epochs * pieces
    )
    history: list[Epoch] = []
    best = _Best()
    for number in range(settings.epochs):
        network.train()
        series = batches.series[learn]
        if settings.shift_amplitude > 0:
            moved = warp_in_time(series, settings.shift_amplitude, seed=int(random.integers(2**31)))
            series = moved.astype(np.float32)
        order = random.permutation(len(learn))
        total = 0.0
        for i, rows in enumerate(np.array_split(order, pieces)):
            source = torch.from_numpy(series[rows]).to(device)
            label = torch.from_numpy(batches.label[learn[rows]]).to(device)
            optimiser.zero_grad(set_to_none=True)
            target = _some_target(batches.target, len(rows), random, device)
            reversal = settings.reversal * (2 / (1 + math.exp(-10 * (number + i / pieces) / settings.epochs)) - 1)
            loss, class_loss = _loss(network, source, label, weights, target, reversal)
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 5.0)
            optimiser.step()
            cycle.step()
            total += float(class_loss) * len(rows)
        mean = total / len(learn)
        if not math.isfinite(mean):
            raise TrainingDivergedError(
                f"the loss is {mean}", where=f"epoch {number}", remedy="Lower the learning rate, look at the values"
            )
        held = _held_out_loss(network, batches, stop, weights, device) if len(stop) else None
        history.append(Epoch(number, mean, held))
        if progress is not None:
            progress(history[-1])
        if held is not None and held < best.loss:
            best = _Best(held, number, {k: v.detach().clone() for k, v in network.state_dict().items()})
        elif held is not None and number - best.epoch >= settings.patience:
            break
    if best.state:
        network.load_state_dict(best.state)
    network.eval()
    return tuple(history)


def fine_tune(
    network: EncoderNetwork,
    series: np.ndarray,
    label: np.ndarray,
    *,
    epochs: int,
    learning_rate: float,
    head_only: bool,
    batch: int,
    device: Any,
    seed: int,
) -> None:
    """Go on training in place on few samples; batch statistics stay those of the first training."""
    random = np.random.default_rng(seed)
    network.train()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d):
            module.eval()
    parameters = list((network.head if head_only else network).parameters())
    optimiser = torch.optim.AdamW(parameters, lr=learning_rate, weight_decay=0.0, fused=True)
    for _ in range(epochs):
        for rows in np.array_split(random.permutation(len(series)), max(1, -(-len(series) // batch))):
            optimiser.zero_grad(set_to_none=True)
            scores = network(torch.from_numpy(series[rows]).to(device))
            functional.cross_entropy(scores, torch.from_numpy(label[rows]).to(device)).backward()
            nn.utils.clip_grad_norm_(parameters, 5.0)
            optimiser.step()
    network.zero_grad(set_to_none=True)
    network.eval()


def apply(
    network: EncoderNetwork, series: np.ndarray, *, latent: bool, bfloat16: bool, device: Any, width: int
) -> np.ndarray:
    """Class probabilities, or latents, of filled series, float32 (n, width)."""
    network = network.for_prediction(None if bfloat16 or device.type != "cpu" else series.shape[1])
    found = np.empty((len(series), width), dtype=np.float32)
    with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=bfloat16):
        for i in range(0, len(series), _BATCH):
            part = torch.from_numpy(series[i : i + _BATCH]).to(device)
            values = network.latent(part) if latent else torch.softmax(network(part).float(), dim=1)
            found[i : i + _BATCH] = values.float().cpu().numpy()
    return found


def _loss(
    network: EncoderNetwork, source: Any, label: Any, weights: Any, target: Any | None, reversal: float
) -> tuple[Any, Any]:
    """What is minimised, and the part of it that is about classes."""
    if target is None:
        loss = functional.cross_entropy(network(source), label, weight=weights)
        return loss, loss.detach()
    latent = network.latent(torch.cat([source, target]))
    loss = functional.cross_entropy(network.head(latent[: len(source)]), label, weight=weights)
    domain = torch.zeros(len(latent), dtype=torch.int64, device=latent.device)
    domain[len(source) :] = 1
    return loss + functional.cross_entropy(network.domain(latent, reversal), domain), loss.detach()


def _some_target(target: np.ndarray | None, count: int, random: np.random.Generator, device: Any) -> Any | None:
    if target is None:
        return None
    return torch.from_numpy(target[random.integers(len(target), size=count)]).to(device)


def _held_out_loss(network: EncoderNetwork, batches: Batches, rows: np.ndarray, weights: Any, device: Any) -> float:
    network.eval()
    with torch.inference_mode():
        parts = [rows[i : i + _BATCH] for i in range(0, len(rows), _BATCH)]
        scores = torch.cat([network(torch.from_numpy(batches.series[part]).to(device)) for part in parts])
        label = torch.from_numpy(batches.label[rows]).to(device)
        return float(functional.cross_entropy(scores, label, weight=weights))
