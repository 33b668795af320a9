"""Running the platform from a terminal: materialising a season through Dagster, serving the UI, the demo.

What belongs here: processes, progress, the Dagster instance. What does not: assets, resources, science; this package only starts them.
"""
