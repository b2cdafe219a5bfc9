"""Name the species of birds by their measures. This is a warm task: it learns once, and then answers each event."""

import json
import math
import random
import sys

#: Species -> the mean and the spread of the wing's length (mm) and of the mass (g).
SPECIES = {"blackbird": ((128, 4), (100, 8)), "robin": ((72, 3), (18, 2)), "swift": ((172, 5), (42, 4))}
N_TRAINING = 20_000


def learn_species() -> dict[str, list[tuple[float, float]]]:
    """Return the mean and the spread of each measure, by species, from many birds: the slow part."""
    dice = random.Random(2026)
    learned = {}
    for name, measures in SPECIES.items():
        learned[name] = []
        for mean, spread in measures:
            seen = [dice.gauss(mean, spread) for _ in range(N_TRAINING)]
            middle = sum(seen) / len(seen)
            learned[name].append((middle, math.sqrt(sum((x - middle) ** 2 for x in seen) / len(seen))))
    return learned


def name_bird(learned: dict[str, list[tuple[float, float]]], bird: dict) -> str:
    """Return the species that the bird's measures fit best."""

    def measure_misfit(name: str) -> float:
        pairs = zip((bird["wing_mm"], bird["mass_g"]), learned[name], strict=True)
        return sum(((value - mean) / spread) ** 2 + 2 * math.log(spread) for value, (mean, spread) in pairs)

    return min(learned, key=measure_misfit)


def main() -> None:
    learned = learn_species()
    for n_since_start, line in enumerate(sys.stdin, 1):
        event = json.loads(line)
        answer = {**event["data"], "species": name_bird(learned, event["data"]), "n_since_start": n_since_start}
        print(json.dumps({"id": event["id"], "data": answer}), flush=True)


if __name__ == "__main__":
    main()
