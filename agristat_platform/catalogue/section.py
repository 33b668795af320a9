"""What every section of a configuration file shares: unknown keys are refused, and the ranges numbers may lie in."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
BandList = Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(min_length=1, strict=False)]


class Section(BaseModel):
    """A section of a configuration file: unknown keys are refused, types are not guessed."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
