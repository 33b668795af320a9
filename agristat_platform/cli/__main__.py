"""`python -m agristat_platform.cli`, what the bootstrap hands over to."""

import sys

from agristat_platform.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
