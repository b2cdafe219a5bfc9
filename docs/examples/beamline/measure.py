"""Measure the intensity of a detector's frame. If a pixel has gone wild and no mask names it, the task fails.

    python3 measure.py INFILE OUTFILE       the task: one frame in, its intensity out

The masked pixels are in bad_pixels.json beside this file, as [[row, column], ...].
"""

import json
import sys
from pathlib import Path

SATURATED = 60_000
MASK = Path(__file__).with_name("bad_pixels.json")


def measure_frame(frame: list[list[int]], masked: set[tuple[int, int]]) -> float:
    """Return the mean of the pixels that are not masked."""
    values = []
    for row, pixels in enumerate(frame):
        for column, value in enumerate(pixels):
            if (row, column) in masked:
                continue
            if value >= SATURATED:
                raise ValueError(f"pixel [{row}, {column}] is saturated; mask it if it is broken")
            values.append(value)
    return sum(values) / len(values)


def main() -> None:
    masked = {tuple(pixel) for pixel in json.loads(MASK.read_text())} if MASK.exists() else set()
    with open(sys.argv[1]) as infile:
        shot = json.load(infile)
    measured = {"shot": shot["shot"], "intensity": round(measure_frame(shot["frame"], masked), 2)}
    with open(sys.argv[2], "w") as outfile:
        json.dump(measured, outfile)


if __name__ == "__main__":
    main()
