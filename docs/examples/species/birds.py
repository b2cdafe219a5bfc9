"""What a user does before and after the task.

python3 birds.py ringed 60              print 60 birds, one event on each line
python3 birds.py score < names          print how many were named rightly
"""

import json
import random
import sys

from classify import SPECIES


def print_birds(n_birds: int) -> None:
    dice = random.Random(7)
    for n in range(n_birds):
        name = dice.choice(sorted(SPECIES))
        wing, mass = (round(dice.gauss(mean, spread), 1) for mean, spread in SPECIES[name])
        print(json.dumps({"ring": n, "wing_mm": wing, "mass_g": mass, "truth": name}))


def print_score() -> None:
    birds = [json.loads(line) for line in sys.stdin]
    n_right = sum(bird["species"] == bird["truth"] for bird in birds)
    n_starts = sum(bird["n_since_start"] == 1 for bird in birds)
    print(f"{n_right} of {len(birds)} birds are right; the model was learned {n_starts} time(s)")


if __name__ == "__main__":
    if sys.argv[1] == "ringed":
        print_birds(int(sys.argv[2]))
    else:
        print_score()
