"""Simulate the shower of an electron in a calorimeter, and what the calorimeter measures of it.

python3 simulate.py INFILE OUTFILE      the task: one electron in, one shower out
"""

import json
import math
import random
import sys

N_LAYERS = 24
#: Below this energy (GeV) a particle makes no others, and leaves its energy in its layer.
CRITICAL_GEV = 0.05
#: The relative error of a layer that 1 GeV has reached.
SAMPLING_ERROR = 0.12


def simulate_shower(energy_gev: float, dice: random.Random) -> list[float]:
    """Return the energy (GeV) that an electron leaves in each layer."""
    layers = [0.0] * N_LAYERS
    particles = [(0, energy_gev)]
    while particles:
        layer, energy = particles.pop()
        if energy < CRITICAL_GEV or layer == N_LAYERS - 1:
            layers[layer] += energy
            continue
        part = dice.uniform(0.1, 0.9)
        particles += [(layer + 1, energy * part), (layer + 1, energy * (1 - part))]
    return layers


def measure_layers(layers: list[float], dice: random.Random) -> float:
    """Return the energy (GeV) that the calorimeter measures."""
    return sum(max(0.0, dice.gauss(energy, SAMPLING_ERROR * math.sqrt(energy))) for energy in layers)


def main() -> None:
    with open(sys.argv[1]) as infile:
        electron = json.load(infile)
    dice = random.Random(electron["seed"])
    layers = simulate_shower(electron["energy_gev"], dice)
    shower = {
        "event": electron["event"],
        "energy_gev": electron["energy_gev"],
        "measured_gev": round(measure_layers(layers, dice), 4),
        "deepest_layer": max(n for n, energy in enumerate(layers) if energy),
    }
    with open(sys.argv[2], "w") as outfile:
        json.dump(shower, outfile)


if __name__ == "__main__":
    main()
