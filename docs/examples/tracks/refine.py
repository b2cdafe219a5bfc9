"""Second task: refine the line by the time at which Cherenkov light should arrive, and score both against the truth.

A track is five numbers: where it crosses the plane through the hits' middle (2), when (1), and two small rotations of
its direction. The time residual of each hit, measured minus expected, is made small by least squares, again and again
(Gauss-Newton); every round weighs hits down by how far off they were, so that noise and late, scattered photons lose
their vote (Tukey's biweight), with a width that narrows from round to round.

    python3 refine.py INFILE OUTFILE         standard library only
"""

import json
import math
import os
import sys
import time
from collections.abc import Sequence

Vector = list[float]
Hit = Sequence[float]

C_M_PER_NS = 0.299792458
TAN_CHERENKOV = math.tan(math.acos(1 / 1.32))

#: Beyond this many ns a hit has no vote: wide while the line is a guess, then narrow.
WIDTHS_NS = (1000.0, 600.0, 400.0, 250.0, 150.0, 100.0, 75.0, 60.0, 50.0, 45.0, 45.0, 45.0)


def dot(a: Sequence[float], b: Sequence[float]) -> float:
    """Return the scalar product."""
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def cross(a: Sequence[float], b: Sequence[float]) -> Vector:
    """Return the vector product."""
    return [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]


def unit(a: Sequence[float]) -> Vector:
    """Return the direction of `a`."""
    length = math.sqrt(dot(a, a))
    return [x / length for x in a]


def perpendiculars(direction: Sequence[float]) -> tuple[Vector, Vector]:
    """Return two unit vectors that make a right-handed frame with `direction`."""
    axis = min(range(3), key=lambda i: abs(direction[i]))
    first = unit(cross(direction, [1.0 if i == axis else 0.0 for i in range(3)]))
    return first, cross(direction, first)


def angle_deg(a: Sequence[float], b: Sequence[float]) -> float:
    """Return the angle between two directions; exact for small ones too, where acos is not."""
    product = cross(a, b)
    return math.degrees(math.atan2(math.sqrt(dot(product, product)), dot(a, b)))


def solve(matrix: list[list[float]], right: list[float]) -> list[float] | None:
    """Return x of `matrix` x = `right` by elimination with pivoting; None where it is singular."""
    n = len(right)
    rows = [[*row, value] for row, value in zip(matrix, right, strict=True)]
    for column in range(n):
        pivot = max(range(column, n), key=lambda i: abs(rows[i][column]))
        if abs(rows[pivot][column]) < 1e-12:
            return None
        rows[column], rows[pivot] = rows[pivot], rows[column]
        for i in range(column + 1, n):
            factor = rows[i][column] / rows[column][column]
            rows[i] = [a - factor * b for a, b in zip(rows[i], rows[column], strict=True)]
    x = [0.0] * n
    for i in reversed(range(n)):
        x[i] = (rows[i][n] - sum(rows[i][j] * x[j] for j in range(i + 1, n))) / rows[i][i]
    return x


def biweight(residual_ns: float, width_ns: float) -> float:
    """Return the vote of a hit `residual_ns` off: 1 in the middle, 0 from `width_ns` on."""
    share = residual_ns / width_ns
    return (1 - share * share) ** 2 if abs(share) < 1 else 0.0


def residual_and_gradient(
    hit: Hit, point: Vector, t_ns: float, direction: Vector, frame: tuple[Vector, Vector]
) -> tuple[float, list[float]]:
    """Return measured minus expected time of `hit`, and the expected time's derivatives.

    The derivatives are by the two shifts of `point` along `frame`, by `t_ns`, and by the two rotations of `direction`
    towards `frame`.
    """
    offset = [hit[i] - point[i] for i in range(3)]
    along = dot(offset, direction)
    u, v = dot(offset, frame[0]), dot(offset, frame[1])
    off = math.sqrt(u * u + v * v) or 1e-9
    expected = t_ns + (along + off * TAN_CHERENKOV) / C_M_PER_NS
    # Turning the direction by a towards u: along grows by a u, u shrinks by a along.
    cos_u, cos_v = u / off, v / off
    slope = TAN_CHERENKOV / C_M_PER_NS
    gradient = [
        -slope * cos_u,
        -slope * cos_v,
        1.0,
        u / C_M_PER_NS - slope * cos_u * along,
        v / C_M_PER_NS - slope * cos_v * along,
    ]
    return hit[3] - expected, gradient


def starting_time(hits: Sequence[Hit], point: Vector, direction: Vector) -> float:
    """Return the median time residual of a track that passes `point` at t = 0: noise does not move it."""
    frame = perpendiculars(direction)
    residuals = sorted(residual_and_gradient(hit, point, 0.0, direction, frame)[0] for hit in hits)
    return residuals[len(residuals) // 2]


def refine(hits: Sequence[Hit], direction: Vector) -> tuple[Vector, int, int]:
    """Return the refined direction, the number of hits that still vote, and the rounds it took."""
    n = len(hits)
    point = [sum(hit[axis] for hit in hits) / n for axis in range(3)]
    t_ns = starting_time(hits, point, direction)
    n_voting = n
    for n_rounds, width in enumerate(WIDTHS_NS, 1):
        frame = perpendiculars(direction)
        normal = [[0.0] * 5 for _ in range(5)]
        right = [0.0] * 5
        n_voting = 0
        for hit in hits:
            residual, gradient = residual_and_gradient(hit, point, t_ns, direction, frame)
            weight = biweight(residual, width)
            if weight == 0.0:
                continue
            n_voting += 1
            for i in range(5):
                right[i] += weight * gradient[i] * residual
                for j in range(5):
                    normal[i][j] += weight * gradient[i] * gradient[j]
        for i in range(5):
            normal[i][i] *= 1.001  # a little damping: a grazing track must not be thrown out of the detector
        step = solve(normal, right) if n_voting > 5 else None
        if step is None:
            return direction, n_voting, n_rounds
        point = [point[i] + step[0] * frame[0][i] + step[1] * frame[1][i] for i in range(3)]
        t_ns += step[2]
        # At most about ten degrees a round: the derivatives hold for small turns only.
        turn = math.hypot(step[3], step[4])
        scale = min(1.0, 0.2 / turn) if turn > 0 else 0.0
        direction = unit([direction[i] + scale * (step[3] * frame[0][i] + step[4] * frame[1][i]) for i in range(3)])
    return direction, n_voting, len(WIDTHS_NS)


def score(event: dict) -> dict:
    """Return what both tasks made of `event`, without its hits: the direction of each and how far off it was."""
    first, truth = event["linefit"], event["truth"]["direction"]
    direction, n_voting, n_rounds = refine(event["hits"], first["direction"])
    return {
        "event": event["event"],
        "n_hits": len(event["hits"]),
        "linefit": {**first, "error_deg": round(angle_deg(first["direction"], truth), 4)},
        "refine": {
            "direction": direction,
            "error_deg": round(angle_deg(direction, truth), 4),
            "n_hits_used": n_voting,
            "rounds": n_rounds,
        },
    }


def main(argv: Sequence[str]) -> None:
    """Read one event, refine it, write the scores."""
    infile, outfile = argv
    with open(infile) as file:
        result = score(json.load(file))
    result["refine"]["seconds"] = round(time.time() - os.path.getmtime(infile), 4)
    with open(outfile, "w") as file:
        json.dump(result, file, separators=(",", ":"))


if __name__ == "__main__":
    main(sys.argv[1:])
