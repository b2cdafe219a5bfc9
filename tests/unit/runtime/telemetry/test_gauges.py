"""A gauge forgets what no later count has confirmed."""

from prometheus_client import CollectorRegistry, generate_latest

from runtime.telemetry.gauges import FreshGauge


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def make_gauge(*labels: str) -> tuple[FreshGauge, Clock, CollectorRegistry]:
    clock, registry = Clock(), CollectorRegistry()
    return FreshGauge("things", "Things.", labels, life_s=90, clock=clock, registry=registry), clock, registry


def read_lines(registry: CollectorRegistry) -> list[str]:
    return [line for line in generate_latest(registry).decode().splitlines() if not line.startswith("#")]


def test_a_count_replaces_all_values_of_the_count_before() -> None:
    things, _, registry = make_gauge("kind")
    things.replace_values({("old",): 1, ("kept",): 2})
    things.replace_values({("kept",): 3})
    assert read_lines(registry) == ['things{kind="kept"} 3.0']


def test_a_count_expires() -> None:
    things, clock, registry = make_gauge()
    things.set_value(5)
    clock.now += 90
    assert read_lines(registry) == ["things 5.0"]
    clock.now += 0.1
    assert read_lines(registry) == []
    things.set_value(6)
    assert read_lines(registry) == ["things 6.0"]


def test_a_caller_may_change_its_values_afterwards() -> None:
    things, _, registry = make_gauge("kind")
    values = {("a",): 1.0}
    things.replace_values(values)
    values[("b",)] = 2.0
    assert read_lines(registry) == ['things{kind="a"} 1.0']


def test_a_count_lives_for_a_few_intervals() -> None:
    things, clock, registry = make_gauge()
    things.expect_counts(every_s=60)
    things.set_value(5)
    clock.now += 240
    assert read_lines(registry) == ["things 5.0"]
    clock.now += 0.1
    assert read_lines(registry) == []
    things.expect_counts(every_s=1)
    assert read_lines(registry) == []
    clock.now -= 151
    assert read_lines(registry) == ["things 5.0"]
