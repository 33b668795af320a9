"""Settings from file and environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from agristat_platform.catalogue import ConfigurationError, UnknownCatalogueError, load_settings


def write(config_dir: Path, *replacements: tuple[str, str]) -> None:
    path = config_dir / "agristat.yaml"
    text = path.read_text("utf-8")
    for old, new in replacements:
        assert old in text
        text = text.replace(old, new, 1)
    path.write_text(text, encoding="utf-8")


def test_paths_of_the_file_start_beside_the_configuration_folder(
    config_dir: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = load_settings("checkout/config", env={})
    checkout = config_dir.parent
    assert settings.home == checkout / ".agristat"
    assert settings.store_uri == str(checkout / ".agristat" / "store")
    assert settings.mirror_uri is None
    assert settings.archive_dir == checkout / ".agristat" / "archive"
    assert settings.dagster_home == checkout / ".agristat" / "dagster"
    assert settings.warehouse_path.parent == settings.scratch_dir.parent == settings.home
    assert settings.real_data == checkout.parent / "shared" / "data"
    assert settings.seasons_start_months == (4, 10)
    assert (settings.webserver_host, settings.webserver_port) == ("127.0.0.1", 3000)


def test_the_environment_goes_before_the_file(
    config_dir: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    env = {
        "AGRISTAT_HOME": "elsewhere",
        "AGRISTAT_STORE_URI": "s3://office/store",
        "AGRISTAT_MIRROR_URI": "mirror",
        "AGRISTAT_REAL_DATA": str(tmp_path / "real"),
        "AGRISTAT_CATALOGUE_URL_EMBEDDED": "http://127.0.0.1:8123",
        "AGRISTAT_CATALOGUE_URL_EARTH_SEARCH": "https://stac.example.org",
    }
    settings = load_settings(config_dir, env)
    assert settings.home == tmp_path / "elsewhere"
    assert settings.store_uri == "s3://office/store"
    assert settings.mirror_uri == str(tmp_path / "mirror")
    assert settings.real_data == tmp_path / "real"
    assert settings.catalogue("earth-search").url == "https://stac.example.org"
    assert settings.catalogue("earth-search").kind == "earth_search"
    assert not settings.catalogue("embedded").embedded


def test_the_store_follows_home_unless_it_is_named(config_dir: Path, tmp_path: Path) -> None:
    assert load_settings(config_dir, {"AGRISTAT_HOME": str(tmp_path / "h")}).store_uri == str(tmp_path / "h" / "store")
    write(config_dir, ("store_uri: null", "store_uri: gs://bucket/statistics"))
    assert load_settings(config_dir, {}).store_uri == "gs://bucket/statistics"


def test_paths_of_region_files_are_filled_in(config_dir: Path, tmp_path: Path) -> None:
    settings = load_settings(config_dir, {"AGRISTAT_REAL_DATA": str(tmp_path / "real")})
    assert settings.data_file("{real_data}/a/b.parquet") == tmp_path / "real" / "a" / "b.parquet"
    assert settings.data_file("{home}/x") == settings.home / "x"
    assert settings.data_file("area.gpkg") == settings.data_file("{config}/area.gpkg") == config_dir / "area.gpkg"


def test_an_unknown_catalogue_names_those_there_are(config_dir: Path) -> None:
    with pytest.raises(UnknownCatalogueError, match=r'Did you mean "earth-search"\? There are: embedded, earth-search'):
        load_settings(config_dir, {}).catalogue("earthsearch")


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("port: 3000", "port: 99999", "webserver.port: got 99999; allowed: at most 65535"),
        ("port: 3000", "prot: 3000", 'webserver.prot: unknown key; allowed: host, port (did you mean "port"?)'),
        ("home: .agristat", "home: 3", "home: got 3; allowed: text (in quotes where it looks like a number or date)"),
        ("[4, 10]", "[10, 4]", "season_start_months: give months from 1 to 12, rising, each once"),
        ("[4, 10]", "[4, 13]", "season_start_months: give months from 1 to 12, rising, each once"),
        ("kind: earth_search\n", "kind: earth-search\n", 'catalogues.earth-search.kind: got "earth-search"; allowed: '
         'embedded, stac_api, earth_search, planetary_computer, cdse (did you mean "earth_search"?)'),
        ("    url: https://earth-search.aws.element84.com/v1\n", "",
         "catalogues.earth-search: give a url that starts with http:// or https://"),
        ("kind: embedded\n", "kind: embedded\n    url: http://localhost\n",
         "catalogues.embedded: an embedded catalogue has no url"),
    ],
)  # fmt: skip
def test_a_problem_of_the_settings_is_one_line(config_dir: Path, old: str, new: str, problem: str) -> None:
    write(config_dir, (old, new))
    with pytest.raises(ConfigurationError) as caught:
        load_settings(config_dir, {})
    assert caught.value.problems == (f"{config_dir}/agristat.yaml: {problem}",)


def test_an_address_in_the_environment_is_checked(config_dir: Path) -> None:
    with pytest.raises(ConfigurationError, match='AGRISTAT_CATALOGUE_URL_EARTH_SEARCH: got "ftp://x"'):
        load_settings(config_dir, {"AGRISTAT_CATALOGUE_URL_EARTH_SEARCH": "ftp://x"})


def test_a_missing_configuration_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"nowhere/agristat\.yaml: cannot be read"):
        load_settings(tmp_path / "nowhere", {})


def test_a_run_takes_one_process_unless_file_or_environment_say_more(config_dir: Path) -> None:
    assert load_settings(config_dir, {}).execution.workers == 1
    write(config_dir, ("  workers: 1\n  tile_rows: null", "  workers: 4\n  tile_rows: 128"))
    execution = load_settings(config_dir, {}).execution
    assert (execution.workers, execution.tile_rows, execution.tile_cols) == (4, 128, None)
    assert load_settings(config_dir, {"AGRISTAT_WORKERS": "2"}).execution.workers == 2
    assert load_settings(config_dir, {"AGRISTAT_WORKERS": "2"}).execution.tile_rows == 128


@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5", "257"])
def test_a_wrong_number_of_workers_is_named(config_dir: Path, text: str) -> None:
    with pytest.raises(ConfigurationError, match=rf'AGRISTAT_WORKERS: got "{text}"; allowed: a whole number from 1'):
        load_settings(config_dir, {"AGRISTAT_WORKERS": text})


def test_tiles_too_small_to_be_meant_are_refused_with_the_field(config_dir: Path) -> None:
    write(config_dir, ("  tile_rows: null", "  tile_rows: 3"))
    with pytest.raises(ConfigurationError, match=r"execution\.tile_rows"):
        load_settings(config_dir, {})
