"""From a bare Python to an installed platform, with the standard library alone.

What belongs here: finding or making the virtual environment, installing the pinned packages into it, and handing the command over.
What does not: anything that needs a package. Everything else is `agristat_platform.cli`.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

OLDEST, NEWEST = (3, 11), (3, 13)
ROOT = Path(__file__).resolve().parent.parent
TEST_EXTRAS = ("test", "neural", "postgres-stac")
USAGE = """usage: python3 -m agristat_platform COMMAND [OPTIONS]

  demo          set everything up, run the demo region through Dagster and serve the UI
  test          set everything up and run the checks and tests (further options go to pytest)
  anything else is a command of `agristat`; see `python3 -m agristat_platform --help`

The environment is made in .venv beside this file's package (set AGRISTAT_VENV for another place)."""


class BootstrapError(Exception):
    """The environment cannot be set up; the message says why and what to do."""


def main(arguments: Sequence[str]) -> int:
    """Install what `arguments` need and run them; returns the exit status of the command."""
    if not arguments:
        print(USAGE)
        return 2
    try:
        python = prepare_environment(TEST_EXTRAS if arguments[0] == "test" else ())
    except BootstrapError as error:
        print(f"agristat: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nagristat: interrupted; run the same command again to go on", file=sys.stderr)
        return 130
    if arguments[0] == "test":
        return run_checks(python, arguments[1:])
    command = [str(python), "-m", "agristat_platform.cli", *arguments]
    if os.name == "posix":
        os.execv(command[0], command)
    return subprocess.call(command)


def prepare_environment(extras: Sequence[str]) -> Path:
    """Make the virtual environment and install the platform with `extras`, unless exactly that is there already.

    Returns
    -------
    The environment's Python.

    Raises
    ------
    BootstrapError
        The running Python is too old or too new, or a package could not be installed.
    """
    if not OLDEST <= sys.version_info[:2] <= NEWEST:
        wanted = ".".join(map(str, OLDEST)), ".".join(map(str, NEWEST))
        raise BootstrapError(
            f"Python {wanted[0]} to {wanted[1]} is needed, this is {sys.version.split()[0]}. "
            f"Call it by its name, for example: python{wanted[0]} -m agristat_platform demo"
        )
    home = Path(os.environ.get("AGRISTAT_VENV", ROOT / ".venv"))
    python = home / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    stamp = home / "agristat-installed"
    wanted_state = _installed_state(extras)
    if python.exists() and stamp.exists() and wanted_state <= set(stamp.read_text().split()):
        return python
    started = time.monotonic()
    if not python.exists():
        print(f"[1/2] making the environment {home}", flush=True)
        _make_environment(home)
    print("[2/2] installing the packages of constraints.txt (some minutes the first time)", flush=True)
    _install(python, extras)
    kept = set(stamp.read_text().split()) if stamp.exists() else set()
    same_pins = {word for word in kept if word.split(":")[1] == _pins_hash()}
    stamp.write_text("\n".join(sorted(same_pins | wanted_state)) + "\n")
    print(f"      installed in {time.monotonic() - started:.0f} s", flush=True)
    return python


def _installed_state(extras: Sequence[str]) -> set[str]:
    return {f"{extra}:{_pins_hash()}" for extra in ("core", *extras)}


def _pins_hash() -> str:
    digest = hashlib.sha256(sys.version.encode())
    for name in ("pyproject.toml", "constraints.txt"):
        digest.update((ROOT / name).read_bytes())
    return digest.hexdigest()[:16]


def _make_environment(home: Path) -> None:
    made = subprocess.run([sys.executable, "-m", "venv", str(home)], capture_output=True, text=True, check=False)
    if made.returncode == 0:
        return
    # Debian's Python comes without ensurepip; the pip outside can install into an environment that has none.
    bare = subprocess.run(
        [sys.executable, "-m", "venv", "--without-pip", "--clear", str(home)],
        capture_output=True,
        text=True,
        check=False,
    )
    if bare.returncode != 0:
        raise BootstrapError(f"cannot make the environment {home}: {(bare.stderr or made.stderr).strip()}")


def _install(python: Path, extras: Sequence[str]) -> None:
    target = f"{ROOT}[{','.join(extras)}]" if extras else str(ROOT)
    has_pip = subprocess.run([str(python), "-m", "pip", "--version"], capture_output=True, check=False).returncode == 0
    pip = [str(python), "-m", "pip"] if has_pip else [sys.executable, "-m", "pip", "--python", str(python)]
    command = [*pip, "install", "--disable-pip-version-check", "-qq", "-c", str(ROOT / "constraints.txt"), "-e", target]
    if _wait_for(subprocess.Popen(command, cwd=ROOT)) != 0:
        raise BootstrapError(
            "pip could not install the packages (its own message stands above). "
            "Check that the package index can be reached, then run the same command again"
        )


def _wait_for(child: subprocess.Popen[bytes]) -> int:
    """The exit status of a child; while it works the seconds go by on the terminal, or a line a minute in a log."""
    started = time.monotonic()
    on_terminal = sys.stdout.isatty()
    while True:
        try:
            status = child.wait(timeout=1 if on_terminal else 60)
        except subprocess.TimeoutExpired:
            seconds = time.monotonic() - started
            print(f"      {seconds:.0f} s", end="\r" if on_terminal else "\n", flush=True)
            continue
        except KeyboardInterrupt:
            child.wait()
            raise
        return status


def run_checks(python: Path, pytest_options: Sequence[str]) -> int:
    """Style, types, layering and tests; every one runs even if an earlier one failed, and the first failure decides."""
    scripts = python.parent
    checks = {
        "style": [str(scripts / "ruff"), "check", "."],
        "format": [str(scripts / "ruff"), "format", "--check", "."],
        "types": [str(scripts / "mypy")],
        "layers": [str(scripts / "lint-imports")],
        "tests": [str(python), "-m", "pytest", *(pytest_options or ("-q", "-n", "2", "--dist", "loadfile"))],
    }
    failed = []
    for name, command in checks.items():
        print(f"== {name}", flush=True)
        if subprocess.call(command, cwd=ROOT) != 0:
            failed.append(name)
    if failed:
        print(f"agristat: failed: {', '.join(failed)}", flush=True)
        return 1
    print("agristat: style, types, layers and tests passed", flush=True)
    return 0
