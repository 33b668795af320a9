"""Training labels: their schema, and what has to hold before they may teach a model.

Labels of the probability sample never come through here: role "train" is checked.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import shapely

from agristat_platform.catalogue import CropNomenclature
from agristat_platform.classification.errors import (
    EmptyClassError,
    InvalidLabelsError,
    TooFewClassesError,
    UnknownCropCodeError,
)

LABELS_SCHEMA = pa.schema(
    [
        pa.field("label_id", pa.string(), nullable=False),
        pa.field("crop_code", pa.string(), nullable=False),
        pa.field("geometry", pa.binary(), metadata={"encoding": "WKB", "crs": "the region's"}),
        pa.field("parcel_id", pa.string()),
        pa.field("role", pa.string(), nullable=False),
        pa.field("source", pa.string()),
        pa.field("observed_on", pa.date32()),
        pa.field("block", pa.string()),
    ]
)

DROPPED_SCHEMA = pa.schema(
    [
        pa.field("label_id", pa.string(), nullable=False),
        pa.field("crop_code", pa.string()),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("detail", pa.string()),
    ]
)

CLASS_SUPPORT_SCHEMA = pa.schema(
    [
        pa.field("crop_code", pa.string(), nullable=False),
        pa.field("class_id", pa.int32(), nullable=False),
        pa.field("samples", pa.int64(), nullable=False),
        pa.field("blocks", pa.int64(), nullable=False),
        pa.field("status", pa.string(), nullable=False),
    ]
)


@dataclass(frozen=True)
class LabelCheck:
    """Labels that may be used, and a record of every one that may not.

    Attributes
    ----------
    labels:
        Kept rows, `LABELS_SCHEMA` column order (further columns are carried along).
    dropped:
        One row per dropped label with its reason (`DROPPED_SCHEMA`).
    """

    labels: pa.Table
    dropped: pa.Table

    @property
    def counts(self) -> dict[str, int]:
        """Number of dropped labels by reason."""
        return reason_counts(self.dropped)


def reason_counts(dropped: pa.Table) -> dict[str, int]:
    """Count the rows of a `DROPPED_SCHEMA` table by reason, reasons in alphabetical order."""
    counts: dict[str, int] = defaultdict(int)
    for reason in dropped.column("reason").to_pylist():
        counts[reason] += 1
    return dict(sorted(counts.items()))


def dropped_table(rows: Iterable[tuple[str, str | None, str, str | None]]) -> pa.Table:
    """Build a `DROPPED_SCHEMA` table from (label_id, crop_code, reason, detail) rows."""
    columns = list(zip(*rows, strict=True)) or [(), (), (), ()]
    arrays = [pa.array(list(column), type=field.type) for column, field in zip(columns, DROPPED_SCHEMA, strict=True)]
    return pa.Table.from_arrays(arrays, schema=DROPPED_SCHEMA)


def label_table(rows: Iterable[dict[str, object]]) -> pa.Table:
    """Build a `LABELS_SCHEMA` table from dictionaries; absent optional keys become null, role defaults to "train"."""
    completed = [{**dict.fromkeys(LABELS_SCHEMA.names), "role": "train", **row} for row in rows]
    return pa.Table.from_pylist(completed, schema=LABELS_SCHEMA)


def validate_labels(labels: pa.Table, nomenclature: CropNomenclature) -> LabelCheck:
    """Check labels against the schema and the nomenclature and drop those that contradict each other.

    Two labels are at one place when their normalised geometries are equal. If they name different crops all of them
    are dropped ("conflicting_place"); if they name the same crop the first row stays ("duplicate_place").

    Parameters
    ----------
    labels:
        Table with the columns of `LABELS_SCHEMA`; `parcel_id`, `source`, `observed_on` and `block` may be absent.
        A geometry may be null only where the label brings its own feature columns.
    nomenclature:
        The region's crop list.

    Raises
    ------
    InvalidLabelsError
        Columns are missing, an identifier is missing or repeated, a role is not "train", or a geometry is unreadable.
    UnknownCropCodeError
        Codes outside the nomenclature, with the rows they stand in.
    """
    table = _conform(labels)
    _check_identifiers(table)
    _check_roles(table)
    _check_codes(table, nomenclature)
    keep, dropped = _resolve_places(table)
    return LabelCheck(labels=table.take(pa.array(keep, type=pa.int64())), dropped=dropped_table(dropped))


def read_geometries(table: pa.Table, *, identifier: str) -> np.ndarray:
    """Decode the WKB `geometry` column into an object array of shapely geometries (None where null).

    Raises
    ------
    InvalidLabelsError
        A geometry can't be decoded; the identifiers of the rows are named.
    """
    encoded = np.array(table.column("geometry").to_pylist(), dtype=object)
    geometries = shapely.from_wkb(encoded, on_invalid="ignore")
    broken = [
        i for i, (wkb, shape) in enumerate(zip(encoded, geometries, strict=True)) if wkb is not None and not shape
    ]
    if broken:
        names = table.column(identifier).take(pa.array(broken, type=pa.int64())).to_pylist()
        raise InvalidLabelsError(
            f"{len(broken)} geometries are empty or not WKB",
            where=f"{identifier} {listed(names)}",
            remedy="Write geometries as WKB in the region's CRS",
        )
    return np.asarray(geometries, dtype=object)


def class_support(
    codes: Collection[str],
    nomenclature: CropNomenclature,
    *,
    groups: Collection[str] | None = None,
    required_classes: Collection[str] = (),
) -> pa.Table:
    """Count the samples and spatial blocks behind every crop of the nomenclature (`CLASS_SUPPORT_SCHEMA`).

    `status` is "empty" without a sample, "single_block" when all samples lie in one block (such a crop can't be
    validated in space), else "ok".

    Raises
    ------
    EmptyClassError
        A crop of `required_classes` has no sample.
    TooFewClassesError
        Fewer than two crops have samples.
    """
    blocks: dict[str, set[str]] = defaultdict(set)
    samples: dict[str, int] = defaultdict(int)
    for code, group in zip(codes, groups if groups is not None else range(len(codes)), strict=True):
        samples[str(code)] += 1
        blocks[str(code)].add(str(group))
    missing = [code for code in required_classes if not samples.get(code)]
    if missing:
        raise EmptyClassError(
            f"no training label for the required crops {listed(missing)}",
            where=f"nomenclature {nomenclature.code}",
            remedy="Add labels of these crops or take them off the list of required crops",
        )
    if sum(count > 0 for count in samples.values()) < 2:
        raise TooFewClassesError(
            f"training labels name {listed(sorted(samples)) or 'no crop'} only",
            where=f"nomenclature {nomenclature.code}",
            remedy="A classifier needs labels of at least two crops",
        )
    rows = []
    for crop in nomenclature.crops:
        status = "empty" if not samples[crop.code] else "single_block" if len(blocks[crop.code]) == 1 else "ok"
        rows.append((crop.code, crop.class_id, samples[crop.code], len(blocks[crop.code]), status))
    columns = list(zip(*rows, strict=True))
    arrays = [pa.array(list(c), type=f.type) for c, f in zip(columns, CLASS_SUPPORT_SCHEMA, strict=True)]
    return pa.Table.from_arrays(arrays, schema=CLASS_SUPPORT_SCHEMA)


def listed(names: Iterable[object], limit: int = 10) -> str:
    """Join names for a message, cutting long lists off with the number left out."""
    values = [str(name) for name in names]
    rest = f" and {len(values) - limit} more" if len(values) > limit else ""
    return ", ".join(values[:limit]) + rest


def _conform(labels: pa.Table) -> pa.Table:
    required = ["label_id", "crop_code", "geometry", "role"]
    absent = [name for name in required if name not in labels.column_names]
    if absent:
        raise InvalidLabelsError(
            f"label table has no column {listed(absent)}",
            where=f"columns found: {listed(labels.column_names)}",
            remedy="Give the columns of classification.LABELS_SCHEMA",
        )
    columns = []
    for field in LABELS_SCHEMA:
        if field.name in labels.column_names:
            columns.append(labels.column(field.name).cast(field.type))
        else:
            columns.append(pa.chunked_array([pa.nulls(labels.num_rows, field.type)]))
    # Nullability is checked with the row named, so it isn't declared before that.
    fields = [pa.field(field.name, field.type, metadata=field.metadata) for field in LABELS_SCHEMA]
    for name in labels.column_names:
        if name not in LABELS_SCHEMA.names:
            columns.append(labels.column(name))
            fields.append(labels.schema.field(name))
    return pa.Table.from_arrays(columns, schema=pa.schema(fields))


def _check_identifiers(table: pa.Table) -> None:
    seen: dict[str, int] = {}
    for row, name in enumerate(table.column("label_id").to_pylist()):
        if name is None:
            raise InvalidLabelsError(
                "a label has no label_id", where=f"row {row}", remedy="Give each label its own label_id"
            )
        if name in seen:
            raise InvalidLabelsError(
                f"label_id {name} stands in two rows",
                where=f"rows {seen[name]} and {row}",
                remedy="Give each label its own label_id",
            )
        seen[name] = row


def _check_roles(table: pa.Table) -> None:
    wrong = [
        f"{name} ({role})"
        for name, role in zip(table.column("label_id").to_pylist(), table.column("role").to_pylist(), strict=True)
        if role != "train"
    ]
    if wrong:
        raise InvalidLabelsError(
            f"{len(wrong)} labels don't have the role train",
            where=f"label_id {listed(wrong)}",
            remedy="Units of the probability sample must never teach the model; remove them",
        )


def _check_codes(table: pa.Table, nomenclature: CropNomenclature) -> None:
    known = set(nomenclature.codes)
    rows: dict[str, list[int]] = defaultdict(list)
    for row, code in enumerate(table.column("crop_code").to_pylist()):
        if code not in known:
            rows[str(code)].append(row)
    if rows:
        detail = "; ".join(f"{code}: rows {listed(found, 5)}" for code, found in sorted(rows.items()))
        raise UnknownCropCodeError(
            f"crop codes {listed(sorted(rows))} are not in the nomenclature {nomenclature.code}",
            where=detail,
            remedy=f"Use one of {listed(nomenclature.codes, 30)} or add the crop to the nomenclature",
        )


def _resolve_places(table: pa.Table) -> tuple[list[int], list[tuple[str, str | None, str, str | None]]]:
    names = table.column("label_id").to_pylist()
    codes = table.column("crop_code").to_pylist()
    places: dict[object, list[int]] = defaultdict(list)
    for row, shape in enumerate(read_geometries(table, identifier="label_id")):
        # A label without a geometry is a place of its own.
        places[row if shape is None else shapely.to_wkb(shapely.normalize(shape))].append(row)
    keep: list[int] = []
    dropped: list[tuple[int, str, str]] = []
    for rows in places.values():
        crops = sorted({codes[row] for row in rows})
        if len(crops) > 1:
            dropped += [(row, "conflicting_place", f"crops {listed(crops)} at one place") for row in rows]
        else:
            keep.append(rows[0])
            dropped += [(row, "duplicate_place", f"same place and crop as {names[rows[0]]}") for row in rows[1:]]
    records = [(names[row], codes[row], reason, detail) for row, reason, detail in sorted(dropped)]
    return sorted(keep), [(name, code, reason, detail) for name, code, reason, detail in records]
