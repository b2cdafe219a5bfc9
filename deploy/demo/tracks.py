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

#: Where the second task's code lies in its image.
IN_IMAGE = "/opt/tracks/refine.py"

# A line fit takes a twentieth of the time of a container's start, so few workers keep many refiners busy.
N_FITTERS = 2
N_REFINERS = 6

# Neither site packages nor the user's variables: an interpreter that starts in half of the time.
_QUICK = ("-S", "-E")


def sample_events(n: int) -> list[dict[str, Any]]:
    """Return the sample's first `n` events; the same on every machine."""
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
    # In double quotes a blank in a path is part of a word, and the placeholders stay placeholders.
    return " ".join(json.dumps(word) if " " in word else word for word in words)


def _pilot_options(platform: str) -> dict[str, str | int | list[str]]:
    return {
        "_EWMS_PILOT_CONTAINER_PLATFORM": platform,
        "EWMS_PILOT_INFILE_EXT": ".json",
        "EWMS_PILOT_OUTFILE_EXT": ".json",
        "EWMS_PILOT_MAX_CONCURRENT_TASKS": 1,
    }
