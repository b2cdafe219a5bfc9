"""Print ten frames of a small detector, one event on each line. In two of them the pixel [2, 5] has gone wild."""

import json
import random

N_ROWS = N_COLUMNS = 8
WILD = (3, 7)

dice = random.Random(2026)
for shot in range(10):
    frame = [[dice.randint(900, 1100) for _ in range(N_COLUMNS)] for _ in range(N_ROWS)]
    if shot in WILD:
        frame[2][5] = 65_535
    print(json.dumps({"shot": shot, "frame": frame}))
