"""Several processings of one scene: the newest counts, halves of a tile stay apart, and what is dropped is counted."""

from datetime import datetime
from itertools import permutations

import pyarrow as pa
import pystac
import pytest
import shapely
import shapely.geometry

from agristat_platform.imagery import superseded_counts, superseded_scenes

TILE = shapely.box(-6.0, 41.0, -5.0, 42.0)
NORTH, SOUTH = shapely.box(-6.0, 41.49, -5.0, 42.0), shapely.box(-6.0, 41.0, -5.0, 41.5)


def scene(scene_id, *, when="2024-05-03T11:06:21Z", ground=TILE, collection="sentinel-2-l2a", **properties):
    moment = datetime.fromisoformat(when.replace("Z", "+00:00"))
    properties.setdefault("platform", "sentinel-2a")
    if collection == "sentinel-2-l2a":
        properties.setdefault("grid:code", "MGRS-30TTM")
    shape = None if ground is None else shapely.geometry.mapping(ground)
    made = pystac.Item(scene_id, shape, None if ground is None else list(ground.bounds), moment, properties)
    made.collection_id = collection
    return made


def sentinel(scene_id, baseline, **options):
    return scene(scene_id, **{"s2:processing_baseline": baseline, **options})


def landsat(scene_id, category=None, **options):
    fields = {"landsat:wrs_path": "203", "landsat:wrs_row": "031", "platform": "landsat-8"}
    if category:
        fields["landsat:collection_category"] = category
    return scene(scene_id, collection="landsat-c2-l2", **{**fields, **options})


def test_newest_baseline_wins_in_any_order():
    versions = [sentinel("a", "02.14"), sentinel("b", "05.00"), sentinel("c", "05.10")]
    for order in permutations(versions):
        assert superseded_scenes(order) == {
            "a": "superseded by c (baseline 05.10 over 02.14)",
            "b": "superseded by c (baseline 05.10 over 05.00)",
        }


def test_later_generation_wins_at_equal_baselines_however_the_moment_is_written():
    first = sentinel(
        "z", "05.10", **{"s2:generation_time": "2024-05-03T15:00:00.000Z", "created": "2025-01-01T00:00:00Z"}
    )
    second = sentinel("a", "05.10", **{"processing:datetime": "2024-05-04T02:00:00.000000Z"})
    assert superseded_scenes([first, second]) == {"z": "superseded by a (a later processing)"}


def test_ones_own_sen2cor_run_gives_way_to_esa():
    own = sentinel("own", "99.99", **{"s2:generation_time": "2030-01-01T00:00:00Z"})
    assert list(superseded_scenes([own, sentinel("esa", "02.05")])) == ["own"]


def test_datatake_identifies_the_sensing_where_the_moments_differ_by_seconds():
    product = "S2A_MSIL2A_20240503T110621_N0400_R137_T30TTM_20240503T170000.SAFE"
    old = sentinel("S2A_30TTM_20240503_0_L2A", "04.00", **{"s2:product_uri": product})
    datatakes = ("GS2A_20240503T110621_046294_N05.10", "GS2A_20240503T110701_046294_N05.10")
    moment = "2024-05-03T11:06:40Z"
    new = sentinel("S2A_30TTM_20240503_1_L2A", "05.10", when=moment, **{"eopf:datatake_id": datatakes[0]})
    later_datatake = sentinel("next", "05.10", when=moment, **{"s2:datatake_id": datatakes[1]})
    assert list(superseded_scenes([old, new, later_datatake])) == ["S2A_30TTM_20240503_0_L2A"]


def test_halves_of_a_tile_are_two_scenes():
    assert superseded_scenes([sentinel("n", "05.10", ground=NORTH), sentinel("s", "05.10", ground=SOUTH)]) == {}


def test_an_older_half_stays_where_the_newer_baseline_has_the_other_half_only():
    newer, older = sentinel("n5", "05.10", ground=NORTH), sentinel("s2", "02.14", ground=SOUTH)
    assert superseded_scenes([newer, older]) == {}
    whole = superseded_scenes([newer, sentinel("s5", "05.10", ground=SOUTH), older, sentinel("w2", "02.14")])
    assert whole["s2"].startswith("superseded by s5")
    assert set(whole) == {"s2", "w2"}


def test_tiles_platforms_and_days_are_never_mixed():
    others = [
        sentinel("a", "05.10"),
        sentinel("b", "02.14", **{"grid:code": "MGRS-29TQG"}),
        sentinel("c", "02.14", platform="sentinel-2b"),
        sentinel("d", "02.14", when="2024-05-08T11:06:21Z"),
    ]
    assert superseded_scenes(others) == {}
    assert list(superseded_scenes([others[0], sentinel("e", "02.14", platform="Sentinel-2A")])) == ["e"]


@pytest.mark.parametrize(
    ("winner", "loser", "said"),
    [
        (("LC08_L2SP_203031_20240503_20240520_02_T1", "T1"), ("LC08_L2SP_203031_20240503_20240504_02_RT", "RT"), "T1 over RT"),
        (("LC08_L2SP_203031_20240503_20240520_02_T2", "T2"), ("LC08_L2SP_203031_20240503_20240601_02_RT", None), "T2 over RT"),
        (("LC08_L2SP_203031_20240503_20240601_02_T2", None), ("LC08_L2SP_203031_20240503_20240520_02_T1", None), "T2 over T1"),
        (("LC08_L2SP_203031_20240503_20240520_02_T1", None), ("LC08_L2SP_203031_20240503_20240520_02_T2", None), "T1 over T2"),
        (("LC08_L2SP_203031_20240503_20240601_02_T1", "T1"), ("LC08_L2SP_203031_20240503_20240520_02_T1", "T1"), "a later"),
    ],
)  # fmt: skip
def test_landsat_final_over_real_time_then_the_newest_processing(winner, loser, said):
    for pair in permutations([landsat(*winner), landsat(*loser)]):
        found = superseded_scenes(pair)
        assert list(found) == [loser[0]]
        assert said in found[loser[0]]


def test_radar_is_never_compared():
    both = [scene(name, collection="sentinel-1-rtc", platform="sentinel-1a") for name in ("a", "b")]
    assert superseded_scenes(both) == {}


def test_what_was_replaced_is_counted_by_collection():
    reasons = superseded_scenes([sentinel("a", "02.14"), sentinel("b", "05.00"), sentinel("c", "05.10")])
    table = pa.table(
        {
            "collection": ["sentinel-2-l2a"] * 4 + ["landsat-c2-l2"],
            "reason": [*reasons.values(), None, "cloud 40 % of the AOI over the limit of 20 %", None],
        }
    )
    assert superseded_counts(table) == {"landsat-c2-l2": 0, "sentinel-2-l2a": 2}
