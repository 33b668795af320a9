"""The command line: `agristat …`. One module a group of commands; each calls the platform and prints."""

from agristat_platform.cli.main import main

__all__ = ["main"]
