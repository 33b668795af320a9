"""`agristat segments export`: the current segments of a season as field boundaries, and what it says when there are none."""

import geopandas
import numpy as np
import pyarrow as pa
import pytest
from affine import Affine

from agristat_platform.catalogue import Partition
from agristat_platform.cli import main
from agristat_platform.segmentation import segment_polygons
from resources.versioned_store import Store

LABELS = np.array([[1, 1, 2], [1, 3, 2]], np.uint32)


@pytest.fixture
def publish(tmp_path, monkeypatch):
    monkeypatch.setenv("AGRISTAT_HOME", str(tmp_path / "home"))
    store = Store(str(tmp_path / "home" / "store"), scratch_dir=tmp_path / "scratch")

    def published(**tables):
        polygons = segment_polygons(LABELS, Affine(10, 0, 300_000, 0, -10, 4_600_000), "EPSG:32630")
        with store.draft("segments", Partition("demo-valley", "2023-10"), stage="segmentation") as draft:
            draft.write_table("segments", polygons)
            draft.simulated = True
            for name, table in tables.items():
                draft.write_table(name, table)
        return store.publish(draft, draft.manifest(run_id="run"))

    return published


def test_segments_become_a_file_of_field_boundaries(publish, tmp_path, capsys):
    stored = publish()
    target = tmp_path / "fields.parquet"
    assert main(["segments", "export", "demo-valley", "2023-10", str(target)]) == 0
    assert capsys.readouterr().out == f"3 field boundaries: {target}\n"
    frame = geopandas.read_parquet(target)
    assert frame.crs.to_authority() == ("OGC", "CRS84")
    assert set(frame["collection"]) == {"demo-valley-2023-10"}
    assert set(frame["determination:method"]) == {"auto-imagery"}
    assert set(frame["determination:datetime"].dt.strftime("%Y-%m-%d")) == {"2024-06-01"}  # the season's end
    assert set(frame["determination:details"]) == {f"simulated segments of satellite imagery, version {stored.version}"}


def test_parcels_of_a_register_are_not_said_to_come_from_imagery(publish, tmp_path):
    publish(parcels=pa.table({"parcel_id": ["a"]}))
    target = tmp_path / "fields.parquet"
    assert main(["segments", "export", "demo-valley", "2023-10", str(target), "--collection", "office"]) == 0
    frame = geopandas.read_parquet(target)
    assert set(frame["collection"]) == {"office"}
    assert set(frame["determination:method"]) == {"unknown"}


def test_without_segments_the_message_says_what_to_do(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("AGRISTAT_HOME", str(tmp_path / "home"))
    assert main(["segments", "export", "demo-valley", "2023-10", str(tmp_path / "fields.parquet")]) == 1
    said = capsys.readouterr().err
    assert "segments has never been materialised for demo-valley" in said
    assert not (tmp_path / "fields.parquet").exists()
