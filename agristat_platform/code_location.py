"""What `workspace.yaml` loads: the definitions of this checkout's configuration. Importing it reads the configuration."""

import os

from agristat_platform.catalogue import load_settings
from agristat_platform.definitions import build_definitions

defs = build_definitions(load_settings(os.environ.get("AGRISTAT_CONFIG", "config")))
