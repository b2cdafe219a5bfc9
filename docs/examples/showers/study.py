"""What a user does before and after the simulation.

python3 study.py electrons 20           print 20 electrons, one event on each line
python3 study.py resolution < showers   print how well the calorimeter measures
"""

import json
import random
import statistics
import sys


def print_electrons(n_events: int) -> None:
    dice = random.Random(2026)
    for n in range(n_events):
        print(json.dumps({"event": n, "energy_gev": round(dice.uniform(5, 50), 3), "seed": n}))


def print_resolution() -> None:
    showers = [json.loads(line) for line in sys.stdin]
    ratios = [shower["measured_gev"] / shower["energy_gev"] for shower in showers]
    print(f"{len(showers)} showers: mean {statistics.mean(ratios):.3f}, resolution {statistics.stdev(ratios):.3f}")


if __name__ == "__main__":
    if sys.argv[1] == "electrons":
        print_electrons(int(sys.argv[2]))
    else:
        print_resolution()
