"""`python -m pilot`: one pilot, from its environment."""

import sys

from pilot.app import main

if __name__ == "__main__":
    sys.exit(main())
