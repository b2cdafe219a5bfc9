"""`python -m pilot`: run one pilot with the settings in its environment."""

import sys

from pilot.app import main

if __name__ == "__main__":
    sys.exit(main())
