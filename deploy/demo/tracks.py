"""The demonstration's workflow and its events, made from the example that users copy: docs/examples/tracks.

simulate.py -> [tracks] -> linefit.py -> [lines] -> refine.py -> [scores]
"""

import json
import runpy
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ewms import Task, Workflow

EXAMPLE = Path(__file__).parents[2] / "docs/examples/tracks"
SEED = 2026

INPUT, BETWEEN, OUTPUT = "tracks", "lines", "scores"

#: The path of the second task's code in its image.
IN_IMAGE = "/opt/tracks/refine.py"

# A line fit takes a twentieth of the time that a container takes to start, so two fitters keep six refiners busy.
N_FITTERS = 2
N_REFINERS = 6

# Leave out site packages and the user's PYTHON variables: Python then starts in half of the time.
_QUICK = ("-S", "-E")


def sample_events(n: int) -> list[dict[str, Any]]:
    """Return the sample's first `n` events. They are the same on every machine."""
    simulate = runpy.run_path(str(EXAMPLE / "simulate.py"))
    return list(simulate["events"](n, SEED))


def build_workflow(image: Path, cluster: str) -> Workflow:
    """Return the workflow: the first task runs as a bare process on the worker, the second in apptainer `image`."""
    common = {"clusters": [cluster], "memory": "128M", "disk": "256M", "max_runtime": "15m"}
    return Workflow(
        name="muon tracks",
        public=[INPUT, OUTPUT],
        tasks=[
            Task(
                image="none",
                args=_shell_command(sys.executable, EXAMPLE / "linefit.py"),
                inputs=[INPUT],
                outputs=[BETWEEN],
                n_workers=N_FITTERS,
                pilot=_pilot_options("none"),
                **common,  # type: ignore[arg-type]  # a dictionary of several types
            ),
            Task(
                image=str(image),
                args=_shell_command("python3", IN_IMAGE),
                inputs=[BETWEEN],
                outputs=[OUTPUT],
                n_workers=N_REFINERS,
                pilot=_pilot_options("apptainer"),
                **common,  # type: ignore[arg-type]  # likewise
            ),
        ],
    )


def _shell_command(python: str, script: "str | Path") -> str:
    words: Sequence[str] = (python, *_QUICK, str(script), "{{INFILE}}", "{{OUTFILE}}")
    # Double quotes keep a path with a blank in one word, and leave the placeholders as they are.
    return " ".join(json.dumps(word) if " " in word else word for word in words)


def _pilot_options(platform: str) -> dict[str, str | int | list[str]]:
    return {
        "_EWMS_PILOT_CONTAINER_PLATFORM": platform,
        "EWMS_PILOT_INFILE_EXT": ".json",
        "EWMS_PILOT_OUTFILE_EXT": ".json",
        "EWMS_PILOT_MAX_CONCURRENT_TASKS": 1,
    }
