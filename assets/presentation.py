"""How a result is shown in the Dagster UI: column schemas, previews, pictures, counts."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

import dagster as dg
import pyarrow as pa

from assets.column_descriptions import COLUMN_DESCRIPTIONS

HIDDEN = frozenset({"geometry", "item"})  # large, and no use in a preview
PREVIEW_ROWS = 10
SHORT_LIST = 4  # shown in full
SHOWN_METADATA = ("unit", "formula", "of", "values", "null")


def column_schema(schema: pa.Schema) -> dg.TableSchema:
    """Arrow schema as Dagster shows it; a column's description is what its metadata say, else what its name means here."""
    return dg.TableSchema(
        columns=[dg.TableColumn(field.name, str(field.type), _description(field)) for field in schema]
    )


def _description(field: pa.Field) -> str | None:
    known = {key.decode(): value.decode() for key, value in (field.metadata or {}).items()}
    first = known.get("description") or known.get("meaning") or COLUMN_DESCRIPTIONS.get(field.name)
    further = [f"{key}: {known[key]}" for key in SHOWN_METADATA if key in known]
    return "; ".join([*([first] if first else []), *further]) or None


def preview(table: pa.Table, *, rows: int = PREVIEW_ROWS, columns: int = 14) -> dg.TableMetadataValue:
    """The first rows of a table, without geometry."""
    shown = [name for name in table.column_names if name not in HIDDEN][:columns]
    records = [
        dg.TableRecord({name: _cell(value) for name, value in row.items()})
        for row in table.select(shown).slice(0, rows).to_pylist()
    ]
    return dg.MetadataValue.table(records=records, schema=column_schema(table.select(shown).schema))


def _cell(value: Any) -> str | int | float | bool | None:
    if isinstance(value, float):
        return None if math.isnan(value) else float(f"{value:.6g}")
    if isinstance(value, datetime | date):
        return value.isoformat()
    if value is None or isinstance(value, str | int | bool):
        return value
    if isinstance(value, list):
        return _ends(value)
    return json.dumps(value, default=str)


def _ends(values: list[Any]) -> str:
    """First and last of a list and how many there are: a series of numbers in full would be a page high."""
    if len(values) <= SHORT_LIST:
        return json.dumps([_cell(value) for value in values])
    return f"{len(values)} values: {_cell(values[0])} … {_cell(values[-1])}"


def table_metadata(table: pa.Table, *, rows: int = PREVIEW_ROWS) -> dict[str, Any]:
    """Column schema, row count and preview under the names the UI knows."""
    return {
        "dagster/column_schema": column_schema(table.schema),
        "dagster/row_count": table.num_rows,
        "preview": preview(table, rows=rows),
    }


def picture(png: bytes, caption: str) -> dg.MarkdownMetadataValue:
    """A PNG inside the metadata itself, so that the UI shows it without another server."""
    return dg.MetadataValue.md(f"![{caption}](data:image/png;base64,{base64.b64encode(png).decode()})\n\n{caption}")


def markdown_table(rows: Sequence[Mapping[str, Any]]) -> dg.MarkdownMetadataValue:
    """Rows of equal keys as a Markdown table; floats to four significant digits, missing as a dash."""
    if not rows:
        return dg.MetadataValue.md("*no rows*")
    names = list(rows[0])
    lines = [" | ".join(names), " | ".join("---" for _ in names)]
    lines += [" | ".join(_text(row[name]) for name in names) for row in rows]
    return dg.MetadataValue.md("\n".join(f"| {line} |" for line in lines))


def _text(value: Any) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    if isinstance(value, float):
        return f"{value:,.1f}" if abs(value) >= 1000 else f"{value:.4g}"
    return str(value)
