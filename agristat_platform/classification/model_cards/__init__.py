"""Model cards: the facts of a crop model as JSON and as a text for people."""

from agristat_platform.classification.model_cards.facts import (
    INTENDED_USE,
    LIMITS,
    NOT_FOR,
    ModelCard,
    TaughtOn,
    model_card,
    taught_on,
)
from agristat_platform.classification.model_cards.text import card_markdown, gate_markdown

__all__ = [
    "INTENDED_USE",
    "LIMITS",
    "NOT_FOR",
    "ModelCard",
    "TaughtOn",
    "card_markdown",
    "gate_markdown",
    "model_card",
    "taught_on",
]
