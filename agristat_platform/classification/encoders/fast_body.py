"""The body of the CNN-BiGRU as it predicts on a CPU: the same latents to within rounding, half as fast again. Imports torch.

Samples are innermost in memory, so that every product and every gate is one call on whole rows, most of them in place.
Convolutions go through `spectral_convolution`. A hyperbolic tangent takes torch four times as long as a sigmoid, and is one:
tanh x = 2 σ(2x) − 1. A GRU's state is a mean of its former self and such a value, so (state + 1) / 2 is run in place of the
state, and the twos and ones are put into weights and biases beforehand, in float64.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from agristat_platform.classification.encoders.spectral_convolution import Transforms, convolve_with, transforms


class FastCnnGruBody(nn.Module):
    """Series (n, steps, channels) → latent (n, d), for prediction alone.

    Parameters
    ----------
    body:
        A fitted `networks._CnnGruBody` in evaluation mode.
    steps:
        Of the series.
    """

    def __init__(self, body: Any, steps: int) -> None:
        super().__init__()
        with torch.no_grad():
            layers = body.convolutions  # convolution, normalisation, ReLU, …
            self.convolutions = [_Convolution(layers[i], layers[i + 1], steps) for i in range(0, len(layers), 3)]
            self.layers = [_layer(body.gru, number) for number in range(body.gru.num_layers)]
            weight = body.project.weight.double()
            self.project = (4 * weight).float()
            self.offset = (2 * (body.project.bias.double() - weight.sum(dim=1))).float()[:, None]
            self.score = 2 * body.score.weight

    def forward(self, series: Any) -> Any:
        values = series.permute(1, 2, 0).contiguous()
        for convolution in self.convolutions:
            values = convolution(values)
        for directions in self.layers:
            values = _run(directions, values)
        said = torch.matmul(self.project, values).add_(self.offset).sigmoid_()
        weights = torch.softmax(torch.matmul(self.score, said), dim=0)
        return (values * weights).sum(dim=0).mul_(2).sub_(1).t()


class _Convolution:
    """Convolution, normalisation and ReLU."""

    def __init__(self, convolution: nn.Conv1d, norm: nn.BatchNorm1d, steps: int) -> None:
        folded = fuse_conv_bn_eval(convolution, norm)
        found = transforms(steps, convolution.kernel_size[0])
        self.spectrum = torch.einsum("mk,oik->moi", found.taps, folded.weight.double()).float().contiguous()
        self.matrices = Transforms(*(m.float() for m in found))
        self.bias = folded.bias[:, None]

    def __call__(self, values: Any) -> Any:
        return convolve_with(values, self.spectrum, self.matrices).add_(self.bias).relu_()


def _layer(gru: nn.GRU, number: int) -> list[tuple[Any, ...]]:
    """Weights of a layer's two directions, for (state + 1) / 2 and the gate n as a sigmoid."""
    units = gru.hidden_size
    directions = []
    for suffix in (f"_l{number}", f"_l{number}_reverse"):
        into, onto, bias, state_bias = (
            getattr(gru, name + suffix).double().clone() for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        )
        if number:  # what comes in is the states of the layer before
            bias -= into.sum(dim=1)
            into *= 2
        state_bias -= onto.sum(dim=1)
        onto *= 2
        bias[: 2 * units] += state_bias[: 2 * units]
        for part in (into, onto, bias, state_bias):
            part[2 * units :] *= 2
        directions.append(
            tuple(
                part.float().contiguous()
                for part in (into, bias[:, None], onto[: 2 * units], onto[2 * units :], state_bias[2 * units :, None])
            )
        )
    return directions


def _run(directions: list[tuple[Any, ...]], values: Any) -> Any:
    """States (steps, 2 × units, samples) of one layer, as (state + 1) / 2."""
    steps, _, samples = values.shape
    units = len(directions[0][3])
    states = values.new_empty(steps, 2 * units, samples)
    for number, (into, bias, onto, onto_new, bias_new) in enumerate(directions):
        state = values.new_full((units, samples), 0.5)
        written = states[:, number * units : (number + 1) * units]
        for step in range(steps) if number == 0 else reversed(range(steps)):
            gates = torch.addmm(bias, into, values[step])
            both, new = gates[: 2 * units], gates[2 * units :]
            both.addmm_(onto, state).sigmoid_()
            new.addcmul_(both[:units], torch.addmm(bias_new, onto_new, state)).sigmoid_()
            state = torch.lerp(new, state, both[units:], out=written[step])
    return states
