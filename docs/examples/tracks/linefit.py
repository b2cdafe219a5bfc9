"""First task: a straight line through the hits, by the line-fit estimator.

With the hits' positions r and times t, and <> the mean over hits, the line r(t) = r0 + v t that minimises
the sum of |r_i - r0 - v t_i|^2 has

    v = (<r t> - <r> <t>) / (<t^2> - <t>^2)        r0 = <r> - v <t>

It needs no first guess and one pass, and ignores how light travels: a start for better fits.
Source: V. J. Stenger, "Track fitting for DUMAND-II", University of Hawaii HDC-1-90 (1990); also
J. Ahrens et al., "Muon track reconstruction and data selection techniques in AMANDA", NIM A 524 (2004) 169.

    python3 linefit.py INFILE OUTFILE        the input event with `linefit` added

Standard library only, and little of it: a task of milliseconds feels each import.
"""

import json
import math
import os
import sys
import time
from collections.abc import Sequence

Hit = Sequence[float]


def line_fit(hits: Sequence[Hit]) -> tuple[list[float], list[float]]:
    """Return the line's point at t = 0 (m) and its velocity (m/ns) for hits [x, y, z, t].

    Raises:
        ValueError: the hits are fewer than two or all of one time, so that no velocity follows.
    """
    n = len(hits)
    if n < 2:
        raise ValueError(f"a line needs at least 2 hits, not {n}")
    # Times relative to their mean keep <t^2> - <t>^2 from cancelling to noise when t is large.
    mean_t = sum(hit[3] for hit in hits) / n
    times = [hit[3] - mean_t for hit in hits]
    variance = sum(t * t for t in times) / n
    if variance <= 0.0:
        raise ValueError("all hits have the same time")
    mean_r = [sum(hit[axis] for hit in hits) / n for axis in range(3)]
    velocity = [sum(hit[axis] * t for hit, t in zip(hits, times, strict=True)) / n / variance for axis in range(3)]
    return [mean_r[axis] - velocity[axis] * mean_t for axis in range(3)], velocity


def reconstruct(event: dict) -> dict:
    """Return `event` with the fitted line under `linefit`."""
    position, velocity = line_fit(event["hits"])
    speed = math.hypot(*velocity)
    if speed == 0.0:
        raise ValueError("the hits show no motion")
    fit = {
        "direction": [component / speed for component in velocity],
        "position": position,
        "speed_m_per_ns": speed,
    }
    return {**event, "linefit": fit}


def main(argv: Sequence[str]) -> None:
    """Read one event, fit it, write it."""
    infile, outfile = argv
    with open(infile) as file:
        event = reconstruct(json.load(file))
    # The pilot wrote the infile as it started this task, so this counts the start of Python, and of a container, too.
    event["linefit"]["seconds"] = round(time.time() - os.path.getmtime(infile), 4)
    with open(outfile, "w") as file:
        json.dump(event, file, separators=(",", ":"))


if __name__ == "__main__":
    main(sys.argv[1:])
