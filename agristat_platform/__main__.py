"""`python3 -m agristat_platform …`: set up an environment beside the checkout, then run the command in it."""

import sys

from agristat_platform.bootstrap import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
