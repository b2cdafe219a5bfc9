import json
import math
import random
from pathlib import Path

import pytest
from linefit import line_fit, main, reconstruct


def line(velocity: tuple[float, float, float], times: list[float]) -> list[list[float]]:
    return [[1.0 + velocity[0] * t, -2.0 + velocity[1] * t, 3.0 + velocity[2] * t, t] for t in times]


def test_points_on_a_line_give_that_line() -> None:
    position, velocity = line_fit(line((0.1, -0.2, 0.25), [0.0, 10.0, 35.0, 400.0]))
    assert velocity == pytest.approx((0.1, -0.2, 0.25))
    assert position == pytest.approx((1.0, -2.0, 3.0))


def test_a_late_clock_does_not_cost_precision() -> None:
    # <t^2> - <t>^2 of nanoseconds since midnight cancels to nothing unless the mean is taken off first.
    late = 8.64e13
    _, velocity = line_fit(line((0.1, -0.2, 0.25), [late + t for t in (0.0, 10.0, 35.0, 400.0)]))
    assert velocity == pytest.approx((0.1, -0.2, 0.25), rel=1e-2)


def test_random_noise_of_a_tenth_turns_a_long_track_by_a_few_degrees_only() -> None:
    rng = random.Random(5)
    hits = line((0.0, 0.0, 0.3), [float(t) for t in range(0, 3000, 20)])
    noise = [[*(rng.uniform(-400, 400) for _ in range(3)), rng.uniform(0, 3000)] for _ in range(15)]
    _, velocity = line_fit(hits + noise)
    assert velocity[2] / math.hypot(*velocity) > math.cos(math.radians(5))


@pytest.mark.parametrize("hits", [[], [[0, 0, 0, 1]], [[0, 0, 0, 1], [5, 5, 5, 1]]])
def test_hits_without_a_velocity_are_refused_with_a_reason(hits: list[list[float]]) -> None:
    with pytest.raises(ValueError, match=r"line|time"):
        line_fit(hits)


def test_hits_that_stand_still_are_refused() -> None:
    with pytest.raises(ValueError, match="motion"):
        reconstruct({"hits": [[1, 1, 1, 0], [1, 1, 1, 9]]})


def test_the_task_adds_its_fit_and_keeps_the_event(tmp_path: Path) -> None:
    infile, outfile = tmp_path / "in.json", tmp_path / "out.json"
    event = {"event": 4, "hits": line((0.0, 0.0, 0.3), [0.0, 100.0, 200.0]), "truth": {"direction": [0, 0, 1]}}
    infile.write_text(json.dumps(event))
    main([str(infile), str(outfile)])
    result = json.loads(outfile.read_text())
    assert {key: result[key] for key in event} == event
    assert result["linefit"]["direction"] == pytest.approx([0, 0, 1])
    assert result["linefit"]["seconds"] >= 0
