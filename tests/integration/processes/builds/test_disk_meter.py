"""One process counts a sandbox's bytes as often as it is asked."""

import subprocess
import sys
from collections.abc import Iterator

import pytest

from processes.builds.sandbox.disk_meter import METERING, DiskMeter

_COUNTING = "while read -r _; do printf '4 /work\\n8 /builder-tmp\\n0 /builder-home\\nend\\n'; done"


class Meters:
    """Starts meters that run `script`."""

    def __init__(self, script: str) -> None:
        self.started: list[subprocess.Popen[bytes]] = []
        self.script = script
        self.meter = DiskMeter(self._start)

    def _start(self) -> subprocess.Popen[bytes]:
        self.started.append(
            subprocess.Popen(
                ["sh", "-c", self.script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
        )
        return self.started[-1]


@pytest.fixture
def counting() -> Iterator[Meters]:
    """Meters that say 12 KiB at once."""
    meters = Meters(_COUNTING)
    yield meters
    meters.meter.close()


def test_one_process_measures_again_and_again_and_ends_with_the_meter(counting: Meters) -> None:
    assert [counting.meter.measure() for _ in range(3)] == [12 << 10] * 3
    [process] = counting.started
    counting.meter.close()
    assert process.returncode == 0


def test_nothing_starts_before_the_first_measurement(counting: Meters) -> None:
    counting.meter.close()
    assert counting.started == []


def test_a_meter_that_has_ended_could_not_look_and_the_next_look_starts_another(counting: Meters) -> None:
    counting.meter.measure()
    counting.started[0].kill()
    assert [counting.meter.measure(), counting.meter.measure()] == [None, 12 << 10]
    assert len(counting.started) == 2


def test_a_look_that_takes_too_long_counts_as_a_full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("processes.builds.sandbox.disk_meter._MEASURE_S", 0.2)
    slow = Meters("read -r _; exec sleep 60")
    assert slow.meter.measure() == sys.maxsize
    assert slow.started[0].returncode == -9


def test_a_place_that_cannot_be_counted_is_no_measurement() -> None:
    # The places of a sandbox are not on this machine.
    outside = Meters(METERING)
    assert outside.meter.measure() is None
    outside.meter.close()
