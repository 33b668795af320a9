"""What is materialised: one module per asset family, each thin, each saying from what, for which partition, with which checks.

What belongs here: asking resources for inputs, calling one science function, presenting the result. What does not: any computing.
"""

from assets.definitions import build_assets

__all__ = ["build_assets"]
