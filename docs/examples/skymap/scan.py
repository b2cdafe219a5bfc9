"""Compare one direction of the sky with the light that a detector saw.

python3 scan.py tiles                   print the tiles of the sky, one event on each line
python3 scan.py INFILE OUTFILE          the task: one tile in, its likelihood out
python3 scan.py merge < likelihoods     print where the source is
"""

import json
import math
import random
import sys

N_ZENITHS, N_AZIMUTHS = 6, 8
#: Where the source is (degrees), and how far its photons scatter.
SOURCE, SCATTERING_DEG = (75.0, 202.5), 20.0


def unit_vector(zenith_deg: float, azimuth_deg: float) -> tuple[float, float, float]:
    zenith, azimuth = math.radians(zenith_deg), math.radians(azimuth_deg)
    return (math.sin(zenith) * math.cos(azimuth), math.sin(zenith) * math.sin(azimuth), math.cos(zenith))


def print_tiles() -> None:
    dice = random.Random(2026)
    photons = [[round(dice.gauss(angle, SCATTERING_DEG), 2) for angle in SOURCE] for _ in range(30)]
    for n in range(N_ZENITHS * N_AZIMUTHS):
        row, column = divmod(n, N_AZIMUTHS)
        direction = [(row + 0.5) * 180 / N_ZENITHS, (column + 0.5) * 360 / N_AZIMUTHS]
        print(json.dumps({"tile": n, "direction_deg": direction, "photons_deg": photons}))


def scan_tile(tile: dict) -> dict:
    """Return the tile's log-likelihood: how well the photons agree with a source in its middle."""
    middle = unit_vector(*tile["direction_deg"])
    concentration = 1 / math.radians(SCATTERING_DEG) ** 2
    distances = [math.dist(middle, unit_vector(*photon)) for photon in tile["photons_deg"]]
    likelihood = -concentration / 2 * sum(distance**2 for distance in distances)
    return {"tile": tile["tile"], "direction_deg": tile["direction_deg"], "log_likelihood": likelihood}


def print_map() -> None:
    tiles = sorted(map(json.loads, sys.stdin), key=lambda tile: tile["log_likelihood"], reverse=True)
    best = tiles[0]
    near = [tile for tile in tiles if tile["log_likelihood"] > best["log_likelihood"] - 200]
    zenith, azimuth = best["direction_deg"]
    print(f"{len(tiles)} tiles: the source is near zenith {zenith}, azimuth {azimuth}; {len(near)} tile(s) to look at")


if __name__ == "__main__":
    if sys.argv[1] == "tiles":
        print_tiles()
    elif sys.argv[1] == "merge":
        print_map()
    else:
        with open(sys.argv[1]) as infile, open(sys.argv[2], "w") as outfile:
            json.dump(scan_tile(json.load(infile)), outfile)
