"""The science and the rules of the statistics: everything here works without Dagster.

`definitions` and `cli` sit on top of `assets` and `resources`; every other package in here imports neither.
This file imports nothing, so that `python -m agristat_platform` can set up an environment with the standard library alone.
"""

__version__ = "0.1.0"
