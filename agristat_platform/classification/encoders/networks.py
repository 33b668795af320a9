"""The networks themselves. This module alone needs torch to be imported; it is imported when a network is made."""

from __future__ import annotations

import copy
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from agristat_platform.classification.encoders.fast_body import FastCnnGruBody
from agristat_platform.classification.encoders.settings import Architecture, CnnGru, Ltae, TempCnn
from agristat_platform.classification.encoders.spectral_convolution import convolve


def build_network(architecture: Architecture, steps: int, channels: int, classes: int) -> EncoderNetwork:
    """A network with weights drawn from torch's global generator."""
    body: nn.Module
    if isinstance(architecture, CnnGru):
        body = _CnnGruBody(architecture, channels)
        latent = 2 * architecture.gru_units
        head = _dense((latent, architecture.head_units, classes))
    elif isinstance(architecture, TempCnn):
        body, latent = _TempCnnBody(architecture, steps, channels), architecture.dense_units
        head = _dense((latent, classes))
    else:
        body, latent = _LtaeBody(architecture, steps, channels), architecture.latent_units
        head = _dense((latent, architecture.head_units, classes))
    hidden = architecture.domain_units
    domain_head = None if hidden is None else _dense((latent, *hidden, 2))
    return EncoderNetwork(body, head, domain_head, channels, latent)


class EncoderNetwork(nn.Module):
    """Series (n, steps, channels) without NaN, in their own units → latent (n, d), class scores (n, k).

    Buffers `centre` and `scale` (channels,) standardise the series, so that exported graphs do it too.
    """

    def __init__(
        self, body: nn.Module, head: nn.Module, domain_head: nn.Module | None, channels: int, latent_width: int
    ) -> None:
        super().__init__()
        self.latent_width = latent_width
        self.body, self.head, self.domain_head = body, head, domain_head
        self.register_buffer("centre", torch.zeros(channels))
        self.register_buffer("scale", torch.ones(channels))

    def latent(self, series: Any) -> Any:
        return self.body((series - self.centre) / self.scale)

    def forward(self, series: Any) -> Any:
        return self.head(self.latent(series))

    def domain(self, latent: Any, reversal: float) -> Any:
        """Scores of source and target (n, 2); their gradient reaches the latent times −reversal."""
        assert self.domain_head is not None
        return self.domain_head(_ReverseGradient.apply(latent, reversal))

    def standardise(self, centre: np.ndarray, scale: np.ndarray) -> None:
        """Set mean and SD of the first channels; a channel beyond them, the support, stays as it is."""
        self.centre[: len(centre)] = torch.from_numpy(centre)
        self.scale[: len(scale)] = torch.from_numpy(scale)

    def take_weights(self, other: EncoderNetwork) -> None:
        """Copy all weights and buffers of another network but those of heads that have another width."""
        own = self.state_dict()
        self.load_state_dict(own | {k: v for k, v in other.state_dict().items() if own[k].shape == v.shape})

    def for_prediction(self, steps: int | None = None) -> EncoderNetwork:
        """A copy that predicts the same to within rounding, faster where it is a CNN-BiGRU.

        Parameters
        ----------
        steps:
            Of the series, for float32 on a CPU alone (`fast_body`). None: normalisation is folded into convolutions.
        """
        folded = copy.deepcopy(self).eval()
        if isinstance(folded.body, _CnnGruBody):
            if steps is None:
                folded.body.convolutions = _fold(folded.body.convolutions)
            else:
                folded.body = FastCnnGruBody(folded.body, steps)
        return folded

    def parameter_count(self) -> int:
        return sum(p.numel() for p in self.parameters())


class Probabilities(nn.Module):
    """What is exported: series in, class probabilities out."""

    def __init__(self, network: EncoderNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, series: Any) -> Any:
        return torch.softmax(self.network(series), dim=1)


class _ReverseGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, latent: Any, reversal: float) -> Any:
        ctx.reversal = reversal
        return latent.view_as(latent)

    @staticmethod
    def backward(ctx: Any, gradient: Any) -> Any:
        return -ctx.reversal * gradient, None


