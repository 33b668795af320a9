"""What is known of an epoch of training; no torch, so that a progress bar can import it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Epoch:
    """One pass over the training series.

    Attributes
    ----------
    number:
        From 0.
    loss:
        Mean cross-entropy of the classes in training, weighted as asked.
    held_out_loss:
        The same on the places held out, without augmentation; None where none is held out.
    """

    number: int
    loss: float
    held_out_loss: float | None
