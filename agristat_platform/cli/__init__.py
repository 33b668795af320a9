"""The command line: `agristat …`. One module a group of commands; each calls the platform and prints.

Modules here import Dagster, resources and science inside the commands: help and messages must not wait for them.
"""

from agristat_platform.cli.main import main

__all__ = ["main"]
