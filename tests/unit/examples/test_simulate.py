import math

from simulate import MODULES, events, light_time_ns, simulate


def test_the_same_seed_gives_the_same_events_whatever_was_simulated_before() -> None:
    assert simulate(7, seed=3) == list(events(8, seed=3))[7]
    assert simulate(7, seed=3) != simulate(7, seed=4)


def test_hits_lie_on_modules_and_in_order_of_time() -> None:
    for event in events(20, seed=1):
        times = [hit[3] for hit in event["hits"]]
        assert times == sorted(times)
        assert {tuple(hit[:3]) for hit in event["hits"]} <= set(MODULES)
        assert math.isclose(math.hypot(*event["truth"]["direction"]), 1.0, abs_tol=1e-5)


def test_light_from_a_module_on_the_track_comes_when_the_muon_does() -> None:
    assert math.isclose(light_time_ns(29.9792458, 0.0), 100.0)
    assert light_time_ns(0.0, 10.0) > 0.0


def test_every_event_has_some_noise_and_says_how_much() -> None:
    assert all(0 < event["truth"]["n_noise"] < len(event["hits"]) / 4 for event in events(20, seed=1))
