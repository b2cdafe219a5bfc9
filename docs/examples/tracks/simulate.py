"""Simulate muon tracks in a detector grid: one JSON object a line, the same for the same seed.

    {"event": 17,
     "hits": [[x_m, y_m, z_m, t_ns], ...],                       in order of time
     "truth": {"direction": [dx, dy, dz], "vertex": [x, y, z], "t0_ns": 0.0, "n_noise": 5}}

A muon flies through at the speed of light and sends Cherenkov light off at a fixed angle; modules near the track see
it, later the farther they are, with a jitter, a tail of scattered photons and random noise hits. Standard library only.
"""

import argparse
import json
import math
import random
from collections.abc import Iterator
from typing import Any

Vector = tuple[float, float, float]

#: A grid of strings, each with modules along z; metres.
STRINGS = [(x * 120.0, y * 120.0) for x in range(-3, 4) for y in range(-3, 4)]
MODULES_Z = [z * 25.0 for z in range(-16, 17)]
MODULES: list[Vector] = [(x, y, z) for x, y in STRINGS for z in MODULES_Z]

C_M_PER_NS = 0.299792458
#: Cherenkov angle in ice: cos = 1/n, n = 1.32.
TAN_CHERENKOV = math.tan(math.acos(1 / 1.32))

ABSORPTION_M = 26.0
REACH_M = 160.0
JITTER_NS = 5.0
#: Scattering delays photons the more the farther they come: mean delay per metre.
SCATTERING_NS_PER_M = 0.25
NOISE_FRACTION = 0.12
MIN_HITS = 12


def dot(a: Vector, b: Vector) -> float:
    """Return the scalar product."""
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def distances(vertex: Vector, direction: Vector, module: Vector) -> tuple[float, float]:
    """Return how far `module` lies along the track from its vertex, and how far off it; metres."""
    offset = (module[0] - vertex[0], module[1] - vertex[1], module[2] - vertex[2])
    along = dot(offset, direction)
    return along, math.sqrt(max(0.0, dot(offset, offset) - along * along))


def light_time_ns(along_m: float, off_m: float) -> float:
    """Return when Cherenkov light of a track through its vertex at t = 0 reaches a module."""
    return (along_m + off_m * TAN_CHERENKOV) / C_M_PER_NS


def random_direction(rng: random.Random) -> Vector:
    """Return a direction uniform on the sphere."""
    z, phi = rng.uniform(-1.0, 1.0), rng.uniform(0.0, 2 * math.pi)
    r = math.sqrt(1 - z * z)
    return r * math.cos(phi), r * math.sin(phi), z


def track_hits(vertex: Vector, direction: Vector, rng: random.Random) -> list[list[float]]:
    """Return the hits [x, y, z, t] that the track's own light makes."""
    hits = []
    for module in MODULES:
        along, off = distances(vertex, direction, module)
        if off > REACH_M or rng.random() > 6.0 * math.exp(-off / ABSORPTION_M):
            continue
        delay = rng.gauss(0.0, JITTER_NS) + rng.expovariate(1.0) * SCATTERING_NS_PER_M * off
        hits.append([*module, round(light_time_ns(along, off) + delay, 2)])
    return hits


def noise_hits(hits: list[list[float]], rng: random.Random) -> list[list[float]]:
    """Return random hits, a fixed fraction of `hits`, spread over their time window and some more."""
    first, last = min(hit[3] for hit in hits) - 500.0, max(hit[3] for hit in hits) + 500.0
    n_noise = round(NOISE_FRACTION * len(hits))
    return [[*rng.choice(MODULES), round(rng.uniform(first, last), 2)] for _ in range(n_noise)]


def simulate(number: int, seed: int) -> dict[str, Any]:
    """Return event `number` of the sample `seed`; it does not depend on the other events."""
    rng = random.Random(seed * 1_000_003 + number)
    while True:
        vertex = (rng.uniform(-250, 250), rng.uniform(-250, 250), rng.uniform(-250, 250))
        direction = random_direction(rng)
        hits = track_hits(vertex, direction, rng)
        # A track that grazes the grid leaves too little to reconstruct; real detectors do not trigger on it either.
        if len(hits) >= MIN_HITS:
            break
    noise = noise_hits(hits, rng)
    truth = {
        "direction": [round(x, 6) for x in direction],
        "vertex": [round(x, 2) for x in vertex],
        "t0_ns": 0.0,
        "n_noise": len(noise),
    }
    return {"event": number, "hits": sorted(hits + noise, key=lambda hit: hit[3]), "truth": truth}


def events(n: int, seed: int) -> Iterator[dict[str, Any]]:
    """Yield the sample's first `n` events."""
    return (simulate(number, seed) for number in range(n))


def main() -> None:
    """Print a sample as JSON lines."""
    parser = argparse.ArgumentParser(description="simulate muon tracks in a detector grid, one JSON object a line")
    parser.add_argument("-n", type=int, default=500, help="number of events")
    parser.add_argument("--seed", type=int, default=2026)
    arguments = parser.parse_args()
    for event in events(arguments.n, arguments.seed):
        print(json.dumps(event, separators=(",", ":")))


if __name__ == "__main__":
    main()
