"""Crops carried over from last season's map: to segments that are the same, and only from the map of those segments."""

from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest

from agristat_platform.segmentation import link_segments
from assets.carried_crops import carried_crops, changes

BEFORE = np.array([[1, 1, 2, 2], [1, 1, 2, 2]], dtype=np.uint32)
AFTER = np.array([[1, 1, 2, 3], [1, 1, 2, 3]], dtype=np.uint32)


class Version(SimpleNamespace):
    def has(self, name):
        return name in self.tables

    def table(self, name, columns=None):
        return self.tables[name] if columns is None else self.tables[name].select(columns)


class Log(list):
    def warning(self, message, *values):
        self.append(message % values)


def version(partition, made_of, **tables):
    inputs = [SimpleNamespace(asset="segments", partition="valley|2023-10", version=made_of)]
    return Version(partition=partition, manifest=SimpleNamespace(inputs=inputs), tables=tables)


@pytest.fixture
def seasons():
    previous = pa.table(
        {"segment_id": pa.array([2, 1], pa.uint32()), "crop_code": ["MAI", "WHE"], "confidence": [0.7, 0.9]}
    )
    classified = pa.table({"segment_id": pa.array([3, 1, 2], pa.uint32()), "crop_code": ["BAR", "FAL", None]})
    segments = version("valley|2024-10", "a" * 64, links=link_segments(BEFORE, AFTER))
    return segments, version("valley|2023-10", "a" * 64, segments=previous), classified


def test_the_crop_follows_the_same_segment_and_no_part_of_one(seasons):
    carried = carried_crops(*seasons, Log())
    assert carried.select(["segment_id", "identity", "previous_crop_code", "crop_code"]).to_pylist() == [
        {"segment_id": 1, "identity": "same", "previous_crop_code": "WHE", "crop_code": "FAL"},
        {"segment_id": 2, "identity": "split", "previous_crop_code": None, "crop_code": None},
        {"segment_id": 3, "identity": "split", "previous_crop_code": None, "crop_code": "BAR"},
    ]
    assert changes(carried) == [{"a year before": "WHE", "now": "FAL", "unchanged segments": 1}]


def test_a_map_of_other_segments_than_the_links_lead_to_is_not_followed(seasons):
    segments, previous, classified = seasons
    previous.manifest.inputs[0].version = "b" * 64
    log = Log()
    assert carried_crops(segments, previous, classified, log) is None
    assert "bbbbbbbbbbbb" in log[0]
    assert "materialise crop_maps of that season" in log[0]


def test_a_first_season_and_one_without_links_carry_nothing(seasons):
    segments, previous, classified = seasons
    assert carried_crops(segments, None, classified, Log()) is None
    del segments.tables["links"]
    assert carried_crops(segments, previous, classified, Log()) is None
