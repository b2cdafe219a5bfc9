"""The examples are scripts, not a package: tests import them as a task's container runs them, from their folder."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3] / "docs/examples/tracks"))
