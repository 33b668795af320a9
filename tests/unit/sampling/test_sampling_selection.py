"""Allocation, inclusion probabilities, drawing and checking."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from agristat_platform.sampling import (
    SAMPLE_SCHEMA,
    STRATA_SCHEMA,
    AllocationError,
    DesignError,
    DuplicateSampleUnitError,
    InvalidSampleProbabilityError,
    InvalidSizeMeasureError,
    MissingRecordedSurveyError,
    PPSSystematic,
    SampleOutsideStratumError,
    SimpleRandom,
    StratifiedRandom,
    Systematic,
    UnknownSampleUnitError,
    allocate,
    area_frame,
    check_sample,
    draw,
    inclusion_probabilities,
    load_battese_harter_fuller,
    strata_table,
    stratify,
)


def frame_of(units=60, bounds=(0.25, 0.6)):
    frame = area_frame(shapely.box(0, 0, 300 * units, 300), 300, crs="EPSG:32630")
    return stratify(frame, np.linspace(0, 1, units), bounds)


def strata_of(sizes):
    names = [f"s{k}" for k in range(len(sizes))]
    return pa.table([names, list(sizes), [0] * len(sizes), pa.nulls(len(sizes), pa.float64())], schema=STRATA_SCHEMA)


def sizes_in(table):
    return dict(zip(table["stratum"].to_pylist(), table["sample_size"].to_pylist(), strict=True))


def test_proportional_allocation_by_hand():
    # 10 × (60, 30, 10)/100 = 6, 3, 1: the minimum of 2 for the last leaves 8 for the others, 5.33 and 2.67
    assert sizes_in(allocate(strata_of([60, 30, 10]), 10)) == {"s0": 5, "s1": 3, "s2": 2}


def test_neyman_allocation_by_hand_caps_at_the_stratum_size():
    # N S = 100, 400, 50: shares of 22 are 4, 16, 2; the second has 10 units only, 12 stay for 100 : 50
    table = allocate(strata_of([100, 10, 50]), 22, "neyman", {"s0": 1, "s1": 40, "s2": 1})
    assert sizes_in(table) == {"s0": 8, "s1": 10, "s2": 4}


def test_strata_without_spread_take_what_the_others_cannot_hold():
    table = allocate(strata_of([5, 20, 20]), 15, "neyman", {"s0": 3, "s1": 0, "s2": 0})
    assert sum(sizes_in(table).values()) == 15
    assert sizes_in(table)["s0"] == 5


@given(
    sizes=st.lists(st.integers(1, 500), min_size=1, max_size=12),
    fraction=st.floats(0, 1),
    sd=st.lists(st.floats(0, 50), min_size=12, max_size=12),
    method=st.sampled_from(["proportional", "neyman"]),
)
@settings(max_examples=150, deadline=None)
def test_allocation_is_exact_and_within_bounds(sizes, fraction, sd, method):
    least = sum(min(2, size) for size in sizes)
    n = least + round(fraction * (sum(sizes) - least))
    names = [f"s{k}" for k in range(len(sizes))]
    table = strata_of(sizes)
    result = allocate(table, n, method, dict(zip(names, sd, strict=False)))
    given_sizes = sizes_in(result)
    assert sum(given_sizes.values()) == n
    assert all(min(2, size) <= given_sizes[name] <= size for name, size in zip(names, sizes, strict=True))
    reversed_rows = allocate(table.take(pa.array(range(len(sizes) - 1, -1, -1))), n, method, dict(zip(names, sd)))  # noqa: B905
    assert sizes_in(reversed_rows) == given_sizes


def test_an_impossible_allocation_says_what_is_possible():
    with pytest.raises(AllocationError, match="at least 4 and hold 30"):
        allocate(strata_of([10, 20]), 31)
    with pytest.raises(AllocationError, match="s1"):
        allocate(strata_of([10, 20]), 8, "neyman", {"s0": 1.0})


def test_a_census_is_certain_whatever_the_rounding():
    assert (
        inclusion_probabilities([0.7] * 7, 7).tolist() == [1.0] * 7
    )  # 7 · 0.7 / (0.7 + … + 0.7) is 0.9999999999999998


def test_inclusion_probabilities_set_certainty_units_apart():
    # n = 3: 3·100/126 > 1, then 2·20/26 > 1, then 1 × (1, 2, 3)/6
    assert inclusion_probabilities([100, 20, 1, 2, 3], 3).tolist() == pytest.approx([1, 1, 1 / 6, 2 / 6, 3 / 6])


@given(sizes=st.lists(st.floats(0.01, 1e4), min_size=1, max_size=50), fraction=st.floats(0, 1))
def test_inclusion_probabilities_add_up_to_n(sizes, fraction):
    n = round(fraction * len(sizes))
    probability = inclusion_probabilities(sizes, n)
    assert probability.sum() == pytest.approx(n, abs=1e-9)
    assert (probability <= 1).all()
    assert n == 0 or (probability > 0).all()


def test_a_size_that_is_no_size_is_named_by_row():
    with pytest.raises(InvalidSizeMeasureError, match="row 1"):
        inclusion_probabilities([1.0, 0.0, 2.0], 1)
    with pytest.raises(DesignError, match="4 is outside 0 … 3"):
        inclusion_probabilities([1.0, 1.0, 2.0], 4)


def test_a_stratified_draw_has_the_allocated_sizes_and_exact_weights():
    frame = frame_of()
    strata = allocate(strata_table(frame), 20)
    sample = draw(frame, StratifiedRandom.from_strata(strata), seed=5)
    assert sample.schema.equals(SAMPLE_SCHEMA)
    assert sizes_in(strata_table(frame, sample)) == sizes_in(strata)
    assert sum(sample["weight"].to_pylist()) == pytest.approx(frame.num_rows)
    assert set(sample["role"].to_pylist()) == {"estimate"}
    check_sample(frame, sample)


@pytest.mark.parametrize(
    "design", [SimpleRandom(9), Systematic(12, 3), PPSSystematic(7, "size"), StratifiedRandom({"all": 4})]
)
def test_a_draw_repeats_whatever_the_order_of_the_frame(design):
    frame = area_frame(shapely.box(0, 0, 12_000, 300), 300, crs="EPSG:32630")
    frame = frame.append_column("size", pa.array(np.arange(1.0, 41.0)))
    sample = draw(frame, design, seed=11)
    shuffled = frame.take(pa.array(np.random.default_rng(0).permutation(frame.num_rows)))
    assert draw(shuffled, design, seed=11).equals(sample)
    assert not draw(frame, design, seed=12).equals(sample)
    check_sample(frame, sample)


def test_one_stratum_does_not_change_the_draw_in_another():
    frame = frame_of()
    names = strata_table(frame)["stratum"].to_pylist()
    few = draw(frame, StratifiedRandom({names[0]: 3, names[1]: 4, names[2]: 2}), seed=1).to_pylist()
    many = draw(frame, StratifiedRandom({names[0]: 3, names[1]: 9, names[2]: 2}), seed=1).to_pylist()
    for stratum in (names[0], names[2]):
        assert [r["unit_id"] for r in few if r["stratum"] == stratum] == [
            r["unit_id"] for r in many if r["stratum"] == stratum
        ]


def test_a_systematic_sample_keeps_its_starts_apart():
    frame = area_frame(shapely.box(0, 0, 30_000, 300), 300, crs="EPSG:32630")
    sample = draw(frame, Systematic(20, starts=4), seed=2)  # k = 100 × 4/20 = 20 possible starts
    columns = dict(zip(frame["unit_id"].to_pylist(), frame["col"].to_pylist(), strict=True))
    for start in (1, 2, 3, 4):
        cols = [columns[r["unit_id"]] for r in sample.to_pylist() if r["draw_id"] == start]
        assert np.diff(cols).tolist() == [20] * 4
    assert sample["probability"].to_pylist() == [0.2] * 20


def test_pps_takes_certainty_units_always():
    frame = area_frame(shapely.box(0, 0, 3_000, 300), 300, crs="EPSG:32630")
    frame = frame.append_column("size", pa.array([1000.0] + [1.0] * 9))
    for seed in range(20):
        sample = draw(frame, PPSSystematic(3, "size"), seed=seed)
        assert sample.num_rows == 3
        assert "E0000N0000" in sample["unit_id"].to_pylist()
        assert sample["probability"].to_pylist() == pytest.approx([1.0, 2 / 9, 2 / 9])


def test_designs_that_do_not_fit_the_frame_are_refused():
    frame = frame_of()
    names = strata_table(frame)["stratum"].to_pylist()
    with pytest.raises(DesignError, match="3 strata"):
        draw(frame, SimpleRandom(5), seed=1)
    with pytest.raises(DesignError, match=names[2]):
        draw(frame, StratifiedRandom({names[0]: 3, names[1]: 4}), seed=1)
    with pytest.raises(DesignError, match="outside 1 … "):
        draw(frame, StratifiedRandom(dict.fromkeys(names, 50)), seed=1)
    with pytest.raises(DesignError, match="E0003N0000"):
        draw(pa.concat_tables([frame, frame.slice(3, 1)]), StratifiedRandom(dict.fromkeys(names, 2)), seed=1)


def changed(sample, row, **values):
    rows = sample.to_pylist()
    rows[row] |= values
    return pa.Table.from_pylist(rows, schema=SAMPLE_SCHEMA)


def test_check_sample_names_row_and_unit():
    frame = frame_of()
    strata = allocate(strata_table(frame), 12)
    sample = draw(frame, StratifiedRandom.from_strata(strata), seed=5)
    first, unit = sample["unit_id"][0].as_py(), sample["unit_id"][4].as_py()
    with pytest.raises(SampleOutsideStratumError, match=rf"(?s){unit}.*sample row 4"):
        check_sample(frame, changed(sample, 4, stratum="elsewhere"))
    with pytest.raises(UnknownSampleUnitError, match=r"E9999N0000.*sample row 4"):
        check_sample(frame, changed(sample, 4, unit_id="E9999N0000"))
    with pytest.raises(DuplicateSampleUnitError, match=rf"{first}.*first in sample row 0"):
        check_sample(frame, changed(sample, 1, unit_id=first))
    for wrong in (0.0, 1.5, None):
        with pytest.raises(InvalidSampleProbabilityError, match=rf"{unit}.*sample row 4"):
            check_sample(frame, changed(sample, 4, probability=wrong))
    with pytest.raises(InvalidSampleProbabilityError, match="not the inverse"):
        check_sample(frame, changed(sample, 4, weight=1.0))


def test_a_recorded_survey_that_is_not_there_says_where_it_should_be(tmp_path):
    with pytest.raises(MissingRecordedSurveyError, match="AGRISTAT_REAL_DATA"):
        load_battese_harter_fuller(tmp_path)
    (tmp_path / "09_ebluP_BHF_cornsoybean.json").write_text('{"data": {"rows": {"County": [1]}}}')
    with pytest.raises(MissingRecordedSurveyError, match="popmeans"):
        load_battese_harter_fuller(tmp_path)
