"""The training loop of an encoder on series without labels: spells are hidden, and told from the rest. Imports torch."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

from agristat_platform.classification.cross_season.curves import warp_in_time
from agristat_platform.classification.encoders.errors import TrainingDivergedError
from agristat_platform.classification.encoders.networks import EncoderNetwork
from agristat_platform.classification.encoders.settings import Training
from agristat_platform.classification.encoders.training_history import Epoch

_SPELL = (2, 4)  # steps, shortest and longest


def train_masked(
    network: EncoderNetwork,
    series: np.ndarray,
    seen: np.ndarray,
    settings: Training,
    *,
    masked: float,
    device: Any,
    seed: int,
    progress: Callable[[Epoch], None] | None,
) -> tuple[Epoch, ...]:
    """Train in place; the network ends in evaluation mode.

    Parameters
    ----------
    series:
        float32 (n, steps, inputs) without gaps, in their own units.
    seen:
        bool (n, steps, channels): values that were observed; inputs beyond the channels are not to be told.

    Raises
    ------
    TrainingDivergedError
        The error is no number.
    """
    random = np.random.default_rng(seed)
    n, steps, channels = seen.shape
    centre = network.centre.detach().cpu().numpy()
    scale = network.scale.detach().cpu().numpy()[:channels]
    decoder = nn.Linear(network.latent_width, steps * channels).to(device)
    parameters = [*network.body.parameters(), *decoder.parameters()]
    pieces = max(1, -(-n // settings.batch))
    optimiser = torch.optim.AdamW(parameters, lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=True)
    cycle = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, max_lr=settings.learning_rate, total_steps=settings.epochs * pieces
    )
    history: list[Epoch] = []
    for number in range(settings.epochs):
        network.train()
        whole = series
        if settings.shift_amplitude > 0:
            moved = warp_in_time(series, settings.shift_amplitude, seed=int(random.integers(2**31)))
            whole = moved.astype(np.float32)
        hidden = spells(n, steps, masked, random)
        total, weight = 0.0, 0
        for rows in np.array_split(random.permutation(n), pieces):
            given = np.where(hidden[rows, :, None], centre, whole[rows]).astype(np.float32)
            told = (whole[rows][:, :, :channels] - centre[:channels]) / scale
            counted = seen[rows] & hidden[rows, :, None]
            number_counted = int(counted.sum())
            if not number_counted:
                continue
            optimiser.zero_grad(set_to_none=True)
            found = decoder(network.latent(torch.from_numpy(given).to(device))).reshape(len(rows), steps, channels)
            wrong = (found - torch.from_numpy(told.astype(np.float32)).to(device)) ** 2
            loss = (wrong * torch.from_numpy(counted.astype(np.float32)).to(device)).sum() / number_counted
            loss.backward()
            nn.utils.clip_grad_norm_(parameters, 5.0)
            optimiser.step()
            cycle.step()
            total += float(loss.detach()) * number_counted
            weight += number_counted
        mean = total / weight if weight else math.nan
        if not math.isfinite(mean):
            raise TrainingDivergedError(
                f"the error is {mean}", where=f"epoch {number}", remedy="Lower the learning rate, look at the values"
            )
        history.append(Epoch(number, mean, None))
        if progress is not None:
            progress(history[-1])
    network.eval()
    return tuple(history)


def spells(n: int, steps: int, share: float, random: np.random.Generator) -> np.ndarray:
    """Steps to hide, bool (n, steps): spells of 2 to 4 steps at random places, about `share` of all, at least one each."""
    chance = share / (sum(_SPELL) / 2)
    starts = random.random((n, steps)) < chance
    never = ~starts.any(axis=1)
    starts[np.flatnonzero(never), random.integers(0, steps, int(never.sum()))] = True
    length = random.integers(_SPELL[0], _SPELL[1] + 1, (n, steps))
    hidden = np.zeros((n, steps), dtype=bool)
    for offset in range(_SPELL[1]):
        begun = starts & (length > offset)
        hidden[:, offset:] |= begun[:, : steps - offset]
    return hidden
