"""Crop nomenclatures: the classes a region reports on, with their codes in other classifications and on maps."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from agristat_platform.catalogue.errors import UnknownCropError, closest
from agristat_platform.catalogue.seasons import Names

HIGHEST_CLASS_ID = 254  # uint8 rasters: 0 is no data, 255 is kept for confidence layers' no data
ICC_FORM = r"^[1-9](\.[0-9]{2}){0,3}$"  # 1.01, 4.03.05, 9.02.01.01
LUCAS_FORM = r"^[A-H][0-9]{2}$"  # B11; a whole group ends in 0 or 00


class Crop(BaseModel):
    """One class of land cover or crop.

    Parameters
    ----------
    code:
        The code used on this platform: in training labels, field data, estimates.
    class_id:
        Its value in crop-map rasters, 1 to 254; 0 is no data.
    name:
        Names by language.
    cultivated:
        Whether it counts as cultivated land (strata, `crops: all` of the estimates).
    colour:
        Colour on maps, `#rrggbb`.
    icc:
        Code in the FAO Indicative Crop Classification version 1.1 (World Programme for the Census of
        Agriculture 2020); None where it has no code of its own.
    lucas:
        Land-cover code of LUCAS 2018 (Eurostat); None where none corresponds.
    national:
        Code in the national list named by the nomenclature's `national_list`; None where none corresponds.
    labels:
        Names under which the class occurs in source data, such as a ministry's register, to be read as this class.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    code: Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]{0,15}$")]
    class_id: Annotated[int, Field(ge=1, le=HIGHEST_CLASS_ID)]
    name: Names
    cultivated: bool
    colour: Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$")]
    icc: Annotated[str, Field(pattern=ICC_FORM)] | None = None
    lucas: Annotated[str, Field(pattern=LUCAS_FORM)] | None = None
    national: str | None = None
    labels: tuple[str, ...] = Field(default=(), strict=False)

    @property
    def rgb(self) -> tuple[int, int, int]:
        """Colour as three numbers from 0 to 255."""
        red, green, blue = bytes.fromhex(self.colour[1:])
        return red, green, blue


class CropNomenclature(BaseModel):
    """The classes of one or several regions, in the order of the file."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    code: Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
    title: Names
    national_list: str | None = None
    crops: tuple[Crop, ...] = Field(min_length=1, strict=False)

    @model_validator(mode="after")
    def _every_class_once(self) -> CropNomenclature:
        problems = []
        for attribute in ("code", "class_id", "colour"):
            seen: dict[object, str] = {}
            for crop in self.crops:
                value = getattr(crop, attribute)
                if value in seen:
                    problems.append(f"{attribute} {value} is used twice, by {seen[value]} and {crop.code}")
                seen.setdefault(value, crop.code)
        seen_labels: dict[str, str] = {}
        for crop in self.crops:
            for label in crop.labels:
                if label in seen_labels:
                    problems.append(f'label "{label}" is used twice, by {seen_labels[label]} and {crop.code}')
                seen_labels.setdefault(label, crop.code)
        if problems:
            raise ValueError("; ".join(problems))
        return self

    @property
    def codes(self) -> list[str]:
        """Codes of all classes in the order of the file."""
        return [crop.code for crop in self.crops]

    @property
    def cultivated_codes(self) -> list[str]:
        """Codes of the cultivated classes in the order of the file."""
        return [crop.code for crop in self.crops if crop.cultivated]

    @property
    def class_ids(self) -> dict[str, int]:
        """Raster value by code."""
        return {crop.code: crop.class_id for crop in self.crops}

    @property
    def colour_table(self) -> dict[int, tuple[int, int, int, int]]:
        """Red, green, blue, alpha by raster value; 0 is transparent."""
        return {0: (0, 0, 0, 0)} | {crop.class_id: (*crop.rgb, 255) for crop in self.crops}

    def by_code(self, code: str) -> Crop:
        """Return the class with this code.

        Raises
        ------
        UnknownCropError
            There is none; the error names the codes there are.
        """
        for crop in self.crops:
            if crop.code == code:
                return crop
        raise self._unknown(code, self.codes)

    def by_label(self, label: str) -> Crop:
        """Return the class that source data call `label`: one of its `labels`, or its code.

        Raises
        ------
        UnknownCropError
            No class has this label.
        """
        for crop in self.crops:
            if label in crop.labels or label == crop.code:
                return crop
        raise self._unknown(label, [label for crop in self.crops for label in (crop.code, *crop.labels)])

    def by_class_id(self, class_id: int) -> Crop:
        """Return the class with this raster value.

        Raises
        ------
        UnknownCropError
            No class has it.
        """
        for crop in self.crops:
            if crop.class_id == class_id:
                return crop
        raise self._unknown(class_id, [crop.class_id for crop in self.crops])

    def _unknown(self, got: object, allowed: list[str] | list[int]) -> UnknownCropError:
        near = closest(got, allowed)
        hint = f'Did you mean "{near}"? ' if near else ""
        return UnknownCropError(
            f'no crop "{got}" in the nomenclature {self.code}',
            where=f"config/crops/{self.code}.yaml",
            remedy=f"{hint}It has: {', '.join(map(str, allowed))}",
        )