class _CnnGruBody(nn.Module):
    def __init__(self, settings: CnnGru, channels: int) -> None:
        super().__init__()
        widths = (channels, *settings.filters)
        layers = [(nn.Conv1d(a, b, settings.kernel, padding="same"), nn.BatchNorm1d(b)) for a, b in pairwise(widths)]
        self.convolutions = nn.Sequential(*(m for conv, norm in layers for m in (conv, norm, nn.ReLU(inplace=True))))
        self.gru = nn.GRU(
            widths[-1],
            settings.gru_units,
            num_layers=settings.gru_layers,
            dropout=settings.dropout if settings.gru_layers > 1 else 0.0,
            bidirectional=True,
        )
        self.project = nn.Linear(2 * settings.gru_units, settings.attention_units)
        self.score = nn.Linear(settings.attention_units, 1, bias=False)

    def forward(self, series: Any) -> Any:
        # The GRU runs time first: no copy of its input at every step.
        states, _ = self.gru(self._convolved(series))
        weights = torch.softmax(self.score(torch.tanh(self.project(states))), dim=0)
        return (weights * states).sum(dim=0)

    def _convolved(self, series: Any) -> Any:
        """(steps, n, channels); in training on a CPU by frequencies, which takes a sixth less time there."""
        if not (self.training and series.device.type == "cpu"):
            return self.convolutions(series.transpose(1, 2)).permute(2, 0, 1)
        values, layers = series.permute(1, 2, 0), self.convolutions
        for i in range(0, len(layers), 3):
            # Normalisation takes the second dimension for channels, whatever the first and third are.
            values = layers[i + 2](layers[i + 1](convolve(values, layers[i].weight, layers[i].bias)))
        return values.permute(0, 2, 1)


class _FoldedConvolution(nn.Module):
    """Convolution with its normalisation and ReLU, with channels innermost in memory, as the GRU wants them."""

    def __init__(self, convolution: nn.Conv1d, norm: nn.BatchNorm1d) -> None:
        super().__init__()
        folded = fuse_conv_bn_eval(convolution, norm)
        self.padding = convolution.kernel_size[0] // 2
        self.register_buffer(
            "weight", folded.weight.detach().unsqueeze(2).contiguous(memory_format=torch.channels_last)
        )
        self.register_buffer("offset", folded.bias.detach())

    def forward(self, series: Any) -> Any:
        found = functional.conv2d(series.unsqueeze(2), self.weight, self.offset, padding=(0, self.padding))
        return torch.relu_(found).squeeze(2)


def _fold(layers: nn.Sequential) -> nn.Sequential:
    """Convolution, normalisation, ReLU, … as one layer for each three."""
    return nn.Sequential(*(_FoldedConvolution(layers[i], layers[i + 1]) for i in range(0, len(layers), 3)))


class _TempCnnBody(nn.Module):
    def __init__(self, settings: TempCnn, steps: int, channels: int) -> None:
        super().__init__()
        drop = settings.dropout
        layers: list[nn.Module] = []
        for a, b in pairwise((channels, *settings.filters)):
            layers += [
                nn.Conv1d(a, b, settings.kernel, padding="same"),
                nn.BatchNorm1d(b),
                nn.ReLU(),
                nn.Dropout(drop),
            ]
        dense = nn.Linear(steps * settings.filters[-1], settings.dense_units)
        layers += [nn.Flatten(), dense, nn.BatchNorm1d(settings.dense_units), nn.ReLU(), nn.Dropout(drop)]
        self.layers = nn.Sequential(*layers)

    def forward(self, series: Any) -> Any:
        return self.layers(series.transpose(1, 2))


class _LtaeBody(nn.Module):
    def __init__(self, settings: Ltae, steps: int, channels: int) -> None:
        super().__init__()
        self.heads, self.key_units, self.dropout = settings.heads, settings.key_units, settings.dropout
        self.enter = nn.Linear(channels, settings.width)
        self.norm = nn.LayerNorm(settings.width)
        self.keys = nn.Linear(settings.width, settings.heads * settings.key_units)
        self.queries = nn.Parameter(torch.randn(settings.heads, settings.key_units) * (2 / settings.key_units) ** 0.5)
        self.leave = nn.Sequential(
            nn.Linear(settings.width, settings.latent_units),
            nn.BatchNorm1d(settings.latent_units),
            nn.ReLU(),
            nn.Dropout(settings.dropout),
            nn.LayerNorm(settings.latent_units),
        )
        self.register_buffer("position", _positions(steps, settings.width, settings.period), persistent=False)

    def forward(self, series: Any) -> Any:
        values = self.norm(self.enter(series)) + self.position
        n, steps, width = values.shape
        keys = self.keys(values).reshape(n, steps, self.heads, self.key_units)
        scores = (keys * self.queries).sum(dim=3) / self.key_units**0.5
        attention = functional.dropout(torch.softmax(scores, dim=1), self.dropout, self.training)
        parts = values.reshape(n, steps, self.heads, width // self.heads)
        return self.leave((attention.unsqueeze(3) * parts).sum(dim=1).reshape(n, width))


def _positions(steps: int, width: int, period: float) -> Any:
    """Sines and cosines of the step (Vaswani et al. 2017), (steps, width)."""
    rates = period ** (-torch.arange(0, width, 2, dtype=torch.float64) / width)
    angles = torch.arange(steps, dtype=torch.float64)[:, None] * rates[None, :]
    return torch.stack([angles.sin(), angles.cos()], dim=2).reshape(steps, width).float()


def _dense(widths: tuple[int, ...]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for a, b in pairwise(widths):
        layers += [nn.Linear(a, b), nn.ReLU()]
    return nn.Sequential(*layers[:-1])
