"""Strict reading of YAML: duplicate keys are refused, words stay words, and every failure names file and line."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from agristat_platform.catalogue.errors import ConfigurationError

MAX_BYTES = 8_000_000  # an AOI with very many vertices still fits; a data file named by mistake does not


class StrictLoader(yaml.SafeLoader):
    """YAML 1.2's reading of plain scalars, and no key twice.

    YAML 1.1, which PyYAML follows, reads the country code NO as false and the crop code 0111 as 73.
    """

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        """Build a mapping, refusing a key that comes twice (PyYAML keeps the last one and says nothing)."""
        first_lines: dict[str, int] = {}
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                problem = "a key is not text; write it in quotes"
                raise yaml.constructor.ConstructorError(None, None, problem, key_node.start_mark)
            line = key_node.start_mark.line + 1
            if key in first_lines:
                raise yaml.constructor.ConstructorError(
                    None, None, f'key "{key}" is given twice, first in line {first_lines[key]}', key_node.start_mark
                )
            first_lines[key] = line
        return super().construct_mapping(node, deep=deep)

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Refuse aliases, of which a few lines stand for more data than memory holds, and tags such as !!int."""
        event: Any = self.peek_event()
        mark = event.start_mark
        if isinstance(event, yaml.events.AliasEvent):
            problem = "aliases (*name) are not read; repeat the value"
            raise yaml.composer.ComposerError(None, None, problem, mark)
        if getattr(event, "tag", None) is not None:
            raise yaml.composer.ComposerError(None, None, f"tags ({event.tag}) are not read", mark)
        return super().compose_node(parent, index)

    def construct_date(self, node: Any) -> Any:
        """Build a date, saying which one is none (30 February)."""
        try:
            return self.construct_yaml_timestamp(node)
        except ValueError as error:
            problem = f'"{node.value}" is no date: {error}'
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark) from error


def _plain_scalars_as_in_yaml_1_2() -> None:
    replaced = {"tag:yaml.org,2002:bool", "tag:yaml.org,2002:int", "tag:yaml.org,2002:float"}
    StrictLoader.yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag not in replaced and not tag.endswith(":merge")]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    StrictLoader.add_implicit_resolver(
        "tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
    )
    StrictLoader.add_implicit_resolver(
        "tag:yaml.org,2002:int", re.compile(r"^[-+]?(?:0|[1-9][0-9]*)$"), list("-+0123456789")
    )
    StrictLoader.add_implicit_resolver(
        "tag:yaml.org,2002:float",
        re.compile(r"^[-+]?(?:\.[0-9]+|[0-9]+\.[0-9]*|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?$"),
        list("-+.0123456789"),
    )
    StrictLoader.add_constructor("tag:yaml.org,2002:timestamp", StrictLoader.construct_date)


_plain_scalars_as_in_yaml_1_2()


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML file that holds one mapping.

    Parameters
    ----------
    path:
        The file, UTF-8.

    Returns
    -------
    The mapping; its values are str, int, float, bool, None, datetime.date, lists and mappings.

    Raises
    ------
    ConfigurationError
        Missing, unreadable, too big, not UTF-8, not YAML, a key twice, or not a mapping; names file and line.
    """
    where = display_path(path)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ConfigurationError([f"{where}: larger than {MAX_BYTES // 1_000_000} MB; is this a data file?"])
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigurationError([f"{where}: cannot be read: {error.strerror}"]) from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ConfigurationError([f"{where}:{line}: not UTF-8 text"]) from error
    return parse_yaml(text, where)


def parse_yaml(text: str, where: str) -> dict[str, Any]:
    """Parse the text of a YAML file that holds one mapping; `where` names the file in errors. See `read_yaml`."""
    try:
        content = yaml.load(text, Loader=StrictLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        position = f":{mark.line + 1}" if mark else ""
        raise ConfigurationError([f"{where}{position}: {error.problem or error.context or 'not YAML'}"]) from error
    except yaml.YAMLError as error:
        raise ConfigurationError([f"{where}: not YAML: {str(error).splitlines()[0]}"]) from error
    except (ValueError, OverflowError) as error:  # a whole number of too many digits
        raise ConfigurationError([f"{where}: {error}"]) from error
    except RecursionError as error:
        raise ConfigurationError([f"{where}: nested too deeply"]) from error
    if not isinstance(content, dict):
        got = "nothing" if content is None else type(content).__name__
        raise ConfigurationError([f"{where}: must hold keys and values, but holds {got}"])
    return content


def display_path(path: Path) -> str:
    """Return the path as a user would name it: relative to the working directory where it lies below it."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except (ValueError, OSError):
        return str(path)
