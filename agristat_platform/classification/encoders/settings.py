"""Settings of temporal encoders and of their training, as data: no torch here, so that a region file can carry them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from agristat_platform.classification.errors import InvalidSettingsError


@dataclass(frozen=True)
class CnnGru:
    """Convolutions, a bidirectional GRU and additive attention (Bahdanau et al. 2015) over the steps.

    376,467 parameters for 8 channels and 17 classes, the domain head among them.

    Attributes
    ----------
    filters, kernel:
        Of each Conv1D + batch normalisation + ReLU; `kernel` is odd, in steps.
    gru_units, gru_layers, dropout:
        Units a direction; dropout between the layers. The latent has 2 × gru_units dimensions.
    attention_units:
        Width of the layer that scores a step.
    head_units:
        Width of the class head's hidden layer.
    domain_units:
        Hidden widths of the domain head behind gradient reversal (Ganin et al. 2016); None leaves it out.
    """

    kind: ClassVar[str] = "cnn_gru"
    filters: tuple[int, ...] = (64, 128, 128)
    kernel: int = 7
    gru_units: int = 64
    gru_layers: int = 2
    dropout: float = 0.3
    attention_units: int = 128
    head_units: int = 64
    domain_units: tuple[int, ...] | None = (128, 64)

    def __post_init__(self) -> None:
        _check(self, odd=("kernel",))


@dataclass(frozen=True)
class TempCnn:
    """Three convolutions and a dense layer (Pelletier, Webb and Petitjean 2019, Remote Sensing 11(5), 523).

    Attributes
    ----------
    filters, kernel:
        Of each Conv1D + batch normalisation + ReLU + dropout; `kernel` is odd, in steps.
    dense_units:
        Width of the dense layer, which is the latent.
    dropout:
        After each layer.
    domain_units:
        Hidden widths of a domain head; None for none.
    """

    kind: ClassVar[str] = "temp_cnn"
    filters: tuple[int, ...] = (64, 64, 64)
    kernel: int = 5
    dense_units: int = 256
    dropout: float = 0.5
    domain_units: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        _check(self, odd=("kernel",))


@dataclass(frozen=True)
class Ltae:
    """Lightweight temporal attention: one learned query a head (Garnot and Landrieu 2020, AALTD).

    Attributes
    ----------
    width:
        Channels that the input is projected to, divided evenly among the heads.
    heads, key_units:
        Attention heads, and dimensions of each head's keys and query.
    latent_units:
        Of the layer after attention.
    head_units:
        Width of the class head's hidden layer.
    dropout:
        On attention and latent.
    period:
        Longest wavelength of the positional encoding is 2π × this, in steps.
    domain_units:
        Hidden widths of a domain head; None for none.
    """

    kind: ClassVar[str] = "ltae"
    width: int = 128
    heads: int = 16
    key_units: int = 8
    latent_units: int = 128
    head_units: int = 64
    dropout: float = 0.2
    period: float = 1000.0
    domain_units: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        _check(self)
        if self.width % self.heads or self.width % 2:
            raise InvalidSettingsError(
                f"width {self.width} can't be divided among {self.heads} heads", where="Ltae", remedy="Take a multiple"
            )


Architecture = CnnGru | TempCnn | Ltae
ARCHITECTURES: dict[str, type[CnnGru] | type[TempCnn] | type[Ltae]] = {a.kind: a for a in (CnnGru, TempCnn, Ltae)}


@dataclass(frozen=True)
class Training:
    """How an encoder is trained.

    Attributes
    ----------
    epochs:
        Most passes over the training series.
    patience:
        Passes without a lower loss on the held-out places before training stops; the best weights are kept.
    validation_share:
        Of the samples, about, in places that are held out whole for stopping; 0 trains all `epochs`.
    batch, learning_rate, weight_decay:
        Of AdamW (Loshchilov and Hutter 2019); the learning rate rises and falls once (Smith and Topin 2019).
    class_weights:
        "balanced": each class weighs the same in the loss; "none": each sample does.
    shift_amplitude:
        Steps by which series are moved, and their ends stretched, at random and anew in every pass; 0 leaves them.
    reversal:
        Greatest λ of gradient reversal where target series are given; it rises as 2 / (1 + exp(−10 p)) − 1 with the share
        p of training that is done.
    """

    epochs: int = 60
    patience: int = 12
    validation_share: float = 0.2
    batch: int = 64
    learning_rate: float = 2e-3
    weight_decay: float = 1e-2
    class_weights: str = "balanced"
    shift_amplitude: float = 0.0
    reversal: float = 0.5

    def __post_init__(self) -> None:
        _check(self)
        if self.class_weights not in ("balanced", "none"):
            raise InvalidSettingsError(
                f"class_weights is {self.class_weights!r}", where="Training", remedy='Take "balanced" or "none"'
            )
        if not 0 <= self.validation_share <= 0.5 or self.batch < 2 or self.epochs < 1 or not self.learning_rate > 0:
            raise InvalidSettingsError(
                f"validation_share {self.validation_share}, batch {self.batch}, epochs {self.epochs} or learning_rate "
                f"{self.learning_rate} is out of range",
                where="Training",
                remedy="validation_share 0 to 0.5, batch from 2, epochs from 1, learning_rate above 0",
            )


def as_json(settings: Architecture | Training) -> dict[str, Any]:
    """Settings as plain values; an architecture has its kind among them."""
    kind = {} if isinstance(settings, Training) else {"kind": settings.kind}
    return kind | {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(settings).items()}


def architecture_from_json(values: dict[str, Any]) -> Architecture:
    """The architecture that `as_json` wrote.

    Raises
    ------
    InvalidSettingsError
        Another kind, or settings that it doesn't have.
    """
    given: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items() if k != "kind"}
    try:
        return ARCHITECTURES[values["kind"]](**given)
    except (KeyError, TypeError) as reason:
        raise InvalidSettingsError(
            f"no encoder has these settings: {values}", remedy=f"Kinds are {', '.join(ARCHITECTURES)}"
        ) from reason


def _check(settings: Any, odd: tuple[str, ...] = ()) -> None:
    """Numbers that are finite and not negative, widths from 1, dropout below 1, odd kernels."""
    for name, value in asdict(settings).items():
        numbers = value if isinstance(value, tuple) else (value,)
        least = 1 if isinstance(value, tuple) or name.endswith("units") or name in ("kernel", "heads", "width") else 0
        good = all(isinstance(n, str) or n is None or least <= n < float("inf") for n in numbers)
        good &= not (name == "dropout" and value >= 1) and not (name in odd and value % 2 == 0)
        if not good:
            raise InvalidSettingsError(
                f"{name} is {value}",
                where=type(settings).__name__,
                remedy="Widths are at least 1, kernels odd, dropout below 1, nothing negative",
            )
