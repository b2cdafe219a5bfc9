import json
import math
from pathlib import Path
from statistics import median

import pytest
from linefit import reconstruct
from refine import angle_deg, main, perpendiculars, refine, residual_and_gradient, score, solve
from simulate import distances, events, light_time_ns


def test_angles_are_exact_where_acos_is_not() -> None:
    small = math.radians(1e-7)
    assert angle_deg([0, 0, 1], [math.sin(small), 0, math.cos(small)]) == pytest.approx(1e-7, rel=1e-6)
    assert angle_deg([0, 0, 1], [0, 0, -1]) == pytest.approx(180)


def test_elimination_solves_and_says_when_it_cannot() -> None:
    assert solve([[0.0, 2.0], [3.0, 1.0]], [4.0, 5.0]) == pytest.approx([1.0, 2.0])
    assert solve([[1.0, 2.0], [2.0, 4.0]], [1.0, 2.0]) is None


@pytest.mark.parametrize("parameter", range(5))
def test_the_derivatives_are_those_of_the_expected_time(parameter: int) -> None:
    direction, point, t_ns, hit = [0.6, 0.0, 0.8], [10.0, -20.0, 5.0], 30.0, [60.0, 40.0, -70.0, 500.0]
    frame = perpendiculars(direction)

    def expected(step: float) -> float:
        steps = [step if i == parameter else 0.0 for i in range(5)]
        moved = [point[i] + steps[0] * frame[0][i] + steps[1] * frame[1][i] for i in range(3)]
        turned = [direction[i] + steps[3] * frame[0][i] + steps[4] * frame[1][i] for i in range(3)]
        length = math.hypot(*turned)
        turned = [x / length for x in turned]
        return hit[3] - residual_and_gradient(hit, moved, t_ns + steps[2], turned, perpendiculars(turned))[0]

    step = 1e-6
    numeric = (expected(step) - expected(-step)) / (2 * step)
    assert residual_and_gradient(hit, point, t_ns, direction, frame)[1][parameter] == pytest.approx(numeric, rel=1e-4)


def test_perfect_hits_give_the_track_back_from_a_guess_ten_degrees_off() -> None:
    truth, vertex = (0.0, 0.6, 0.8), (5.0, -3.0, 2.0)
    modules = [(float(x), float(y), float(z)) for x in (-60, 0, 60) for y in (-60, 0, 60) for z in range(-150, 151, 50)]
    hits = [[*module, light_time_ns(*distances(vertex, truth, module))] for module in modules]
    tilt = math.radians(10)
    guess = [math.sin(tilt), 0.6 * math.cos(tilt), 0.8 * math.cos(tilt)]
    direction, n_voting, _ = refine(hits, guess)
    assert angle_deg(direction, truth) < 0.01
    assert n_voting == len(hits)


def test_on_the_sample_refining_is_ten_times_better_than_the_line_fit_and_never_absurd() -> None:
    scores = [score(reconstruct(event)) for event in events(150, seed=2026)]
    first, second = ([s[task]["error_deg"] for s in scores] for task in ("linefit", "refine"))
    assert median(second) < median(first) / 10
    assert sorted(second)[int(0.9 * len(second))] < 1.0
    assert max(second) < 45


def test_noise_has_no_vote() -> None:
    for event in events(20, seed=9):
        result = score(reconstruct(event))
        assert result["refine"]["n_hits_used"] <= result["n_hits"] - 0.5 * event["truth"]["n_noise"]


def test_too_few_hits_leave_the_direction_as_it_was() -> None:
    hits = [[0, 0, 0, 0], [0, 0, 30, 100], [0, 0, 60, 200]]
    assert refine(hits, [0.0, 0.0, 1.0])[0] == [0.0, 0.0, 1.0]


def test_the_task_writes_scores_without_the_hits(tmp_path: Path) -> None:
    infile, outfile = tmp_path / "in.json", tmp_path / "out.json"
    infile.write_text(json.dumps(reconstruct(next(events(1, seed=1)))))
    main([str(infile), str(outfile)])
    result = json.loads(outfile.read_text())
    assert result["event"] == 0
    assert "hits" not in result
    assert result["refine"]["error_deg"] < result["linefit"]["error_deg"] + 5
