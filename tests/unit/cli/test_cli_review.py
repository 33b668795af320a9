"""`agristat review` over samples made by hand: what it says, what it keeps, and with which status it ends."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import shapely

from agristat_platform.catalogue import Partition, load_catalogue, load_settings
from agristat_platform.classification import review
from agristat_platform.cli import main
from resources.versioned_store import Store

PARTITION = Partition("demo-valley", "2023-10")
AUDIT, LEARNING = [1, 2, 3], [4, 5]


@pytest.fixture
def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, repository: Path) -> Path:
    """A home whose region collects decisions, with samples of five parcels."""
    config, home = tmp_path / "config", tmp_path / "home"
    shutil.copytree(repository / "config", config)
    file = config / "regions" / "demo-valley.yaml"
    file.write_text(file.read_text().replace("  decisions: simulation", "  decisions: file"))
    monkeypatch.setenv("AGRISTAT_CONFIG", str(config))
    monkeypatch.setenv("AGRISTAT_HOME", str(home))
    nomenclature = load_catalogue(load_settings(config, env={})).nomenclature("demo-valley")
    shapes = shapely.box(*(np.array([[0, 0, 90, 90]]).T + 100 * np.arange(5)))
    ids = np.arange(1, 6, dtype=np.uint32)
    segments = pa.table(
        {"segment_id": ids, "area_ha": [0.81] * 5, "pixels": [81] * 5, "geometry": shapely.to_wkb(shapes)}
    )
    classified = pa.table(
        {
            "segment_id": ids,
            "crop_code": ["WHE", "BAR", "MAI", "WHE", "BAR"],
            "confidence": [0.9, 0.8, 0.7, 0.4, 0.3],
            "second_crop_code": ["BAR", "WHE", "WHE", "BAR", "WHE"],
            "second_probability": [0.1, 0.2, 0.3, 0.3, 0.3],
        }
    )
    flags = review.parcel_flags(segments)
    table = review.reviewers_table(
        {"audit": AUDIT, "learning": LEARNING},
        classified, flags, segments, nomenclature, crs="EPSG:32630", sample="aaaaaaaa-bbbbbbbb",
    )  # fmt: skip
    store = Store(str(home / "store"), scratch_dir=tmp_path / "scratch")
    with store.draft("review_samples", PARTITION, stage="review") as draft:
        draft.write_table("to_review", table, crs="EPSG:32630")
        draft.write_table("flags", flags)
        for name, parcels in (("audit", AUDIT), ("learning_queue", LEARNING)):
            draft.write_table(name, pa.table({"segment_id": pa.array(parcels, pa.uint32())}))
        draft.describe(parameters={"sample": "aaaaaaaa-bbbbbbbb"}, simulated=True)
    store.publish(draft, draft.manifest(run_id="run"))
    monkeypatch.chdir(tmp_path)
    return home


def decided(path: Path, **said: str) -> Path:
    with Path("review_demo-valley_2023-10.csv").open(encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.DictReader(stream))
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows({**row, "decision": said.get(f"p{row['segment_id']}", "")} for row in rows)
    return path


def call(*arguments: str) -> int:
    return main(["review", *arguments])


def test_parcels_go_out_and_decisions_come_in(office, tmp_path, capsys):
    assert call("export", "demo-valley", "2023-10") == 0
    said = capsys.readouterr().out
    assert "5 parcels (SIMULATED data): review_demo-valley_2023-10.csv" in said
    assert "unknown, mixed, not a parcel" in said
    assert call("status", "demo-valley", "2023-10") == 0
    said = capsys.readouterr().out
    assert "nobody has decided anything yet" in said
    assert "no reviewed map was published yet" in said

    back = decided(tmp_path / "back.csv", p1="WHE", p2="rye", p4="maize")
    assert call("import", str(back), "demo-valley", "2023-10", "--by", "Ana") == 0
    said = capsys.readouterr().out
    assert "row 2, parcel 2: unknown code: 'rye' is no crop of the nomenclature" in said
    assert "3 decisions, 1 don't count, 0 known before; 2 rows without one; 3 new, kept in" in said
    assert call("import", str(decided(back, p1="WHE", p2="BAR")), "demo-valley", "2023-10", "--by", "Ana") == 0
    said = capsys.readouterr().out
    assert "2 decisions, 0 don't count, 1 known before; 3 rows without one; 1 new, kept in" in said
    assert call("status", "demo-valley", "2023-10") == 0
    said = capsys.readouterr().out
    assert "Ana: 3 parcels" in said
    assert "rows that don't count: unknown code 1" in said
    assert [line.split() for line in said.splitlines() if line.strip().startswith(("audit", "learning"))] == [
        ["audit", "3", "2", "1"],
        ["learning", "2", "1", "1"],
    ]
    assert call("export", "demo-valley", "2023-10", "--waiting", "--to", "rest.csv") == 0
    assert review.written_decisions(Path("rest.csv")).undecided == 2
    assert len(list((office / "review" / "demo-valley" / "2023-10" / "received").iterdir())) == 2


def test_what_cannot_be_done_ends_with_one_sentence(office, tmp_path, capsys):
    assert call("export", "demo-valley", "2024-10") == 1
    assert "review_samples has never been materialised for demo-valley" in capsys.readouterr().err
    assert call("export", "demo-valley", "2023-10", "--to", "out.xlsx") == 1
    assert "Use .csv, .gpkg or .parquet" in capsys.readouterr().err
    assert call("import", "nothing.csv", "demo-valley", "2023-10", "--by", "Ana") == 1
    assert "is not there" in capsys.readouterr().err
    assert call("import", "nothing.csv", "demo-valley", "2023-10") == 2
    assert not (office / "review").exists()
    file = tmp_path / "config" / "regions" / "demo-valley.yaml"
    file.write_text(file.read_text().replace("  decisions: file", "  decisions: simulation"))
    assert call("import", "nothing.csv", "demo-valley", "2023-10", "--by", "Ana") == 1
    assert "are simulated, so none are collected" in capsys.readouterr().err


def test_decisions_that_somebody_broke_by_hand_are_named_before_anything_is_added(office, tmp_path, capsys):
    assert call("export", "demo-valley", "2023-10") == 0
    back = decided(tmp_path / "back.csv", p1="WHE")
    assert call("import", str(back), "demo-valley", "2023-10", "--by", "Ana") == 0
    kept = office / "review" / "demo-valley" / "2023-10" / "decisions.csv"
    kept.write_text("verdict\nWHE\n")
    capsys.readouterr()
    assert call("import", str(back), "demo-valley", "2023-10", "--by", "Ana") == 1
    said = capsys.readouterr().err
    assert "no column segment_id" in said
    assert str(kept) in said
    assert kept.read_text() == "verdict\nWHE\n"
