"""What the command line does with errors and with the environment, without a platform behind it."""

from __future__ import annotations

import shutil

import pytest

from agristat_platform import __version__
from agristat_platform.cli import main


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("AGRISTAT_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"agristat {__version__}\n"


def test_without_words_the_help_is_shown(capsys):
    assert main([]) in (0, 2)
    said = capsys.readouterr()
    assert "Usage: agristat" in said.out + said.err


def test_an_error_of_the_platform_is_one_line_and_status_1(capsys):
    assert main(["estimates", "demo-vallei", "2023-10"]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith('agristat: unknown region "demo-vallei"')
    assert said.err.count("\n") == 1
    assert "demo-valley" in said.err


def test_a_wrong_call_is_status_2(capsys):
    assert main(["run", "demo-valley"]) == 2
    assert "SEASON" in capsys.readouterr().err.upper()


def test_a_missing_configuration_is_named(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("AGRISTAT_CONFIG", str(tmp_path / "nothing"))
    assert main(["region", "list"]) == 1
    assert "agristat.yaml" in capsys.readouterr().err


def test_the_configuration_can_lie_anywhere(capsys, tmp_path, monkeypatch, repository):
    shutil.copytree(repository / "config", tmp_path / "office")
    (tmp_path / "office" / "regions" / "mx-yaqui.yaml").unlink()
    monkeypatch.setenv("AGRISTAT_CONFIG", str(tmp_path / "office"))
    assert main(["region", "list"]) == 0
    text = capsys.readouterr().out
    assert "demo-valley" in text
    assert "mx-yaqui" not in text


def test_an_empty_store_is_listed_and_verified(capsys, home):
    assert main(["store", "ls"]) == 0
    assert "0 versions" in capsys.readouterr().out
    assert main(["store", "verify"]) == 0
    assert "problems: 0" in capsys.readouterr().out
    assert not (home / "store").exists()


def test_a_region_is_checked_by_its_code_too(capsys, tmp_path, monkeypatch, repository):
    shutil.copytree(repository / "config", tmp_path / "office")
    file = tmp_path / "office" / "regions" / "demo-valley.yaml"
    monkeypatch.setenv("AGRISTAT_CONFIG", str(tmp_path / "office"))
    assert main(["region", "check", "demo-valley"]) == 0
    file.write_text(file.read_text().replace("catalogue: embedded", "catalogue: embeded"))
    assert main(["region", "check", "demo-valley"]) == 1
    text = capsys.readouterr().out
    assert "1 region files checked, problems: 1" in text
    assert "embeded" in text
    assert main(["region", "check", "demo-vallley"]) == 1
