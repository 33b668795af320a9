"""Strict reading of YAML: what is refused, what stays text, and that nothing but named errors comes out."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from agristat_platform.catalogue import ConfigurationError
from agristat_platform.catalogue.yaml_source import parse_yaml, read_yaml


def test_words_of_yaml_1_1_stay_words() -> None:
    content = parse_yaml("country: NO\ncode: 0111\nanswer: yes\ntime: 12:30\nmerge: <<\n", "x.yaml")
    assert content == {"country": "NO", "code": "0111", "answer": "yes", "time": "12:30", "merge": "<<"}


def test_numbers_dates_and_booleans_are_what_they_look_like() -> None:
    content = parse_yaml("a: 10\nb: -2.5\nc: 1e3\nd: 2018-10-01\ne: true\nf: null\ng: 0\nh: .5\n", "x.yaml")
    assert content == {
        "a": 10, "b": -2.5, "c": 1000.0, "d": date(2018, 10, 1), "e": True, "f": None, "g": 0, "h": 0.5,
    }  # fmt: skip
    assert isinstance(content["c"], float)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: 1\nb: 2\na: 3\n", 'x.yaml:3: key "a" is given twice, first in line 1'),
        ("a:\n  b: 1\n  b: 2\n", 'x.yaml:3: key "b" is given twice, first in line 2'),
        ("a: {b: 1, b: 2}\n", 'x.yaml:1: key "b" is given twice'),
        ("a: 1\n b: 2\n", "x.yaml:2: "),
        ("a: [1, 2\nb: 3\n", "x.yaml:2: "),
        ("a: 'open\n", "x.yaml:2: "),
        ("a: 2018-02-30\n", 'x.yaml:1: "2018-02-30" is no date'),
        ("2018: x\n", "x.yaml:1: a key is not text"),
        ("? [a]\n: b\n", "x.yaml:1: "),
        ("a: &name [1]\nb: *name\n", "x.yaml:2: aliases"),
        ("a: !!python/object:os.system x\n", "x.yaml:1: tags (tag:yaml.org,2002:python/object:os.system) are not read"),
        ("", "x.yaml: must hold keys and values, but holds nothing"),
        ("- a\n- b\n", "x.yaml: must hold keys and values, but holds list"),
        ("a: \x00\n", "x.yaml"),
        ("a: " + "[" * 5000, "x.yaml"),
        ("a: " + "9" * 5000, "x.yaml"),
    ],
)
def test_a_bad_file_is_one_line_with_its_line_number(text: str, problem: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_yaml(text, "x.yaml")
    (line,) = caught.value.problems
    assert line.startswith(problem)
    assert "\n" not in line


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    latin = tmp_path / "latin.yaml"
    latin.write_bytes("a: 1\nname: otoño\n".encode("latin-1"))
    with pytest.raises(ConfigurationError, match=r"latin\.yaml:2: not UTF-8"):
        read_yaml(latin)
    with pytest.raises(ConfigurationError, match=r"absent\.yaml: cannot be read"):
        read_yaml(tmp_path / "absent.yaml")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_yaml(tmp_path)
    big = tmp_path / "big.yaml"
    with big.open("wb") as file:
        file.truncate(9_000_000)
    with pytest.raises(ConfigurationError, match="larger than 8 MB"):
        read_yaml(big)


def is_mapping_or_named_error(text: str) -> bool:
    """Any other exception passes through and fails the test."""
    try:
        return isinstance(parse_yaml(text, "x.yaml"), dict)
    except ConfigurationError as error:
        return bool(error.problems) and all(problem.startswith("x.yaml") for problem in error.problems)


@settings(deadline=None)  # machines that run tests are shared
@given(st.text(max_size=200))
@example("a: &a [*a]")
@example("{a: 1, <<: {b: 2}}")
@example("a: 0001-01-01T00:00:00-23:59")
def test_any_text_gives_a_mapping_or_a_named_error(text: str) -> None:
    assert is_mapping_or_named_error(text)


PIECES = [*"{}[]:,-?!&*|>%@#'\"\n \tab1é", "2018-01-01", ": ", "- ", "\n  ", "!!set ", "!!int ", "!!omap "]


@settings(deadline=None)  # machines that run tests are shared
@given(st.lists(st.sampled_from(PIECES), max_size=40).map("".join))
@example("a: !!int x")
@example("a: !!set {a, b}")
@example("a: !!timestamp x")
@example("a: !!binary é")
@example("a: !!bool x")
@example("!!map a")
def test_any_heap_of_yaml_pieces_gives_a_mapping_or_a_named_error(text: str) -> None:
    assert is_mapping_or_named_error(text)
