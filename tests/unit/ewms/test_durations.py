from datetime import timedelta

import pytest

from ewms.durations import parse_seconds


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (90, 90.0),
        ("90", 90.0),
        ("1.5h", 5400.0),
        ("2h30m", 9000.0),
        ("1h 30m", 5400.0),
        ("250ms", 0.25),
        ("1D", 86400.0),
    ],
)
def test_durations_are_read_as_people_write_them(written: str | float, meant: float) -> None:
    assert parse_seconds(written) == pytest.approx(meant)


def test_a_timedelta_is_a_duration() -> None:
    assert parse_seconds(timedelta(minutes=2)) == 120.0


@pytest.mark.parametrize("written", ["", "soon", "5x", "5 m x", "-3", -1, float("nan"), float("inf"), "inf"])
def test_what_is_no_duration_is_refused(written: str | float) -> None:
    with pytest.raises(ValueError, match="duration"):
        parse_seconds(written)
