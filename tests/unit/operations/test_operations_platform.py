"""Between the terminal and Dagster: selections, the progress display, ports, the Dagster home."""

from __future__ import annotations

import dataclasses
import io
import os
import socket

import pytest
from rich.console import Console

from agristat_platform.catalogue import Partition, load_catalogue, load_settings
from agristat_platform.definitions import build_definitions
from agristat_platform.operations.errors import (
    HomeNotWritableError,
    NothingToPrepareError,
    PortInUseError,
    UnknownSelectionError,
)
from agristat_platform.operations.instance import prepare_dagster_home
from agristat_platform.operations.materialisation import select_assets
from agristat_platform.operations.preparation import prepare
from agristat_platform.operations.progress import Progress
from agristat_platform.operations.serving import port_is_free, require_free_port

VALLEY, IOWA = Partition(region="demo-valley", season="2023-10"), Partition(region="us-iowa-1978", season="1978-04")


@pytest.fixture(scope="module")
def settings(repository, tmp_path_factory):
    return load_settings(repository / "config", env={"AGRISTAT_HOME": str(tmp_path_factory.mktemp("home"))})


@pytest.fixture(scope="module")
def catalogue(settings):
    return load_catalogue(settings)


@pytest.fixture(scope="module")
def definitions(settings):
    return build_definitions(settings)


@pytest.mark.parametrize(
    ("partition", "selection", "chosen"),
    [
        (VALLEY, "scenes", "scenes"),
        (
            VALLEY,
            "crop_maps+",
            "crop_maps survey_samples map_accuracy official_estimates review_samples reviewed_maps",
        ),
        (
            VALLEY,
            "crop_maps*",  # everything downstream, not one step only
            "crop_maps survey_samples field_data map_accuracy official_estimates review_samples review_decisions "
            "reviewed_maps",
        ),
        (VALLEY, "+segments", "composites segments"),
        (VALLEY, "field_data, scenes", "scenes field_data"),
        (IOWA, None, "survey_samples field_data official_estimates"),
        (IOWA, "survey_samples+", "survey_samples field_data official_estimates"),
    ],
)
def test_selections_keep_what_applies_in_the_order_of_the_graph(definitions, catalogue, partition, selection, chosen):
    keys = [key.to_user_string() for key in select_assets(definitions, catalogue, partition, selection)]
    assert set(keys) == set(chosen.split())
    order = [key.to_user_string() for key in select_assets(definitions, catalogue, VALLEY, None)]
    assert keys == sorted(keys, key=order.index)


@pytest.mark.parametrize("selection", ["crop_mapps", "(((", "", "scenes,"])
def test_a_selection_that_cannot_be_read_lists_the_assets_on_one_line(definitions, catalogue, selection):
    with pytest.raises(UnknownSelectionError) as caught:
        select_assets(definitions, catalogue, VALLEY, selection)
    assert repr(selection) in str(caught.value)
    assert "official_estimates" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_selection_that_does_not_apply_names_what_does(definitions, catalogue):
    with pytest.raises(UnknownSelectionError, match=r"us-iowa-1978.*survey_samples, field_data, official_estimates"):
        select_assets(definitions, catalogue, IOWA, "crop_maps")


def test_a_port_in_use_is_an_error_with_a_way_out():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert not port_is_free("127.0.0.1", port)
        with pytest.raises(PortInUseError, match=f"port {port} is in use.*--port"):
            require_free_port("127.0.0.1", port)
    require_free_port("127.0.0.1", port)


def test_dagster_home_gets_the_repositorys_settings_and_keeps_them_current(settings, repository, monkeypatch):
    monkeypatch.setenv("DAGSTER_HOME", "elsewhere")
    home = prepare_dagster_home(settings)
    assert os.environ["DAGSTER_HOME"] == str(home)
    wanted = (repository / "dagster.yaml").read_bytes()
    assert (home / "dagster.yaml").read_bytes() == wanted
    (home / "dagster.yaml").write_text("telemetry: {enabled: true}\n")
    prepare_dagster_home(settings)
    assert (home / "dagster.yaml").read_bytes() == wanted


@pytest.mark.parametrize(
    "action",
    [
        lambda elsewhere: prepare_dagster_home(elsewhere.settings),
        lambda elsewhere: prepare(elsewhere, elsewhere.region("demo-valley"), Progress(Console(file=io.StringIO()))),
    ],
    ids=["dagster home", "archive"],
)
def test_a_home_that_cannot_be_written_is_one_error_with_a_way_out(action, catalogue, tmp_path):
    in_the_way = tmp_path / "a file"
    in_the_way.touch()
    elsewhere = dataclasses.replace(
        catalogue, settings=dataclasses.replace(catalogue.settings, home=in_the_way / "home")
    )
    with pytest.raises(HomeNotWritableError, match=r"cannot be written.*a file/home.*AGRISTAT_HOME"):
        action(elsewhere)


def test_stages_are_logged_with_their_end(catalogue):
    text = io.StringIO()
    progress = Progress(Console(file=text, width=100))
    with progress.shown():
        with progress.stage("first"):
            assert "first" not in text.getvalue()
        with pytest.raises(ZeroDivisionError), progress.stage("second"):
            raise ZeroDivisionError
    lines = text.getvalue().splitlines()
    assert lines[0].split()[0::3] == ["done", "first"]
    assert lines[1].split()[0::3] == ["failed", "second"]


def test_a_region_without_imagery_of_its_own_has_nothing_to_prepare(catalogue):
    for code in ("us-iowa-1978", "mx-yaqui"):
        with pytest.raises(NothingToPrepareError, match=rf"{code}.*agristat run {code}"):
            prepare(catalogue, catalogue.region(code), Progress(Console(file=io.StringIO())))
