"""Decisions as people write them, read into decisions: encodings, names, gaps, and rows that are none."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import geopandas
import numpy as np
import pyarrow as pa
import pytest
import shapely

from agristat_platform.catalogue import CropNomenclature
from agristat_platform.classification.review import (
    REVIEWERS_SCHEMA,
    DecisionsError,
    ReviewError,
    decisions_csv,
    parcel_flags,
    read_decisions,
    review_progress,
    reviewers_table,
    signed,
    write_reviewers_file,
    written_decisions,
)

NOW = datetime(2024, 7, 1, 12, tzinfo=UTC)
DRAWN = {"audit": [1, 2, 3], "learning": [4, 5]}


@pytest.fixture
def table(nomenclature: CropNomenclature) -> pa.Table:
    shapes = [shapely.box(500_000 + 100 * i, 4_600_000, 500_090 + 100 * i, 4_600_090) for i in range(1, 6)]
    segments = pa.table(
        {
            "segment_id": np.arange(1, 6, dtype=np.uint32),
            "area_ha": [0.81] * 5,
            "pixels": [81] * 5,
            "geometry": shapely.to_wkb(np.array(shapes)),
        }
    )
    classified = pa.table(
        {
            "segment_id": np.arange(1, 6, dtype=np.uint32),
            "crop_code": ["WHE", "BAR", None, "MAI", "WHE"],
            "confidence": [0.9, 0.71234, None, 0.4, 0.5],
            "second_crop_code": ["BAR", "WHE", None, "WHE", "BAR"],
            "second_probability": [0.1, 0.2, None, 0.3, 0.4],
        }
    )
    return reviewers_table(
        DRAWN, classified, parcel_flags(segments), segments, nomenclature, crs="EPSG:32630", sample="aaaaaaaa-bbbbbbbb"
    )


@pytest.mark.parametrize("kind", ["csv", "gpkg", "parquet"])
def test_what_goes_out_comes_back_from_every_kind_of_file(
    table: pa.Table, kind: str, tmp_path: Path, nomenclature: CropNomenclature
) -> None:
    assert table.schema.equals(REVIEWERS_SCHEMA)
    assert table["purpose"].to_pylist() == ["audit"] * 3 + ["learning"] * 2
    path = tmp_path / f"out.{kind}"
    write_reviewers_file(table, path, crs="EPSG:32630")
    assert sorted(tmp_path.iterdir()) == [path]
    assert written_decisions(path).rows == ()
    assert written_decisions(path).undecided == 5
    if kind == "gpkg":
        frame = geopandas.read_file(path)
        assert frame.crs.to_epsg() == 32630
        frame.loc[1, ["decision", "decided_by"]] = ["WHE", "Ana"]
        frame.to_file(path, driver="GPKG", layer="to_review")
        written = written_decisions(path)
        assert (written.numbers, written.rows[0]["segment_id"], written.rows[0]["sample"]) == (
            (2,), "2", "aaaaaaaa-bbbbbbbb",
        )  # fmt: skip
        read = read_decisions(
            signed(written.rows, by="Luis", at=NOW, sample="other"), nomenclature, drawn=DRAWN
        ).table.to_pylist()[0]
        assert (read["decided_by"], read["decided_at"], read["drawn_for"]) == ("Ana", NOW, "audit")


def test_a_point_of_each_parcel_is_given_in_degrees(table: pa.Table) -> None:
    first = table.slice(0, 1).to_pylist()[0]
    # 155 m east of the central meridian of zone 30, in the parcel
    assert first["lon"] == pytest.approx(-3 + 145 * 0.9996 / 111_320 / np.cos(np.radians(first["lat"])), abs=1e-4)
    assert 41.5 < first["lat"] < 41.6
    assert first["confidence"] == 0.9
    assert table["confidence"][1].as_py() == 0.712
    assert table["crop"].to_pylist() == ["Whe", "Bar", None, "Mai", "Whe"]


def test_a_file_that_may_hold_decisions_is_not_written_over(table: pa.Table, tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    write_reviewers_file(table, path, crs="EPSG:32630")
    with pytest.raises(ReviewError, match="may hold decisions"):
        write_reviewers_file(table, path, crs="EPSG:32630")
    write_reviewers_file(table.slice(0, 1), path, crs="EPSG:32630", overwrite=True)
    assert written_decisions(path).undecided == 1
    with pytest.raises(ReviewError, match=r"\.xlsx"):
        write_reviewers_file(table, tmp_path / "out.xlsx", crs="EPSG:32630")
    with pytest.raises(ReviewError, match="can't be written"):
        write_reviewers_file(table, tmp_path / "nowhere" / "out.csv", crs="EPSG:32630")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_spreadsheets_may_write_csv_as_they_like(encoding: str, delimiter: str, tmp_path: Path) -> None:
    path = tmp_path / "back.csv"
    lines = [
        ["Segment_ID ", "PURPOSE", "decision", "note"],
        ["4", "learning", " maize ", "según José"],
        ["", "", "", ""],
    ]
    path.write_bytes("\r\n".join(delimiter.join(line) for line in lines).encode(encoding))
    written = written_decisions(path)
    assert len(written.rows) == 1
    row = written.rows[0]
    assert (row["segment_id"], row["drawn_for"], row["decision"], row["note"]) == (
        "4",
        "learning",
        "maize",
        "según José",
    )


def rows_of(*rows: dict[str, str]) -> list[dict[str, str]]:
    names = ("segment_id", "decision", "decided_by", "decided_at", "round", "drawn_for", "note", "sample")
    default = {"segment_id": "1", "decision": "WHE", "decided_by": "Ana", "decided_at": "2024-06-30"}
    return [{name: (default | row).get(name, "") for name in names} for row in rows]


def test_rows_become_decisions_or_say_why_not(nomenclature: CropNomenclature) -> None:
    read = read_decisions(
        rows_of(
            {"decision": "whe"},
            {"segment_id": "2.0", "decision": "Bar", "decided_at": "2024-06-30T14:05:00+02:00", "round": "2"},
            {"segment_id": "abc"},
            {"segment_id": "-4"},
            {"segment_id": "5000000000"},
            {"decided_at": "30/06/2024"},
            {"decided_by": ""},
            {"round": "zero"},
            {"segment_id": "9"},
            {"segment_id": "5", "decision": "NOT A PARCEL"},
            {"segment_id": "3", "decision": "rye", "drawn_for": "Audit"},
        ),
        nomenclature,
        drawn=DRAWN,
    )
    assert read.numbers == (0, 1, 9, 10)
    rows = read.table.to_pylist()
    assert [row["decision"] for row in rows] == ["WHE", "BAR", "not a parcel", "rye"]
    assert [row["drawn_for"] for row in rows] == ["audit", "audit", "learning", "audit"]
    assert rows[1]["decided_at"] == datetime(2024, 6, 30, 12, 5, tzinfo=UTC)
    assert [row["round"] for row in rows] == [1, 2, 1, 1]
    refused = {row["row"]: (row["segment_id"], row["reason"]) for row in read.unreadable.to_pylist()}
    assert refused == {
        2: (None, "no parcel"),
        3: (None, "no parcel"),
        4: (None, "no parcel"),
        5: (1, "no time"),
        6: (1, "nobody named"),
        7: (1, "no round"),
        8: (9, "not in the sample"),
    }


def test_files_that_are_none_are_named(tmp_path: Path) -> None:
    missing = tmp_path / "missing.csv"
    with pytest.raises(DecisionsError, match="not there"):
        written_decisions(missing)
    for name, content, said in (
        ("empty.csv", b"", "empty"),
        ("verdict.csv", b"segment_id,verdict\n1,WHE\n", "no column decision"),
        ("table.parquet", b"no parquet", "can't be read"),
        ("table.gpkg", b"no geopackage", "can't be read"),
        ("table.xlsx", b"", r"from a \.xlsx file"),
    ):
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(DecisionsError, match=said):
            written_decisions(path)


def test_progress_counts_what_waits_and_names_what_was_lost(nomenclature: CropNomenclature) -> None:
    read = read_decisions(
        rows_of(
            {},
            {"segment_id": "2", "decision": "rye"},
            {"segment_id": "abc"},
            {"segment_id": "4", "decision": "MAI"},
            {"segment_id": "4", "decision": "BAR", "decided_by": "Luis"},
        ),
        nomenclature,
        drawn=DRAWN,
    )
    progress = review_progress(read, nomenclature, drawn=DRAWN, sample="s-1", parcels=range(1, 9))
    assert progress.table.to_pylist() == [
        {"purpose": "audit", "drawn": 3, "decided": 1, "waiting": 2},
        {"purpose": "learning", "drawn": 2, "decided": 0, "waiting": 2},
    ]
    assert progress.lost == (2, 4)
    assert progress.waiting == 4
    assert progress.refused["row"].to_pylist() == [1, 2, 3, 4]  # rows of the file, whatever could be read of them
    assert progress.refused_by_reason == {"contradicting": 2, "no parcel": 1, "unknown code": 1}
    nothing = review_progress(None, nomenclature, drawn=DRAWN, sample="s-1", parcels=())
    assert nothing.accepted.num_rows == nothing.refused.num_rows == 0
    assert nothing.waiting == 5


def test_written_rows_survive_being_written_again(tmp_path: Path) -> None:
    rows = rows_of({"note": 'he said "wheat", twice\nand left'}, {"segment_id": "abc"})
    path = tmp_path / "decisions.csv"
    path.write_bytes(decisions_csv([*rows, {**rows[0], "received": "copy.csv"}]))
    again = written_decisions(path).rows
    assert list(again) == [*rows, rows[0]]
    assert path.read_text().splitlines()[0].endswith(",sample,received")
